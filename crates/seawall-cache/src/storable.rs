//! Whether a response may be stored (RFC 9111 §3).
//!
//! Responses to methods other than GET are not stored: what a POST with `Content-Location` brings (RFC 9110 §9.3.3) is left to the
//! next GET.

use http::{StatusCode, header};
use seawall_http::RequestFacts;

use crate::directive::{RequestDirectives, ResponseDirectives, Reuse};
use crate::partial::Partial;
use crate::policy::{Storing, Terms};
use crate::stored::{Control, Received};
use crate::vary::Vary;

/// Why a response may not be stored.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum NotStorable {
    /// The request's method is not GET.
    Method,
    /// The request says `no-store` (§5.2.1.5).
    RequestNoStore,
    /// The response says `no-store` (§5.2.2.5).
    NoStore,
    /// The response says `private` (§5.2.2.7).
    Private,
    /// The request has credentials, and the response does not permit what that takes (§3.5).
    Authorization,
    /// Not final, 304, a 206 that was not asked for or does not say which single range of how many bytes it is, not
    /// understood where it must be (§5.2.2.3), or an error that the size of the request's fields may have provoked.
    Status,
    /// It varies by everything, so that it could answer no other request (§4.1).
    Vary,
    /// It has neither a stated lifetime nor a status code that is cacheable without one.
    NoLifetime,
    /// It sets a cookie, and nothing says that it is for everybody.
    SetCookie,
    /// The request has a cookie, and nothing says how long the response may be used, or that everybody may.
    Cookie,
    /// The operator said so.
    Policy,
}

/// Whether the response may be stored; the first reason against it if not. `Authorization`, `Vary: *` and the request's own
/// `no-store` count even where the operator forces a lifetime.
pub(crate) fn storable(
    facts: &RequestFacts<'_>,
    received: &Received<'_>,
    control: &Control,
    terms: &Terms<'_>,
) -> Result<(), NotStorable> {
    let Received { status, fields, .. } = *received;
    let directives = &control.directives;
    if terms.storing() == Storing::Never {
        return Err(NotStorable::Policy);
    }
    if facts.method != "GET" {
        return Err(NotStorable::Method);
    }
    if !status_is_storable(status, control, terms)
        || !is_known_part(facts, received)
        || may_be_provoked(facts, status)
    {
        return Err(NotStorable::Status);
    }
    if RequestDirectives::of(facts).no_store {
        return Err(NotStorable::RequestNoStore);
    }
    if !terms.are_forced() {
        forbidden(directives)?;
    }
    // §3.5.
    let for_everybody = directives.public || directives.s_maxage.is_some();
    if facts.field("authorization").is_some() && !for_everybody && !directives.must_revalidate {
        return Err(NotStorable::Authorization);
    }
    if Vary::of(fields) == Vary::Everything {
        return Err(NotStorable::Vary);
    }
    let stated = control.states_use();
    let operators = terms.state_lifetime();
    if !stated && !operators && !is_heuristically_cacheable(status) {
        return Err(NotStorable::NoLifetime);
    }
    // §7.3 leaves it to the origin; an origin that says nothing at all has not thought of it. A cookie that is not
    // stored is nobody else's; where the operator forces a lifetime, the response is stored without it.
    if !stated && !terms.are_forced() && fields.contains_key(header::SET_COOKIE) {
        return Err(NotStorable::SetCookie);
    }
    // By the cookie it may be one reader's own page; an origin that has thought of caches says so, or `private`.
    if !stated && !operators && facts.field("cookie").is_some() {
        return Err(NotStorable::Cookie);
    }
    Ok(())
}

/// What the response forbids.
fn forbidden(directives: &ResponseDirectives) -> Result<(), NotStorable> {
    // §5.2.2.3: where must-understand is and the status code is understood, no-store does not count.
    if directives.no_store && !directives.must_understand {
        return Err(NotStorable::NoStore);
    }
    if directives.private == Reuse::Response {
        return Err(NotStorable::Private);
    }
    Ok(())
}

/// §3.3: of a 206, the bytes that it has must be known.
fn is_known_part(facts: &RequestFacts<'_>, received: &Received<'_>) -> bool {
    received.status != StatusCode::PARTIAL_CONTENT
        || (facts.field("range").is_some() && Partial::of(received.fields).is_some())
}

/// Field bytes that an origin takes without complaint: nginx, Apache, IIS and Node.js read 8 KiB and more.
const UNSUSPICIOUS_BYTES: usize = 4 << 10;

/// A request whose fields are larger than the origin takes is answered with an error that has nothing to do with the
/// resource, and would be shown to everybody (CPDoS, Nguyen and others, 2019, §4.1). That something is not there is no such
/// error.
fn may_be_provoked(facts: &RequestFacts<'_>, status: StatusCode) -> bool {
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
        return false;
    }
    let bytes = facts.fields.iter().map(|field| field.name.len() + field.value.len());
    bytes.sum::<usize>() > UNSUSPICIOUS_BYTES
}

