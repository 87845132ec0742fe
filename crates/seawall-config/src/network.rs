//! Networks and named sets of them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::diagnostic::{Code, Problems};
use crate::reader::{Value, nearest};

/// Sets of networks that a configuration may call by name, wherever it may write a network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedSets(BTreeMap<String, Vec<IpNet>>);

impl Default for NamedSets {
    /// `loopback` and `private`, which never change.
    fn default() -> Self {
        let mut sets = Self(BTreeMap::new());
        sets.insert("loopback", parse(&["127.0.0.0/8", "::1/128"]));
        // RFC 1918 §3, RFC 4193 §3.1, RFC 3927 §2.1, RFC 4291 §2.5.6, and the loopback of one machine's own proxies.
        let private = [
            "127.0.0.0/8",
            "::1/128",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "fc00::/7",
            "169.254.0.0/16",
            "fe80::/10",
        ];
        sets.insert("private", parse(&private));
        sets
    }
}

fn parse(networks: &[&str]) -> Vec<IpNet> {
    networks.iter().filter_map(|network| network.parse().ok()).collect()
}

impl NamedSets {
    /// Adds a set, or replaces the one of that name.
    pub fn insert(&mut self, name: &str, networks: Vec<IpNet>) {
        self.0.insert(name.to_owned(), networks);
    }

    /// The networks of a set.
    pub fn get(&self, name: &str) -> Option<&[IpNet]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Every name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(String::as_str)
    }
}

/// Reads networks, single addresses and named sets: one, or an array of them.
pub(crate) fn read_networks(
    value: Value<'_>,
    sets: &NamedSets,
    problems: &mut Problems,
) -> Option<Vec<IpNet>> {
    let before = problems.error_count();
    let mut networks = Vec::new();
    for item in value.one_or_many() {
        read_one(item, sets, &mut networks, problems);
    }
    (problems.error_count() == before).then_some(networks)
}

fn read_one(item: Value<'_>, sets: &NamedSets, networks: &mut Vec<IpNet>, problems: &mut Problems) {
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
    } else if let Some(set) = sets.get(text) {
        networks.extend_from_slice(set);
    } else {
        problems.push(unknown(item, text, sets));
    }
}

fn unknown(item: Value<'_>, text: &str, sets: &NamedSets) -> crate::Diagnostic {
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains([':', '/', '.']);
    if !is_name {
        let diagnostic = item.invalid(format!("\"{text}\" is not a network"));
        return diagnostic.help("write an address, or an address and a prefix length, as in \"192.0.2.0/24\" or \"2001:db8::/32\"");
    }
    let names: Vec<&str> = sets.names().collect();
    let near =
        nearest(text, sets.names()).map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
    let diagnostic = item.error(Code::UnknownSet, format!("no set of networks is named \"{text}\""));
    diagnostic.help(format!("{near}the sets are: {}", names.join(", ")))
}
