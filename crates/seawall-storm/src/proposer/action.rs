//! [`candidates`]: what could be done about a storm, the cheapest fair action first.

use http::StatusCode;
use seawall_rules::rule::Action;

use super::Subject;
use super::history::{self, Practice};
use crate::fact::{FactKind, FactValue};
use crate::judge::Percent;
use crate::proposal::Collateral;
use crate::signature::{Signature, Term};

/// Exchanges of the past that must show how something is used, for it to be taken for a rule of the site.
const PRACTICE_MIN: usize = 10;
/// The share of them that must be so. Not all: a past may hold an older storm's first seconds.
const PRACTICE_SHARE_MIN: f64 = 0.98;
/// The share of what others ask there that the cache must answer.
const CACHED_MIN: f64 = 0.5;

/// Something that could be done.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) matches: Signature,
    /// `None`: a limit, whose rate is still to be found.
    pub(super) action: Option<Action>,
    pub(super) reasons: Vec<String>,
}

/// What could be done about a storm, the cheapest fair action first.
pub(super) fn candidates(subject: &Subject<'_>) -> Vec<Candidate> {
    let storm = subject.storm;
    let expressible: Vec<Term> =
        storm.signature.terms.iter().filter(|term| term.is_expressible()).cloned().collect();
    let signature = Signature::new(expressible);
    let mut candidates = Vec::new();
    candidates.extend(refuse_method(subject));
    if !signature.is_empty() {
        candidates.extend(absorb(subject, &signature));
        candidates.push(deny(signature.clone(), storm.signature.terms.len()));
    }
    candidates.extend(narrowed(subject, &signature));
    if !signature.is_empty() {
        candidates.push(Candidate { matches: signature, action: None, reasons: Vec::new() });
    }
    candidates
}

/// A method other than `GET` and `HEAD` on paths that the past only read, and read successfully.
fn refuse_method(subject: &Subject<'_>) -> Option<Candidate> {
    let find = |kind| {
        let storm = subject.storm;
        let terms = storm.signature.terms.iter().chain(&storm.described.terms);
        terms.filter(|term| term.kind() == Some(kind)).find_map(|term| match term {
            Term::Fact { values, .. } => Some((term.clone(), values.clone())),
            _ => None,
        })
    };
    let (method, methods) = find(FactKind::Method)?;
    let (path, _) = find(FactKind::Path)?;
    let is_read =
        |value: &FactValue| matches!(value, FactValue::Text(text) if text == "GET" || text == "HEAD");
    if methods.iter().any(is_read) {
        return None;
    }
    let practice = Practice::of(subject.before, &Signature::new([path.clone()]));
    if practice.sample < PRACTICE_MIN
        || practice.reads < PRACTICE_SHARE_MIN
        || practice.reads_answered < PRACTICE_SHARE_MIN - 0.08
    {
        return None;
    }
    Some(Candidate {
        matches: Signature::new([method, path]),
        action: Some(Action::RefuseMethod { allow: vec!["GET".to_owned(), "HEAD".to_owned()] }),
        reasons: vec![
            format!(
                "what it asks for is only ever read: {} of the requests before were GET or HEAD",
                Percent(practice.reads)
            ),
            "405 tells whoever sends it which methods are right, and refuses no reader".to_owned(),
        ],
    })
}

/// Reads without a query that ask the origin for what the cache answers others with.
fn absorb(subject: &Subject<'_>, signature: &Signature) -> Option<Candidate> {
    let all: f64 = subject.exchanges.iter().map(|(_, weight)| weight).sum();
    let share = |holds: fn(&crate::specimen::Specimen) -> bool| {
        let held: f64 =
            subject.exchanges.iter().filter(|(specimen, _)| holds(specimen)).map(|(_, weight)| weight).sum();
        held / all.max(f64::MIN_POSITIVE)
    };
    let is_wanted = |term: &&Term| {
        matches!(
            term.kind(),
            Some(
                FactKind::Host
                    | FactKind::Path
                    | FactKind::PathPrefix1
                    | FactKind::PathPrefix2
                    | FactKind::PathPrefix3
            )
        )
    };
    let wanted = Signature::new(signature.terms.iter().filter(is_wanted).cloned());
    // A query is part of what a response is stored under: with a random one, nothing is there to answer with.
    if wanted.is_empty() || share(history::is_read) < 0.99 || share(history::has_query) > 0.01 {
        return None;
    }
    let practice = Practice::of(subject.before, &wanted);
    if practice.sample < PRACTICE_MIN
        || practice.cached < CACHED_MIN
        || share(history::is_cached) > 0.5 * practice.cached
    {
        return None;
    }
    Some(Candidate {
        matches: signature.clone(),
        action: Some(Action::Absorb),
        reasons: vec![
            format!(
                "the cache answers {} of what others ask there, and this goes past it",
                Percent(practice.cached)
            ),
            "answered from the cache, it costs the origin nothing, and nobody is refused".to_owned(),
        ],
    })
}

fn deny(signature: Signature, terms: usize) -> Candidate {
    let mut reasons = vec!["these are the fewest facts that it has in common and others have not".to_owned()];
    if signature.terms.len() < terms {
        reasons =
            vec!["of the facts that it has in common, these are the ones that a rule can test".to_owned()];
    }
    Candidate { matches: signature, action: Some(refusal()), reasons }
}

/// The signature and one more fact that the storm has, and two: for where the signature alone would match others.
fn narrowed(subject: &Subject<'_>, signature: &Signature) -> Vec<Candidate> {
    let extra: Vec<&Term> = subject
        .storm
        .described
        .terms
        .iter()
        .filter(|term| term.is_expressible() && !signature.terms.iter().any(|have| have.implies(term)))
        .collect();
    let join = |more: &[&Term]| {
        Signature::new(signature.terms.iter().cloned().chain(more.iter().map(|term| (*term).clone())))
    };
    let pairs = extra
        .iter()
        .enumerate()
        .flat_map(|(at, one)| extra[at + 1..].iter().map(|other| vec![*one, *other]).collect::<Vec<_>>());
    let singles = extra.iter().map(|term| vec![*term]);
    let mut sets: Vec<Vec<&Term>> = singles.chain(pairs).take(NARROWED_MAX).collect();
    if extra.len() > 2 {
        sets.push(extra.clone());
    }
    let reasons = vec!["with fewer facts it would match others as well".to_owned()];
    sets.into_iter()
        .map(|more| Candidate { matches: join(&more), action: Some(refusal()), reasons: reasons.clone() })
        .collect()
}

/// Joint signatures that are tried: each costs a look at the whole past.
const NARROWED_MAX: usize = 28;

pub(super) fn refusal() -> Action {
    Action::Deny { status: StatusCode::FORBIDDEN, text: None }
}

/// The collateral in a sentence.
pub(super) fn told(collateral: &Collateral) -> String {
    let upper = collateral.requests.upper.max(collateral.clients.upper);
    if collateral.requests.value == 0.0 {
        return format!(
            "none of {} exchanges of others would meet it: with 95 % confidence less than {} would",
            collateral.sample,
            Percent(upper)
        );
    }
    format!(
        "{} of others' requests would meet it: with 95 % confidence less than {}",
        Percent(collateral.requests.value),
        Percent(upper)
    )
}
