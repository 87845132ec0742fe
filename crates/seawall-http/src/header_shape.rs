//! [`HeaderShape`]: a fingerprint of a client program by the names of the fields that it sends.
//!
//! Programs send the fields of their library in its order and spelling, whatever agent they claim to be. The shape
//! is made of the protocol and of the field names, in order and as spelt (HTTP/2 names are lower-case). No value is
//! read. It is a definition of our own, made to be cheap and to stay the same for one client program:
//!
//! - Left out is what a client sends with some requests and not with others (`Cookie`, `Referer`, conditions,
//!   `Range`, content, credentials, what marks a navigation), and what hops in front add (`Via`, `Forwarded`,
//!   `X-Forwarded-*`, those of CDNs, tracing). `header_shape/known.rs` has the list, with the reason for each group.
//!   So a request has the same shape with and without a cookie, by `GET` and by `POST`.
//! - `Host` counts in HTTP/1, where its place tells programs apart; in HTTP/2 it is `:authority`.
//! - A repeated line counts each time. Of HTTP/2, lines of one name stand where the first of them stood.
//!
//! The hash is XXH3-64 over the counted names, each followed by a line feed, of which the low 48 bits are kept; names
//! beyond 1,024 octets are hashed in blocks of whole names, each block with the hash of those before as its seed.
//! It is the same on every machine and in every release that writes `1:` before it.
//!
//! What it cannot tell: a browser sends its fields in two or three orders (navigations, images, scripts), so it has
//! that many shapes; a hop that speaks another protocol to us than to the client makes its own order and spelling
//! of the names; and who wants to can send the names that a browser sends. Two shapes are equal by chance once in
//! 2^48 (and whoever searches for a collision might as well send the other's names).

pub(crate) mod known;

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayVec;
use thiserror::Error;
use twox_hash::XxHash3_64;

use crate::facts::{Field, Protocol};
use crate::field_presence::FieldPresence;

/// Field names in their order, with their protocol and number; as text `1:11:14:9f3a0c77d1be`: version 1 of the
/// definition, HTTP/1.1, 14 names, and a hash of them.
///
/// As a number: the protocol in the highest 8 bits (10, 11 or 20), the number of names in the next 8 (255 stands for
/// more as well), and the hash in the lowest 48.
#[derive(Clone, Copy, Eq, PartialEq, Hash, PartialOrd, Ord)]
pub struct HeaderShape(u64);

/// What one pass over the field names gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeaderPrint {
    /// The names in order.
    pub shape: HeaderShape,
    /// Which of the well-known names are among them, left out of the shape or not.
    pub presence: FieldPresence,
}

impl HeaderPrint {
    /// Of a request's fields. Costs some 40 ns for the twelve fields of a browser, and allocates nothing.
    pub fn of(protocol: Protocol, fields: &[Field<'_>]) -> Self {
        let mut presence = FieldPresence::default();
        let mut names = Names::default();
        for field in fields {
            let name = field.name.as_bytes();
            let is_left_out = match known::find(name) {
                Some(known) => {
                    presence = presence.union(known.presence);
                    known.is_left_out || (known.is_host() && protocol == Protocol::Http2)
                }
                None => known::is_of_family(name),
            };
            if !is_left_out {
                names.add(name);
            }
        }
        Self { shape: names.shape(protocol), presence }
    }
}

impl HeaderShape {
    /// Of a request's fields; [`HeaderPrint::of`] gives the well-known names with it.
    pub fn of(protocol: Protocol, fields: &[Field<'_>]) -> Self {
        HeaderPrint::of(protocol, fields).shape
    }

    /// As a number, which [`HeaderShape::from_bits`] reads back.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// What [`HeaderShape::bits`] gave; none if no shape has that number.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match bits >> 56 {
            10 | 11 | 20 => Some(Self(bits)),
            _ => None,
        }
    }

