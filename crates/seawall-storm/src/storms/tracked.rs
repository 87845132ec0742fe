//! [`Tracked`]: one storm or crowd with what is counted of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use seawall_http::UnixTime;

use super::clients::Clients;
use super::lifecycle::{Hysteresis, Lifecycle, Turn, since};
use super::series::Series;
use crate::fact::FactKind;
use crate::interval::{Interval, Intervals};
use crate::judge::{Ground, Judgement, SURE_MIN};
use crate::measure::{Cost, Measure};
use crate::proposal::ProposalId;
use crate::proposer::Withheld;
use crate::rise::Rise;
use crate::senders::Senders;
use crate::signature::{Matcher, Signature, Term};
use crate::specimen::Specimen;
use crate::storm::{Nature, Phase, Storm, StormId};
use crate::watch::KeptStorm;
use crate::window::Window;

/// Rates are told over so many seconds.
pub(crate) const RATE_SECS: u64 = 10;
/// From so many values on, a term is a list.
const LIST_MIN: usize = 3;
/// For so long a storm that is named by a list must last.
const PROVEN_AFTER: Duration = Duration::from_secs(8);
/// The latest exchanges of a storm that are kept, to be judged and to make a rule of.
const SEEN_MAX: usize = 512;

/// One storm or crowd with what is counted of it.
#[derive(Debug)]
pub(crate) struct Tracked {
    /// What is told of it.
    pub(crate) storm: Storm,
    /// Why it was judged as it was.
    pub(crate) grounds: Vec<Ground>,
    /// The rule proposed against it.
    pub(crate) proposal: Option<ProposalId>,
    /// Why it gets no rule.
    pub(crate) withheld: Option<Withheld>,
    /// Whether it was told of. What may be chance is followed for some seconds before.
    pub(crate) is_told: bool,
    /// Somebody declined a rule against it.
    pub(crate) is_declined: bool,
    /// When a rule against it is looked for again, and how often it was.
    pub(crate) look_at: UnixTime,
    pub(crate) looks: u32,
    /// How often in a row it was judged to be something else.
    pub(crate) doubts: u32,
    life: Lifecycle,
    series: Series,
    clients: Clients,
    senders: Senders,
    intervals: Intervals,
    /// The interval that showed before it settled.
    interval: Option<Interval>,
    signature: Matcher,
    described: Matcher,
    /// What it cost, by second, as far back as rates are told.
    seconds: VecDeque<(UnixTime, Cost)>,
    /// The latest exchanges, and how many each stands for.
    seen: VecDeque<(Arc<Specimen>, f64)>,
    /// Refused by rules and limits, since it was named.
    refused: f64,
    /// Requests per second that the past foretold for its signature.
    expected: f64,
    /// What the whole site cost per second before it.
    usual: Cost,
}

impl Tracked {
    pub(crate) fn new(
        id: StormId,
        rise: &Rise,
        judgement: Judgement,
        seen: &[(Arc<Specimen>, f64)],
        now: UnixTime,
    ) -> Self {
        let until_now = since(rise.onset, now).as_secs_f64();
        let mut share = rise.rate;
        for (share, site) in share.0.iter_mut().zip(rise.site.0) {
            *share = if site > 0.0 { (*share / site).min(1.0) } else { 0.0 };
        }
        let storm = Storm {
            id,
            nature: judgement.nature,
            signature: rise.signature.clone(),
            described: lasting(&rise.described),
            measure: rise.measure,
            onset: rise.onset,
            named: now,
            last: rise.last,
            phase: Phase::Growing,
            rate: rise.rate,
            peak: rise.rate,
            total: rise.rate.scaled(until_now),
            share,
            clients: Default::default(),
            collateral: None,
            confidence: judgement.confidence,
        };
        let measure = rise.measure;
        let mut tracked = Self {
            storm,
            grounds: judgement.grounds,
            proposal: None,
            withheld: None,
            is_told: false,
            is_declined: false,
            look_at: now,
            looks: 0,
            doubts: 0,
            life: Lifecycle::begin(rise.expected[measure], rise.excess[measure], now),
            series: Series::default(),
            clients: Clients::default(),
            senders: Senders::default(),
            intervals: Intervals::default(),
            interval: None,
            signature: Matcher::new(&rise.signature),
            described: Matcher::new(&lasting(&rise.described)),
            seconds: VecDeque::new(),
            seen: VecDeque::new(),
            refused: 0.0,
            expected: rise.expected[Measure::Requests],
            usual: rise.site_expected,
        };
        for (specimen, weight) in seen {
            tracked.count_one(specimen, *weight);
        }
        tracked.storm.clients = tracked.clients.count();
        tracked
    }

