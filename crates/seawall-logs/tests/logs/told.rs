//! What a record tells, as text that tests compare.

use std::fmt::Write as _;

use seawall_logs::{Format, Formats, Reason, Record};

/// `name=value` for everything that a record has, in the order of [`Record`].
pub(crate) fn told(record: &Record<'_>) -> String {
    let mut told = String::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let space = if told.is_empty() { "" } else { " " };
            write!(told, "{space}{name}={value}").unwrap();
        }
    };
    let text = |text: &Option<seawall_logs::Text<'_>>| {
        text.as_ref().map(|text| text.escape_ascii().to_string().replace("\\\"", "\""))
    };
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    put("client", record.client.map(|client| client.expose().to_string()));
    put("name", text(&record.client_name));
    put("peer", record.peer.map(|peer| peer.expose().to_string()));
    put("forwarded-for", text(&record.forwarded_for));
    put("forwarded", text(&record.forwarded));
    put("time", record.time.map(|time| time.0.to_string()));
    put("request", Some(format!("{:?}", record.request)).filter(|form| form != "Http"));
    put("method", text(&record.method));
    put("path", text(&record.path));
    put("query", text(&record.query));
    put("protocol", text(&record.protocol));
    put("scheme", text(&record.scheme));
    put("host", text(&record.host));
    put("referer", text(&record.referer));
    put("agent", text(&record.user_agent));
    put("status", number(record.status.map(u64::from)));
    put("content", number(record.content_bytes));
    put("sent", number(record.sent_bytes));
    put("received", number(record.received_bytes));
    put("took", record.request_time.map(|time| format!("{time:?}")));
    put("cache", record.cache.map(|cache| format!("{cache:?}")));
    put("origin-took", record.origin_time.map(|time| format!("{time:?}")));
    put("origin-bytes", number(record.origin_bytes));
    put("origin-status", number(record.origin_status.map(u64::from)));
    put("tls", text(&record.tls_protocol));
    put("cipher", text(&record.tls_cipher));
    put("ja3", text(&record.ja3));
    put("ja4", text(&record.ja4));
    told
}

/// What one line tells, or why it tells nothing.
pub(crate) fn line(format: &str, line: &str) -> Result<String, Reason> {
    bytes(format, line.as_bytes())
}

pub(crate) fn bytes(format: &str, line: &[u8]) -> Result<String, Reason> {
    let format = Format::named(format).unwrap_or_else(|error| panic!("{format}: {error}"));
    let mut found = None;
    let log = [line, b"\n"].concat();
    let tally = Formats::from(format).read(&log, |_, record| found = Some(told(record)));
    found.ok_or_else(|| {
        let reason = Reason::ALL.into_iter().find(|&reason| tally.rejected(reason) > 0);
        reason.expect("a line that is counted")
    })
}

/// A line must tell this.
#[track_caller]
pub(crate) fn check(format: &str, log_line: &str, expected: &str) {
    assert_eq!(line(format, log_line).as_deref(), Ok(expected), "{format}\n{log_line}");
}
