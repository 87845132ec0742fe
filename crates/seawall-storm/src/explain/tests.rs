//! Laws of explanations, over storms of any facts.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use seawall_http::UnixTime;

use super::shorten::{REMAINDER, SLACK, SLACK_NOW};
use super::{Before, Explanation, Growth, Point, Question, explain};
use crate::baseline::Baseline;
use crate::detector::Settings;
use crate::fact::FactKind;
use crate::measure::Measure;
use crate::signature::{Matcher, Signature, Term};
use crate::specimen::Specimen;
use crate::testing::Exchange;
use crate::testing::traffic::{READERS, client, exchanges, neighbour, readers};
use crate::window::Window;

/// What a storm's exchanges have in common; the rest is as readers have it.
#[derive(Clone, Debug)]
struct Common {
    method: bool,
    path: u8,
    agent: u8,
    shape: bool,
    bare: bool,
    query: bool,
    network: bool,
}

fn common() -> impl Strategy<Value = Common> {
    let of = (any::<bool>(), 0..3_u8, 0..4_u8, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    of.prop_map(|(method, path, agent, shape, bare, query, network)| Common {
        method,
        path,
        agent,
        shape,
        bare,
        query,
        network,
    })
}

fn storm(common: &Common, count: u64) -> Vec<Arc<Specimen>> {
    let texts: Vec<[String; 3]> = (0..count)
        .map(|n| [format!("/{n}/p{n}"), format!("Player/{}.{n}", n % 7), format!("k={n}")])
        .collect();
    exchanges(count, 600, 5, |n, at| {
        let [path, agent, query] = &texts[n as usize];
        Exchange {
            method: if common.method { "POST" } else { "GET" },
            path: ["/ca/cacert.pem", "/new.bin", path][usize::from(common.path)],
            query: common.query.then_some(query),
            user_agent: Some(match common.agent {
                0 => READERS[n as usize % 9],
                1 => READERS[0],
                2 => "QQGameHall",
                _ => agent,
            }),
            client: if common.network { neighbour(n) } else { client(n + 50_000) },
            header_shape: if common.shape { 99 } else { n % 7 },
            fields: if common.bare { &["accept-encoding"] } else { &["accept", "accept-encoding"] },
            at,
            ..Exchange::default()
        }
    })
}

fn points(specimens: &[Arc<Specimen>], seconds: f64) -> Vec<Point<'_>> {
    specimens.iter().map(|specimen| Point { specimen, rate: 1.0 / seconds }).collect()
}

fn explained(storm: &[Arc<Specimen>], past: &[Arc<Specimen>]) -> Option<Explanation> {
    let mut now = readers(25, 600, 5);
    now.extend(storm.iter().cloned());
    now.sort_by_key(|specimen| specimen.at);
    let present = points(&now, 5.0);
    // One that forgets nothing.
    let mut baseline = Baseline::new(Duration::from_secs(1 << 40), past.len());
    let window = Window { until: UnixTime::from_secs(600), specimens: past.to_vec(), ..Window::default() };
    baseline.push(&window, |_| false);
    let question = Question {
        present: &present,
        past: &Before::of(&baseline),
        pasts: &[&baseline],
        measure: Measure::Requests,
        growth: Growth { senders: 1.0, all: 1.0 },
        least: 1.0,
        by_sender: false,
    };
    explain(&question, &Settings::default())
}

/// The share of these that the terms match and the description does not.
fn others(terms: &Signature, described: &Signature, of: &[Arc<Specimen>]) -> (f64, f64, f64) {
    let (terms, described) = (Matcher::new(terms), Matcher::new(described));
    let held = of.iter().filter(|specimen| described.matches(specimen)).count() as f64;
    let more =
        of.iter().filter(|specimen| terms.matches(specimen) && !described.matches(specimen)).count() as f64;
    (more, held, of.len() as f64 - held)
}

/// Whether the terms match more than a signature may.
fn is_too_wide(
    terms: &Signature,
    explanation: &Explanation,
    now: &[Arc<Specimen>],
    past: &[Arc<Specimen>],
) -> bool {
    let (more, _, rest) = others(terms, &explanation.described, past);
    let (more_now, held, rest_now) = others(terms, &explanation.described, now);
    more > SLACK * rest || more_now - REMAINDER * held > SLACK_NOW * rest_now
}

/// The question that a term answers.
fn question(term: &Term) -> Option<u8> {
    use FactKind::{
        AgentProduct, Method, Path, PathExtension, PathPrefix1, PathPrefix2, PathPrefix3, QueryShape,
        UserAgent,
    };
    Some(match term.kind()? {
        Path | PathPrefix1 | PathPrefix2 | PathPrefix3 | PathExtension => 0,
        UserAgent | AgentProduct => 1,
        Method => 2,
        QueryShape => 3,
        _ => return None,
    })
}

/// Terms that are about a request's form alone.
fn is_of_form(term: &Term) -> bool {
    matches!(term, Term::WithField(_) | Term::WithoutField(_))
        || matches!(term.kind(), Some(FactKind::Protocol | FactKind::ContentClass | FactKind::HeaderShape))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_term_can_be_dropped_without_loss(common in common(), count in 12..80_u64) {
        let past = readers(2000, 0, 600);
        let storm = storm(&common, count);
        let Some(explanation) = explained(&storm, &past) else { return Ok(()) };
        let mut now = readers(25, 600, 5);
        now.extend(storm.iter().cloned());
        let terms = &explanation.signature.terms;
        let is_wide = is_too_wide(&explanation.signature, &explanation, &now, &past);
        for dropped in terms.iter().filter(|_| !is_wide) {
            let rest: Vec<Term> = terms.iter().filter(|term| *term != dropped).cloned().collect();
            let tells = question(dropped).is_some_and(|asked| rest.iter().all(|term| question(term) != Some(asked)));
            let loses = rest.iter().all(is_of_form)
                || is_too_wide(&Signature::new(rest), &explanation, &now, &past);
            prop_assert!(loses || tells, "`{dropped}` of `{}`", explanation.signature);
        }
    }

    #[test]
    fn signature_holds_its_storm(common in common(), count in 12..80_u64) {
        let past = readers(2000, 0, 600);
        let storm = storm(&common, count);
        let Some(explanation) = explained(&storm, &past) else { return Ok(()) };
        let matcher = Matcher::new(&explanation.signature);
        let held = storm.iter().filter(|specimen| matcher.matches(specimen)).count() as f64;
        // What has nothing in common but a site's usual facts cannot be told apart.
        let is_told = common.method || common.query || common.shape || common.bare || common.agent >= 2 || common.path == 1;
        if is_told {
            prop_assert!(held >= 0.97 * storm.len() as f64, "{held} of {} by `{}`", storm.len(), explanation.signature);
        }
    }
}
