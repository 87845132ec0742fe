//! What a column means, and how its value becomes part of a [`Record`]: one place for all formats.

use std::borrow::Cow;
use std::time::Duration;

use seawall_http::UnixTime;

use crate::escape::Raw;
use crate::number::{self, Unit};
use crate::pattern::{Pattern, TimeParts};
use crate::reason::Reason;
use crate::record::{CacheStatus, Fact, FactSet, Record, RequestForm};
use crate::time::{self, Times};

/// What a column means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Field {
    /// Of no interest.
    Ignore,
    Client,
    /// With a port after its last colon.
    ClientAndPort,
    /// The other end of the connection, and the client where no other column has it.
    Peer,
    ForwardedFor,
    /// A field with one address, which counts where there is no `X-Forwarded-For`.
    ForwardedSingle,
    Forwarded,
    TimeClf,
    TimeIso,
    /// RFC 3339, CLF or a number; see [`Times::any`].
    TimeAny,
    /// `%{PATTERN}t`: the place of its pattern.
    TimePattern(u8),
    /// Milliseconds or microseconds within the second, by its unit.
    TimeFraction(Unit),
    Date,
    TimeOfDay,
    RequestLine,
    Method,
    /// Path and query; an absolute URL loses its scheme and authority.
    Target,
    Path,
    Query,
    Protocol,
    Scheme,
    Host,
    /// Counts where no other column has the host.
    HostFallback,
    Referer,
    UserAgent,
    Status,
    /// Counts where no other column has the status: `%s`, which is that before internal redirects.
    StatusFallback,
    ContentBytes,
    /// `-` is 0: `%b`.
    ContentBytesClf,
    SentBytes,
    ReceivedBytes,
    RequestTime(Unit),
    Cache,
    /// A list of times: origins that were asked in turn.
    OriginTime(Unit),
    OriginBytes,
    OriginStatus,
    TlsProtocol,
    TlsCipher,
    Ja3,
    Ja4,
    /// Its presence says that all the request's fields are shown.
    RequestFields,
}

impl Field {
    /// What the record has from it.
    pub(crate) const fn facts(self) -> FactSet {
        const fn one(fact: Fact) -> FactSet {
            FactSet::of(&[fact])
        }
        match self {
            Self::Ignore => FactSet::of(&[]),
            Self::Client | Self::ClientAndPort => one(Fact::Client),
            Self::Peer => one(Fact::Peer),
            Self::ForwardedFor | Self::ForwardedSingle => one(Fact::ForwardedFor),
            Self::Forwarded => one(Fact::Forwarded),
            Self::TimeClf
            | Self::TimeIso
            | Self::TimeAny
            | Self::TimePattern(_)
            | Self::TimeFraction(_)
            | Self::Date
            | Self::TimeOfDay => one(Fact::Time),
            Self::RequestLine => FactSet::of(&[Fact::Method, Fact::Path, Fact::Query, Fact::Protocol]),
            Self::Method => one(Fact::Method),
            Self::Target => FactSet::of(&[Fact::Path, Fact::Query]),
            Self::Path => one(Fact::Path),
            Self::Query => one(Fact::Query),
            Self::Protocol => one(Fact::Protocol),
            Self::Scheme => one(Fact::Scheme),
            Self::Host | Self::HostFallback => one(Fact::Host),
            Self::Referer => one(Fact::Referer),
            Self::UserAgent => one(Fact::UserAgent),
            Self::Status | Self::StatusFallback => one(Fact::Status),
            Self::ContentBytes | Self::ContentBytesClf => one(Fact::ContentBytes),
            Self::SentBytes => one(Fact::SentBytes),
            Self::ReceivedBytes => one(Fact::ReceivedBytes),
            Self::RequestTime(_) => one(Fact::RequestTime),
            Self::Cache => one(Fact::Cache),
            Self::OriginTime(_) => one(Fact::OriginTime),
            Self::OriginBytes => one(Fact::OriginBytes),
            Self::OriginStatus => one(Fact::OriginStatus),
            Self::TlsProtocol => one(Fact::TlsProtocol),
            Self::TlsCipher => one(Fact::TlsCipher),
            Self::Ja3 => one(Fact::Ja3),
            Self::Ja4 => one(Fact::Ja4),
            Self::RequestFields => {
                FactSet::of(&[Fact::UserAgent, Fact::Referer, Fact::ForwardedFor, Fact::Forwarded])
            }
        }
    }

