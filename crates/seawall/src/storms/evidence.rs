//! `seawall storms evidence`: what exchanges of a storm looked like.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use seawall_console::Client;
use seawall_console::control::{EvidenceNetworkView, EvidenceRequest, EvidenceView, ExhibitView};

use super::time;
use crate::cli::{Evidence, Format};
use crate::output;
use crate::rules::connect;

pub(super) fn run(args: &Evidence) -> Result<ExitCode, String> {
    let client = connect(&args.target)?;
    if args.delete {
        client.delete_evidence(&args.id).map_err(|error| error.to_string())?;
        output::line(format_args!("evidence of storm {} is deleted", args.id));
        return Ok(ExitCode::SUCCESS);
    }
    let evidence = evidence(&client, args)?;
    match args.format {
        Format::Json => output::json(&serde_json::json!(evidence)),
        Format::Text => output::line(text(&evidence, super::now()).trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}

fn evidence(client: &Client, args: &Evidence) -> Result<EvidenceView, String> {
    let answer = if args.open {
        let request = EvidenceRequest { content: args.content, exchanges: args.exchanges };
        client.open_evidence(&args.id, &request)
    } else {
        client.evidence(&args.id)
    };
    answer.map_err(|error| error.to_string())
}

/// Exchanges that look alike are told once, the most frequent ones first.
fn text(evidence: &EvidenceView, now: u64) -> String {
    let mut out = String::new();
    let state = if evidence.collecting { "being collected" } else { "no longer collected" };
    // A string takes any text.
    let _ = writeln!(
        out,
        "evidence of storm {}: {state}, opened {} ago, deleted in {}",
        evidence.storm,
        time(now.saturating_sub(evidence.opened)),
        time(evidence.expires.saturating_sub(now))
    );
    let _ = writeln!(out, "{} of {} exchanges, chosen by chance", evidence.exhibits.len(), evidence.offered);
    let mut alike: BTreeMap<Looks<'_>, Vec<&ExhibitView>> = BTreeMap::new();
    for exhibit in &evidence.exhibits {
        alike.entry(Looks::of(exhibit)).or_default().push(exhibit);
    }
    let mut alike: Vec<_> = alike.into_iter().collect();
    alike.sort_by_key(|(_, exhibits)| std::cmp::Reverse(exhibits.len()));
    for (looks, exhibits) in alike.iter().take(GROUPS_MAX) {
        looks.write(exhibits, &mut out);
    }
    if let Some(more) = alike.len().checked_sub(GROUPS_MAX).filter(|more| *more > 0) {
        let _ = writeln!(out, "\nand {more} other kinds: --format json has all of them");
    }
    write_networks(&evidence.networks, &mut out);
    out
}

/// The networks with enough clients behind them.
fn write_networks(networks: &[EvidenceNetworkView], out: &mut String) {
    if networks.is_empty() {
        let _ = writeln!(out, "\nno network of it has enough clients to be shown (`least-clients`)");
        return;
    }
    let _ = writeln!(out, "\nnetworks with enough clients to be shown");
    for EvidenceNetworkView { network, share, clients } in networks.iter().take(NETWORKS_MAX) {
        let percent = share * 100.0;
        let _ = writeln!(out, "  {network:<22}{percent:>5.1} % of its requests, {clients} clients or more");
    }
    if let Some(more) = networks.len().checked_sub(NETWORKS_MAX).filter(|more| *more > 0) {
        let _ = writeln!(out, "  and {more} more: --format json has all of them");
    }
}

/// What makes two exchanges look alike.
#[derive(Eq, PartialEq, Ord, PartialOrd)]
struct Looks<'a> {
    method: &'a str,
    protocol: &'a str,
    fields: &'a [String],
    user_agent: Option<&'a str>,
    content_type: Option<&'a str>,
    tls_fingerprint: Option<&'a str>,
}

impl<'a> Looks<'a> {
    fn of(exhibit: &'a ExhibitView) -> Self {
        Self {
            method: &exhibit.method,
            protocol: &exhibit.protocol,
            fields: &exhibit.fields,
            user_agent: exhibit.user_agent.as_deref(),
            content_type: exhibit.content_type.as_deref(),
            tls_fingerprint: exhibit.tls_fingerprint.as_deref(),
        }
    }

    fn write(&self, exhibits: &[&ExhibitView], out: &mut String) {
        let refused = exhibits.iter().filter(|exhibit| exhibit.refused).count();
        let (method, protocol, count) = (shown(self.method), self.protocol, exhibits.len());
        let _ = writeln!(out, "\n{count} × {method}, {protocol}, {refused} of them refused");
        let mut row = |name: &str, value: &str| {
            let _ = writeln!(out, "  {name:<13}{value}");
        };
        row("paths", &examples(exhibits, |exhibit| Some(path_of(exhibit))));
        row("agent", &self.user_agent.map_or_else(|| String::from("none"), shown));
        let names =
            if self.fields.is_empty() { String::from("none") } else { shown(&self.fields.join(", ")) };
        row("fields", &names);
        row("content", &content_of(exhibits, self.content_type));
        if let Some(ja4) = self.tls_fingerprint {
            row("TLS (JA4)", ja4);
        }
        let begins = examples(exhibits, |exhibit| exhibit.content.as_deref().map(begin));
        if !begins.is_empty() {
            row("begins with", &begins);
        }
    }
}

fn path_of(exhibit: &ExhibitView) -> String {
    let query = exhibit.query_shape.as_ref().map_or_else(String::new, |shape| format!(" (query {shape})"));
    format!("{}{query}", exhibit.path)
}

fn content_of(exhibits: &[&ExhibitView], media: Option<&str>) -> String {
    let lengths = || exhibits.iter().filter_map(|exhibit| exhibit.content_length);
    match (lengths().min(), lengths().max()) {
        (Some(least), Some(most)) => {
            let span = if least == most { least.to_string() } else { format!("{least} to {most}") };
            format!("{span} bytes, {}", media.map_or_else(|| String::from("no type"), shown))
        }
        _ => media.map_or_else(|| String::from("none announced"), shown),
    }
}

/// Up to three different ones, and how many more there are.
fn examples(exhibits: &[&ExhibitView], of: impl Fn(&ExhibitView) -> Option<String>) -> String {
    let mut found: Vec<String> = exhibits.iter().filter_map(|exhibit| of(exhibit)).collect();
    found.sort_unstable();
    found.dedup();
    let more = found.len().saturating_sub(3);
    let mut text = found.iter().take(3).map(|one| shown(one)).collect::<Vec<_>>().join("  ");
    if more > 0 {
        let _ = write!(text, "  and {more} more");
    }
    text
}

/// Readable content as text, other content as it is stored.
fn begin(hexadecimal: &str) -> String {
    let digits = hexadecimal.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> =
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) if !text.chars().any(|c| c.is_control() && c != '\n') => format!("{text:?}"),
        _ => format!("0x{hexadecimal}"),
    }
}

