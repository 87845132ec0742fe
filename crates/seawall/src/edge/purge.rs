//! What an operator asks to be purged, in the cache's own terms.
//!
//! Keys have the scheme that the origin sees, which behind a CDN need not be the reader's; so a URL or prefix is purged over
//! both, whichever was written.

use seawall_cache::key::QueryPolicy;
use seawall_cache::purge::{Extent, PREFIX_BYTES_MAX, Purge, Selector};
use seawall_cache::{CacheKey, Target};
use seawall_console::control::{ControlError, PurgeRequest};
use seawall_http::Scheme;
use seawall_http::target::normalise_host;
use seawall_proxy::snapshot::SiteTable;

/// The purges that a request asks for.
///
/// # Errors
///
/// If it does not say what, names a host that no site has, or a site without a cache.
pub(super) fn purges(request: &PurgeRequest, sites: &SiteTable) -> Result<Vec<Purge>, ControlError> {
    let extent = if request.soft { Extent::Soft } else { Extent::Hard };
    let purges = selectors(request, sites)?.into_iter();
    Ok(purges.map(|selector| Purge { selector, extent }).collect())
}

/// As the answer names it; nothing for all.
pub(super) fn shown(selector: &Selector) -> Option<&str> {
    match selector {
        Selector::Url(text) | Selector::Prefix(text) | Selector::SurrogateKey(text) => Some(text),
        Selector::All => None,
    }
}

fn selectors(request: &PurgeRequest, sites: &SiteTable) -> Result<Vec<Selector>, ControlError> {
    match request {
        PurgeRequest { url: Some(url), prefix: None, key: None, all: false, .. } => urls(url, sites),
        PurgeRequest { url: None, prefix: Some(prefix), key: None, all: false, .. } => {
            prefixes(prefix, sites)
        }
        PurgeRequest { url: None, prefix: None, key: Some(key), all: false, .. } => surrogate_key(key),
        PurgeRequest { url: None, prefix: None, key: None, all: true, .. } => Ok(vec![Selector::All]),
        _ => Err(invalid("a purge takes one of `url`, `prefix`, `key` and `all`".to_owned())),
    }
}

fn urls(url: &str, sites: &SiteTable) -> Result<Vec<Selector>, ControlError> {
    let Parts { authority, target } = Parts::of(url)?;
    let policy = policy(authority, sites)?;
    let target = target.split('#').next().unwrap_or(target);
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let key = |scheme| CacheKey::new(&Target { scheme, authority, path, query }, policy);
    let keys: Option<Vec<CacheKey>> = SCHEMES.into_iter().map(key).collect();
    let keys = keys.ok_or_else(|| invalid(format!("`{url}` is not a URL that a request could have")))?;
    Ok(keys.iter().map(|key| Selector::Url(key.as_str().to_owned())).collect())
}

fn prefixes(prefix: &str, sites: &SiteTable) -> Result<Vec<Selector>, ControlError> {
    let Parts { authority, target } = Parts::of(prefix)?;
    policy(authority, sites)?;
    if target.contains('#') {
        return Err(invalid(format!("`{prefix}` has a fragment, which no request has")));
    }
    // Without the slash it would take in hosts and ports that begin so.
    let target = if target.is_empty() { "/" } else { target };
    let prefix = |scheme| {
        // The key of the root tells how the authority is written in keys.
        let root =
            CacheKey::new(&Target { scheme, authority, path: "/", query: None }, &QueryPolicy::default())?;
        let prefix = format!("{}{target}", root.origin());
        (prefix.len() <= PREFIX_BYTES_MAX).then_some(Selector::Prefix(prefix))
    };
    let prefixes: Option<Vec<Selector>> = SCHEMES.into_iter().map(prefix).collect();
    prefixes.ok_or_else(|| invalid(format!("a prefix has a host and at most {PREFIX_BYTES_MAX} bytes")))
}

fn surrogate_key(key: &str) -> Result<Vec<Selector>, ControlError> {
    if key.is_empty() || key.chars().any(|c| c.is_control()) || key.trim() != key {
        return Err(invalid(format!("{key:?} is not a surrogate key")));
    }
    Ok(vec![Selector::SurrogateKey(key.to_owned())])
}

/// The site's choice of parameters.
fn policy<'s>(authority: &str, sites: &'s SiteTable) -> Result<&'s QueryPolicy, ControlError> {
    let host = normalise_host(authority);
    let site = sites.find(&host).and_then(|index| sites.sites().get(index));
    let site = site.ok_or_else(|| invalid(format!("no site has the host {host}")))?;
    let cache = site.site.cache.as_ref();
    let why = || format!("the site of {host} has no cache: it is turned off, or its files are in a folder");
    cache.map(|cache| &cache.policy.query).ok_or_else(|| ControlError::Conflict { why: why() })
}

/// A URL in two: the default port of its own scheme is left out, so that it fits the other scheme too.
struct Parts<'u> {
    authority: &'u str,
    /// From the path on.
    target: &'u str,
}

