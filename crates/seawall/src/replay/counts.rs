//! What each rule did, counted; counts of later blocks are added to those of earlier ones.

use std::collections::BTreeMap;

use seawall_http::UnixTime;

use super::variant::Deed;
use crate::analyze::request::Hidden;

/// Of all requests.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// What the gate's rules would have been asked about.
    pub(super) requests: u64,
    /// Bytes of their responses.
    pub(super) bytes: u64,
    /// Lines that tell of something else than a request of HTTP.
    pub(super) no_requests: u64,
    /// Of each rule and limit.
    pub(super) subjects: Vec<Count>,
}

/// Of one rule or limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    /// Requests on which it would have acted, or that it would have counted, where it only observes.
    pub(super) acted: u64,
    /// Bytes of their responses.
    pub(super) bytes: u64,
    /// Requests that it matched within its rate.
    pub(super) within: u64,
    /// Requests that it might match.
    pub(super) possible: u64,
    /// What is hidden of these.
    pub(super) hidden: Hidden,
    /// The first that it acted on.
    pub(super) first: Option<UnixTime>,
    /// The last.
    pub(super) last: Option<UnixTime>,
    /// Acted on in each hour since 1970, UTC.
    pub(super) hours: BTreeMap<u64, u64>,
    /// Acted on, but without a time, or in more hours than are kept.
    pub(super) elsewhen: u64,
}

impl Totals {
    pub(super) fn new(subjects: usize) -> Self {
        Self { subjects: vec![Count::default(); subjects], ..Self::default() }
    }

    pub(super) fn merge(&mut self, later: Self) {
        self.requests += later.requests;
        self.bytes += later.bytes;
        self.no_requests += later.no_requests;
        for (mine, theirs) in self.subjects.iter_mut().zip(later.subjects) {
            mine.merge(theirs);
        }
    }
}

impl Count {
    pub(super) fn add(&mut self, deed: Deed, bytes: u64, time: Option<UnixTime>) {
        match deed {
            Deed::Within => self.within += 1,
            Deed::Possible => self.possible += 1,
            Deed::Acted | Deed::Observed => {
                self.acted += 1;
                self.bytes += bytes;
                self.first = [self.first, time].into_iter().flatten().min();
                self.last = self.last.max(time);
                match time {
                    Some(time) => self.in_hour(time.as_secs() / 3600, 1),
                    None => self.elsewhen += 1,
                }
            }
        }
    }

    fn in_hour(&mut self, hour: u64, requests: u64) {
        if self.hours.len() >= HOURS_MAX && !self.hours.contains_key(&hour) {
            self.elsewhen += requests;
            return;
        }
        *self.hours.entry(hour).or_default() += requests;
    }

    fn merge(&mut self, later: Self) {
        self.acted += later.acted;
        self.bytes += later.bytes;
        self.within += later.within;
        self.possible += later.possible;
        self.elsewhen += later.elsewhen;
        self.hidden = self.hidden.with(later.hidden);
        self.first = [self.first, later.first].into_iter().flatten().min();
        self.last = self.last.max(later.last);
        later.hours.into_iter().for_each(|(hour, requests)| self.in_hour(hour, requests));
    }
}

/// Two years and more; a damaged log may have any time.
const HOURS_MAX: usize = 20_000;
