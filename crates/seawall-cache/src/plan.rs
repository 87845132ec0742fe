//! Decides what to do with one request, given what is stored under its key (RFC 9111 §4).
//!
//! Pure: no clock, no storage. Leaves out which parts of a stored response satisfy a `Range`, and collapsing.

use std::time::Duration;

use seawall_http::{RequestFacts, UnixTime};

use crate::directive::RequestDirectives;
use crate::freshness::{ClientStale, Freshness, StaleUse};
use crate::policy::{ClientControl, Policy};
use crate::precondition::{Answer, answer};
use crate::stored::StoredResponse;

/// What the shell must do next for this exchange.
#[derive(Clone, Debug)]
pub enum CachePlan<'a> {
    /// Ask the origin, for this reason; nothing stored can be of use.
    Forward(ForwardReason),
    /// Answer from the store.
    Serve(Served<'a>),
    /// Answer from the store and validate in the background (RFC 5861 §3).
    ServeStale(Served<'a>),
    /// Ask the origin whether the stored response is still good (§4.3), then answer.
    Validate {
        /// What to make the request conditional by, and what a 304 freshens.
        stored: &'a StoredResponse,
        /// Why it cannot be served as it is.
        reason: ForwardReason,
        /// What to do if the origin cannot be reached or answers 500, 502, 503 or 504.
        on_error: OnError,
    },
    /// Answer 504: the client wants only what is stored (§5.2.1.7).
    Unavailable,
}

/// An answer from the store.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// The response.
    pub stored: &'a StoredResponse,
    /// What of it is sent.
    pub answer: Answer,
    /// The value of `Age` (§4).
    pub age: Duration,
    /// Fresh, or how stale.
    pub freshness: Freshness,
}

/// What to do if a validation fails for want of an origin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnError {
    /// Answer with the error.
    Fail,
    /// Serve the stored response, for so much longer (RFC 5861 §4).
    ServeStale {
        /// Never zero.
        left: Duration,
    },
}

/// Why a request goes to the origin (RFC 9211 §2.2).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ForwardReason {
    /// The cache was not asked.
    Bypass,
    /// The method cannot be answered from a store.
    Method,
    /// Nothing is stored under the key.
    UriMiss,
    /// What is stored was selected by other request fields.
    VaryMiss,
    /// The request's own conditions or directives want the origin.
    Request,
    /// The stored response is stale.
    Stale,
}

impl ForwardReason {
    /// As `Cache-Status`, events and metrics write it.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

/// Decides about one request; `stored` is all that is stored under its key.
pub fn plan<'a>(
    facts: &RequestFacts<'_>,
    stored: &'a [StoredResponse],
    policy: &Policy,
    now: UnixTime,
) -> CachePlan<'a> {
    if !matches!(facts.method, "GET" | "HEAD") {
        return CachePlan::Forward(ForwardReason::Method);
    }
    let wishes = RequestDirectives::of(facts);
    let plan = plan_retrieval(facts, stored, &counted(wishes, policy), policy, now);
    match plan {
        // RFC 9111 §5.2.1.7.
        CachePlan::Forward(_) | CachePlan::Validate { .. } if wishes.only_if_cached => CachePlan::Unavailable,
        plan => plan,
    }
}

fn plan_retrieval<'a>(
    facts: &RequestFacts<'_>,
    stored: &'a [StoredResponse],
    wishes: &RequestDirectives,
    policy: &Policy,
    now: UnixTime,
) -> CachePlan<'a> {
    let Some(selected) = StoredResponse::select(stored, facts) else {
        let reason = if stored.is_empty() { ForwardReason::UriMiss } else { ForwardReason::VaryMiss };
        return CachePlan::Forward(reason);
    };
    let Some(answer) = answer(facts, selected) else {
        return CachePlan::Forward(ForwardReason::Request);
    };
    let age = selected.current_age(now);
    let freshness = selected.freshness(policy, now);
    let served = Served { stored: selected, answer, age, freshness };
    if !satisfies(wishes, &served) {
        let reason = match freshness {
            Freshness::Fresh { .. } => ForwardReason::Request,
            Freshness::Stale { .. } => ForwardReason::Stale,
        };
        return CachePlan::Validate { stored: selected, reason, on_error: OnError::Fail };
    }
    match freshness {
        Freshness::Fresh { .. } => CachePlan::Serve(served),
        Freshness::Stale { by } => plan_stale(served, by, wishes),
    }
}

/// §4.2.4: stale only with permission.
fn plan_stale<'a>(served: Served<'a>, by: Duration, wishes: &RequestDirectives) -> CachePlan<'a> {
    let stale =
        |on_error| CachePlan::Validate { stored: served.stored, reason: ForwardReason::Stale, on_error };
    let StaleUse::Permitted { while_revalidate, if_error, client } = served.stored.stale_use() else {
        return stale(OnError::Fail);
    };
    if by < while_revalidate {
        return CachePlan::ServeStale(served);
    }
    let of_client = |secs: Option<u64>| match client {
        ClientStale::Counts => secs.map(Duration::from_secs),
        ClientStale::DoesNotCount => None,
    };
    // §5.2.1.2.
    if of_client(wishes.max_stale).is_some_and(|most| by <= most) {
        return CachePlan::Serve(served);
    }
    let if_error = if_error.max(of_client(wishes.stale_if_error).unwrap_or_default());
    match if_error.checked_sub(by) {
        Some(left) if !left.is_zero() => stale(OnError::ServeStale { left }),
        _ => stale(OnError::Fail),
    }
}

/// Whether the client takes the response as far as its own `no-cache`, `max-age` and `min-fresh` go (§5.2.1).
fn satisfies(wishes: &RequestDirectives, served: &Served<'_>) -> bool {
    let young_enough = wishes.max_age.is_none_or(|most| served.age <= Duration::from_secs(most));
    let fresh_enough = wishes.min_fresh.is_none_or(|least| match served.freshness {
        Freshness::Fresh { left } => left >= Duration::from_secs(least),
        Freshness::Stale { .. } => false,
    });
    !wishes.no_cache && young_enough && fresh_enough
}

/// The client's directives that count at this site.
fn counted(wishes: RequestDirectives, policy: &Policy) -> RequestDirectives {
    match policy.client_control {
        ClientControl::Honoured => wishes,
        ClientControl::Ignored => RequestDirectives::default(),
    }
}

#[cfg(test)]
mod tests;
