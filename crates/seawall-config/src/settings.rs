//! Reads the tables that hold for the whole process: `[client]`, `[bounds]`, `[log]`.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderName;

use crate::config::{AccessLog, Bounds, ClientConfig, ClientField, LogConfig, LogFormat};
use crate::diagnostic::{Code, Problems};
use crate::manual;
use crate::network::read_networks;
use crate::reader::{Shape, Table, Value};
use crate::rule::field_name;

// === Client ===

pub(crate) fn read_client(value: Value<'_>, problems: &mut Problems) -> Option<ClientConfig> {
    let mut table = value.open(&manual::CLIENT, problems)?;
    let hops = table.get("trusted-hops");
    let mut client = ClientConfig::default();
    if let Some(value) = hops {
        client.trusted_hops = read_networks(value, problems).unwrap_or_default();
        if let Some(all) = client.trusted_hops.iter().find(|network| network.prefix_len() == 0) {
            let warning = value.place().warning(
                Code::Suspicious,
                format!("{all} trusts everybody: whoever connects says who he is"),
            );
            problems.push(warning.help("name the networks of your CDN or load balancer"));
        }
    }
    if let Some(value) = table.get("field") {
        if hops.is_none() {
            let warning =
                value.place().warning(Code::Suspicious, "`field` has no effect without `trusted-hops`");
            problems.push(warning.help("name the networks of your CDN or load balancer in `trusted-hops`"));
        }
        if let Some(field) = value.text(problems).and_then(|name| field_name(value, name, problems)) {
            client.field = client_field(field);
        }
    }
    if let Some(value) = table.get("tls-fingerprint-field") {
        if hops.is_none() {
            let warning = value
                .place()
                .warning(Code::Suspicious, "`tls-fingerprint-field` has no effect without `trusted-hops`");
            problems.push(warning.help("without it, the fingerprint is taken of each connection"));
        }
        client.tls_fingerprint_field =
            value.text(problems).and_then(|name| field_name(value, name, problems));
    }
    table.finish("here", problems);
    Some(client)
}

fn client_field(name: HeaderName) -> ClientField {
    match name.as_str() {
        "x-forwarded-for" => ClientField::XForwardedFor,
        "forwarded" => ClientField::Forwarded,
        _ => ClientField::Single(name),
    }
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self { trusted_hops: Vec::new(), field: ClientField::XForwardedFor, tls_fingerprint_field: None }
    }
}

// === Bounds ===

