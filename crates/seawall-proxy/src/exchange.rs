//! One exchange: a request that was admitted, and how its response comes about.
//!
//! Both fronts (HTTP/1.1 and HTTP/2) end here. What happens is, in this order: the cache is asked (its place is
//! marked below), the site's files or origins answer, and the response is made fit to be sent on.

use std::rc::Rc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::upgrade::OnUpgrade;
use seawall_http::hop_fields::{self, PSEUDONYM, Received};
use seawall_http::{ClientIdentity, Now, Protocol, Scheme};
use seawall_rules::refusal::Refusal;

use crate::access_log::AccessLine;
use crate::body::{RequestBody, ResponseBody};
use crate::clock;
use crate::gate::{QuotaFields, Refused};
use crate::h1::Interim;
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
    /// Where the origin's interim responses go, if the front can send them.
    pub(crate) interim: Option<Interim>,
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
pub(crate) async fn run(worker: &Rc<Worker>, mut admitted: Admitted) -> Answer {
    if let Some(answer) = answer_max_forwards(&mut admitted.parts) {
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
    let Admitted { view, mut parts, body, client, protocol, scheme, quota, now, interim, .. } = admitted;
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
    let upgrade =
        stripped.upgrade.filter(|wanted| protocol == Protocol::Http11 && !offers_http(wanted.as_bytes()));
    if let Some(upgrade) = &upgrade {
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, upgrade.clone());
    }
    parts.version = Version::HTTP_11;
    let mut request = Request::from_parts(parts, body);
    if let Some(interim) = interim {
        interim.watch(&mut request);
    }
    let asked = clock::mono();
    let fetched = pool.fetch(request).await;
    worker.stats.origin_time.add_ns(clock::mono().saturating_sub(asked));
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

/// Whether an `Upgrade` names HTTP itself, or TLS: behind such a tunnel requests would flow that no rule sees
/// ("h2c smuggling"). HTTP/2 is spoken here by prior knowledge or ALPN alone (RFC 9113 §3.1).
fn offers_http(upgrade: &[u8]) -> bool {
    let names = upgrade.split(|octet| *octet == b',').map(<[u8]>::trim_ascii);
    names.into_iter().any(|name| {
        let protocol = name.split(|octet| *octet == b'/').next().unwrap_or_default();
        [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|refused| protocol.eq_ignore_ascii_case(refused))
    })
}

/// RFC 9110 §7.6.2: an intermediary answers OPTIONS and TRACE with `Max-Forwards: 0` itself, and counts a greater
/// number down.
fn answer_max_forwards(parts: &mut Parts) -> Option<Answer> {
    if parts.method != Method::OPTIONS && parts.method != Method::TRACE {
        return None;
    }
    let hops: u64 = parts.headers.get(header::MAX_FORWARDS)?.to_str().ok()?.parse().ok()?;
    if let Some(fewer) = hops.checked_sub(1) {
        parts.headers.insert(header::MAX_FORWARDS, HeaderValue::from(fewer));
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
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    // RFC 9209 §2.3.20
    let status = HeaderValue::from_static("seawall; error=proxy_loop_detected");
    fields.insert(HeaderName::from_static("proxy-status"), status);
    Answer { response, tunnel: None, outcome: Outcome::Failed }
}

/// What is to be remembered of an exchange until its end. It counts as open for as long as this lives; if this goes
/// before [`Record::end`], the client has left.
pub(crate) struct Record {
    worker: Rc<Worker>,
    view: Rc<View>,
    protocol: Protocol,
    began: Now,
    line: Option<Box<Line>>,
    has_ended: bool,
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
        let line = view.snapshot.access_log.is_some().then(|| Box::new(Line::new(admitted)));
        worker.stats.exchanges_open.add(1);
        let (protocol, began) = (admitted.protocol, admitted.now);
        Self { worker: Rc::clone(worker), view, protocol, began, line, has_ended: false }
    }

    /// Counts the exchange, and logs it if there is an access log.
    pub(crate) fn end(mut self, status: u16, content_bytes: u64, outcome: Outcome) {
        self.note_end(status, content_bytes, outcome);
    }

    fn note_end(&mut self, status: u16, content_bytes: u64, outcome: Outcome) {
        self.has_ended = true;
        let stats = &self.worker.stats;
        stats.exchange(self.protocol, outcome);
        stats.exchange_time.add_ns(clock::mono().saturating_sub(self.began.mono));
        let (Some(log), Some(line)) = (&self.view.snapshot.access_log, &self.line) else { return };
        let target = line.target.path_and_query().map_or("*", |both| both.as_str());
        log.log(&AccessLine {
            client: line.client.addr,
            time: self.began.wall,
            method: line.method.as_str(),
            target: target.as_bytes(),
            protocol: self.protocol.as_str(),
            status,
            content_bytes,
            referer: line.referer.as_ref().map(HeaderValue::as_bytes),
            user_agent: line.user_agent.as_ref().map(HeaderValue::as_bytes),
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.has_ended {
            self.note_end(CLIENT_LEFT, 0, Outcome::Aborted);
        }
        self.worker.stats.exchanges_open.sub(1);
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

/// What the access log says where the client left before there was a response; nginx made the number a habit.
pub(crate) const CLIENT_LEFT: u16 = 499;
/// A request that has passed this many gateways goes in a circle.
const VIA_MAX: usize = 16;
