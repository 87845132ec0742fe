//! Whether the clients that a log shows are visitors, or a proxy for all of them.
//!
//! The trap: behind a CDN that the server was not told of, every request comes from the CDN's addresses, and whoever
//! blocks or limits the busiest "clients" blocks everybody.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;

use seawall_http::named_sets::NAMES;
use seawall_http::{ClientSource, NetworkSet, RequestFacts, named_set};
use seawall_logs::Record;

/// Where requests come from, as far as that tells proxies from visitors. Small, whatever the log's length.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// Whose client the log shows by its address.
    requests: u64,
    /// Of these, those that came straight from where it says, by the set that holds the address.
    from: [u64; NAMES.len()],
    /// Requests of which a column tells for whom they were forwarded.
    forwarded: u64,
    /// At most [`ADDRESSES_MAX`] and one more.
    addresses: HashSet<IpAddr>,
    /// At most [`AGENTS_MAX`], hashed.
    agents: HashSet<u64>,
    hasher: RandomState,
    last: Option<(IpAddr, Option<usize>)>,
}

impl Clients {
    /// Takes a request.
    pub fn add(&mut self, record: &Record<'_>, facts: &RequestFacts<'_>) {
        if record.client.is_none() {
            return;
        }
        self.requests += 1;
        self.forwarded += u64::from(record.forwarded_for.is_some() || record.forwarded.is_some());
        if facts.client.source == ClientSource::Field {
            // Found behind a trusted hop: as it should be.
            return;
        }
        let address = facts.client.addr.expose();
        if let Some(set) = self.set_of(address) {
            self.from[set] += 1;
        }
        if self.addresses.len() <= ADDRESSES_MAX {
            self.addresses.insert(address);
        }
        if self.agents.len() < AGENTS_MAX
            && let Some(agent) = record.user_agent.as_deref()
        {
            self.agents.insert(self.hasher.hash_one(agent));
        }
    }

    /// Adds what another thread saw. Both must come from one [`Clone`].
    pub fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.forwarded += other.forwarded;
        self.from.iter_mut().zip(other.from).for_each(|(mine, theirs)| *mine += theirs);
        let room = (ADDRESSES_MAX + 1).saturating_sub(self.addresses.len());
        self.addresses.extend(other.addresses.into_iter().take(room));
        let room = AGENTS_MAX.saturating_sub(self.agents.len());
        self.agents.extend(other.agents.into_iter().take(room));
    }

    /// What to warn of, if these are no visitors.
    pub fn warning(&self) -> Option<String> {
        let nearly_all = |count: u64| self.requests >= REQUESTS_MIN && count * 100 >= self.requests * 99;
        let set = self.from.iter().position(|count| nearly_all(*count)).map(|set| NAMES[set]);
        let agents = self.agents.len();
        let who = match set {
            Some("private") => "all requests come from private addresses, as behind a proxy".to_owned(),
            Some(set) => format!("all requests come from addresses of the set `{set}`"),
            None if self.is_shared() => {
                let addresses = self.addresses.len();
                format!(
                    "all requests come from {addresses} address{}, with at least {agents} user agents: they look \
                     like proxies for many",
                    if addresses == 1 { "" } else { "es" }
                )
            }
            None => return None,
        };
        let advice = match (self.forwarded > 0, set) {
            (true, Some(set)) => {
                format!("--trusted-hops {set} finds the clients in the column of forwarded addresses")
            }
            (true, None) => {
                "name them in --trusted-hops to find the clients in the column of forwarded addresses"
                    .to_owned()
            }
            (false, _) => {
                "no column tells whom for, so what is counted by client is counted for all visitors \
                           together; log `X-Forwarded-For` (nginx: \"$http_x_forwarded_for\", Apache: \
                           \"%{X-Forwarded-For}i\")"
                    .to_owned()
            }
        };
        Some(format!("{who}; {advice}"))
    }

    fn is_shared(&self) -> bool {
        let (addresses, agents) = (self.addresses.len(), self.agents.len());
        self.requests >= SHARED_REQUESTS_MIN
            && (1..=ADDRESSES_MAX).contains(&addresses)
            && agents >= (AGENTS_PER_ADDRESS * addresses).clamp(AGENTS_MIN, AGENTS_MAX)
    }

    /// Neighbours in a log are often alike.
    fn set_of(&mut self, address: IpAddr) -> Option<usize> {
        if let Some((last, set)) = self.last
            && last == address
        {
            return set;
        }
        let set = SETS.iter().position(|set| set.contains(address));
        self.last = Some((address, set));
        set
    }
}

static SETS: LazyLock<[NetworkSet; NAMES.len()]> = LazyLock::new(|| {
    NAMES.map(|name| {
        let networks = named_set(name).map(|set| set.networks.as_slice()).unwrap_or_default();
        NetworkSet::new(networks.iter().copied())
    })
});

/// Fewer requests say nothing of who stands in front.
const REQUESTS_MIN: u64 = 20;
/// Fewer are one office's.
const SHARED_REQUESTS_MIN: u64 = 500;
/// More addresses than a small CDN's nearest place has.
const ADDRESSES_MAX: usize = 16;
/// A household has fewer programs.
const AGENTS_PER_ADDRESS: usize = 8;
const AGENTS_MIN: usize = 20;
const AGENTS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use seawall_logs::{Format, Formats};

    use super::*;
    use crate::analyze::request::Vantage;

    /// What is warned of, of so many requests from these addresses in turn, each with another agent.
    fn warned(requests: u32, addresses: &[&str], forwarded: &str, trusted: &[&str]) -> Option<String> {
        let line = |number: u32| {
            let address = addresses[number as usize % addresses.len()];
            format!(
                "{address} - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"agent/{number}\" {forwarded}\n"
            )
        };
        let log: String = (0..requests).map(line).collect();
        let format = if forwarded.is_empty() { "combined+more" } else { "main" };
        let vantage = Vantage::named(trusted.iter().map(|network| network.parse().unwrap()), None);
        let mut clients = Clients::default();
        Formats::from(Format::named(format).unwrap()).read(log.as_bytes(), |_, record| {
            vantage.see(record, |facts, _| clients.add(record, facts));
        });
        assert_eq!(clients.requests, u64::from(requests));
        clients.warning()
    }

    #[test]
    fn a_log_of_a_cdn_s_addresses_is_warned_of_with_what_helps() {
        // Of Fastly's published list.
        let fastly = ["151.101.1.57", "151.101.65.57"];
        let warning = warned(100, &fastly, "", &[]).unwrap();
        assert!(warning.contains("set `fastly`; no column tells whom for"), "{warning}");
        let warning = warned(100, &fastly, "\"198.51.100.7\"", &[]).unwrap();
        assert!(warning.contains("--trusted-hops fastly"), "{warning}");
        assert_eq!(warned(100, &fastly, "\"198.51.100.7\"", &["151.101.0.0/16"]), None);
        assert_eq!(warned(19, &fastly, "", &[]), None, "too few");
    }

    #[test]
    fn few_addresses_with_many_agents_are_proxies_and_many_addresses_are_visitors() {
        let warning = warned(600, &["203.0.113.1", "203.0.113.2"], "", &[]).unwrap();
        assert!(warning.starts_with("all requests come from 2 addresses, with at least"), "{warning}");
        let visitors: Vec<String> = (1..=100).map(|host| format!("203.0.113.{host}")).collect();
        let visitors: Vec<&str> = visitors.iter().map(String::as_str).collect();
        assert_eq!(warned(600, &visitors, "", &[]), None);
    }
}
