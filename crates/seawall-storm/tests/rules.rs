//! A signature means the same as a rule, and as a matcher over samples: whatever term is made of whatever request.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use proptest::prelude::*;
use seawall_http::{
    ClientAddr, ClientIdentity, ClientSource, ContentLength, Field, Now, Protocol, RequestFacts, Scheme,
    UnixTime,
};
use seawall_rules::limit::LimitTable;
use seawall_rules::rule::{Action, Author, Condition, Mode, Rule};
use seawall_rules::set::{Numbered, RuleSet, Scratch, Verdict};
use seawall_rules::tally::Tally;
use seawall_storm::derive::nowhere;
use seawall_storm::signature::Matcher;
use seawall_storm::{
    CacheResult, Cost, Derive, Disposition, EventFacts, FactKeys, FactKind, FactValue, RequestEvent,
    Signature, Specimen, Term, TokenKeys, WindowBuilder,
};

/// A request, owned.
#[derive(Clone, Debug)]
struct Request {
    host: &'static str,
    method: &'static str,
    path: String,
    query: Option<String>,
    fields: Vec<(&'static str, Vec<u8>)>,
    client: IpAddr,
    protocol: Protocol,
    content: ContentLength,
}

impl Request {
    fn with_facts<T>(&self, look: impl FnOnce(&RequestFacts<'_>) -> T) -> T {
        let fields: Vec<Field<'_>> = self.fields.iter().map(|(name, value)| Field { name, value }).collect();
        let addr = ClientAddr::new(self.client);
        look(&RequestFacts {
            protocol: self.protocol,
            scheme: Scheme::Http,
            method: self.method,
            host: self.host,
            path: &self.path,
            query: self.query.as_deref(),
            fields: &fields,
            content: self.content,
            client: ClientIdentity { addr, source: ClientSource::Peer, peer: addr },
            tls: None,
        })
    }

    fn specimen(&self) -> Arc<Specimen> {
        let derive = Derive { keys: FactKeys::new([1; 16]), tokens: TokenKeys::new([2; 16], UnixTime(0)) };
        let mut builder = WindowBuilder::new(derive, 1, UnixTime(0));
        self.with_facts(|facts| {
            builder.observe(&RequestEvent {
                facts: EventFacts::of(facts, &mut Vec::new()),
                disposition: Disposition { status: 200, cache: CacheResult::Hit, is_refused: false },
                cost: Cost::of_one(1, 1, 1),
                at: UnixTime(0),
            });
        });
        builder.take(nowhere, UnixTime(1000)).specimens.remove(0)
    }

    /// Whether a rule with these conditions matches.
    fn meets(&self, conditions: Vec<Condition>) -> bool {
        let rule = Rule {
            name: "rule".to_owned(),
            conditions,
            action: Action::Absorb,
            mode: Mode::Enforce,
            portion: None,
            expires: None,
            note: None,
            author: Author::Operator,
        };
        let rules = vec![Numbered { revision: 1, definition: Arc::new(rule) }];
        let set = RuleSet::compile(rules, Vec::new()).unwrap();
        let (table, tally) = (LimitTable::new(1024, [0; 16]), Tally::new(&set));
        let now = Now { wall: UnixTime(0), mono: 0 };
        self.with_facts(|facts| {
            let decision = set.decide(facts, &mut Scratch::default(), &table, &tally, now);
            // Another method than GET or HEAD is refused by the same rule.
            !matches!(decision.verdict, Verdict::Pass)
        })
    }
}

/// Few distinct parts, so that requests share facts and nearly share others.
fn requests() -> impl Strategy<Value = Request> {
    let path = "(/[ab.]{1,3}){1,4}/?(x\\.(pem|PEM|p-m|abcdefghi|tar\\.gz|))?";
    let agent = prop_oneof![
        Just(None),
        "(Mozilla/5\\.0 \\((compatible; )?)?(Ab|Abc|A\\.b|a\\+b)(/1\\.[01]| 2|;|\\)|)( Ab/1)?"
            .prop_map(|text| Some(text.into_bytes())),
        Just(Some(b"Ab\xff/1".to_vec())),
        Just(Some(Vec::new())),
    ];
    let referer = prop_oneof![
        Just(None),
        Just(Some(&b"https://a.example/x"[..])),
        Just(Some(&b"https://b.example:8443"[..])),
        Just(Some(&b"about:blank"[..])),
    ];
    let query = prop::option::of("(|a=1|a=2&b|b&a=1|c%3D=|12345|a=1&&b=)");
    let client = prop_oneof![
        (0..8u32, 0..4u32)
            .prop_map(|(net, host)| IpAddr::V4(Ipv4Addr::from_bits(0xc000_0000 | net << 8 | host))),
        (0..8u128, 0..4u128)
            .prop_map(|(net, host)| IpAddr::V6(Ipv6Addr::from_bits(0x2001 << 112 | net << 71 | host))),
    ];
    let content = prop_oneof![
        Just(ContentLength::Absent),
        Just(ContentLength::Unknown),
        prop::sample::select(vec![0, 255, 256, 4095, 65_536]).prop_map(ContentLength::Known),
    ];
    let host = prop::sample::select(vec!["", "a.example", "b.example"]);
    let method = prop::sample::select(vec!["GET", "POST", "get"]);
    let protocol = prop::sample::select(vec![Protocol::Http10, Protocol::Http11, Protocol::Http2]);
    let accepts: [bool; 2] = [true, false];
    (
        (host, method, path, query, agent),
        (referer, client, protocol, content),
        prop::sample::select(accepts.to_vec()),
        prop::sample::select(accepts.to_vec()),
    )
        .prop_map(
            |((host, method, path, query, agent), (referer, client, protocol, content), accepts, twice)| {
                let mut fields = Vec::new();
                if accepts {
                    fields.push(("Accept-Language", b"en".to_vec()));
                }
                fields.extend(agent.map(|agent| ("User-Agent", agent)));
                if twice {
                    fields.push(("user-agent", b"more".to_vec()));
                }
                fields.extend(referer.map(|referer| ("Referer", referer.to_vec())));
                Request { host, method, path, query, fields, client, protocol, content }
            },
        )
}

/// Every term that can be made of the request, and a few more.
fn terms(specimen: &Specimen) -> Vec<Term> {
    let values = FactKind::ALL.into_iter().filter_map(|kind| Some(Term::of(kind, specimen.value(kind)?)));
    let absent = FactKind::ALL.into_iter().map(|kind| Term::of(kind, FactValue::Absent));
    let present = FactKind::ALL.into_iter().map(Term::Present);
    let fields = ["accept-language", "user-agent", "referer"];
    let fields = fields.into_iter().flat_map(|name| [Term::WithField(name), Term::WithoutField(name)]);
    values.chain(absent).chain(present).chain(fields).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rule_and_matcher_agree_about_every_term(of in requests(), on in requests(), near in requests()) {
        let samples = [of.specimen(), on.specimen()];
        let mut together: Vec<Term> = terms(&samples[0]);
        for kind in FactKind::ALL {
            // Two values at once.
            if let (Some(one), Some(other)) = (samples[0].value(kind), near.specimen().value(kind)) {
                together.push(Term::Fact { kind, values: vec![one, other] });
            }
        }
        for term in together {
            let signature = Signature::new([term]);
            let Ok(conditions) = signature.conditions() else { continue };
            let matcher = Matcher::new(&signature);
            for (request, specimen) in [&of, &on].into_iter().zip(&samples) {
                prop_assert_eq!(
                    request.meets(conditions.clone()),
                    matcher.matches(specimen),
                    "{:?} as {:?} on {:?}",
                    &signature, &conditions, request
                );
            }
        }
    }

    #[test]
    fn request_meets_what_is_made_of_it(of in requests()) {
        let specimen = of.specimen();
        for kind in FactKind::ALL {
            let Some(value) = specimen.value(kind) else { continue };
            let signature = Signature::new([Term::of(kind, value)]);
            prop_assert!(Matcher::new(&signature).matches(&specimen), "{signature:?}");
            if let Ok(conditions) = signature.conditions() {
                prop_assert!(of.meets(conditions.clone()), "{conditions:?} on {of:?}");
            }
        }
    }
}
