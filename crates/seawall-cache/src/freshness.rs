//! Freshness lifetime, current age, and how stale a response may be served (RFC 9111 §4.2; RFC 5861).

use std::time::Duration;

use seawall_http::UnixTime;

use crate::date::Expiry;
use crate::directive::Reuse;
use crate::policy::{GarbledAge, Override, Storing, Terms};
use crate::storable::is_heuristically_cacheable;
use crate::stored::{Standing, StoredResponse};

/// Where a freshness lifetime comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lifetime {
    /// The origin stated it.
    Stated(Duration),
    /// A share of the time since `Last-Modified` (§4.2.2).
    Heuristic(Duration),
    /// The operator stated it.
    Operator(Duration),
    /// Nothing to find it by: always stale.
    Unknown,
}

/// Whether a stored response is fresh.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// For so much longer.
    Fresh {
        /// Never zero.
        left: Duration,
    },
    /// Since so long.
    Stale {
        /// Zero when the lifetime has just ended.
        by: Duration,
    },
}

/// How stale a response may be served without asking the origin first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StaleUse {
    /// Not at all, whatever the client asks (§4.2.4).
    Forbidden,
    /// As the origin permits, and as the client asks.
    Permitted {
        /// While a validation is under way (RFC 5861 §3).
        while_revalidate: Duration,
        /// If the origin fails (RFC 5861 §4).
        if_error: Duration,
        /// Whether the client's `max-stale` and `stale-if-error` count.
        client: ClientStale,
    },
}

/// Whether a client may take a response staler than the origin permits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientStale {
    /// It may.
    Counts,
    /// The origin said how stale at most.
    DoesNotCount,
}

impl Lifetime {
    /// Its length.
    pub const fn length(self) -> Duration {
        match self {
            Self::Stated(length) | Self::Heuristic(length) | Self::Operator(length) => length,
            Self::Unknown => Duration::ZERO,
        }
    }
}

impl StoredResponse {
    /// The freshness lifetime (§4.2.1): the one that the operator forces, else `s-maxage`, else `max-age`, else `Expires`, else
    /// the operator's, else by `Last-Modified`.
    pub fn freshness_lifetime(&self, terms: &Terms<'_>) -> Lifetime {
        if let Storing::Forced(length) = terms.storing() {
            return Lifetime::Operator(length);
        }
        let directives = &self.control.directives;
        if let Some(secs) = directives.s_maxage.or(directives.max_age) {
            return Lifetime::Stated(Duration::from_secs(secs));
        }
        match self.control.expiry {
            Expiry::At(date) => Lifetime::Stated(between(self.date(), date)),
            Expiry::Past => Lifetime::Stated(Duration::ZERO),
            Expiry::Unstated => match terms.storing() {
                Storing::Unstated(length) => Lifetime::Operator(length),
                _ => self.heuristic_lifetime(terms),
            },
        }
    }

    /// §4.2.2.
    fn heuristic_lifetime(&self, terms: &Terms<'_>) -> Lifetime {
        let permitted = is_heuristically_cacheable(self.status) || self.control.directives.public;
        let Some(modified) = self.control.last_modified.filter(|_| permitted) else {
            return Lifetime::Unknown;
        };
        let unchanged = between(modified, self.date());
        let share = unchanged.saturating_mul(terms.policy.heuristic_percent) / 100;
        Lifetime::Heuristic(share.min(terms.policy.heuristic_max))
    }

    /// The current age (§4.2.3). Never negative, even if the clock was set back.
    pub fn current_age(&self, now: UnixTime) -> Duration {
        let apparent_age = between(self.date(), self.response_time);
        let response_delay = between(self.request_time, self.response_time);
        let corrected_age = self.control.age.first.saturating_add(response_delay);
        apparent_age.max(corrected_age).saturating_add(self.resident_time(now))
    }

    /// How long it is stored.
    fn resident_time(&self, now: UnixTime) -> Duration {
        between(self.response_time, now)
    }

    /// Fresh if the lifetime exceeds the age (§4.2). What was invalidated, or is never to be used without validation
    /// (§5.2.2.4), is stale from the first. What was purged softly is stale as if its lifetime had just ended, or since it did.
    pub fn freshness(&self, terms: &Terms<'_>, now: UnixTime) -> Freshness {
        let stated = self.freshness_lifetime(terms);
        let age = match stated {
            // What an operator states counts from when the response came: a wrong `Date` or `Age` does not shorten it.
            Lifetime::Operator(_) => self.resident_time(now),
            _ => self.current_age(now),
        };
        let unknown_age = self.control.age.garbled
            && terms.policy.garbled_age == GarbledAge::Stale
            && !matches!(stated, Lifetime::Operator(_));
        let lifetime =
            if unknown_age || self.must_validate(terms) { Duration::ZERO } else { stated.length() };
        match lifetime.checked_sub(age) {
            Some(left) if !left.is_zero() && self.standing == Standing::Valid => Freshness::Fresh { left },
            _ => Freshness::Stale { by: age.saturating_sub(lifetime) },
        }
    }

    /// Whether each use takes a validation: by `no-cache`, by invalidation, or because a later 304 brought a directive
    /// under which it would not have been stored.
    fn must_validate(&self, terms: &Terms<'_>) -> bool {
        let directives = &self.control.directives;
        let stated = directives.no_cache == Reuse::Response
            || directives.private == Reuse::Response
            || (directives.no_store && !directives.must_understand);
        self.standing == Standing::Invalidated || (stated && !terms.are_forced())
    }

    /// How stale it may be served (§4.2.4).
    ///
    /// `s-maxage` implies `proxy-revalidate` (§5.2.2.10). An origin that writes `stale-while-revalidate` beside it
    /// means the exception that it states, so of the two the stated one counts; a client's `max-stale` does not. An operator's
    /// times replace the stated ones, within the same limits; only one who forces the lifetime also steps over
    /// `must-revalidate`.
    pub fn stale_use(&self, terms: &Terms<'_>) -> StaleUse {
        let directives = &self.control.directives;
        let revalidate = directives.must_revalidate || directives.proxy_revalidate;
        if self.must_validate(terms) || (revalidate && !terms.are_forced()) {
            return StaleUse::Forbidden;
        }
        let stated = |secs: Option<u64>| Duration::from_secs(secs.filter(|_| !revalidate).unwrap_or(0));
        let operators = |choice: fn(&Override) -> Option<Duration>| terms.rule.and_then(choice);
        let client_may = self.standing == Standing::Valid && !revalidate && directives.s_maxage.is_none();
        StaleUse::Permitted {
            while_revalidate: operators(|rule| rule.stale_while_revalidate)
                .unwrap_or_else(|| stated(directives.stale_while_revalidate)),
            if_error: operators(|rule| rule.stale_if_error)
                .unwrap_or_else(|| stated(directives.stale_if_error)),
            client: if client_may { ClientStale::Counts } else { ClientStale::DoesNotCount },
        }
    }
}

/// The time from `earlier` to `later`; zero if they are the other way round.
fn between(earlier: UnixTime, later: UnixTime) -> Duration {
    Duration::from_millis(later.0.saturating_sub(earlier.0))
}

#[cfg(test)]
mod tests;
