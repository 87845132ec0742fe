//! A request's header section (RFC 9113 §8.2, §8.3), as [`Head`]: what decides about requests sees no difference
//! between the versions.

use super::hpack::FieldList;
use crate::facts::{Field, Protocol};
use crate::h1::head::{Connection, FIELDS_MAX};
use crate::h1::target::check_authority;
use crate::h1::{FieldStorage, Framing, Head, HeadBounds, HeadError, Target};

/// Judges a decoded header section; `ends_stream` if no content follows.
///
/// The fields are those received, in their order; where there is no `Host`, one with the authority comes last.
///
/// # Errors
/// [`HeadError::Expectation`], [`HeadError::TargetTooLong`] and [`HeadError::TooManyFields`] are told to the client;
/// every other one says that the request is malformed (§8.1.1).
pub fn parse<'s, 'h: 's>(
    list: &'h FieldList,
    ends_stream: bool,
    storage: &'s mut FieldStorage<'h>,
    bounds: HeadBounds,
) -> Result<Head<'s>, HeadError> {
    let mut line = Line::default();
    let mut seen = Seen::default();
    // One more may be added for `Host`.
    let most = bounds.fields.min(FIELDS_MAX - 1);
    for (name, value) in list.iter() {
        if let Some(pseudo) = name.strip_prefix(b":") {
            // §8.3: before all fields.
            if !storage.is_empty() {
                return Err(HeadError::RequestLine);
            }
            line.set(pseudo, value)?;
            continue;
        }
        let field = check_field(name, value)?;
        seen.note(field)?;
        if storage.len() == most {
            return Err(HeadError::TooManyFields);
        }
        storage.push(field);
    }
    let authority = authority(line.authority, seen.host)?;
    let (method, target) = line.finish()?;
    let framing = framing(seen.content_length, ends_stream)?;
    if method == "TRACE" && framing != Framing::Empty {
        return Err(HeadError::TraceContent);
    }
    if !seen.expects.unwrap_or(b"100-continue").eq_ignore_ascii_case(b"100-continue") {
        return Err(HeadError::Expectation);
    }
    if target.origin_form().len() > bounds.target_bytes {
        return Err(HeadError::TargetTooLong);
    }
    if seen.host.is_none() {
        storage.push(Field { name: "host", value: authority.as_bytes() });
    }
    Ok(Head {
        method,
        target,
        protocol: Protocol::Http2,
        fields: storage,
        authority,
        framing,
        connection: Connection::default(),
        expects_continue: seen.expects.is_some(),
    })
}

/// The pseudo-header fields (§8.3.1).
#[derive(Default)]
struct Line<'a> {
    method: Option<&'a [u8]>,
    scheme: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
}

impl<'a> Line<'a> {
    fn set(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), HeadError> {
        let place = match name {
            b"method" => &mut self.method,
            b"scheme" => &mut self.scheme,
            b"authority" => &mut self.authority,
            b"path" => &mut self.path,
            _ => return Err(HeadError::RequestLine),
        };
        // Each once.
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(HeadError::RequestLine),
        }
    }

    fn finish(self) -> Result<(&'a str, Target<'a>), HeadError> {
        let (Some(method), Some(scheme), Some(path)) = (self.method, self.scheme, self.path) else {
            return Err(HeadError::RequestLine);
        };
        if method.is_empty() || method.iter().any(|&octet| !TOKEN[octet as usize]) || method == b"CONNECT" {
            return Err(HeadError::RequestLine);
        }
        if !is_scheme(scheme) {
            return Err(HeadError::RequestLine);
        }
        let method = str::from_utf8(method).map_err(|_| HeadError::RequestLine)?;
        let path = str::from_utf8(path).map_err(|_| HeadError::RequestLine)?;
        match Target::parse(method, path)? {
            Target::Absolute { .. } => Err(HeadError::RequestLine),
            target => Ok((method, target)),
        }
    }
}

/// RFC 3986 §3.1.
fn is_scheme(scheme: &[u8]) -> bool {
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(octet))
}

/// Fields that say something about the message itself.
#[derive(Default)]
struct Seen<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<&'a [u8]>,
    expects: Option<&'a [u8]>,
}

impl<'a> Seen<'a> {
    fn note(&mut self, field: Field<'a>) -> Result<(), HeadError> {
        match field.name {
            "host" => once(&mut self.host, field.value, HeadError::Host),
            "content-length" => once(&mut self.content_length, field.value, HeadError::ContentLength),
            "expect" => {
                // Several are as one that is not known, unless each is.
                if self.expects.is_none_or(|known| known.eq_ignore_ascii_case(b"100-continue")) {
                    self.expects = Some(field.value);
                }
                Ok(())
            }
            // §8.2.2: these belong to HTTP/1.1's connections.
            "connection" | "proxy-connection" | "keep-alive" | "transfer-encoding" | "upgrade" => {
                Err(HeadError::FieldLine)
            }
            "te" if field.value != b"trailers" => Err(HeadError::FieldLine),
            _ => Ok(()),
        }
    }
}

fn once<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8], error: HeadError) -> Result<(), HeadError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(error),
    }
}

/// §8.3.1: a `Host` that differs from `:authority` makes a request malformed, and so does an empty one.
fn authority<'a>(authority: Option<&'a [u8]>, host: Option<&'a [u8]>) -> Result<&'a str, HeadError> {
    let chosen = match (authority, host) {
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            return Err(HeadError::Host);
        }
        (Some([]), _) | (None, None) => return Err(HeadError::Host),
        (Some(authority), _) => authority,
        (None, Some(host)) => host,
    };
    let chosen = str::from_utf8(chosen).map_err(|_| HeadError::Host)?;
    check_authority(chosen)?;
    Ok(chosen)
}

/// §8.1.1: a `Content-Length` that is not the content's makes a request malformed. With content that is still to come,
/// whoever takes it in compares.
fn framing(content_length: Option<&[u8]>, ends_stream: bool) -> Result<Framing, HeadError> {
    let length = content_length.map(|digits| {
        // `parse` alone would take a sign.
        let digits =
            str::from_utf8(digits).ok().filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()));
        digits.and_then(|digits| digits.parse().ok()).ok_or(HeadError::ContentLength)
    });
    match (length.transpose()?, ends_stream) {
        (None | Some(0), true) => Ok(Framing::Empty),
        (Some(_), true) => Err(HeadError::ContentLength),
        (Some(length), false) => Ok(Framing::Length(length)),
        (None, false) => Ok(Framing::Chunked),
    }
}

/// §8.2.1.
fn check_field<'a>(name: &'a [u8], value: &'a [u8]) -> Result<Field<'a>, HeadError> {
    let is_name = |octet: &u8| TOKEN[*octet as usize] && !octet.is_ascii_uppercase();
    if name.is_empty() || !name.iter().all(is_name) {
        return Err(HeadError::FieldLine);
    }
    let is_value = |octet: &u8| *octet >= b' ' && *octet != 0x7f || *octet == b'\t';
    let is_trimmed = |octet: Option<&u8>| !matches!(octet, Some(b' ' | b'\t'));
    if !value.iter().all(is_value) || !is_trimmed(value.first()) || !is_trimmed(value.last()) {
        return Err(HeadError::FieldLine);
    }
    let name = str::from_utf8(name).map_err(|_| HeadError::FieldLine)?;
    Ok(Field { name, value })
}

/// Octets of a token (RFC 9110 §5.6.2).
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < 128 {
        table[octet] = (octet as u8).is_ascii_alphanumeric();
        octet += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests;
