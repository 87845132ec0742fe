//! The list of storms, for a terminal of 80 columns.

use std::fmt::Write;

use seawall_console::control::{ProposalView, StormTable, StormView};

use super::figure::{bytes, number, of, share, time};
use super::{sentence, signature};

pub(super) fn text(table: &StormTable, proposals: &[ProposalView], now: u64) -> String {
    if !table.enabled {
        return "storms are not looked for: remove `enabled = false` from [detect], and start again"
            .to_owned();
    }
    let mut out = String::new();
    if table.storms.is_empty() {
        out.push_str("no storms\n");
    }
    if table.learning_seconds > 0 {
        let left = time(table.learning_seconds);
        let _ = writeln!(out, "nothing is called a storm yet: what is usual is known in {left}");
    }
    if table.storms.is_empty() {
        return out;
    }
    let _ = writeln!(
        out,
        "{:7}  {:11}  {:7}  {:>6}  {:>9}  {:>9}  {:>8}  {:>9}",
        "ID", "NATURE", "PHASE", "AGE", "REQUESTS", "ORIGIN", "SHARE", "CLIENTS"
    );
    for storm in &table.storms {
        out.push_str(&row(storm, now));
        out.push_str(&signature("", INDENT, &storm.signature));
        out.push_str(&what_is_done(storm, proposals));
    }
    out
}

fn row(storm: &StormView, now: u64) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{:7}  {:11}  {:7}  {:>6}  {:>9}  {:>9}  {:>8}  {:>9}",
        storm.id,
        storm.nature,
        storm.phase,
        time(now.saturating_sub(storm.onset)),
        format!("{}/s", number(storm.rate.requests)),
        format!("{}/s", bytes(storm.rate.origin_bytes)),
        share(of(&storm.share, &storm.measure)).replace("under ", "<"),
        number(storm.clients.value.round()),
    );
    out
}

fn what_is_done(storm: &StormView, proposals: &[ProposalView]) -> String {
    let proposal = proposals.iter().find(|proposal| storm.proposal.as_ref() == Some(&proposal.id));
    match (&storm.rule, proposal, &storm.withheld) {
        (Some(rule), ..) => sentence("", INDENT, &format!("rule {rule} is against it")),
        (None, Some(proposal), _) => {
            let most = share(proposal.collateral.requests.upper.max(proposal.collateral.clients.upper));
            let told = format!("proposed, {most} of others at most: seawall rules accept {}", proposal.id);
            sentence("", INDENT, &told)
        }
        (None, None, Some(why)) if storm.nature == "storm" => {
            sentence("", INDENT, &format!("no rule: {why}"))
        }
        _ => String::new(),
    }
}

const INDENT: usize = 9;
