//! [`FieldPresence`]: which of the fields that tell clients apart a request has, whatever they hold.
//!
//! "No `Accept-Language`" and "`Sec-Fetch-Site` without `Sec-CH-UA`" are what programs that borrow a browser's
//! agent get wrong. One bit a name, so that a sketch can hold the set of them for less than one name costs.

use std::fmt;

use crate::facts::Field;
use crate::header_shape::known;

/// A set of well-known request fields, by bit; the bits are those of [`FieldPresence::NAMES`] and stay as they are
/// from release to release, as machines exchange them. A new name takes the next free bit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
pub struct FieldPresence(u32);

impl FieldPresence {
    /// The names, lower-case, in the order of their bits.
    pub const NAMES: [&'static str; 24] = [
        "accept",
        "accept-language",
        "accept-encoding",
        "cookie",
        "referer",
        "origin",
        "sec-fetch-site",
        "sec-fetch-mode",
        "sec-fetch-dest",
        "sec-ch-ua",
        "upgrade-insecure-requests",
        "if-none-match",
        "if-modified-since",
        "range",
        "x-requested-with",
        "authorization",
        "connection",
        "cache-control",
        "pragma",
        "dnt",
        "te",
        "priority",
        "user-agent",
        "content-type",
    ];

    /// Which of them a request has. [`crate::RequestFacts::header_print`] gives it together with the shape.
    pub fn of(fields: &[Field<'_>]) -> Self {
        fields.iter().fold(Self::default(), |set, field| {
            set.union(known::find(field.name.as_bytes()).map_or(Self::default(), |known| known.presence))
        })
    }

    /// As a number; [`FieldPresence::from_bits`] reads it back.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// What [`FieldPresence::bits`] gave; bits that stand for no name are dropped.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & ALL)
    }

    /// The name's own set; none for a name that has no bit. The name is compared without regard to case.
    pub fn of_name(name: &str) -> Option<Self> {
        let bit = Self::NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        Some(Self::from_bit(bit))
    }

    /// The names in the set, in the order of their bits.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, name)| name)
    }

    /// Those that are not in the set.
    pub const fn missing(self) -> Self {
        Self(!self.0 & ALL)
    }

    /// Whether every name of `other` is in this set too.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn from_bit(bit: usize) -> Self {
        Self(1 << bit)
    }
}

impl fmt::Display for FieldPresence {
    /// The names, separated by a blank.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

const ALL: u32 = (1 << FieldPresence::NAMES.len()) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> FieldPresence {
        let fields: Vec<Field<'_>> = names.iter().map(|name| Field { name, value: b"" }).collect();
        FieldPresence::of(&fields)
    }

    #[test]
    fn every_name_sets_its_own_bit_in_any_case() {
        for (bit, name) in FieldPresence::NAMES.into_iter().enumerate() {
            assert_eq!(of(&[name]).bits(), 1 << bit, "{name}");
            assert_eq!(of(&[&name.to_ascii_uppercase()]).bits(), 1 << bit, "{name}");
            assert_eq!(FieldPresence::of_name(name), Some(FieldPresence(1 << bit)));
        }
    }

    #[test]
    fn names_come_back_in_the_order_of_their_bits() {
        let set = of(&["Host", "User-Agent", "X-App", "Accept"]);
        assert_eq!(set.to_string(), "accept user-agent");
        assert_eq!(set.names().collect::<Vec<_>>(), ["accept", "user-agent"]);
        assert_eq!(set.missing().names().count(), 22);
        assert!(set.contains(of(&["accept"])) && !set.contains(of(&["accept", "te"])));
        assert!(set.missing().contains(of(&["accept-language"])));
    }

    #[test]
    fn bits_without_a_name_are_dropped() {
        assert_eq!(FieldPresence::from_bits(u32::MAX).bits(), 0x00ff_ffff);
        assert_eq!(FieldPresence::of_name("x-app"), None);
    }
}
