//! A request as the cache sees it.

use http::uri::PathAndQuery;
use http::{Uri, header};
use seawall_cache::{CacheKey, Policy, Target};
use seawall_http::h1::FieldStorage;
use seawall_http::hop_fields::forwarded_scheme;
use seawall_http::target::{normalise_host, normalise_path};
use seawall_http::{ContentLength, Field, RequestFacts, Scheme};

use crate::body::RequestBody;
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
        let key = CacheKey::new(&target(admitted), &policy.query)?;
        let as_sent = parts.uri.path_and_query()?;
        if key.target() == as_sent.as_str() {
            return Some((key, parts.uri.clone()));
        }
        let target = PathAndQuery::try_from(key.target()).ok()?;
        Some((key, Uri::from(target)))
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
    })
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
    forwarded_scheme(&admitted.parts.headers, &admitted.client, admitted.scheme)
}

fn authority(admitted: &Admitted) -> &str {
    let host = admitted.parts.headers.get(header::HOST);
    host.and_then(|host| host.to_str().ok()).unwrap_or_default()
}
