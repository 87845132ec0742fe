//! Everything about one storm, for a terminal of 80 columns.

use std::fmt::Write;

use seawall_console::control::{CollateralView, CostView, ProposalView, StormView};
use seawall_http::UnixTime;

use super::figure::{bytes, number, of, seconds, share, small, sparkline, time};
use super::{sentence, signature};
use crate::why::date;

pub(super) fn text(storm: &StormView, proposal: Option<&ProposalView>, now: u64) -> String {
    let mut out = format!("{}  {}, {}\n", storm.id, storm.nature, storm.phase);
    out.push_str(&signature("", 9, &storm.signature));
    out.push('\n');
    out.push_str(&sentence("since", INDENT, &since(storm, now)));
    out.push_str(&sentence("sure", INDENT, &share(storm.confidence)));
    for (index, ground) in storm.grounds.iter().enumerate() {
        out.push_str(&sentence(if index == 0 { "because" } else { "" }, INDENT, ground));
    }
    out.push('\n');
    out.push_str(&costs(storm));
    out.push('\n');
    let clients = format!("about {}, at most {}", number(storm.clients.value), number(storm.clients.upper));
    out.push_str(&sentence("clients", INDENT, &clients));
    let others = storm.collateral.as_ref().map_or_else(|| "not known yet".to_owned(), collateral);
    out.push_str(&sentence("others", INDENT, &others));
    out.push_str(&course(storm));
    let more: Vec<String> =
        storm.described.iter().filter(|term| !storm.signature.contains(term)).cloned().collect();
    if !more.is_empty() {
        out.push_str(&signature("also", INDENT, &more));
    }
    out.push('\n');
    out.push_str(&what_is_done(storm, proposal, now));
    out
}

fn since(storm: &StormView, now: u64) -> String {
    let ago = |at: u64| time(now.saturating_sub(at));
    format!(
        "{}, {} ago; named after {}, seen {} ago",
        date::utc(UnixTime::from_secs(storm.onset)),
        ago(storm.onset),
        time(storm.named.saturating_sub(storm.onset)),
        ago(storm.last)
    )
}

fn costs(storm: &StormView) -> String {
    let mut out = format!("{:17}{:>14}{:>14}{:>14}{:>17}\n", "", "now", "peak", "total", "of the site now");
    let mut line = |name: &str, rate: &dyn Fn(&CostView) -> String, total: String, part: f64| {
        let (now, peak) = (rate(&storm.rate), rate(&storm.peak));
        let _ = writeln!(out, "{name:17}{now:>14}{peak:>14}{total:>14}{:>17}", share(part));
    };
    line(
        "requests",
        &|cost| format!("{}/s", number(cost.requests)),
        number(storm.total.requests),
        storm.share.requests,
    );
    line("sent", &|cost| format!("{}/s", bytes(cost.bytes)), bytes(storm.total.bytes), storm.share.bytes);
    line(
        "sent by origins",
        &|cost| format!("{}/s", bytes(cost.origin_bytes)),
        bytes(storm.total.origin_bytes),
        storm.share.origin_bytes,
    );
    line(
        "origins busy",
        &|cost| format!("{} at once", small(cost.origin_seconds)),
        seconds(storm.total.origin_seconds),
        storm.share.origin_seconds,
    );
    out
}

fn collateral(collateral: &CollateralView) -> String {
    format!(
        "a rule of this signature matches {} of other requests (with 95 % confidence at most {}), and {} of other clients \
         (at most {}), by {} exchanges",
        share(collateral.requests.value),
        share(collateral.requests.upper),
        share(collateral.clients.value),
        share(collateral.clients.upper),
        number(collateral.sample as f64)
    )
}

fn course(storm: &StormView) -> String {
    let points: Vec<f64> = storm.curve.points.iter().map(|cost| of(cost, &storm.measure)).collect();
    if points.len() < 2 {
        return String::new();
    }
    let mut out = sentence("course", INDENT, &sparkline(&points));
    let what = format!("{} per second, {} each", storm.measure, time(storm.curve.seconds));
    out.push_str(&sentence("", INDENT, &what));
    out
}

fn what_is_done(storm: &StormView, proposal: Option<&ProposalView>, now: u64) -> String {
    let Some(proposal) = proposal else {
        return match &storm.withheld {
            Some(why) if storm.nature == "storm" => sentence("rule", INDENT, &format!("none: {why}")),
            _ if storm.nature == "storm" => sentence("rule", INDENT, "none is proposed"),
            _ => sentence("rule", INDENT, "none: it is no storm"),
        };
    };
    let mut out = match &storm.rule {
        Some(rule) => sentence(
            "rule",
            INDENT,
            &format!("{rule}, by proposal {}: {}", proposal.id, proposal.description),
        ),
        None => sentence("proposed", INDENT, &format!("{}: {}", proposal.id, proposal.description)),
    };
    for reason in &proposal.reasons {
        out.push_str(&sentence("", INDENT, reason));
    }
    if let Some(expires) = proposal.expires.filter(|expires| *expires > now) {
        let left =
            format!("it expires by itself {} after it was made", time(expires.saturating_sub(proposal.made)));
        out.push_str(&sentence("", INDENT, &left));
    }
    match &storm.rule {
        Some(rule) => {
            let _ = writeln!(out, "\n  seawall rules show {rule}\n  seawall rules retire {rule}");
        }
        None => {
            let id = &proposal.id;
            let _ = writeln!(
                out,
                "\n  seawall rules accept {id}\n  seawall rules accept {id} --mode observe\n  seawall rules decline {id}"
            );
        }
    }
    out
}

const INDENT: usize = 11;
