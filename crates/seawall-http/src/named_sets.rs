//! Networks by name, for `trusted-hops`: the published ranges of two CDNs, and private networks.
//!
//! The lists ship with the program (`data/*.txt`), each with its source and date, because looking them up at
//! start would make the answer to "whom do I trust?" depend on the network. They age: whoever shows a set shows
//! its date.

use std::sync::LazyLock;

use ipnet::IpNet;

/// The names of all sets.
pub const NAMES: [&str; 3] = ["fastly", "cloudflare", "private"];

/// A list of networks as its owner published it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedSet {
    /// One of [`NAMES`].
    pub name: &'static str,
    /// Of the published list, as `YYYY-MM-DD`.
    pub date: &'static str,
    /// Where it was published.
    pub source: &'static str,
    /// The networks, in the order of the list.
    pub networks: Vec<IpNet>,
}

/// The set of that name; names are lower-case.
pub fn named_set(name: &str) -> Option<&'static NamedSet> {
    SETS.iter().find(|set| set.name == name)
}

static SETS: LazyLock<[NamedSet; 3]> = LazyLock::new(|| {
    [
        NamedSet::read(NAMES[0], include_str!("../data/fastly.txt")),
        NamedSet::read(NAMES[1], include_str!("../data/cloudflare.txt")),
        NamedSet::read(NAMES[2], include_str!("../data/private.txt")),
    ]
});

impl NamedSet {
    fn read(name: &'static str, text: &'static str) -> Self {
        let mut set = Self { name, date: "", source: "", networks: Vec::new() };
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix('#') {
                let comment = comment.trim();
                if let Some(date) = comment.strip_prefix("date: ") {
                    set.date = date;
                } else if let Some(source) = comment.strip_prefix("source: ") {
                    set.source = source;
                }
            } else if !line.is_empty() {
                set.networks.push(line.parse().expect("invariant: the shipped lists parse (tested below)"));
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkSet;

    #[test]
    fn every_set_has_networks_source_and_date() {
        for name in NAMES {
            let set = named_set(name).unwrap();
            let date: Vec<&str> = set.date.split('-').collect();
            assert_eq!(date.iter().map(|part| part.len()).collect::<Vec<_>>(), [4, 2, 2], "{name}");
            assert!(date.iter().all(|part| part.parse::<u16>().is_ok()), "{name}");
            assert!(!set.source.is_empty(), "{name}");
            assert!(set.networks.len() >= 8, "{name}");
        }
        assert_eq!(named_set("akamai"), None);
    }

    #[test]
    fn networks_are_written_truncated_and_once() {
        for name in NAMES {
            let networks = &named_set(name).unwrap().networks;
            for (i, network) in networks.iter().enumerate() {
                assert_eq!(*network, network.trunc(), "{name}");
                assert!(
                    networks[..i].iter().all(|other| !other.contains(network)),
                    "{name}: {network} twice"
                );
            }
        }
    }

    #[test]
    fn sets_hold_what_they_are_known_for() {
        let holds = |name: &str, addr: &str| {
            let set = NetworkSet::new(named_set(name).unwrap().networks.iter().copied());
            set.contains(addr.parse().unwrap())
        };
        assert!(holds("fastly", "151.101.1.140"));
        assert!(holds("fastly", "2a04:4e42::396"));
        assert!(holds("cloudflare", "104.16.132.229"));
        assert!(holds("cloudflare", "2606:4700::6810:84e5"));
        for addr in [
            "10.255.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "::1",
            "fe80::1",
            "fd00::1",
        ] {
            assert!(holds("private", addr), "{addr}");
        }
        for addr in ["11.0.0.1", "172.32.0.1", "100.64.0.1", "2001:db8::1", "fec0::1", "::"] {
            assert!(!holds("private", addr), "{addr}");
        }
    }
}
