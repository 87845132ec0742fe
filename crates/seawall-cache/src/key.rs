//! The cache key: scheme, authority, path and query (RFC 9111 §2).
//!
//! What is keyed is what is sent: [`CacheKey::target`] is the request target that goes to the origin. A parameter left
//! out of the key never reaches the origin, so nothing unkeyed in the target can change a stored response (cache
//! poisoning by ignored, cloaked or repeated parameters). Path and query are those forwarded, never the forms made for matching
//! rules: two spellings that an origin may tell apart have two keys (cache deception).

use seawall_http::Scheme;
use smallvec::SmallVec;

/// The target URI as it would be forwarded.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The scheme at the edge.
    pub scheme: Scheme,
    /// Host and port as the origin will see them.
    pub authority: &'a str,
    /// The path as sent; empty means `/`.
    pub path: &'a str,
    /// The query as sent, without `?`.
    pub query: Option<&'a str>,
}

/// How a site's queries are keyed and forwarded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct QueryPolicy {
    /// Which parameters.
    pub parameters: Parameters,
    /// In which order.
    pub order: Order,
}

/// Which parameters of a query are keyed and forwarded. Names are compared as sent, without decoding.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Parameters {
    /// All.
    #[default]
    All,
    /// These alone.
    Only(Vec<String>),
    /// All but these.
    Except(Vec<String>),
}

/// The order of a query's parameters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Order {
    /// As sent.
    #[default]
    AsSent,
    /// By name; those of one name keep their order, which may mean something.
    Sorted,
}

/// The primary cache key, an absolute URI.
///
/// By default it is nobody's, to be [rewritten](CacheKey::rewrite).
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CacheKey {
    uri: String,
    target_start: usize,
}

// === impl CacheKey ===

impl CacheKey {
    /// The key of a target; `None` if its authority or path could be taken for another's.
    pub fn new(target: &Target<'_>, policy: &QueryPolicy) -> Option<Self> {
        let mut key = Self::default();
        key.rewrite(target, policy).then_some(key)
    }

    /// Makes it the key of another target, in the memory that it has; false, and it is nobody's, if that has none.
    pub fn rewrite(&mut self, target: &Target<'_>, policy: &QueryPolicy) -> bool {
        let uri = &mut self.uri;
        uri.clear();
        self.target_start = 0;
        let authority_bytes = target.authority.bytes();
        let is_authority = authority_bytes.len() > 0
            && authority_bytes.into_iter().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\".contains(&byte));
        let is_path = target.path.is_empty() || target.path.starts_with('/');
        if !is_authority || !is_path || target.path.contains(['?', '#']) {
            return false;
        }
        let authority = without_default_port(target);
        let query_bytes = target.query.map_or(0, |query| query.len() + 1);
        uri.reserve_exact(HTTPS_BYTES + authority.len() + target.path.len().max(1) + query_bytes);
        uri.push_str(target.scheme.as_str());
        uri.push_str("://");
        uri.push_str(authority);
        // RFC 3986 §6.2.2.1, §6.2.3: case and the scheme's own port mean nothing.
        uri.make_ascii_lowercase();
        self.target_start = uri.len();
        uri.push_str(if target.path.is_empty() { "/" } else { target.path });
        if let Some(query) = target.query {
            policy.append(query, uri);
        }
        true
    }

    /// A key again, from [`CacheKey::as_str`].
    pub fn restore(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let scheme = [Scheme::Http, Scheme::Https].into_iter().find(|known| known.as_str() == scheme)?;
        let (authority, target) = rest.split_at(rest.find('/')?);
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let key = Self::new(&Target { scheme, authority, path, query }, &QueryPolicy::default())?;
        (key.as_str() == uri).then_some(key)
    }

    /// The whole key: `https://example.com/path?query`.
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// The path and query to send to the origin.
    pub fn target(&self) -> &str {
        &self.uri[self.target_start..]
    }

    /// Host, and port if it is not the scheme's own: `example.com`.
    pub fn authority(&self) -> &str {
        let origin = self.origin();
        origin.split_once("://").map_or(origin, |(_, authority)| authority)
    }

    /// Scheme and authority: `https://example.com`.
    pub fn origin(&self) -> &str {
        &self.uri[..self.target_start]
    }
}

fn without_default_port<'a>(target: &Target<'a>) -> &'a str {
    let suffix = match target.scheme {
        Scheme::Http => ":80",
        Scheme::Https => ":443",
    };
    match target.authority.strip_suffix(suffix) {
        Some(host) if !host.is_empty() => host,
        _ => target.authority,
    }
}

// === impl QueryPolicy ===

impl QueryPolicy {
    fn append(&self, query: &str, uri: &mut String) {
        if *self == Self::default() {
            uri.push('?');
            uri.push_str(query);
            return;
        }
        let kept = query.split('&').filter(|parameter| !parameter.is_empty() && self.keeps(name(parameter)));
        match self.order {
            Order::AsSent => kept.enumerate().for_each(|(index, parameter)| push(uri, index, parameter)),
            Order::Sorted => {
                let mut kept: SmallVec<[&str; 16]> = kept.collect();
                kept.sort_by_key(|parameter| name(parameter));
                kept.iter().enumerate().for_each(|(index, parameter)| push(uri, index, parameter));
            }
        }
    }

    fn keeps(&self, name: &str) -> bool {
        match &self.parameters {
            Parameters::All => true,
            Parameters::Only(names) => names.iter().any(|known| known == name),
            Parameters::Except(names) => names.iter().all(|known| known != name),
        }
    }
}

