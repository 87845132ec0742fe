//! [`Fail2ban`]: the jails `apache-badbots`, `nginx-limit-req` and `nginx-botsearch` with Debian's values, from the package's files.
//!
//! `apache-badbots`: one request with an agent of its list, 48 hours. `nginx-limit-req`: 5 lines of nginx's log of refused requests
//! (see [`super::limit_req`]) within 10 minutes, 10 minutes. `nginx-botsearch`: 2 requests for names of its list answered 404
//! within 10 minutes, 10 minutes. Counted is what a ban shuts out, from the next second on; what nginx refused by itself
//! is its own row. Left out: the seconds that reading logs and setting bans takes.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use foldhash::fast::FixedState;
use regex::Regex;
use seawall_http::UnixTime;

use super::limit_req::LimitReq;
use super::{Bans, packages};
use crate::detector::Detector;
use crate::exchange::Exchange;

/// The file of its list of bad agents.
pub const BADBOTS: &str = "/etc/fail2ban/filter.d/apache-badbots.conf";
const BOTSEARCH: &str = "/etc/fail2ban/filter.d/botsearch-common.conf";

/// See the module.
#[derive(Debug)]
pub struct Fail2ban {
    bad_agent: Regex,
    searched: Regex,
    limit: LimitReq,
    limited: Failures,
    searches: Failures,
    bans: Bans,
}

impl Fail2ban {
    /// With the lists of the package; none if it is not there.
    pub fn installed() -> Option<Self> {
        let badbots = packages::read(BADBOTS)?;
        let list = |name| value(&badbots, name);
        let bad_agent = format!("^(?:{}|{})$", list("badbots")?, list("badbotscustom")?);
        let common = packages::read(BOTSEARCH)?;
        let mut block = value(&common, "block")?;
        for name in ["webmail", "phpmyadmin", "wordpress"] {
            block = block.replace(&format!("<{name}>"), &value(&common, name)?);
        }
        Some(Self {
            bad_agent: Regex::new(&bad_agent).ok()?,
            searched: Regex::new(&format!("^/(?:{block})")).ok()?,
            limit: LimitReq::by_address(),
            limited: Failures::new(5),
            searches: Failures::new(2),
            bans: Bans::default(),
        })
    }

    fn read(&mut self, exchange: &Exchange) {
        let (client, at) = (exchange.client, exchange.at);
        if exchange.agent.as_deref().is_some_and(|agent| self.bad_agent.is_match(agent)) {
            self.bans.add(client, UnixTime(at.0 + 48 * 60 * TEN_MINUTES / 10));
        }
        let is_limited = self.limit.is_refused(exchange) && self.limited.add(client, at);
        let is_search = exchange.reply.status == 404 && self.searched.is_match(&exchange.path);
        if is_limited || is_search && self.searches.add(client, at) {
            self.bans.add(client, UnixTime(at.0 + TEN_MINUTES));
        }
    }
}

impl Detector for Fail2ban {
    fn name(&self) -> &'static str {
        "fail2ban"
    }

    fn second(&mut self, exchanges: &[Exchange], until: UnixTime, refused: &mut [bool]) {
        for (exchange, is_refused) in exchanges.iter().zip(refused) {
            *is_refused = self.bans.holds(exchange.client, exchange.at);
        }
        // Who is shut out writes no lines.
        let passed = |bans: &Bans, exchange: &Exchange| !bans.holds(exchange.client, exchange.at);
        for exchange in exchanges {
            if passed(&self.bans, exchange) {
                self.read(exchange);
            }
        }
        self.limit.sweep(until);
    }
}

const TEN_MINUTES: u64 = 600_000;

/// Times of failures by address.
#[derive(Debug)]
struct Failures {
    most: usize,
    times: HashMap<IpAddr, VecDeque<UnixTime>, FixedState>,
}

impl Failures {
    fn new(most: usize) -> Self {
        Self { most, times: HashMap::default() }
    }

    /// One more; whether that is as many as are tolerated within ten minutes.
    fn add(&mut self, client: IpAddr, at: UnixTime) -> bool {
        let times = self.times.entry(client).or_default();
        times.push_back(at);
        while times.front().is_some_and(|first| at.0 - first.0 > TEN_MINUTES) {
            times.pop_front();
        }
        times.len() >= self.most
    }
}

/// The value of `name = value` in an INI file.
fn value(text: &str, name: &str) -> Option<String> {
    let is_it = |line: &&str| line.split_once('=').is_some_and(|(key, _)| key.trim() == name);
    Some(text.lines().find(is_it)?.split_once('=')?.1.trim().to_owned())
}
