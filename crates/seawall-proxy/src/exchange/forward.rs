//! A request on its way to the origin, and the origin's response made fit to be sent on.

use std::rc::Rc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use seawall_http::hop_fields::{self, PSEUDONYM, Received};
use seawall_http::{ClientIdentity, ClientSource, Now, Protocol, Scheme};
use seawall_rules::refusal::Refusal;

use super::{Admitted, Answer};
use crate::body::{RequestBody, ResponseBody};
use crate::clock;
use crate::events::Account;
use crate::gate::{QuotaFields, Refused};
use crate::origin::{Fault, FetchError, OriginBody, OriginPool};
use crate::stats::Outcome;
use crate::view::View;
use crate::worker::Worker;

/// How a request reached the edge, which the origin is told.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) view: &'a View,
    pub(crate) client: &'a ClientIdentity,
    pub(crate) protocol: Protocol,
    pub(crate) scheme: Scheme,
}

/// Whether a response may switch protocols.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Upgrade {
    Wanted,
    NotWanted,
}

/// The request runs in a circle.
pub(crate) struct Circle;

/// Asks the origin, past the cache.
pub(crate) async fn forward(worker: &Rc<Worker>, pool: &Rc<OriginPool>, admitted: Admitted) -> Answer {
    let Admitted { view, mut parts, body, client, protocol, scheme, quota, now, interim, account, .. } =
        admitted;
    let accept = parts.headers.get(header::ACCEPT).cloned();
    let arrival = Arrival { view: &view, client: &client, protocol, scheme };
    let upgrade = match prepare(&mut parts, arrival) {
        Ok(upgrade) => upgrade,
        Err(Circle) => return circle_detected(),
    };
    let mut request = Request::from_parts(parts, body);
    if let Some(interim) = interim {
        interim.watch(&mut request);
    }
    match ask(worker, pool, request, account.as_deref()).await {
        Ok(response) => receive(response, upgrade, quota.as_ref()),
        Err(error) => failed(worker, error.fault(), client.source, accept.as_ref(), now),
    }
}

/// Makes a request's fields fit for the origin.
pub(crate) fn prepare(parts: &mut Parts, arrival: Arrival<'_>) -> Result<Upgrade, Circle> {
    if hop_fields::via_count(&parts.headers, PSEUDONYM) >= VIA_MAX {
        return Err(Circle);
    }
    let Arrival { view, client, protocol, scheme } = arrival;
    let host = parts.headers.get(header::HOST).cloned();
    let stripped = hop_fields::strip_request(&mut parts.headers);
    let received = Received {
        scheme,
        host: host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default(),
        protocol,
    };
    hop_fields::set_forwarded(&mut parts.headers, client, &view.snapshot.hops.field, received);
    // RFC 9110 §10.1.4: whoever can take trailers says so hop by hop.
    if stripped.te_trailers {
        parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    parts.version = Version::HTTP_11;
    let Some(upgrade) = stripped.upgrade.filter(|wanted| may_upgrade(protocol, wanted)) else {
        return Ok(Upgrade::NotWanted);
    };
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    parts.headers.insert(header::UPGRADE, upgrade);
    Ok(Upgrade::Wanted)
}

/// Whether an `Upgrade` field is passed on: HTTP/1.1 alone can change the protocol of a connection (RFC 9110 §7.8).
pub(crate) fn may_upgrade(protocol: Protocol, wanted: &HeaderValue) -> bool {
    protocol == Protocol::Http11 && !offers_http(wanted.as_bytes())
}

/// Hands a request to the origin pool, and takes the time, on this account.
pub(crate) async fn ask(
    worker: &Worker,
    pool: &Rc<OriginPool>,
    request: Request<RequestBody>,
    account: Option<&Account>,
) -> Result<Response<OriginBody>, FetchError> {
    let asked = clock::mono();
    let fetched = pool.fetch(request).await;
    let time_ns = clock::mono().saturating_sub(asked);
    worker.stats.origin_time.add_ns(time_ns);
    if let Some(account) = account {
        account.add_origin_time(time_ns);
    }
    if let Err(error) = &fetched {
        tracing::debug!(%error, "exchange with the origin failed");
    }
    fetched
}

/// Makes an origin's response fit to be sent on.
pub(crate) fn receive(
    mut response: Response<OriginBody>,
    upgrade: Upgrade,
    quota: Option<&QuotaFields>,
) -> Answer {
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS && upgrade == Upgrade::Wanted;
    let tunnel = switches.then(|| hyper::upgrade::on(&mut response));
    let mut response = response.map(ResponseBody::Origin);
    let fields = response.headers_mut();
    let upgraded_to = receive_fields(fields);
    if switches && let Some(upgraded_to) = upgraded_to {
        fields.insert(header::UPGRADE, upgraded_to);
        fields.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if let Some(quota) = quota {
        quota.insert_into(fields);
    }
    Answer { response, tunnel, outcome: Outcome::Answered }
}

/// Removes what ends at this hop, and says that the response passed it; gives what `Upgrade` said.
pub(crate) fn receive_fields(fields: &mut HeaderMap) -> Option<HeaderValue> {
    let stripped = hop_fields::strip_response(fields);
    hop_fields::add_via(fields, Protocol::Http11);
    stripped.upgrade
}

/// The answer to a request that the origin could not answer.
pub(crate) fn failed(
    worker: &Worker,
    fault: Fault,
    source: ClientSource,
    accept: Option<&HeaderValue>,
    now: Now,
) -> Answer {
    let refusal = match fault {
        Fault::Origin(fault) => Refusal::origin(fault),
        Fault::Bound(bound) => Refusal::bound(bound, 0, 0),
        Fault::Client => {
            let response = Response::new(ResponseBody::Empty);
            return Answer { response, tunnel: None, outcome: Outcome::Aborted };
        }
    };
    let accept = accept.map(HeaderValue::as_bytes);
    let refused = Refused { refusal: &refusal, source, accept, quota: None, now };
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

/// The answer to a request that runs in a circle.
pub(crate) fn circle_detected() -> Answer {
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

/// A request that has passed this many gateways goes in a circle.
const VIA_MAX: usize = 16;
