//! Limits against storms: a rate that the past's readers do not reach.

use std::collections::HashMap;
use std::time::Duration;

use seawall_rules::limit::{KeyPart, PartitionKey, Rate};
use seawall_rules::rule::{Action, Rule};

use super::Subject;
use crate::judge::Percent;
use crate::measure::Measure;
use crate::proposal::{Collateral, Estimate};
use crate::signature::{Matcher, Signature};
use crate::specimen::Specimen;
use crate::storm::Storm;

/// How far above the busiest reader of the past a limit lies.
const HEADROOM: f64 = 2.0;
/// The share of the storm that a limit must cut off.
const CUT_MIN: f64 = 0.8;
/// The least rate per client: one request every two seconds.
const PER_MINUTE_MIN: f64 = 30.0;
/// Clients of the past that must show how busy readers are.
const READERS_MIN: usize = 30;

/// A limit by client at twice what the busiest reader reached in a minute, if that cuts off most of the storm: so if
/// it has few clients, and each of them asks far more than a reader does.
pub(super) fn by_client(
    subject: &Subject<'_>,
    signature: &Signature,
    all: Collateral,
) -> Option<(Action, Collateral, Vec<String>)> {
    let readers = busiest_minutes(subject.before, signature);
    if readers.len() < READERS_MIN {
        return None;
    }
    let busiest = readers.iter().copied().fold(0.0, f64::max);
    let per_minute = (HEADROOM * busiest).ceil().max(PER_MINUTE_MIN);
    let cut = share_above(subject.exchanges, subject.span, per_minute);
    if cut < CUT_MIN {
        return None;
    }
    let rate = rate(per_minute);
    let action = Action::Limit { rate, by: PartitionKey(vec![KeyPart::Client]), text: None };
    // None of the readers seen reaches it, so of as many unseen ones 3 in their number may (the rule of three).
    let unseen = (3.0 / readers.len() as f64).min(1.0);
    let spared = |estimate: Estimate| Estimate { value: 0.0, upper: estimate.upper * unseen };
    let collateral =
        Collateral { requests: spared(all.requests), clients: spared(all.clients), sample: all.sample };
    let reasons = vec![
        format!(
            "others have these facts as well, but none of {} asked more than {busiest:.0} times a minute",
            readers.len()
        ),
        format!("a limit of {per_minute:.0} a minute for each client refuses {} of it", Percent(cut)),
    ];
    Some((action, collateral, reasons))
}

/// A milder rule for a policy that allows no more than limits: all that match together no faster than the past did,
/// which is a rule's width above nothing where the past had none of it.
pub(crate) fn soften(rule: &Rule, storm: &Storm, expected: f64) -> Option<Rule> {
    if !matches!(rule.action, Action::Deny { .. } | Action::Drop | Action::Tarpit { .. }) {
        return None;
    }
    let per_minute = (HEADROOM * expected * 60.0).ceil().max(PER_MINUTE_MIN);
    if per_minute / 60.0 > (1.0 - CUT_MIN) * storm.rate[Measure::Requests].max(storm.peak[Measure::Requests])
    {
        return None;
    }
    let action = Action::Limit { rate: rate(per_minute), by: PartitionKey::default(), text: None };
    Some(Rule { action, ..rule.clone() })
}

fn rate(per_minute: f64) -> Rate {
    let requests = per_minute.min(1e6) as u32;
    Rate { requests, per: Duration::from_secs(60), burst: requests.div_ceil(2).max(1) }
}

/// The greatest number of requests in one minute, for each client of the past that the signature matches. Sampled
/// requests count for as many as they stand for, so this errs towards higher limits.
fn busiest_minutes(before: &[(&Specimen, f64)], signature: &Signature) -> Vec<f64> {
    let matcher = Matcher::new(signature);
    // What each stands for is told to a common factor: the least of them stands for one.
    let least = before.iter().map(|(_, weight)| *weight).fold(f64::INFINITY, f64::min);
    let mut minutes: HashMap<(u64, u64), f64> = HashMap::new();
    for (specimen, weight) in before.iter().filter(|(specimen, _)| matcher.matches(specimen)) {
        *minutes.entry((specimen.client, specimen.at.as_secs() / 60)).or_default() += weight / least;
    }
    let mut busiest: HashMap<u64, f64> = HashMap::new();
    for ((client, _), requests) in minutes {
        let most = busiest.entry(client).or_default();
        *most = most.max(requests);
    }
    busiest.into_values().collect()
}

/// The share of the storm's requests that lie above `per_minute` for each client, 0 to 1.
fn share_above(exchanges: &[(&Specimen, f64)], span: Duration, per_minute: f64) -> f64 {
    let mut clients: HashMap<u64, f64> = HashMap::new();
    for (specimen, weight) in exchanges {
        *clients.entry(specimen.client).or_default() += weight;
    }
    let all: f64 = clients.values().sum();
    let allowed = per_minute * span.as_secs_f64().max(1.0) / 60.0;
    let above: f64 = clients.values().map(|requests| (requests - allowed).max(0.0)).sum();
    if all > 0.0 { above / all } else { 0.0 }
}
