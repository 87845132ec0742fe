//! wrk: HTTP/1.1, with TLS or without, as many requests as the server answers.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use seawall_testkit::Dir;

use super::{Answers, after, before};
use crate::bench::case::{Case, Client, Request};
use crate::bench::program::client;
use crate::shell;

pub(super) fn run(case: &Case, address: SocketAddr, time: Duration) -> Result<Answers> {
    let Request { method, host, path, agent, content_bytes } = case.work.request();
    let scheme = if case.client == Client::Tls { "https" } else { "http" };
    let mut command = client("wrk", case.cores);
    command.args(["--threads", "1", "--timeout", "10s"]);
    command.args(["--connections", &CONNECTIONS.to_string()]);
    command.arg(format!("--duration={}s", time.as_secs()));
    command.arg(format!("--header=Host: {host}")).arg(format!("--header=User-Agent: {agent}"));
    if case.client == Client::New {
        command.arg("--header=Connection: close");
    }
    let scripts = Dir::new();
    if method != "GET" {
        let script = format!("wrk.method = \"{method}\"\nwrk.body = string.rep(\"x\", {content_bytes})\n");
        command.arg("--script").arg(scripts.write("request.lua", script));
    }
    let printed = shell::output(command.arg(format!("{scheme}://{address}{path}")))?;
    if let Some(errors) = printed.lines().find(|line| line.contains("Socket errors")) {
        bail!("{}: {}", case.name, errors.trim());
    }
    answers(&printed)
}

fn answers(printed: &str) -> Result<Answers> {
    let answered = before(printed, " requests in").context("wrk does not say how many requests it made")?;
    Ok(Answers { answered, refused: after(printed, "Non-2xx or 3xx responses: ").unwrap_or(0) })
}

/// Enough for the server to have always something to do, few enough to stay in the caches.
const CONNECTIONS: usize = 32;

#[cfg(test)]
mod tests {
    use super::{Answers, answers};

    #[test]
    fn numbers_are_read_off_its_report() {
        let printed = "  51234 requests in 2.00s, 12.1MB read\n  Non-2xx or 3xx responses: 51200\n";
        assert_eq!(answers(printed).unwrap(), Answers { answered: 51_234, refused: 51_200 });
        assert!(answers("unable to connect").is_err());
    }
}
