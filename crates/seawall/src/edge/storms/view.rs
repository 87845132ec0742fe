//! Storms and proposals as the admin API tells them: without addresses, and networks only with enough clients.

use std::collections::BTreeMap;

use seawall_config::config::DetectConfig;
use seawall_console::control::{
    CollateralView, CostView, CurveView, EstimateView, ProposalView, StormView as StormShown,
};
use seawall_http::UnixTime;
use seawall_rules::definition;
use seawall_rules::rule::{Fact, Rule};
use seawall_storm::{
    Collateral, Cost, Estimate, FactKind, Measure, Proposal, Series, Signature, Step, Storm, StormView, Term,
    Watch,
};

/// What may be shown.
pub(super) struct Viewer {
    clients_min: u64,
}

impl Viewer {
    pub(super) const fn new(detect: &DetectConfig) -> Self {
        Self { clients_min: detect.least_clients }
    }

    pub(super) fn storm(&self, view: &StormView<'_>) -> StormShown {
        let storm = view.storm;
        StormShown {
            id: storm.id.to_string(),
            nature: storm.nature.as_str().to_owned(),
            phase: storm.phase.as_str().to_owned(),
            signature: self.terms(&storm.signature, storm.clients),
            described: self.terms(&storm.described, storm.clients),
            measure: storm.measure.as_str().to_owned(),
            onset: storm.onset.as_secs(),
            named: storm.named.as_secs(),
            last: storm.last.as_secs(),
            rate: cost(storm.rate),
            peak: cost(storm.peak),
            total: cost(storm.total),
            share: share(storm.share),
            clients: estimate(storm.clients),
            collateral: storm.collateral.map(collateral),
            confidence: storm.confidence,
            grounds: view.grounds.iter().map(ToString::to_string).collect(),
            proposal: view.proposal.map(|proposal| proposal.id.to_string()),
            withheld: view.withheld.map(|why| why.to_string()),
            rule: view.report.and(view.proposal).map(|proposal| proposal.rule.name.clone()),
            curve: curve(view.series, storm),
        }
    }

    pub(super) fn proposal(&self, proposal: &Proposal, watch: &Watch) -> ProposalView {
        let storm = watch.storms().find(|storm| storm.id == proposal.storm);
        let clients = storm.map(|storm| storm.clients).unwrap_or_default();
        let is_shown = self.may_show(proposal, clients);
        let json = definition::to_json(&proposal.rule);
        ProposalView {
            id: proposal.id.to_string(),
            storm: proposal.storm.to_string(),
            name: proposal.rule.name.clone(),
            description: self.describe(proposal, clients),
            definition: is_shown.then(|| serde_json::from_str(&json).ok()).flatten(),
            matches: self.terms(&proposal.matches, clients),
            collateral: collateral(proposal.collateral),
            confidence: proposal.confidence,
            made: proposal.made.as_secs(),
            expires: proposal.rule.expires.map(UnixTime::as_secs),
            reasons: proposal.reasons.clone(),
        }
    }

    /// The signature in one line.
    pub(super) fn line(&self, signature: &Signature, clients: Estimate) -> String {
        self.terms(signature, clients).join(" ∧ ")
    }

    /// The proposed rule as a sentence.
    pub(super) fn describe(&self, proposal: &Proposal, clients: Estimate) -> String {
        if self.may_show(proposal, clients) {
            return definition::describe(&proposal.rule);
        }
        // The conditions that look at networks are left out of the sentence, and told in words.
        let mut rule: Rule = proposal.rule.clone();
        rule.conditions.retain(|condition| condition.fact != Fact::Client);
        format!("{}, from {}", definition::describe(&rule), self.few())
    }

    pub(super) fn terms(&self, signature: &Signature, clients: Estimate) -> Vec<String> {
        let told = |term: &Term| match networks(term) {
            Some(count) if !self.are_enough(clients, count) => format!("client within {}", self.few()),
            _ => term.to_string(),
        };
        signature.terms.iter().map(told).collect()
    }

    /// Whether the whole rule may be shown.
    pub(super) fn may_show(&self, proposal: &Proposal, clients: Estimate) -> bool {
        self.shows(&proposal.rule, &proposal.matches, clients)
    }

    /// Whether each network that the signature names may be shown.
    pub(super) fn may_show_networks(&self, signature: &Signature, clients: Estimate) -> bool {
        signature.terms.iter().filter_map(networks).all(|count| self.are_enough(clients, count))
    }

    /// How many clients a network must have to be shown.
    pub(super) fn least_clients(&self) -> u32 {
        u32::try_from(self.clients_min).unwrap_or(u32::MAX)
    }

    fn shows(&self, rule: &Rule, matches: &Signature, clients: Estimate) -> bool {
        let named = matches.terms.iter().filter_map(networks).sum::<usize>();
        let looked_at = rule.conditions.iter().any(|condition| condition.fact == Fact::Client);
        !looked_at || (named > 0 && self.are_enough(clients, named))
    }

    /// Whether so many networks have enough clients behind them.
    fn are_enough(&self, clients: Estimate, networks: usize) -> bool {
        clients.value >= self.clients_min as f64 * networks as f64
    }

    fn few(&self) -> String {
        format!("a network with fewer than {} clients", self.clients_min)
    }
}

/// How many networks the term names, if it names any.
fn networks(term: &Term) -> Option<usize> {
    match term {
        Term::Fact {
            kind: FactKind::Network24 | FactKind::Network22 | FactKind::Network20 | FactKind::Network16,
            values,
        } => Some(values.len()),
        _ => None,
    }
}

