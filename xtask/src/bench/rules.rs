//! A rule set as a site may have it after some years: rules of every kind, one of which refuses the storm, and a limit
//! by client that never bites.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::case::STORM_AGENT;

/// How many rules Seawall has where nothing else is said.
pub(super) const USUAL: u32 = 100;

/// The rules and the limit, as configuration.
pub(super) fn toml(rules: u32) -> String {
    let mut toml =
        String::from("[[limit]]\nname = \"per-client\"\nby = [\"client\"]\nrate = \"10000000/s\"\n");
    for number in 0..rules {
        // The one that matters stands behind half of the others.
        if number == rules / 2 {
            push(&mut toml, "storm", &format!("user-agent = {{ prefix = \"{STORM_AGENT}\" }}"));
        } else {
            push(&mut toml, &format!("rule-{number}"), &condition(number));
        }
    }
    toml
}

fn condition(number: u32) -> String {
    match number % 10 {
        0 => format!("user-agent = {{ contains = \"scraper-{number}/\" }}"),
        1 => format!("path = \"/removed/page-{number}\""),
        2 => format!("path = {{ prefix = \"/private-{number}/\" }}"),
        3 => format!("path = {{ suffix = \".ext{number}\" }}"),
        4 => {
            let network = Ipv4Addr::from_bits(0x0a00_0000 | (number << 4 & 0x00ff_ffff));
            format!("client = {{ within = \"{network}/28\" }}")
        }
        5 => format!("path = {{ regex = '^/wp-{number}/.*\\.php$' }}"),
        6 => format!("method = \"POST\", path = \"/form-{number}\""),
        7 => format!("referer = {{ contains = \"spam-{number}.example\" }}"),
        8 => format!("host = \"old-{number}.example\""),
        _ => {
            format!("user-agent = {{ prefix = \"Robot{number}\" }}, content-length = {{ min = {number} }}")
        }
    }
}

fn push(toml: &mut String, name: &str, condition: &str) {
    let _ = write!(toml, "[[rule]]\nname = \"{name}\"\naction = \"deny\"\nmatch = {{ {condition} }}\n");
}
