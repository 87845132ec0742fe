//! The cache's part of an exchange: asks the store, and where that cannot answer, the origin.
//!
//! `seawall-cache` decides, `seawall-store` keeps; here it is performed. A fresh hit takes a look into the store's table and
//! nothing else: no task, no lock, no waiting. What takes the origin is in `retrieve`: requests for the same share one
//! fetch (a `flight`), whichever worker they are on.
//!
//! Every response of a site with a cache has `Cache-Status` (RFC 9211), also what is answered for an origin that fails;
//! refusals have none: the cache was not asked.

mod absorb;
mod asked;
mod attempt;
mod body;
mod compression;
mod encoder;
mod fetch;
mod flight;
mod flights;
pub(crate) mod hit;
mod outcome;
mod parts;
mod pump;
mod retrieve;
mod serve;
mod stats;
mod uncollapsible;
mod unkeyed;

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use seawall_cache::cache_status::Outcome as Handled;
use seawall_cache::purge::Purge;
use seawall_cache::{
    CacheKey, CachePlan, ForwardReason, Freshness, OnError, Policy, SecondaryKey, Served, Vary,
    invalidated_keys, invalidates, plan,
};
use seawall_config::config::SiteCache;
use seawall_http::RequestFacts;
use seawall_store::{Lookup, PurgeDone, Store, Variant};

use self::asked::{Asked, target};
use self::fetch::Context;
use self::flight::Held;
use self::flights::{Flights, Seed};
use self::outcome::{Told, complete};
use self::retrieve::{Want, retrieve, validate_in_background};
use self::serve::{Source, Supply, respond};
use self::uncollapsible::Uncollapsible;
use crate::body::ResponseBody;
use crate::exchange::{Admitted, Answer, forward};
use crate::origin::OriginPool;
use crate::stats::Outcome;
use crate::view::SiteRuntime;
use crate::worker::Worker;

pub use body::StoredBody;
pub(crate) use compression::Place as CompressionPlace;
pub use stats::{CacheStats, NotStored};

/// What the workers share of the cache.
pub struct Cache {
    /// What is stored.
    pub store: Arc<dyn Store>,
    flights: Flights,
    uncollapsible: Uncollapsible,
}

impl Cache {
    pub(crate) fn new(store: Arc<dyn Store>, seed: (u64, u64)) -> Self {
        let uncollapsible = Uncollapsible::new(Seed::from(seed));
        Self { store, flights: Flights::new(seed), uncollapsible }
    }

    /// Purges. Requests from now on share no fetch that began before; those that wait for one asked before, too.
    pub fn purge(&self, purge: &Purge) -> PurgeDone {
        let done = self.store.purge(purge);
        self.flights.detach(&purge.selector);
        done
    }

    /// Fetches under way that requests may share.
    pub fn flights(&self) -> usize {
        self.flights.open()
    }
}

/// Answers a request to a site that has a cache.
pub(crate) async fn answer(
    worker: &Rc<Worker>,
    site: &Rc<SiteRuntime>,
    pool: &Rc<OriginPool>,
    settings: &SiteCache,
    mut admitted: Admitted,
) -> Answer {
    absorb::prepare(&mut admitted);
    let policy = &settings.policy;
    if !matches!(admitted.parts.method, Method::GET | Method::HEAD) {
        return Box::pin(change(worker, pool, policy, admitted)).await;
    }
    let Some((key, target)) = Asked::key_of(&admitted, policy) else {
        return Box::pin(pass(worker, pool, policy, ForwardReason::Bypass, admitted)).await;
    };
    let asked = Asked { admitted, key, target };
    let resource = match worker.shared.cache.store.get(&asked.key) {
        Lookup::Ready(resource) => resource,
        Lookup::Pending(looking) => looking.await,
    };
    let now = asked.admitted.now.wall;
    let plan = asked.with_facts(|facts| {
        let plan = plan(facts, resource.variants(), policy, now);
        absorb::widen(plan, asked.admitted.leniency, facts, policy, now)
    });
    let stats = &worker.stats.cache;
    let context = |asked| Context {
        worker: Rc::clone(worker),
        site: Rc::clone(site),
        pool: Rc::clone(pool),
        asked: Rc::new(asked),
    };
    let want = match plan {
        CachePlan::Serve(served) => {
            match served.freshness {
                Freshness::Fresh { .. } => stats.hits.add(1),
                Freshness::Stale { .. } => stats.stale.add(1),
            }
            return serve_stored(&asked.admitted, policy, served);
        }
        CachePlan::ServeStale(served) => {
            stats.stale.add(1);
            let answer = serve_stored(&asked.admitted, policy, served);
            let mut asked = asked;
            // Of a changed response a HEAD would bring nothing to store.
            asked.admitted.parts.method = Method::GET;
            validate_in_background(context(asked), Held::from(served.stored));
            return answer;
        }
        CachePlan::Unavailable => return unavailable(&asked.admitted),
        CachePlan::Validate { stored, reason, on_error } => {
            let held = Held::from(stored);
            let selected_by = held.response.selected_by.clone();
            Want { reason, held: Some(held), on_error, selected_by }
        }
        CachePlan::Forward(reason) => {
            let selected_by = asked.with_facts(|facts| selection(resource.variants(), facts, policy));
            Want { reason, held: None, on_error: OnError::Fail, selected_by }
        }
    };
    // Boxed, as all that a hit never comes to.
    Box::pin(retrieve(context(asked), want)).await
}

