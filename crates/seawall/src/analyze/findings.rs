//! What was found, as the data that text, JSON and pages are made of.

use seawall_config::print_rule;
use seawall_logs::{Reason, Tally as Lines};
use seawall_report::analysis::{
    Analysis, Bound, Cell, Collateral, Counted as CountedRequests, Course, Curve, Example, Log, Row, Rule,
    Step, Storm, Table, Time, Top, TopValue, Totals, Zone,
};
use seawall_rules::definition::describe;
use seawall_rules::rule::Rule as Definition;
use seawall_storm::time_zone::{ZoneAnswer, time_zone};
use seawall_storm::{Estimate, Measure, Nature, Proposal, Signature, StormView};

use super::coverage::{Read, span};
use super::distinct::Distinct;
use super::fact::Shown;
use super::survey::{Found, Survey};
use super::tally::{self, Counted, parts};
use super::watching::Watching;

/// Everything that the reading came to.
pub(super) struct Findings<'a> {
    pub(super) survey: &'a Survey,
    pub(super) logs: &'a [Read],
    pub(super) found: &'a Found,
    /// Requests that came too late for the watch.
    pub(super) late: u64,
    pub(super) watching: &'a Watching,
    /// Values of each top, and rows of each table.
    pub(super) most: usize,
}

