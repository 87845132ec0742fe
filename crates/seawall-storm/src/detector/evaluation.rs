//! [`Evaluation`]: one scale's present against its past: what is hot, what explains it, and whether that is a rise.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use seawall_http::UnixTime;

use super::company::{Company, began_together};
use super::novelty::{self, Novelty};
use super::recent::Recent;
use super::{Settings, scales};
use crate::baseline::{Baseline, Cells, KeyHash, Past, Span};
use crate::estimate::Weights;
use crate::explain::{self, Before, Explanation, Growth, Holder, Point, Question};
use crate::fact::FactKind;
use crate::measure::{Cost, Measure};
use crate::rise::{Profile, Rise, Scale};
use crate::signature::Matcher;
use crate::specimen::{FactKey, Specimen};
use crate::window::Window;

/// One scale's present against its past.
pub(super) struct Evaluation<'a> {
    pub(super) settings: &'a Settings,
    pub(super) scale: Scale,
    pub(super) recent: &'a Recent,
    pub(super) past: &'a Past,
    cells: &'a mut Cells,
    site_past: &'a mut Option<Profile>,
    /// All there is.
    everything: Vec<Point<'a>>,
    /// What is not explained yet.
    present: Vec<Point<'a>>,
    /// What single values cost, of those that enough of the present's specimens have: until something is left out.
    values: Option<Vec<Value>>,
    /// The past; looked at when something is hot.
    before: Option<Before<'a>>,
    /// What is left out of it from the beginning.
    peeled: Vec<Matcher>,
    growth: Option<Growth>,
    pub(super) failures: Failures,
    /// Of what was found hottest last.
    heat: f64,
    site: Cost,
    usual: Cost,
}

/// A value, and what it costs per second now; with squares, by which chance is told.
#[derive(Debug)]
struct Value {
    kind: FactKind,
    key: FactKey,
    cost: Cost,
    squares: Cost,
    specimens: usize,
}

/// What was told a moment ago, and what need not be looked up again.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) explanation: Explanation,
    pub(super) measure: Measure,
    pub(super) history: History,
    pub(super) first: UnixTime,
    pub(super) explained: UnixTime,
}

/// When something was hot and no rise, and how hot, by what was looked at and by measure. A visitor's download is hot for
/// seconds; it is looked at again when it is hotter, or after a while.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures([[(UnixTime, f64); 4]; 2]);

/// For so long, and unless it becomes so much hotter, what was no rise is not looked at again.
const FAILED: Duration = Duration::from_secs(3);
const HOTTER: f64 = 1.15;

impl Failures {
    fn cool(&self, by_sender: bool, hot: &mut [f64; 4], now: UnixTime) {
        for (heat, (at, failed)) in hot.iter_mut().zip(self.0[usize::from(by_sender)]) {
            if now < at.saturating_add(FAILED) && *heat < failed * HOTTER {
                *heat = 0.0;
            }
        }
    }
}

/// What windows and pasts tell of a rise.
#[derive(Clone, Copy, Debug)]
pub(super) struct History {
    pub(super) onset: UnixTime,
    /// Of cost per second in the past.
    pub(super) variance: f64,
    pub(super) precedent: Profile,
    pub(super) same_hour: Option<Cost>,
    /// Who else came for the same.
    pub(super) company: Option<Company>,
    /// Senders before, in what the scale is compared with, and how new it is by the longest past.
    pub(super) senders: usize,
    pub(super) novelty: Novelty,
}

/// A value is looked at if its excess is three standard deviations of chance: so squared.
const CHANCE: f64 = 9.0;

/// What is new is told from this share of the floor on.
const FLOOR_OF_NEW: f64 = 0.5;

/// What is new comes from many, few of whom send more than this.
const EACH_SENDS_MAX: usize = 3;

/// A rise goes back to where it is above this share of its excess.
const ONSET_SHARE: f64 = 0.25;

/// What comes of no more clients than this must show in nearly all of so many seconds.
const FEW_CLIENTS: usize = 16;
const FEW_SECONDS: usize = 10;

/// So many of a few seconds may be below, within a rise.
const GAPS_MAX: usize = 2;

/// Before its onset it is not there for so many seconds, and for as long as so many requests of it take on average.
const GAP_SECONDS: f64 = 2.0;
const GAP_REQUESTS: f64 = 5.0;

