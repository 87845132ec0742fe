//! Logs whose columns are named in the file: W3C extended (IIS and others) and CloudFront's standard logs.
//!
//! Sources: W3C "Extended Log File Format" (WD-logfile-960323); Microsoft "W3C Extended Log File Format (IIS 6.0)" and
//! IIS's field list; Amazon CloudFront "Standard log file fields". Times are UTC in all of them. `time-taken` counts
//! seconds in the draft and in CloudFront, and milliseconds in IIS, which writes it without a fraction.

use std::sync::Arc;

use crate::escape::{Escape, Raw};
use crate::field::{Field, LineState, Meaning, assign, finish};
use crate::number::Unit;
use crate::reason::Reason;
use crate::record::Record;

/// What the columns are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Columns {
    separator: u8,
    fields: Vec<Field>,
}

impl Columns {
    /// Of a `#Fields:` line, without that word. CloudFront names its columns with spaces and separates them by tabs; so
    /// the separator is that of what follows: tab where a name is one of CloudFront's own.
    pub(crate) fn parse(names: &[u8]) -> Self {
        let text = String::from_utf8_lossy(names);
        let is_cloudfront = text.contains("x-edge-") || text.contains('\t');
        let separator = if is_cloudfront { b'\t' } else { b' ' };
        let fields = text.split_whitespace().map(|name| field(name, separator)).collect();
        Self { separator, fields }
    }

    fn names(names: &[&str], separator: u8) -> Self {
        Self { separator, fields: names.iter().map(|name| field(name, separator)).collect() }
    }

    /// For a line whose file's `#Fields:` is not there: what IIS and CloudFront write unless told otherwise.
    fn usual(line: &[u8]) -> Option<Self> {
        let tabs = memchr::memchr_iter(b'\t', line).count();
        let spaces = memchr::memchr_iter(b' ', line).count();
        if tabs + 1 >= CLOUDFRONT.len() - 7 {
            return Some(Self::names(CLOUDFRONT, b'\t'));
        }
        (spaces + 1 == IIS.len()).then(|| Self::names(IIS, b' '))
    }
}

/// The columns that a directive line sets.
pub(crate) fn directive(line: &[u8]) -> Option<Arc<Columns>> {
    let names = line.strip_prefix(b"#Fields:")?;
    Some(Arc::new(Columns::parse(names.trim_ascii())))
}

/// Reads a line that is no directive.
pub(crate) fn read<'a>(
    columns: &mut Option<Arc<Columns>>,
    line: &'a [u8],
    record: &mut Record<'a>,
    meaning: &Meaning,
    state: &mut LineState,
) -> Result<(), Reason> {
    *record = Record::default();
    let guessed;
    let columns = match columns {
        Some(columns) => columns,
        None => {
            guessed = Columns::usual(line).ok_or(Reason::NoFields)?;
            &Arc::new(guessed)
        }
    };
    let mut rest = Some(line);
    for &field in &columns.fields {
        let (bytes, after) = column(rest.ok_or(Reason::Layout)?, columns.separator);
        rest = after;
        assign(record, field, Raw { bytes, escape: escape(field, columns.separator) }, meaning, state)?;
    }
    // New columns come last in CloudFront, and a trailing space is usual in some others.
    if rest.is_some_and(|rest| !rest.is_empty()) && columns.separator == b' ' {
        return Err(Reason::Layout);
    }
    finish(record, meaning, state)
}

/// A value, perhaps in quotation marks, and what follows its separator.
fn column(rest: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    if let Some(quoted) = rest.strip_prefix(b"\"")
        && let Some(end) = memchr::memchr(b'"', quoted)
    {
        let after = &quoted[end + 1..];
        match after.split_first() {
            None => return (&quoted[..end], None),
            Some((&byte, after)) if byte == separator => return (&quoted[..end], Some(after)),
            Some(_) => {}
        }
    }
    match memchr::memchr(separator, rest) {
        Some(end) => (&rest[..end], Some(&rest[end + 1..])),
        None => (rest, None),
    }
}

/// How a value is written: CloudFront percent-encodes what it took from fields, IIS turns spaces into `+`. Targets stay
/// as they are.
const fn escape(field: Field, separator: u8) -> Escape {
    match (field, separator) {
        (Field::UserAgent | Field::Referer | Field::ForwardedFor | Field::Host, b'\t') => Escape::Percent,
        (Field::UserAgent, _) => Escape::Plus,
        _ => Escape::None,
    }
}

/// What a column means.
pub(crate) fn field(name: &str, separator: u8) -> Field {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "date" => Field::Date,
        "time" => Field::TimeOfDay,
        "timestamp" | "timestamp(ms)" => Field::TimeAny,
        "c-ip" => Field::Client,
        "cs-method" => Field::Method,
        "cs-uri" => Field::Target,
        "cs-uri-stem" => Field::Path,
        "cs-uri-query" => Field::Query,
        "cs-version" | "cs-protocol-version" => Field::Protocol,
        "cs-protocol" => Field::Scheme,
        // In CloudFront `cs(Host)` is the name of the distribution, and `x-host-header` what the client asked for.
        "x-host-header" => Field::Host,
        "cs(host)" if separator == b'\t' => Field::HostFallback,
        "cs-host" => Field::Host,
        "s-sitename" | "s-computername" => Field::Ignore,
        "sc-status" => Field::Status,
        "sc-bytes" | "bytes" => Field::SentBytes,
        "sc-content-len" => Field::ContentBytes,
        "cs-bytes" => Field::ReceivedBytes,
        "time-taken" => Field::RequestTime(Unit::MillisecondsOrFraction),
        "x-edge-result-type" => Field::Cache,
        "x-forwarded-for" => Field::ForwardedFor,
        "ssl-protocol" => Field::TlsProtocol,
        "ssl-cipher" => Field::TlsCipher,
        "origin-lbl" => Field::OriginTime(Unit::Seconds),
        name => match name.strip_prefix("cs(").and_then(|rest| rest.strip_suffix(')')) {
            Some(field) => Field::of_request(field),
            None => Field::of_request(name),
        },
    }
}

/// IIS 10, as it comes.
const IIS: &[&str] = &[
    "date",
    "time",
    "s-ip",
    "cs-method",
    "cs-uri-stem",
    "cs-uri-query",
    "s-port",
    "cs-username",
    "c-ip",
    "cs(User-Agent)",
    "cs(Referer)",
    "sc-status",
    "sc-substatus",
    "sc-win32-status",
    "time-taken",
];

/// CloudFront; the last seven came in 2019.
const CLOUDFRONT: &[&str] = &[
    "date",
    "time",
    "x-edge-location",
    "sc-bytes",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(Referer)",
    "cs(User-Agent)",
    "cs-uri-query",
    "cs(Cookie)",
    "x-edge-result-type",
    "x-edge-request-id",
    "x-host-header",
    "cs-protocol",
    "cs-bytes",
    "time-taken",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-response-result-type",
    "cs-protocol-version",
    "fle-status",
    "fle-encrypted-fields",
    "c-port",
    "time-to-first-byte",
    "x-edge-detailed-result-type",
    "sc-content-type",
    "sc-content-len",
    "sc-range-start",
    "sc-range-end",
];
