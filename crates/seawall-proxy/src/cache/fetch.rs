//! Asks the origin on the cache's behalf, and decides what becomes of its response.

use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use seawall_cache::encoding::{Encoding, encoding_of_get, restate};
use seawall_cache::partial::Partial;
use seawall_cache::targeted::{CAPABILITY, SURROGATE_CAPABILITY};
use seawall_cache::validate::{HeadUpdate, freshened_by};
use seawall_cache::{NotStorable, Received, StoredResponse, asked_codings, make_conditional};
use seawall_config::config::SiteCache;
use seawall_http::UnixTime;
use seawall_store::{Moment, NotAdmitted, Variant};

use super::asked::Asked;
use super::compression::Compression;
use super::flight::Held;
use super::parts::{Keeper, Part};
use super::pump::Sink;
use super::stats::NotStored;
use super::{Cache, unkeyed};
use crate::body::RequestBody;
use crate::clock;
use crate::exchange::{Arrival, Circle, ask, prepare, receive_fields};
use crate::origin::{Fault, OriginBody, OriginPool};
use crate::view::SiteRuntime;
use crate::worker::Worker;

/// What it takes to ask the origin for one request.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) worker: Rc<Worker>,
    pub(crate) site: Rc<SiteRuntime>,
    pub(crate) pool: Rc<OriginPool>,
    pub(crate) asked: Rc<Asked>,
}

/// What the origin is asked.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// What the client asks, with its conditions and its range.
    AsAsked,
    /// For all of it: whoever waits has conditions of its own.
    Whole,
    /// Whether this is still good.
    Validating(Held),
}

/// Whose client learns of interim responses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Interims {
    PassedOn,
    Dropped,
}

/// What becomes of an error of the origin's that a stored response may stand in for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OnServerError {
    /// It is a response like any other.
    Take,
    /// What is stored stays.
    KeepStored,
}

/// An origin's response, as it came.
pub(crate) struct Fetched {
    pub(crate) response: Response<OriginBody>,
    request_time: UnixTime,
    response_time: UnixTime,
    asked: Moment,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unanswered {
    Fault(Fault),
    Circle,
}

/// What becomes of a response.
pub(crate) enum Landing {
    /// It is for the request alone that was sent.
    Apart(Box<Response<OriginBody>>, Option<NotStored>),
    /// It is being stored.
    Storing(Box<Storing>),
    /// It is a part, for the request alone that was sent, and will be stored.
    Part(Box<Part>),
    /// It is a 304: the stored response is good.
    Freshened(Held),
}

/// A 304 about another response than was asked about.
pub(crate) struct Mismatch;

/// A response on its way into the store.
pub(crate) struct Storing {
    pub(crate) status: StatusCode,
    /// All of them, also those that are not stored.
    pub(crate) fields: HeaderMap,
    pub(crate) body: OriginBody,
    pub(crate) sink: Sink,
}

impl Fetched {
    fn received(&self) -> Received<'_> {
        Received {
            status: self.response.status(),
            fields: self.response.headers(),
            request_time: self.request_time,
            response_time: self.response_time,
        }
    }
}

impl Context {
    pub(crate) fn cache(&self) -> &Cache {
        &self.worker.shared.cache
    }

    pub(crate) fn settings(&self) -> &SiteCache {
        self.site.cache().expect("invariant: only a site with a cache has a context")
    }

    /// Counts content that came from the origin.
    pub(crate) fn count_origin_bytes(&self, bytes: u64) {
        self.worker.stats.origin_bytes.add(bytes);
        if let Some(account) = self.asked.account() {
            account.add_origin_bytes(bytes);
        }
    }

    /// Asks the origin.
    pub(crate) async fn fetch(&self, question: &Question, interims: Interims) -> Result<Fetched, Unanswered> {
        let (request_time, moment) = (clock::wall(), self.cache().store.moment());
        let request = self.request(question, interims).map_err(|Circle| Unanswered::Circle)?;
        let asked = ask(&self.worker, &self.pool, request, self.asked.account()).await;
        let mut response = asked.map_err(|error| Unanswered::Fault(error.fault()))?;
        receive_fields(response.headers_mut());
        Ok(Fetched { response, request_time, response_time: clock::wall(), asked: moment })
    }