fn status_is_storable(status: StatusCode, control: &Control, terms: &Terms<'_>) -> bool {
    let final_response = !status.is_informational() && status != StatusCode::NOT_MODIFIED;
    let understood = !control.directives.must_understand || is_understood(status) || terms.are_forced();
    final_response && understood
}

/// Whether its specification was read for what it asks of caches: those of RFC 9110 §15.
fn is_understood(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=206 | 300..=303 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505)
}

/// RFC 9110 §15.1.
pub(crate) fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

impl NotStorable {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 11] = [
        Self::Method,
        Self::RequestNoStore,
        Self::NoStore,
        Self::Private,
        Self::Authorization,
        Self::Status,
        Self::Vary,
        Self::NoLifetime,
        Self::SetCookie,
        Self::Cookie,
        Self::Policy,
    ];

    /// As `Cache-Status` (in `detail`), events and metrics write it.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Method => "not-stored-method",
            Self::RequestNoStore => "not-stored-request",
            Self::NoStore => "not-stored-no-store",
            Self::Private => "not-stored-private",
            Self::Authorization => "not-stored-authorization",
            Self::Status => "not-stored-status",
            Self::Vary => "not-stored-vary",
            Self::NoLifetime => "not-stored-no-lifetime",
            Self::SetCookie => "not-stored-set-cookie",
            Self::Cookie => "not-stored-cookie",
            Self::Policy => "not-stored-policy",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;

    use super::*;
    use crate::policy::{Override, PathPattern, Policy};
    use crate::sample::{fields, received, with_request};
    use crate::stored::StoredResponse;

    type Lines<'a> = &'a [(&'a str, &'a str)];

    fn check(method: &str, request: Lines<'_>, status: u16, response: Lines<'_>) -> Result<(), NotStorable> {
        let fields = fields(response);
        let status = StatusCode::from_u16(status).unwrap();
        let received = received(status, &fields);
        with_request(method, request, |facts| {
            StoredResponse::new(facts, &received, &Policy::default()).map(|_| ())
        })
    }

    fn check_with(
        storing: Storing,
        request: Lines<'_>,
        status: u16,
        response: Lines<'_>,
    ) -> Result<HeaderMap, NotStorable> {
        let (path, status) = (PathPattern::Any, StatusCode::from_u16(status).unwrap());
        let rule = Override {
            path,
            status: vec![status],
            storing,
            stale_while_revalidate: None,
            stale_if_error: None,
        };
        let policy = Policy { overrides: vec![rule], ..Policy::default() };
        let fields = fields(response);
        with_request("GET", request, |facts| {
            StoredResponse::new(facts, &received(status, &fields), &policy).map(|stored| stored.fields)
        })
    }

    fn get(control: &str) -> Result<(), NotStorable> {
        check("GET", &[], 200, &[("cache-control", control)])
    }

    #[test]
    fn every_reason_is_at_its_number() {
        for (number, reason) in NotStorable::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, number);
        }
    }

    #[test]
    fn error_that_large_fields_may_have_provoked_is_not_stored() {
        let filler = "x".repeat(UNSUSPICIOUS_BYTES);
        let request = [("x-filler", filler.as_str())];
        let fresh = [("cache-control", "max-age=60")];
        for (status, stored) in
            [(200, true), (404, true), (410, true), (400, false), (431, false), (500, false)]
        {
            let large = check("GET", &request, status, &fresh);
            assert_eq!(large, if stored { Ok(()) } else { Err(NotStorable::Status) }, "{status}");
            assert_eq!(check("GET", &request[..0], status, &fresh), Ok(()), "{status}");
        }
    }

    #[test]
    fn response_without_directives_is_stored_by_its_status() {
        // RFC 9111 §3; RFC 9110 §15.1.
        for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
            assert_eq!(check("GET", &[], status, &[]), Ok(()), "{status}");
        }
        for status in [201, 302, 307, 400, 403, 500, 503, 599] {
            assert_eq!(check("GET", &[], status, &[]), Err(NotStorable::NoLifetime), "{status}");
            assert_eq!(check("GET", &[], status, &[("cache-control", "max-age=1")]), Ok(()), "{status}");
            assert_eq!(check("GET", &[], status, &[("expires", "0")]), Ok(()), "{status}");
        }
        for status in [100, 103, 206, 304] {
            let fresh = [("cache-control", "max-age=1")];
            assert_eq!(check("GET", &[], status, &fresh), Err(NotStorable::Status), "{status}");
        }
    }

    #[test]
    fn only_get_is_stored() {
        for method in ["HEAD", "POST", "PUT", "get"] {
            let fresh = [("cache-control", "max-age=1")];
            assert_eq!(check(method, &[], 200, &fresh), Err(NotStorable::Method), "{method}");
        }
    }

    #[test]
    fn no_store_and_private_forbid_it() {
        // RFC 9111 §5.2.2.5, §5.2.2.7, §5.2.1.5.
        assert_eq!(get("no-store, max-age=60"), Err(NotStorable::NoStore));
        assert_eq!(get("private, max-age=60"), Err(NotStorable::Private));
        assert_eq!(get("private=\"set-cookie\", max-age=60"), Ok(()));
        assert_eq!(get("no-cache"), Ok(()));
        let no_store = [("cache-control", "no-store")];
        assert_eq!(check("GET", &no_store, 200, &[]), Err(NotStorable::RequestNoStore));
    }

    #[test]
    fn must_understand_replaces_no_store_for_known_status() {
        // RFC 9111 §5.2.2.3.
        let control = [("cache-control", "no-store, must-understand, max-age=60")];
        assert_eq!(check("GET", &[], 200, &control), Ok(()));
        assert_eq!(check("GET", &[], 299, &control), Err(NotStorable::Status));
        assert_eq!(check("GET", &[], 299, &[("cache-control", "max-age=60")]), Ok(()));
    }

    #[test]
    fn credentials_need_permission() {
        // RFC 9111 §3.5.
        let with_credentials =
            |control| check("GET", &[("authorization", "Basic YTph")], 200, &[("cache-control", control)]);
        for control in ["max-age=60", "proxy-revalidate, max-age=60", "public=1, max-age=60"] {
            assert_eq!(with_credentials(control), Err(NotStorable::Authorization), "{control}");
        }
        for control in ["public", "s-maxage=60", "must-revalidate, max-age=60"] {
            assert_eq!(with_credentials(control), Ok(()), "{control}");
        }
    }

    #[test]
    fn cookie_is_stored_only_where_the_origin_stated_a_lifetime() {
        // RFC 9111 §7.3.
        let cookie = ("set-cookie", "a=1");
        assert_eq!(check("GET", &[], 200, &[cookie]), Err(NotStorable::SetCookie));
        assert_eq!(check("GET", &[], 200, &[cookie, ("cache-control", "max-age=1")]), Ok(()));
    }

    #[test]
    fn what_a_cookie_may_have_brought_about_is_stored_only_where_somebody_stated_its_use() {
        let cookie = [("cookie", "sid=1")];
        let modified = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
        for unstated in [&[][..], &[modified], &[modified, ("cache-control", "no-cache, must-revalidate")]] {
            assert_eq!(check("GET", &cookie, 200, unstated), Err(NotStorable::Cookie), "{unstated:?}");
            assert_eq!(check("GET", &[], 200, unstated), Ok(()), "{unstated:?}");
        }
        for control in ["public", "s-maxage=1", "max-age=0"] {
            assert_eq!(check("GET", &cookie, 200, &[("cache-control", control)]), Ok(()), "{control}");
        }
        assert_eq!(check("GET", &cookie, 200, &[("expires", "0")]), Ok(()));
        for lifetime in [Storing::Unstated, Storing::Forced] {
            assert!(check_with(lifetime(Duration::from_secs(10)), &cookie, 200, &[modified]).is_ok());
        }
        let as_stated = check_with(Storing::AsStated, &cookie, 200, &[modified]);
        assert_eq!(as_stated, Err(NotStorable::Cookie), "what says nothing of a lifetime");
    }

    #[test]
    fn response_that_varies_by_everything_is_not_stored() {
        // RFC 9111 §4.1.
        let response = [("vary", "*"), ("cache-control", "max-age=1")];
        assert_eq!(check("GET", &[], 200, &response), Err(NotStorable::Vary));
    }

    #[test]
    fn negative_caching_takes_in_errors_that_state_nothing() {
        let ten = Storing::Unstated(Duration::from_secs(10));
        for status in [403, 500, 503] {
            assert!(check_with(ten, &[], status, &[]).is_ok(), "{status}");
        }
        // What the response and the request forbid stays forbidden.
        let no_store = [("cache-control", "no-store")];
        assert_eq!(check_with(ten, &[], 500, &no_store), Err(NotStorable::NoStore));
        assert_eq!(check_with(ten, &no_store, 500, &[]), Err(NotStorable::RequestNoStore));
        assert_eq!(check_with(ten, &[], 500, &[("set-cookie", "a=1")]), Err(NotStorable::SetCookie));
    }

    #[test]
    fn forced_response_is_stored_without_its_cookie() {
        let forced = Storing::Forced(Duration::from_secs(10));
        let response =
            [("cache-control", "no-store, private, no-cache"), ("set-cookie", "a=1"), ("set-cookie", "b=1")];
        let stored = check_with(forced, &[], 200, &response).unwrap();
        assert!(stored.contains_key("cache-control") && !stored.contains_key("set-cookie"));
        // Somebody's page is nobody else's, and what varies by everything answers no other request.
        let credentials = [("authorization", "Basic YTph")];
        assert_eq!(check_with(forced, &credentials, 200, &[]), Err(NotStorable::Authorization));
        assert_eq!(check_with(forced, &[], 200, &[("vary", "*")]), Err(NotStorable::Vary));
    }

    #[test]
    fn operator_can_forbid_storing() {
        let fresh = [("cache-control", "max-age=60")];
        assert_eq!(check_with(Storing::Never, &[], 200, &fresh), Err(NotStorable::Policy));
    }
}
