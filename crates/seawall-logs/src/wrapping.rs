//! What stands around a line that a server wrote: syslog, a container's runtime, an export's quotation marks, a crash's
//! zeros.
//!
//! Sources: RFC 3164 §4.1, RFC 5424 §6; the format of container logs in Kubernetes' CRI ("TIME STREAM TAG LINE"), and
//! what `docker compose logs` prints.

/// What stands around the lines of a file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
pub enum Wrapping {
    /// Nothing.
    #[default]
    None,
    /// A quotation mark before and after each.
    Quotes,
    /// A syslog header, or what a daemon makes of it in a file.
    Syslog,
    /// The time, `stdout` or `stderr`, and `F` or `P`; or a service's name and `|`.
    Container,
}

impl Wrapping {
    /// As a person reads it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Quotes => "quotation marks",
            Self::Syslog => "syslog headers",
            Self::Container => "a container runtime's headers",
        }
    }

    /// What a line looks wrapped in.
    pub(crate) fn of(line: &[u8]) -> Self {
        [Self::Quotes, Self::Container, Self::Syslog]
            .into_iter()
            .find(|wrapping| wrapping.strip(line).is_some())
            .unwrap_or(Self::None)
    }

    /// The line itself; `None` if it is not wrapped so.
    pub(crate) fn strip(self, line: &[u8]) -> Option<&[u8]> {
        match self {
            Self::None => Some(line),
            Self::Quotes => {
                let inner = line.strip_prefix(b"\"")?;
                Some(inner.strip_suffix(b"\"").unwrap_or(inner)).filter(|inner| !inner.is_empty())
            }
            Self::Syslog => syslog(line),
            Self::Container => container(line),
        }
    }
}

/// The line without zeros before it, which a file system leaves where a crash lost a write, and without a byte-order
/// mark, which is anywhere once files were joined.
pub(crate) fn without_debris(line: &[u8]) -> &[u8] {
    let zeros = line.iter().take_while(|&&byte| byte == 0).count();
    let rest = &line[zeros..];
    rest.strip_prefix(BOM).unwrap_or(rest)
}

fn syslog(line: &[u8]) -> Option<&[u8]> {
    let priority = line.strip_prefix(b"<").and_then(|rest| {
        let end = rest.iter().take(4).position(|&byte| byte == b'>')?;
        rest[..end].iter().all(u8::is_ascii_digit).then(|| &rest[end + 1..])
    });
    if let Some(rest) = priority.and_then(|rest| rest.strip_prefix(b"1 ")) {
        return rfc5424(rest);
    }
    let rest = priority.unwrap_or(line);
    let after_time = bsd_time(rest).or_else(|| iso_time(rest)).or(priority)?;
    // `HOST TAG[PID]: `, and nginx leaves the host out if asked to.
    let near = &after_time[..after_time.len().min(HEADER_MAX)];
    let colon = memchr::memmem::find(near, b": ")?;
    // A tag has no spaces, so at most one stands before it.
    let spaces = near[..colon].iter().filter(|&&byte| byte == b' ').count();
    (spaces <= 1).then(|| &after_time[colon + 2..])
}

/// `Feb  6 12:14:14 `.
fn bsd_time(bytes: &[u8]) -> Option<&[u8]> {
    let (month, rest) = bytes.split_at_checked(3)?;
    crate::time::month(month)?;
    let rest = rest.strip_prefix(b" ")?;
    let (day, rest) = rest.split_at_checked(2)?;
    let is_day = day.iter().all(|byte| byte.is_ascii_digit() || *byte == b' ');
    let (clock, rest) = rest.strip_prefix(b" ")?.split_at_checked(8)?;
    crate::time::clock_time(clock).filter(|_| is_day)?;
    rest.strip_prefix(b" ")
}

/// `2024-05-17T10:05:03.123456+02:00 `.
fn iso_time(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().take(40).position(|&byte| byte == b' ')?;
    if bytes.get(10) != Some(&b'T') {
        return None;
    }
    crate::time::Times::default().iso(&bytes[..end], 0)?;
    Some(&bytes[end + 1..])
}

/// `TIME HOST APP PROCID MSGID STRUCTURED-DATA MSG`, after the version.
fn rfc5424(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    for _ in 0..5 {
        let end = rest.iter().take(HEADER_MAX).position(|&byte| byte == b' ')?;
        rest = &rest[end + 1..];
    }
    let message = match rest.strip_prefix(b"- ") {
        Some(message) => message,
        None => {
            rest.strip_prefix(b"[")?;
            let end = memchr::memmem::find(rest, b"] ")?;
            &rest[end + 2..]
        }
    };
    Some(message.strip_prefix(BOM).unwrap_or(message))
}

fn container(line: &[u8]) -> Option<&[u8]> {
    // `web_1  | LINE`, from `docker compose logs`.
    let name = line.iter().take(64).position(|byte| !byte.is_ascii_alphanumeric() && !b"-_.".contains(byte));
    if let Some(rest) =
        name.filter(|&end| end > 0).and_then(|end| line[end..].trim_ascii_start().strip_prefix(b"| "))
    {
        return Some(rest);
    }
    let rest = iso_time(line)?;
    let rest = rest.strip_prefix(b"stdout ").or_else(|| rest.strip_prefix(b"stderr "))?;
    rest.strip_prefix(b"F ").or_else(|| rest.strip_prefix(b"P "))
}

/// UTF-8's mark of its own, which some editors put before a file.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";
/// The longest name of a host, and a tag (RFC 3164 §4.1.3: 32 characters) with a number.
const HEADER_MAX: usize = 320;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wrapping: Wrapping, line: &str, inner: &str) {
        assert_eq!(Wrapping::of(line.as_bytes()), wrapping, "{line}");
        assert_eq!(wrapping.strip(line.as_bytes()), Some(inner.as_bytes()), "{line}");
    }

    #[test]
    fn syslog_in_all_its_forms_is_taken_off() {
        for header in [
            "Feb  6 12:14:14 localhost haproxy[14389]: ",
            "<190>Nov 24 12:00:00 host nginx: ",
            "<190>Nov 24 12:00:00 nginx: ",
            "2024-05-17T10:05:03.123456+02:00 host nginx[12]: ",
            "<165>1 2003-10-11T22:14:15.003Z host.example evntslog - ID47 - ",
            "<165>1 2003-10-11T22:14:15.003Z host evntslog - ID47 [x@32473 iut=\"3\"] \u{feff}",
        ] {
            check(Wrapping::Syslog, &format!("{header}192.0.2.1 - - [x]"), "192.0.2.1 - - [x]");
        }
    }

    #[test]
    fn containers_and_quotation_marks_are_taken_off() {
        check(Wrapping::Container, "2024-05-17T10:05:03.123456789Z stdout F {\"a\":1}", "{\"a\":1}");
        check(Wrapping::Container, "web_1  | 192.0.2.1 - - [x]", "192.0.2.1 - - [x]");
        check(Wrapping::Quotes, "\"192.0.2.1 - - \"x\"\"", "192.0.2.1 - - \"x\"");
    }

    #[test]
    fn plain_lines_are_left_alone() {
        for line in [
            "",
            "\"",
            "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5",
            "{\"a\": \"b: c\"}",
            "2024-05-17 10:05:03 10.0.0.1 GET / - 80",
        ] {
            assert_eq!(Wrapping::of(line.as_bytes()), Wrapping::None, "{line}");
        }
        assert_eq!(without_debris(b"\0\0a\0"), b"a\0");
        assert_eq!(without_debris(b"\xef\xbb\xbfa"), b"a");
    }
}
