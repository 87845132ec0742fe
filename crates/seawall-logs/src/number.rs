//! Numbers, durations and addresses as logs write them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use seawall_http::ClientAddr;

/// What a bare number of time counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    /// IIS counts milliseconds, and what follows the W3C draft seconds with a fraction.
    MillisecondsOrFraction,
}

/// A decimal number, digits alone.
#[inline]
pub(crate) fn whole(bytes: &[u8]) -> Option<u64> {
    // 19 digits always fit.
    if bytes.is_empty() || bytes.len() > 19 {
        return None;
    }
    let mut number = 0_u64;
    for &byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number)
}

/// A status code: three digits, from 100 to 999. nginx and HAProxy write `000` and `-1` for none.
#[inline]
pub(crate) fn status(bytes: &[u8]) -> Option<Option<u16>> {
    if let [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] = *bytes {
        return Some(Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')));
    }
    matches!(bytes, b"0" | b"000" | b"-1").then_some(None)
}

/// A number of bytes; one with a fraction or an exponent (JSON) is cut.
pub(crate) fn count(bytes: &[u8]) -> Option<u64> {
    if let Some(number) = whole(bytes) {
        return Some(number);
    }
    let float: f64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    // `as` saturates; 2^63 bytes are no answer's.
    (float.is_finite() && (0.0..9e18).contains(&float)).then_some(float as u64)
}

/// A number with an optional fraction, in nanoseconds of its unit; `None` also for negative ones, which stand for
/// "did not happen" in HAProxy.
pub(crate) fn duration(bytes: &[u8], unit: Unit) -> Option<Duration> {
    let (digits, unit) = with_suffix(bytes, unit);
    let dot = digits.iter().position(|&byte| byte == b'.');
    let unit = match (unit, dot) {
        (Unit::MillisecondsOrFraction, Some(_)) => Unit::Seconds,
        (Unit::MillisecondsOrFraction, None) => Unit::Milliseconds,
        (unit, _) => unit,
    };
    let nanoseconds: u64 = match unit {
        Unit::Seconds => 1_000_000_000,
        Unit::Milliseconds | Unit::MillisecondsOrFraction => 1_000_000,
        Unit::Microseconds => 1_000,
        Unit::Nanoseconds => 1,
    };
    let (before, after) = match dot {
        Some(dot) => (&digits[..dot], &digits[dot + 1..]),
        None => (digits, &[][..]),
    };
    let Some(whole) = whole(before) else { return exponent(digits, nanoseconds) };
    let mut fraction = 0;
    let mut scale = nanoseconds;
    for &byte in after {
        if !byte.is_ascii_digit() {
            return exponent(digits, nanoseconds);
        }
        scale /= 10;
        fraction += u64::from(byte - b'0') * scale;
    }
    Some(Duration::from_nanos(whole.saturating_mul(nanoseconds).saturating_add(fraction)))
}

/// `4.9e-05`, as JSON writers print short times.
fn exponent(digits: &[u8], nanoseconds: u64) -> Option<Duration> {
    if !digits.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        return None;
    }
    let float: f64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Duration::try_from_secs_f64(float * (nanoseconds as f64 / 1e9)).ok()
}

fn with_suffix(bytes: &[u8], unit: Unit) -> (&[u8], Unit) {
    let suffixes: [(&[u8], Unit); 5] = [
        (b"ms", Unit::Milliseconds),
        (b"us", Unit::Microseconds),
        ("µs".as_bytes(), Unit::Microseconds),
        (b"ns", Unit::Nanoseconds),
        (b"s", Unit::Seconds),
    ];
    // Nearly always a digit ends it.
    if bytes.last().is_some_and(u8::is_ascii_digit) {
        return (bytes, unit);
    }
    suffixes
        .into_iter()
        .find_map(|(suffix, unit)| Some((bytes.strip_suffix(suffix)?, unit)))
        .unwrap_or((bytes, unit))
}

/// An address; with a port, in brackets, or with a zone too.
pub(crate) fn address(bytes: &[u8]) -> Option<ClientAddr> {
    if let Some(addr) = v4(bytes) {
        return Some(ClientAddr::new(IpAddr::V4(addr)));
    }
    if bytes.len() > LONGEST_ADDRESS {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let bare = match text.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?.0,
        None => text,
    };
    let bare = bare.split_once('%').map_or(bare, |(addr, _)| addr);
    let addr = bare.parse().ok().or_else(|| {
        // `192.0.2.1:443`; an IPv6 address without brackets has no port.
        let (addr, port) = bare.split_once(':')?;
        port.bytes().all(|byte| byte.is_ascii_digit()).then(|| addr.parse().ok())?
    })?;
    Some(ClientAddr::new(addr))
}

/// An address and the port after its last colon, as HAProxy writes both: `2001:db8::1:443`.
pub(crate) fn address_and_port(bytes: &[u8]) -> Option<ClientAddr> {
    let colon = memchr::memrchr(b':', bytes)?;
    bytes[colon + 1..].iter().all(u8::is_ascii_digit).then(|| address(&bytes[..colon]))?
}

