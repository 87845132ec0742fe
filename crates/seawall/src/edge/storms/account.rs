//! A storm's [`Account`]: everything that is known of it, for its report.

use std::time::Duration;

use seawall_config::print_rule;
use seawall_http::UnixTime;
use seawall_report::{
    Account, Action, Bound, Collateral, Costs, Effect, Interval, Network, Point, Top, TopValue, Week, Zone,
};
use seawall_storm::time_zone::{Hour, Rest, ZoneAnswer, time_zone, week};
use seawall_storm::{Cost, Estimate, FactKind, FactValue, Measure, Series, Step, StormView};

use super::diary::Entry;
use super::view::Viewer;

/// What is known beside the storm itself.
pub(super) struct Around<'a> {
    /// The hosts of the sites.
    pub(super) site: String,
    /// What was done about it.
    pub(super) done: &'a [Entry],
    /// Whether evidence of it is kept.
    pub(super) has_evidence: bool,
    /// Whether clients are seen behind trusted hops, which end their TLS.
    pub(super) behind_hops: bool,
    /// Whether a database tells where networks are.
    pub(super) has_places: bool,
    pub(super) now: UnixTime,
}

pub(super) fn account(view: &StormView<'_>, viewer: &Viewer, around: &Around<'_>) -> Account {
    let storm = view.storm;
    let hours = view.series.hours();
    let zone = match time_zone(&hours) {
        ZoneAnswer::Zone(zone) => Some(zone),
        ZoneAnswer::TooEarly { .. } | ZoneAnswer::NoRhythm => None,
    };
    let proposal = view.proposal.filter(|proposal| viewer.may_show(proposal, storm.clients));
    let mut reasons: Vec<String> = view.proposal.map(|proposal| proposal.reasons.clone()).unwrap_or_default();
    reasons.extend(view.withheld.map(|why| format!("No rule: {why}.")));
    Account {
        id: storm.id.to_string(),
        site: around.site.clone(),
        made: around.now.as_secs(),
        program: format!("seawall {}", env!("CARGO_PKG_VERSION")),
        nature: storm.nature.as_str().to_owned(),
        signature: viewer.terms(&storm.signature, storm.clients),
        described: viewer.terms(&storm.described, storm.clients),
        phase: storm.phase.as_str().to_owned(),
        onset: storm.onset.as_secs(),
        named: storm.named.as_secs(),
        last: storm.last.as_secs(),
        rate: costs(storm.rate),
        peak: costs(storm.peak),
        total: costs(storm.total),
        usual: Some(costs(view.usual)),
        clients: bound(storm.clients),
        curve: curve(view.series, storm.onset, around.now),
        tops: tops(view, viewer.least_clients()),
        networks: networks(view, viewer.least_clients()),
        least_clients: viewer.least_clients(),
        zone: zone.map(|zone| Zone {
            offset_hours: zone.offset_hours,
            uncertainty_hours: zone.uncertainty_hours,
            days: zone.days,
        }),
        week: zone.and_then(|zone| week(&hours, zone)).map(week_words),
        interval: view.interval.map(|interval| Interval {
            seconds: interval.every.as_secs_f64(),
            share: interval.share,
            gaps: interval.gaps,
        }),
        collateral: storm.collateral.map(|collateral| Collateral {
            requests: bound(collateral.requests),
            clients: bound(collateral.clients),
            sample: collateral.sample,
        }),
        rule: proposal.map(|proposal| print_rule(&proposal.rule)),
        reasons,
        actions: around
            .done
            .iter()
            .map(|entry| Action { at: entry.at.as_secs(), what: entry.what.clone() })
            .collect(),
        effect: effect(view, around),
        unknown: unknown(view, around, &hours),
    }
}

fn costs(cost: Cost) -> Costs {
    Costs {
        requests: cost[Measure::Requests],
        bytes: cost[Measure::BytesSent],
        origin_bytes: cost[Measure::OriginBytes],
        origin_seconds: cost[Measure::OriginTime] / 1e6,
    }
}

fn bound(estimate: Estimate) -> Bound {
    Bound { value: estimate.value, upper: estimate.upper }
}

/// The finest steps that reach back to the onset, the quiet ones among them.
fn curve(series: &Series, onset: UnixTime, now: UnixTime) -> Vec<Point> {
    let age = now.as_secs().saturating_sub(onset.as_secs());
    let reaches = |step: &Step| age <= step.secs() * step.kept() && series.points(*step).next().is_some();
    let step = Step::ALL.into_iter().find(reaches).unwrap_or(Step::Hour);
    let mut curve: Vec<Point> = Vec::new();
    for point in series.points(step) {
        let at = point.at.as_secs();
        let quiet_from = curve.last().map_or(at, |last| last.at + u64::from(last.seconds));
        let quiet = (quiet_from..at).step_by(step.secs() as usize).map(|at| at_rest(at, step));
        curve.extend(quiet);
        curve.push(Point {
            at,
            seconds: step.secs() as u32,
            cost: costs(point.cost),
            refused: point.refused,
        });
    }
    curve
}

