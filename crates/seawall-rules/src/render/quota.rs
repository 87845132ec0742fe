//! The `RateLimit` and `RateLimit-Policy` fields (draft-ietf-httpapi-ratelimit-headers-10): lists of one item each, a
//! quota policy's name with its parameters, in structured field syntax (RFC 9651).

use std::time::Duration;

use super::escape::Escape;
use super::{text, write_number};
use crate::limit::Rate;

/// One limit as its client sees it. It goes on answers that pass as well as on refusals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota<'a> {
    /// The limit's name.
    pub name: &'a str,
    /// The policy.
    pub rate: Rate,
    /// Requests that would pass now.
    pub remaining: u64,
    /// When more will, rounded up to seconds.
    pub reset: Duration,
}

impl Quota<'_> {
    /// Appends the value of `RateLimit`: `"per-client";r=0;t=5`.
    pub fn write_rate_limit(&self, out: &mut Vec<u8>) {
        self.write_name(out);
        out.extend_from_slice(b";r=");
        write_number(self.remaining, out);
        out.extend_from_slice(b";t=");
        write_number(text::seconds_up(self.reset), out);
    }

    /// Appends the value of `RateLimit-Policy`: `"per-client";q=50;w=1`.
    pub fn write_policy(&self, out: &mut Vec<u8>) {
        let (quota, window_secs) = whole_seconds(&self.rate);
        self.write_name(out);
        out.extend_from_slice(b";q=");
        write_number(quota, out);
        out.extend_from_slice(b";w=");
        write_number(window_secs, out);
    }

    fn write_name(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        Escape::Field.write(self.name, usize::MAX, out);
        out.push(b'"');
    }
}

/// The window is in whole seconds: a rate per 200 ms is said as five times as much per second.
fn whole_seconds(rate: &Rate) -> (u64, u64) {
    let window_secs = text::seconds_up(rate.per);
    let millis = rate.per.as_millis().max(1);
    let quota = u128::from(rate.requests) * u128::from(window_secs) * 1000 / millis;
    (u64::try_from(quota).unwrap_or(u64::MAX), window_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rate: Rate, reset_ms: u64, rate_limit: &str, policy: &str) {
        let quota = Quota { name: "per-client", rate, remaining: 3, reset: Duration::from_millis(reset_ms) };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        quota.write_rate_limit(&mut first);
        quota.write_policy(&mut second);
        assert_eq!(String::from_utf8(first).unwrap(), rate_limit);
        assert_eq!(String::from_utf8(second).unwrap(), policy);
    }

    #[test]
    fn rates_are_said_per_whole_seconds() {
        let rate = |requests, per_ms| Rate { requests, per: Duration::from_millis(per_ms), burst: 1 };
        check(rate(50, 1000), 5000, "\"per-client\";r=3;t=5", "\"per-client\";q=50;w=1");
        check(rate(10, 60_000), 1, "\"per-client\";r=3;t=1", "\"per-client\";q=10;w=60");
        check(rate(10, 200), 1001, "\"per-client\";r=3;t=2", "\"per-client\";q=50;w=1");
        check(rate(3, 1500), 0, "\"per-client\";r=3;t=1", "\"per-client\";q=4;w=2");
    }
}
