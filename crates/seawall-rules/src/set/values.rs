//! The values of a request's facts: each is found when first asked for, and at most once per request.

use std::collections::HashMap;
use std::io::Write as _;

use foldhash::fast::FixedState;
use seawall_http::target::{query_shape, referer_host};
use seawall_http::{ContentLength, RequestFacts};

use crate::limit::KeyPart;
use crate::rule::Fact;

/// The place of a fact in [`Values`]; facts that a set looks at have small numbers in a row.
pub(super) type Slot = u32;

pub(super) const HOST: Slot = 0;
pub(super) const METHOD: Slot = 1;
pub(super) const PATH: Slot = 2;
pub(super) const QUERY_SHAPE: Slot = 3;
pub(super) const USER_AGENT: Slot = 4;
pub(super) const REFERER: Slot = 5;
pub(super) const PROTOCOL: Slot = 6;
pub(super) const TLS_FINGERPRINT: Slot = 7;
pub(super) const HEADER_SHAPE: Slot = 8;
/// The last that is text, but for fields.
pub(super) const LAST_TEXT: Slot = HEADER_SHAPE;
pub(super) const CLIENT: Slot = 9;
pub(super) const CONTENT_LENGTH: Slot = 10;
/// The first field by name.
pub(super) const FIELDS: Slot = 11;

/// The facts that one set looks at.
#[derive(Debug, Default)]
pub(super) struct Slots {
    fields: Vec<Box<str>>,
    by_name: HashMap<Box<str>, Slot, FixedState>,
    name_bytes_max: usize,
}

impl Slots {
    pub(super) fn of_fact(&mut self, fact: &Fact) -> Slot {
        match fact {
            Fact::Host => HOST,
            Fact::Method => METHOD,
            Fact::Path => PATH,
            Fact::QueryShape => QUERY_SHAPE,
            Fact::UserAgent => USER_AGENT,
            Fact::Referer => REFERER,
            Fact::Protocol => PROTOCOL,
            Fact::Client => CLIENT,
            Fact::ContentLength => CONTENT_LENGTH,
            Fact::HeaderShape => HEADER_SHAPE,
            Fact::TlsFingerprint => TLS_FINGERPRINT,
            Fact::Field(name) => self.of_field(name.as_str()),
        }
    }

    /// The slot of a part that is text; none for the client and its network.
    pub(super) fn of_key_part(&mut self, part: &KeyPart) -> Option<Slot> {
        Some(match part {
            KeyPart::Client | KeyPart::Network { .. } => return None,
            KeyPart::Host => HOST,
            KeyPart::Method => METHOD,
            KeyPart::Path => PATH,
            KeyPart::QueryShape => QUERY_SHAPE,
            KeyPart::UserAgent => USER_AGENT,
            KeyPart::Field(name) => self.of_field(name.as_str()),
        })
    }

    /// `name` is lower-case, as `HeaderName` keeps it.
    fn of_field(&mut self, name: &str) -> Slot {
        if let Some(slot) = self.by_name.get(name) {
            return *slot;
        }
        let slot = FIELDS + self.fields.len() as Slot;
        self.fields.push(name.into());
        self.by_name.insert(name.into(), slot);
        self.name_bytes_max = self.name_bytes_max.max(name.len());
        slot
    }

    pub(super) fn len(&self) -> usize {
        FIELDS as usize + self.fields.len()
    }

    /// The slot of a field line's name, if the set looks at that field. `lower` is for its lower-case form.
    pub(super) fn of_line(&self, name: &str, lower: &mut String) -> Option<Slot> {
        if name.len() > self.name_bytes_max {
            return None;
        }
        lower.clear();
        lower.push_str(name);
        lower.make_ascii_lowercase();
        self.by_name.get(lower.as_str()).copied()
    }
}

/// Memory for the values of one request at a time, kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// Of the present request; a value found in an earlier one does not count.
    request: u64,
    found: Vec<(u64, Place)>,
    joined: Vec<u8>,
    shape: String,
}

