//! wrk and h2load: run once, and their account of what was answered.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use seawall_testkit::Dir;

use super::case::{Case, Client, Expects, Request};
use super::server::{LOAD_CORE, Server};
use crate::shell;

/// Exchanges that were answered.
pub(super) fn run(case: &Case, server: &Server, time: Duration) -> Result<u64> {
    let (answered, refused) = match case.client {
        Client::Http2 => h2load(&case.request, server)?,
        _ => wrk(case, server, time)?,
    };
    let expected = match case.expects {
        Expects::Success => 0,
        Expects::Refusal => answered,
    };
    if answered == 0 || refused != expected {
        bail!(
            "{}: {} answered {answered} requests, {refused} of them with a refusal: that is not what is measured",
            case.name,
            server.name
        );
    }
    Ok(answered)
}

fn wrk(case: &Case, server: &Server, time: Duration) -> Result<(u64, u64)> {
    let Request { method, host, path, agent, content_bytes } = case.request;
    let url = match case.client {
        Client::Tls => format!("https://{}{path}", server.tls),
        _ => format!("http://{}{path}", server.http1),
    };
    let mut command = pinned("wrk");
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
    let printed = shell::output(command.arg(url))?;
    if let Some(errors) = printed.lines().find(|line| line.contains("Socket errors")) {
        let errors = errors.trim();
        bail!("{} at {}: {errors}", case.name, server.name);
    }
    let answered = before(&printed, " requests in").context("wrk does not say how many requests it made")?;
    let refused = after(&printed, "Non-2xx or 3xx responses: ").unwrap_or(0);
    Ok((answered, refused))
}

fn h2load(request: &Request, server: &Server) -> Result<(u64, u64)> {
    let Request { host, path, agent, .. } = request;
    let mut command = pinned("h2load");
    command.args(["--threads=1", "--clients=8", "--max-concurrent-streams=10"]);
    command.arg(format!("--requests={HTTP2_REQUESTS}"));
    command.arg(format!("--header=:authority: {host}")).arg(format!("--header=user-agent: {agent}"));
    let printed = shell::output(command.arg(format!("http://{}{path}", server.http2)))?;
    let statuses = printed.lines().find(|line| line.starts_with("status codes:"));
    let statuses = statuses.context("h2load tells no status codes")?;
    let succeeded = before(statuses, " 2xx").unwrap_or(0);
    let refused = before(statuses, " 4xx").unwrap_or(0);
    Ok((succeeded + refused, refused))
}

fn pinned(program: &str) -> std::process::Command {
    let mut command = shell::command("taskset");
    command.args(["--cpu-list", &LOAD_CORE.to_string(), program]);
    command
}

/// The number before `phrase`.
fn before(text: &str, phrase: &str) -> Option<u64> {
    let (head, _) = text.split_once(phrase)?;
    head.split_whitespace().next_back()?.parse().ok()
}

/// The number after `phrase`.
fn after(text: &str, phrase: &str) -> Option<u64> {
    let (_, tail) = text.split_once(phrase)?;
    tail.split_whitespace().next()?.parse().ok()
}

/// h2load opens no connection anew, and after 10,000 requests Seawall closes one.
const HTTP2_REQUESTS: usize = 8 * 9_000;

/// Enough for the server to have always something to do, few enough to stay in the caches.
const CONNECTIONS: usize = 32;

#[cfg(test)]
mod tests {
    use super::{after, before};

    #[test]
    fn numbers_are_read_off_the_programs_reports() {
        let wrk = "  51234 requests in 2.00s, 12.1MB read\n  Non-2xx or 3xx responses: 51200\n";
        assert_eq!(before(wrk, " requests in"), Some(51_234));
        assert_eq!(after(wrk, "Non-2xx or 3xx responses: "), Some(51_200));
        assert_eq!(before("status codes: 1 2xx, 0 3xx, 77 4xx, 0 5xx", " 4xx"), Some(77));
    }
}