    /// Whether the value may hold `, ` where columns are told by spaces: lists of origins and of hops.
    pub(crate) const fn is_list(self) -> bool {
        matches!(
            self,
            Self::OriginTime(_)
                | Self::OriginBytes
                | Self::OriginStatus
                | Self::Cache
                | Self::ForwardedFor
                | Self::Forwarded
        )
    }

    /// What a request's field means, by its name in any case; `_` counts as `-`, as CGI and nginx write names.
    pub(crate) fn of_request(name: &str) -> Self {
        match name.to_ascii_lowercase().replace('_', "-").as_str() {
            "user-agent" => Self::UserAgent,
            "referer" | "referrer" => Self::Referer,
            "host" => Self::Host,
            ":authority" => Self::HostFallback,
            "x-forwarded-for" => Self::ForwardedFor,
            "forwarded" => Self::Forwarded,
            "x-real-ip"
            | "true-client-ip"
            | "cf-connecting-ip"
            | "fastly-client-ip"
            | "x-client-ip"
            | "x-cluster-client-ip" => Self::ForwardedSingle,
            "x-ja3"
            | "ja3"
            | "x-ja3-hash"
            | "x-ja3-fingerprint"
            | "cloudfront-viewer-ja3-fingerprint"
            | "cf-ja3"
            | "cf-ja3-hash" => Self::Ja3,
            "x-ja4"
            | "ja4"
            | "x-ja4-hash"
            | "x-ja4-fingerprint"
            | "cloudfront-viewer-ja4-fingerprint"
            | "cf-ja4" => Self::Ja4,
            _ => Self::Ignore,
        }
    }

    /// What a response's field means: caches say there what they did.
    pub(crate) fn of_response(name: &str) -> Self {
        match name.to_ascii_lowercase().replace('_', "-").as_str() {
            "x-cache" | "x-cache-status" | "cf-cache-status" | "x-proxy-cache" => Self::Cache,
            _ => Self::Ignore,
        }
    }
}

/// What a line's reading needs and collects beside the record. One for each thread; lines do not see each other
/// through it, but for memories of what was computed.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineState {
    pub(crate) times: Times,
    parts: TimeParts,
    has_parts: bool,
}

/// What of a format the reading of values depends on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Meaning {
    /// Of `%{PATTERN}t`.
    pub(crate) patterns: Vec<Pattern>,
    /// Seconds east of Greenwich, for times without offset.
    pub(crate) local_offset: i64,
}

/// Puts a value where it belongs.
#[inline]
pub(crate) fn assign<'a>(
    record: &mut Record<'a>,
    field: Field,
    raw: Raw<'a>,
    meaning: &Meaning,
    state: &mut LineState,
) -> Result<(), Reason> {
    record.shown.extend(field.facts());
    if raw.bytes == b"-" {
        return absent(record, field);
    }
    match field {
        Field::Ignore | Field::RequestFields => {}
        Field::Client => client(record, raw)?,
        Field::UserAgent => record.user_agent = Some(raw.text()),
        Field::Referer => record.referer = Some(raw.text()),
        Field::RequestLine => request_line(record, raw),
        Field::Status => record.status = number::status(raw.bytes).ok_or(Reason::Status)?,
        Field::ContentBytes | Field::ContentBytesClf => record.content_bytes = count(raw)?,
        Field::TimeClf => record.time = Some(state.times.clf(raw.bytes).ok_or(Reason::Time)?),
        _ => return assign_rare(record, field, raw, meaning, state),
    }
    Ok(())
}

