//! What was found in logs, for a person and for a program.

use seawall_config::print_rule;
use seawall_rules::definition::describe;
use seawall_rules::rule::Rule;
use seawall_storm::time_zone::{ZoneAnswer, time_zone};
use seawall_storm::{Collateral, Estimate, Measure, Nature, Proposal, StormView};
use serde_json::{Value, json};

use super::Totals;
use super::coverage::{self, Read, counted, span};
use super::watching::{Curve, Watching};
use crate::output;
use crate::storms::figure::{bytes, number, share, sparkline};
use crate::storms::time;
use crate::why::date::{rfc3339, utc};

/// All that was found.
pub(super) struct Analysis<'a> {
    pub(super) logs: &'a [Read],
    pub(super) totals: &'a Totals,
    pub(super) late: u64,
    pub(super) watching: &'a Watching,
    pub(super) warnings: Vec<String>,
}

impl Analysis<'_> {
    /// Storms and crowds, the earliest first.
    fn views(&self) -> Vec<StormView<'_>> {
        let Some(watch) = self.watching.watch() else { return Vec::new() };
        let mut views: Vec<StormView<'_>> =
            watch.storms().filter_map(|storm| watch.storm(storm.id)).collect();
        views.sort_by_key(|view| (view.storm.onset, view.storm.id));
        views
    }

    /// The rules against storms as a rule file, in the order of their onsets.
    pub(super) fn rule_file(&self) -> String {
        let proposals = self.views().into_iter().filter_map(|view| self.watching.proposal(view.storm.id));
        proposals.map(rule_text).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn text(&self) {
        coverage::print(self.logs);
        let (from, to) = span(self.logs);
        let span = match (from, to) {
            (Some(from), Some(to)) => format!(", from {} to {}", utc(from), utc(to)),
            _ => String::new(),
        };
        let all = bytes(self.totals.bytes as f64);
        output::line(format_args!("{}, {all}{span}", counted(self.totals.requests, "request")));
        for note in self.left_out() {
            output::line(note);
        }
        let views = self.views();
        let (storms, crowds): (Vec<_>, Vec<_>) =
            views.iter().partition(|view| view.storm.nature == Nature::Storm);
        if storms.is_empty() {
            output::line("\nno storms");
            if let Some(left) = self.watching.watch().map(|watch| watch.learns_for())
                && !left.is_zero()
            {
                output::line("nothing can be called one: the log is too short to tell what is usual");
            }
        }
        for view in storms.into_iter().chain(crowds) {
            self.one(view);
        }
    }

    fn left_out(&self) -> Vec<String> {
        let of = |count: u64, what: &str| (count > 0).then(|| format!("    {} {what}", number(count as f64)));
        [
            of(self.totals.no_requests, "more tell of something that is no request of HTTP"),
            of(self.totals.left_out, "have no time or no client's address, and are not looked at for storms"),
            of(self.late, "come more than 5 minutes late, and are not looked at for storms"),
            (self.watching.gaps() > 0).then(|| {
                let gaps = counted(self.watching.gaps(), "span");
                format!("    {gaps} of 10 minutes or more without a request: skipped")
            }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn one(&self, view: &StormView<'_>) {
        let storm = view.storm;
        let lasted = storm.last.as_secs().saturating_sub(storm.onset.as_secs());
        output::line(format_args!("\n{} {}: {}", storm.nature.as_str(), storm.id, storm.signature));
        output::line(format_args!("    from {} to {}, {}", utc(storm.onset), utc(storm.last), time(lasted)));
        output::line(format_args!(
            "    about {} ({} of the log's), {} ({}), {} clients; at most {} requests/s",
            counted(storm.total[Measure::Requests].round() as u64, "request"),
            share(ratio(storm.total[Measure::Requests], self.totals.requests)),
            bytes(storm.total[Measure::BytesSent]),
            share(ratio(storm.total[Measure::BytesSent], self.totals.bytes)),
            number(storm.clients.value.round()),
            number(storm.peak[Measure::Requests])
        ));
        if let Some(curve) = self.watching.curve(storm.id).filter(|curve| curve.points.len() > 1) {
            let (points, step) = narrowed(curve);
            output::line(format_args!("    {}  requests/s, {} each", sparkline(&points), time(step)));
        }
        for ground in view.grounds {
            output::line(format_args!("    {ground}"));
        }
        if let Some(collateral) = storm.collateral {
            output::line(format_args!(
                "    a rule of this signature matches {} of other requests, with 95 % confidence at most {}",
                share(collateral.requests.value),
                share(collateral.requests.upper)
            ));
        }
        if let ZoneAnswer::Zone(zone) = time_zone(&view.series.hours()) {
            output::line(format_args!(
                "    its people's day is that of UTC{:+} (by {} hours more or less)",
                zone.offset_hours, zone.uncertainty_hours
            ));
        }
        match (self.watching.proposal(storm.id), view.withheld) {
            (Some(proposal), _) => output::line(format_args!("    rule: {}", describe(&proposal.rule))),
            (None, Some(why)) if storm.nature == Nature::Storm => {
                output::line(format_args!("    no rule: {why}"));
            }
            _ => {}
        }
    }

    /// The form that `docs/reference/analysis.md` describes.
    pub(super) fn json(&self) -> Value {
        let views = self.views();
        let of = |is_storm: bool| {
            let views = views.iter().filter(move |view| (view.storm.nature == Nature::Storm) == is_storm);
            views.map(|view| self.one_json(view)).collect::<Vec<_>>()
        };
        let (from, to) = span(self.logs);
        json!({
            "version": 1,
            "logs": self.logs.iter().map(coverage::json).collect::<Vec<_>>(),
            "totals": {
                "requests": self.totals.requests,
                "bytes": self.totals.bytes,
                "no_requests": self.totals.no_requests,
                "left_out": self.totals.left_out,
                "late": self.late,
                "gaps": self.watching.gaps(),
                "from": from.map(rfc3339),
                "to": to.map(rfc3339),
            },
            "storms": of(true),
            "crowds": of(false),
            "warnings": self.warnings,
        })
    }

    fn one_json(&self, view: &StormView<'_>) -> Value {
        let storm = view.storm;
        let rule = self.watching.proposal(storm.id).map(|proposal| {
            json!({
                "name": proposal.rule.name,
                "description": describe(&proposal.rule),
                "toml": rule_text(proposal),
            })
        });
        let zone = match time_zone(&view.series.hours()) {
            ZoneAnswer::Zone(zone) => Some(json!({
                "offset_hours": zone.offset_hours,
                "uncertainty_hours": zone.uncertainty_hours,
                "days": zone.days,
            })),
            ZoneAnswer::TooEarly { .. } | ZoneAnswer::NoRhythm => None,
        };
        let curve = self.watching.curve(storm.id).map(|curve| {
            json!({ "from": rfc3339(curve.from), "step_seconds": curve.step, "requests_per_second": curve.points })
        });
        json!({
            "id": storm.id.to_string(),
            "nature": storm.nature.as_str(),
            "signature": terms(&storm.signature),
            "described": terms(&storm.described),
            "grounds": view.grounds.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "onset": rfc3339(storm.onset),
            "last": rfc3339(storm.last),
            "requests": storm.total[Measure::Requests].round(),
            "bytes": storm.total[Measure::BytesSent].round(),
            "clients": estimate(storm.clients),
            "peak_requests_per_second": storm.peak[Measure::Requests],
            "curve": curve,
            "rule": rule,
            "no_rule": view.withheld.map(|why| why.to_string()),
            "collateral": storm.collateral.map(collateral),
            "time_zone": zone,
        })
    }
}

/// Without its expiry, which is a time of the log: the storm is over by now, and whoever takes the rule knows for how long.
fn rule_text(proposal: &Proposal) -> String {
    print_rule(&Rule { expires: None, ..proposal.rule.clone() })
}

fn terms(signature: &seawall_storm::Signature) -> Vec<String> {
    signature.terms.iter().map(ToString::to_string).collect()
}

fn estimate(estimate: Estimate) -> Value {
    json!({ "value": estimate.value, "upper": estimate.upper })
}

fn collateral(collateral: Collateral) -> Value {
    json!({
        "requests": estimate(collateral.requests),
        "clients": estimate(collateral.clients),
        "sample": collateral.sample,
    })
}

fn ratio(part: f64, all: u64) -> f64 {
    (part / all.max(1) as f64).min(1.0)
}

/// The curve in so many columns.
fn narrowed(curve: &Curve) -> (Vec<f64>, u64) {
    let width = curve.points.len().div_ceil(CURVE_COLUMNS).max(1);
    let greatest = |points: &[f64]| points.iter().copied().fold(0.0, f64::max);
    (curve.points.chunks(width).map(greatest).collect(), curve.step * width as u64)
}

const CURVE_COLUMNS: usize = 60;
