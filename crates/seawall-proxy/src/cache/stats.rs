//! Counters of what one worker did with its cache.

use seawall_cache::{ForwardReason, NotStorable};
use seawall_http::Coding;

use crate::counter::Counter;

/// Counters of one worker.
#[derive(Debug, Default)]
pub struct CacheStats {
    /// Answered from the store, fresh.
    pub hits: Counter,
    /// Of `hits`, answered where the request was read, without an exchange.
    pub at_once: Counter,
    /// Answered from the store, stale: while it was validated, because the client took it, or because the origin failed.
    pub stale: Counter,
    /// Sent to the origin, by [`ForwardReason`]; those answered by another's fetch included.
    pub forwards: [Counter; ForwardReason::ALL.len()],
    /// Of `forwards`, answered by another's fetch.
    pub collapsed: Counter,
    /// Stored responses that a 304 freshened.
    pub freshened: Counter,
    /// Responses that were begun to be stored.
    pub stores: Counter,
    /// Of `stores`, with content that is compressed on its way, by [`Coding`].
    pub compressed: [Counter; Coding::ALL.len()],
    /// Content before that.
    pub compression_bytes_in: Counter,
    /// And after.
    pub compression_bytes_out: Counter,
    /// Of `stores`, left as they are because as many responses as may be were being compressed.
    pub compressions_full: Counter,
    /// Responses that were not stored, by [`NotStored`].
    pub not_stored: [Counter; NotStored::COUNT],
    /// Responses that broke off while they were stored.
    pub broken: Counter,
    /// Bytes of parts that are being collected, now.
    pub collected_bytes: Counter,
    /// Requests of which another was sent because the first had no response in `collapse-time`, or failed.
    pub hand_overs: Counter,
    /// Requests that went alone because as many fetches as may be shared already.
    pub flights_full: Counter,
    /// Times that a key was remembered as one whose responses cannot be shared.
    pub uncollapsible: Counter,
    /// Keys invalidated by unsafe requests.
    pub invalidations: Counter,
}

/// Why a response was not stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotStored {
    /// It may not be.
    Forbidden(NotStorable),
    /// It is larger than the store takes.
    TooLarge,
    /// Too many responses are on their way into the store.
    Busy,
    /// What it is about was changed while it was on its way.
    Invalidated,
}

impl NotStored {
    /// How many there are.
    pub const COUNT: usize = NotStorable::ALL.len() + 3;

    /// Every reason, in the order of its number.
    pub fn all() -> impl Iterator<Item = Self> {
        let forbidden = NotStorable::ALL.into_iter().map(Self::Forbidden);
        forbidden.chain([Self::TooLarge, Self::Busy, Self::Invalidated])
    }

    /// Its place in `CacheStats::not_stored`.
    pub const fn number(self) -> usize {
        match self {
            Self::Forbidden(reason) => reason as usize,
            Self::TooLarge => NotStorable::ALL.len(),
            Self::Busy => NotStorable::ALL.len() + 1,
            Self::Invalidated => NotStorable::ALL.len() + 2,
        }
    }

    /// As `Cache-Status` (in `detail`) and metrics write it.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Forbidden(reason) => reason.token(),
            Self::TooLarge => "not-stored-too-large",
            Self::Busy => "not-stored-busy",
            Self::Invalidated => "not-stored-invalidated",
        }
    }
}

impl CacheStats {
    pub(crate) fn forward(&self, reason: ForwardReason) {
        self.forwards[reason as usize].add(1);
    }

    pub(crate) fn not_stored(&self, reason: NotStored) {
        self.not_stored[reason.number()].add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_place_of_its_own() {
        for (number, reason) in NotStored::all().enumerate() {
            assert_eq!(reason.number(), number);
        }
        assert_eq!(NotStored::all().count(), NotStored::COUNT);
    }
}
