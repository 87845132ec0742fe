//! The load of the story: one application's storm of POSTs, and innocent readers who come the same way.
//!
//! `POST /ca/cacert.pem` as `QQGameHall`, in bursts, each from the storm's address; between the bursts a reader of the
//! mailing list archive asks for one page, each reader with an agent and an address of their own, in their language. What every
//! one of them got is counted. The load is fixed in number, so that its figures can be compared.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Apache, ApacheBuilder, Curl, Nginx, NginxBuilder};

/// How much of each.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Readers, each of whom asks for one page.
    pub readers: u8,
    /// POSTs before each reader; 0 for a quiet day.
    pub burst: usize,
}

/// What they got.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outcome {
    /// The storm.
    pub storm: Tally,
    /// The readers.
    pub readers: Tally,
    /// The refusals that readers got: agent and content, for `why`.
    pub refusals: Vec<(String, String)>,
    /// What the storm's last refusal said.
    pub storm_refusal: Option<String>,
}

/// Responses by status, and their content bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Requests by status.
    pub statuses: BTreeMap<u16, usize>,
    /// Content bytes received.
    pub bytes: usize,
}

/// An Apache that serves the bundle and the archive, to be given its limiter.
#[track_caller]
pub fn origin() -> ApacheBuilder {
    let mut origin = Apache::builder().file("ca/cacert.pem", vec![b'A'; BUNDLE_BYTES]);
    for reader in 0..=u8::MAX {
        origin = origin.file(&page(reader), format!("<!doctype html><title>message {reader}</title>\n"));
    }
    origin
}

/// An nginx that serves the same; it answers a POST for a file with the file, as Apache does.
#[track_caller]
pub fn nginx_origin() -> NginxBuilder {
    let mut origin = Nginx::builder().server("error_page 405 =200 $uri;");
    origin = origin.file("ca/cacert.pem", vec![b'A'; BUNDLE_BYTES]);
    for reader in 0..=u8::MAX {
        origin = origin.file(&page(reader), format!("<!doctype html><title>message {reader}</title>\n"));
    }
    origin
}

/// mod_evasive as its users set it; the block is short, to be fair to it.
pub const MOD_EVASIVE: &[(&str, &str)] = &[
    ("DOSHashTableSize", "3097"),
    ("DOSPageCount", "5"),
    ("DOSSiteCount", "50"),
    ("DOSPageInterval", "1"),
    ("DOSSiteInterval", "1"),
    ("DOSBlockingPeriod", "10"),
];

/// Sends the load to `base`, `http://ADDRESS`.
#[track_caller]
pub fn send(base: &str, load: Load) -> Outcome {
    let mut outcome = Outcome::default();
    for reader in 0..load.readers {
        for reply in burst(base, load.burst) {
            outcome.storm.count(reply.status, reply.body.len());
            if reply.status != 200 {
                outcome.storm_refusal = Some(reply.text());
            }
        }
        let agent = agent(reader);
        let address = format!("127.0.1.{}", reader.saturating_add(1));
        let get = Curl::get(format!("{base}{}", page(reader))).agent(&agent).from_address(&address);
        let reply = get.header("Accept-Language", LANGUAGES[usize::from(reader) % LANGUAGES.len()]).run();
        outcome.readers.count(reply.status, reply.body.len());
        if reply.status != 200 {
            outcome.refusals.push((agent, reply.text()));
        }
    }
    outcome
}

/// The POSTs of one burst, on one connection, as fast as they are answered.
fn burst(base: &str, count: usize) -> Vec<crate::Reply> {
    let post = || {
        let url = format!("{base}/ca/cacert.pem");
        Curl::post(url, "").agent("QQGameHall").from_address(STORM_ADDRESS)
    };
    let run = (1..count).fold(post(), |run, _| run.then(post()));
    if count == 0 { Vec::new() } else { run.run_all() }
}

/// A reader's page.
pub fn page(reader: u8) -> String {
    format!("/archive/{reader}.html")
}

/// A reader's agent.
pub fn agent(reader: u8) -> String {
    format!("Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Reader/{reader}", 60 + reader)
}

impl Tally {
    fn count(&mut self, status: u16, bytes: usize) {
        *self.statuses.entry(status).or_default() += 1;
        self.bytes += bytes;
    }

    /// Requests that got this status.
    pub fn with(&self, status: u16) -> usize {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    /// All requests.
    pub fn requests(&self) -> usize {
        self.statuses.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} requests, {} bytes:", self.requests(), self.bytes)?;
        self.statuses.iter().try_for_each(|(status, count)| write!(out, " {count}x {status}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "storm {}; readers {}", self.storm, self.readers)
    }
}

/// What readers prefer to read, in turn.
const LANGUAGES: [&str; 6] = ["en-GB,en;q=0.9", "de,en;q=0.5", "sv-SE", "pt-BR,pt;q=0.8", "ja", "fr-CA,fr"];

/// Where the storm comes from; readers come from 127.0.1.0/24.
pub const STORM_ADDRESS: &str = "127.0.2.1";

/// The CA bundle of the story: 225 KB.
pub const BUNDLE_BYTES: usize = 225_000;