/// The columns that fewer formats have; apart, so that the usual ones stay small enough to be inlined.
fn assign_rare<'a>(
    record: &mut Record<'a>,
    field: Field,
    raw: Raw<'a>,
    meaning: &Meaning,
    state: &mut LineState,
) -> Result<(), Reason> {
    let bytes = raw.bytes;
    match field {
        Field::ClientAndPort => {
            record.client = number::address_and_port(bytes);
            if record.client.is_none() {
                client(record, raw)?;
            }
        }
        Field::Peer => record.peer = number::address(bytes),
        Field::ForwardedFor => record.forwarded_for = Some(raw.text()),
        Field::ForwardedSingle => {
            if record.forwarded_for.is_none() {
                record.forwarded_for = Some(raw.text());
            }
        }
        Field::Forwarded => record.forwarded = Some(raw.text()),
        Field::Method => record.method = some_text(raw),
        Field::Target => target(record, raw),
        Field::Path => record.path = some_text(raw),
        Field::Query => record.query = query(raw),
        Field::Protocol => record.protocol = some_text(raw),
        Field::Scheme => record.scheme = some_text(raw),
        Field::Host => record.host = Some(raw.text()),
        Field::HostFallback => {
            if record.host.is_none() {
                record.host = Some(raw.text());
            }
        }
        Field::StatusFallback => {
            let status = number::status(bytes).ok_or(Reason::Status)?;
            record.status = record.status.or(status);
        }
        Field::SentBytes => record.sent_bytes = count(raw)?,
        Field::ReceivedBytes => record.received_bytes = count(raw)?,
        Field::RequestTime(unit) => record.request_time = one_duration(bytes, unit)?,
        Field::Cache => record.cache = cache_status(bytes),
        Field::OriginTime(unit) => record.origin_time = sum_of_durations(bytes, unit)?,
        Field::OriginBytes => record.origin_bytes = sum_of_counts(bytes)?,
        Field::OriginStatus => record.origin_status = last_of(bytes).and_then(number::status).flatten(),
        Field::TlsProtocol => record.tls_protocol = some_text(raw),
        Field::TlsCipher => record.tls_cipher = some_text(raw),
        Field::Ja3 => record.ja3 = some_text(raw),
        Field::Ja4 => record.ja4 = some_text(raw),
        _ => return assign_time(record, field, bytes, meaning, state),
    }
    Ok(())
}

fn assign_time(
    record: &mut Record<'_>,
    field: Field,
    bytes: &[u8],
    meaning: &Meaning,
    state: &mut LineState,
) -> Result<(), Reason> {
    let offset = meaning.local_offset;
    let whole = |time: Option<UnixTime>| time.map(Some).ok_or(Reason::Time);
    if !matches!(field, Field::TimeIso | Field::TimeAny) && !state.has_parts {
        state.parts = TimeParts::default();
        state.has_parts = true;
    }
    let parts = &mut state.parts;
    match field {
        Field::TimeIso => record.time = whole(state.times.iso(bytes, offset))?,
        Field::TimeAny => record.time = whole(state.times.any(bytes, offset))?,
        Field::TimePattern(at) => {
            let pattern = meaning.patterns.get(usize::from(at)).ok_or(Reason::Time)?;
            pattern.read(bytes, parts).ok_or(Reason::Time)?;
        }
        Field::TimeFraction(unit) => {
            let fraction = number::whole(bytes).ok_or(Reason::Time)?;
            parts.ms = if unit == Unit::Microseconds { fraction / 1000 } else { fraction }.min(999);
        }
        Field::Date => parts.set_day(state.times.iso_day(bytes).ok_or(Reason::Time)?),
        Field::TimeOfDay => {
            let (clock, fraction) = bytes.split_at_checked(8).ok_or(Reason::Time)?;
            let (ms, rest) = time::milliseconds(fraction);
            parts.ms = ms;
            let second = time::clock_time(clock).filter(|_| rest.is_empty()).ok_or(Reason::Time)?;
            parts.set_clock(second);
        }
        _ => {}
    }
    Ok(())
}

/// Makes whole what came in parts; after the line's last column.
#[inline]
pub(crate) fn finish(
    record: &mut Record<'_>,
    meaning: &Meaning,
    state: &mut LineState,
) -> Result<(), Reason> {
    if state.has_parts {
        state.has_parts = false;
        record.time = match (state.parts.time(meaning.local_offset), record.time) {
            (Some(time), _) => Some(time),
            // `%t` and a fraction in a column of its own.
            (None, Some(time)) => Some(UnixTime(time.0 / 1000 * 1000 + state.parts.ms)),
            (None, None) => return Err(Reason::Time),
        };
    }
    if record.client.is_none() && record.client_name.is_none() && record.peer.is_some() {
        record.client = record.peer;
        record.shown.insert(Fact::Client);
    }
    if record.request == RequestForm::Unknown {
        record.request = if record.path.is_some() || record.method.is_some() {
            RequestForm::Http
        } else if record.shown.intersects(FactSet::of(&[Fact::Method, Fact::Path])) {
            RequestForm::Empty
        } else {
            RequestForm::Unknown
        };
    }
    Ok(())
}

