//! nftables: rules that look at the client's network alone and close the connection.
//!
//! The client is the peer of the connection: behind a CDN, that is the CDN.

use std::fmt::Write as _;

use ipnet::IpNet;

use crate::export::{Part, head};
use crate::pattern::Pattern;
use crate::plan::{Language, Literal, PathForm, Plan, Planned, Subject, Term, Verdict};

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::Decoded, tells_empty: true, fits, sees, says };

fn fits(_: &Subject, _: &Pattern) -> Result<(), &'static str> {
    Ok(())
}

fn sees(_: &Subject) -> Result<(), &'static str> {
    Err("it sees networks, not requests")
}

fn says(verdict: &Verdict<'_>) -> Result<(), &'static str> {
    match verdict {
        Verdict::Allow | Verdict::Drop => Ok(()),
        Verdict::Refuse { .. } | Verdict::Tarpit { .. } => Err("it cannot answer a request"),
        Verdict::Limit { .. } => Err("it counts packets or connections, not requests"),
    }
}

pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Part> {
    let mut out = head(plan, "#");
    // Declared first, so that it can be deleted whether it is there or not: loading the file again replaces it.
    out.push_str("table inet seawall {}\ndelete table inet seawall\ntable inet seawall {\n");
    for (number, rule) in plan.rules.iter().enumerate() {
        sets(number, rule, &mut out);
    }
    out.push_str("    chain input {\n        type filter hook input priority filter - 10; policy accept;\n");
    out.push_str("        tcp dport != { 80, 443 } accept\n");
    for (number, rule) in plan.rules.iter().enumerate() {
        let _ = writeln!(out, "        # {}: {}", rule.name, rule.description);
        for family in [Family::V4, Family::V6] {
            line(number, rule, family, &mut out);
        }
    }
    out.push_str("    }\n}\n");
    vec![Part { name: "seawall.nft", place: "load it with `nft -f`", text: out }]
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Family {
    V4,
    V6,
}

impl Family {
    const fn word(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }

    fn of(self, literal: &Literal) -> Vec<IpNet> {
        let Term::Client(networks) = &literal.term else { return Vec::new() };
        networks
            .iter()
            .copied()
            .filter(|network| (self == Self::V4) == matches!(network, IpNet::V4(_)))
            .collect()
    }
}

fn sets(number: usize, rule: &Planned<'_>, out: &mut String) {
    for (index, literal) in rule.literals.iter().enumerate() {
        for family in [Family::V4, Family::V6] {
            let networks: Vec<String> = family.of(literal).iter().map(ToString::to_string).collect();
            if !networks.is_empty() {
                let (word, kind) = match family {
                    Family::V4 => ("ip", "ipv4_addr"),
                    Family::V6 => ("ip6", "ipv6_addr"),
                };
                let _ = writeln!(
                    out,
                    "    set {word}_{number}_{index} {{\n        type {kind}; flags interval; auto-merge\n        \
                     elements = {{ {} }}\n    }}",
                    networks.join(", ")
                );
            }
        }
    }
}

fn line(number: usize, rule: &Planned<'_>, family: Family, out: &mut String) {
    let word = family.word();
    let mut tests = format!("meta nfproto {}", if family == Family::V4 { "ipv4" } else { "ipv6" });
    for (index, literal) in rule.literals.iter().enumerate() {
        match (family.of(literal).is_empty(), literal.negated) {
            // No network of this family: no address of it lies in one.
            (true, false) => return,
            (true, true) => {}
            (false, negated) => {
                let not = if negated { "!= " } else { "" };
                let _ = write!(tests, " {word} saddr {not}@{word}_{number}_{index}");
            }
        }
    }
    let verdict = match rule.verdict {
        Verdict::Allow => "accept",
        _ => "reject with tcp reset",
    };
    let _ = writeln!(out, "        {tests} counter {verdict} comment \"{}\"", rule.name);
}
