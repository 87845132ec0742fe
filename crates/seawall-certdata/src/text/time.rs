//! Times as OpenSSL prints them: `Jan 28 12:00:00 2028 GMT`.

use super::der::{Decoded, Undecodable};
use crate::date;

/// A time in seconds since 1970.
pub(super) fn seconds(time: i64) -> String {
    format!("{} GMT", &date::asctime(time)[4..])
}

/// The content of a GeneralizedTime in UTC, without a fraction.
pub(super) fn generalized(content: &[u8]) -> Decoded<String> {
    date::generalized_time(content).map(seconds).ok_or(Undecodable)
}
