mod law;
mod limits;
mod rules;

use std::time::Duration;

use http::{HeaderName, StatusCode};
use seawall_http::{
    ClientAddr, ClientIdentity, ClientSource, ContentLength, Field, Ja4, Now, Protocol, RequestFacts, Scheme,
    UnixTime,
};

use super::*;
use crate::limit::{KeyPart, PartitionKey, Rate};
use crate::rule::{Author, Condition, Fact, Mode, Portion, Test};

const SECOND: u64 = 1_000_000_000;

fn is(fact: Fact, test: Test) -> Condition {
    Condition { fact, test, negated: false }
}

fn not(fact: Fact, test: Test) -> Condition {
    Condition { fact, test, negated: true }
}

fn path(text: &str) -> Condition {
    is(Fact::Path, Test::Exact(text.into()))
}

fn field(name: &'static str) -> Fact {
    Fact::Field(HeaderName::from_static(name))
}

fn deny() -> Action {
    Action::Deny { status: StatusCode::FORBIDDEN, text: None }
}

fn rule(name: &str, conditions: Vec<Condition>, action: Action) -> Rule {
    Rule {
        name: name.into(),
        conditions,
        action,
        mode: Mode::Enforce,
        portion: None,
        expires: None,
        note: None,
        author: Author::Operator,
    }
}

fn observing(rule: Rule) -> Rule {
    Rule { mode: Mode::Observe, ..rule }
}

fn rate(requests: u32, secs: u64, burst: u32) -> Rate {
    Rate { requests, per: Duration::from_secs(secs), burst }
}

fn limit(name: &str, rate: Rate, by: Vec<KeyPart>) -> Limit {
    Limit { name: name.into(), conditions: vec![], by: PartitionKey(by), rate, mode: Mode::Enforce }
}

/// Revisions count from 100.
fn numbered<T>(all: Vec<T>) -> Vec<Numbered<T>> {
    all.into_iter()
        .zip(100..)
        .map(|(one, revision)| Numbered { revision, definition: Arc::new(one) })
        .collect()
}

fn compile(rules: Vec<Rule>, limits: Vec<Limit>) -> RuleSet {
    RuleSet::compile(numbered(rules), numbered(limits)).unwrap()
}

/// A request that a test changes where it cares.
#[derive(Clone, Debug)]
struct Request {
    method: &'static str,
    host: &'static str,
    path: String,
    query: Option<&'static str>,
    fields: Vec<(&'static str, Vec<u8>)>,
    client: ClientIdentity,
    protocol: Protocol,
    content: ContentLength,
    tls: Option<Ja4>,
}

fn get(path: &str) -> Request {
    Request {
        method: "GET",
        host: "site.example",
        path: path.into(),
        query: None,
        fields: vec![],
        client: peer("192.0.2.1"),
        protocol: Protocol::Http11,
        content: ContentLength::Absent,
        tls: None,
    }
}

fn peer(addr: &str) -> ClientIdentity {
    let addr = ClientAddr::new(addr.parse().unwrap());
    ClientIdentity { addr, source: ClientSource::Peer, peer: addr }
}

impl Request {
    fn with(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name, value.as_ref().into()));
        self
    }

    fn from(self, addr: &str) -> Self {
        Self { client: peer(addr), ..self }
    }

    /// As from an undeclared intermediary.
    fn suspected(mut self) -> Self {
        self.client.source = ClientSource::SuspectedIntermediary;
        self
    }

    fn see<R>(&self, look: impl FnOnce(&RequestFacts<'_>) -> R) -> R {
        let fields: Vec<Field<'_>> = self.fields.iter().map(|(name, value)| Field { name, value }).collect();
        look(&RequestFacts {
            protocol: self.protocol,
            scheme: Scheme::Https,
            method: self.method,
            host: self.host,
            path: &self.path,
            query: self.query,
            fields: &fields,
            content: self.content,
            client: self.client,
            tls: self.tls,
        })
    }
}

/// A gate at work: one worker, its time standing still unless moved.
struct Gate {
    set: RuleSet,
    scratch: Scratch,
    table: LimitTable,
    tally: Tally,
    now: Now,
}

impl Gate {
    fn new(rules: Vec<Rule>, limits: Vec<Limit>) -> Self {
        let set = compile(rules, limits);
        Self {
            tally: Tally::new(&set),
            set,
            scratch: Scratch::default(),
            table: LimitTable::new(100_000, [7; 16]),
            now: Now { wall: UnixTime::from_secs(1_800_000_000), mono: 1000 * SECOND },
        }
    }

    /// What a configuration reload does.
    fn swap(&mut self, rules: Vec<Rule>, limits: Vec<Limit>) {
        self.set = compile(rules, limits);
        self.tally = Tally::new(&self.set);
    }

    fn decide(&mut self, request: &Request) -> Decision<'_> {
        let Self { set, scratch, table, tally, now } = self;
        request.see(|facts| set.decide(facts, scratch, table, tally, *now))
    }

    /// What was decided, in a word and the name of what decided.
    fn says(&mut self, request: &Request) -> String {
        match self.decide(request).verdict {
            Verdict::Pass => "pass".into(),
            Verdict::Absorb { rule, .. } => format!("absorb {rule}"),
            Verdict::Refuse(refusal) => format!("{} {}", refusal.status.as_u16(), name(&refusal)),
            Verdict::Drop { rule, .. } => format!("drop {rule}"),
            Verdict::Tarpit { refusal, delay } => {
                format!("{} {} after {delay:?}", refusal.status.as_u16(), name(&refusal))
            }
        }
    }

    fn passes(&mut self, request: &Request) -> bool {
        self.decide(request).verdict == Verdict::Pass
    }

    /// How many of `n` such requests pass at once.
    fn pass_of(&mut self, n: usize, request: &Request) -> usize {
        (0..n).filter(|_| self.passes(request)).count()
    }

    fn wait(&mut self, secs: u64) {
        self.now.mono += secs * SECOND;
        self.now.wall = self.now.wall.saturating_add(Duration::from_secs(secs));
    }
}

fn name(refusal: &crate::refusal::Refusal<'_>) -> String {
    match refusal.cause {
        crate::refusal::Cause::Rule { name, .. } | crate::refusal::Cause::Limit { name, .. } => {
            name.to_owned()
        }
        cause => format!("{cause:?}"),
    }
}
