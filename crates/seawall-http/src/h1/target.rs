//! The request target (RFC 9112 §3.2).

/// A request target, split but not decoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target<'a> {
    /// `/where?q=now` (§3.2.1).
    Origin(PathAndQuery<'a>),
    /// `http://www.example.org/pub/WWW/` (§3.2.2): its authority replaces the `Host` field.
    Absolute {
        /// The authority as sent.
        authority: &'a str,
        /// `/` if the target has none.
        path_and_query: PathAndQuery<'a>,
    },
    /// `*` (§3.2.4), of `OPTIONS` alone.
    Asterisk,
}

/// Path and query as sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PathAndQuery<'a> {
    /// Both, with the `?`.
    pub whole: &'a str,
    /// The path; begins with `/`.
    pub path: &'a str,
    /// Without `?`.
    pub query: Option<&'a str>,
}

/// What is wrong with a request target or a `Host`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TargetError {
    /// An octet that no URI may hold, at this offset.
    #[error("the request target holds an octet that a URI may not hold, at offset {0}")]
    Octet(usize),
    /// `%` without two hexadecimal digits in the path.
    #[error("the request target's path holds a % without two hexadecimal digits, at offset {0}")]
    PercentEncoding(usize),
    /// None of the four forms, or one that the method may not have.
    #[error("the request target has no form that its method may have")]
    Form,
    /// Not `uri-host [ ":" port ]`.
    #[error("the authority is not a host with an optional port")]
    Authority,
}

impl<'a> Target<'a> {
    /// Parses a request target. `CONNECT` is the caller's to refuse: an edge is no tunnel.
    ///
    /// Octets that RFC 3986 leaves out but browsers send all the same are let through: `[ ] { } | ^`, and in the
    /// query the back tick. Controls, spaces, `"`, `<`, `>`, `\`, `#` and anything beyond ASCII are refused.
    pub fn parse(method: &str, target: &'a str) -> Result<Self, TargetError> {
        if let Some(at) = target.bytes().position(|octet| !TARGET_OCTETS[octet as usize]) {
            return Err(TargetError::Octet(at));
        }
        if target.starts_with('/') {
            return Ok(Self::Origin(PathAndQuery::split(target, 0)?));
        }
        if target == "*" && method == "OPTIONS" {
            return Ok(Self::Asterisk);
        }
        Self::absolute(target)
    }

    fn absolute(target: &'a str) -> Result<Self, TargetError> {
        let (scheme, rest) = target.split_once("://").ok_or(TargetError::Form)?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(TargetError::Form);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if authority.is_empty() {
            return Err(TargetError::Authority);
        }
        check_authority(authority)?;
        let path_and_query = match tail {
            "" => PathAndQuery { whole: "/", path: "/", query: None },
            _ if tail.starts_with('/') => PathAndQuery::split(tail, target.len() - tail.len())?,
            // RFC 9112 §3.2.1: an empty path is sent as `/`; borrowing cannot put one before a query, and nobody
            // who is not testing sends this.
            _ => return Err(TargetError::Form),
        };
        Ok(Self::Absolute { authority, path_and_query })
    }

    /// The path as sent, `*` for the asterisk form.
    pub fn path(&self) -> &'a str {
        match self {
            Self::Origin(both) | Self::Absolute { path_and_query: both, .. } => both.path,
            Self::Asterisk => "*",
        }
    }

    /// The query as sent, without `?`.
    pub fn query(&self) -> Option<&'a str> {
        match self {
            Self::Origin(both) | Self::Absolute { path_and_query: both, .. } => both.query,
            Self::Asterisk => None,
        }
    }

    /// Path and query as the next hop gets them.
    pub fn origin_form(&self) -> &'a str {
        match self {
            Self::Origin(both) | Self::Absolute { path_and_query: both, .. } => both.whole,
            Self::Asterisk => "*",
        }
    }
}

impl<'a> PathAndQuery<'a> {
    fn split(whole: &'a str, offset: usize) -> Result<Self, TargetError> {
        let (path, query) = match whole.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (whole, None),
        };
        if let Some(at) = memchr::memchr(b'`', path.as_bytes()) {
            return Err(TargetError::Octet(offset + at));
        }
        check_percent_encoding(path).map_err(|at| TargetError::PercentEncoding(offset + at))?;
        Ok(Self { whole, path, query })
    }
}