impl<'a> Evaluation<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        scale: Scale,
        (recent, present): (&'a Recent, &'a Window),
        (past, cells): (&'a Past, &'a mut Cells),
        site_past: &'a mut Option<Profile>,
        failures: Failures,
    ) -> Self {
        let seconds = seconds_of(present).max(1.0);
        let specimens = present.specimens.iter();
        let points = specimens.map(|specimen| Point { specimen, rate: present.weight(specimen) / seconds });
        let points: Vec<Point<'a>> = points.collect();
        let baseline = past.span(scales::span(scale));
        Self {
            settings,
            scale,
            recent,
            past,
            cells,
            site_past,
            everything: points.clone(),
            present: points,
            values: None,
            before: None,
            peeled: Vec::new(),
            growth: None,
            failures,
            heat: 0.0,
            site: present.total.scaled(1.0 / seconds),
            usual: baseline.total_rate(),
        }
    }

    /// What was told before, if it still rises, and then what else there is: what sends first, since that stands out in
    /// a crowd too, and a crowd that was told must not hide it.
    pub(super) fn rises(&mut self, told: &[Told]) -> Vec<(Rise, Told)> {
        let (senders, others): (Vec<&Told>, Vec<&Told>) =
            told.iter().partition(|told| told.explanation.by_sender);
        let mut rises = Vec::new();
        self.tell_again(&senders, &mut rises);
        self.tell(true, &mut rises);
        self.tell_again(&others, &mut rises);
        self.tell(false, &mut rises);
        rises
    }

    fn tell_again(&mut self, told: &[&Told], rises: &mut Vec<(Rise, Told)>) {
        for told in told {
            if let Some(rise) = self.rise(&told.explanation, told.measure, Some(told)) {
                rises.push(rise);
            }
        }
    }

    fn tell(&mut self, by_sender: bool, rises: &mut Vec<(Rise, Told)>) {
        let mut barred = [false; 4];
        while rises.len() < self.settings.rises_max {
            let Some(measure) = self.hottest(by_sender, barred) else { return };
            let explanation = self.explain(measure, by_sender);
            match explanation.and_then(|explanation| self.rise(&explanation, measure, None)) {
                Some(rise) => rises.push(rise),
                None => {
                    barred[measure as usize] = true;
                    self.failures.0[usize::from(by_sender)][measure as usize] =
                        (self.recent.until(), self.heat);
                }
            }
        }
    }

    /// How everything else has grown; looked at once, and only when something is hot.
    fn growth(&mut self) -> Growth {
        if let Some(growth) = self.growth {
            return growth;
        }
        self.look_back();
        let growth =
            self.before.as_ref().map_or(Growth::NONE, |before| Growth::between(before, &self.present));
        self.growth = Some(growth);
        growth
    }

    /// Leaves out what is explained.
    pub(super) fn peel(&mut self, rises: &[Rise]) {
        self.peeled = rises.iter().map(|rise| Matcher::new(&rise.signature)).collect();
        for matcher in &self.peeled {
            self.present.retain(|point| !matcher.matches(point.specimen));
        }
    }

    fn baseline(&self) -> &'a Baseline {
        self.past.span(scales::span(self.scale))
    }

    /// The past without what is left out; taken up if it is not yet.
    fn look_back(&mut self) -> &mut Before<'a> {
        let baseline = self.baseline();
        self.before.get_or_insert_with(|| {
            let mut before = Before::of(baseline);
            self.peeled.iter().for_each(|matcher| before.peel(matcher));
            before
        })
    }

    /// The measure by which some single value costs most beyond its past, if that is anybody's trouble.
    fn hottest(&mut self, by_sender: bool, barred: [bool; 4]) -> Option<Measure> {
        if self.hot(by_sender, 1.0, barred) == [0.0; 4] {
            return None;
        }
        // Something is; but perhaps everything grows.
        let Growth { senders, all } = self.growth();
        let mut hot = self.hot(by_sender, if by_sender { senders } else { all }, barred);
        self.failures.cool(by_sender, &mut hot, self.recent.until());
        let heat = |measure: &Measure| hot[*measure as usize];
        let hottest = Measure::ALL.into_iter().max_by(|one, other| heat(one).total_cmp(&heat(other)))?;
        self.heat = heat(&hottest);
        (self.heat > 0.0).then_some(hottest)
    }

    /// By measure, how much a single value costs beyond its past in terms of what is anybody's trouble; 0 if that is
    /// less than 1.
    fn hot(&mut self, by_sender: bool, growth: f64, barred: [bool; 4]) -> [f64; 4] {
        let (least, least_new) = (self.least(growth), self.least_new(growth));
        let measures = || Measure::ALL.into_iter().filter(|measure| !barred[*measure as usize]);
        let values = self.values.take().unwrap_or_else(|| values_of(&self.present, novelty::SENDERS_MIN));
        let costly = || {
            let of_kind = values.iter().filter(|value| !by_sender || explain::SENDER.contains(&value.kind));
            of_kind.filter(|value| measures().any(|measure| value.cost[measure] >= least_new[measure]))
        };
        let baseline = self.past.span(scales::span(self.scale));
        self.cells.look_up(baseline, costly().map(|value| (value.kind, value.key)));
        let mut hot = [0.0; 4];
        for Value { key, cost, squares, specimens, .. } in costly() {
            let (past, known) = self.cells.get(*key);
            let is_new = |measure| {
                cost[measure] - growth * past[measure] >= explain::PURITY_OF_SENDERS * cost[measure]
            };
            for measure in measures().filter(|measure| cost[*measure] >= least_new[*measure]) {
                let excess = cost[measure] - growth * past[measure];
                let is_pure = !by_sender || is_new(measure) && is_new(Measure::Requests);
                let is_risen = || {
                    excess >= least[measure]
                        && *specimens >= self.settings.specimens_min
                        && excess * excess >= CHANCE * squares[measure]
                };
                if excess >= least_new[measure]
                    && is_pure
                    && (is_risen() || self.may_be_new(*key, known, growth))
                {
                    hot[measure as usize] = f64::max(hot[measure as usize], excess / least_new[measure]);
                }
            }
        }
        self.values = Some(values);
        hot
    }

    /// Whether so many senders have the value now that it may be new.
    fn may_be_new(&self, key: FactKey, known: u32, growth: f64) -> bool {
        let having = self.present.iter().filter(|point| point.specimen.keys.contains(&key));
        let now = novelty::senders(having.map(|point| &**point.specimen));
        // An exchange of the past is a sender at most; that the fewest of a conjunction are, is looked at later.
        let before = (known as usize).min(now);
        now >= novelty::SENDERS_MIN && before < now && self.novelty(now, before, growth).is_certain()
    }

    fn novelty(&self, now: usize, before: usize, growth: f64) -> Novelty {
        let past = self.past.span(scales::span(self.scale));
        Novelty::of(now, self.scale.span(), before, novelty::exposure(past), growth)
    }

    /// The least excess per second that is anybody's trouble, by measure.
    fn least(&self, growth: f64) -> Cost {
        self.least_above(growth, 1.0)
    }

    /// The same for what is new altogether.
    fn least_new(&self, growth: f64) -> Cost {
        self.least_above(growth, FLOOR_OF_NEW)
    }

    fn least_above(&self, growth: f64, floor: f64) -> Cost {
        let of = |measure: Measure| {
            (self.settings.share_min * growth * self.usual[measure]).max(floor * self.settings.floor[measure])
        };
        Cost(Measure::ALL.map(of))
    }

    fn explain(&mut self, measure: Measure, by_sender: bool) -> Option<Explanation> {
        let now = self.recent.until();
        let pasts: Vec<&Baseline> = self.past.all(now).filter(|baseline| !baseline.is_empty()).collect();
        let growth = self.growth();
        let least = self.least_new(growth.all)[measure];
        self.look_back();
        let question = Question {
            present: &self.present,
            past: self.before.as_ref()?,
            pasts: &pasts,
            measure,
            growth,
            least,
            by_sender,
        };
        explain::explain(&question, self.settings)
    }

    /// The explanation as a rise, if it is great enough, lasts, and is beyond its past's own variation. What matches it
    /// is left out from then on.
    fn rise(
        &mut self,
        explanation: &Explanation,
        measure: Measure,
        told: Option<&Told>,
    ) -> Option<(Rise, Told)> {
        let matcher = &explanation.holder;
        let (matched, present): (Vec<Point<'a>>, Vec<Point<'a>>) =
            self.present.iter().partition(|point| matcher.matches(point.specimen));
        let baseline = self.baseline();
        let before = self.look_back();
        let known = before.still(&matcher.places(baseline));
        let growth = explanation.growth;
        let (rate, expected) = (cost_of(&matched), before.cost(&known).scaled(growth));
        let excess = above(rate, expected);
        let mut weights = Weights::default();
        matched.iter().for_each(|point| weights.add(point.rate * point.specimen.cost[measure]));
        let senders = novelty::senders(matched.iter().map(|point| &**point.specimen));
        let before_senders = told.map_or_else(
            || novelty::senders(known.iter().map(|place| baseline.specimen(place))),
            |told| told.history.senders,
        );
        let each_sends_little = matched.len() <= EACH_SENDS_MAX * senders;
        let novelty = self.novelty(senders, before_senders, growth);
        let may_be_new = novelty.is_certain()
            && each_sends_little
            && weights.effective() >= 0.5 * novelty::SENDERS_MIN as f64
            && excess[measure] >= self.least_new(growth)[measure];
        let is_risen = excess[measure] >= self.least(growth)[measure]
            && weights.effective() >= self.settings.specimens_min as f64
            && excess[measure] >= self.settings.significance_min * weights.squares().sqrt();
        if !is_risen && !may_be_new {
            return None;
        }
        let history = match told {
            Some(told) => told.history,
            None => {
                let is_of_few = senders <= FEW_CLIENTS && !may_be_new;
                let amounts = (expected[measure], excess[measure]);
                let mut history = self.history(
                    matcher,
                    is_of_few,
                    measure,
                    amounts,
                    (senders, before_senders, rate[Measure::Requests]),
                )?;
                history.company = self.company(matcher, &matched, history.onset, growth);
                history
            }
        };
        let company =
            history.company.map(|company| company.of(&self.everything, |specimen| matcher.matches(specimen)));
        let variance = weights.squares() + growth * growth * history.variance;
        let mut significance =
            if is_risen { excess[measure] / variance.max(f64::MIN_POSITIVE).sqrt() } else { 0.0 };
        let novelty = novelty.and(history.novelty);
        if may_be_new && novelty.is_certain() {
            significance = significance.max(novelty.deviations());
        }
        if significance < self.settings.significance_min {
            return None;
        }
        self.look_back().leave_out(&known);
        (self.present, self.values) = (present, None);
        let whole = self.site[measure] - growth * self.usual[measure];
        let now = self.recent.until();
        let told = Told {
            explanation: explanation.clone(),
            measure,
            history,
            first: told.map_or(now, |told| told.first),
            explained: told.map_or(now, |told| told.explained),
        };
        let rise = Rise {
            signature: explanation.signature.clone(),
            described: explanation.described.clone(),
            scale: self.scale,
            measure,
            rate,
            expected,
            excess,
            site: self.site,
            site_expected: self.usual,
            growth,
            recall: (excess[measure] / whole.max(excess[measure])).clamp(0.0, 1.0),
            onset: history.onset,
            last: matched.iter().map(|point| point.specimen.at).max()?,
            significance,
            confidence: confidence(significance, excess[measure] / rate[measure]),
            specimens: matched.iter().map(|point| Arc::clone(point.specimen)).collect(),
            company: company.unwrap_or_default(),
            profile: profile_of(matched.iter().map(|point| (point.specimen, point.rate))),
            past: self.site_past(),
            precedent: history.precedent,
            same_hour: history.same_hour,
            known: self.past.span(scales::span(self.scale)).known(),
        };
        Some((rise, told))
    }

    /// What the site's traffic of the last minutes looked like.
    fn site_past(&mut self) -> Profile {
        let past = self.past;
        *self.site_past.get_or_insert_with(|| {
            let members = past.span(Span::Minutes).specimens();
            profile_of(members.map(|weighted| (weighted.specimen, weighted.rate)))
        })
    }

    /// What the windows and pasts tell of it. None if it shows in too few of the present's windows.
    fn history(
        &self,
        matcher: &Holder,
        is_of_few: bool,
        measure: Measure,
        (expected, excess): (f64, f64),
        (now, senders, requests): (usize, usize, f64),
    ) -> Option<History> {
        let least = expected + ONSET_SHARE * excess;
        let is_above = |window: &&Window| {
            let members = window.specimens.iter().filter(|specimen| matcher.matches(specimen));
            let sum: f64 = members.map(|specimen| window.weight(specimen) * specimen.cost[measure]).sum();
            sum / seconds_of(window).max(1.0) >= least
        };
        if !self.lasts(is_above, is_of_few) {
            return None;
        }
        let onset = self.onset(|specimen| matcher.matches(specimen), is_above, requests)?;
        let same_hour = self.past.same_hour(self.recent.until());
        let precedent = self.precedent(matcher, onset);
        let longest = novelty::exposure(self.past.longest());
        let before = precedent.clients.distinct as usize;
        Some(History {
            onset,
            variance: self.variance(matcher, measure),
            precedent,
            company: None,
            senders,
            novelty: Novelty::of(now, self.scale.span(), before, longest, 1.0),
            same_hour: same_hour.map(|hour| hour.rate(|specimen| matcher.matches(specimen))),
        })
    }

    /// Who else came for the same thing, from about the same time on.
    fn company(
        &self,
        matcher: &Holder,
        matched: &[Point<'_>],
        onset: UnixTime,
        growth: f64,
    ) -> Option<Company> {
        let is_member = |specimen: &Specimen| matcher.matches(specimen);
        let (present, past) = (&self.everything, points_of(self.baseline()));
        let company = Company::find(matched, is_member, (present, &past), growth)?;
        let is_one = |specimen: &Specimen| company.is_one(specimen, is_member);
        let now: f64 = present.iter().filter(|point| is_one(point.specimen)).map(|point| point.rate).sum();
        let is_above = |window: &&Window| {
            let others = window.specimens.iter().filter(|specimen| is_one(specimen));
            let sum: f64 = others.map(|specimen| window.weight(specimen)).sum();
            sum / seconds_of(window).max(1.0) >= ONSET_SHARE * now
        };
        let began = self.onset(is_one, is_above, now)?;
        began_together(began, onset).then_some(company)
    }

    /// What matched before, in the longest past.
    fn precedent(&self, matcher: &Holder, onset: UnixTime) -> Profile {
        let longest = self.past.longest();
        let places = matcher.places(longest);
        let members = longest.weighted_at(&places).filter(|weighted| weighted.specimen.at < onset);
        profile_of(members.map(|weighted| (weighted.specimen, weighted.rate)))
    }

    /// Whether it shows in enough of the present's windows. A few visitors' pages load for some seconds, and are no rise:
    /// what comes of so few must last for longer than a page takes.
    fn lasts(&self, is_above: impl Fn(&&Window) -> bool, is_of_few: bool) -> bool {
        if is_of_few && matches!(self.scale, Scale::Seconds | Scale::QuarterMinute) {
            let steps = self.recent.steps(Scale::Seconds);
            let latest = steps.iter().rev().take(FEW_SECONDS).filter(|window| is_above(window));
            return latest.count() >= FEW_SECONDS - GAPS_MAX;
        }
        self.recent.of(self.scale).filter(is_above).count() >= scales::lasting(self.scale, self.settings)
    }

    /// When it began: the first of the windows in a row in which it is above a part of its excess.
    fn onset(
        &self,
        is_member: impl Fn(&Specimen) -> bool,
        is_above: impl Fn(&&Window) -> bool,
        requests: f64,
    ) -> Option<UnixTime> {
        let mut onset = None;
        let mut gap = Duration::ZERO;
        let pause = Duration::from_secs_f64((GAP_REQUESTS / requests.max(0.1)).max(GAP_SECONDS));
        for window in self.recent.steps(self.scale).iter().rev() {
            if is_above(window) {
                let first = window.specimens.iter().filter(|specimen| is_member(specimen));
                onset = first.map(|specimen| specimen.at).min().or(onset);
                gap = Duration::ZERO;
            } else {
                gap += Duration::from_millis(window.until.0.saturating_sub(window.from.0));
            }
            if gap > pause && onset.is_some() {
                break;
            }
        }
        onset
    }

    /// Variance of the past's cost per second over the scale's span: of the steps in which it is known.
    fn variance(&self, matcher: &Holder, measure: Measure) -> f64 {
        let baseline = self.past.span(scales::span(self.scale));
        let step = scales::step(self.scale).as_millis() as u64;
        let end =
            baseline.specimens().map(|weighted| weighted.specimen.at.0).max().unwrap_or_default() / step;
        let known = baseline.known().min(scales::reach(self.scale)).as_millis() as u64 / step;
        let mut steps = vec![0.0; usize::try_from(known).unwrap_or(0)];
        for weighted in baseline.weighted_at(&matcher.places(baseline)) {
            let age = end.saturating_sub(weighted.specimen.at.0 / step) as usize;
            if let Some(sum) = steps.get_mut(age) {
                *sum += weighted.requests * weighted.specimen.cost[measure];
            }
        }
        let seconds = step as f64 / 1000.0;
        let count = steps.len() as f64;
        if count < 2.0 {
            return 0.0;
        }
        let mean = steps.iter().sum::<f64>() / count;
        let squares: f64 = steps.iter().map(|sum| (sum - mean).powi(2)).sum();
        // A shorter span varies more than the step; of a longer one nothing better is known.
        let shorter = (seconds / self.scale.span().as_secs_f64()).max(1.0);
        squares / (count - 1.0) / (seconds * seconds) * shorter
    }
}

