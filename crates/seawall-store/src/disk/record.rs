//! A stored response as bytes, and back. Reading takes any bytes, and gives a response or nothing.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use seawall_cache::date::{Expiry, ReceivedAge};
use seawall_cache::encoding::Encoding;
use seawall_cache::etag::Strength;
use seawall_cache::partial::Partial;
use seawall_cache::{
    Control, ResponseDirectives, Reuse, SecondaryKey, Standing, StoredResponse, SurrogateKeys,
};
use seawall_http::{ByteRange, Coding, UnixTime};

/// Lines of a header section, and elements of any list; what is stored has far fewer.
const LIST_MAX: u64 = 4096;

#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

pub(super) struct Reader<'a>(pub(super) &'a [u8]);

// === impl Writer ===

impl Writer {
    pub(super) fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| write(self, item));
    }

    fn duration(&mut self, duration: Duration) {
        self.number(duration.as_secs());
        self.number(u64::from(duration.subsec_nanos()));
    }

    fn time(&mut self, time: UnixTime) {
        self.number(time.0);
    }

    fn reuse(&mut self, reuse: &Reuse) {
        match reuse {
            Reuse::Unrestricted => self.0.push(0),
            Reuse::Response => self.0.push(1),
            Reuse::Fields(names) => {
                self.0.push(2);
                self.list(names, |writer, name| writer.bytes(name.as_str().as_bytes()));
            }
        }
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Some(None) }
    }

    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.number().filter(|length| *length <= LIST_MAX)?;
        (0..length).map(|_| read(self)).collect()
    }

    fn name(&mut self) -> Option<HeaderName> {
        let bytes = self.bytes()?;
        // Names are kept in lower case: another spelling is no name that was written here.
        HeaderName::from_bytes(bytes).ok().filter(|name| name.as_str().as_bytes() == bytes)
    }

    fn duration(&mut self) -> Option<Duration> {
        let (secs, nanos) = (self.number()?, self.number()?);
        Some(Duration::new(secs, u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?))
    }

    fn time(&mut self) -> Option<UnixTime> {
        self.number().map(UnixTime)
    }

    fn reuse(&mut self) -> Option<Reuse> {
        match self.byte()? {
            0 => Some(Reuse::Unrestricted),
            1 => Some(Reuse::Response),
            2 => self.list(Self::name).map(Reuse::Fields),
            _ => None,
        }
    }
}

// === responses ===

/// Every field of a response is named here, so that one added to it cannot be forgotten.
pub(super) fn write_response(writer: &mut Writer, response: &StoredResponse) {
    let StoredResponse {
        status,
        fields,
        control,
        partial,
        encoding,
        surrogate_keys,
        selected_by,
        request_time,
        response_time,
        standing,
    } = response;
    writer.number(u64::from(status.as_u16()));
    writer.number(fields.len() as u64);
    for (name, value) in fields {
        writer.bytes(name.as_str().as_bytes());
        writer.bytes(value.as_bytes());
        writer.flag(value.is_sensitive());
    }
    write_control(writer, control);
    writer.optional(partial.as_ref(), |writer, partial| {
        writer.number(partial.complete_bytes());
        writer.list(partial.ranges(), |writer, range| {
            writer.number(range.start);
            writer.number(range.length);
        });
    });
    write_encoding(writer, *encoding);
    writer.list(surrogate_keys.hashes(), |writer, hash| writer.number(*hash));
    writer.flag(surrogate_keys.has_overflowed());
    write_selecting(writer, selected_by);
    writer.time(*request_time);
    writer.time(*response_time);
    writer.0.push(match standing {
        Standing::Valid => 0,
        Standing::SoftPurged => 1,
        Standing::Invalidated => 2,
    });
}

/// What tells the variants of one key apart.
pub(super) fn write_selecting(writer: &mut Writer, selected_by: &SecondaryKey) {
    let selecting: Vec<_> = selected_by.fields().collect();
    writer.list(&selecting, |writer, (name, value)| {
        writer.bytes(name.as_str().as_bytes());
        writer.optional(*value, Writer::bytes);
    });
}

