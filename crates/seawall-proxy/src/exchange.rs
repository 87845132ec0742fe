//! One exchange: a request that was admitted, and how its response comes about.
//!
//! Both fronts (HTTP/1.1 and HTTP/2) end here. What happens is, in this order: the cache is asked (its place is
//! marked below), the site's files or origins answer, and the response is made fit to be sent on.

use std::rc::Rc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::upgrade::OnUpgrade;
use seawall_http::hop_fields::{self, PSEUDONYM, Received};
use seawall_http::{ClientIdentity, Now, Protocol, Scheme};
use seawall_rules::refusal::Refusal;

use crate::access_log::AccessLine;
use crate::body::{RequestBody, ResponseBody};
use crate::gate::{QuotaFields, Refused};
use crate::origin::{Fault, FetchError, OriginBody, OriginPool};
use crate::stats::Outcome;
use crate::view::{Backing, View};
use crate::worker::Worker;

/// A request that was admitted.
pub(crate) struct Admitted {
    /// What was in force when it was.
    pub(crate) view: Rc<View>,
    /// Index of its site.
    pub(crate) site: usize,
    /// Method, target in origin-form, and fields as received.
    pub(crate) parts: Parts,
    /// Its content.
    pub(crate) body: RequestBody,
    /// Who sent it.
    pub(crate) client: ClientIdentity,
    /// How it came.
    pub(crate) protocol: Protocol,
    /// The scheme at the edge.
    pub(crate) scheme: Scheme,
    /// Limits that it was counted under.
    pub(crate) quota: Option<QuotaFields>,
    /// When it came.
    pub(crate) now: Now,
}

/// What an exchange came to.
pub(crate) struct Answer {
    /// To be sent, hop-by-hop fields removed.
    pub(crate) response: Response<ResponseBody>,
    /// The origin's side of the tunnel that a 101 opens.
    pub(crate) tunnel: Option<OnUpgrade>,
    /// `Answered` or `Failed`; `Aborted` if the client's content broke off, and there is nobody to answer.
    pub(crate) outcome: Outcome,
}

/// Runs an exchange to its response's header section.
pub(crate) async fn run(worker: &Rc<Worker>, admitted: Admitted) -> Answer {
    let _open = OpenExchange::new(worker);
    if let Some(answer) = answer_max_forwards(&admitted.parts) {
        return answer;
    }
    // The cache's place: plan(facts, stored, policy, now), then serve, or forward and store.
    let site = Rc::clone(&admitted.view.sites[admitted.site]);
    match &site.backing {
        Backing::Files(files) => {
            let mut response = files.respond(&admitted.parts).await.map(ResponseBody::File);
            if let Some(quota) = admitted.quota {
                quota.insert_into(response.headers_mut());
            }
            Answer { response, tunnel: None, outcome: Outcome::Answered }
        }
        Backing::Origins(pool) => forward(worker, pool, admitted).await,
    }
}

/// Asks the origin.
async fn forward(worker: &Rc<Worker>, pool: &Rc<OriginPool>, admitted: Admitted) -> Answer {
    let Admitted { view, mut parts, body, client, protocol, scheme, quota, now, .. } = admitted;
    if hop_fields::via_count(&parts.headers, PSEUDONYM) >= VIA_MAX {
        return loop_detected();
    }
    let accept = parts.headers.get(header::ACCEPT).cloned();
    let host = parts.headers.get(header::HOST).cloned();
    let stripped = hop_fields::strip_request(&mut parts.headers);
    let received = Received {
        scheme,
        host: host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default(),
        protocol,
    };
    hop_fields::set_forwarded(&mut parts.headers, &client, &view.snapshot.hops.field, received);
    // RFC 9110 §10.1.4: whoever can take trailers says so hop by hop.
    if stripped.te_trailers {
        parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    // RFC 9110 §7.8: HTTP/1.1 alone can change the protocol of a connection.
    let upgrade = stripped.upgrade.filter(|_| protocol == Protocol::Http11);
    if let Some(upgrade) = &upgrade {
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, upgrade.clone());
    }
    parts.version = Version::HTTP_11;
    let asked = worker.now().mono;
    let fetched = pool.fetch(Request::from_parts(parts, body)).await;
    worker.stats.origin_time.add_ns(worker.now().mono.saturating_sub(asked));
    match fetched {
        Ok(response) => receive(response, upgrade.is_some(), quota),
        Err(error) => failed(worker, &error, &client, accept.as_ref(), now),
    }
}

