//! [`Evasive`]: mod_evasive 1.10.1, as Debian ships it, with the values of its example configuration, which are its defaults.
//!
//! Per address: more than two hits on one page, or 50 on the site, within a second (`DOSPageCount`, `DOSSiteCount`), and the
//! address is held for 10 s (`DOSBlockingPeriod`), longer with every request that it sends meanwhile. Its clock has whole
//! seconds, a counter begins at zero with its second hit, and a hold takes effect when it is set for the second time: a new entry's
//! time is zero (`ntt_insert`). Left out: each of Apache's processes has counters of its own, so that a
//! busy server refuses less than this.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use seawall_http::UnixTime;

use crate::detector::Detector;
use crate::exchange::Exchange;
use crate::peer::key;
use crate::rng::{hash, mix};

/// See the module.
#[derive(Debug, Default)]
pub struct Evasive {
    /// Seconds and hits, by address and page, by address, and by address on hold.
    entries: HashMap<u64, (u64, u32), FixedState>,
    swept: u64,
}

const PAGE_COUNT: u32 = 2;
const SITE_COUNT: u32 = 50;
const INTERVAL: u64 = 1;
const BLOCKING_PERIOD: u64 = 10;

impl Evasive {
    fn is_refused(&mut self, exchange: &Exchange) -> bool {
        let now = exchange.at.as_secs();
        let client = key(exchange.client);
        if let Some((since, _)) =
            self.entries.get_mut(&client).filter(|(since, _)| now - since < BLOCKING_PERIOD)
        {
            *since = now;
            return true;
        }
        let page = mix(client ^ hash(&exchange.path));
        let too_often =
            [(page, PAGE_COUNT), (client ^ 1, SITE_COUNT)].map(|(key, most)| self.hit(key, most, now));
        let is_refused = too_often.contains(&true);
        for _ in too_often.iter().filter(|too_often| **too_often) {
            self.entries.entry(client).and_modify(|entry| *entry = (now, 0)).or_insert((0, 0));
        }
        is_refused
    }

    fn hit(&mut self, key: u64, most: u32, now: u64) -> bool {
        let Some((since, count)) = self.entries.get_mut(&key) else {
            self.entries.insert(key, (0, 0));
            return false;
        };
        let is_current = now - *since < INTERVAL;
        let is_too_often = is_current && *count >= most;
        if !is_current {
            *count = 0;
        }
        *since = now;
        *count += 1;
        is_too_often
    }
}

impl Detector for Evasive {
    fn name(&self) -> &'static str {
        "mod_evasive"
    }

    fn second(&mut self, exchanges: &[Exchange], until: UnixTime, refused: &mut [bool]) {
        for (exchange, is_refused) in exchanges.iter().zip(refused) {
            *is_refused = self.is_refused(exchange);
        }
        // The module keeps all of them for ever. What is a minute old acts as what is not there, but for holds set once.
        let now = until.as_secs();
        if now - self.swept >= 300 {
            self.swept = now;
            self.entries.retain(|_, (since, _)| now - *since < 60);
        }
    }
}
