//! HAProxy's HTTP log, with what `option httpslog` adds.
//!
//! Source: HAProxy configuration manual, "8.2.3. HTTP log format", "8.2.4. HTTPS log format", "8.5. Session state at
//! disconnection", "8.8. Capturing HTTP headers". Times have no offset: they are local to the machine that logged.
//! Captured fields have no names in the log; `haproxy:Host|User-Agent` says what the request's are.

use crate::escape::{Escape, Raw};
use crate::field::{Field, LineState, Meaning, assign, finish};
use crate::number::{self, Unit};
use crate::reason::Reason;
use crate::record::{Record, RequestForm};

/// What the captured request fields are, in their order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Captures(Vec<Field>);

impl Captures {
    /// Names with `|` or `,` between them, as `capture request header` lists them.
    pub(crate) fn parse(names: &str) -> Self {
        Self(names.split(['|', ',']).map(|name| Field::of_request(name.trim())).collect())
    }
}

/// Reads a line without its syslog prefix.
pub(crate) fn read<'a>(
    captures: &Captures,
    line: &'a [u8],
    record: &mut Record<'a>,
    meaning: &Meaning,
    state: &mut LineState,
) -> Result<(), Reason> {
    *record = Record::default();
    let mut columns = Columns { rest: line };
    let client = columns.until(b" [")?;
    let time = columns.until(b"] ")?;
    let frontend = columns.until(b" ")?;
    let server = columns.until(b" ")?;
    let timers = columns.until(b" ")?;
    let status = columns.until(b" ")?;
    let bytes = columns.until(b" ")?;
    // Captured cookies, the state at the end, connections, queues.
    let _cookies = (columns.until(b" ")?, columns.until(b" ")?);
    let ending = columns.until(b" ")?;
    let _counts = (columns.until(b" ")?, columns.until(b" ")?);
    // `----` and its like; TCP logs and messages have other columns here.
    if ending.len() != 4 || !server.contains(&b'/') {
        return Err(Reason::Layout);
    }
    let mut put = |record: &mut Record<'a>, field, raw| assign(record, field, raw, meaning, state);
    put(record, Field::ClientAndPort, Raw::plain(client))?;
    put(record, Field::Status, Raw::plain(status))?;
    put(record, Field::SentBytes, Raw::plain(bytes))?;
    record.time = Some(state.times.haproxy(time, meaning.local_offset).ok_or(Reason::Time)?);
    record.shown.extend(Field::TimeAny.facts());
    read_timers(record, timers)?;
    if frontend.ends_with(b"~") {
        record.scheme = Some(b"https".into());
        record.shown.extend(Field::Scheme.facts());
    }
    if let Some(request) = columns.captures()? {
        read_captures(captures, request, record, meaning, state)?;
    }
    read_request(columns.rest, record, meaning, state)?;
    finish(record, meaning, state)
}

/// `TR/Tw/Tc/Tr/Ta` in milliseconds: -1 for what did not happen.
fn read_timers(record: &mut Record<'_>, timers: &[u8]) -> Result<(), Reason> {
    let mut split = timers.split(|&byte| byte == b'/');
    let (Some(_request), Some(_queue), Some(connect), Some(response), Some(total), None) =
        (split.next(), split.next(), split.next(), split.next(), split.next(), split.next())
    else {
        return Err(Reason::Layout);
    };
    let ms = |timer: &[u8]| number::duration(timer, Unit::Milliseconds);
    let total = total.strip_prefix(b"+").unwrap_or(total);
    record.request_time = Some(ms(total).ok_or(Reason::Number)?);
    record.origin_time = ms(connect).zip(ms(response)).map(|(connect, response)| connect + response);
    record.shown.extend(Field::RequestTime(Unit::Milliseconds).facts());
    record.shown.extend(Field::OriginTime(Unit::Milliseconds).facts());
    Ok(())
}

fn read_captures<'a>(
    captures: &Captures,
    columns: &'a [u8],
    record: &mut Record<'a>,
    meaning: &Meaning,
    state: &mut LineState,
) -> Result<(), Reason> {
    for (&field, bytes) in captures.0.iter().zip(columns.split(|&byte| byte == b'|')) {
        // An absent field is captured as nothing.
        if bytes.is_empty() {
            record.shown.extend(field.facts());
        } else {
            assign(record, field, Raw { bytes, escape: Escape::Hash }, meaning, state)?;
        }
    }
    Ok(())
}

/// The request in quotation marks, cut where the line would be too long; then what HTTPS logs add.
fn read_request<'a>(
    rest: &'a [u8],
    record: &mut Record<'a>,
    meaning: &Meaning,
    state: &mut LineState,
) -> Result<(), Reason> {
    let quoted = rest.strip_prefix(b"\"").ok_or(Reason::Layout)?;
    // Quotation marks within are written as they came.
    let (request, tail) = match memchr::memrchr(b'"', quoted) {
        Some(end) => (&quoted[..end], &quoted[end + 1..]),
        None => (quoted, &[][..]),
    };
    assign(record, Field::RequestLine, Raw { bytes: request, escape: Escape::Hash }, meaning, state)?;
    if request == b"<BADREQ>" {
        record.request = RequestForm::Garbled;
    }
    // ` 0/0000000000000000/0/0/0 1wt.eu/TLSv1.3/TLS_AES_256_GCM_SHA384`
    if let Some(tls) = tail.rsplit(|&byte| byte == b' ').next().filter(|tls| !tls.is_empty()) {
        let mut split = tls.rsplitn(3, |&byte| byte == b'/');
        if let (Some(cipher), Some(protocol), Some(_)) = (split.next(), split.next(), split.next()) {
            assign(record, Field::TlsCipher, Raw::plain(cipher), meaning, state)?;
            assign(record, Field::TlsProtocol, Raw::plain(protocol), meaning, state)?;
        }
    }
    Ok(())
}

struct Columns<'a> {
    rest: &'a [u8],
}

impl<'a> Columns<'a> {
    fn until(&mut self, end: &[u8]) -> Result<&'a [u8], Reason> {
        let mut from = 0;
        loop {
            let at = from + memchr::memchr(end[0], &self.rest[from..]).ok_or(Reason::Layout)?;
            if self.rest[at..].starts_with(end) {
                let column = &self.rest[..at];
                self.rest = &self.rest[at + end.len()..];
                return Ok(column);
            }
            from = at + 1;
        }
    }

    /// None, one or two groups in braces: the request's is the first. What was captured may hold anything but the end
    /// of its group, since HAProxy writes that as `#7d`.
    fn captures(&mut self) -> Result<Option<&'a [u8]>, Reason> {
        let mut first = None;
        while let Some(inner) = self.rest.strip_prefix(b"{") {
            self.rest = inner;
            let group = self.until(b"} ")?;
            first = first.or(Some(group));
        }
        Ok(first)
    }
}
