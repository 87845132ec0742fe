//! What is asked of the detector, and whether it does it.

use serde::Serialize;

use crate::detector::Measured;
use crate::job::Outcome;
use crate::scenario::{Kind, Scenario};

/// Greatest median of the seconds from a steep onset to the proposal.
pub const MEDIAN_MAX: f64 = 5.0;
/// Greatest 95th percentile of them.
pub const P95_MAX: f64 = 15.0;
/// Least share of a storm that its rule matches.
pub const RECALL_MIN: f64 = 0.99;
/// Greatest share of everything else that it matches.
pub const COLLATERAL_MAX: f64 = 0.001;

/// One goal.
#[derive(Clone, Debug, Serialize)]
pub struct Goal {
    /// What is asked.
    pub asked: String,
    /// What was measured.
    pub measured: String,
    /// Whether that is it.
    pub is_met: bool,
    /// Where it is not.
    pub failures: Vec<String>,
}

/// Judges Seawall's part of the outcomes.
pub fn judge(outcomes: &[Outcome]) -> Vec<Goal> {
    let of = |kind: Kind| -> Vec<(&Outcome, &Measured)> {
        let is_it = |outcome: &&Outcome| kind_of(outcome) == Some(kind);
        outcomes.iter().filter(is_it).filter_map(|outcome| Some((outcome, ours(outcome)?))).collect()
    };
    let storms = of(Kind::Storm);
    let mut goals = Vec::new();
    if !storms.is_empty() {
        goals.extend([found(&storms), speed(&storms), recall(&storms), collateral(&storms)]);
    }
    let controls = of(Kind::Control);
    if !controls.is_empty() {
        goals.push(silence(&controls));
    }
    let inseparable = of(Kind::Inseparable);
    if !inseparable.is_empty() {
        goals.push(honesty(&inseparable));
    }
    let imitations = of(Kind::Imitation);
    if !imitations.is_empty() {
        goals.push(victims(&imitations));
    }
    goals
}

/// What a scenario asks.
pub fn kind_of(outcome: &Outcome) -> Option<Kind> {
    Scenario::all().find(|scenario| scenario.name == outcome.scenario).map(|scenario| scenario.kind)
}

/// Seawall's part of an outcome.
pub fn ours(outcome: &Outcome) -> Option<&Measured> {
    outcome.measured.iter().find(|measured| measured.detector == "seawall")
}

type Parts<'a> = [(&'a Outcome, &'a Measured)];

fn name(outcome: &Outcome) -> String {
    format!("{}/{}/{}", outcome.scenario, outcome.site, outcome.seed)
}

fn goal(asked: &str, measured: String, failures: Vec<String>) -> Goal {
    Goal { asked: asked.to_owned(), measured, is_met: failures.is_empty(), failures }
}

fn found(parts: &Parts<'_>) -> Goal {
    let (mut total, mut failures) = (0, Vec::new());
    for (outcome, measured) in parts {
        total += measured.storms.len();
        let missed = measured.storms.iter().filter(|storm| storm.found_after.is_none());
        failures.extend(missed.map(|_| name(outcome)));
    }
    goal("every storm of one signature is found", format!("{} of {total}", total - failures.len()), failures)
}

fn speed(parts: &Parts<'_>) -> Goal {
    let steep = parts.iter().flat_map(|(_, measured)| &measured.storms).filter(|storm| storm.is_steep);
    let mut times: Vec<_> = steep.map(|storm| storm.found_after.unwrap_or(f64::INFINITY)).collect();
    times.sort_by(f64::total_cmp);
    let (median, p95) = (quantile(&times, 0.5), quantile(&times, 0.95));
    let slow = parts.iter().flat_map(|(outcome, measured)| {
        let is_slow = |after: f64| after > P95_MAX;
        let slow =
            measured.storms.iter().filter(|storm| storm.is_steep).filter_map(|storm| storm.found_after);
        slow.filter(move |after| is_slow(*after)).map(|after| format!("{} after {after:.0} s", name(outcome)))
    });
    let is_met = median <= MEDIAN_MAX && p95 <= P95_MAX;
    let failures = if is_met { Vec::new() } else { slow.collect() };
    Goal {
        is_met,
        ..goal(
            "proposed within a median of 5 s, 95 % within 15 s, of a steep onset",
            format!("median {median:.1} s, 95 % within {p95:.1} s"),
            failures,
        )
    }
}