/// 0 to 1: that it is no chance, and that what matches is new.
fn confidence(significance: f64, purity: f64) -> f64 {
    let is_real = 1.0 - (-significance / 3.0).exp();
    (is_real * purity).clamp(0.0, 1.0)
}

fn points_of(baseline: &Baseline) -> Vec<Point<'_>> {
    baseline.specimens().map(|weighted| Point { specimen: weighted.specimen, rate: weighted.rate }).collect()
}

/// What the values cost that at least `specimens_min` of these specimens have.
fn values_of(present: &[Point<'_>], specimens_min: usize) -> Vec<Value> {
    let costs: Vec<Cost> = present.iter().map(|point| point.specimen.cost.scaled(point.rate)).collect();
    let mut values = Vec::new();
    let mut numbers: HashMap<FactKey, u32, KeyHash> = HashMap::default();
    let mut counts: Vec<u32> = Vec::new();
    let mut number_of: Vec<u32> = Vec::with_capacity(present.len());
    for kind in explain::SEARCHED {
        numbers.clear();
        counts.clear();
        number_of.clear();
        for point in present {
            let next = counts.len() as u32;
            let number = *numbers.entry(point.specimen.key(kind)).or_insert(next);
            if number == next {
                counts.push(0);
            }
            counts[number as usize] += 1;
            number_of.push(number);
        }
        if let Some(unknown) = numbers.get(&FactKey::UNKNOWN) {
            counts[*unknown as usize] = 0;
        }
        // From here on, the place among the values that count.
        let mut places = vec![usize::MAX; counts.len()];
        for ((point, cost), number) in present.iter().zip(&costs).zip(&number_of) {
            if (counts[*number as usize] as usize) < specimens_min.max(1) {
                continue;
            }
            let place = &mut places[*number as usize];
            if *place == usize::MAX {
                *place = values.len();
                let key = point.specimen.key(kind);
                let specimens = counts[*number as usize] as usize;
                values.push(Value { kind, key, cost: Cost::default(), squares: Cost::default(), specimens });
            }
            let value = &mut values[*place];
            value.cost += *cost;
            value.squares += Cost(cost.0.map(|cost| cost * cost));
        }
    }
    values
}

fn cost_of(points: &[Point<'_>]) -> Cost {
    points.iter().fold(Cost::default(), |sum, point| sum + point.specimen.cost.scaled(point.rate))
}

fn above(rate: Cost, expected: Cost) -> Cost {
    Cost(Measure::ALL.map(|measure| (rate[measure] - expected[measure]).max(0.0)))
}

fn seconds_of(window: &Window) -> f64 {
    Duration::from_millis(window.until.0.saturating_sub(window.from.0)).as_secs_f64()
}

/// Of specimens, each with the requests per second that it stands for.
pub(super) fn profile_of<'a>(members: impl Iterator<Item = (&'a Arc<Specimen>, f64)>) -> Profile {
    let members: Vec<(&Specimen, f64)> = members.map(|(specimen, rate)| (&**specimen, rate)).collect();
    Profile::of(&members, Duration::from_secs(1))
}
