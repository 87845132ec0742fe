//! The clients: each runs once, for a bounded time, and says what was answered.

mod h2load;
mod handshakes;
mod wrk;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};

use super::case::{Case, Client, Expects};
use super::program::Tools;
use super::server::Origin;

/// What came back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Answers {
    answered: u64,
    refused: u64,
}

/// What a load came to: all answers were what the case is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// So many exchanges.
    Answered(u64),
    /// What came from the cache should not have reached the origin.
    Forwarded { exchanges: u64, asked: usize },
}

impl Outcome {
    /// # Errors
    ///
    /// If the figures would be false.
    pub(super) fn exchanges(self) -> Result<u64> {
        match self {
            Self::Answered(exchanges) => Ok(exchanges),
            Self::Forwarded { exchanges, asked } => bail!(
                "of {exchanges} requests for what it should have had in its cache, {asked} reached the origin"
            ),
        }
    }
}

/// Loads a server; an error when an answer is not what the case is about.
pub(super) fn run(
    case: &Case,
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
    check(case.work.expects(), answers)?;
    let (exchanges, asked) = (answers.answered, origin.asked() - before);
    Ok(if case.work.is_cached() && asked > 0 {
        Outcome::Forwarded { exchanges, asked }
    } else {
        Outcome::Answered(exchanges)
    })
}

fn check(expects: Expects, Answers { answered, refused }: Answers) -> Result<()> {
    let expected = match expects {
        Expects::Success => 0,
        Expects::Refusal => answered,
    };
    if answered == 0 || refused != expected {
        bail!("{refused} of {answered} answers were refusals, which is not what is measured");
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

#[cfg(test)]
mod tests {
    use super::{Answers, Expects, Outcome, check};

    #[test]
    fn other_answers_than_expected_are_not_measured() {
        let answers = |answered, refused| Answers { answered, refused };
        assert!(check(Expects::Success, answers(9, 0)).is_ok());
        assert!(check(Expects::Success, answers(9, 1)).is_err());
        assert!(check(Expects::Refusal, answers(9, 9)).is_ok());
        assert!(check(Expects::Refusal, answers(9, 8)).is_err());
        assert!(check(Expects::Refusal, answers(0, 0)).is_err());
        assert!(Outcome::Forwarded { exchanges: 9, asked: 1 }.exchanges().is_err());
        assert_eq!(Outcome::Answered(9).exchanges().unwrap(), 9);
    }
}
