//! The storms that stand, on disk: so that they are the same ones after a restart, and rules of the machine are watched on.
//!
//! A line with a checksum (SipHash-1-3, against damage, not against forgers), and one JSON document. There is no address in
//! it: no exchange, no client, and no storm that is named by networks with too few clients behind them. A damaged file is
//! as good as none.

use std::hash::Hasher;

use seawall_http::{FieldPresence, UnixTime};
use seawall_rules::definition;
use seawall_storm::{
    Collateral, Cost, Estimate, FactKind, FactValue, Force, KeptProposal, KeptStorm, Measure, Nature, Part,
    Phase, Proposal, Signature, Stage, Storm, Term,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use siphasher::sip::SipHasher13;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u32,
    storms: Vec<WireStorm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireStorm {
    id: String,
    signature: Vec<WireTerm>,
    described: Vec<WireTerm>,
    measure: String,
    /// Times are milliseconds since 1970.
    onset: u64,
    named: u64,
    last: u64,
    phase: String,
    rate: [f64; 4],
    peak: [f64; 4],
    total: [f64; 4],
    clients: [f64; 2],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    collateral: Option<WireCollateral>,
    confidence: f64,
    expected: f64,
    level: f64,
    expected_requests: f64,
    usual: [f64; 4],
    refused: f64,
    declined: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proposal: Option<WireProposal>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireProposal {
    id: String,
    rule: Value,
    matches: Vec<WireTerm>,
    collateral: WireCollateral,
    confidence: f64,
    made: u64,
    reasons: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    staged: Option<WireStaged>,
    /// In force by somebody's word until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireStaged {
    stage: String,
    since: u64,
    first: u64,
    expires: u64,
}

/// Value and upper bound, of requests and of clients.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCollateral {
    requests: [f64; 2],
    clients: [f64; 2],
    sample: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum WireTerm {
    /// `null` is absence.
    Fact(String, Vec<Option<String>>),
    Present(String),
    Prefix(String, String),
    Contains(String, String),
    With(String),
    Without(String),
}

/// The file's content.
pub fn print(storms: &[KeptStorm]) -> Vec<u8> {
    let wire = Wire { v: VERSION, storms: storms.iter().map(WireStorm::of).collect() };
    let mut content = serde_json::to_string(&wire).expect("invariant: the form holds texts and numbers");
    content.push('\n');
    format!("{:016x}\n{content}", checksum(content.as_bytes())).into_bytes()
}

/// What [`print()`] wrote; `None` if it is damaged, or was written by another version.
pub fn parse(content: &[u8]) -> Option<Vec<KeptStorm>> {
    let (sum, content) = content.split_at_checked(CHECKSUM_BYTES)?;
    let sum = std::str::from_utf8(sum.strip_suffix(b"\n")?).ok()?;
    if u64::from_str_radix(sum, 16).ok()? != checksum(content) {
        return None;
    }
    let wire: Wire = serde_json::from_slice(content).ok()?;
    (wire.v == VERSION).then(|| wire.storms.into_iter().map(WireStorm::read).collect()).flatten()
}

/// Sixteen digits and the end of the line.
const CHECKSUM_BYTES: usize = 17;

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}

impl WireStorm {
    fn of(kept: &KeptStorm) -> Self {
        let storm = &kept.storm;
        Self {
            id: storm.id.to_string(),
            signature: terms(&storm.signature),
            described: terms(&storm.described),
            measure: storm.measure.as_str().to_owned(),
            onset: storm.onset.0,
            named: storm.named.0,
            last: storm.last.0,
            phase: storm.phase.as_str().to_owned(),
            rate: storm.rate.0,
            peak: storm.peak.0,
            total: storm.total.0,
            clients: pair(storm.clients),
            collateral: storm.collateral.map(WireCollateral::of),
            confidence: storm.confidence,
            expected: kept.expected,
            level: kept.level,
            expected_requests: kept.expected_requests,
            usual: kept.usual.0,
            refused: kept.refused,
            declined: kept.is_declined,
            proposal: kept.proposed.as_ref().map(WireProposal::of),
        }
    }

    fn read(self) -> Option<KeptStorm> {
        let id = self.id.parse().ok()?;
        let phases = [Phase::Growing, Phase::Steady, Phase::Paused];
        let storm = Storm {
            id,
            nature: Nature::Storm,
            signature: signature(self.signature)?,
            described: signature(self.described)?,
            measure: Measure::ALL.into_iter().find(|measure| measure.as_str() == self.measure)?,
            onset: UnixTime(self.onset),
            named: UnixTime(self.named),
            last: UnixTime(self.last),
            phase: phases.into_iter().find(|phase| phase.as_str() == self.phase)?,
            rate: Cost(self.rate),
            peak: Cost(self.peak),
            total: Cost(self.total),
            share: Cost::default(),
            clients: estimate(self.clients),
            collateral: self.collateral.map(WireCollateral::read),
            confidence: self.confidence,
        };
        let proposed = match self.proposal {
            None => None,
            Some(wire) => Some(wire.read(&storm)?),
        };
        Some(KeptStorm {
            storm,
            expected: self.expected,
            level: self.level,
            expected_requests: self.expected_requests,
            usual: Cost(self.usual),
            refused: self.refused,
            is_declined: self.declined,
            proposed,
        })
    }
}

impl WireProposal {
    fn of(kept: &KeptProposal) -> Self {
        let KeptProposal { proposal, force } = kept;
        let (staged, accepted) = match *force {
            Some(Force::Staged { stage, since, first, expires }) => {
                let stage = stage.as_str().to_owned();
                (Some(WireStaged { stage, since: since.0, first: first.0, expires: expires.0 }), None)
            }
            Some(Force::Accepted { expires }) => (None, Some(expires.0)),
            None => (None, None),
        };
        Self {
            id: proposal.id.to_string(),
            rule: serde_json::from_str(&definition::to_json(&proposal.rule))
                .expect("invariant: to_json writes JSON"),
            matches: terms(&proposal.matches),
            collateral: WireCollateral::of(proposal.collateral),
            confidence: proposal.confidence,
            made: proposal.made.0,
            reasons: proposal.reasons.clone(),
            staged,
            accepted,
        }
    }

    fn read(self, storm: &Storm) -> Option<KeptProposal> {
        let stages = [Stage::Observe, Stage::Part, Stage::All];
        let staged = match self.staged {
            None => None,
            Some(WireStaged { stage, since, first, expires }) => Some(Force::Staged {
                stage: stages.into_iter().find(|one| one.as_str() == stage)?,
                since: UnixTime(since),
                first: UnixTime(first),
                expires: UnixTime(expires),
            }),
        };
        let accepted = self.accepted.map(|expires| Force::Accepted { expires: UnixTime(expires) });
        let proposal = Proposal {
            id: self.id.parse().ok()?,
            storm: storm.id,
            rule: definition::from_json(&self.rule.to_string()).ok()?,
            matches: signature(self.matches)?,
            collateral: self.collateral.read(),
            confidence: self.confidence,
            made: UnixTime(self.made),
            reasons: self.reasons,
        };
        Some(KeptProposal { proposal, force: staged.or(accepted) })
    }
}

impl WireCollateral {
    fn of(collateral: Collateral) -> Self {
        let Collateral { requests, clients, sample } = collateral;
        Self { requests: pair(requests), clients: pair(clients), sample }
    }

    fn read(self) -> Collateral {
        let Self { requests, clients, sample } = self;
        Collateral { requests: estimate(requests), clients: estimate(clients), sample }
    }
}

fn terms(signature: &Signature) -> Vec<WireTerm> {
    signature.terms.iter().map(WireTerm::of).collect()
}

fn signature(terms: Vec<WireTerm>) -> Option<Signature> {
    let terms: Vec<Term> = terms.into_iter().map(WireTerm::read).collect::<Option<_>>()?;
    Some(Signature::new(terms))
}

impl WireTerm {
    fn of(term: &Term) -> Self {
        match term {
            Term::Fact { kind, values } => {
                let value = |value: &FactValue| match value {
                    FactValue::Absent => None,
                    FactValue::Text(text) => Some(text.clone()),
                };
                Self::Fact(name(*kind), values.iter().map(value).collect())
            }
            Term::Present(kind) => Self::Present(name(*kind)),
            Term::Like { kind, part: Part::Prefix, text } => Self::Prefix(name(*kind), text.clone()),
            Term::Like { kind, part: Part::Contains, text } => Self::Contains(name(*kind), text.clone()),
            Term::WithField(field) => Self::With((*field).to_owned()),
            Term::WithoutField(field) => Self::Without((*field).to_owned()),
        }
    }

    fn read(self) -> Option<Term> {
        let field = |name: &str| FieldPresence::NAMES.into_iter().find(|known| *known == name);
        Some(match self {
            Self::Fact(kind, values) => {
                let value = |value: Option<String>| value.map_or(FactValue::Absent, FactValue::Text);
                Term::Fact { kind: kind_of(&kind)?, values: values.into_iter().map(value).collect() }
            }
            Self::Present(kind) => Term::Present(kind_of(&kind)?),
            Self::Prefix(kind, text) => Term::Like { kind: kind_of(&kind)?, part: Part::Prefix, text },
            Self::Contains(kind, text) => Term::Like { kind: kind_of(&kind)?, part: Part::Contains, text },
            Self::With(name) => Term::WithField(field(&name)?),
            Self::Without(name) => Term::WithoutField(field(&name)?),
        })
    }
}

/// A kind by the name of its variant: words of rules are shared by several kinds.
fn name(kind: FactKind) -> String {
    format!("{kind:?}")
}

fn kind_of(text: &str) -> Option<FactKind> {
    FactKind::ALL.into_iter().find(|kind| name(*kind) == text)
}

fn pair(estimate: Estimate) -> [f64; 2] {
    [estimate.value, estimate.upper]
}

fn estimate([value, upper]: [f64; 2]) -> Estimate {
    Estimate { value, upper }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use seawall_rules::rule::{Action, Author, Mode, Rule};
    use seawall_storm::{ProposalId, StormId};

    use super::*;

    fn text(text: &str) -> FactValue {
        FactValue::Text(text.to_owned())
    }

    /// With a term of each kind.
    fn described() -> Signature {
        let like = |part, text: &str| Term::Like { kind: FactKind::UserAgent, part, text: text.to_owned() };
        Signature::new([
            Term::of(FactKind::Method, text("POST")),
            Term::Fact { kind: FactKind::PathPrefix2, values: vec![text("/a/b/"), text("/c/d/")] },
            Term::of(FactKind::RefererHost, FactValue::Absent),
            Term::Present(FactKind::QueryShape),
            like(Part::Prefix, "QQ"),
            like(Part::Contains, "Hall"),
            Term::WithField("range"),
            Term::WithoutField("accept-language"),
        ])
    }

    fn kept(force: Option<Force>) -> KeptStorm {
        let estimate = Estimate { value: 0.25, upper: 0.5 };
        let collateral = Collateral { requests: estimate, clients: estimate, sample: 5000 };
        let matches = Signature::new([Term::of(FactKind::Method, text("POST"))]);
        let rule = Rule {
            name: "storm-post".to_owned(),
            conditions: matches.conditions().unwrap(),
            action: Action::Deny { status: StatusCode::FORBIDDEN, text: None },
            mode: Mode::Enforce,
            portion: None,
            expires: Some(UnixTime::from_secs(90)),
            note: Some("made against storm s000001".to_owned()),
            author: Author::Machine { storm: "s000001".to_owned() },
        };
        KeptStorm {
            storm: Storm {
                id: StormId(1),
                nature: Nature::Storm,
                signature: matches.clone(),
                described: described(),
                measure: Measure::OriginBytes,
                onset: UnixTime(1),
                named: UnixTime(2),
                last: UnixTime(3),
                phase: Phase::Paused,
                rate: Cost([0.1, 2.0, 3.0, 4.0]),
                peak: Cost([1.0, 2.0, 3.0, 4.5]),
                total: Cost([1e9, 2e15, 3.0, 4.0]),
                share: Cost::default(),
                clients: estimate,
                collateral: Some(collateral),
                confidence: 0.9,
            },
            expected: 0.5,
            level: 20.0,
            expected_requests: 0.25,
            usual: Cost([9.0, 8.0, 7.0, 6.0]),
            refused: 12.0,
            is_declined: false,
            proposed: Some(KeptProposal {
                proposal: Proposal {
                    id: ProposalId(7),
                    storm: StormId(1),
                    rule,
                    matches,
                    collateral,
                    confidence: 0.9,
                    made: UnixTime(5),
                    reasons: vec!["because".to_owned()],
                },
                force,
            }),
        }
    }

    #[test]
    fn what_is_kept_comes_back() {
        let since = UnixTime(7);
        let staged = Force::Staged { stage: Stage::Part, since, first: since, expires: UnixTime(9) };
        for force in [None, Some(staged), Some(Force::Accepted { expires: UnixTime(9) })] {
            let storms = vec![kept(force), KeptStorm { proposed: None, ..kept(None) }];
            let read = parse(&print(&storms)).unwrap();
            assert_eq!(format!("{read:?}"), format!("{storms:?}"));
        }
        assert!(parse(&print(&[])).unwrap().is_empty());
    }

    #[test]
    fn damage_is_noticed() {
        let whole = print(&[kept(None)]);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(parse(&damaged).is_none(), "at {at}");
            assert!(parse(&whole[..at]).is_none(), "cut at {at}");
        }
    }
}