    fn request(&self, question: &Question, interims: Interims) -> Result<Request<RequestBody>, Circle> {
        let admitted = &self.asked.admitted;
        let mut parts = admitted.parts.clone();
        parts.uri = self.asked.target.clone();
        unkeyed::remove(&mut parts.headers);
        // In place of what a client says of itself: by that, an origin would write ESI, which nobody here reads.
        parts.headers.insert(SURROGATE_CAPABILITY, CAPABILITY);
        self.ask_for_keyed_codings(&mut parts.headers);
        self.ask_keyed_host(&mut parts.headers);
        match question {
            Question::AsAsked => {}
            Question::Whole => CONDITIONS.iter().for_each(|name| drop(parts.headers.remove(name))),
            Question::Validating(held) => drop(make_conditional(&mut parts.headers, &held.response)),
        }
        let arrival = Arrival {
            view: &admitted.view,
            client: &admitted.client,
            protocol: admitted.protocol,
            scheme: admitted.scheme,
        };
        prepare(&mut parts, arrival)?;
        let mut request = Request::from_parts(parts, RequestBody::Empty);
        if let (Interims::PassedOn, Some(interim)) = (interims, &admitted.interim) {
            interim.watch(&mut request);
        }
        Ok(request)
    }

    /// A host in other case, or with the scheme's own port, has the same key: so the origin, which may tell them apart, is
    /// asked by the one that is keyed.
    fn ask_keyed_host(&self, fields: &mut HeaderMap) {
        let keyed = self.asked.key.authority();
        if fields.get(header::HOST).is_some_and(|host| host != keyed)
            && let Ok(host) = HeaderValue::from_str(keyed)
        {
            fields.insert(header::HOST, host);
        }
    }