    /// The client's protocol.
    pub const fn protocol(self) -> Protocol {
        match self.0 >> 56 {
            10 => Protocol::Http10,
            11 => Protocol::Http11,
            _ => Protocol::Http2,
        }
    }

    /// How many names count; 255 stands for more as well.
    pub const fn names(self) -> u8 {
        (self.0 >> 48) as u8
    }

    fn new(protocol: Protocol, names: u8, hash: u64) -> Self {
        Self(u64::from(number(protocol)) << 56 | u64::from(names) << 48 | hash & HASH)
    }
}

impl fmt::Display for HeaderShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}:{}:{}:{:012x}", word(self.protocol()), self.names(), self.0 & HASH)
    }
}

impl fmt::Debug for HeaderShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeaderShape({self})")
    }
}

/// The text is no header shape.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Error)]
#[error("not a header shape such as `1:11:14:9f3a0c77d1be`")]
pub struct HeaderShapeError;

impl FromStr for HeaderShape {
    type Err = HeaderShapeError;

    /// Reads what `Display` writes and nothing else.
    fn from_str(text: &str) -> Result<Self, HeaderShapeError> {
        let mut parts = text.split(':');
        let mut part = || parts.next().ok_or(HeaderShapeError);
        let (version, protocol, names, hash) = (part()?, part()?, part()?, part()?);
        let protocol = PROTOCOLS.into_iter().find(|one| word(*one) == protocol).ok_or(HeaderShapeError)?;
        let names = names.parse().map_err(|_| HeaderShapeError)?;
        let hash = u64::from_str_radix(hash, 16).map_err(|_| HeaderShapeError)?;
        let shape = Self::new(protocol, names, hash);
        // So that one shape has one text: no upper case, no sign, no leading zeros, nothing behind.
        let is_its_text = version == VERSION && shape.to_string() == text;
        is_its_text.then_some(shape).ok_or(HeaderShapeError)
    }
}

/// The counted names so far.
#[derive(Default)]
struct Names {
    count: u8,
    /// Of the blocks that are full.
    hash: u64,
    block: ArrayVec<u8, BLOCK>,
}

impl Names {
    #[inline]
    fn add(&mut self, name: &[u8]) {
        self.count = self.count.saturating_add(1);
        if name.len() >= self.block.remaining_capacity() {
            self.add_behind_full_block(name);
        } else {
            self.append(name);
        }
    }

    #[cold]
    fn add_behind_full_block(&mut self, name: &[u8]) {
        self.hash = XxHash3_64::oneshot_with_seed(self.hash, &self.block);
        self.block.clear();
        if name.len() >= BLOCK {
            // A block of its own.
            self.hash = XxHash3_64::oneshot_with_seed(self.hash, name);
        } else {
            self.append(name);
        }
    }

    fn append(&mut self, name: &[u8]) {
        self.block.try_extend_from_slice(name).expect("invariant: the caller looked for room");
        self.block.push(b'\n');
    }

    fn shape(&self, protocol: Protocol) -> HeaderShape {
        let hash = match self.hash {
            0 => XxHash3_64::oneshot(&self.block),
            seed => XxHash3_64::oneshot_with_seed(seed, &self.block),
        };
        HeaderShape::new(protocol, self.count, hash)
    }
}

const fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Http10 => 10,
        Protocol::Http11 => 11,
        Protocol::Http2 => 20,
    }
}

const fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http10 => "10",
        Protocol::Http11 => "11",
        Protocol::Http2 => "2",
    }
}

const PROTOCOLS: [Protocol; 3] = [Protocol::Http10, Protocol::Http11, Protocol::Http2];
/// Changes whenever the same request would get another shape than before.
const VERSION: &str = "1";
const HASH: u64 = (1 << 48) - 1;
/// Octets of names that are hashed at once: more than twice what browsers send.
const BLOCK: usize = 1024;

#[cfg(test)]
mod tests;
