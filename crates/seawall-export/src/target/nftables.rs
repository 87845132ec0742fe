//! nftables: rules that look at the client's network alone and close the connection.
//!
//! The client is the peer of the connection: behind a CDN, that is the CDN.

use std::fmt::Write as _;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use seawall_rules::limit::{KeyPart, Rate};

use crate::export::{Part, head};
use crate::pattern::Pattern;
use crate::plan::{
    Around, Counting, Language, Limited, Literal, PathForm, Plan, Planned, Subject, Term, Verdict,
};

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::Decoded, tells_empty: true, fits, sees, says, counts };

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

fn counts(limit: &Limited<'_>, _: &Around) -> Counting {
    if whole_rate(&limit.rate).is_none() {
        return Counting::Not("its rates are whole numbers per second, minute, hour or day");
    }
    match limit.by.0.as_slice() {
        [] | [KeyPart::Client | KeyPart::Network { .. }] => {
            Counting::Near("new connections are counted, and reset, not requests")
        }
        _ => Counting::Not("it sees networks, not requests"),
    }
}

fn whole_rate(rate: &Rate) -> Option<String> {
    [("second", 1u128), ("minute", 60), ("hour", 3600), ("day", 86_400)].into_iter().find_map(
        |(unit, secs)| {
            let requests = u128::from(rate.requests) * secs * 1_000_000_000;
            let per = rate.per.as_nanos();
            (per > 0 && requests >= per && requests.is_multiple_of(per))
                .then(|| format!("{}/{unit}", requests / per))
        },
    )
}

pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Part> {
    let mut out = head(plan, "#");
    // Declared first, so that it can be deleted whether it is there or not: loading the file again replaces it.
    out.push_str("table inet seawall {}\ndelete table inet seawall\ntable inet seawall {\n");
    for (number, rule) in plan.rules.iter().enumerate() {
        sets(&number.to_string(), &rule.literals, &mut out);
    }
    for (number, limit) in plan.limits.iter().enumerate() {
        sets(&format!("limit_{number}"), &limit.literals, &mut out);
        counters(number, limit, &mut out);
    }
    out.push_str("    chain input {\n        type filter hook input priority filter - 10; policy accept;\n");
    out.push_str("        tcp dport != { 80, 443 } accept\n");
    for (number, rule) in plan.rules.iter().enumerate() {
        let _ = writeln!(out, "        # {}: {}", rule.name, rule.description);
        for family in [Family::V4, Family::V6] {
            line(number, rule, family, &mut out);
        }
    }
    for (number, limit) in plan.limits.iter().enumerate() {
        let _ = writeln!(out, "        # {}: {}", limit.name, limit.description);
        for family in [Family::V4, Family::V6] {
            counted(number, limit, family, &mut out);
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

fn sets(number: &str, literals: &[Literal], out: &mut String) {
    for (index, literal) in literals.iter().enumerate() {
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

/// What must hold; `None` if it never does.
fn tests(number: &str, literals: &[Literal], family: Family) -> Option<String> {
    let word = family.word();
    let mut tests = format!("meta nfproto {}", if family == Family::V4 { "ipv4" } else { "ipv6" });
    for (index, literal) in literals.iter().enumerate() {
        match (family.of(literal).is_empty(), literal.negated) {
            // No network of this family: no address of it lies in one.
            (true, false) => return None,
            (true, true) => {}
            (false, negated) => {
                let not = if negated { "!= " } else { "" };
                let _ = write!(tests, " {word} saddr {not}@{word}_{number}_{index}");
            }
        }
    }
    Some(tests)
}

fn line(number: usize, rule: &Planned<'_>, family: Family, out: &mut String) {
    let Some(tests) = tests(&number.to_string(), &rule.literals, family) else { return };
    let verdict = match rule.verdict {
        Verdict::Allow => "accept",
        _ => "reject with tcp reset",
    };
    let _ = writeln!(out, "        {tests} counter {verdict} comment \"{}\"", rule.name);
}

// === limits ===

/// Where clients are kept that connected lately.
fn counters(number: usize, limit: &Limited<'_>, out: &mut String) {
    if limit.by.0.is_empty() {
        return;
    }
    // Nobody is still below the rate after the time in which all that may come at once comes back.
    let (_, window) = limit.window();
    for (word, kind) in [("ip", "ipv4_addr"), ("ip6", "ipv6_addr")] {
        let _ = writeln!(
            out,
            "    set {word}_count_{number} {{\n        type {kind}; flags dynamic,timeout; size 65535; timeout {}s\n    }}",
            window.div_ceil(1000)
        );
    }
}

fn counted(number: usize, limit: &Limited<'_>, family: Family, out: &mut String) {
    let Some(tests) = tests(&format!("limit_{number}"), &limit.literals, family) else { return };
    let rate = whole_rate(&limit.rate).unwrap_or_default();
    let over = format!("limit rate over {rate} burst {} packets", limit.rate.burst);
    let word = family.word();
    let over = match limit.by.0.first() {
        Some(part) => {
            format!("update @{word}_count_{number} {{ {word} saddr{} {over} }}", mask(part, family))
        }
        None => over,
    };
    let _ = writeln!(
        out,
        "        {tests} tcp flags & (syn | ack) == syn {over} counter reject with tcp reset comment \"{}\"",
        limit.name
    );
}

/// What is left of an address.
fn mask(part: &KeyPart, family: Family) -> String {
    let (v4, v6) = match part {
        KeyPart::Network { v4, v6 } => (*v4, *v6),
        _ => (32, 64),
    };
    match family {
        Family::V4 => Ipv4Net::new([0; 4].into(), v4).map(|net| format!(" & {}", net.netmask())),
        Family::V6 => Ipv6Net::new([0; 16].into(), v6).map(|net| format!(" & {}", net.netmask())),
    }
    .unwrap_or_default()
}