fn cost(cost: Cost) -> CostView {
    CostView {
        requests: cost[Measure::Requests],
        bytes: cost[Measure::BytesSent],
        origin_bytes: cost[Measure::OriginBytes],
        origin_seconds: cost[Measure::OriginTime] / 1e6,
    }
}

/// Shares have no unit.
fn share(share: Cost) -> CostView {
    CostView { origin_seconds: share[Measure::OriginTime], ..cost(share) }
}

fn estimate(estimate: Estimate) -> EstimateView {
    EstimateView { value: estimate.value, upper: estimate.upper }
}

fn collateral(collateral: Collateral) -> CollateralView {
    CollateralView {
        requests: estimate(collateral.requests),
        clients: estimate(collateral.clients),
        sample: collateral.sample,
    }
}

/// The course from the onset on, in at most [`POINTS_MAX`] spans.
fn curve(series: &Series, storm: &Storm) -> CurveView {
    let (from, until) = (storm.onset.as_secs(), storm.last.as_secs().max(storm.onset.as_secs()) + 1);
    let age = until - from;
    let has_points = |step: &Step| series.points(*step).next().is_some();
    let step = Step::ALL.into_iter().find(|step| age <= step.secs() * step.kept() && has_points(step));
    let Some(step) = step.or_else(|| Step::ALL.into_iter().rev().find(has_points)) else {
        return CurveView::default();
    };
    let steps_each = (age.div_ceil(step.secs())).div_ceil(POINTS_MAX).max(1);
    let width = steps_each * step.secs();
    let mut sums: BTreeMap<u64, Cost> = BTreeMap::new();
    let first = from / width;
    for point in series.points(step) {
        let span = point.at.as_secs() / width;
        if span >= first {
            *sums.entry(span).or_default() += point.cost;
        }
    }
    let last = sums.keys().next_back().copied().unwrap_or(first);
    // What is kept is bounded, and so is this: a span is as wide as its share of the whole.
    let from_span = first.max(last.saturating_sub(POINTS_MAX));
    let rate = |span: u64| sums.get(&span).map_or(Cost::default(), |sum| sum.scaled(1.0 / width as f64));
    CurveView { seconds: width, points: (from_span..=last).map(|span| cost(rate(span))).collect() }
}

/// As many as a line of a terminal shows.
const POINTS_MAX: u64 = 60;

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use seawall_rules::rule::{Action, Author, Mode};
    use seawall_storm::{FactValue, ProposalId, StormId};

    use super::*;

    fn viewer() -> Viewer {
        Viewer::new(&DetectConfig { least_clients: 20, ..DetectConfig::default() })
    }

    fn clients(value: f64) -> Estimate {
        Estimate { value, upper: value * 1.1 }
    }

    fn text(text: &str) -> FactValue {
        FactValue::Text(text.to_owned())
    }

    fn networks() -> Signature {
        let values = vec![text("192.0.2.0/24"), text("198.51.100.0/24")];
        Signature::new([
            Term::of(FactKind::Method, text("POST")),
            Term::Fact { kind: FactKind::Network24, values },
        ])
    }

    fn proposal(matches: Signature) -> Proposal {
        let rule = Rule {
            name: "storm-post".to_owned(),
            conditions: matches.conditions().expect("a rule"),
            action: Action::Deny { status: StatusCode::FORBIDDEN, text: None },
            mode: Mode::Enforce,
            portion: None,
            expires: Some(UnixTime::from_secs(2)),
            note: None,
            author: Author::Machine { storm: "s000001".to_owned() },
        };
        let none = Estimate::default();
        Proposal {
            id: ProposalId(1),
            storm: StormId(1),
            rule,
            matches,
            collateral: Collateral { requests: none, clients: none, sample: 5000 },
            confidence: 1.0,
            made: UnixTime::from_secs(1),
            reasons: Vec::new(),
        }
    }

    #[test]
    fn networks_are_shown_with_enough_clients_behind_each_and_not_before() {
        let viewer = viewer();
        assert_eq!(
            viewer.line(&networks(), clients(40.0)),
            "method = POST ∧ client within one of 192.0.2.0/24, 198.51.100.0/24"
        );
        for too_few in [0.0, 1.0, 39.0] {
            let line = viewer.line(&networks(), clients(too_few));
            assert_eq!(line, "method = POST ∧ client within a network with fewer than 20 clients");
        }
    }

    #[test]
    fn a_proposal_tells_no_network_with_few_clients_in_any_part() {
        let (viewer, proposal) = (viewer(), proposal(networks()));
        let told = viewer.describe(&proposal, clients(3.0));
        assert_eq!(told, "deny 403 when method is POST, from a network with fewer than 20 clients");
        assert!(!viewer.shows(&proposal.rule, &proposal.matches, clients(3.0)));
        assert!(viewer.describe(&proposal, clients(400.0)).contains("192.0.2.0/24"));
        // A rule that looks at networks which its signature does not name is not shown either.
        let silent = Proposal { matches: Signature::default(), ..proposal };
        assert!(!viewer.shows(&silent.rule, &silent.matches, clients(400.0)));
    }

    #[test]
    fn what_names_no_network_is_shown_whole() {
        let of = Signature::new([Term::of(FactKind::Method, text("POST"))]);
        let viewer = viewer();
        assert!(viewer.shows(&proposal(of.clone()).rule, &of, clients(1.0)));
        assert_eq!(viewer.line(&of, clients(1.0)), "method = POST");
    }
}
