//! The `Date` field, written once a second (RFC 9110 §6.6.1).

use std::time::{Duration, UNIX_EPOCH};

use arrayvec::ArrayString;
use seawall_http::UnixTime;

/// The current IMF-fixdate: 29 characters.
#[derive(Debug, Default)]
pub(crate) struct DateCache {
    second: u64,
    text: ArrayString<29>,
}

impl DateCache {
    /// The date at `now`.
    pub(crate) fn at(&mut self, now: UnixTime) -> &str {
        if self.second != now.as_secs() || self.text.is_empty() {
            self.second = now.as_secs();
            self.text = imf_fixdate(now);
        }
        &self.text
    }
}

fn imf_fixdate(now: UnixTime) -> ArrayString<29> {
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now.as_secs().min(LAST_SECOND)));
    ArrayString::from(&date).expect("invariant: an IMF-fixdate has 29 characters")
}

/// The end of the year 9999, the last that the format can say.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9110 §5.6.7
    #[test]
    fn date_follows_the_clock() {
        let mut cache = DateCache::default();
        assert_eq!(cache.at(UnixTime(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(cache.at(UnixTime::from_secs(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(cache.at(UnixTime(u64::MAX)).len(), 29);
    }
}
