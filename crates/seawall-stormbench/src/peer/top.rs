//! [`Top`]: what somebody does who looks at a list of the most frequent agents and paths and refuses what stands out.
//!
//! Every 10 seconds, the agent and the path with more than a fifth of the last minute's requests (and at least 60 of them) are
//! refused until they no longer have that share: what `sort | uniq -c`, dashboards of top lists and thresholds by
//! share amount to, without their delay.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use foldhash::fast::FixedState;
use seawall_http::UnixTime;

use crate::detector::Detector;
use crate::exchange::Exchange;

type Counts = HashMap<(bool, Arc<str>), u64, FixedState>;

/// See the module.
#[derive(Debug, Default)]
pub struct Top {
    /// Slices of 10 seconds: requests in all, and by agent and path.
    slices: VecDeque<(u64, Counts)>,
    refused: HashSet<(bool, Arc<str>), FixedState>,
    seconds: u64,
}

const SHARE: f64 = 0.2;
const LEAST: u64 = 60;
const SLICE: u64 = 10;
const SLICES: usize = 6;

impl Top {
    fn decide(&mut self) {
        let total: u64 = self.slices.iter().map(|(total, _)| total).sum();
        let mut sums = Counts::default();
        for (key, count) in self.slices.iter().flat_map(|(_, counts)| counts) {
            *sums.entry(key.clone()).or_default() += count;
        }
        let stands_out = |count: u64| count >= LEAST && count as f64 > SHARE * total as f64;
        self.refused = sums.into_iter().filter(|(_, count)| stands_out(*count)).map(|(key, _)| key).collect();
    }
}

impl Detector for Top {
    fn name(&self) -> &'static str {
        "top lists"
    }

    fn second(&mut self, exchanges: &[Exchange], _until: UnixTime, refused: &mut [bool]) {
        if self.seconds.is_multiple_of(SLICE) {
            self.decide();
            self.slices.push_back(Default::default());
            if self.slices.len() > SLICES {
                self.slices.pop_front();
            }
        }
        self.seconds += 1;
        let Some((total, counts)) = self.slices.back_mut() else { return };
        for (exchange, is_refused) in exchanges.iter().zip(refused) {
            let agent = (true, exchange.agent.clone().unwrap_or_else(|| Arc::from("-")));
            let path = (false, Arc::clone(&exchange.path));
            *is_refused = self.refused.contains(&agent) || self.refused.contains(&path);
            *total += 1;
            *counts.entry(agent).or_default() += 1;
            *counts.entry(path).or_default() += 1;
        }
    }
}
