//! Sends the battery and compares.

use std::net::SocketAddr;

use seawall_export::{Export, Options, Target, export};
use seawall_rules::rule::Rule;
use seawall_testkit::{End, Raw};

use crate::oracle::{Answer, NOW, Oracle};
use crate::random::Random;
use crate::request::Request;
use crate::{battery, rules};

pub(crate) const EXACTLY: Options = Options { approximate: false, now: NOW };

/// A server that runs with exported rules.
pub(crate) trait Server {
    fn address(&self) -> SocketAddr;

    /// Whether an answer that names no rule shows that the site answered.
    fn is_pass(&self, status: u16) -> bool {
        status == 200
    }
}

/// What of a request a target is known to see otherwise, or to refuse by itself; `docs/reference/export.md` lists it.
pub(crate) type KnownLimit = fn(&Request) -> Option<&'static str>;

/// The rules that a target can say, and what it says of the others.
pub(crate) fn expressible(target: Target, rules: Vec<Rule>) -> (Vec<Rule>, Vec<String>) {
    let mut problems = Vec::new();
    let fine = |rule: &Rule| match export(std::slice::from_ref(rule), &[], target, &EXACTLY) {
        Ok(_) => true,
        Err(found) => {
            problems.extend(found.iter().map(ToString::to_string));
            false
        }
    };
    (rules.into_iter().filter(fine).collect(), problems)
}

/// Both batteries against a server that `start` starts; gives the problems of the rules by hand.
#[track_caller]
pub(crate) fn compare<S: Server>(target: Target, start: impl Fn(&Export) -> S, limit: KnownLimit) -> String {
    let (by_hand, problems) = expressible(target, rules::by_hand());
    let mut random = Random(1);
    let mut requests = battery::by_hand();
    requests.extend(battery::from_rules(&by_hand, &mut random));
    check(target, &by_hand, &requests, &start, limit);
    // The last are more than one parameter of nginx can name.
    for (seed, count) in [(2, 50), (3, 50), (4, 250)] {
        let mut random = Random(seed);
        let (made, _) = expressible(target, rules::at_random(&mut random, count));
        assert!(made.len() * 2 > count, "{} of {count} rules can be said", made.len());
        let requests = battery::from_rules(&made, &mut random);
        check(target, &made, &requests, &start, limit);
    }
    problems.join("\n")
}

#[track_caller]
fn check<S: Server>(
    target: Target,
    rules: &[Rule],
    requests: &[Request],
    start: &impl Fn(&Export) -> S,
    limit: KnownLimit,
) {
    let export = export(rules, &[], target, &EXACTLY).unwrap_or_else(|problems| panic!("{problems:?}"));
    let server = start(&export);
    let oracle = Oracle::new(rules);
    let (mut compared, mut refused, mut limited) = (0, 0, 0);
    let mut differences = Vec::new();
    for request in requests {
        let Some(expected) = oracle.answer(request) else { continue };
        if limit(request).is_some() {
            limited += 1;
            continue;
        }
        let (answer, text) = ask(&server, request);
        compared += 1;
        refused += usize::from(expected != Answer::Pass);
        if !same(&expected, &answer, request) {
            differences.push(format!("{}\n  expected {expected:?}\n  {text:?}", request.shown()));
        }
    }
    let count = differences.len();
    differences.truncate(15);
    assert!(differences.is_empty(), "{count} of {compared} differ ({target}):\n{}", differences.join("\n"));
    assert!(
        compared * 10 >= requests.len() * 7,
        "{compared} of {} compared, {limited} known limits",
        requests.len()
    );
    assert!(refused * 10 >= compared, "{refused} of {compared} refused");
}

fn same(expected: &Answer, answer: &Answer, request: &Request) -> bool {
    match (expected, answer) {
        // An answer to HEAD has no content that tells the rule.
        (Answer::Refuse(status, _), Answer::Refuse(told, None)) if request.method == "HEAD" => status == told,
        _ => expected == answer,
    }
}

fn ask(server: &impl Server, request: &Request) -> (Answer, String) {
    let mut raw = Raw::connect_from(request.from, server.address());
    raw.send(request.bytes());
    let reply = raw.read_to_end();
    let mut text = reply.text();
    let answer = match reply.status() {
        None if reply.end == End::TimedOut => panic!("no answer to {}", request.shown()),
        None => Answer::Drop,
        Some(status) => match rule_of(&text) {
            None if server.is_pass(status) => Answer::Pass,
            rule => Answer::Refuse(status, rule),
        },
    };
    text.truncate(text.char_indices().nth(300).map_or(text.len(), |(at, _)| at));
    (answer, text)
}

/// The rule that an answer names.
fn rule_of(text: &str) -> Option<String> {
    let (_, name) = text.split_once("Rule: ").or_else(|| text.split_once("details=\"rule "))?;
    Some(name.chars().take_while(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_' | '.')).collect())
}