    /// Requests select what is stored by these alone: so they are all that the origin learns. What it made of the rest would be
    /// served to clients that do not take it.
    fn ask_for_keyed_codings(&self, fields: &mut HeaderMap) {
        let policy = &self.settings().policy;
        let asked = self.asked.with_facts(|facts| asked_codings(facts, policy));
        if let Some(codings) = asked {
            fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(codings));
        }
    }

    /// Decides what becomes of a response.
    pub(crate) fn land(
        &self,
        fetched: Fetched,
        question: &Question,
        on_error: OnServerError,
        may_store: impl Fn() -> bool,
    ) -> Result<Landing, Mismatch> {
        let status = fetched.response.status();
        if let Question::Validating(held) = question {
            if status == StatusCode::NOT_MODIFIED {
                return self.freshen(&fetched, held);
            }
            if self.asked.admitted.parts.method == Method::HEAD {
                return Ok(self.update_from_head(fetched, held));
            }
        }
        if on_error == OnServerError::KeepStored && is_server_error(status) {
            return Ok(Landing::Apart(Box::new(fetched.response), None));
        }
        // What a condition or a range of one client provokes says nothing to others (CPDoS).
        if matches!(question, Question::AsAsked) && self.is_conditional() && !is_unprovoked(status) {
            return Ok(Landing::Apart(Box::new(fetched.response), None));
        }
        if status == StatusCode::PARTIAL_CONTENT {
            return Ok(self.land_part(fetched, may_store()));
        }
        let admitted = if may_store() { self.admit(&fetched) } else { Err(NotStored::Invalidated) };
        Ok(match admitted {
            Ok(sink) => {
                let (mut parts, body) = fetched.response.into_parts();
                self.worker.stats.cache.stores.add(1);
                restate(&mut parts.headers, sink.filling().response().encoding);
                Landing::Storing(Box::new(Storing { status, fields: parts.headers, body, sink }))
            }
            Err(reason) => {
                self.worker.stats.cache.not_stored(reason);
                Landing::Apart(Box::new(fetched.response), Some(reason))
            }
        })
    }

    /// RFC 9111 §3.
    fn admit(&self, fetched: &Fetched) -> Result<Sink, NotStored> {
        let length = fetched.response.body().size_hint().exact();
        let (stored, compression) = self.compress(self.storable(fetched)?, length);
        let length = length.filter(|_| compression.is_none());
        let store = &self.cache().store;
        let fill = store.fill(&self.asked.key, stored, length, fetched.asked);
        let fill = fill.map_err(|refused| match refused {
            NotAdmitted::TooLarge => NotStored::TooLarge,
            NotAdmitted::Busy => NotStored::Busy,
        })?;
        Ok(Sink::new(fill, compression))
    }

    /// Has a response compressed on its way, if the site wants that and the worker has a place for it.
    fn compress(&self, stored: StoredResponse, length: Option<u64>) -> (StoredResponse, Option<Compression>) {
        let policy = &self.settings().policy;
        if policy.codings.is_empty() {
            return (stored, None);
        }
        let encoded = self.asked.with_facts(|facts| stored.clone().encoded(facts, policy));
        let Encoding::Added { coding, .. } = encoded.encoding else { return (encoded, None) };
        match Compression::begin(&self.worker, coding, length) {
            Some(compression) => (encoded, Some(compression)),
            None => (stored, None),
        }
    }

    /// Gives the response to a HEAD the fields that a GET would get (RFC 9110 §9.3.2).
    pub(crate) fn restate_head(&self, response: &mut Response<OriginBody>) {
        let policy = &self.settings().policy;
        if policy.codings.is_empty() || self.asked.admitted.parts.method != Method::HEAD {
            return;
        }
        let now = clock::wall();
        let received = Received {
            status: response.status(),
            fields: response.headers(),
            request_time: now,
            response_time: now,
        };
        let encoding = self.asked.with_facts(|facts| encoding_of_get(facts, &received, policy));
        restate(response.headers_mut(), encoding);
    }

    /// Whether the client's own conditions or its range went to the origin.
    fn is_conditional(&self) -> bool {
        let fields = &self.asked.admitted.parts.headers;
        CONDITIONS.iter().any(|name| fields.contains_key(name))
    }

    /// RFC 9111 §3.3.
    fn land_part(&self, fetched: Fetched, may_store: bool) -> Landing {
        let kept = if may_store { self.storable(&fetched) } else { Err(NotStored::Invalidated) };
        let length = fetched.response.body().size_hint().exact();
        let kept = kept.and_then(|stored| {
            // A length that does not fit the range is not believed.
            let held = stored.partial.as_ref().map(Partial::held_bytes);
            let length = length.filter(|length| held.is_none_or(|held| held == *length));
            let length = length.ok_or(NotStored::Forbidden(NotStorable::Status))?;
            Keeper::new(self.clone(), stored, fetched.asked, length)
        });
        match kept {
            Ok(keeper) => Landing::Part(Box::new(Part { response: fetched.response, keeper })),
            Err(reason) => {
                self.worker.stats.cache.not_stored(reason);
                Landing::Apart(Box::new(fetched.response), Some(reason))
            }
        }
    }

    /// The part of a response that may be stored.
    fn storable(&self, fetched: &Fetched) -> Result<StoredResponse, NotStored> {
        if unkeyed::varies_by_client(fetched.response.headers()) {
            return Err(NotStored::Forbidden(NotStorable::Vary));
        }
        let policy = &self.settings().policy;
        let stored = self.asked.with_facts(|facts| StoredResponse::new(facts, &fetched.received(), policy));
        stored.map_err(NotStored::Forbidden)
    }

    /// RFC 9111 §4.3.4.
    fn freshen(&self, fetched: &Fetched, held: &Held) -> Result<Landing, Mismatch> {
        let fields = fetched.response.headers();
        if freshened_by(fields, &[&held.response]).is_empty() {
            return Err(Mismatch);
        }
        let mut response = StoredResponse::clone(&held.response);
        self.asked.with_facts(|facts| {
            response.freshen(facts, &fetched.received(), &self.settings().policy);
        });
        self.worker.stats.cache.freshened.add(1);
        Ok(Landing::Freshened(self.replace(held, response, fetched.asked)))
    }

    /// RFC 9111 §4.3.5.
    fn update_from_head(&self, fetched: Fetched, held: &Held) -> Landing {
        if fetched.response.status() == StatusCode::OK {
            let mut response = StoredResponse::clone(&held.response);
            let update = self.asked.with_facts(|facts| {
                response.update_from_head(facts, &fetched.received(), &self.settings().policy)
            });
            match update {
                HeadUpdate::Freshened => {
                    self.worker.stats.cache.freshened.add(1);
                    self.replace(held, response, fetched.asked);
                }
                // Nobody vouches for it as of now.
                HeadUpdate::Invalidated => {
                    let as_of = held.variant.as_ref().map_or(fetched.asked, Variant::stored_at);
                    self.replace(held, response, as_of);
                }
            }
        }
        Landing::Apart(Box::new(fetched.response), None)
    }

    /// Puts another header section in front of stored content. If that has left the store meanwhile, this request has it
    /// still.
    fn replace(&self, held: &Held, response: StoredResponse, asked: Moment) -> Held {
        let response = Arc::new(response);
        if let Some(old) = &held.variant {
            let (store, key) = (&self.cache().store, &self.asked.key);
            if let Some(variant) = store.replace(key, old, StoredResponse::clone(&response), asked) {
                return Held::from(&variant);
            }
        }
        Held { response, content: held.content.clone(), variant: None }
    }
}

fn is_unprovoked(status: StatusCode) -> bool {
    matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT)
}

/// What a stored response may stand in for (RFC 5861 §4).
pub(crate) fn is_server_error(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// What a request may be conditional by, and its range.
const CONDITIONS: [HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];