/// Of sorted numbers, by nearest rank.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn recall(parts: &Parts<'_>) -> Goal {
    let (mut least, mut failures) = (1.0_f64, Vec::new());
    for (outcome, measured) in parts {
        for storm in measured.storms.iter().filter(|storm| storm.found_after.is_some()) {
            let share = storm.after.share();
            least = least.min(share);
            if share < RECALL_MIN {
                failures.push(format!("{} {share:.3}", name(outcome)));
            }
        }
    }
    goal("a rule matches at least 99 % of its storm", format!("least {:.2} %", least * 100.0), failures)
}

fn collateral(parts: &Parts<'_>) -> Goal {
    let (mut most, mut failures) = (0.0_f64, Vec::new());
    for (outcome, measured) in parts {
        let share = measured.rest.share();
        most = most.max(share);
        if share > COLLATERAL_MAX {
            failures.push(format!("{} {:.3} %", name(outcome), share * 100.0));
        }
    }
    goal("rules match at most 0.1 % of everything else", format!("most {:.3} %", most * 100.0), failures)
}

fn silence(parts: &Parts<'_>) -> Goal {
    let (mut weeks, mut failures) = (0.0, Vec::new());
    for (outcome, measured) in parts {
        weeks += measured.seconds as f64 / (7.0 * 86_400.0);
        let proposed = measured.proposed.iter().filter(|one| one.is_false());
        failures.extend(proposed.map(|one| format!("{} `{}`", name(outcome), one.signature)));
    }
    let rate = failures.len() as f64 / weeks;
    let measured = format!("{} in {weeks:.1} weeks of controls ({rate:.2} a week)", failures.len());
    goal("nothing is proposed where there is no storm", measured, failures)
}

fn honesty(parts: &Parts<'_>) -> Goal {
    let is_separated = |measured: &Measured| {
        measured.rest.share() <= COLLATERAL_MAX
            && measured.storms.iter().all(|storm| storm.after.share() >= RECALL_MIN)
    };
    let is_silent = |measured: &Measured| measured.rest.refused == 0;
    let failed = |(_, measured): &&(&Outcome, &Measured)| !is_separated(measured) && !is_silent(measured);
    let failures: Vec<_> = parts
        .iter()
        .filter(failed)
        .map(|(outcome, measured)| format!("{} {:.2} %", name(outcome), measured.rest.share() * 100.0))
        .collect();
    let separated = parts.iter().filter(|(_, measured)| is_separated(measured)).count();
    let measured = format!("separated {separated} of {}, harmed others in {}", parts.len(), failures.len());
    goal("what nothing tells apart is separated without harm, or left alone", measured, failures)
}

fn victims(parts: &Parts<'_>) -> Goal {
    let (mut most, mut failures) = (0.0_f64, Vec::new());
    for (outcome, measured) in parts {
        let share = measured.victim.share();
        most = most.max(share);
        if share > COLLATERAL_MAX {
            failures.push(format!("{} {:.2} %", name(outcome), share * 100.0));
        }
    }
    goal(
        "nobody can have a chosen victim refused",
        format!("most {:.3} % of a victim's requests", most * 100.0),
        failures,
    )
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let numbers: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!((quantile(&numbers, 0.5), quantile(&numbers, 0.95)), (10.0, 19.0));
        assert_eq!(quantile(&[7.0], 0.95), 7.0);
    }
}
