//! Which stored responses a request that may have changed something invalidates (RFC 9111 §4.4).

use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::key::{CacheKey, QueryPolicy, Target};

/// Whether a response to this method invalidates what is stored: every method that is not known to be safe (RFC 9110
/// §9.2.1), unless the response is an error.
pub fn invalidates(method: &str, status: StatusCode) -> bool {
    let safe = matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE");
    !safe && (status.is_success() || status.is_redirection())
}

/// The keys to invalidate: the target's, and those that `Location` and `Content-Location` name on the same origin.
/// Another origin's are left alone, lest one site purge another's.
pub fn invalidated_keys(target: &Target<'_>, response: &HeaderMap, policy: &QueryPolicy) -> Vec<CacheKey> {
    let Some(own) = CacheKey::new(target, policy) else { return Vec::new() };
    let mut keys = vec![own];
    for name in LOCATIONS {
        let key = location_key(target, response, &name, policy);
        keys.extend(key.filter(|key| key.origin() == keys[0].origin() && !keys.contains(key)));
    }
    keys
}

/// Responses stored under these are about what the request changed.
const LOCATIONS: [HeaderName; 2] = [header::LOCATION, header::CONTENT_LOCATION];

fn location_key(
    base: &Target<'_>,
    response: &HeaderMap,
    name: &HeaderName,
    policy: &QueryPolicy,
) -> Option<CacheKey> {
    let reference = response.get(name)?.to_str().ok()?;
    let reference = reference.split_once('#').map_or(reference, |(reference, _)| reference);
    let Reference { authority, path, query } = Reference::parse(reference, base)?;
    let resolved = match authority {
        Some(_) => remove_dot_segments(path),
        None if path.is_empty() => base.path.to_owned(),
        None if path.starts_with('/') => remove_dot_segments(path),
        None => {
            let folder = base.path.rfind('/').map_or("/", |end| &base.path[..=end]);
            remove_dot_segments(&format!("{folder}{path}"))
        }
    };
    let query = if authority.is_none() && path.is_empty() { query.or(base.query) } else { query };
    let authority = authority.unwrap_or(base.authority);
    CacheKey::new(&Target { scheme: base.scheme, authority, path: &resolved, query }, policy)
}

/// A URI reference (RFC 3986 §4.1) of the base's scheme, without fragment.
struct Reference<'a> {
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// `None` if it has another scheme than the base.
    fn parse(reference: &'a str, base: &Target<'_>) -> Option<Self> {
        let rest = match scheme_end(reference) {
            Some(end) if reference[..end].eq_ignore_ascii_case(base.scheme.as_str()) => {
                // Without an authority it is no http URI (RFC 9110 §4.2.1).
                Some(&reference[end + 1..]).filter(|rest| rest.starts_with("//"))?
            }
            Some(_) => return None,
            None => reference,
        };
        let (hierarchy, query) = match rest.split_once('?') {
            Some((hierarchy, query)) => (hierarchy, Some(query)),
            None => (rest, None),
        };
        let Some(after) = hierarchy.strip_prefix("//") else {
            return Some(Self { authority: None, path: hierarchy, query });
        };
        let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
        Some(Self { authority: Some(authority), path, query })
    }
}

/// Where a scheme ends, at its colon: a colon in the first segment of a path has no place there otherwise (RFC 3986
/// §4.2).
fn scheme_end(reference: &str) -> Option<usize> {
    let end = reference.find([':', '/', '?'])?;
    reference[end..].starts_with(':').then_some(end)
}

/// RFC 3986 §5.2.4, of a path that starts with a slash or is empty.
fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    kept.iter().fold(String::with_capacity(path.len()), |path, segment| path + "/" + segment)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use seawall_http::Scheme;

    use super::*;
    use crate::sample::fields;

    const BASE: Target<'_> =
        Target { scheme: Scheme::Https, authority: "a.example", path: "/b/c/d", query: Some("q") };

    fn keys(location: &str) -> Vec<String> {
        let keys = invalidated_keys(&BASE, &fields(&[("location", location)]), &QueryPolicy::default());
        keys.iter().map(|key| key.as_str().to_owned()).collect()
    }

    fn check(location: &str, expected: &str) {
        assert_eq!(keys(location), ["https://a.example/b/c/d?q", expected], "{location}");
    }

    #[test]
    fn unsafe_methods_invalidate_unless_they_fail() {
        // RFC 9111 §4.4: of unknown safety counts as unsafe.
        for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "get"] {
            for status in [StatusCode::OK, StatusCode::CREATED, StatusCode::SEE_OTHER] {
                assert!(invalidates(method, status), "{method} {status}");
            }
            for status in [StatusCode::NOT_FOUND, StatusCode::BAD_GATEWAY, StatusCode::SWITCHING_PROTOCOLS] {
                assert!(!invalidates(method, status), "{method} {status}");
            }
        }
        for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
            assert!(!invalidates(method, StatusCode::OK), "{method}");
        }
    }

    #[test]
    fn locations_on_the_same_origin_are_invalidated() {
        // RFC 9111 §4.4; references resolved by RFC 3986 §5.4.
        check("https://a.example/x", "https://a.example/x");
        check("HTTPS://A.example:443/x?y#z", "https://a.example/x?y");
        check("//a.example", "https://a.example/");
        check("/x", "https://a.example/x");
        check("x", "https://a.example/b/c/x");
        check("./x/", "https://a.example/b/c/x/");
        check("../x?y", "https://a.example/b/x?y");
        check("../../../x", "https://a.example/x");
        check("..", "https://a.example/b/");
        check("?y", "https://a.example/b/c/d?y");
        check("/x:y", "https://a.example/x:y");
    }

    #[test]
    fn other_origins_are_left_alone() {
        // RFC 9111 §4.4.
        for location in [
            "https://b.example/x",
            "http://a.example/x",
            "https://a.example:8443/x",
            "//b.example/x",
            "https://user@a.example/x",
            "https:/x",
            "mailto:a@a.example",
            "https://",
        ] {
            assert_eq!(keys(location), ["https://a.example/b/c/d?q"], "{location}");
        }
    }

    #[test]
    fn both_fields_count_and_each_key_once() {
        let response = fields(&[("location", "/x"), ("content-location", "/y")]);
        assert_eq!(invalidated_keys(&BASE, &response, &QueryPolicy::default()).len(), 3);
        let response = fields(&[("location", "/x"), ("content-location", "/x")]);
        assert_eq!(invalidated_keys(&BASE, &response, &QueryPolicy::default()).len(), 2);
        assert_eq!(keys("d?q").len(), 1);
        assert_eq!(keys("").len(), 1);
    }

    proptest! {
        #[test]
        fn any_location_stays_on_its_origin(location in "(https?:|//|/|\\.\\.|\\.|a\\.example|[a-z?#@:\\\\]){0,10}") {
            for key in keys(&location) {
                prop_assert!(key.starts_with("https://a.example/"), "{key}");
            }
        }
    }
}