/// Forgets what a line that failed has left.
pub(crate) fn abandon(state: &mut LineState) {
    state.has_parts = false;
}

fn absent(record: &mut Record<'_>, field: Field) -> Result<(), Reason> {
    match field {
        Field::RequestLine => record.request = RequestForm::Empty,
        // Apache's manual, %b: "a '-' rather than a 0 when no bytes are sent".
        Field::ContentBytesClf => record.content_bytes = Some(0),
        Field::TimeClf | Field::TimeIso | Field::TimeAny | Field::Date | Field::TimeOfDay => {
            return Err(Reason::Time);
        }
        _ => {}
    }
    Ok(())
}

#[inline]
fn client<'a>(record: &mut Record<'a>, raw: Raw<'a>) -> Result<(), Reason> {
    if let Some(addr) = number::address(raw.bytes) {
        record.client = Some(addr);
        return Ok(());
    }
    if raw.bytes.is_empty() {
        return Ok(());
    }
    // Behind a proxy, operators write `%{X-Forwarded-For}i` where `%h` was.
    if is_list_of_addresses(raw.bytes) {
        record.forwarded_for = Some(Cow::Borrowed(raw.bytes));
        record.shown.insert(Fact::ForwardedFor);
        return Ok(());
    }
    if !number::is_name(raw.bytes) {
        return Err(Reason::Client);
    }
    record.client_name = Some(Cow::Borrowed(raw.bytes));
    Ok(())
}

/// Two at least; hops that hide themselves are `unknown` (RFC 7239 §6.2, and X-Forwarded-For has taken it over).
pub(crate) fn is_list_of_addresses(bytes: &[u8]) -> bool {
    let is_hop = |part: &[u8]| {
        let part = part.trim_ascii();
        number::address(part).is_some() || part == b"unknown"
    };
    bytes.contains(&b',') && bytes.split(|&byte| byte == b',').all(is_hop)
}

/// `METHOD SP target SP protocol` (RFC 9112 §3), and HTTP/0.9's without the last. A target with spaces, which servers
/// log though they refuse it, is kept whole.
#[inline]
fn request_line<'a>(record: &mut Record<'a>, raw: Raw<'a>) {
    let bytes = raw.bytes;
    if bytes.is_empty() {
        record.request = RequestForm::Empty;
        return;
    }
    record.request = RequestForm::Garbled;
    // Methods are short: a loop finds the space sooner than a call of memchr.
    let Some(space) = bytes.iter().position(|&byte| !is_token(byte)) else { return };
    if space == 0 || bytes[space] != b' ' || space > METHOD_MAX {
        return;
    }
    let rest = &bytes[space + 1..];
    let (address, protocol) = match memchr::memrchr(b' ', rest) {
        // Some JSON writers escape the slash.
        Some(at) if rest[at + 1..].starts_with(b"HTTP/") || rest[at + 1..].starts_with(b"HTTP\\/") => {
            (&rest[..at], Some(&rest[at + 1..]))
        }
        _ => (rest, None),
    };
    if address.is_empty() {
        return;
    }
    record.request = RequestForm::Http;
    record.method = Some(Cow::Borrowed(&bytes[..space]));
    record.protocol = protocol.map(|protocol| raw.with(protocol).text());
    if address[0] == b'/' {
        split_target(record, raw.with(address));
    } else {
        target(record, raw.with(address));
    }
}