/// Nothing of it moves the cursor.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Kinds that are told: more fill no screen that anybody reads.
const GROUPS_MAX: usize = 8;
const NETWORKS_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn exhibit(path: &str, length: u64) -> ExhibitView {
        ExhibitView {
            at: 1,
            method: String::from("POST"),
            host: String::from("site.example"),
            path: String::from(path),
            protocol: String::from("HTTP/1.1"),
            fields: vec![String::from("Host"), String::from("User-Agent")],
            user_agent: Some(String::from("QQ\u{1b}[31mGameHall")),
            content_type: Some(String::from("text/plain")),
            content_length: Some(length),
            content: Some(String::from("613d62")),
            refused: true,
            ..ExhibitView::default()
        }
    }

    #[test]
    fn exchanges_that_look_alike_are_told_once() {
        let mut exhibits: Vec<_> = (0..5).map(|n| exhibit(&format!("/ca/{n}"), 10 + n)).collect();
        exhibits.push(ExhibitView {
            method: String::from("GET"),
            protocol: String::from("HTTP/2"),
            ..ExhibitView::default()
        });
        let evidence = EvidenceView {
            version: 2,
            storm: String::from("s0ABC12"),
            opened: 1_790_000_000,
            expires: 1_790_259_200,
            offered: 1_000,
            exhibits,
            networks: vec![EvidenceNetworkView {
                network: String::from("203.0.113.0/24"),
                share: 0.315,
                clients: 32,
            }],
            collecting: true,
        };
        insta::assert_snapshot!(text(&evidence, 1_790_000_300));
    }

    #[test]
    fn content_that_is_no_text_stays_digits() {
        assert_eq!(begin("160301"), "0x160301");
        assert_eq!(begin("613d62"), "\"a=b\"");
        assert_eq!(begin("xx"), "0xxx");
    }
}