/// Makes an origin's response fit to be sent on.
fn receive(response: Response<OriginBody>, wants_upgrade: bool, quota: Option<QuotaFields>) -> Answer {
    let mut response = response;
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS && wants_upgrade;
    let tunnel = switches.then(|| hyper::upgrade::on(&mut response));
    let mut response = response.map(ResponseBody::Origin);
    let fields = response.headers_mut();
    let stripped = hop_fields::strip_response(fields);
    if switches && let Some(upgraded_to) = stripped.upgrade {
        fields.insert(header::UPGRADE, upgraded_to);
        fields.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    hop_fields::add_via(fields, Protocol::Http11);
    if let Some(quota) = quota {
        quota.insert_into(fields);
    }
    Answer { response, tunnel, outcome: Outcome::Answered }
}

fn failed(
    worker: &Worker,
    error: &FetchError,
    client: &ClientIdentity,
    accept: Option<&HeaderValue>,
    now: Now,
) -> Answer {
    let refusal = match error.fault() {
        Fault::Origin(fault) => Refusal::origin(fault),
        Fault::Bound(bound) => Refusal::bound(bound, 0, 0),
        Fault::Client => {
            let response = Response::new(ResponseBody::Empty);
            return Answer { response, tunnel: None, outcome: Outcome::Aborted };
        }
    };
    tracing::debug!(%error, "exchange with the origin failed");
    let accept = accept.map(HeaderValue::as_bytes);
    let refused = Refused { refusal: &refusal, source: client.source, accept, quota: None, now };
    Answer { response: refused.response(worker), tunnel: None, outcome: Outcome::Failed }
}

/// RFC 9110 §7.6.2: with `Max-Forwards: 0` an intermediary answers OPTIONS and TRACE itself.
fn answer_max_forwards(parts: &Parts) -> Option<Answer> {
    let is_bounded = parts.method == Method::OPTIONS || parts.method == Method::TRACE;
    let hops = parts.headers.get(header::MAX_FORWARDS).filter(|_| is_bounded)?;
    if hops.as_bytes() != b"0" {
        return None;
    }
    let mut response = Response::new(ResponseBody::Empty);
    if parts.method == Method::TRACE {
        // A TRACE answered here would repeat cookies and credentials to whoever asked.
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    }
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    Some(Answer { response, tunnel: None, outcome: Outcome::Answered })
}

fn loop_detected() -> Answer {
    let mut response = Response::new(ResponseBody::whole(Bytes::from_static(
        b"this request has passed too many gateways: one of them forwards to another in a circle\n",
    )));
    *response.status_mut() = StatusCode::LOOP_DETECTED;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Answer { response, tunnel: None, outcome: Outcome::Answered }
}

/// Counts an exchange as open for as long as it lives.
struct OpenExchange<'w>(&'w Worker);

impl<'w> OpenExchange<'w> {
    fn new(worker: &'w Worker) -> Self {
        worker.stats.exchanges_open.add(1);
        Self(worker)
    }
}

impl Drop for OpenExchange<'_> {
    fn drop(&mut self) {
        self.0.stats.exchanges_open.sub(1);
    }
}

/// What is to be remembered of an exchange until its end.
pub(crate) struct Record {
    worker: Rc<Worker>,
    view: Rc<View>,
    protocol: Protocol,
    began: Now,
    line: Option<Line>,
}

/// What the access log needs to know of a request after its parts have gone to the origin.
struct Line {
    method: Method,
    target: http::Uri,
    client: ClientIdentity,
    referer: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
}

impl Record {
    /// Of an exchange that begins.
    pub(crate) fn new(worker: &Rc<Worker>, admitted: &Admitted) -> Self {
        let view = Rc::clone(&admitted.view);
        let line = view.snapshot.access_log.is_some().then(|| Line::new(admitted));
        Self { worker: Rc::clone(worker), view, protocol: admitted.protocol, began: admitted.now, line }
    }

    /// Counts the exchange, and logs it if there is an access log.
    pub(crate) fn end(self, status: StatusCode, content_bytes: u64, outcome: Outcome) {
        let stats = &self.worker.stats;
        stats.exchange(self.protocol, outcome);
        stats.exchange_time.add_ns(self.worker.now().mono.saturating_sub(self.began.mono));
        let (Some(log), Some(line)) = (&self.view.snapshot.access_log, &self.line) else { return };
        let target = line.target.path_and_query().map_or("*", |both| both.as_str());
        log.log(&AccessLine {
            client: line.client.addr,
            time: self.began.wall,
            method: line.method.as_str(),
            target: target.as_bytes(),
            protocol: self.protocol.as_str(),
            status: status.as_u16(),
            content_bytes,
            referer: line.referer.as_ref().map(HeaderValue::as_bytes),
            user_agent: line.user_agent.as_ref().map(HeaderValue::as_bytes),
        });
    }
}

impl Line {
    fn new(admitted: &Admitted) -> Self {
        let Parts { method, uri, headers, .. } = &admitted.parts;
        Self {
            method: method.clone(),
            target: uri.clone(),
            client: admitted.client,
            referer: headers.get(header::REFERER).cloned(),
            user_agent: headers.get(header::USER_AGENT).cloned(),
        }
    }
}

/// A request that has passed this many gateways goes in a circle.
const VIA_MAX: usize = 16;
