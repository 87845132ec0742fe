use std::sync::Arc;

use http::StatusCode;
use ipnet::IpNet;
use seawall_rules::limit::Rate;
use seawall_rules::receipt::Stamp;
use seawall_rules::refusal::{Bound, OriginFault};
use seawall_rules::rule::{Author, Mode, Test};

use serde_json::Value;

use super::*;
use crate::rulebook::{Configured, Entry, Rulebook};

const THEN: UnixTime = UnixTime::from_secs(1_790_000_000);
const NOW: UnixTime = UnixTime::from_secs(1_790_010_000);

const SOURCES: [ClientSource; 6] = [
    ClientSource::Peer,
    ClientSource::Field,
    ClientSource::HopWithoutField,
    ClientSource::HopMalformedField,
    ClientSource::AllTrusted,
    ClientSource::SuspectedIntermediary,
];

/// A state folder with a rulebook as an operator would have it.
struct Installation {
    path: tempfile::TempDir,
    book: Rulebook<()>,
}

impl Installation {
    fn new() -> Self {
        let path = tempfile::tempdir().unwrap();
        let writer = StateFolder::open(path.path()).unwrap().writer(Duration::ZERO).unwrap();
        let rules = [
            rule(
                "qqgamehall",
                vec![exact(Fact::Method, "POST"), exact(Fact::Path, "/ca/cacert.pem")],
                deny(),
            ),
            rule("bad-network", vec![within("192.0.2.0/24")], deny()),
            rule(
                "search",
                vec![exact(Fact::Path, "/search")],
                Action::Limit { rate: rate(10), by: PartitionKey(vec![KeyPart::Client]), text: None },
            ),
        ];
        let limits = [
            Limit {
                name: "per-client".to_owned(),
                conditions: Vec::new(),
                by: PartitionKey(vec![KeyPart::Client]),
                rate: rate(100),
                mode: Mode::Enforce,
            },
            Limit {
                name: "per-path".to_owned(),
                conditions: Vec::new(),
                by: PartitionKey(vec![KeyPart::Path]),
                rate: rate(5_000),
                mode: Mode::Enforce,
            },
        ];
        let configured = Configured {
            rules: rules.into_iter().map(Arc::new).collect(),
            limits: limits.into_iter().map(Arc::new).collect(),
        };
        let start = UnixTime::from_secs(1_789_000_000);
        let (book, _) = Rulebook::open(writer, configured, Box::new(|_: &[&Entry]| Ok(())), start).unwrap();
        Self { path, book }
    }

    fn folder(&self) -> StateFolder {
        StateFolder::open_to_read(self.path.path()).unwrap()
    }

    fn cause(&self, name: &str) -> ReceiptCause {
        let entry = self.book.list().iter().find(|entry| entry.name() == name).unwrap();
        match entry.kind() {
            Kind::Rule => ReceiptCause::Rule { revision: entry.revision },
            Kind::Limit => ReceiptCause::Limit { revision: entry.revision },
        }
    }

    fn seal(&self, cause: ReceiptCause, source: ClientSource, count: u64, bound: u64) -> String {
        let stamp = Stamp { process: 0xa5, sequence: 17 };
        let facts = ReceiptFacts { time: THEN, stamp, cause, count, bound, source };
        StateFolder::open(self.path.path()).unwrap().sealer().unwrap().seal(&facts).to_string()
    }

    fn why(&self, cause: ReceiptCause, source: ClientSource, count: u64, bound: u64) -> Explanation {
        explain(&self.seal(cause, source, count, bound), &self.folder(), NOW).unwrap()
    }
}

fn rule(name: &str, conditions: Vec<Condition>, action: Action) -> Rule {
    Rule {
        name: name.to_owned(),
        conditions,
        action,
        mode: Mode::Enforce,
        portion: None,
        expires: None,
        note: None,
        author: Author::Configuration,
    }
}

fn exact(fact: Fact, text: &str) -> Condition {
    Condition { fact, test: Test::Exact(text.to_owned()), negated: false }
}