impl<'u> Parts<'u> {
    fn of(url: &'u str) -> Result<Self, ControlError> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| without_scheme(url))?;
        let scheme = SCHEMES.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(scheme));
        let scheme = scheme.ok_or_else(|| without_scheme(url))?;
        if url.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(invalid(format!("{url:?} has to be percent-encoded, as a browser sends it")));
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let port = match scheme {
            Scheme::Http => ":80",
            Scheme::Https => ":443",
        };
        let authority = authority.strip_suffix(port).unwrap_or(authority);
        if authority.is_empty() {
            return Err(invalid(format!("`{url}` has no host")));
        }
        if authority.contains('@') {
            return Err(invalid(format!("`{url}` names a user, which no request does")));
        }
        Ok(Self { authority, target })
    }
}

fn without_scheme(url: &str) -> ControlError {
    invalid(format!("`{url}` does not begin with https:// or http://, and a host"))
}

fn invalid(problem: String) -> ControlError {
    ControlError::Invalid { problems: vec![problem] }
}

const SCHEMES: [Scheme; 2] = [Scheme::Https, Scheme::Http];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use seawall_config::{Overrides, load};
    use seawall_proxy::snapshot::Snapshot;
    use seawall_rules::set::RuleSet;

    use super::*;

    fn sites() -> Arc<SiteTable> {
        let text = "[[site]]\nhosts = [\"a.example\", \"*.a.example\"]\norigin = \"http://127.0.0.1:1\"\n\
                    cache = { query = { except = [\"utm\"], sort = true } }\n\
                    [[site]]\nhosts = \"off.example\"\norigin = \"http://127.0.0.1:1\"\ncache = false\n";
        let config =
            load("test.toml", text, &mut seawall_config::Disk, &Overrides::default()).result.unwrap();
        let rules = Arc::new(RuleSet::compile(Vec::new(), Vec::new()).unwrap());
        Snapshot::build(&config, rules, None, None).unwrap_or_else(|_| panic!("no site")).sites
    }

    fn check(request: PurgeRequest) -> Result<Vec<String>, String> {
        let purges = purges(&request, &sites()).map_err(|error| error.to_string())?;
        Ok(purges.iter().filter_map(|purge| shown(&purge.selector)).map(str::to_owned).collect())
    }

    fn url(url: &str) -> Result<Vec<String>, String> {
        check(PurgeRequest { url: Some(url.to_owned()), ..PurgeRequest::default() })
    }

    fn prefix(prefix: &str) -> Result<Vec<String>, String> {
        check(PurgeRequest { prefix: Some(prefix.to_owned()), ..PurgeRequest::default() })
    }

    #[test]
    fn url_becomes_the_key_of_its_requests_over_both_schemes() {
        assert_eq!(
            url("HTTPS://A.Example:443/p?utm=1&b=2&a=1#part").unwrap(),
            ["https://a.example/p?a=1&b=2", "http://a.example/p?a=1&b=2"]
        );
        assert_eq!(url("http://x.a.example:80").unwrap(), ["https://x.a.example/", "http://x.a.example/"]);
        assert_eq!(
            url("https://a.example:8443/%41").unwrap(),
            ["https://a.example:8443/%41", "http://a.example:8443/%41"]
        );
    }

    #[test]
    fn prefix_ends_no_earlier_than_the_host() {
        assert_eq!(prefix("https://a.example").unwrap(), ["https://a.example/", "http://a.example/"]);
        assert_eq!(
            prefix("http://A.example/s?b=").unwrap(),
            ["https://a.example/s?b=", "http://a.example/s?b="]
        );
        assert!(prefix(&format!("https://a.example/{}", "x".repeat(PREFIX_BYTES_MAX))).is_err());
    }

    #[test]
    fn what_cannot_be_purged_is_said_exactly() {
        let says = |result: Result<Vec<String>, String>| result.unwrap_err();
        assert_eq!(
            says(url("a.example/p")),
            "`a.example/p` does not begin with https:// or http://, and a host"
        );
        assert_eq!(says(url("https:///p")), "`https:///p` has no host");
        assert_eq!(says(url("https://b.example/")), "no site has the host b.example");
        assert_eq!(
            says(url("https://off.example/")),
            "the site of off.example has no cache: it is turned off, or its files are in a folder"
        );
        assert_eq!(
            says(url("https://a.example/ü")),
            "\"https://a.example/ü\" has to be percent-encoded, as a browser sends it"
        );
        assert_eq!(
            says(url("https://u@a.example/")),
            "`https://u@a.example/` names a user, which no request does"
        );
        let key = |key: &str| check(PurgeRequest { key: Some(key.to_owned()), ..PurgeRequest::default() });
        assert_eq!(key("article-17").unwrap(), ["article-17"]);
        assert_eq!(says(key(" a")), "\" a\" is not a surrogate key");
        let one = "a purge takes one of `url`, `prefix`, `key` and `all`";
        assert_eq!(says(check(PurgeRequest::default())), one);
        assert_eq!(
            says(check(PurgeRequest { all: true, key: Some("a".to_owned()), ..PurgeRequest::default() })),
            one
        );
    }
}