    /// One that an earlier process named.
    pub(crate) fn restore(kept: KeptStorm, now: UnixTime) -> Self {
        let life = Lifecycle::restore(kept.storm.phase, kept.expected, kept.level, now);
        Self {
            signature: Matcher::new(&kept.storm.signature),
            described: Matcher::new(&kept.storm.described),
            storm: kept.storm,
            grounds: vec![Ground::NamedBefore],
            proposal: None,
            withheld: None,
            is_told: true,
            is_declined: kept.is_declined,
            look_at: now,
            looks: 0,
            doubts: 0,
            life,
            series: Series::default(),
            clients: Clients::default(),
            senders: Senders::default(),
            intervals: Intervals::default(),
            interval: None,
            seconds: VecDeque::new(),
            seen: VecDeque::new(),
            refused: kept.refused,
            expected: kept.expected_requests,
            usual: kept.usual,
        }
    }

    /// As it outlives the process, without its proposal.
    pub(crate) fn kept(&self) -> KeptStorm {
        KeptStorm {
            storm: self.storm.clone(),
            expected: self.life.expected(),
            level: self.life.level(),
            expected_requests: self.expected,
            usual: self.usual,
            refused: self.refused,
            is_declined: self.is_declined,
            proposed: None,
        }
    }

    /// Counts one window.
    pub(crate) fn observe(
        &mut self,
        window: &Window,
        site: Cost,
        hysteresis: &Hysteresis,
        now: UnixTime,
    ) -> Option<Turn> {
        let (mut cost, mut refused) = (Cost::default(), 0.0);
        for specimen in &window.specimens {
            if !self.signature.matches(specimen) {
                continue;
            }
            let weight = window.weight(specimen);
            cost += specimen.cost.scaled(weight);
            refused += if specimen.is_refused { weight } else { 0.0 };
            self.count_one(specimen, weight);
            self.storm.last = self.storm.last.max(specimen.at);
        }
        self.count(window.from, cost, refused, site, now);
        let turn = self.life.step(self.level(), hysteresis, now);
        self.storm.phase = self.life.phase();
        turn
    }

    /// Takes what the detector says of it now: a better description of the same.
    pub(crate) fn redescribe(&mut self, rise: &Rise) {
        self.storm.signature = rise.signature.clone();
        self.storm.described = lasting(&rise.described);
        self.signature = Matcher::new(&rise.signature);
        self.described = Matcher::new(&self.storm.described);
        let signature = &self.signature;
        self.seen.retain(|(specimen, _)| signature.matches(specimen));
    }

    /// One that was over is back.
    pub(crate) fn revive(&mut self, rise: &Rise, now: UnixTime) -> Turn {
        let measure = rise.measure;
        let turn = self.life.revive(rise.expected[measure], rise.excess[measure], now);
        self.storm.measure = measure;
        self.storm.phase = self.life.phase();
        self.storm.rate = rise.rate;
        self.storm.last = rise.last;
        self.storm.total += rise.rate.scaled(since(rise.onset, now).as_secs_f64());
        self.seconds.clear();
        turn
    }

    /// Whether the exchange matches its signature.
    pub(crate) fn is_storm(&self, specimen: &Specimen) -> bool {
        self.signature.matches(specimen)
    }

    /// Whether the exchange has all that describes it.
    pub(crate) fn is_described(&self, specimen: &Specimen) -> bool {
        self.described.matches(specimen)
    }

