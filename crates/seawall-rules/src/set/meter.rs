//! Counts requests for one limit, or for one rule that limits: what they are counted under, and whether one more
//! is allowed.
//!
//! **Shared intermediaries.** Behind a peer that many share and nobody declared, the peer's address is not a
//! visitor. There, the parts `client` and `network` of a key stand for the peer together with what it says of the
//! visitor: the nearest address that it claims to forward for, and the user agent. Nobody vouches for these, so
//! all that come through the peer are held to a ceiling as well: [`INTERMEDIARY_VISITORS`] times the rate and the
//! burst. A forger behind it gains at most that.

use std::net::IpAddr;

use seawall_http::{ClientAddr, ClientSource, RequestFacts, claimed, prefix_of};
use siphasher::sip128::SipHasher13;

use super::values::{Slot, Slots, USER_AGENT, Values};
use crate::limit::{Gcra, Key, KeyHasher, KeyPart, LimitOutcome, LimitTable, PartitionKey, Rate};

/// Visitors that a suspected intermediary is given credit for.
pub const INTERMEDIARY_VISITORS: u32 = 100;

#[derive(Debug)]
pub(super) struct Meter {
    /// Name and rate, not the revision: a limit that does not change keeps its counts across reloads, and one
    /// whose rate changes starts again.
    identity: [u8; 16],
    parts: Box<[Part]>,
    gcra: Gcra,
    ceiling: Gcra,
}

#[derive(Debug)]
enum Part {
    Network { v4: u8, v6: u8 },
    Text { kind: u8, field: Option<Box<str>>, slot: Slot },
}

/// The keys that one request is counted under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    visitor: Key,
    ceiling: Option<Key>,
}

/// What counting came to, and by which bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metered {
    pub(super) outcome: LimitOutcome,
    pub(super) gcra: Gcra,
}

// Kinds of parts, in keys: they tell apart values of different nature, and never change their meaning while a
// table lives.
const IDENTITY_PARTS: u8 = 1;
const NETWORK: u8 = 2;
const PEER: u8 = 3;
const CLAIMED: u8 = 4;
const FIELD_NAME: u8 = 5;
const TEXT: u8 = 16;

impl Meter {
    pub(super) fn new(name: &str, rate: Rate, by: &PartitionKey, slots: &mut Slots) -> Self {
        let mut identity = name.as_bytes().to_vec();
        // No name holds this octet.
        identity.push(0);
        identity.extend_from_slice(&rate.requests.to_be_bytes());
        identity.extend_from_slice(&rate.burst.to_be_bytes());
        identity.extend_from_slice(&rate.per.as_nanos().to_be_bytes());
        Self {
            // A digest, so that the name need not be hashed with every request. 128 bits of it do not collide by
            // chance, and names are the operator's.
            identity: SipHasher13::new().hash(&identity).as_bytes(),
            parts: by.0.iter().map(|part| Part::new(part, slots)).collect(),
            gcra: Gcra::new(rate),
            ceiling: Gcra::scaled(rate, INTERMEDIARY_VISITORS),
        }
    }

    pub(super) fn keys(&self, values: &mut Values<'_>, table: &LimitTable) -> Keys {
        let client = values.facts.client;
        let by_address = self.parts.iter().any(|part| matches!(part, Part::Network { .. }));
        if !by_address || client.source != ClientSource::SuspectedIntermediary {
            return Keys { visitor: self.key(values, table, Whose::Client), ceiling: None };
        }
        let visitor = Whose::Claimed(claimed(values.facts.fields).and_then(|claim| claim.addr));
        Keys {
            visitor: self.key(values, table, visitor),
            ceiling: Some(self.key(values, table, Whose::Peer)),
        }
    }

    fn key(&self, values: &mut Values<'_>, table: &LimitTable, whose: Whose) -> Key {
        let mut key = KeyHasher::new(table.seed(), &self.identity);
        key.part(IDENTITY_PARTS, Some(&[self.parts.len() as u8]));
        for part in &self.parts {
            part.hash(&mut key, values, whose);
        }
        key.finish()
    }