/// Checks `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2.2); empty is valid there and so here.
pub fn check_authority(authority: &str) -> Result<(), TargetError> {
    let port = if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or(TargetError::Authority)?;
        address.parse::<std::net::Ipv6Addr>().map_err(|_| TargetError::Authority)?;
        rest
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        if !authority.as_bytes()[..end].iter().all(|octet| HOST_OCTETS[*octet as usize]) {
            return Err(TargetError::Authority);
        }
        &authority[end..]
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(digits) if digits.len() <= 5 && digits.bytes().all(|octet| octet.is_ascii_digit()) => Ok(()),
        _ => Err(TargetError::Authority),
    }
}

fn check_percent_encoding(path: &str) -> Result<(), usize> {
    let bytes = path.as_bytes();
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'%', &bytes[from..]) {
        let at = from + found;
        match bytes.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => from = at + 3,
            _ => return Err(at),
        }
    }
    Ok(())
}

/// Octets of a request target: RFC 3986's, and those that browsers send although it leaves them out.
static TARGET_OCTETS: [bool; 256] = octets(b"-._~:/?@!$&'()*+,;=%[]{}|^`");

/// Octets of a registered name (RFC 3986 §3.2.2): unreserved, sub-delims, and `%`.
static HOST_OCTETS: [bool; 256] = octets(b"-._~!$&'()*+,;=%");

const fn octets(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < 128 {
        table[octet] = (octet as u8).is_ascii_alphanumeric();
        octet += 1;
    }
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(path: &str, query: Option<&str>) -> (String, Option<String>) {
        (path.to_owned(), query.map(str::to_owned))
    }

    fn split(method: &str, target: &str) -> Result<(String, Option<String>), TargetError> {
        Target::parse(method, target).map(|parsed| origin(parsed.path(), parsed.query()))
    }

    // RFC 9112 §3.2.1
    #[test]
    fn origin_form_splits_at_the_first_question_mark() {
        assert_eq!(split("GET", "/where?q=now?x"), Ok(origin("/where", Some("q=now?x"))));
        assert_eq!(split("GET", "/where?"), Ok(origin("/where", Some(""))));
        assert_eq!(split("GET", "//x"), Ok(origin("//x", None)));
    }

    // RFC 9112 §3.2.2
    #[test]
    fn absolute_form_gives_its_authority() {
        let target = Target::parse("GET", "http://www.example.org:8001/pub?x").unwrap();
        let Target::Absolute { authority, path_and_query } = target else { panic!("{target:?}") };
        assert_eq!((authority, path_and_query.whole), ("www.example.org:8001", "/pub?x"));
        assert_eq!(split("GET", "http://h"), Ok(origin("/", None)));
        for bad in ["http:///x", "ftp://h/", "http:/x", "http://user@h/", "example.org:80", "x", "http://h?x"]
        {
            assert!(Target::parse("GET", bad).is_err(), "{bad}");
        }
    }

    // RFC 9112 §3.2.4
    #[test]
    fn asterisk_form_belongs_to_options() {
        assert_eq!(Target::parse("OPTIONS", "*"), Ok(Target::Asterisk));
        assert_eq!(Target::parse("GET", "*"), Err(TargetError::Form));
    }

    #[test]
    fn octets_outside_a_uri_are_refused() {
        for bad in ["/a b", "/a\tb", "/\u{e9}", "/a#b", "/a\\b", "/\"", "/<", "/\u{7f}", "/\0", "/`"] {
            assert!(matches!(Target::parse("GET", bad), Err(TargetError::Octet(_))), "{bad}");
        }
        assert!(Target::parse("GET", "/x?f[0]={a}|b^c`d").is_ok());
    }

    #[test]
    fn percent_needs_two_digits_in_the_path() {
        assert_eq!(Target::parse("GET", "/a%2"), Err(TargetError::PercentEncoding(2)));
        assert_eq!(Target::parse("GET", "/%zz"), Err(TargetError::PercentEncoding(1)));
        assert!(Target::parse("GET", "/%41?100%").is_ok());
    }

    // RFC 9110 §7.2
    #[test]
    fn authority_is_a_host_with_an_optional_port() {
        for good in ["", "a", "a:80", "a.example.", "[::1]", "[2001:db8::1]:8080", "127.0.0.1:1", "a:", "x_y"]
        {
            assert_eq!(check_authority(good), Ok(()), "{good}");
        }
        for bad in ["a:b", "a:80:80", "[::1", "[x]", "[::1]x", "a b", "a@b", "a/b", "a:123456", "a?", "a,b c"]
        {
            assert_eq!(check_authority(bad), Err(TargetError::Authority), "{bad}");
        }
    }
}