fn within(network: &str) -> Condition {
    Condition {
        fact: Fact::Client,
        test: Test::Within(vec![network.parse::<IpNet>().unwrap()]),
        negated: false,
    }
}

fn deny() -> Action {
    Action::Deny { status: StatusCode::FORBIDDEN, text: None }
}

fn rate(burst: u32) -> Rate {
    Rate { requests: 50, per: Duration::from_secs(1), burst }
}

#[test]
fn a_rule_and_a_limit_are_told_in_plain_words() {
    let installation = Installation::new();
    let texts = [
        installation.why(installation.cause("qqgamehall"), ClientSource::Field, 16_500_000, 0),
        installation.why(installation.cause("bad-network"), ClientSource::Peer, 3, 0),
        installation.why(installation.cause("search"), ClientSource::Field, 11, 10),
        installation.why(installation.cause("per-path"), ClientSource::Field, 5_001, 5_000),
    ]
    .map(|explanation| explanation.to_string());
    insta::assert_snapshot!("rules_and_limits", texts.join("\n----\n\n"));
}

#[test]
fn every_way_of_finding_the_client_has_its_advice() {
    let installation = Installation::new();
    let mut texts = Vec::new();
    for name in ["per-client", "bad-network"] {
        for source in SOURCES {
            texts.push(installation.why(installation.cause(name), source, 101, 100).to_string());
        }
    }
    insta::assert_snapshot!("clients", texts.join("\n----\n\n"));
}

#[test]
fn every_bound_and_fault_has_its_advice() {
    let installation = Installation::new();
    let bounds = Bound::ALL.into_iter().map(|bound| (ReceiptCause::Bound(bound), 65_537, 65_536));
    let faults = OriginFault::ALL.into_iter().map(|fault| (ReceiptCause::Origin(fault), 0, 0));
    let others = [(ReceiptCause::Malformed, 0, 0), (ReceiptCause::NoSite, 0, 0)];
    let texts: Vec<String> = bounds
        .chain(faults)
        .chain(others)
        .map(|(cause, count, bound)| installation.why(cause, ClientSource::Peer, count, bound).to_string())
        .collect();
    insta::assert_snapshot!("bounds_and_faults", texts.join("\n----\n\n"));
}

#[test]
fn what_became_of_a_definition_is_told() {
    let mut installation = Installation::new();
    let made = rule("made", vec![exact(Fact::Path, "/made")], deny());
    installation.book.add(vec![made], Some("ada"), UnixTime::from_secs(1_789_900_000)).unwrap();
    let causes = ["made", "qqgamehall", "per-client", "bad-network"].map(|name| installation.cause(name));
    let later = UnixTime::from_secs(1_790_005_000);
    installation.book.retire("made", later).unwrap();
    installation.book.disable("qqgamehall", later).unwrap();
    let changed = Limit {
        name: "per-client".to_owned(),
        conditions: Vec::new(),
        by: PartitionKey(vec![KeyPart::Client]),
        rate: rate(200),
        mode: Mode::Enforce,
    };
    let configured = Configured { rules: Vec::new(), limits: vec![Arc::new(changed)] };
    installation.book.reload(configured, UnixTime::from_secs(1_790_009_940)).unwrap();
    let mut texts =
        causes.map(|cause| installation.why(cause, ClientSource::Field, 101, 100).to_string()).to_vec();
    let unknown = ReceiptCause::Rule { revision: 999 };
    texts.push(installation.why(unknown, ClientSource::Field, 1, 0).to_string());
    insta::assert_snapshot!("afterwards", texts.join("\n----\n\n"));
}

