//! Which rule is proposed against which storm, and why none.

use std::sync::Arc;
use std::time::Duration;

use seawall_http::UnixTime;
use seawall_rules::definition::describe;
use seawall_rules::rule::{Action, Condition, Fact, Test, check};

use super::{Draft, History, Subject, Withheld, propose, soften};
use crate::declared::{Declaration, Declared};
use crate::detector::Named;
use crate::event::CacheResult;
use crate::fact::{FactKind, FactValue};
use crate::measure::{Cost, Measure};
use crate::policy::{Auto, Policy};
use crate::proposal::{Collateral, Estimate};
use crate::signature::{Matcher, Signature, Term};
use crate::specimen::Specimen;
use crate::storm::{Nature, Phase, Storm, StormId};
use crate::testing::Exchange;
use crate::testing::rises::is;
use crate::testing::traffic::{READERS, client, exchanges, reader, readers};

/// A past that is known exactly: the share of it that a signature matches, and the rule of three above it.
struct Known(Vec<Arc<Specimen>>);

impl History for Known {
    fn collateral(&self, signature: &Signature, _storm: &Named<'_>) -> Option<Collateral> {
        let matcher = Matcher::new(signature);
        let matched = self.0.iter().filter(|specimen| matcher.matches(specimen)).count() as f64;
        let (all, sample) = (self.0.len() as f64, self.0.len() as u64);
        let share = Estimate { value: matched / all, upper: (matched + 3.0) / all };
        (sample >= 1000).then_some(Collateral { requests: share, clients: share, sample })
    }

    fn exchanges(&self) -> Vec<(&Specimen, f64)> {
        self.0.iter().map(|specimen| (&**specimen, 1.0)).collect()
    }
}

fn storm(signature: &[Term], described: &[Term]) -> Storm {
    let cost = Cost([50.0, 5e5, 5e5, 1e5]);
    Storm {
        id: StormId(1),
        nature: Nature::Storm,
        signature: Signature::new(signature.iter().cloned()),
        described: Signature::new(signature.iter().chain(described).cloned()),
        measure: Measure::Requests,
        onset: UnixTime::from_secs(600),
        named: UnixTime::from_secs(605),
        last: UnixTime::from_secs(605),
        phase: Phase::Growing,
        rate: cost,
        peak: cost,
        total: cost,
        share: Cost([0.5; 4]),
        clients: Estimate::default(),
        collateral: None,
        confidence: 1.0,
    }
}

#[derive(Default)]
struct Given {
    before: Vec<Arc<Specimen>>,
    declared: Vec<Declared>,
    policy: Policy,
}

impl Given {
    fn readers() -> Self {
        Self { before: readers(6000, 0, 600), ..Self::default() }
    }

    fn draft(&self, storm: &Storm, exchanges: &[Arc<Specimen>]) -> Result<Draft, Withheld> {
        let known = Known(self.before.clone());
        let exchanges: Vec<(&Specimen, f64)> = exchanges.iter().map(|specimen| (&**specimen, 1.0)).collect();
        let declared: Vec<Declaration> = self.declared.iter().map(Declaration::new).collect();
        let before = known.exchanges();
        let subject = Subject {
            storm,
            exchanges: &exchanges,
            span: Duration::from_secs(5),
            before: &before,
            declared: &declared,
            policy: &self.policy,
        };
        propose(&subject, &known, |_| false, UnixTime::from_secs(605))
    }
}

/// The rule in a line, after its name.
fn told(draft: &Draft) -> String {
    assert_eq!(check(&draft.rule), []);
    format!("{}: {}", draft.rule.name, describe(&draft.rule))
}

fn hall() -> (Storm, Vec<Arc<Specimen>>) {
    let exchanges = exchanges(200, 600, 5, |n, at| Exchange {
        method: "POST",
        path: "/ca/cacert.pem",
        user_agent: Some("QQGameHall"),
        client: client(n + 50_000),
        cache: CacheResult::Pass,
        at,
        ..Exchange::default()
    });
    let agent = is(FactKind::UserAgent, "QQGameHall");
    let rest = [is(FactKind::Method, "POST"), is(FactKind::Path, "/ca/cacert.pem")];
    (storm(&[agent], &rest), exchanges)
}

