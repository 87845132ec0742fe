//! `Cache-Control` of requests and responses, read once (RFC 9111 §5.2; RFC 5861; RFC 8246).
//!
//! Reading cannot fail. Directives that are repeated, contradict each other or are malformed are read in the way that
//! stores and reuses least (§4.2.1): the smaller lifetime; zero for a lifetime that is no number; no permission from a
//! permission that is garbled; the whole response where a list of field names is.

use http::{HeaderMap, HeaderName, header};
use seawall_http::RequestFacts;

use crate::date::{DELTA_SECONDS_MAX, delta_seconds};
use crate::targeted::{CDN_CACHE_CONTROL, SURROGATE_CONTROL};

/// Field names in the argument of one directive; with more it speaks of the whole response.
pub const FIELD_NAMES_MAX: usize = 32;

/// The directives of a request (RFC 9111 §5.2.1), in seconds where they carry a time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RequestDirectives {
    /// §5.2.1.1: the greatest age that the client takes.
    pub max_age: Option<u64>,
    /// §5.2.1.2: how stale a response may be.
    pub max_stale: Option<u64>,
    /// §5.2.1.3: how long a response must stay fresh.
    pub min_fresh: Option<u64>,
    /// §5.2.1.4: validate first. `Pragma: no-cache` says it too, where there is no `Cache-Control` (§5.4).
    pub no_cache: bool,
    /// §5.2.1.5: store neither the request nor its response.
    pub no_store: bool,
    /// §5.2.1.6: leave the content as it is.
    pub no_transform: bool,
    /// §5.2.1.7: answer from the store or with 504.
    pub only_if_cached: bool,
    /// RFC 5861 §4: how stale a response may be if the origin fails.
    pub stale_if_error: Option<u64>,
}

/// The directives of a response (RFC 9111 §5.2.2), in seconds where they carry a time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResponseDirectives {
    /// §5.2.2.1: the freshness lifetime.
    pub max_age: Option<u64>,
    /// §5.2.2.10: the freshness lifetime in a shared cache.
    pub s_maxage: Option<u64>,
    /// §5.2.2.4: what must not be reused without validation.
    pub no_cache: Reuse,
    /// §5.2.2.7: what a shared cache must not store.
    pub private: Reuse,
    /// §5.2.2.2: never reuse when stale without validation.
    pub must_revalidate: bool,
    /// §5.2.2.8: the same, of shared caches.
    pub proxy_revalidate: bool,
    /// §5.2.2.3: store only if the status code is understood; then `no_store` does not count.
    pub must_understand: bool,
    /// §5.2.2.5.
    pub no_store: bool,
    /// §5.2.2.6.
    pub no_transform: bool,
    /// §5.2.2.9: may be stored where it would not be otherwise.
    pub public: bool,
    /// RFC 8246: does not change while it is fresh.
    pub immutable: bool,
    /// RFC 5861 §3: how stale a response may be while it is validated.
    pub stale_while_revalidate: Option<u64>,
    /// RFC 5861 §4: how stale a response may be if the origin fails.
    pub stale_if_error: Option<u64>,
}

/// What `no-cache` or `private` restricts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Reuse {
    /// The directive is absent.
    #[default]
    Unrestricted,
    /// These fields of the response.
    Fields(Vec<HeaderName>),
    /// The whole response.
    Response,
}

// === impl RequestDirectives ===

impl RequestDirectives {
    /// Reads `Cache-Control`, and `Pragma` if there is none.
    pub fn of(facts: &RequestFacts<'_>) -> Self {
        let mut directives = Self::default();
        if facts.field("cache-control").is_none() {
            directives.no_cache = facts.field_lines("pragma").any(has_no_cache);
            return directives;
        }
        facts.field_lines("cache-control").for_each(|line| directives.read(line));
        directives
    }