impl Default for Bounds {
    /// Each is argued in `docs/concepts/defaults.md`.
    fn default() -> Self {
        Self {
            header_bytes: 32 << 10,
            target_bytes: 8 << 10,
            fields: 100,
            header_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            handshake_time: Duration::from_secs(10),
            body_bytes: 1 << 30,
            body_rate: 500,
            body_grace: Duration::from_secs(20),
            write_time: Duration::from_secs(60),
            connections: 20_000,
            connections_per_network: 256,
            exchanges: 10_000,
            requests_per_connection: 10_000,
            streams: 100,
            tarpits: 1000,
            limit_keys: 1_000_000,
            drain_time: Duration::from_secs(30),
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const LEAST: Duration = Duration::from_millis(100);

pub(crate) fn read_bounds(value: Value<'_>, problems: &mut Problems) -> Option<Bounds> {
    let mut table = value.open(&manual::BOUNDS, problems)?;
    let mut bounds = Bounds::default();
    let mut reader = Reader { table: &mut table, problems };
    reader.size("header-bytes", &mut bounds.header_bytes, 8 << 10..=1 << 20);
    reader.size("target-bytes", &mut bounds.target_bytes, 256..=1 << 20);
    reader.number("fields", &mut bounds.fields, 10..=1000);
    reader.time("header-time", &mut bounds.header_time, LEAST..=HOUR);
    reader.time("idle-time", &mut bounds.idle_time, LEAST..=DAY);
    reader.time("handshake-time", &mut bounds.handshake_time, LEAST..=HOUR);
    reader.size("body-bytes", &mut bounds.body_bytes, 0..=1 << 50);
    reader.speed("body-rate", &mut bounds.body_rate, 0..=1 << 30);
    reader.time("body-grace", &mut bounds.body_grace, Duration::ZERO..=HOUR);
    reader.time("write-time", &mut bounds.write_time, LEAST..=DAY);
    reader.number("connections", &mut bounds.connections, 1..=10_000_000);
    reader.number("connections-per-network", &mut bounds.connections_per_network, 1..=10_000_000);
    reader.number("exchanges", &mut bounds.exchanges, 1..=10_000_000);
    reader.number("requests-per-connection", &mut bounds.requests_per_connection, 1..=1_000_000_000);
    reader.number("streams", &mut bounds.streams, 1..=10_000);
    reader.number("tarpits", &mut bounds.tarpits, 0..=1_000_000);
    reader.number("limit-keys", &mut bounds.limit_keys, 1024..=100_000_000);
    reader.time("drain-time", &mut bounds.drain_time, Duration::ZERO..=DAY);
    if bounds.target_bytes > bounds.header_bytes {
        let diagnostic = table.place().error(
            Code::Conflict,
            "`target-bytes` is greater than `header-bytes`, which includes the target",
        );
        problems.push(diagnostic.help("raise `header-bytes`"));
    }
    table.finish("here", problems);
    Some(bounds)
}

/// Sets numbers from keys.
pub(crate) struct Reader<'r, 'a> {
    pub(crate) table: &'r mut Table<'a>,
    pub(crate) problems: &'r mut Problems,
}

impl Reader<'_, '_> {
    pub(crate) fn number<T: TryFrom<u64>>(
        &mut self,
        key: &'static str,
        slot: &mut T,
        range: RangeInclusive<u64>,
    ) {
        let read =
            |value: Value<'_>, problems: &mut Problems| T::try_from(value.integer(range, problems)?).ok();
        self.table.set(key, slot, self.problems, read);
    }

    pub(crate) fn time(&mut self, key: &'static str, slot: &mut Duration, range: RangeInclusive<Duration>) {
        self.table.set(key, slot, self.problems, |value, problems| value.duration(range, problems));
    }

    fn size<T: TryFrom<u64>>(&mut self, key: &'static str, slot: &mut T, range: RangeInclusive<u64>) {
        let read = |value: Value<'_>, problems: &mut Problems| T::try_from(value.size(range, problems)?).ok();
        self.table.set(key, slot, self.problems, read);
    }

    fn speed(&mut self, key: &'static str, slot: &mut u64, range: RangeInclusive<u64>) {
        self.table.set(key, slot, self.problems, |value, problems| value.speed(range, problems));
    }
}

// === Log ===

impl Default for LogConfig {
    fn default() -> Self {
        Self { access: AccessLog::Off, format: LogFormat::Text }
    }
}

pub(crate) fn read_log(value: Value<'_>, folder: &Path, problems: &mut Problems) -> Option<LogConfig> {
    let mut table = value.open(&manual::LOG, problems)?;
    let access = table.read("access", problems, |value, problems| read_access(value, folder, problems));
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = table.read("format", problems, |value, problems| value.choice(&formats, problems));
    table.finish("here", problems);
    Some(LogConfig { access: access.unwrap_or_default(), format: format.unwrap_or_default() })
}

fn read_access(value: Value<'_>, folder: &Path, problems: &mut Problems) -> Option<AccessLog> {
    match value.shape() {
        Shape::Text("off") => Some(AccessLog::Off),
        Shape::Text(text) => {
            let diagnostic = value.invalid(format!("`access` cannot be \"{text}\""));
            let help = if text.contains(['/', '.']) {
                format!("write a file as {{ path = \"{text}\" }}")
            } else {
                String::from("write \"off\" or { path = \"access.log\" }")
            };
            problems.push(diagnostic.help(help));
            None
        }
        Shape::Table => {
            let mut table = value.open(&manual::ACCESS, problems)?;
            let path = table.require("path", problems).and_then(|value| read_path(value, folder, problems));
            let addresses = table.read("addresses", problems, |value, problems| value.boolean(problems));
            table.finish("here", problems);
            Some(if addresses == Some(true) {
                AccessLog::WithAddresses(path?)
            } else {
                AccessLog::WithoutAddresses(path?)
            })
        }
        _ => {
            problems.push(
                value.wrong_type("\"off\" or a table").help("write \"off\" or { path = \"access.log\" }"),
            );
            None
        }
    }
}

/// A path, which if relative starts from the configuration's folder.
pub(crate) fn read_path(value: Value<'_>, folder: &Path, problems: &mut Problems) -> Option<PathBuf> {
    let text = value.text(problems)?;
    if text.is_empty() || text.contains('\0') {
        problems.push(value.invalid(format!("`{}` is not a path", value.key)));
        return None;
    }
    Some(folder.join(text))
}
