//! A request as the cache sees it.

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri, header};
use seawall_cache::policy::PathPattern;
use seawall_cache::{CacheKey, Policy, Target};
use seawall_http::h1::FieldStorage;
use seawall_http::hop_fields::forwarded_scheme;
use seawall_http::target::{normalise_host, normalise_path};
use seawall_http::{ContentLength, Field, RequestFacts, Scheme};

use super::uncollapsible::Whose;
use crate::body::RequestBody;
use crate::events::Account;
use crate::exchange::{Admitted, may_upgrade};

/// A request that the cache is asked about.
pub(crate) struct Asked {
    /// As it was received.
    pub(crate) admitted: Admitted,
    pub(crate) key: CacheKey,
    /// What the origin is asked for: what is not keyed is not sent.
    pub(crate) target: Uri,
}

impl Asked {
    /// `None` if the request has no key, or if its response cannot be of use to another.
    pub(crate) fn key_of(admitted: &Admitted, policy: &Policy) -> Option<(CacheKey, Uri)> {
        let parts = &admitted.parts;
        // Content is not part of the key, and to an origin it may mean something (a "fat GET").
        if !matches!(admitted.body, RequestBody::Empty) {
            return None;
        }
        let upgrade = parts.headers.get(header::UPGRADE);
        if upgrade.is_some_and(|wanted| may_upgrade(admitted.protocol, wanted)) {
            return None;
        }
        if has_two_readings(parts.uri.path())
            && policy.overrides.iter().any(|rule| rule.path != PathPattern::Any)
        {
            return None;
        }
        if !policy.overrides.is_empty() && policy.bypasses(&normalise_path(parts.uri.path())) {
            return None;
        }
        let key = CacheKey::new(&target(admitted), &policy.query)?;
        let as_sent = parts.uri.path_and_query()?;
        if key.target() == as_sent.as_str() {
            return Some((key, parts.uri.clone()));
        }
        let target = PathAndQuery::try_from(key.target()).ok()?;
        Some((key, Uri::from(target)))
    }

    /// Among whose requests it is, where keys are remembered that cannot be shared.
    pub(crate) fn whose(&self) -> &'static [Whose] {
        match self.admitted.parts.headers.contains_key(header::COOKIE) {
            true => &[Whose::All, Whose::WithCookie],
            false => &[Whose::All],
        }
    }

    /// On whose account it is.
    pub(crate) fn account(&self) -> Option<&Account> {
        self.admitted.account.as_deref()
    }

    /// Lends the request's facts to `look`.
    pub(crate) fn with_facts<T>(&self, look: impl FnOnce(&RequestFacts<'_>) -> T) -> T {
        with_facts(&self.admitted, look)
    }
}

/// Lends a request's facts to `look`.
pub(crate) fn with_facts<T>(admitted: &Admitted, look: impl FnOnce(&RequestFacts<'_>) -> T) -> T {
    let parts = &admitted.parts;
    let mut fields = FieldStorage::new();
    for (name, value) in &parts.headers {
        // One more than the bound may be there: a `Host` that was made of the target.
        let _ = fields.try_push(Field { name: name.as_str(), value: value.as_bytes() });
    }
    look(&RequestFacts {
        protocol: admitted.protocol,
        scheme: admitted.scheme,
        method: parts.method.as_str(),
        host: &normalise_host(authority(admitted)),
        path: &normalise_path(parts.uri.path()),
        query: parts.uri.query(),
        fields: &fields,
        content: ContentLength::Absent,
        client: admitted.client,
        tls: None,
    })
}

/// Whether an origin may take the path for another than overrides do: they see it decoded and without dot segments, and an
/// origin may look at it as it was sent, stop at a `;` or at a NUL, or decode once more. An override for `/static/` must not
/// store what the origin takes for `/account` ("Cached and Confused", Mirheidari and others, 2020).
pub(super) fn has_two_readings(path: &str) -> bool {
    let escapes = path.as_bytes().windows(3).filter(|window| window[0] == b'%');
    let mut decoded = escapes.filter_map(|window| {
        let digits = std::str::from_utf8(&window[1..]).ok()?;
        u8::from_str_radix(digits, 16).ok()
    });
    let is_dot_segment = |segment: &str| matches!(segment, "." | "..");
    path.contains(['\\', ';'])
        || path.contains("//")
        || path.split('/').any(is_dot_segment)
        || decoded.any(|byte| b"./\\;%?#".contains(&byte) || byte.is_ascii_control())
}

/// The target URI as the origin will see it.
pub(crate) fn target(admitted: &Admitted) -> Target<'_> {
    let parts = &admitted.parts;
    Target {
        scheme: origin_scheme(admitted),
        authority: authority(admitted),
        path: parts.uri.path(),
        query: parts.uri.query(),
    }
}

/// An origin behind a hop that takes TLS off answers `http` and `https` differently: most redirect the one to the other.
fn origin_scheme(admitted: &Admitted) -> Scheme {
    let protos = admitted.parts.headers.get_all("x-forwarded-proto").into_iter().map(HeaderValue::as_bytes);
    forwarded_scheme(protos, &admitted.client, admitted.scheme)
}

fn authority(admitted: &Admitted) -> &str {
    let host = admitted.parts.headers.get(header::HOST);
    host.and_then(|host| host.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_with_two_readings_is_told() {
        for path in [
            "/static/../private",
            "/static/%2e%2E/private",
            "/private%2fx.css",
            "/private;x.css",
            "/private%3bx.css",
            "/private%00.css",
            "/private%252f",
            "/private%3fx",
            "/private%23x",
            "/private%0a",
            "//private",
            "/a/./b",
            "/a\\b",
        ] {
            assert!(has_two_readings(path), "{path}");
        }
        for path in
            ["/", "/static/x.css", "/a%20b", "/%C3%BC", "/a.b..c/.well-known", "/a,b", "/100%", "/%zz"]
        {
            assert!(!has_two_readings(path), "{path}");
        }
    }
}
