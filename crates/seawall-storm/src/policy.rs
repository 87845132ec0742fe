//! What a site's operator allows the machine to do by itself, and within which bounds.
//!
//! Every default is argued in `docs/concepts/storms.md`.

use std::time::Duration;

/// How far the machine may go.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Hash)]
pub enum Auto {
    /// Storms are named, and nothing is proposed.
    Off,
    /// Rules are proposed; a person accepts them.
    #[default]
    Propose,
    /// Rules that slow down a storm, answer it from the cache or refuse a wrong method are put in force.
    Limit,
    /// Rules that refuse it are, too.
    Deny,
}

impl Auto {
    /// As the configuration writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Propose => "propose",
            Self::Limit => "limit",
            Self::Deny => "deny",
        }
    }
}

/// What a site's operator allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How far the machine may go.
    pub auto: Auto,
    /// Least confidence in the storm for a rule to be put in force, 0 to 1.
    pub confidence_min: f64,
    /// Greatest collateral, by requests and by clients, as a share of everybody else, 0 to 1: the best guess for a rule
    /// to be proposed (and the upper 95 % bound no more than ten times that), the upper bound for one that the machine puts
    /// in force or keeps.
    pub collateral_max: f64,
    /// How many rules of the machine may be in force at once.
    pub rules_max: usize,
    /// For how long a rule is made; it is renewed while its storm lasts, if `renew` says so.
    pub life: Duration,
    /// No rule of the machine is in force for longer than this, however often renewed.
    pub life_max: Duration,
    /// Whether a rule is renewed while its storm lasts.
    pub renew: bool,
    /// The machine puts rules in force only above this load. It proposes them all the same.
    pub above: Above,
    /// How a rule is brought into force.
    pub stages: Stages,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            auto: Auto::Propose,
            confidence_min: 0.9,
            collateral_max: 0.001,
            rules_max: 8,
            life: Duration::from_secs(24 * 3600),
            life_max: Duration::from_secs(30 * 24 * 3600),
            renew: true,
            above: Above::default(),
            stages: Stages::default(),
        }
    }
}

/// A load: reached if any of those that are given is. None given: always reached.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Above {
    /// Requests per second.
    pub requests: Option<f64>,
    /// Exchanges at the origins at once, on average: seconds of origin time per second.
    pub origin_busy: Option<f64>,
    /// Share of exchanges that end in 5xx, 0 to 1.
    pub server_errors: Option<f64>,
}

impl Above {
    /// Whether `load` reaches it.
    pub fn is_reached_by(&self, load: &Load) -> bool {
        let each = [
            (self.requests, load.requests),
            (self.origin_busy, load.origin_busy),
            (self.server_errors, load.server_errors),
        ];
        let mut given = each.iter().filter_map(|(least, now)| least.map(|least| now >= &least)).peekable();
        given.peek().is_none() || given.any(|is_reached| is_reached)
    }
}

/// What the site carries, as the data plane counted it over the last seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Requests per second.
    pub requests: f64,
    /// Exchanges at the origins at once, on average.
    pub origin_busy: f64,
    /// Share of exchanges that ended in 5xx, 0 to 1.
    pub server_errors: f64,
}

/// How a rule is brought into force: it first counts, then acts on a part of the clients, then on all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stages {
    /// For how long it only counts.
    pub observe: Duration,
    /// For how long it acts on a part.
    pub part: Duration,
    /// That part of the clients, 0 to 1.
    pub part_share: f64,
    /// How long the machine waits before it tries again after it took a rule back; doubled each time.
    pub retry_after: Duration,
    /// The longest such wait.
    pub retry_after_max: Duration,
}

impl Default for Stages {
    fn default() -> Self {
        Self {
            observe: Duration::from_secs(10),
            part: Duration::from_secs(20),
            part_share: 0.25,
            retry_after: Duration::from_secs(10 * 60),
            retry_after_max: Duration::from_secs(24 * 3600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_reached_if_any_bound_is_or_none_is_given() {
        let load = Load { requests: 100.0, origin_busy: 2.0, server_errors: 0.0 };
        let reached = |requests, origin_busy, server_errors| {
            Above { requests, origin_busy, server_errors }.is_reached_by(&load)
        };
        assert!(reached(None, None, None));
        assert!(reached(Some(100.0), None, Some(0.1)));
        assert!(reached(Some(500.0), Some(1.5), None));
        assert!(!reached(Some(500.0), Some(3.0), Some(0.01)));
    }
}
