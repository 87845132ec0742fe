//! Sites by host name.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::ClientConfig;
use seawall_config::config::Site;

use crate::files::FileOrigin;

/// One site and what its responses are made from. The same `Arc` in two snapshots is the same site, whose origin
/// connections are kept.
pub struct SiteSpec {
    /// As configured.
    pub site: Site,
    /// Where its responses come from.
    pub responder: Responder,
}

/// Where a site's responses come from.
pub enum Responder {
    /// Origin servers, with what each one's TLS needs; each worker has its own pool.
    Origins(Vec<Option<Arc<ClientConfig>>>),
    /// A folder.
    Files(Arc<FileOrigin>),
}

/// Sites by host name.
#[derive(Default)]
pub struct SiteTable {
    sites: Vec<Arc<SiteSpec>>,
    hosts: HostTable,
}

/// Numbers by host name.
#[derive(Default)]
struct HostTable {
    exact: HashMap<String, usize>,
    /// By the name behind `*.`.
    subdomains: HashMap<String, usize>,
    rest: Option<usize>,
}

impl SiteTable {
    /// Where two sites claim a host, the first has it; the configuration's check refuses that.
    pub fn new(sites: Vec<Arc<SiteSpec>>) -> Self {
        let mut hosts = HostTable::default();
        for (index, spec) in sites.iter().enumerate() {
            spec.site.hosts.iter().for_each(|host| hosts.insert(host, index));
        }
        Self { sites, hosts }
    }

    /// The sites in order.
    pub fn sites(&self) -> &[Arc<SiteSpec>] {
        &self.sites
    }

    /// The site of a normalised host: the exact name, then the longest `*.` above it, then `*`.
    pub fn find(&self, host: &str) -> Option<usize> {
        self.hosts.find(host)
    }
}

impl HostTable {
    fn insert(&mut self, pattern: &str, index: usize) {
        match pattern.strip_prefix("*.") {
            Some(parent) => drop(self.subdomains.entry(parent.to_owned()).or_insert(index)),
            None if pattern == "*" => drop(self.rest.get_or_insert(index)),
            None => drop(self.exact.entry(pattern.to_owned()).or_insert(index)),
        }
    }

    fn find(&self, host: &str) -> Option<usize> {
        if let Some(index) = self.exact.get(host) {
            return Some(*index);
        }
        let mut rest = host;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(index) = self.subdomains.get(parent) {
                return Some(*index);
            }
            rest = parent;
        }
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_pattern_wins() {
        let mut table = HostTable::default();
        for (index, pattern) in ["example.org", "*.example.org", "*.a.example.org", "*"].iter().enumerate() {
            table.insert(pattern, index);
        }
        for (host, index) in [
            ("example.org", 0),
            ("x.example.org", 1),
            ("x.y.example.org", 1),
            ("a.example.org", 1),
            ("x.a.example.org", 2),
            ("xexample.org", 3),
            ("", 3),
        ] {
            assert_eq!(table.find(host), Some(index), "{host}");
        }
    }

    #[test]
    fn unknown_host_has_no_site() {
        let mut table = HostTable::default();
        table.insert("*.example.org", 0);
        assert_eq!(table.find("example.org"), None);
    }
}
