//! What a refused person is told: what happened, whether trying again helps, and when.

use std::time::Duration;

use http::StatusCode;

use crate::refusal::{Bound, Cause, OriginFault, Refusal};

/// Where nothing is known about when.
const LATER: &str = "Try again later.";
const USELESS: &str = "Trying again will not help.";

/// What happened, without the rule's own text.
pub(super) fn what(refusal: &Refusal<'_>) -> &'static str {
    match refusal.cause {
        Cause::Rule { .. } | Cause::Limit { .. } => match refusal.status {
            StatusCode::TOO_MANY_REQUESTS => "Too many requests.",
            StatusCode::METHOD_NOT_ALLOWED => "This method is not allowed here.",
            StatusCode::NOT_FOUND | StatusCode::GONE => "There is nothing here.",
            _ => "A rule of this site refuses this request.",
        },
        Cause::Bound(bound) => bound_hit(bound),
        Cause::Malformed => "The request is not valid HTTP.",
        Cause::NoSite => "There is no site of this name here.",
        Cause::Origin(fault) => match fault {
            OriginFault::ConnectionTimeout | OriginFault::ResponseTimeout => "The site answered too late.",
            OriginFault::Protocol | OriginFault::ConnectionTerminated => "The site gave no usable answer.",
            OriginFault::Unavailable
            | OriginFault::ConnectionRefused
            | OriginFault::Tls
            | OriginFault::TlsCertificate
            | OriginFault::Dns => "The site is unreachable.",
        },
    }
}

fn bound_hit(bound: Bound) -> &'static str {
    match bound {
        Bound::HeaderBytes | Bound::Fields => "Too many header fields or cookies.",
        Bound::TargetBytes => "The address is too long.",
        Bound::HeaderTime | Bound::IdleTime | Bound::HandshakeTime | Bound::WriteTime => {
            "The request took too long."
        }
        Bound::BodyBytes => "The upload is too large.",
        Bound::BodyRate => "The upload was too slow.",
        Bound::Exchanges | Bound::Queue | Bound::QueueTime | Bound::Connections => "The site is busy.",
        Bound::Tarpits => "A rule of this site refuses this request.",
        Bound::ConnectionsPerNetwork | Bound::RequestsPerConnection => "Too many connections or requests.",
        Bound::Http2Frames | Bound::Http2Resets => "The connection was misused.",
    }
}

/// Whether trying again helps, where no time is known.
pub(super) fn again(refusal: &Refusal<'_>) -> &'static str {
    match refusal.cause {
        // The rule's own text says what its author wanted to say.
        Cause::Rule { .. } if refusal.text.is_some() => "",
        Cause::Rule { .. } | Cause::Limit { .. } => match refusal.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => LATER,
            _ => USELESS,
        },
        Cause::Malformed | Cause::NoSite => USELESS,
        Cause::Origin(_) => LATER,
        Cause::Bound(bound) => match bound {
            Bound::HeaderBytes | Bound::Fields => "Deleting cookies may help.",
            Bound::TargetBytes | Bound::BodyBytes | Bound::Tarpits => USELESS,
            _ => LATER,
        },
    }
}

/// `Try again in 5 seconds.`: rounded up, in the greatest unit of which there are at least two.
pub(super) fn write_when(after: Duration, out: &mut Vec<u8>) {
    let secs = seconds_up(after);
    let (number, unit) = match secs {
        0..120 => (secs, "second"),
        120..7_200 => (secs.div_ceil(60), "minute"),
        7_200..172_800 => (secs.div_ceil(3_600), "hour"),
        _ => (secs.div_ceil(86_400), "day"),
    };
    out.extend_from_slice(b"Try again in ");
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.push(b' ');
    out.extend_from_slice(unit.as_bytes());
    out.extend_from_slice(if number == 1 { b"." } else { b"s." });
}

/// Whole seconds, rounded up, at least one: `Retry-After` in too few would bring the client back too early.
pub(super) fn seconds_up(after: Duration) -> u64 {
    (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_round_units() {
        for (ms, expected) in [
            (0, "Try again in 1 second."),
            (1_001, "Try again in 2 seconds."),
            (119_000, "Try again in 119 seconds."),
            (121_000, "Try again in 3 minutes."),
            (7_200_000, "Try again in 2 hours."),
            (200_000_000, "Try again in 3 days."),
        ] {
            let mut out = Vec::new();
            write_when(Duration::from_millis(ms), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
