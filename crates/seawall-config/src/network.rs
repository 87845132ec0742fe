//! Networks and named sets of them.

use std::net::IpAddr;

use ipnet::IpNet;
use seawall_http::named_sets::{NAMES, named_set};

use crate::diagnostic::{Code, Problems};
use crate::reader::{Value, nearest};

/// Reads networks, single addresses and named sets: one, or an array of them.
pub(crate) fn read_networks(value: Value<'_>, problems: &mut Problems) -> Option<Vec<IpNet>> {
    let before = problems.error_count();
    let mut networks = Vec::new();
    for item in value.one_or_many() {
        read_one(item, &mut networks, problems);
    }
    (problems.error_count() == before).then_some(networks)
}

fn read_one(item: Value<'_>, networks: &mut Vec<IpNet>, problems: &mut Problems) {
    let Some(text) = item.text(problems) else { return };
    if let Ok(addr) = text.parse::<IpAddr>() {
        networks.push(addr.into());
    } else if let Ok(network) = text.parse::<IpNet>() {
        if network == network.trunc() {
            networks.push(network);
        } else {
            let diagnostic =
                item.invalid(format!("\"{text}\" is an address within a network, not the network"));
            let help = format!(
                "write \"{}\" for the network, or \"{}\" for the address alone",
                network.trunc(),
                network.addr()
            );
            problems.push(diagnostic.help(help));
        }
    } else if let Some(set) = named_set(text) {
        networks.extend_from_slice(&set.networks);
    } else {
        problems.push(unknown(item, text));
    }
}

fn unknown(item: Value<'_>, text: &str) -> crate::Diagnostic {
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains([':', '/', '.']);
    if !is_name {
        let diagnostic = item.invalid(format!("\"{text}\" is not a network"));
        return diagnostic.help("write an address, or an address and a prefix length, as in \"192.0.2.0/24\" or \"2001:db8::/32\"");
    }
    let near =
        nearest(text, NAMES.into_iter()).map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
    let diagnostic = item.error(Code::UnknownSet, format!("no set of networks is named \"{text}\""));
    diagnostic.help(format!("{near}the sets are: {}", NAMES.join(", ")))
}
