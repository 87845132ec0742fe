//! Limits: bounded bursts of requests, against what Seawall's own limits say of them. One a minute comes back, so that
//! the clock does not matter within a test: as many pass as may come at once, and no more.

use std::time::Duration;

use http::HeaderName;
use seawall_export::{Export, Note, Options, Target, export};
use seawall_rules::limit::{KeyPart, Limit, PartitionKey, Rate};
use seawall_rules::rule::{Action, Condition, Fact, Mode, Rule, Test};
use seawall_testkit::Raw;

use crate::compare::Server;
use crate::oracle::{Answer, NOW, Oracle};
use crate::request::Request;
use crate::rules::{deny, is, not, prefix, rule};
use crate::{envoy, haproxy, nginx, traefik, varnish};

pub(crate) fn limit(name: &str, conditions: Vec<Condition>, by: Vec<KeyPart>, burst: u32) -> Limit {
    let rate = Rate { requests: 1, per: Duration::from_secs(60), burst };
    Limit { name: name.to_owned(), conditions, by: PartitionKey(by), rate, mode: Mode::Enforce }
}

fn at(path: &str) -> Vec<Condition> {
    vec![is(Fact::Path, prefix(path))]
}

fn clients() -> Limit {
    limit("clients", at("/clients/"), vec![KeyPart::Client], 3)
}

fn agents() -> Limit {
    let known = not(Fact::UserAgent, Test::Absent);
    limit("agents", [at("/agents/"), vec![known]].concat(), vec![KeyPart::UserAgent], 2)
}

fn all() -> Limit {
    let posts = is(Fact::Method, Test::Exact("POST".to_owned()));
    limit("all", [at("/all/"), vec![posts]].concat(), Vec::new(), 4)
}

fn closed() -> Rule {
    rule("closed", at("/clients/closed/"), deny(410))
}

fn open() -> Rule {
    rule("open", at("/clients/open/"), Action::Allow)
}

/// Bursts that go beyond each limit, by several keys in turn.
fn requests() -> Vec<Request> {
    let mut all = Vec::new();
    for round in 0..5 {
        for client in [1, 2] {
            all.push(Request::get("/clients/closed/x").from(client).agent("a"));
            all.push(Request::get("/clients/open/x").from(client).agent("a"));
            all.push(Request::get(&format!("/clients/{round}?/agents/")).from(client).agent("a"));
            all.push(Request::get("/else/clients/").from(client).agent("a"));
        }
        for agent in ["a", "b", "A \"b\" %s ${c} `d`"] {
            all.push(Request::get("/agents/").agent(agent));
        }
        all.push(Request::get("/all/").agent("a"));
        all.push(Request::new("POST", "/all/x").agent("b").from(round + 1));
        all.push(Request::new("POST", "/all/").agent(format!("c{round}")).from(round + 1));
    }
    all
}

/// Gives the notes.
#[track_caller]
fn compare<S: Server>(
    target: Target,
    rules: &[Rule],
    limits: &[Limit],
    start: impl Fn(&Export) -> S,
) -> Vec<String> {
    let options = Options { approximate: true, now: NOW };
    let export = export(rules, limits, target, &options).unwrap();
    assert!(!export.notes.iter().any(|note| matches!(note, Note::LeftOut { .. })), "{:?}", export.notes);
    let server = start(&export);
    let oracle = Oracle::with_limits(rules, limits);
    let mut refused = 0;
    for (index, request) in requests().iter().enumerate() {
        let expected = match oracle.answer(request) {
            Some(Answer::Refuse(status, _)) => status,
            _ => 200,
        };
        let mut raw = Raw::connect_from(request.from, server.address());
        raw.send(request.bytes());
        let status = raw.read_to_end().status();
        let status = status.map(|status| if server.is_pass(status) { 200 } else { status });
        assert_eq!(status, Some(expected), "{target}, request {index}: {}", request.shown());
        refused += usize::from(expected == 429);
    }
    assert!(refused > 5, "{refused} are beyond a limit");
    export.notes.iter().map(ToString::to_string).collect()
}