/// Where a value lies.
#[derive(Clone, Copy, Debug)]
enum Place {
    Absent,
    /// The value of this field line.
    Line(usize),
    /// A stretch of [`Store::joined`].
    Joined(usize, usize),
    /// [`Store::shape`].
    Shape,
}

impl Store {
    pub(super) fn resize(&mut self, slots: &Slots) {
        self.found.clear();
        self.found.resize(slots.len(), (self.request, Place::Absent));
    }

    pub(super) fn begin(&mut self) {
        self.request += 1;
        self.joined.clear();
    }
}

/// The values of one request.
pub(super) struct Values<'v> {
    pub(super) facts: &'v RequestFacts<'v>,
    pub(super) slots: &'v Slots,
    pub(super) store: &'v mut Store,
}

impl Values<'_> {
    /// A fact that is text; `None` if the request does not have it.
    pub(super) fn text(&mut self, slot: Slot) -> Option<&[u8]> {
        let facts = self.facts;
        match slot {
            HOST => return (!facts.host.is_empty()).then_some(facts.host.as_bytes()),
            METHOD => return Some(facts.method.as_bytes()),
            PATH => return Some(facts.path.as_bytes()),
            PROTOCOL => return Some(facts.protocol.as_str().as_bytes()),
            TLS_FINGERPRINT => return facts.tls.as_ref().map(|ja4| &ja4.as_bytes()[..]),
            _ => {}
        }
        let place = match self.store.found[slot as usize] {
            (request, place) if request == self.store.request => place,
            _ => {
                let place = self.find(slot);
                self.store.found[slot as usize] = (self.store.request, place);
                place
            }
        };
        match place {
            Place::Absent => None,
            Place::Line(line) => Some(facts.fields[line].value),
            Place::Joined(start, end) => Some(&self.store.joined[start..end]),
            Place::Shape => Some(self.store.shape.as_bytes()),
        }
    }

    /// Whether a value has been asked for in this request.
    pub(super) fn is_found(&self, slot: Slot) -> bool {
        self.store.found[slot as usize].0 == self.store.request
    }

    /// The announced content in bytes.
    pub(super) fn content_bytes(&self) -> Option<u64> {
        match self.facts.content {
            ContentLength::Known(bytes) => Some(bytes),
            ContentLength::Absent | ContentLength::Unknown => None,
        }
    }

    fn find(&mut self, slot: Slot) -> Place {
        match slot {
            QUERY_SHAPE => match self.facts.query {
                None => Place::Absent,
                Some(query) => {
                    self.store.shape.clear();
                    query_shape(query, &mut self.store.shape);
                    Place::Shape
                }
            },
            USER_AGENT => self.field("user-agent"),
            REFERER => {
                let value = self.line("referer").map(|line| self.facts.fields[line].value);
                match value.and_then(referer_host) {
                    None => Place::Absent,
                    Some(host) => self.join(|out| out.extend_from_slice(host.as_bytes())),
                }
            }
            HEADER_SHAPE => {
                let shape = self.facts.header_print().shape;
                // Writing to a Vec cannot fail.
                self.join(|out| drop(write!(out, "{shape}")))
            }
            _ => self.field(&self.slots.fields[(slot - FIELDS) as usize]),
        }
    }

    fn line(&self, name: &str) -> Option<usize> {
        self.facts.fields.iter().position(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// RFC 9110 §5.3: several lines of one name are one value, joined by a comma.
    fn field(&mut self, name: &str) -> Place {
        let Some(first) = self.line(name) else {
            return Place::Absent;
        };
        let rest = &self.facts.fields[first + 1..];
        let more = || rest.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        if more().next().is_none() {
            return Place::Line(first);
        }
        let first = self.facts.fields[first].value;
        self.join(|out| {
            out.extend_from_slice(first);
            for field in more() {
                out.extend_from_slice(b", ");
                out.extend_from_slice(field.value);
            }
        })
    }

    fn join(&mut self, into: impl FnOnce(&mut Vec<u8>)) -> Place {
        let joined = &mut self.store.joined;
        let start = joined.len();
        into(joined);
        Place::Joined(start, joined.len())
    }
}
