//! The `RateLimit` and `RateLimit-Policy` fields (draft-ietf-httpapi-ratelimit-headers-10): lists of one item each, a
//! quota policy's name with its parameters, in structured field syntax (RFC 9651).

use super::escape::Escape;
use super::write_number;
use crate::set::Quota;

impl Quota<'_> {
    /// Appends the value of `RateLimit`: `"per-client";r=0;t=5`.
    pub fn write_rate_limit(&self, out: &mut Vec<u8>) {
        self.write_name(out);
        out.extend_from_slice(b";r=");
        write_number(self.remaining, out);
        out.extend_from_slice(b";t=");
        write_number(self.reset_secs, out);
    }

    /// Appends the value of `RateLimit-Policy`: `"per-client";q=50;w=1`.
    pub fn write_policy(&self, out: &mut Vec<u8>) {
        self.write_name(out);
        out.extend_from_slice(b";q=");
        write_number(self.quota, out);
        out.extend_from_slice(b";w=");
        write_number(self.window_secs, out);
    }

    fn write_name(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        Escape::Field.write(self.name, usize::MAX, out);
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_is_written_as_structured_fields() {
        let quota = Quota { name: "per-client", quota: 50, window_secs: 1, remaining: 3, reset_secs: 5 };
        let (mut limit, mut policy) = (Vec::new(), Vec::new());
        quota.write_rate_limit(&mut limit);
        quota.write_policy(&mut policy);
        assert_eq!(String::from_utf8(limit).unwrap(), "\"per-client\";r=3;t=5");
        assert_eq!(String::from_utf8(policy).unwrap(), "\"per-client\";q=50;w=1");
    }
}
