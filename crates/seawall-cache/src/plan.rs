//! Decides what to do with one request, given what is stored under its key (RFC 9111 §4).
//!
//! Pure: no clock, no storage. Leaves out collapsing.

use std::borrow::Borrow;
use std::time::Duration;

use seawall_http::{RequestFacts, UnixTime};

use crate::directive::RequestDirectives;
use crate::freshness::{ClientStale, Freshness, StaleUse};
use crate::policy::{ClientControl, Policy, Storing};
use crate::precondition::{Answer, answer};
use crate::stored::StoredResponse;

/// What the shell must do next for this exchange.
///
/// `S` is what the shell keeps a stored response in; it gets back its own.
#[derive(Debug)]
pub enum CachePlan<'a, S> {
    /// Ask the origin, for this reason; nothing stored can be of use.
    Forward(ForwardReason),
    /// Answer from the store.
    Serve(Served<'a, S>),
    /// Answer from the store and validate in the background (RFC 5861 §3).
    ServeStale(Served<'a, S>),
    /// Ask the origin whether the stored response is still good (§4.3), then answer.
    Validate {
        /// What to make the request conditional by, and what a 304 freshens.
        stored: &'a S,
        /// Why it cannot be served as it is.
        reason: ForwardReason,
        /// What to do if the origin cannot be reached or answers 500, 502, 503 or 504.
        on_error: OnError,
    },
    /// Answer 504: the client wants only what is stored (§5.2.1.7).
    Unavailable,
}

/// An answer from the store.
#[derive(Debug)]
pub struct Served<'a, S> {
    /// The response.
    pub stored: &'a S,
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
    /// The request's own conditions or directives want the origin, or its cookie does.
    Request,
    /// The stored response is stale.
    Stale,
    /// The stored response lacks bytes that were asked for.
    Partial,
}

impl<S> Clone for CachePlan<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for CachePlan<'_, S> {}

impl<S> Clone for Served<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Served<'_, S> {}

impl ForwardReason {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 7] = [
        Self::Bypass,
        Self::Method,
        Self::UriMiss,
        Self::VaryMiss,
        Self::Request,
        Self::Stale,
        Self::Partial,
    ];

    /// As `Cache-Status`, events and metrics write it.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

/// Decides about one request; `stored` is all that is stored under its key.
pub fn plan<'a, S: Borrow<StoredResponse>>(
    facts: &RequestFacts<'_>,
    stored: &'a [S],
    policy: &Policy,
    now: UnixTime,
) -> CachePlan<'a, S> {
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

fn plan_retrieval<'a, S: Borrow<StoredResponse>>(
    facts: &RequestFacts<'_>,
    stored: &'a [S],
    wishes: &RequestDirectives,
    policy: &Policy,
    now: UnixTime,
) -> CachePlan<'a, S> {
    let Some(selected) = select(facts, stored, policy, now) else {
        let reason = if stored.is_empty() { ForwardReason::UriMiss } else { ForwardReason::VaryMiss };
        return CachePlan::Forward(reason);
    };
    let response = selected.borrow();
    let terms = policy.terms(facts.path, response.status);
    // The operator may have said so since it was stored.
    if terms.storing() == Storing::Never {
        return CachePlan::Forward(ForwardReason::Bypass);
    }
    // §3.3: what is incomplete answers only for what it holds.
    if let Some(partial) = &response.partial
        && (facts.method != "GET" || !response.holds_wanted(partial, facts))
    {
        return CachePlan::Forward(ForwardReason::Partial);
    }
    let Some(answer) = answer(facts, response) else {
        return CachePlan::Forward(ForwardReason::Request);
    };
    if response.partial.is_some() && answer == Answer::Full {
        return CachePlan::Forward(ForwardReason::Partial);
    }
    let age = response.current_age(now);
    let freshness = response.freshness(&terms, now);
    let served = Served { stored: selected, answer, age, freshness };
    // Nobody said that it is for everybody: to whom the cookie belongs, the origin may show another page.
    let is_withheld =
        facts.field("cookie").is_some() && !response.control.states_use() && !terms.state_lifetime();
    if is_withheld || !satisfies(wishes, &served) {
        let reason = match freshness {
            Freshness::Fresh { .. } => ForwardReason::Request,
            Freshness::Stale { .. } => ForwardReason::Stale,
        };
        return CachePlan::Validate { stored: selected, reason, on_error: OnError::Fail };
    }
    match freshness {
        Freshness::Fresh { .. } => CachePlan::Serve(served),
        Freshness::Stale { by } => plan_stale(served, response.stale_use(&terms), by, wishes),
    }
}

/// The most recent response that the request selects. If that one omits `Vary`, a fresh one that has it comes first: some
/// origins forget `Vary` in their default response (§4.1).
fn select<'a, S: Borrow<StoredResponse>>(
    facts: &RequestFacts<'_>,
    stored: &'a [S],
    policy: &Policy,
    now: UnixTime,
) -> Option<&'a S> {
    let latest = StoredResponse::select(stored, facts, policy)?;
    if stored.len() == 1 || !latest.borrow().selected_by.is_empty() {
        return Some(latest);
    }
    let is_better = |response: &StoredResponse| {
        let terms = policy.terms(facts.path, response.status);
        !response.selected_by.is_empty()
            && response.selected_by.matches(facts, policy)
            && matches!(response.freshness(&terms, now), Freshness::Fresh { .. })
    };
    let better = stored.iter().filter(|item| is_better((*item).borrow()));
    Some(better.max_by_key(|item| (*item).borrow().recency()).unwrap_or(latest))
}

/// §4.2.4: stale only with permission.
fn plan_stale<'a, S>(
    served: Served<'a, S>,
    permitted: StaleUse,
    by: Duration,
    wishes: &RequestDirectives,
) -> CachePlan<'a, S> {
    let stale =
        |on_error| CachePlan::Validate { stored: served.stored, reason: ForwardReason::Stale, on_error };
    let StaleUse::Permitted { while_revalidate, if_error, client } = permitted else {
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
fn satisfies<S>(wishes: &RequestDirectives, served: &Served<'_, S>) -> bool {
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
