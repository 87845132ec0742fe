//! What the detector of storms sees and did.

use std::fmt;

use super::encode::Encoder;

/// Counters of the detector; all zero while storms are not looked for.
#[derive(Clone, Debug, Default)]
pub struct StormCounts {
    /// Storms and crowds that are active, by what they are.
    pub active: Vec<(&'static str, u64)>,
    /// Proposals that stand.
    pub proposals: u64,
    /// Rules that came of proposals and are in force or observe, by stage.
    pub rules: Vec<(&'static str, u64)>,
    /// What happened, by kind.
    pub notices: Vec<(&'static str, u64)>,
    /// Windows of a second that were looked at.
    pub windows: u64,
    /// Times that a bound was hit, by its name.
    pub bounds_hit: Vec<(&'static str, u64)>,
}

impl StormCounts {
    pub(super) fn encode(&self, to: &mut Encoder<'_>) -> fmt::Result {
        to.token_gauges(
            "seawall_storms_active",
            "Storms, and rises that get no rule, that go on",
            "nature",
            &self.active,
        )?;
        to.gauge("seawall_storm_proposals", "Proposals that stand", self.proposals)?;
        to.token_gauges(
            "seawall_storm_rules",
            "Rules that came of proposals, by how far they act",
            "stage",
            &self.rules,
        )?;
        to.tokens("seawall_storm_notices", "What happened about storms", "kind", &self.notices)?;
        to.counter("seawall_storm_windows", "Seconds of traffic that were looked at", self.windows)?;
        to.tokens(
            "seawall_storm_bounds_hit",
            "Times that a bound of the detector was hit",
            "bound",
            &self.bounds_hit,
        )
    }
}