/// Dotted decimal, four numbers of one to three digits.
#[inline]
fn v4(bytes: &[u8]) -> Option<Ipv4Addr> {
    if bytes.len() < 7 || bytes.len() > 15 {
        return None;
    }
    let (mut octets, mut at, mut digits, mut value) = ([0_u8; 4], 0, 0, 0_u32);
    for &byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u32::from(digit);
            digits += 1;
            if digits > 3 || value > 255 {
                return None;
            }
        } else if byte == b'.' && digits > 0 && at < 3 {
            octets[at] = value as u8;
            (at, digits, value) = (at + 1, 0, 0);
        } else {
            return None;
        }
    }
    if at != 3 || digits == 0 {
        return None;
    }
    octets[3] = value as u8;
    Some(Ipv4Addr::from(octets))
}

/// Whether a client that is no address may be its name: letters, digits, `-`, `.` and `_`, the last label no number
/// (RFC 1123 §2.1), or what nginx writes for a socket of the machine.
pub(crate) fn is_name(bytes: &[u8]) -> bool {
    let is_label = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let last = bytes.rsplit(|&byte| byte == b'.').find(|label| !label.is_empty());
    bytes == b"unix:"
        || bytes.len() <= 255
            && bytes.iter().all(is_label)
            && last.is_some_and(|label| label.iter().any(u8::is_ascii_alphabetic))
}

/// An IPv6 address with an IPv4 tail, a zone, brackets and a port.
const LONGEST_ADDRESS: usize = 80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exposed(text: &str) -> Option<String> {
        address(text.as_bytes()).map(|addr| addr.expose().to_string())
    }

    #[test]
    fn addresses_are_read_with_ports_brackets_and_zones() {
        for text in ["192.0.2.1", "192.0.2.1:80", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:80"] {
            assert_eq!(exposed(text).as_deref(), Some("192.0.2.1"), "{text}");
        }
        for text in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443", "2001:db8::1%eth0"] {
            assert_eq!(exposed(text).as_deref(), Some("2001:db8::1"), "{text}");
        }
        for text in
            ["", "1.2.3", "1.2.3.256", "1.2.3.4.5", "1..2.3", "a.b.c.d", "1.2.3.4:x", "[::1", "1234.1.1.1"]
        {
            assert_eq!(exposed(text), None, "{text}");
        }
        assert_eq!(address_and_port(b"2001:db8::1:443").unwrap().expose().to_string(), "2001:db8::1");
    }

    #[test]
    fn names_are_told_from_addresses_and_damage() {
        for name in ["localhost", "crawl-66-249-66-1.googlebot.com", "host.example.", "unix:"] {
            assert!(is_name(name.as_bytes()), "{name}");
        }
        for name in ["", "1.2.3.256", "host:80", "\"192.0.2.1", "a b", "..."] {
            assert!(!is_name(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn durations_keep_their_unit() {
        let ns = |text: &str, unit| duration(text.as_bytes(), unit).map(|time| time.as_nanos());
        assert_eq!(ns("0.005", Unit::Seconds), Some(5_000_000));
        assert_eq!(ns("1.000000001", Unit::Seconds), Some(1_000_000_001));
        assert_eq!(ns("250", Unit::Milliseconds), Some(250_000_000));
        assert_eq!(ns("250", Unit::MillisecondsOrFraction), Some(250_000_000));
        assert_eq!(ns("0.25", Unit::MillisecondsOrFraction), Some(250_000_000));
        assert_eq!(ns("12ms", Unit::Seconds), Some(12_000_000));
        assert_eq!(ns("1.5µs", Unit::Seconds), Some(1_500));
        assert_eq!(ns("4.9e-05", Unit::Seconds), Some(49_000));
        for wrong in ["", "-1", "x", "1.x", "."] {
            assert_eq!(ns(wrong, Unit::Seconds), None, "{wrong}");
        }
    }

    #[test]
    fn counts_and_statuses_refuse_what_they_are_not() {
        assert_eq!(count(b"225000"), Some(225_000));
        assert_eq!(count(b"1e3"), Some(1000));
        assert_eq!((count(b"-5"), count(b""), count(b"nan"), count(b"1e30")), (None, None, None, None));
        assert_eq!(status(b"404"), Some(Some(404)));
        assert_eq!((status(b"000"), status(b"-1")), (Some(None), Some(None)));
        assert_eq!(
            (status(b"20"), status(b"2000"), status(b"2x0"), status(b"099")),
            (None, None, None, None)
        );
    }

    proptest! {
        #[test]
        fn our_reading_of_an_address_is_the_standard_librarys(text in "[0-9.]{5,17}") {
            prop_assert_eq!(v4(text.as_bytes()).is_some(), v4_loosely(&text));
        }

        #[test]
        fn every_address_is_read(addr in any::<std::net::IpAddr>()) {
            let read = address(addr.to_string().as_bytes()).map(|addr| addr.expose());
            prop_assert_eq!(read, Some(addr.to_canonical()));
        }
    }

    /// Leading zeros, which the standard library refuses, are decimal in logs.
    fn v4_loosely(text: &str) -> bool {
        let parts: Vec<&str> = text.split('.').collect();
        parts.len() == 4
            && text.len() <= 15
            && parts.iter().all(|part| !part.is_empty() && part.len() <= 3 && part.parse::<u8>().is_ok())
    }
}