#[test]
fn a_wrong_method_on_what_is_only_read_is_told_so() {
    let (storm, exchanges) = hall();
    let draft = Given::readers().draft(&storm, &exchanges).unwrap();
    assert!(matches!(draft.rule.action, Action::RefuseMethod { .. }), "{}", told(&draft));
    assert_eq!(draft.rule.name, "storm-cacert-post");
    assert_eq!(
        draft.reasons,
        [
            "what it asks for is only ever read: 100 % of the requests before were GET or HEAD",
            "405 tells whoever sends it which methods are right, and refuses no reader",
            "none of 6000 exchanges of others would meet it: with 95 % confidence less than 0.050 % would",
        ]
    );
}

#[test]
fn where_the_method_is_used_the_signature_is_denied() {
    let (storm, storm_exchanges) = hall();
    let mut given = Given::readers();
    let posts = |n, at| Exchange { method: "POST", path: "/ca/cacert.pem", ..reader(n, at) };
    given.before.extend(exchanges(30, 0, 600, posts));
    let draft = given.draft(&storm, &storm_exchanges).unwrap();
    assert!(matches!(draft.rule.action, Action::Deny { .. }), "{}", told(&draft));
    assert_eq!(draft.rule.name, "storm-qqgamehall");
    assert_eq!(draft.rule.expires, Some(UnixTime::from_secs(605 + 24 * 3600)));
}

#[test]
fn reads_that_go_past_the_cache_are_answered_from_it() {
    let storm_exchanges = exchanges(200, 600, 5, |n, at| Exchange {
        path: "/img/flower.jpg",
        user_agent: None,
        client: client(n + 50_000),
        cache: CacheResult::Pass,
        at,
        ..Exchange::default()
    });
    let mut given = Given::readers();
    given.before.extend(exchanges(50, 0, 600, |n, at| Exchange {
        path: "/img/flower.jpg",
        cache: CacheResult::Hit,
        ..reader(n, at)
    }));
    let agent = Term::of(FactKind::UserAgent, FactValue::Absent);
    let draft =
        given.draft(&storm(&[agent, is(FactKind::Path, "/img/flower.jpg")], &[]), &storm_exchanges).unwrap();
    assert_eq!(draft.rule.action, Action::Absorb, "{}", told(&draft));
    assert_eq!(draft.rule.name, "storm-no-agent-flower");
}

#[test]
fn a_storm_that_shares_each_fact_with_readers_is_narrowed_by_another() {
    let storm_exchanges = exchanges(200, 600, 5, |n, at| Exchange {
        path: "/docs/faq.html",
        user_agent: Some(READERS[0]),
        client: client(n + 50_000),
        fields: &["accept"],
        at,
        ..Exchange::default()
    });
    let storm = storm(&[is(FactKind::Path, "/docs/faq.html")], &[Term::WithoutField("accept-encoding")]);
    let draft = Given::readers().draft(&storm, &storm_exchanges).unwrap();
    assert_eq!(draft.matches.terms.len(), 2, "{}", told(&draft));
    assert_eq!(draft.rule.name, "storm-faq-no-accept-encoding");
}

#[test]
fn a_few_busy_clients_with_readers_facts_are_limited() {
    let storm_exchanges = exchanges(1000, 600, 5, |n, at| Exchange {
        user_agent: Some(READERS[0]),
        client: client(n % 4 + 50_000),
        at,
        ..Exchange::default()
    });
    let given = Given { policy: Policy { collateral_max: 0.05, ..Policy::default() }, ..Given::readers() };
    let draft = given.draft(&storm(&[is(FactKind::UserAgent, READERS[0])], &[]), &storm_exchanges);
    // READERS[0] is rare among these readers; all of them share the product.
    let chrome = storm(&[is(FactKind::AgentProduct, "Chrome")], &[]);
    let limited = given.draft(&chrome, &storm_exchanges).unwrap();
    assert!(draft.is_ok());
    assert!(matches!(limited.rule.action, Action::Limit { .. }), "{}", told(&limited));
    assert_eq!(limited.collateral.requests.value, 0.0);
}

#[test]
fn a_readers_agent_alone_gets_no_rule() {
    let storm_exchanges = exchanges(200, 600, 5, |n, at| Exchange {
        user_agent: Some(READERS[8]),
        client: client(n + 50_000),
        at,
        ..Exchange::default()
    });
    let storm = storm(&[is(FactKind::UserAgent, READERS[8])], &[]);
    assert_eq!(Given::readers().draft(&storm, &storm_exchanges).unwrap_err(), Withheld::Established);
}

