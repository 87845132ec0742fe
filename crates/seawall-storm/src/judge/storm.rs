//! What a rise is that is none of the things that must get no rule, and how sure that is.

use super::crowd::{are_alike, are_of_many_kinds, is_new, search_engine};
use super::{Case, Ground, Judgement, Kinship};
use crate::fact::{FactKind, FactValue};
use crate::signature::{Signature, Term};
use crate::storm::Nature;

/// A value with less than this share of the past, and most of the rise, stands out.
const TOP_BEFORE_MAX: f64 = 0.5;
const TOP_MIN: f64 = 0.8;
/// Below this share of values that were seen before, they are strangers.
const KNOWN_MAX: f64 = 0.2;
/// That clients have a fact in common by chance, drawn from the past, must be less likely than this.
const CHANCE_MAX: f64 = 1e-8;
/// Up to so many clients are told by their exchanges.
const FEW_CLIENTS: u64 = 5;
/// Where nothing tells the rise from the site's own readers, a rule would be a guess.
const CONFIDENCE_INSEPARABLE: f64 = 0.3;
/// Where nothing but its signature speaks for a storm: less than it takes to be sure of one.
const CONFIDENCE_SIGNATURE: f64 = 0.55;

pub(super) fn storm(case: &Case<'_>) -> Judgement {
    let mut grounds = grounds(case);
    let is_told_apart = !grounds.is_empty();
    let is_named_by_source = names_source(&case.rise.signature);
    if is_named_by_source {
        grounds.push(Ground::NamedBySource);
    }
    let certainty = if is_told_apart {
        1.0
    } else if is_named_by_source || !are_alike(case) {
        CONFIDENCE_SIGNATURE
    } else {
        grounds.push(Ground::CannotSeparate);
        CONFIDENCE_INSEPARABLE
    };
    grounds.extend(answers(case));
    grounds.push(match case.rise.profile.clients.distinct {
        few @ 0..=5 => Ground::FewClients(few),
        many => Ground::ManyClients(many),
    });
    Judgement { nature: Nature::Storm, confidence: certainty * case.rise.confidence, grounds }
}

/// Whether anything tells it from the site's readers.
pub(super) fn is_told_apart(case: &Case<'_>) -> bool {
    !grounds(case).is_empty()
}

/// What tells it from the site's readers.
fn grounds(case: &Case<'_>) -> Vec<Ground> {
    let kin = case.kin;
    let by_fact = [
        ("user agent", &kin.agents),
        ("product", &kin.products),
        ("header shape", &kin.header_shapes),
        ("TLS fingerprint", &kin.tls_fingerprints),
    ];
    let count = senders(case);
    let mut grounds: Vec<Ground> =
        by_fact.into_iter().filter_map(|(fact, kin)| is_one_kind(fact, kin.as_ref()?, count)).collect();
    if grounds.is_empty() && !is_new_to_many(case) {
        grounds.extend(by_fact.into_iter().filter_map(|(fact, kin)| are_strangers(fact, kin.as_ref()?)));
    }
    // Most networks of any few clients are new to a site, so strangers there tell nothing.
    grounds.extend(kin.regions.as_ref().and_then(|kin| is_one_kind("network", kin, count)));
    if let Some((name, share)) = search_engine(case)
        && share >= 0.9
    {
        let networks = case.rise.profile.regions.effective.round() as u64;
        grounds.push(Ground::SearchEngineImitated { name, networks });
    }
    // A form that the site has since today is used by readers, and gets what it asks for.
    if !grounds.is_empty() || case.answered_well() < 0.7 {
        grounds.extend(unusual_method(case));
    }
    grounds.extend(case.past_the_cache().map(Ground::PastTheCache));
    grounds
}

/// How many have chosen their software independently of each other: clients; but of very few, each exchange counts.
fn senders(case: &Case<'_>) -> f64 {
    let profile = &case.rise.profile;
    if profile.clients.distinct <= FEW_CLIENTS {
        profile.sample as f64
    } else {
        profile.clients.distinct as f64
    }
}

fn are_strangers(fact: &'static str, kin: &Kinship) -> Option<Ground> {
    let are_strangers = kin.known <= KNOWN_MAX && kin.values_before >= 5;
    are_strangers.then_some(Ground::Strangers { fact, known: kin.known })
}

/// Whether many kinds of software want what is new: a release brings tools that a site's pages never see.
fn is_new_to_many(case: &Case<'_>) -> bool {
    is_new(case) && are_of_many_kinds(case) && case.rise.profile.paths.top >= 0.5 && case.reads() >= 0.98
}

/// One value has most of the rise, had little of the past, and that is not because so few came.
fn is_one_kind(fact: &'static str, kin: &Kinship, senders: f64) -> Option<Ground> {
    let is_one = kin.top >= TOP_MIN && kin.top_before <= TOP_BEFORE_MAX && kin.top > 2.0 * kin.top_before;
    // What was not seen at all may be as frequent as one value more would make it.
    let before = kin.top_before.max(1.0 / (kin.values_before as f64 + 2.0).powi(2)).min(1.0);
    let is_no_chance = before.powf(kin.top * senders) <= CHANCE_MAX;
    (is_one && is_no_chance).then_some(Ground::OneKind { fact, now: kin.top, before: kin.top_before })
}

/// A method that nearly all of it has, and hardly anything before.
fn unusual_method(case: &Case<'_>) -> Option<Ground> {
    let kin = case.kin.methods.as_ref()?;
    if kin.top < TOP_MIN || kin.top_before > 0.1 {
        return None;
    }
    let method = case.exchanges.iter().find_map(|(specimen, _)| specimen.text(FactKind::Method))?;
    Some(Ground::UnusualMethod(method.into_owned()))
}

/// What the site made of it.
fn answers(case: &Case<'_>) -> Option<Ground> {
    let profile = &case.rise.profile;
    let told = 1.0 - profile.refused;
    (told > 0.1 && profile.client_errors / told >= 0.5)
        .then(|| Ground::AnsweredBadly((profile.client_errors / told).min(1.0)))
}

/// Whether a term is about what sends it, or where it comes from.
fn names_source(signature: &Signature) -> bool {
    signature.terms.iter().any(|term| match term {
        Term::WithField(_) | Term::WithoutField(_) => true,
        Term::Fact { kind: FactKind::Method, values } => {
            values.iter().any(|value| !matches!(value, FactValue::Text(method) if method == "GET"))
        }
        term => matches!(
            term.kind(),
            Some(
                FactKind::UserAgent
                    | FactKind::AgentProduct
                    | FactKind::Network24
                    | FactKind::Network22
                    | FactKind::Network20
                    | FactKind::Network16
                    | FactKind::Protocol
                    | FactKind::TlsFingerprint
                    | FactKind::HeaderShape
                    | FactKind::ContentClass
                    | FactKind::Country
                    | FactKind::Asn
            )
        ),
    })
}