#[test]
fn nginx_counts_as_the_limits_do() {
    // A `return` would answer before anything is counted, and files take no POST.
    let site = "location / { error_page 405 =200 /index.html; try_files /index.html =404; }";
    let start = |export: &Export| nginx::start_with(export, site);
    let mut agents = agents();
    // It cannot tell an empty field from none.
    agents.conditions.pop();
    let notes = compare(Target::Nginx, &[closed(), open()], &[clients(), agents, all()], start);
    assert_eq!(notes, [""; 0]);
}

#[test]
fn haproxy_counts_bursts_as_the_limits_do() {
    let notes = compare(Target::Haproxy, &[closed(), open()], &[clients(), agents(), all()], haproxy::start);
    assert_eq!(notes.len(), 3, "{notes:?}");
}

#[test]
fn varnish_counts_bursts_as_the_limits_do() {
    let notes = compare(Target::Varnish, &[closed(), open()], &[clients(), agents(), all()], varnish::start);
    assert_eq!(notes.len(), 3, "{notes:?}");
}

#[test]
fn envoy_counts_as_the_limits_do() {
    let notes = compare(Target::Envoy, &[closed()], &[clients(), agents(), all()], envoy::start);
    assert_eq!(notes, ["limit `agents` is not exact: its rate: a request without the field is not counted"]);
}

/// A middleware counts all that its router takes.
#[test]
fn traefik_counts_as_the_limits_do() {
    let limits = [
        limit("clients", Vec::new(), vec![KeyPart::Client], 17),
        limit("agents", Vec::new(), vec![KeyPart::UserAgent], 9),
    ];
    let start = |export: &Export| {
        let site =
            traefik::SITE.to_owned() + "      middlewares: [seawall-limit/clients, seawall-limit/agents]\n";
        traefik::start_files(&[("seawall.yaml", &export.parts[0].text), ("site.yaml", &site)])
    };
    let rules = [closed()];
    let options = Options { approximate: false, now: NOW };
    let export = export(&rules, &limits, Target::Traefik, &options).unwrap();
    let server = start(&export);
    // Two limits in a row: the first takes one from its bucket for what the second refuses, so each is tried by itself.
    let passed = |from: u8, agent: &dyn Fn(usize) -> String| {
        (0..25)
            .filter(|index| {
                let mut raw = Raw::connect_from([127, 0, 0, from].into(), server.address());
                raw.send(Request::get("/").agent(agent(*index)).bytes());
                raw.read_to_end().status() == Some(200)
            })
            .count()
    };
    assert_eq!(passed(2, &|index| format!("a{index}")), 17);
    assert_eq!(passed(3, &|_| "b".to_owned()), 9);
    assert_eq!(passed(4, &|_| "b".to_owned()), 0);
}

#[test]
fn what_cannot_count_says_why() {
    let options = Options { approximate: true, now: NOW };
    for target in Target::ALL {
        let limits = [clients(), agents(), all(), limit("fourth", Vec::new(), vec![KeyPart::QueryShape], 1)];
        let exported = export(&[], &limits, *target, &options).unwrap();
        let left_out = |name: &str| {
            exported
                .notes
                .iter()
                .any(|note| note.to_string().starts_with(&format!("limit `{name}` is left out")))
        };
        assert!(left_out("fourth"), "{target}: {:?}", exported.notes);
        // Its name would be a variable, or end a text.
        for name in ["x$uri", "x`y", "x%y", "x'y"] {
            let by = KeyPart::Field(HeaderName::from_bytes(name.as_bytes()).unwrap());
            let hard = [limit("hard", Vec::new(), vec![by.clone()], 1)];
            let exported = export(&[], &hard, *target, &options).unwrap();
            let exact_name = matches!(target, Target::Envoy | Target::Cloudflare);
            assert!(
                exact_name || exported.notes.len() == 1 && exported.notes[0].to_string().contains("left out")
            );
        }
        let exact = Options { approximate: false, ..options };
        let problems = export(&[], &limits[3..], *target, &exact).unwrap_err();
        assert!(
            problems[0].to_string().starts_with("limit `fourth`: its rate cannot be said: "),
            "{problems:?}"
        );
    }
}