#[test]
fn there_is_no_proposal_without_collateral_or_certainty_or_leave() {
    let (mut storm, exchanges) = hall();
    let mut given = Given { before: readers(500, 0, 600), ..Given::default() };
    assert_eq!(given.draft(&storm, &exchanges).unwrap_err(), Withheld::CollateralUnknown);
    given.before = readers(6000, 0, 600);
    assert!(given.draft(&storm, &exchanges).is_ok());
    given.policy.collateral_max = 0.00001;
    assert!(matches!(
        given.draft(&storm, &exchanges).unwrap_err(),
        Withheld::CollateralTooGreat(_) | Withheld::Established
    ));
    given.policy = Policy::default();
    storm.confidence = 0.3;
    assert_eq!(given.draft(&storm, &exchanges).unwrap_err(), Withheld::NotSure(0.3));
    storm.confidence = 1.0;
    given.policy.auto = Auto::Off;
    assert_eq!(given.draft(&storm, &exchanges).unwrap_err(), Withheld::Policy);
}

#[test]
fn what_rules_cannot_test_is_left_out_or_withheld() {
    let (_, exchanges) = hall();
    let status = || is(FactKind::Status, "200");
    assert_eq!(
        Given::readers().draft(&storm(&[status()], &[]), &exchanges).unwrap_err(),
        Withheld::NotTestable
    );
    let draft = Given::readers()
        .draft(&storm(&[status(), is(FactKind::UserAgent, "QQGameHall")], &[]), &exchanges)
        .unwrap();
    assert_eq!(draft.matches, Signature::new([is(FactKind::UserAgent, "QQGameHall")]));
}

// === Declared good ===

fn declared(conditions: Vec<Condition>) -> Vec<Declared> {
    vec![Declared { name: "partners".to_owned(), conditions }]
}

fn condition(fact: Fact, test: Test) -> Condition {
    Condition { fact, test, negated: false }
}

#[test]
fn declared_clients_are_spared_by_the_condition_that_the_storm_does_not_meet() {
    let (storm, exchanges) = hall();
    let partner = || condition(Fact::Client, Test::Within(vec!["203.0.113.0/24".parse().unwrap()]));
    let agent = condition(Fact::UserAgent, Test::Prefix("QQ".to_owned()));
    let given = Given { declared: declared(vec![agent, partner()]), ..Given::readers() };
    let draft = given.draft(&storm, &exchanges).unwrap();
    let spared = Condition { negated: true, ..partner() };
    assert!(draft.rule.conditions.contains(&spared), "{}", told(&draft));
}

#[test]
fn a_rule_that_cannot_spare_declared_clients_is_withheld() {
    let (storm, exchanges) = hall();
    let agent = condition(Fact::UserAgent, Test::Prefix("QQ".to_owned()));
    let given = Given { declared: declared(vec![agent]), ..Given::readers() };
    assert_eq!(given.draft(&storm, &exchanges).unwrap_err(), Withheld::DeclaredGood);
}

#[test]
fn a_rule_that_is_apart_from_declared_clients_is_not_burdened() {
    let (storm, exchanges) = hall();
    let reads = condition(Fact::Method, Test::OneOf(vec!["GET".to_owned(), "HEAD".to_owned()]));
    let given = Given { declared: declared(vec![reads]), ..Given::readers() };
    let draft = given.draft(&storm, &exchanges).unwrap();
    assert_eq!(draft.rule.conditions.len(), 2, "{}", told(&draft));
}

// === Milder rules ===

#[test]
fn a_denial_softens_to_a_limit_that_cuts_most_of_the_storm() {
    let (storm, exchanges) = hall();
    let mut given = Given::readers();
    given.before.extend(self::exchanges(30, 0, 600, |n, at| Exchange {
        method: "POST",
        path: "/ca/cacert.pem",
        ..reader(n, at)
    }));
    let denial = given.draft(&storm, &exchanges).unwrap().rule;
    let Some(Action::Limit { rate, by, .. }) = soften(&denial, &storm, 0.2).map(|rule| rule.action) else {
        panic!("a denial can be softened")
    };
    assert_eq!((rate.requests, rate.per, by.0.len()), (30, Duration::from_secs(60), 0));
    // What the past had a third of cannot be cut to a fifth by a limit above the past.
    assert_eq!(soften(&denial, &storm, 20.0), None);
}