    pub(super) fn peek(&self, table: &LimitTable, keys: &Keys, now: u64) -> Metered {
        let visitor = Metered { outcome: table.peek(&keys.visitor, &self.gcra, now), gcra: self.gcra };
        let Some(ceiling) = keys.ceiling.filter(|_| visitor.outcome.allowed) else {
            return visitor;
        };
        let ceiling = Metered { outcome: table.peek(&ceiling, &self.ceiling, now), gcra: self.ceiling };
        if ceiling.outcome.allowed { visitor } else { ceiling }
    }

    /// Counts the request, unless it is beyond the rate.
    pub(super) fn count(&self, table: &LimitTable, keys: &Keys, now: u64) -> Metered {
        if let Some(ceiling) = &keys.ceiling {
            // What the visitor's own bound refuses is not counted against everybody's.
            let before = self.peek(table, keys, now);
            if !before.outcome.allowed {
                return before;
            }
            let outcome = table.check(ceiling, &self.ceiling, now);
            if !outcome.allowed {
                return Metered { outcome, gcra: self.ceiling };
            }
        }
        Metered { outcome: table.check(&keys.visitor, &self.gcra, now), gcra: self.gcra }
    }
}

/// Whom the address parts of a key stand for.
#[derive(Clone, Copy)]
enum Whose {
    Client,
    /// The visitor that the peer names.
    Claimed(Option<ClientAddr>),
    /// The peer as a whole.
    Peer,
}

impl Part {
    fn new(part: &KeyPart, slots: &mut Slots) -> Self {
        let Some(slot) = slots.of_key_part(part) else {
            return match *part {
                KeyPart::Network { v4, v6 } => Self::Network { v4, v6 },
                _ => Self::Network { v4: CLIENT_V4, v6: CLIENT_V6 },
            };
        };
        let field = match part {
            KeyPart::Field(name) => Some(name.as_str().into()),
            _ => None,
        };
        // Field slots depend on the set: their name stands for them.
        let kind = if field.is_some() { TEXT } else { TEXT + 1 + slot as u8 };
        Self::Text { kind, field, slot }
    }

    fn hash(&self, key: &mut KeyHasher, values: &mut Values<'_>, whose: Whose) {
        match self {
            Self::Network { v4, v6 } => {
                let lengths = (*v4, *v6);
                match whose {
                    Whose::Client => network(key, NETWORK, Some(values.facts.client.addr), lengths),
                    Whose::Peer => network(key, PEER, Some(values.facts.client.peer), WHOLE),
                    Whose::Claimed(addr) => {
                        network(key, PEER, Some(values.facts.client.peer), WHOLE);
                        network(key, CLAIMED, addr, (CLIENT_V4, CLIENT_V6));
                        key.part(CLAIMED, values.text(USER_AGENT));
                    }
                }
            }
            Self::Text { kind, field, slot } => {
                if let Some(name) = field {
                    key.part(FIELD_NAME, Some(name.as_bytes()));
                }
                key.part(*kind, values.text(*slot));
            }
        }
    }
}

/// An IPv6 /64 is one household's; within it, addresses are free to take.
const CLIENT_V4: u8 = 32;
const CLIENT_V6: u8 = 64;
const WHOLE: (u8, u8) = (32, 128);

/// Whose request it is: of an undeclared intermediary's, the visitor that it names.
pub(super) fn client(key: &mut KeyHasher, facts: &RequestFacts<'_>) {
    let client = facts.client;
    if client.source != ClientSource::SuspectedIntermediary {
        return network(key, NETWORK, Some(client.addr), (CLIENT_V4, CLIENT_V6));
    }
    network(key, PEER, Some(client.peer), WHOLE);
    network(key, CLAIMED, claimed(facts.fields).and_then(|claim| claim.addr), (CLIENT_V4, CLIENT_V6));
}

fn network(key: &mut KeyHasher, kind: u8, addr: Option<ClientAddr>, (v4, v6): (u8, u8)) {
    let Some(addr) = addr else {
        return key.part(kind, None);
    };
    let network = prefix_of(addr.expose(), v4, v6);
    let mut octets = [network.prefix_len(); 17];
    match network.network() {
        IpAddr::V4(addr) => {
            octets[1..5].copy_from_slice(&addr.octets());
            key.part(kind, Some(&octets[..5]));
        }
        IpAddr::V6(addr) => {
            octets[1..].copy_from_slice(&addr.octets());
            key.part(kind, Some(&octets));
        }
    }
}