/// Of an absolute URL, as proxies get it and varnishncsa writes all of them, the authority is the host.
fn target<'a>(record: &mut Record<'a>, raw: Raw<'a>) {
    if raw.bytes.is_empty() {
        return;
    }
    let after_scheme = [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
        let rest = raw.bytes.get(..scheme.len()).filter(|begin| begin.eq_ignore_ascii_case(scheme));
        rest.map(|_| (&raw.bytes[..scheme.len() - 3], &raw.bytes[scheme.len()..]))
    });
    let Some((scheme, rest)) = after_scheme else { return split_target(record, raw) };
    let end = rest.iter().position(|&byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    record.scheme = Some(Cow::Borrowed(scheme));
    if record.host.is_none() {
        record.host = Some(raw.with(&rest[..end]).text());
    }
    let target = if end == rest.len() { &b"/"[..] } else { &rest[end..] };
    split_target(record, raw.with(target));
    // RFC 9110 §4.2.3: an empty path is `/`.
    if target[0] == b'?' {
        record.path = Some(Cow::Borrowed(b"/"));
    }
}

#[inline]
fn split_target<'a>(record: &mut Record<'a>, raw: Raw<'a>) {
    match memchr::memchr(b'?', raw.bytes) {
        Some(mark) => {
            record.path = Some(raw.with(&raw.bytes[..mark]).text());
            record.query = Some(raw.with(&raw.bytes[mark + 1..]).text());
        }
        None => record.path = Some(raw.text()),
    }
}

/// Apache's `%q` begins with `?`, nginx's `$args` does not; both are empty where there is none.
fn query<'a>(raw: Raw<'a>) -> Option<Cow<'a, [u8]>> {
    match raw.bytes.strip_prefix(b"?") {
        Some(rest) => Some(raw.with(rest).text()),
        None if raw.bytes.is_empty() => None,
        None => Some(raw.text()),
    }
}

fn some_text<'a>(raw: Raw<'a>) -> Option<Cow<'a, [u8]>> {
    (!raw.bytes.is_empty()).then(|| raw.text())
}

#[inline]
fn count(raw: Raw<'_>) -> Result<Option<u64>, Reason> {
    if raw.bytes.is_empty() {
        return Ok(None);
    }
    // HAProxy marks a line that was logged early.
    let digits = raw.bytes.strip_prefix(b"+").unwrap_or(raw.bytes);
    number::count(digits).map(Some).ok_or(Reason::Number)
}

fn one_duration(bytes: &[u8], unit: Unit) -> Result<Option<Duration>, Reason> {
    let digits = bytes.strip_prefix(b"+").unwrap_or(bytes);
    if digits.is_empty() || digits.starts_with(b"-") {
        return Ok(None);
    }
    number::duration(digits, unit).map(Some).ok_or(Reason::Number)
}

/// nginx writes one value for each origin asked: `, ` between them, ` : ` at an internal redirect.
fn parts_of(bytes: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    bytes.split(|byte| matches!(byte, b',' | b':' | b' ')).filter(|part| !matches!(*part, b"" | b"-"))
}

fn last_of(bytes: &[u8]) -> Option<&[u8]> {
    parts_of(bytes).next_back()
}

/// The last word that is known: `MISS, HIT` has one for each hop, and `Hit from cloudfront` more words than one.
fn cache_status(bytes: &[u8]) -> Option<CacheStatus> {
    let mut words = parts_of(bytes).map(CacheStatus::parse).rev().peekable();
    words.peek()?;
    Some(words.find(|&status| status != CacheStatus::Other).unwrap_or(CacheStatus::Other))
}

fn sum_of_durations(bytes: &[u8], unit: Unit) -> Result<Option<Duration>, Reason> {
    let mut sum = None;
    for part in parts_of(bytes) {
        let Some(time) = one_duration(part, unit)? else { continue };
        sum = Some(sum.unwrap_or(Duration::ZERO).saturating_add(time));
    }
    Ok(sum)
}

fn sum_of_counts(bytes: &[u8]) -> Result<Option<u64>, Reason> {
    let mut sum = None;
    for part in parts_of(bytes) {
        sum = Some(sum.unwrap_or(0_u64).saturating_add(number::count(part).ok_or(Reason::Number)?));
    }
    Ok(sum)
}

/// RFC 9110 §5.6.2.
#[inline]
const fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};

/// The longest registered method has 17 characters (`UPDATEREDIRECTREF`).
const METHOD_MAX: usize = 32;
