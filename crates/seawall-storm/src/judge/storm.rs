//! What a rise is that is none of the things that must get no rule, and how sure that is.

use super::crowd::{are_alike, search_engine};
use super::{Case, Ground, Judgement, Kinship};
use crate::fact::{FactKind, FactValue};
use crate::signature::{Signature, Term};
use crate::storm::Nature;

/// A value with less than this share of the past, and most of the rise, stands out.
const TOP_BEFORE_MAX: f64 = 0.5;
const TOP_MIN: f64 = 0.8;
/// Below this share of values that were seen before, they are strangers.
const KNOWN_MAX: f64 = 0.2;
/// Where nothing tells the rise from the site's own readers, a rule would be a guess.
const CONFIDENCE_INSEPARABLE: f64 = 0.3;
/// Where nothing but its signature speaks for a storm.
const CONFIDENCE_SIGNATURE: f64 = 0.6;

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
    let mut grounds: Vec<Ground> =
        by_fact.into_iter().filter_map(|(fact, kin)| stands_out(fact, kin.as_ref()?)).collect();
    // Most networks of any few clients are new to a site, so strangers there tell nothing.
    grounds.extend(kin.regions.as_ref().and_then(|kin| is_one_kind("network", kin)));
    if let Some((name, share)) = search_engine(case)
        && share >= 0.9
    {
        let networks = case.rise.profile.regions.effective.round() as u64;
        grounds.push(Ground::SearchEngineImitated { name, networks });
    }
    grounds.extend(unusual_method(case));
    let (now, before) = (&case.rise.profile, &case.rise.past);
    if before.cached >= 0.3 && now.cached < 0.25 * before.cached && now.get >= 0.9 && now.refused < 0.5 {
        grounds.push(Ground::PastTheCache(before.cached));
    }
    grounds
}

fn stands_out(fact: &'static str, kin: &Kinship) -> Option<Ground> {
    let are_strangers = kin.known <= KNOWN_MAX && kin.values_before >= 5;
    is_one_kind(fact, kin).or_else(|| are_strangers.then_some(Ground::Strangers { fact, known: kin.known }))
}

fn is_one_kind(fact: &'static str, kin: &Kinship) -> Option<Ground> {
    let is_one = kin.top >= TOP_MIN && kin.top_before <= TOP_BEFORE_MAX && kin.top > 2.0 * kin.top_before;
    is_one.then_some(Ground::OneKind { fact, now: kin.top, before: kin.top_before })
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
