//! h2load: HTTP/2 in clear text, a fixed number of requests.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};

use super::{Answers, before};
use crate::bench::case::{Case, Request};
use crate::bench::program::client;
use crate::shell;

pub(super) fn run(case: &Case, address: SocketAddr) -> Result<Answers> {
    let Request { host, path, agent, .. } = case.work.request();
    let mut command = client("h2load", case.cores);
    command.args(["--threads=1", &format!("--clients={CLIENTS}"), "--max-concurrent-streams=10"]);
    command.arg(format!("--requests={}", CLIENTS * REQUESTS_EACH));
    command.arg(format!("--header=:authority: {host}")).arg(format!("--header=user-agent: {agent}"));
    answers(&shell::output(command.arg(format!("http://{address}{path}")))?)
}

fn answers(printed: &str) -> Result<Answers> {
    let statuses = printed.lines().find(|line| line.starts_with("status codes:"));
    let statuses = statuses.context("h2load tells no status codes")?;
    let succeeded = before(statuses, " 2xx").unwrap_or(0);
    let refused = before(statuses, " 4xx").unwrap_or(0);
    Ok(Answers { answered: succeeded + refused, refused })
}

const CLIENTS: usize = 8;

/// h2load opens no connection anew, and after 10,000 requests Seawall closes one.
const REQUESTS_EACH: usize = 9_000;

#[cfg(test)]
mod tests {
    use super::{Answers, answers};

    #[test]
    fn numbers_are_read_off_its_report() {
        let printed = "finished in 1s\nstatus codes: 1 2xx, 0 3xx, 77 4xx, 0 5xx\n";
        assert_eq!(answers(printed).unwrap(), Answers { answered: 78, refused: 77 });
    }
}