/// What a request has in common with others that may share its response, judged by what is stored.
fn selection(stored: &[Variant], facts: &RequestFacts<'_>, policy: &Policy) -> SecondaryKey {
    let latest = stored.iter().max_by_key(|variant| variant.response().response_time);
    let vary = latest.map(|variant| Vary::of(&variant.response().fields));
    vary.and_then(|vary| SecondaryKey::of(&vary, facts, policy)).unwrap_or_default()
}

/// A response from the store.
fn serve_stored(admitted: &Admitted, policy: &Policy, served: Served<'_, Variant>) -> Answer {
    let supply = Supply::Stored(served.stored.content());
    let source = Source { response: served.stored.response(), fields: None, supply };
    let mut response = respond(admitted, served.answer, source);
    let told = Told { outcome: Handled::Hit(served.freshness), detail: None };
    complete(&mut response, admitted, policy, Some(served.age), told);
    Answer { response, tunnel: None, outcome: Outcome::Answered }
}

/// Sends on a request that may change something, and invalidates what it may have changed (RFC 9111 §4.4).
async fn change(worker: &Rc<Worker>, pool: &Rc<OriginPool>, policy: &Policy, admitted: Admitted) -> Answer {
    let invalidator = Invalidator::of(&admitted);
    let answer = pass(worker, pool, policy, ForwardReason::Method, admitted).await;
    let response = &answer.response;
    if invalidates(invalidator.method.as_str(), response.status()) {
        for key in invalidator.keys(response.headers(), policy) {
            worker.stats.cache.invalidations.add(1);
            // That it outlasts a crash is waited for by nobody.
            drop(worker.shared.cache.store.invalidate(&key));
            worker.shared.cache.flights.disperse(&key);
        }
    }
    answer
}

/// What of a request decides about the keys that it invalidates.
struct Invalidator {
    method: Method,
    scheme: seawall_http::Scheme,
    authority: String,
    target: http::Uri,
}

impl Invalidator {
    fn of(admitted: &Admitted) -> Self {
        let seen = target(admitted);
        Self {
            method: admitted.parts.method.clone(),
            scheme: seen.scheme,
            authority: seen.authority.to_owned(),
            target: admitted.parts.uri.clone(),
        }
    }

    fn keys(&self, response: &HeaderMap, policy: &Policy) -> Vec<CacheKey> {
        let target = seawall_cache::Target {
            scheme: self.scheme,
            authority: &self.authority,
            path: self.target.path(),
            query: self.target.query(),
        };
        invalidated_keys(&target, response, &policy.query)
    }
}

/// Sends on a request that the cache is not asked about.
async fn pass(
    worker: &Rc<Worker>,
    pool: &Rc<OriginPool>,
    policy: &Policy,
    reason: ForwardReason,
    admitted: Admitted,
) -> Answer {
    worker.stats.cache.forward(reason);
    let account = admitted.account.clone();
    let mut answer = forward(worker, pool, admitted).await;
    let told = match answer.outcome {
        Outcome::Answered => Told::forwarded(reason, answer.response.status()),
        _ => Told::unanswered(reason),
    };
    told.note(account.as_deref());
    if answer.tunnel.is_none() {
        outcome::mark(&mut answer.response, policy, told);
    }
    answer
}

/// RFC 9111 §5.2.1.7.
fn unavailable(admitted: &Admitted) -> Answer {
    let text = Bytes::from_static(b"this is not stored, and the request asks for stored responses only\n");
    let body =
        if admitted.parts.method == Method::HEAD { ResponseBody::Empty } else { ResponseBody::whole(text) };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    fields.insert(
        seawall_cache::cache_status::CACHE_STATUS,
        HeaderValue::from_static("seawall;detail=\"only-if-cached\""),
    );
    if let Some(quota) = &admitted.quota {
        quota.insert_into(fields);
    }
    Answer { response, tunnel: None, outcome: Outcome::Answered }
}
