//! Seawall's own verdict on raw bytes: its parser, its normalisation, its rules.

use std::net::IpAddr;

use seawall_http::h1::{FieldStorage, HeadBounds, HeadScanner, Scan, parse};
use seawall_http::target::{normalise_host, normalise_path};
use seawall_http::{ClientAddr, ClientIdentity, ClientSource, Now, RequestFacts, Scheme, UnixTime};
use seawall_rules::limit::{Limit, LimitTable};
use seawall_rules::refusal::Cause;
use seawall_rules::rule::Rule;
use seawall_rules::set::{Numbered, RuleSet, Scratch, Verdict};
use seawall_rules::tally::Tally;

use crate::request::Request;

/// What happened to a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    Pass,
    /// The status, and the rule that refused if it was told.
    Refuse(u16, Option<String>),
    Drop,
}

/// A moment after which no rule of the tests expires, unless it is meant to have.
pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000_000);

pub(crate) struct Oracle {
    set: RuleSet,
    table: LimitTable,
}

impl Oracle {
    pub(crate) fn new(rules: &[Rule]) -> Self {
        Self::with_limits(rules, &[])
    }

    pub(crate) fn with_limits(rules: &[Rule], limits: &[Limit]) -> Self {
        let numbered = rules
            .iter()
            .zip(1..)
            .map(|(rule, revision)| Numbered { revision, definition: rule.clone().into() });
        let limits = limits
            .iter()
            .zip(1..)
            .map(|(limit, revision)| Numbered { revision, definition: limit.clone().into() });
        let set = RuleSet::compile(numbered.collect(), limits.collect())
            .unwrap_or_else(|errors| panic!("{errors:?}"));
        Self { set, table: LimitTable::new(1000, [7; 16]) }
    }

    /// `None` for a request that Seawall finds malformed.
    pub(crate) fn answer(&self, request: &Request) -> Option<Answer> {
        let bytes = request.bytes();
        let Ok(Scan::Complete { start, end }) = HeadScanner::default().scan(&bytes) else { return None };
        let mut storage = FieldStorage::new();
        let bounds = HeadBounds { target_bytes: 8192, fields: 100 };
        let head = parse(&bytes[start..end], &mut storage, bounds).ok()?;
        let addr = ClientAddr::new(IpAddr::V4(request.from));
        let facts = RequestFacts {
            protocol: head.protocol,
            scheme: Scheme::Http,
            method: head.method,
            host: &normalise_host(head.authority),
            path: &normalise_path(head.target.path()),
            query: head.target.query(),
            fields: head.fields,
            content: head.framing.content_length(),
            client: ClientIdentity { addr, source: ClientSource::Peer, peer: addr },
            tls: None,
        };
        let now = Now { wall: NOW, mono: 0 };
        let tally = Tally::new(&self.set);
        let decision = self.set.decide(&facts, &mut Scratch::default(), &self.table, &tally, now);
        Some(match decision.verdict {
            Verdict::Pass | Verdict::Absorb { .. } => Answer::Pass,
            Verdict::Refuse(refusal) | Verdict::Tarpit { refusal, .. } => {
                let (Cause::Rule { name, .. } | Cause::Limit { name, .. }) = refusal.cause else {
                    panic!("{:?}", refusal.cause)
                };
                Answer::Refuse(refusal.status.as_u16(), Some(name.to_owned()))
            }
            Verdict::Drop { .. } => Answer::Drop,
        })
    }
}