impl Findings<'_> {
    pub(super) fn analysis(&self, warnings: Vec<String>) -> Analysis {
        let views = self.views();
        let of = |is_storm: bool| {
            let views = views.iter().filter(move |view| (view.storm.nature == Nature::Storm) == is_storm);
            views.map(|view| storm(view, self.watching)).collect()
        };
        Analysis {
            version: 1,
            program: format!("seawall {}", env!("CARGO_PKG_VERSION")),
            logs: self.logs.iter().map(log).collect(),
            totals: self.totals(),
            course: course(&self.found.totals.course),
            storms: of(true),
            crowds: of(false),
            counted: self.counted(),
            tops: self.found.tally.tops.iter().flat_map(|counted| self.tops(counted)).collect(),
            tables: self.found.tally.tables.iter().map(|counted| self.table(counted)).collect(),
            unknown: self.unknown(),
            warnings,
        }
    }

    /// Storms and crowds, the earliest first.
    fn views(&self) -> Vec<StormView<'_>> {
        let Some(watch) = self.watching.watch() else { return Vec::new() };
        let mut views: Vec<StormView<'_>> =
            watch.storms().filter_map(|storm| watch.storm(storm.id)).collect();
        views.sort_by_key(|view| (view.storm.onset, view.storm.id));
        views
    }

    fn totals(&self) -> Totals {
        let totals = &self.found.totals;
        let told = |measure| totals.told.measures().any(|told| told == measure);
        let (from, to) = span(self.logs);
        Totals {
            requests: totals.all[Measure::Requests],
            bytes: totals.all[Measure::BytesSent],
            origin_bytes: told(Measure::OriginBytes).then(|| totals.all[Measure::OriginBytes]),
            origin_seconds: told(Measure::OriginTime).then(|| seconds(totals.all[Measure::OriginTime])),
            no_requests: totals.no_requests,
            left_out: totals.left_out,
            late: self.late,
            gaps: self.watching.gaps(),
            from: from.map(|at| Time(at.as_secs())),
            to: to.map(|at| Time(at.as_secs())),
        }
    }

    fn counted(&self) -> CountedRequests {
        let tally = &self.found.tally;
        CountedRequests {
            conditions: self.survey.filter.texts().to_vec(),
            requests: tally.total[Measure::Requests],
            bytes: tally.total[Measure::BytesSent],
            clients: clients(&tally.clients),
            unjudged: tally.unjudged,
        }
    }

    /// By each measure that the log tells of; none of a fact that no line shows.
    fn tops(&self, counted: &Counted) -> Vec<Top> {
        let measures = self.found.totals.told.measures();
        let tops = measures.map(|measure| self.top(counted, measure));
        if counted.sketch.len() == 0 { Vec::new() } else { tops.collect() }
    }

    fn top(&self, counted: &Counted, measure: Measure) -> Top {
        let (sketch, all) = (&counted.sketch, self.found.tally.total[measure]);
        let told = |of| self.found.totals.told.measures().any(|told| told == of);
        let values = sketch.greatest(measure, self.most).into_iter().map(|(key, held)| TopValue {
            value: parts(key).into_iter().find(|part| part.0 == Shown::Value).map(|part| part.1),
            share: ratio(held.sum[measure], all),
            requests: held.sum[Measure::Requests],
            bytes: held.sum[Measure::BytesSent],
            origin_bytes: told(Measure::OriginBytes).then(|| held.sum[Measure::OriginBytes]),
            origin_seconds: told(Measure::OriginTime).then(|| seconds(held.sum[Measure::OriginTime])),
            error: held.missed[measure],
        });
        Top {
            fact: counted.facts[0].as_str().to_owned(),
            measure: measure.as_str().to_owned(),
            exact: sketch.is_exact(),
            distinct: distinct(counted),
            not_shown: counted.unknown[Measure::Requests],
            values: values.collect(),
        }
    }

    fn table(&self, counted: &Counted) -> Table {
        let all = self.found.tally.total[Measure::Requests];
        let mut rows: Vec<Row> = counted
            .sketch
            .greatest(Measure::Requests, self.most)
            .into_iter()
            .map(|(key, held)| Row {
                values: parts(key).into_iter().map(cell).collect(),
                requests: held.sum[Measure::Requests],
                error: held.missed[Measure::Requests],
                share: ratio(held.sum[Measure::Requests], all),
                bytes: held.sum[Measure::BytesSent],
                clients: clients(&held.clients),
            })
            .collect();
        // What is asked for by time is read in its order.
        if counted.facts[0].is_of_time() {
            rows.sort_by(|one, other| one.values.first().cmp(&other.values.first()));
        }
        let shown: u64 = rows.iter().map(|row| row.requests).sum();
        let not_shown = counted.unknown[Measure::Requests];
        Table {
            facts: counted.facts.iter().map(|fact| fact.as_str().to_owned()).collect(),
            exact: counted.sketch.is_exact(),
            distinct: distinct(counted),
            rows,
            other_requests: all.saturating_sub(shown + not_shown),
            not_shown,
        }
    }

    /// What a reader may wonder about, and the log does not say.
    fn unknown(&self) -> Vec<String> {
        let mut unknown = Vec::new();
        if self.survey.watches {
            unknown.extend(self.unwatched());
        }
        let all = self.found.tally.total[Measure::Requests];
        let hidden: Vec<&str> = self
            .found
            .tally
            .tops
            .iter()
            .filter(|top| all > 0 && top.unknown[Measure::Requests] == all && !top.facts[0].is_of_place())
            .map(|top| top.facts[0].as_str())
            .collect();
        if !hidden.is_empty() {
            unknown.push(format!("the log does not show: {}", hidden.join(", ")));
        }
        let told: Vec<Measure> = self.found.totals.told.measures().collect();
        if all > 0 && !told.contains(&Measure::OriginBytes) {
            unknown.push(
                "the log does not tell what came from a cache: all bytes count as the origin's".to_owned(),
            );
        }
        unknown
    }

    fn unwatched(&self) -> Option<String> {
        let Some(watch) = self.watching.watch() else {
            return Some(
                "storms were not looked for: no line has both a time and a client's address".to_owned(),
            );
        };
        (!watch.learns_for().is_zero())
            .then(|| "nothing can be called a storm: the log is too short to tell what is usual".to_owned())
    }
}