fn at_rest(at: u64, step: Step) -> Point {
    Point { at, seconds: step.secs() as u32, cost: Costs::default(), refused: 0.0 }
}

fn tops(view: &StormView<'_>, least: u32) -> Vec<Top> {
    let told = |kind: FactKind| Top {
        fact: match kind {
            // Its first product alone.
            FactKind::AgentProduct => String::from("user-agent, product"),
            kind => kind.word().to_owned(),
        },
        values: view
            .senders
            .top(kind, TOPS_MAX)
            .into_iter()
            .map(|top| TopValue {
                value: match top.value {
                    FactValue::Absent => None,
                    FactValue::Text(text) => Some(text),
                },
                share: top.share,
            })
            .collect(),
    };
    let places =
        [(FactKind::Country, view.senders.countries(least)), (FactKind::Asn, view.senders.systems(least))];
    let placed = places.into_iter().map(|(kind, places)| Top {
        fact: kind.word().to_owned(),
        values: places
            .into_iter()
            .take(TOPS_MAX)
            .map(|place| TopValue { value: Some(place.name), share: place.share })
            .collect(),
    });
    view.senders.kinds().map(told).chain(placed).filter(|top| !top.values.is_empty()).collect()
}

fn networks(view: &StormView<'_>, least: u32) -> Vec<Network> {
    let crowded = view.senders.networks(least, NETWORKS_MAX);
    crowded
        .into_iter()
        .map(|network| Network {
            network: network.network.to_string(),
            share: network.share,
            clients: network.clients,
        })
        .collect()
}

fn week_words(week: seawall_storm::time_zone::Week) -> Week {
    Week {
        rest: match week.rest {
            Rest::SaturdaySunday => String::from("Saturday and Sunday"),
            Rest::FridaySaturday => String::from("Friday and Saturday"),
        },
        ratio: week.ratio,
        holidays: week.holidays.into_iter().map(|day| day * 86_400).collect(),
    }
}

/// The storm's cost in the hour before the latest thing that changed its answers, and since then, for an hour at most.
fn effect(view: &StormView<'_>, around: &Around<'_>) -> Option<Effect> {
    let changed = around.done.iter().rfind(|entry| entry.has_effect)?.at;
    let hour = Duration::from_hours(1);
    let begin = UnixTime(changed.0.saturating_sub(hour.as_millis() as u64)).max(view.storm.onset);
    let end = changed.saturating_add(hour).min(around.now);
    let before = mean(view.series, begin, changed)?;
    // The second in which it was done belongs to neither.
    let after = mean(view.series, changed.saturating_add(Duration::from_secs(1)), end)?;
    Some(Effect { before, after })
}

/// Cost per second between two times, by the finest steps that reach back. `None` for less than ten seconds.
fn mean(series: &Series, from: UnixTime, until: UnixTime) -> Option<Costs> {
    let first = series.points(Step::Second).next().map_or(u64::MAX, |point| point.at.as_secs());
    let step = if first <= from.as_secs() { Step::Second } else { Step::Minute };
    // Whole steps.
    let (from, until) = (from.as_secs().div_ceil(step.secs()), until.as_secs() / step.secs());
    let span = until.checked_sub(from)? * step.secs();
    if span < LEAST_SPAN_SECS {
        return None;
    }
    let within = |at: UnixTime| (from..until).contains(&(at.as_secs() / step.secs()));
    let sum = series
        .points(step)
        .filter(|point| within(point.at))
        .fold(Cost::default(), |sum, point| sum + point.cost);
    Some(costs(sum.scaled(1.0 / span as f64)))
}

fn unknown(view: &StormView<'_>, around: &Around<'_>, hours: &[Hour]) -> Vec<String> {
    let mut unknown = Vec::new();
    if !around.has_evidence {
        unknown.push(format!(
            "What the requests held: no evidence is open (`seawall storms evidence {} --open`).",
            view.storm.id
        ));
    }
    if view.senders.top(FactKind::TlsFingerprint, 1).is_empty() {
        unknown.push(String::from(match around.behind_hops {
            true => "Which TLS library they use: a hop in front ends their TLS and does not say.",
            false => "Which TLS library they use: their connections have none, or it was not looked at.",
        }));
    }
    if !around.has_places {
        unknown.push(String::from("In which countries their networks are: no [geo] database is configured."));
    }
    match time_zone(hours) {
        ZoneAnswer::TooEarly { hours } => unknown.push(format!(
            "In which time zone they live: that takes a whole day, and {hours} whole hours were seen."
        )),
        ZoneAnswer::NoRhythm => {
            unknown.push(String::from(
                "In which time zone they live: their day does not follow people's sleep.",
            ));
        }
        ZoneAnswer::Zone(_) => {}
    }
    unknown
}

/// Values of one fact.
const TOPS_MAX: usize = 5;

/// Networks.
const NETWORKS_MAX: usize = 20;

/// A shorter mean is chance.
const LEAST_SPAN_SECS: u64 = 10;
