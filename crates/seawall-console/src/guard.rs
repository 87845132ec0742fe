//! Who may ask: checks before any route.
//!
//! The API listens on loopback only, which keeps the network out but not the pages in a browser of
//! the same machine. So the `Host` must be a name of loopback: a page that had its own name resolve to
//! 127.0.0.1 (DNS rebinding) sends its own name. No CORS field is ever sent, and what changes anything
//! needs the token, which a page cannot know. The port is not compared, so that a tunnel may use another.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, HOST, X_CONTENT_TYPE_OPTIONS};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::problem::Problem;
use crate::token::Token;

/// Refuses hosts that are not loopback, bounds the time, and marks every answer as not to be stored.
pub(crate) async fn every_request(request: Request, next: Next) -> Response {
    let mut response = match check_host(request.headers(), request.uri().authority()) {
        Ok(()) => match tokio::time::timeout(REQUEST_TIME_MAX, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("this took more than {} s; it may still be done", REQUEST_TIME_MAX.as_secs()),
            )
            .into_response(),
        },
        Err(problem) => problem.into_response(),
    };
    let fields = response.headers_mut();
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Refuses requests without the token.
pub(crate) async fn token(State(token): State<Arc<Token>>, request: Request, next: Next) -> Response {
    match check_token(request.headers(), &token) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check_host(fields: &HeaderMap, target: Option<&Authority>) -> Result<(), Problem> {
    let misdirected = || {
        let detail = "the admin API answers to localhost, 127.0.0.1 and [::1] only";
        Problem::new(StatusCode::MISDIRECTED_REQUEST, detail)
    };
    let mut lines = fields.get_all(HOST).iter();
    let (Some(host), None) = (lines.next(), lines.next()) else { return Err(misdirected()) };
    let host: Authority = host.to_str().ok().and_then(|host| host.parse().ok()).ok_or_else(misdirected)?;
    match is_loopback(&host) && target.is_none_or(is_loopback) {
        true => Ok(()),
        false => Err(misdirected()),
    }
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let named =
        host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
    // Neither a user nor anything else around them.
    let rest = authority.as_str().strip_prefix(host);
    let port = rest.map(|rest| rest.strip_prefix(':').unwrap_or(rest));
    named && port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn check_token(fields: &HeaderMap, token: &Token) -> Result<(), Problem> {
    let unauthorized = |detail: &str| Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
    let mut lines = fields.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (lines.next(), lines.next()) else {
        return unauthorized("send the token of the state folder: `Authorization: Bearer ...`");
    };
    let value = value.as_bytes();
    // RFC 9110 §11.1: the scheme is case-insensitive.
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, given))
            if scheme.eq_ignore_ascii_case(SCHEME) && token.is(given.trim_ascii_start()) =>
        {
            Ok(())
        }
        _ => unauthorized("this is not the token of this process: read admin.token in its state folder"),
    }
}

const SCHEME: &[u8] = b"Bearer ";

/// Longer than any change of the rules or reload takes on a slow disk.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_loopback_are_hosts() {
        for host in
            ["localhost", "LOCALHOST:9180", "127.0.0.1:9180", "127.0.0.1", "[::1]:9180", "[::1]", "127.1.2.3"]
        {
            assert!(is_loopback(&host.parse().expect(host)), "{host}");
        }
        for host in [
            "example.org",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "192.0.2.1",
            "0.0.0.0",
            "[::]",
            "[::1].x",
            "localhost@example.org",
            "user@localhost",
            "localhost.",
            "2130706433",
            "127.1",
        ] {
            let Ok(authority) = host.parse() else { continue };
            assert!(!is_loopback(&authority), "{host}");
        }
    }
}
