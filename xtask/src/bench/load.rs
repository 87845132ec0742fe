//! The clients: each runs once, for a bounded time, and says what was answered.

mod h2load;
mod handshakes;
mod wrk;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};

use super::case::{Case, Client, Expects};
use super::program::Tools;
use super::server::{Origin, Server};

/// What came back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Answers {
    answered: u64,
    refused: u64,
}

/// Why a server has no figure in a case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// So many exchanges were answered, all of them as they should be.
    Answered(u64),
    /// What came from the cache should not have reached the origin.
    Forwarded { exchanges: u64, asked: usize },
}

/// Loads a server; an error when an answer is not what the case is about.
pub(super) fn run(
    case: &Case,
    server: &Server,
    address: SocketAddr,
    origin: &Origin,
    tools: &Tools,
    time: Duration,
) -> Result<Outcome> {
    let before = origin.asked();
    let answers = match case.client {
        Client::Kept | Client::New | Client::Tls => wrk::run(case, address, time)?,
        Client::TlsFull | Client::TlsResumed => handshakes::run(case, address, &tools.handshakes, time)?,
        Client::Http2 => h2load::run(case, address)?,
    };
    check(case, server, answers)?;
    let asked = origin.asked() - before;
    if case.work.is_cached() && asked > 0 {
        return Ok(Outcome::Forwarded { exchanges: answers.answered, asked });
    }
    Ok(Outcome::Answered(answers.answered))
}

fn check(case: &Case, server: &Server, Answers { answered, refused }: Answers) -> Result<()> {
    let expected = match case.work.expects() {
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
    Ok(())
}

/// The number before `phrase`.
pub(super) fn before(text: &str, phrase: &str) -> Option<u64> {
    let (head, _) = text.split_once(phrase)?;
    head.split_whitespace().next_back()?.parse().ok()
}

/// The number after `phrase`.
pub(super) fn after(text: &str, phrase: &str) -> Option<u64> {
    let (_, tail) = text.split_once(phrase)?;
    tail.split_whitespace().next()?.parse().ok()
}