pub(super) fn read_response(reader: &mut Reader<'_>) -> Option<StoredResponse> {
    let status = StatusCode::from_u16(u16::try_from(reader.number()?).ok()?).ok()?;
    let lines = reader.list(|reader| Some((reader.name()?, reader.bytes()?, reader.flag()?)))?;
    let mut fields = HeaderMap::with_capacity(lines.len());
    for (name, value, is_sensitive) in lines {
        let mut value = HeaderValue::from_bytes(value).ok()?;
        value.set_sensitive(is_sensitive);
        fields.append(name, value);
    }
    Some(StoredResponse {
        status,
        fields,
        control: read_control(reader)?,
        partial: match reader.optional(read_partial)? {
            Some(None) => return None,
            partial => partial.flatten(),
        },
        encoding: read_encoding(reader)?,
        surrogate_keys: {
            let hashes = reader.list(Reader::number)?;
            SurrogateKeys::restore(hashes, reader.flag()?)
        },
        selected_by: SecondaryKey::restore(reader.list(|reader| {
            let name = reader.name()?;
            Some((name, reader.optional(|reader| reader.bytes().map(<[u8]>::to_vec))?))
        })?),
        request_time: reader.time()?,
        response_time: reader.time()?,
        standing: match reader.byte()? {
            0 => Standing::Valid,
            1 => Standing::SoftPurged,
            2 => Standing::Invalidated,
            _ => return None,
        },
    })
}

/// Ranges that do not fit together are read as `None`.
fn read_partial(reader: &mut Reader<'_>) -> Option<Option<Partial>> {
    let complete_bytes = reader.number()?;
    let range = |reader: &mut Reader<'_>| {
        let (start, length) = (reader.number()?, reader.number()?);
        Some(ByteRange { start, length })
    };
    Some(Partial::new(complete_bytes, reader.list(range)?))
}

fn write_encoding(writer: &mut Writer, encoding: Encoding) {
    match encoding {
        Encoding::AsSent => writer.0.push(0),
        Encoding::Plain => writer.0.push(1),
        Encoding::Added { coding, origin_tag } => {
            writer.0.push(match coding {
                Coding::Brotli => 2,
                Coding::Zstd => 3,
                Coding::Gzip => 4,
            });
            writer.flag(origin_tag == Strength::Strong);
        }
    }
}

fn read_encoding(reader: &mut Reader<'_>) -> Option<Encoding> {
    let coding = match reader.byte()? {
        0 => return Some(Encoding::AsSent),
        1 => return Some(Encoding::Plain),
        2 => Coding::Brotli,
        3 => Coding::Zstd,
        4 => Coding::Gzip,
        _ => return None,
    };
    let origin_tag = if reader.flag()? { Strength::Strong } else { Strength::Weak };
    Some(Encoding::Added { coding, origin_tag })
}

fn write_control(writer: &mut Writer, control: &Control) {
    let Control { directives, expiry, date, last_modified, age } = control;
    let ResponseDirectives {
        max_age,
        s_maxage,
        no_cache,
        private,
        must_revalidate,
        proxy_revalidate,
        must_understand,
        no_store,
        no_transform,
        public,
        immutable,
        stale_while_revalidate,
        stale_if_error,
    } = directives;
    for seconds in [max_age, s_maxage, stale_while_revalidate, stale_if_error] {
        writer.optional(*seconds, Writer::number);
    }
    writer.reuse(no_cache);
    writer.reuse(private);
    let flags =
        [must_revalidate, proxy_revalidate, must_understand, no_store, no_transform, public, immutable];
    flags.into_iter().for_each(|flag| writer.flag(*flag));
    match expiry {
        Expiry::Unstated => writer.0.push(0),
        Expiry::Past => writer.0.push(1),
        Expiry::At(time) => {
            writer.0.push(2);
            writer.time(*time);
        }
    }
    writer.optional(*date, Writer::time);
    writer.optional(*last_modified, Writer::time);
    writer.duration(age.first);
    writer.flag(age.garbled);
}

fn read_control(reader: &mut Reader<'_>) -> Option<Control> {
    let mut seconds = || reader.optional(Reader::number);
    let [max_age, s_maxage, stale_while_revalidate, stale_if_error] =
        [seconds()?, seconds()?, seconds()?, seconds()?];
    let (no_cache, private) = (reader.reuse()?, reader.reuse()?);
    let directives = ResponseDirectives {
        max_age,
        s_maxage,
        no_cache,
        private,
        must_revalidate: reader.flag()?,
        proxy_revalidate: reader.flag()?,
        must_understand: reader.flag()?,
        no_store: reader.flag()?,
        no_transform: reader.flag()?,
        public: reader.flag()?,
        immutable: reader.flag()?,
        stale_while_revalidate,
        stale_if_error,
    };
    let expiry = match reader.byte()? {
        0 => Expiry::Unstated,
        1 => Expiry::Past,
        2 => Expiry::At(reader.time()?),
        _ => return None,
    };
    Some(Control {
        directives,
        expiry,
        date: reader.optional(Reader::time)?,
        last_modified: reader.optional(Reader::time)?,
        age: ReceivedAge { first: reader.duration()?, garbled: reader.flag()? },
    })
}
