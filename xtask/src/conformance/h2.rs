//! HTTP/2 and HTTP/1.1 by other people's clients: nghttp's options one by one, and h2load's load.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result};
use seawall_testkit::Dir;

use super::Case;
use super::edge::Edge;
use crate::shell;

pub(crate) fn version() -> Result<String> {
    shell::package_version("nghttp2-client")
}

pub(crate) fn run(edge: &Edge) -> Result<Vec<Case>> {
    let scratch = Dir::new();
    let upload = format!("--data={}", scratch.write("upload", vec![b'u'; 300_000]).display());
    let filled = |options: &[&'static str]| -> Vec<String> {
        options.iter().map(|option| option.replace("@UPLOAD@", &upload)).collect()
    };
    let plain = format!("http://{}", edge.http2);
    let tls = format!("https://{}", edge.tls()?);
    let mut cases = Vec::new();
    for (scheme, base) in [("h2c", &plain), ("h2", &tls)] {
        for (name, path, options) in NGHTTP {
            let options = filled(options);
            cases.push(nghttp(&format!("nghttp {scheme} {name}"), &format!("{base}{path}"), &options)?);
        }
        for (name, path, options) in H2LOAD {
            let options = filled(options);
            cases.push(h2load(&format!("h2load {scheme} {name}"), &format!("{base}{path}"), &options)?);
        }
    }
    cases.push(one_port(edge.http1, edge.http2));
    for (scheme, base) in [("http", format!("http://{}", edge.http1)), ("https", tls)] {
        let options = filled(&["--h1", "--requests=2000", "--clients=10"]);
        cases.push(h2load(&format!("h2load {scheme} HTTP/1.1"), &format!("{base}/"), &options)?);
    }
    Ok(cases)
}

/// One exchange, or a few on one connection: each stream's response must be 200 and complete.
fn nghttp(name: &str, url: &str, options: &[String]) -> Result<Case> {
    let mut nghttp = tool("nghttp")?;
    nghttp.args(["--null-out", "--verbose", "--no-verify-peer", "--timeout=10"]).args(options).arg(url);
    let output = nghttp.output().context("cannot run nghttp")?;
    let log = String::from_utf8_lossy(&output.stdout);
    let wanted =
        options.iter().find_map(|option| option.strip_prefix("--multiply=")?.parse().ok()).unwrap_or(1);
    let answered = log.lines().filter(|line| line.contains(":status: 200")).count();
    let whole = output.status.success()
        && answered == wanted
        && !log.contains("RST_STREAM")
        && !log.contains("error_code=0x01");
    Ok(Case::check(name, whole, || {
        format!("{answered} of {wanted} answered with 200, {}: {}", output.status, last_line(&log))
    }))
}

/// A bounded load: every request must succeed with 2xx.
fn h2load(name: &str, url: &str, options: &[String]) -> Result<Case> {
    let mut h2load = tool("h2load")?;
    h2load.args(["--connection-inactivity-timeout=10"]).args(options).arg(url);
    let output = h2load.output().context("cannot run h2load")?;
    let report = String::from_utf8_lossy(&output.stdout);
    let requests = report.lines().find(|line| line.starts_with("requests:")).unwrap_or("no report");
    let codes = report.lines().find(|line| line.starts_with("status codes:")).unwrap_or("no report");
    let total = number_before(requests, " total");
    let good = total.is_some()
        && number_before(requests, " succeeded") == total
        && number_before(codes, " 2xx") == total;
    Ok(Case::check(name, good, || format!("{requests}; {codes}")))
}

/// Clients that know that a server speaks HTTP/2 need no port of its own for it (RFC 9113 §3.3).
fn one_port(http1: SocketAddr, http2: SocketAddr) -> Case {
    Case::check("HTTP/1.1 and HTTP/2 on one port in clear text", http1 == http2, || {
        format!("{http1} and {http2}")
    })
}

fn tool(name: &str) -> Result<Command> {
    let program =
        shell::find(name).with_context(|| format!("{name} is missing\nhint: run `cargo xtask setup`"))?;
    Ok(shell::command(program))
}

/// The number in `..., 2000 succeeded, ...`.
fn number_before(line: &str, word: &str) -> Option<u64> {
    let (before, _) = line.split_once(word)?;
    before.rsplit([' ', ',']).next()?.parse().ok()
}

fn last_line(log: &str) -> &str {
    log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it printed nothing").trim()
}

/// What nghttp is told: name, path, options. `@UPLOAD@` is 300,000 bytes of content.
const NGHTTP: &[(&str, &str, &[&str])] = &[
    ("GET", "/", &[]),
    ("50 streams on one connection", "/", &["--multiply=50", "--peer-max-concurrent-streams=50"]),
    ("16 MiB", "/large.bin", &[]),
    (
        "16 MiB through the smallest window",
        "/large.bin",
        &["--window-bits=16", "--connection-window-bits=16"],
    ),
    ("header section in CONTINUATION frames", "/", &["--continuation"]),
    ("padded frames", "/", &["--padding=255"]),
    ("header table of 0 bytes", "/", &["--header-table-size=0"]),
    (
        "header table that shrinks and grows",
        "/",
        &["--header-table-size=0", "--header-table-size=4096", "--multiply=3"],
    ),
    ("upload", "/upload", &["@UPLOAD@"]),
    ("upload without a length", "/upload", &["@UPLOAD@", "--no-content-length"]),
    ("upload with trailers", "/upload", &["@UPLOAD@", "--trailer=x-checksum: 1"]),
    ("upload after 100 (Continue)", "/upload", &["@UPLOAD@", "--expect-continue"]),
    ("HEAD", "/", &["--header=:method: HEAD"]),
];

const H2LOAD: &[(&str, &str, &[&str])] = &[
    ("small responses", "/", &["--requests=5000", "--clients=10", "--max-concurrent-streams=20"]),
    ("large responses", "/large.bin", &["--requests=40", "--clients=4", "--max-concurrent-streams=5"]),
    ("uploads", "/upload", &["--requests=200", "--clients=4", "--max-concurrent-streams=5", "@UPLOAD@"]),
];

#[cfg(test)]
mod tests {
    use super::number_before;

    #[test]
    fn numbers_are_read_from_h2loads_report() {
        let line =
            "requests: 2000 total, 2000 started, 2000 done, 1999 succeeded, 1 failed, 0 errored, 0 timeout";
        assert_eq!(number_before(line, " total"), Some(2000));
        assert_eq!(number_before(line, " succeeded"), Some(1999));
        assert_eq!(number_before("no report", " total"), None);
    }
}