    /// Reads one field line into the directives read before.
    pub fn read(&mut self, line: &[u8]) {
        for (name, argument) in Members::of(line) {
            match Name::of(name) {
                "max-age" => least(&mut self.max_age, argument.seconds().unwrap_or(0)),
                // Without an argument, any staleness will do; garbled, it permits nothing.
                "max-stale" if argument == Argument::Absent => least(&mut self.max_stale, DELTA_SECONDS_MAX),
                "max-stale" => least(&mut self.max_stale, argument.seconds().unwrap_or(0)),
                "min-fresh" => {
                    let wanted = argument.seconds().unwrap_or(DELTA_SECONDS_MAX);
                    self.min_fresh = Some(self.min_fresh.map_or(wanted, |before| before.max(wanted)));
                }
                "stale-if-error" => least(&mut self.stale_if_error, argument.seconds().unwrap_or(0)),
                "no-cache" => self.no_cache = true,
                "no-store" => self.no_store = true,
                "no-transform" => self.no_transform = true,
                "only-if-cached" => self.only_if_cached = true,
                _ => {}
            }
        }
    }
}

fn has_no_cache(line: &[u8]) -> bool {
    Members::of(line).any(|(name, _)| name.eq_ignore_ascii_case(b"no-cache"))
}

// === impl ResponseDirectives ===

impl ResponseDirectives {
    /// Reads `Cache-Control`.
    pub fn of(fields: &HeaderMap) -> Self {
        let mut directives = Self::default();
        for line in fields.get_all(header::CACHE_CONTROL) {
            directives.read(line.as_bytes());
        }
        directives
    }

    /// Reads one field line into the directives read before.
    pub fn read(&mut self, line: &[u8]) {
        for (name, argument) in Members::of(line) {
            self.apply(Name::of(name), &argument);
        }
    }

    /// Takes in one directive, its name in lower case.
    pub(crate) fn apply(&mut self, name: &str, argument: &Argument<'_>) {
        match name {
            "max-age" => least(&mut self.max_age, argument.seconds().unwrap_or(0)),
            "s-maxage" => least(&mut self.s_maxage, argument.seconds().unwrap_or(0)),
            "stale-while-revalidate" => {
                least(&mut self.stale_while_revalidate, argument.seconds().unwrap_or(0));
            }
            "stale-if-error" => least(&mut self.stale_if_error, argument.seconds().unwrap_or(0)),
            "no-cache" => self.no_cache.restrict(argument),
            "private" => self.private.restrict(argument),
            "no-store" => self.no_store = true,
            "no-transform" => self.no_transform = true,
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            // What permits more takes no argument; with one it is something else.
            "public" => self.public |= *argument == Argument::Absent,
            "must-understand" => self.must_understand |= *argument == Argument::Absent,
            "immutable" => self.immutable |= *argument == Argument::Absent,
            _ => {}
        }
    }
}

// === impl Reuse ===

impl Reuse {
    fn restrict(&mut self, argument: &Argument<'_>) {
        let Some(added) = argument.field_names().filter(|names| !names.iter().any(is_control)) else {
            *self = Self::Response;
            return;
        };
        match self {
            Self::Response => {}
            Self::Unrestricted => *self = Self::Fields(added),
            Self::Fields(names) => {
                names.extend(added);
                if names.len() > FIELD_NAMES_MAX {
                    *self = Self::Response;
                }
            }
        }
    }

    /// The fields restricted by name.
    pub fn fields(&self) -> &[HeaderName] {
        match self {
            Self::Fields(names) => names,
            Self::Unrestricted | Self::Response => &[],
        }
    }
}

/// Fields that decide about storing and reuse. Without them a stored response could not be used rightly, so that a
/// restriction of one is a restriction of all.
fn is_control(name: &HeaderName) -> bool {
    let names = [header::AGE, header::CACHE_CONTROL, header::DATE, header::EXPIRES, header::VARY];
    names.contains(name) || *name == CDN_CACHE_CONTROL || *name == SURROGATE_CONTROL
}

// === syntax ===

/// The argument of one directive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Argument<'a> {
    /// No `=`.
    Absent,
    /// A token, or what stands between the quotes; escapes are left in, as no argument that we know needs one.
    Text(&'a [u8]),
    /// Neither a token nor a quoted string.
    Malformed,
}

impl Argument<'_> {
    fn seconds(&self) -> Option<u64> {
        match self {
            Self::Text(text) => delta_seconds(text),
            Self::Absent | Self::Malformed => None,
        }
    }

    /// `None` where there is no list of valid names, so that the directive speaks of the whole response.
    fn field_names(&self) -> Option<Vec<HeaderName>> {
        let Self::Text(text) = self else { return None };
        let members =
            text.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
        let names: Vec<HeaderName> =
            members.take(FIELD_NAMES_MAX + 1).map(HeaderName::from_bytes).collect::<Result<_, _>>().ok()?;
        (!names.is_empty() && names.len() <= FIELD_NAMES_MAX).then_some(names)
    }
}

