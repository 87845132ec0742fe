//! What an operator decides where RFC 9111 leaves it open, or over the origin's head.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use seawall_http::Coding;

use crate::key::QueryPolicy;

/// The choices of one site.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// The share of the time since `Last-Modified` that counts as freshness lifetime, in percent (RFC 9111 §4.2.2
    /// names 10 as typical).
    pub heuristic_percent: u32,
    /// The longest lifetime found so.
    pub heuristic_max: Duration,
    /// What an `Age` counts for that is a list, or no number.
    pub garbled_age: GarbledAge,
    /// Whether clients can ask for validation.
    pub client_control: ClientControl,
    /// How queries are keyed and forwarded.
    pub query: QueryPolicy,
    /// The response field that lists surrogate keys, by which an operator purges. It is not sent on.
    pub surrogate_field: HeaderName,
    /// The codings that the site adds to what origins send without one, the preferred first. Where there are any, the
    /// origin is asked with the coding that was chosen of them, and it is by this that requests select what is stored.
    pub codings: Vec<Coding>,
    /// What counts instead of what the origin says; of those that match, the first.
    pub overrides: Vec<Override>,
}

/// Whether `Cache-Control` of requests counts for reuse.
///
/// `no-store` counts always. What follows RFC 9111 to the letter lets anybody send every request through to the
/// origin, so a site under load may choose otherwise; §5.2.1 makes these directives advisory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientControl {
    /// As RFC 9111 §5.2.1 says.
    Honoured,
    /// Only `no-store` and `only-if-cached` count.
    Ignored,
}

/// What an `Age` counts for that is a list, or no number: a cache nearer to the origin may have added its own to another's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum GarbledAge {
    /// Its first member if that is a number, else nothing (RFC 9111 §5.1).
    #[default]
    FirstCounts,
    /// The response counts as stale: how old it is, is not known.
    Stale,
}

/// What counts for some paths and status codes, whatever the origin says of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Override {
    /// Which paths, normalised as for rules.
    pub path: PathPattern,
    /// Which status codes; empty for every one. Negative caching names error codes.
    pub status: Vec<StatusCode>,
    /// Whether responses are stored at all, and for how long they are fresh.
    pub storing: Storing,
    /// Replaces the response's `stale-while-revalidate` (RFC 5861 §3).
    pub stale_while_revalidate: Option<Duration>,
    /// Replaces the response's `stale-if-error` (RFC 5861 §4).
    pub stale_if_error: Option<Duration>,
}

/// Paths that an override is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PathPattern {
    /// Every path.
    Any,
    /// This one.
    Exact(String),
    /// Those that begin so.
    Prefix(String),
    /// Those that end so.
    Suffix(String),
}

/// Whether responses are stored, and for how long.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Storing {
    /// As the response says.
    #[default]
    AsStated,
    /// Never; with no status code named, the cache is not even asked.
    Never,
    /// For so long, if the response states no lifetime of its own.
    Unstated(Duration),
    /// For so long, whatever the response states. `no-store`, `private`, `no-cache` and `Set-Cookie` then do not count:
    /// the operator knows better.
    Forced(Duration),
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            heuristic_percent: 10,
            heuristic_max: Duration::from_secs(24 * 60 * 60),
            garbled_age: GarbledAge::FirstCounts,
            client_control: ClientControl::Honoured,
            query: QueryPolicy::default(),
            surrogate_field: HeaderName::from_static("surrogate-key"),
            codings: Vec::new(),
            overrides: Vec::new(),
        }
    }
}

/// What counts for one response at one site.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The site's choices.
    pub policy: &'a Policy,
    /// The override for its path and status code.
    pub rule: Option<&'a Override>,
}

impl Policy {
    /// The terms for responses with this status code to requests for this path.
    pub fn terms(&self, path: &str, status: StatusCode) -> Terms<'_> {
        let counts = |rule: &&Override| {
            rule.path.matches(path) && (rule.status.is_empty() || rule.status.contains(&status))
        };
        Terms { policy: self, rule: self.overrides.iter().find(counts) }
    }

    /// Whether requests for this path do not ask the cache: no response could be stored, whatever its status code.
    pub fn bypasses(&self, path: &str) -> bool {
        let first = self.overrides.iter().find(|rule| rule.path.matches(path));
        first.is_some_and(|rule| rule.status.is_empty() && rule.storing == Storing::Never)
    }
}

impl PathPattern {
    /// Whether it takes in a path, normalised as for rules.
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => path == exact,
            Self::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => path.ends_with(suffix.as_str()),
        }
    }
}

impl Terms<'_> {
    /// Whether responses are stored, and for how long.
    pub fn storing(&self) -> Storing {
        self.rule.map_or(Storing::AsStated, |rule| rule.storing)
    }

    /// Whether the operator says how long responses may be used.
    pub(crate) fn state_lifetime(&self) -> bool {
        matches!(self.storing(), Storing::Unstated(_) | Storing::Forced(_))
    }

    /// Whether the operator knows better than the response.
    pub(crate) fn are_forced(&self) -> bool {
        matches!(self.storing(), Storing::Forced(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: PathPattern, status: &[StatusCode], storing: Storing) -> Override {
        let status = status.to_vec();
        Override { path, status, storing, stale_while_revalidate: None, stale_if_error: None }
    }

    fn policy(overrides: Vec<Override>) -> Policy {
        Policy { overrides, ..Policy::default() }
    }

    #[test]
    fn first_override_of_path_and_status_counts() {
        let secs = |secs| Storing::Unstated(Duration::from_secs(secs));
        let prefix = || PathPattern::Prefix("/a/".to_owned());
        let policy = policy(vec![
            rule(PathPattern::Exact("/a/b".to_owned()), &[StatusCode::NOT_FOUND], secs(1)),
            rule(prefix(), &[], secs(2)),
            rule(PathPattern::Suffix(".css".to_owned()), &[], secs(3)),
            rule(PathPattern::Any, &[StatusCode::NOT_FOUND], secs(4)),
        ]);
        let storing = |path, status| policy.terms(path, status).storing();
        assert_eq!(storing("/a/b", StatusCode::NOT_FOUND), secs(1));
        assert_eq!(storing("/a/b", StatusCode::OK), secs(2));
        assert_eq!(storing("/a/b.css", StatusCode::OK), secs(2));
        assert_eq!(storing("/b.css", StatusCode::OK), secs(3));
        assert_eq!(storing("/a", StatusCode::NOT_FOUND), secs(4));
        assert_eq!(storing("/a", StatusCode::OK), Storing::AsStated);
    }

    #[test]
    fn cache_is_bypassed_where_no_status_could_be_stored() {
        let never =
            |path: &str, status: &[_]| rule(PathPattern::Prefix(path.to_owned()), status, Storing::Never);
        let stored = rule(PathPattern::Exact("/a/b".to_owned()), &[StatusCode::OK], Storing::AsStated);
        let policy = policy(vec![stored, never("/a/", &[]), never("/b", &[StatusCode::OK])]);
        assert!(policy.bypasses("/a/c"));
        assert!(!policy.bypasses("/a/b"));
        assert!(!policy.bypasses("/b"));
        assert!(!policy.bypasses("/"));
    }
}
