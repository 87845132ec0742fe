//! `absorb` rules: a request of a storm is answered with what is stored, whatever it asks of caches itself.
//!
//! Stale responses do, and one request at a time validates them. Two things stay as they are: what was purged or invalidated is
//! gone, and what the origin forbids to serve stale (`must-revalidate`, `no-cache`) is validated first. What is not stored is fetched once
//! for all that wait, as always.

use http::header;
use seawall_cache::precondition::answer;
use seawall_cache::{Answer, CachePlan, Policy, Served, StaleUse, StoredResponse};
use seawall_http::{RequestFacts, UnixTime};
use seawall_store::Variant;

use crate::exchange::Admitted;
use crate::gate::Leniency;

/// Takes out what the request asks of caches.
pub(crate) fn prepare(admitted: &mut Admitted) {
    if admitted.leniency == Leniency::Stale {
        for name in [header::CACHE_CONTROL, header::PRAGMA] {
            admitted.parts.headers.remove(name);
        }
    }
}

/// What is planned for a request, if stale responses will do.
pub(crate) fn widen<'a>(
    plan: CachePlan<'a, Variant>,
    leniency: Leniency,
    facts: &RequestFacts<'_>,
    policy: &Policy,
    now: UnixTime,
) -> CachePlan<'a, Variant> {
    let (Leniency::Stale, CachePlan::Validate { stored, .. }) = (leniency, plan) else { return plan };
    let response: &StoredResponse = stored.response();
    let terms = policy.terms(facts.path, response.status);
    if response.stale_use(&terms) == StaleUse::Forbidden {
        return plan;
    }
    CachePlan::ServeStale(Served {
        stored,
        answer: answer(facts, response).unwrap_or(Answer::Full),
        age: response.current_age(now),
        freshness: response.freshness(&terms, now),
    })
}