fn push(uri: &mut String, index: usize, parameter: &str) {
    uri.push(if index == 0 { '?' } else { '&' });
    uri.push_str(parameter);
}

fn name(parameter: &str) -> &str {
    parameter.split_once('=').map_or(parameter, |(name, _)| name)
}

const HTTPS_BYTES: usize = "https://".len();

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(authority: &str, path: &str, query: Option<&str>, policy: &QueryPolicy) -> Option<CacheKey> {
        CacheKey::new(&Target { scheme: Scheme::Https, authority, path, query }, policy)
    }

    fn target(query: &str, policy: &QueryPolicy) -> String {
        key("a.example", "/", Some(query), policy).unwrap().target().to_owned()
    }

    #[test]
    fn key_is_the_target_uri() {
        let key = key("Example.COM:443", "/a%2Fb/../c", Some("z=1&a=2"), &QueryPolicy::default()).unwrap();
        assert_eq!(key.as_str(), "https://example.com/a%2Fb/../c?z=1&a=2");
        assert_eq!((key.origin(), key.target()), ("https://example.com", "/a%2Fb/../c?z=1&a=2"));
    }

    #[test]
    fn scheme_and_port_tell_keys_apart() {
        let policy = QueryPolicy::default();
        let of = |scheme, authority| {
            CacheKey::new(&Target { scheme, authority, path: "", query: None }, &policy).unwrap()
        };
        assert_ne!(of(Scheme::Http, "a.example"), of(Scheme::Https, "a.example"));
        assert_ne!(of(Scheme::Https, "a.example:8443"), of(Scheme::Https, "a.example"));
        assert_ne!(of(Scheme::Https, "a.example:80"), of(Scheme::Https, "a.example"));
        assert_eq!(of(Scheme::Http, "a.example:80"), of(Scheme::Http, "a.example"));
        assert_eq!(of(Scheme::Http, "a.example").as_str(), "http://a.example/");
    }

    #[test]
    fn authority_that_reads_as_another_has_no_key() {
        for authority in
            ["", "a.example/x", "a.example?x", "a.example#", "a@b.example", "a b", "a\\b", "\u{e4}.example"]
        {
            assert_eq!(key(authority, "/", None, &QueryPolicy::default()), None, "{authority}");
        }
        for path in ["*", "x", "/a?b", "/a#b"] {
            assert_eq!(key("a.example", path, None, &QueryPolicy::default()), None, "{path}");
        }
    }

    #[test]
    fn ignored_parameter_is_neither_keyed_nor_sent() {
        let parameters = Parameters::Except(vec!["utm_source".to_owned()]);
        let policy = QueryPolicy { parameters, order: Order::AsSent };
        assert_eq!(target("b=1&utm_source=x;callback=evil&a=2", &policy), "/?b=1&a=2");
        // Spelt otherwise it is another parameter: sent, and therefore keyed.
        assert_eq!(target("utm%5Fsource=x", &policy), "/?utm%5Fsource=x");
        assert_eq!(target("utm_source", &policy), "/");
    }

    #[test]
    fn only_listed_parameters_are_keyed_and_sent() {
        let parameters = Parameters::Only(vec!["id".to_owned()]);
        let policy = QueryPolicy { parameters, order: Order::AsSent };
        assert_eq!(target("x=1&id=2&id=3&ID=4&i%64=5", &policy), "/?id=2&id=3");
    }

    #[test]
    fn sorted_parameters_of_one_name_keep_their_order() {
        let policy = QueryPolicy { parameters: Parameters::All, order: Order::Sorted };
        assert_eq!(target("b=2&a=9&b=1&a=1&&c", &policy), "/?a=9&a=1&b=2&b=1&c");
    }

    #[test]
    fn key_that_is_rewritten_is_as_a_new_one() {
        let policy = QueryPolicy::default();
        let mut key = CacheKey::default();
        for (authority, path, query) in
            [("A.example", "/long/er", Some("q")), ("b.example:443", "", None), ("c.example", "/x", None)]
        {
            let target = Target { scheme: Scheme::Https, authority, path, query };
            assert!(key.rewrite(&target, &policy));
            assert_eq!(Some(&key), CacheKey::new(&target, &policy).as_ref());
        }
        let target = Target { scheme: Scheme::Https, authority: "a b", path: "/", query: None };
        assert!(!key.rewrite(&target, &policy));
        assert_eq!(key, CacheKey::default());
    }

    proptest! {
        #[test]
        fn key_of_what_is_sent_is_the_same(query in "([abc]{1,2}(=[0-9])?|&|;|%41){0,12}", sorted: bool) {
            let order = if sorted { Order::Sorted } else { Order::AsSent };
            let policy = QueryPolicy { parameters: Parameters::Except(vec!["a".to_owned()]), order };
            let first = key("a.example", "/p", Some(&query), &policy).unwrap();
            let (path, sent) = first.target().split_once('?').map_or((first.target(), None), |(p, q)| (p, Some(q)));
            prop_assert_eq!(&first, &key("a.example", path, sent, &policy).unwrap());
            prop_assert_eq!(CacheKey::restore(first.as_str()), Some(first));
        }

        #[test]
        fn any_text_is_restored_to_itself_or_not_at_all(text in "(https?://|/|A|a|:443|:80|[?#@\\\\]|.){0,8}") {
            if let Some(key) = CacheKey::restore(&text) {
                prop_assert_eq!(key.as_str(), text);
            }
        }
    }
}