/// Names of directives in lower case.
struct Name;

impl Name {
    /// The directive that is meant, whatever its case; empty for one that we do not know.
    fn of(name: &[u8]) -> &'static str {
        KNOWN.iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes())).copied().unwrap_or("")
    }
}

const KNOWN: [&str; 16] = [
    "max-age",
    "s-maxage",
    "no-cache",
    "no-store",
    "private",
    "public",
    "must-revalidate",
    "proxy-revalidate",
    "must-understand",
    "no-transform",
    "immutable",
    "stale-while-revalidate",
    "stale-if-error",
    "max-stale",
    "min-fresh",
    "only-if-cached",
];

/// The members of a `Cache-Control` field line, one after the other.
///
/// A quotation mark that is never closed hides nothing: from there on, quotation marks are read as any other byte. So
/// each byte is looked at a bounded number of times, however many marks are opened.
struct Members<'a> {
    rest: &'a [u8],
    quotes: Quotes,
}

/// Whether quotation marks hide commas.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Quotes {
    Paired,
    Broken,
}

impl<'a> Members<'a> {
    const fn of(line: &'a [u8]) -> Self {
        Self { rest: line, quotes: Quotes::Paired }
    }

    /// Where the first member ends: at the first comma that is not inside a quoted string.
    fn member_end(&mut self) -> usize {
        let mut at = 0;
        while at < self.rest.len() {
            match self.rest[at] {
                b',' => return at,
                b'"' if self.quotes == Quotes::Paired => match quoted_end(self.rest, at) {
                    Some(end) => at = end,
                    None => self.quotes = Quotes::Broken,
                },
                _ => at += 1,
            }
        }
        self.rest.len()
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Argument<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = self.member_end();
            let member = self.rest[..end].trim_ascii();
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !member.is_empty() {
                return Some(split_member(member));
            }
        }
        None
    }
}

/// Past the quotation mark that closes the one at `open` (RFC 9110 §5.6.4).
fn quoted_end(line: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        match line.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn split_member(member: &[u8]) -> (&[u8], Argument<'_>) {
    let Some(equals) = member.iter().position(|&byte| byte == b'=') else {
        return (member, Argument::Absent);
    };
    let (name, argument) = (&member[..equals], &member[equals + 1..]);
    // White space around `=` is not allowed (RFC 9111 §5.2): the directive is meant, its argument is not to be trusted.
    if name.trim_ascii_end().len() < name.len() {
        return (name.trim_ascii_end(), Argument::Malformed);
    }
    let argument = match argument {
        [b'"', ..] if quoted_end(argument, 0) == Some(argument.len()) => {
            Argument::Text(&argument[1..argument.len() - 1])
        }
        [] => Argument::Malformed,
        token if token.iter().all(|&byte| is_token_byte(byte)) => Argument::Text(token),
        _ => Argument::Malformed,
    };
    (name, argument)
}

/// RFC 9110 §5.6.2.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

fn least(kept: &mut Option<u64>, seconds: u64) {
    *kept = Some(kept.map_or(seconds, |before| before.min(seconds)));
}

/// Reads any bytes as both kinds of directive and asserts what must hold of all: for fuzzing.
#[doc(hidden)]
pub fn check_foreign_bytes(line: &[u8]) {
    let mut once = ResponseDirectives::default();
    once.read(line);
    let mut twice = once.clone();
    twice.read(line);
    let fields = |directives: &ResponseDirectives| {
        directives.no_cache.fields().len().max(directives.private.fields().len())
    };
    assert!(fields(&twice) <= FIELD_NAMES_MAX);
    assert_eq!((once.max_age, once.s_maxage, once.no_store), (twice.max_age, twice.s_maxage, twice.no_store));
    assert!(once.max_age.is_none_or(|secs| secs <= DELTA_SECONDS_MAX));
    let mut request = RequestDirectives::default();
    request.read(line);
    let read_once = request;
    request.read(line);
    assert_eq!(read_once, request);
}

#[cfg(test)]
mod tests;