fn log(read: &Read) -> Log {
    let lines: &Lines = &read.tally;
    let rejected = Reason::ALL.iter().filter(|reason| lines.rejected(**reason) > 0);
    Log {
        name: read.name.clone(),
        formats: read.formats.iter().map(|format| format.name().to_owned()).collect(),
        lines: lines.lines,
        rejected: rejected
            .map(|reason| (reason.as_str().to_owned(), lines.rejected(*reason).into()))
            .collect(),
        examples: lines
            .examples
            .iter()
            .map(|example| Example {
                line: example.line,
                reason: example.reason.as_str().to_owned(),
                text: example.snippet.clone(),
            })
            .collect(),
    }
}

fn course(course: &tally::Course) -> Course {
    let (step_seconds, points) = course.points(COURSE_STEPS);
    let step = |(at, requests, bytes)| Step { at: Time(at), requests, bytes };
    Course { step_seconds, steps: points.into_iter().map(step).collect() }
}

/// A storm or crowd.
pub(super) fn storm(view: &StormView<'_>, watching: &Watching) -> Storm {
    let storm = view.storm;
    let collateral = storm.collateral.map(|collateral| Collateral {
        requests: bound(collateral.requests),
        clients: bound(collateral.clients),
        sample: collateral.sample,
    });
    let zone = match time_zone(&view.series.hours()) {
        ZoneAnswer::Zone(zone) => Some(Zone {
            offset_hours: zone.offset_hours,
            uncertainty_hours: zone.uncertainty_hours,
            days: zone.days,
        }),
        ZoneAnswer::TooEarly { .. } | ZoneAnswer::NoRhythm => None,
    };
    Storm {
        id: storm.id.to_string(),
        nature: storm.nature.as_str().to_owned(),
        confidence: storm.confidence,
        phase: storm.phase.as_str().to_owned(),
        signature: terms(&storm.signature),
        described: terms(&storm.described),
        grounds: view.grounds.iter().map(ToString::to_string).collect(),
        onset: Time(storm.onset.as_secs()),
        last: Time(storm.last.as_secs()),
        requests: storm.total[Measure::Requests].round(),
        bytes: storm.total[Measure::BytesSent].round(),
        clients: bound(storm.clients),
        peak_requests_per_second: storm.peak[Measure::Requests],
        curve: watching.curve(storm.id).map(|curve| Curve {
            from: Time(curve.from.as_secs()),
            step_seconds: curve.step,
            requests_per_second: curve.points.clone(),
        }),
        rule: watching.proposal(storm.id).map(rule),
        no_rule: view.withheld.map(|why| why.to_string()),
        collateral,
        time_zone: zone,
    }
}

fn rule(proposal: &Proposal) -> Rule {
    Rule {
        name: proposal.rule.name.clone(),
        description: describe(&proposal.rule),
        // Without its expiry, which is a time of the log: the storm is over by now, and whoever takes the rule knows for
        // how long.
        toml: print_rule(&Definition { expires: None, ..proposal.rule.clone() }),
    }
}

fn terms(signature: &Signature) -> Vec<String> {
    signature.terms.iter().map(ToString::to_string).collect()
}

fn bound(estimate: Estimate) -> Bound {
    Bound { value: estimate.value, upper: estimate.upper }
}

fn clients(distinct: &Distinct) -> Bound {
    let (value, upper) = distinct.estimate();
    Bound { value: value.round(), upper: upper.round() }
}

fn distinct(counted: &Counted) -> Option<u64> {
    counted.sketch.is_exact().then(|| counted.sketch.len() as u64)
}

fn cell((shown, value): (Shown, String)) -> Cell {
    match shown {
        Shown::Unknown => Cell::NotShown,
        Shown::Absent => Cell::Absent,
        Shown::Value => Cell::Value(value),
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn ratio(part: u64, all: u64) -> f64 {
    part as f64 / all.max(1) as f64
}

/// Twice a page's width in characters.
const COURSE_STEPS: usize = 400;
