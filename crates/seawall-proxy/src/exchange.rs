//! One exchange: a request that was admitted, and how its response comes about.
//!
//! Both fronts (HTTP/1.1 and HTTP/2) end here. What happens is, in this order: the cache is asked ([`cache`]), the site's
//! files or origins answer, and the response is made fit to be sent on.

mod forward;

use std::rc::Rc;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use seawall_http::{ClientIdentity, Now, Protocol, Scheme};

use crate::access_log::AccessLine;
use crate::body::{RequestBody, ResponseBody};
use crate::cache;
use crate::clock;
use crate::events::Account;
use crate::gate::{Leniency, QuotaFields};
use crate::h1::Interim;
use crate::stats::Outcome;
use crate::view::{Backing, View};
use crate::worker::Worker;

pub(crate) use forward::{
    Arrival, Circle, ask, circle_detected, failed, forward, may_upgrade, prepare, receive_fields,
};

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
    /// Which answers from the store will do.
    pub(crate) leniency: Leniency,
    /// When it came.
    pub(crate) now: Now,
    /// Where the origin's interim responses go, if the front can send them.
    pub(crate) interim: Option<Interim>,
    /// What it costs, if somebody wants to know.
    pub(crate) account: Option<Rc<Account>>,
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
    let site = Rc::clone(&admitted.view.sites[admitted.site]);
    match &site.backing {
        Backing::Files(files) => {
            let mut response = files.respond(&admitted.parts).await.map(ResponseBody::File);
            if let Some(quota) = admitted.quota {
                quota.insert_into(response.headers_mut());
            }
            Answer { response, tunnel: None, outcome: Outcome::Answered }
        }
        Backing::Origins(pool) => match site.cache() {
            Some(settings) => cache::answer(worker, &site, pool, settings, admitted).await,
            None => Box::pin(forward(worker, pool, admitted)).await,
        },
    }
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

/// What is to be remembered of an exchange until its end. It counts as open for as long as this lives; if this goes
/// before [`Record::end`], the client has left.
pub(crate) struct Record {
    worker: Rc<Worker>,
    view: Rc<View>,
    protocol: Protocol,
    began: Now,
    line: Option<Box<Line>>,
    account: Option<Rc<Account>>,
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
        let account = admitted.account.clone();
        Self { worker: Rc::clone(worker), view, protocol, began, line, account, has_ended: false }
    }

    /// Of an answer from the store that is on its way already, where there is no access log.
    pub(crate) fn of_hit(
        worker: &Rc<Worker>,
        view: &Rc<View>,
        protocol: Protocol,
        began: Now,
        account: Option<Rc<Account>>,
    ) -> Self {
        worker.stats.exchanges_open.add(1);
        let (worker, view) = (Rc::clone(worker), Rc::clone(view));
        Self { worker, view, protocol, began, line: None, account, has_ended: false }
    }

    /// Counts content that an origin sent for this exchange alone.
    pub(crate) fn add_origin_bytes(&self, bytes: u64) {
        self.worker.stats.origin_bytes.add(bytes);
        if let Some(account) = &self.account {
            account.add_origin_bytes(bytes);
        }
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
        if let Some(account) = self.account.take() {
            // Where the client left before there was a response, none was sent.
            let sent = if status == CLIENT_LEFT { 0 } else { status };
            account.end(sent, content_bytes, outcome == Outcome::Refused);
        }
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