    /// Its latest exchanges, and how many each stands for.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (&Specimen, f64)> {
        self.seen.iter().map(|(specimen, weight)| (&**specimen, *weight))
    }

    /// What its senders have in common.
    pub(crate) fn senders(&self) -> &Senders {
        &self.senders
    }

    /// How often a client comes back, where that shows.
    pub(crate) fn interval(&self) -> Option<Interval> {
        self.intervals.interval().or(self.interval)
    }

    /// Whether it is more than chance. A single value that costs much is; but of many values some few have always just
    /// had visitors, and a list that was chosen to hold them holds nobody a moment later. So a storm that is named by a
    /// list has to last, at half of its onset's rate.
    ///
    /// Nor is a storm told of while nothing but its own signature speaks for it: it may be anything. That nothing tells it
    /// from readers is worth saying, though.
    pub(crate) fn has_proven(&self, now: UnixTime) -> bool {
        let is_unsure = self.storm.confidence < SURE_MIN && !self.grounds.contains(&Ground::CannotSeparate);
        if self.is_a_storm() && is_unsure {
            return false;
        }
        if !is_list(&self.storm.signature) {
            return true;
        }
        since(self.storm.named, now) >= PROVEN_AFTER
            && self.level() - self.life.expected() >= 0.5 * self.life.level()
    }

    /// Whether it has had its time to prove that it is more than chance, and did not.
    pub(crate) fn has_failed(&self, now: UnixTime) -> bool {
        !self.is_told && since(self.storm.named, now) > PROVEN_AFTER && !self.has_proven(now)
    }

    /// Its curve.
    pub(crate) fn series(&self) -> &Series {
        &self.series
    }

    /// Requests of it that rules and limits refused.
    pub(crate) fn refused(&self) -> f64 {
        self.refused
    }

    /// Requests per second that the past foretold for its signature.
    pub(crate) fn expected(&self) -> f64 {
        self.expected
    }

    /// What the whole site cost per second before it.
    pub(crate) fn usual(&self) -> Cost {
        self.usual
    }

    /// From its onset to its last exchange.
    pub(crate) fn lasted(&self) -> Duration {
        since(self.storm.onset, self.storm.last)
    }

    /// Frees what is only needed while it is followed.
    pub(crate) fn settle(&mut self) {
        self.storm.phase = Phase::Cleared;
        self.storm.rate = Cost::default();
        self.storm.share = Cost::default();
        self.series.settle();
        self.seconds = VecDeque::new();
        self.seen = VecDeque::new();
        self.clients = Clients::default();
        self.senders.settle();
        self.interval = self.interval();
        self.intervals = Intervals::default();
    }

    fn count(&mut self, at: UnixTime, cost: Cost, refused: f64, site: Cost, now: UnixTime) {
        let storm = &mut self.storm;
        storm.total += cost;
        self.refused += refused;
        self.series.add(at, cost, refused);
        self.seconds.push_back((at, cost));
        forget_seconds(&mut self.seconds, now);
        // Before it is counted for some seconds, the detector's rate is the better one.
        if self.seconds.len() >= 5 || since(storm.named, now).as_secs() >= RATE_SECS {
            storm.rate = per_second(self.seconds.iter().copied(), now);
        }
        for measure in Measure::ALL {
            let m = measure as usize;
            storm.peak.0[m] = storm.peak.0[m].max(storm.rate.0[m]);
            storm.share.0[m] = if site.0[m] > 0.0 { (storm.rate.0[m] / site.0[m]).min(1.0) } else { 0.0 };
        }
        // A settled storm that returned counts its clients anew: they may be others.
        let clients = self.clients.count();
        if clients.value > storm.clients.value {
            storm.clients = clients;
        }
    }

    /// What the lifecycle looks at. What our own rules refuse costs the origin nothing, and is there all the same: then
    /// it is requests that are counted.
    fn level(&self) -> f64 {
        let storm = &self.storm;
        let rate = storm.rate[storm.measure];
        if storm.measure == Measure::Requests || self.refused == 0.0 {
            return rate;
        }
        let share_before = storm.peak[storm.measure] / storm.peak[Measure::Requests].max(f64::MIN_POSITIVE);
        rate.max(storm.rate[Measure::Requests] * share_before)
    }

    /// Counts an exchange that stands for `weight` of them.
    fn count_one(&mut self, specimen: &Arc<Specimen>, weight: f64) {
        self.clients.observe(specimen.client, weight);
        self.senders.absorb(specimen, weight);
        if weight <= 1.0 {
            self.intervals.observe(specimen.client, specimen.at);
        }
        self.keep(specimen, weight);
    }

    fn keep(&mut self, specimen: &Arc<Specimen>, weight: f64) {
        if self.seen.len() >= SEEN_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back((Arc::clone(specimen), weight));
    }
}

/// Whether one of the terms has many values: chosen to hold what just happened.
pub(crate) fn is_list(signature: &Signature) -> bool {
    let is_list = |term: &Term| matches!(term, Term::Fact { values, .. } if values.len() >= LIST_MIN);
    signature.terms.iter().any(is_list)
}

/// Without what becomes of the exchanges: that changes as soon as a rule refuses them.
fn lasting(described: &Signature) -> Signature {
    let is_outcome = |term: &Term| matches!(term.kind(), Some(FactKind::Status | FactKind::Cache));
    Signature::new(described.terms.iter().filter(|term| !is_outcome(term)).cloned())
}

/// Drops the seconds that rates no longer tell of.
pub(crate) fn forget_seconds(seconds: &mut VecDeque<(UnixTime, Cost)>, now: UnixTime) {
    while seconds.front().is_some_and(|(at, _)| since(*at, now).as_secs() > RATE_SECS) {
        seconds.pop_front();
    }
}

/// Cost per second over the seconds that are kept: at least one, at most [`RATE_SECS`].
pub(crate) fn per_second(seconds: impl Iterator<Item = (UnixTime, Cost)>, now: UnixTime) -> Cost {
    let (mut first, mut sum) = (None, Cost::default());
    for (at, cost) in seconds {
        first.get_or_insert(at);
        sum += cost;
    }
    let span = first.map_or(1.0, |first| since(first, now).as_secs_f64()).max(1.0);
    sum.scaled(1.0 / span)
}

impl Tracked {
    /// Whether it is a storm, and not a crowd.
    pub(crate) fn is_a_storm(&self) -> bool {
        self.storm.nature == Nature::Storm
    }
}
