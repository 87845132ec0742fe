//! Reads origin servers, and how they are used.

use std::path::Path;
use std::time::Duration;

use http::Uri;
use http::uri::Authority;

use crate::config::{Origin, OriginGroup, OriginHost};
use crate::diagnostic::{Code, Place, Problems};
use crate::manual;
use crate::reader::{Shape, Value};
use crate::settings::{Reader, read_path};

/// An origin and where its URL was written.
pub(crate) struct ReadOrigin {
    pub(crate) origin: Origin,
    pub(crate) place: Place,
}

pub(crate) fn read_origins(value: Value<'_>, folder: &Path, problems: &mut Problems) -> Vec<ReadOrigin> {
    let items = value.one_or_many();
    if items.is_empty() {
        problems
            .push(value.invalid("`origin` names no server").help("write origin = \"http://127.0.0.1:8080\""));
    }
    let mut origins: Vec<ReadOrigin> = Vec::new();
    for item in items {
        let Some(read) = read_origin(item, folder, problems) else { continue };
        let same = |other: &&ReadOrigin| {
            other.origin.tls == read.origin.tls && other.origin.authority == read.origin.authority
        };
        if let Some(first) = origins.iter().find(same) {
            let diagnostic = read.place.error(Code::Duplicate, "this origin is named twice");
            problems.push(
                diagnostic.help("remove one; `weight` gives an origin more").also(&first.place, "first here"),
            );
        }
        origins.push(read);
    }
    origins
}

fn read_origin(item: Value<'_>, folder: &Path, problems: &mut Problems) -> Option<ReadOrigin> {
    if !matches!(item.shape(), Shape::Table) {
        let (tls, authority) = read_url(item, problems)?;
        return Some(ReadOrigin {
            origin: Origin { tls, authority, weight: 1, ca: None },
            place: item.place(),
        });
    }
    let mut table = item.open(&manual::ORIGIN, problems)?;
    let url = table.require("url", problems);
    let read = url.and_then(|value| Some((read_url(value, problems)?, value.place())));
    let mut weight: u32 = 1;
    Reader { table: &mut table, problems }.number("weight", &mut weight, 1..=1000);
    let ca = table.get("ca");
    if let (Some(ca), Some(((false, _), place))) = (ca, &read) {
        let diagnostic = ca.error(Code::Conflict, "`ca` has no effect on an http:// origin");
        problems.push(diagnostic.help("write https:// in its URL, or remove `ca`").also(place, "the origin"));
    }
    let ca = ca.and_then(|value| read_path(value, folder, problems));
    table.finish("here", problems);
    let ((tls, authority), place) = read?;
    Some(ReadOrigin { origin: Origin { tls, authority, weight, ca }, place })
}

fn read_url(value: Value<'_>, problems: &mut Problems) -> Option<(bool, Authority)> {
    let text = value.text(problems)?;
    match parse_url(text) {
        Ok(url) => Some(url),
        Err((message, help)) => {
            problems.push(value.invalid(message).help(help));
            None
        }
    }
}

/// Whether it speaks TLS, and the authority; or what is wrong and what to write.
fn parse_url(text: &str) -> Result<(bool, Authority), (String, String)> {
    let wrong = |message: &str, help: String| Err((format!("\"{text}\" is not an origin: {message}"), help));
    let Some((scheme, rest)) = text.split_once("://") else {
        if text.starts_with("unix:") || text.starts_with('/') {
            return wrong(
                "Unix sockets are not supported",
                String::from("let the origin listen on 127.0.0.1"),
            );
        }
        return wrong("it has no scheme", format!("write \"http://{text}\""));
    };
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        "h2" | "h2c" | "grpc" | "grpcs" => {
            return wrong(
                "origins are spoken to in HTTP/1.1",
                format!("write \"http://{rest}\" or \"https://{rest}\""),
            );
        }
        _ => {
            return wrong(
                &format!("the scheme is {scheme}"),
                format!("write \"http://{rest}\" or \"https://{rest}\""),
            );
        }
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let scheme = if tls { "https" } else { "http" };
    if let Some((_, host)) = authority.rsplit_once('@') {
        return wrong("it has a user name", format!("write \"{scheme}://{host}\""));
    }
    if !matches!(target, "" | "/") {
        let part = if target.starts_with('/') { "path" } else { "query" };
        let help = format!("write \"{scheme}://{authority}\": the client's own target is sent");
        return wrong(&format!("it has a {part}"), help);
    }
    // `Uri` checks what `Authority` alone does not: that there is a host at all.
    let parsed =
        format!("{scheme}://{authority}/").parse::<Uri>().ok().and_then(|uri| uri.into_parts().authority);
    match parsed {
        Some(parsed) if !parsed.host().is_empty() && port_fits(&parsed) => Ok((tls, parsed)),
        _ => wrong("its host or port cannot be read", format!("write it as \"{scheme}://127.0.0.1:8080\"")),
    }
}

