//! A line for each notice: a constant message, and the facts as fields. No address is among them, and a network only
//! with enough clients behind it.

use seawall_storm::{Cost, Measure, Notice, Proposal, Storm, StormId, Watch, Withdrawal};
use tracing::{info, warn};

use super::view::Viewer;

pub(super) fn write(notice: &Notice, watch: &Watch, viewer: &Viewer) {
    match notice {
        Notice::StormBegan { storm, .. } => {
            let signature = viewer.line(&storm.signature, storm.clients);
            let [requests, bytes, busy] = figures(storm.rate);
            warn!(storm = %storm.id, signature, measure = storm.measure.as_str(), requests_per_second = requests, origin_bytes_per_second = bytes, origin_busy = busy, "a storm began");
        }
        Notice::StormGrew { storm, rate, .. } => {
            let [requests, bytes, busy] = figures(*rate);
            info!(%storm, requests_per_second = requests, origin_bytes_per_second = bytes, origin_busy = busy, "a storm grew");
        }
        Notice::StormRedescribed { storm, signature } => {
            let signature = viewer.line(signature, clients(*storm, watch));
            info!(%storm, signature, "a storm is described better");
        }
        Notice::StormPaused { storm } => info!(%storm, "a storm paused"),
        Notice::StormReturned { storm, paused } => {
            warn!(%storm, paused_seconds = paused.as_secs(), "a storm returned");
        }
        Notice::StormCleared { storm, lasted, total } => {
            info!(%storm, lasted_seconds = lasted.as_secs(), requests = whole(total[Measure::Requests]), "a storm is over");
        }
        Notice::CrowdNamed { storm, grounds } => {
            let signature = viewer.line(&storm.signature, storm.clients);
            let why = grounds.first().map(ToString::to_string).unwrap_or_default();
            info!(storm = %storm.id, nature = storm.nature.as_str(), signature, why, "a rise that gets no rule");
        }
        Notice::CrowdEnded { storm, lasted, .. } => {
            info!(%storm, lasted_seconds = lasted.as_secs(), "a rise that got no rule is over");
        }
        Notice::ProposalMade { proposal } => proposed(proposal, watch, viewer),
        Notice::ProposalChanged { proposal } => {
            let rule = viewer.describe(proposal, clients(proposal.storm, watch));
            info!(proposal = %proposal.id, storm = %proposal.storm, rule, "a proposal changed");
        }
        Notice::ProposalWithdrawn { proposal, storm, why } => {
            info!(%proposal, %storm, %why, "a proposal was withdrawn");
        }
        Notice::ProposalWithheld { storm, why } => info!(%storm, %why, "a storm gets no rule"),
        Notice::RuleStaged { proposal, storm, rule, stage, .. } => {
            info!(%proposal, %storm, rule = rule.name, stage = stage.as_str(), "a rule was staged");
        }
        Notice::RuleRenewed { proposal, rule, .. } => info!(%proposal, rule, "a rule was prolonged"),
        Notice::RuleWithdrawn { proposal, storm, rule, why } if is_calm(why) => {
            info!(%proposal, %storm, rule, %why, "a rule was taken back");
        }
        Notice::RuleWithdrawn { proposal, storm, rule, why } => {
            warn!(%proposal, %storm, rule, %why, "a rule was taken back: other traffic suffered");
        }
    }
}

fn proposed(proposal: &Proposal, watch: &Watch, viewer: &Viewer) {
    let rule = viewer.describe(proposal, clients(proposal.storm, watch));
    let percent = (proposal.collateral.requests.upper * 1e6).ceil() / 1e4;
    warn!(proposal = %proposal.id, storm = %proposal.storm, rule, collateral_percent_max = percent, "a rule is proposed: accept it with `seawall rules accept`");
}

/// Whether a rule went as rules go.
const fn is_calm(why: &Withdrawal) -> bool {
    !matches!(
        why,
        Withdrawal::Collateral(_)
            | Withdrawal::OthersRefused(_)
            | Withdrawal::OthersFell(_)
            | Withdrawal::ServerErrors(_)
    )
}

fn clients(storm: StormId, watch: &Watch) -> seawall_storm::Estimate {
    watch.storms().find(|known: &&Storm| known.id == storm).map(|storm| storm.clients).unwrap_or_default()
}

/// Requests, bytes from origins, and exchanges at origins at once, as they are worth reading.
fn figures(rate: Cost) -> [f64; 3] {
    let tenths = |figure: f64| (figure * 10.0).round() / 10.0;
    [
        tenths(rate[Measure::Requests]),
        rate[Measure::OriginBytes].round(),
        tenths(rate[Measure::OriginTime] / 1e6),
    ]
}

fn whole(figure: f64) -> u64 {
    figure.round().max(0.0) as u64
}
