//! [`Sites`]: which policy a storm falls under.

use crate::fact::FactKind;
use crate::policy::Policy;
use crate::storms::Tracked;

use super::SitePolicy;

/// The share of a storm that must lie on one site for that site's policy to decide alone.
const SITE_SHARE_MIN: f64 = 0.99;

/// Policies by host.
#[derive(Debug)]
pub(super) struct Sites {
    policy: Policy,
    sites: Vec<SitePolicy>,
}

impl Sites {
    pub(super) fn new(policy: Policy, sites: Vec<SitePolicy>) -> Self {
        Self { policy, sites }
    }

    /// The policy of the site that the storm is on; of several sites, the one that allows the machine least.
    pub(super) fn policy_of(&self, tracked: &Tracked) -> &Policy {
        if self.sites.is_empty() {
            return &self.policy;
        }
        let mut weights = vec![0.0; self.sites.len() + 1];
        for (specimen, weight) in tracked.seen() {
            let host = specimen.text(FactKind::Host);
            weights[host.map_or(self.sites.len(), |host| self.site_of(&host))] += weight;
        }
        let all: f64 = weights.iter().sum();
        let policy = |at: usize| self.sites.get(at).map_or(&self.policy, |site| &site.policy);
        let touched =
            weights.iter().enumerate().filter(|(_, weight)| **weight > (1.0 - SITE_SHARE_MIN) * all);
        touched.map(|(at, _)| policy(at)).min_by_key(|policy| policy.auto).unwrap_or(&self.policy)
    }

    /// The place of the host's site; behind the last one if it has none. Exact names go before patterns, longer ones
    /// before shorter.
    fn site_of(&self, host: &str) -> usize {
        let fit = |pattern: &str| match pattern.strip_prefix('*') {
            None => (pattern == host).then_some(usize::MAX),
            Some(suffix) => host.ends_with(suffix).then_some(suffix.len()),
        };
        let sites = self.sites.iter().enumerate();
        let fits =
            sites.filter_map(|(at, site)| Some((site.hosts.iter().filter_map(|host| fit(host)).max()?, at)));
        fits.max_by_key(|(length, _)| *length).map_or(self.sites.len(), |(_, at)| at)
    }
}