/// `host:` and `host:99999` are authorities to the `http` crate, but no port comes of them.
fn port_fits(authority: &Authority) -> bool {
    let after_host = authority.as_str().strip_prefix(authority.host()).unwrap_or("");
    after_host.is_empty() || authority.port_u16().is_some_and(|port| port > 0)
}

// === Pool ===

impl Default for OriginGroup {
    /// No origin yet; the rest is argued in `docs/concepts/defaults.md`.
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            idle_connections: 32,
            connections: 256,
            queue: 1024,
            queue_time: Duration::from_secs(5),
            connect_time: Duration::from_secs(5),
            response_time: Duration::from_secs(60),
            read_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(4),
            attempts: 3,
            failures: 3,
            retry_after: Duration::from_secs(10),
            host: OriginHost::Client,
        }
    }
}

/// Overwrites what an `origin-pool` table says.
pub(crate) fn read_pool(value: Value<'_>, group: &mut OriginGroup, problems: &mut Problems) {
    const LEAST: Duration = Duration::from_millis(1);
    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(86_400);
    let Some(mut table) = value.open(&manual::POOL, problems) else { return };
    let mut reader = Reader { table: &mut table, problems };
    reader.number("connections", &mut group.connections, 1..=65_535);
    reader.number("idle-connections", &mut group.idle_connections, 0..=65_535);
    reader.number("queue", &mut group.queue, 0..=1_000_000);
    reader.time("queue-time", &mut group.queue_time, LEAST..=HOUR);
    reader.time("connect-time", &mut group.connect_time, LEAST..=HOUR);
    reader.time("response-time", &mut group.response_time, LEAST..=DAY);
    reader.time("read-time", &mut group.read_time, LEAST..=DAY);
    reader.time("idle-time", &mut group.idle_time, LEAST..=DAY);
    reader.number("attempts", &mut group.attempts, 1..=10);
    reader.number("failures", &mut group.failures, 1..=1000);
    reader.time("retry-after", &mut group.retry_after, LEAST..=DAY);
    table.set("host", &mut group.host, problems, read_host);
    table.finish("here", problems);
}

fn read_host(value: Value<'_>, problems: &mut Problems) -> Option<OriginHost> {
    match value.shape() {
        Shape::Text("client") => Some(OriginHost::Client),
        Shape::Text("origin") => Some(OriginHost::Origin),
        Shape::Text(text) => {
            let diagnostic = value.invalid(format!("`host` cannot be \"{text}\""));
            problems
                .push(diagnostic.help(format!("write \"client\", \"origin\", or {{ fixed = \"{text}\" }}")));
            None
        }
        Shape::Table => {
            let mut table = value.open(&manual::HOST, problems)?;
            let fixed = table.require("fixed", problems);
            table.finish("here", problems);
            let fixed = fixed?;
            let name = fixed.text(problems)?;
            match name.parse::<Authority>() {
                Ok(authority) if !name.contains('@') && port_fits(&authority) => {
                    Some(OriginHost::Fixed(name.to_ascii_lowercase()))
                }
                _ => {
                    problems.push(
                        fixed
                            .invalid(format!("\"{name}\" is not a host"))
                            .help("write it as \"www.example.org\""),
                    );
                    None
                }
            }
        }
        _ => {
            problems.push(value.wrong_type("\"client\", \"origin\" or { fixed = … }"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (text, tls, authority) in [
            ("http://127.0.0.1:8080", false, "127.0.0.1:8080"),
            ("https://origin.example/", true, "origin.example"),
            ("HTTP://[::1]:80", false, "[::1]:80"),
        ] {
            let (found_tls, found) = parse_url(text).unwrap();
            assert_eq!((found_tls, found.as_str()), (tls, authority));
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_to_write() {
        for (text, help) in [
            ("127.0.0.1:8080", "write \"http://127.0.0.1:8080\""),
            ("http://u:p@host", "write \"http://host\""),
            ("http://host/app", "write \"http://host\": the client's own target is sent"),
            ("http://host?x", "write \"http://host\": the client's own target is sent"),
            ("ftp://host", "write \"http://host\" or \"https://host\""),
            ("http://", "write it as \"http://127.0.0.1:8080\""),
            ("http://host:", "write it as \"http://127.0.0.1:8080\""),
            ("http://host:0", "write it as \"http://127.0.0.1:8080\""),
            ("http://host:99999", "write it as \"http://127.0.0.1:8080\""),
            ("unix:/run/app.sock", "let the origin listen on 127.0.0.1"),
        ] {
            assert_eq!(parse_url(text).unwrap_err().1, help, "{text}");
        }
    }
}