#[test]
fn a_rule_that_seawall_made_says_so() {
    let mut installation = Installation::new();
    let made = |name: &str| Rule {
        expires: Some(UnixTime::from_secs(1_790_100_000)),
        author: Author::Machine { storm: "s0abc12".to_owned() },
        ..rule(name, vec![exact(Fact::Method, "POST"), exact(Fact::UserAgent, "QQGameHall")], deny())
    };
    let at = UnixTime::from_secs(1_789_900_000);
    installation.book.stage(made("storm-a"), "p000001", 2, at).unwrap();
    installation.book.stage(made("storm-b"), "p000002", 2, at).unwrap();
    let causes = ["storm-a", "storm-b"].map(|name| installation.cause(name));
    installation.book.withdraw("p000002", UnixTime::from_secs(1_790_005_000)).unwrap();
    let told = causes.map(|cause| installation.why(cause, ClientSource::Field, 2, 0));
    let texts = told.clone().map(|explanation| explanation.to_string());
    insta::assert_snapshot!("machine", texts.join("\n----\n\n"));
    insta::assert_snapshot!("machine_json", serde_json::to_string_pretty(&told[0].to_json()).unwrap());
}

#[test]
fn programs_get_the_same_as_json() {
    let installation = Installation::new();
    let causes = [
        installation.cause("per-client"),
        ReceiptCause::Bound(Bound::Queue),
        ReceiptCause::Rule { revision: 999 },
    ];
    let values: Vec<Value> = causes
        .into_iter()
        .map(|cause| installation.why(cause, ClientSource::SuspectedIntermediary, 101, 100).to_json())
        .collect();
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&values).unwrap());
}

#[test]
fn what_cannot_be_explained_says_why() {
    let installation = Installation::new();
    let text = installation.seal(ReceiptCause::Malformed, ClientSource::Peer, 0, 0);
    let other = Installation::new();
    other.seal(ReceiptCause::Malformed, ClientSource::Peer, 0, 0);
    let swapped = format!("{}{}", &text[..50], text[50..].chars().rev().collect::<String>());
    let folder = installation.folder();
    let missing = tempfile::tempdir().unwrap();
    let keyless = StateFolder::open_to_read(missing.path()).unwrap();
    let errors = [
        explain(&text, &other.folder(), NOW),
        explain(&text[..40], &folder, NOW),
        explain(&swapped, &folder, NOW),
        explain(&text.replacen('S', "!", 1), &folder, NOW),
        explain(&text, &keyless, NOW),
    ];
    let lines: Vec<String> = errors
        .map(|error| error.unwrap_err().to_string().replace(missing.path().to_str().unwrap(), "FOLDER"))
        .to_vec();
    insta::assert_snapshot!(lines.join("\n"), @r##"
    this receipt was not sealed with this key: it belongs to another installation, or is invented; if you have several, name the right one's folder with `--state`
    a receipt has 52 characters without hyphens and spaces, this text has 40; compare it with the original, or ask for it once more
    the check character does not fit: a character is mistyped, or two are swapped; compare it with the original, or ask for it once more
    '!', character 1 of the text, cannot be part of a receipt; compare it with the original, or ask for it once more
    cannot read FOLDER/receipt.key: entity not found; `seawall serve` makes it at its first start
    "##);
}

#[test]
fn it_is_explained_while_another_process_writes_and_after_it_ended() {
    let installation = Installation::new();
    let text = installation.seal(installation.cause("per-client"), ClientSource::Field, 101, 100);
    let during = explain(&text, &installation.folder(), NOW).unwrap();
    let Installation { path, book } = installation;
    drop(book);
    let after = explain(&text, &StateFolder::open_to_read(path.path()).unwrap(), NOW).unwrap();
    assert_eq!(during, after);
    let before: Vec<_> =
        std::fs::read_dir(path.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!before.iter().any(|name| name.to_string_lossy().starts_with(".new-")));
}

#[test]
fn a_receipt_from_later_than_now_is_told_as_such() {
    let installation = Installation::new();
    let text = installation.seal(ReceiptCause::Malformed, ClientSource::Peer, 0, 0);
    let explanation = explain(&text, &installation.folder(), UnixTime::from_secs(1)).unwrap();
    assert_eq!(explanation.ago(), None);
    assert!(explanation.to_string().contains("later than this machine's clock"));
}
