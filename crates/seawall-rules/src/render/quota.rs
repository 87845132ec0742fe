//! The `RateLimit` and `RateLimit-Policy` fields (draft-ietf-httpapi-ratelimit-headers-10): lists of one item each, a
//! quota policy's name with its parameters, in structured field syntax (RFC 9651). They go on answers that pass as
//! well as on refusals.

use super::escape::Escape;
use super::write_number;
use crate::set::Quota;

impl Quota<'_> {
    /// Appends the value of `RateLimit`: `"per-client";r=0;t=5`.
    pub fn write_rate_limit(&self, out: &mut Vec<u8>) {
        self.write_item([(b'r', self.remaining), (b't', self.reset_secs)], out);
    }

    /// Appends the value of `RateLimit-Policy`: `"per-client";q=50;w=1`.
    pub fn write_policy(&self, out: &mut Vec<u8>) {
        self.write_item([(b'q', self.quota), (b'w', self.window_secs)], out);
    }

    fn write_item(&self, parameters: [(u8, u64); 2], out: &mut Vec<u8>) {
        out.push(b'"');
        Escape::Field.write(self.name, usize::MAX, out);
        out.push(b'"');
        for (key, number) in parameters {
            out.extend_from_slice(&[b';', key, b'=']);
            // RFC 9651 §3.3.1: an integer has at most 15 digits.
            write_number(number.min(INTEGER_MAX), out);
        }
    }
}

const INTEGER_MAX: u64 = 999_999_999_999_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_structured_fields() {
        let quota =
            Quota { name: "per-client", quota: 50, window_secs: 1, remaining: 3, reset_secs: u64::MAX };
        let (mut rate_limit, mut policy) = (Vec::new(), Vec::new());
        quota.write_rate_limit(&mut rate_limit);
        quota.write_policy(&mut policy);
        assert_eq!(rate_limit, b"\"per-client\";r=3;t=999999999999999");
        assert_eq!(policy, b"\"per-client\";q=50;w=1");
    }
}
