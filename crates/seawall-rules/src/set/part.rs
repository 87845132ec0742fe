//! The clients that a rule with a portion acts on.

use seawall_http::RequestFacts;

use super::meter;
use crate::limit::{KeyHasher, LimitTable};
use crate::rule::Portion;

/// A portion of the clients, drawn for one rule.
#[derive(Debug)]
pub(super) struct Part {
    portion: Portion,
    /// The rule's name, so that each rule draws anew.
    identity: Box<[u8]>,
}

impl Part {
    pub(super) fn new(name: &str, portion: Portion) -> Self {
        // No limit's identity ends so: a client's place here says nothing of its place in the table.
        Self { portion, identity: [name.as_bytes(), b"\0portion"].concat().into() }
    }

    /// Whether the rule acts on the request's client. The table lends its seed: which clients these are, nobody outside
    /// can tell.
    pub(super) fn holds(&self, facts: &RequestFacts<'_>, table: &LimitTable) -> bool {
        let mut key = KeyHasher::new(table.seed(), &self.identity);
        meter::client(&mut key, facts);
        self.portion.holds(key.finish().place())
    }
}
