//! One line of the purge log, as a journal keeps it.

use std::fmt;
use std::str::FromStr;

use super::log::PREFIX_BYTES_MAX;
use super::{Extent, Purge, Selector, Sequence};

/// One purge that may still have something to take in.
///
/// Written as text: `EXTENT SEQUENCE SCOPE`, for example `hard 17 url 9c1b0e5d2f3a4b6c`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its place in the order.
    pub sequence: Sequence,
    /// What becomes of the responses.
    pub extent: Extent,
    /// Which responses.
    pub scope: Scope,
}

/// Which responses an entry takes in. Keys are kept as hashes: two that collide are purged together, which costs a
/// fetch and shows nothing stale.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// None: the entry says how far the order has come.
    Nothing,
    /// All variants of a cache key.
    Url(u64),
    /// Cache keys that begin so.
    Prefix(String),
    /// Those with a surrogate key.
    SurrogateKey(u64),
    /// All.
    All,
}

/// A line that is no [`Entry`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ParseEntryError;

impl Entry {
    /// The entry of a purge.
    pub fn new(purge: &Purge, sequence: Sequence) -> Self {
        let scope = match &purge.selector {
            Selector::Url(url) => Scope::Url(hash(url.as_bytes())),
            Selector::Prefix(prefix) => Scope::prefix(prefix),
            Selector::SurrogateKey(key) => Scope::SurrogateKey(hash(key.as_bytes())),
            Selector::All => Scope::All,
        };
        Self { sequence, extent: purge.extent, scope }
    }
}

impl Scope {
    /// A longer prefix is cut: it then takes in more. No key has a control in it, so nothing begins with one.
    fn prefix(prefix: &str) -> Self {
        let end = prefix.floor_char_boundary(PREFIX_BYTES_MAX);
        match &prefix[..end] {
            "" => Self::All,
            prefix if prefix.contains(char::is_control) => Self::Nothing,
            prefix => Self::Prefix(prefix.to_owned()),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extent = match self.extent {
            Extent::Hard => "hard",
            Extent::Soft => "soft",
        };
        write!(f, "{extent} {} ", self.sequence.0)?;
        match &self.scope {
            Scope::Nothing => f.write_str("nothing"),
            Scope::Url(hash) => write!(f, "url {hash:016x}"),
            Scope::Prefix(prefix) => write!(f, "prefix {prefix}"),
            Scope::SurrogateKey(hash) => write!(f, "surrogate-key {hash:016x}"),
            Scope::All => f.write_str("all"),
        }
    }
}

impl FromStr for Entry {
    type Err = ParseEntryError;

    fn from_str(line: &str) -> Result<Self, ParseEntryError> {
        let mut parts = line.splitn(4, ' ');
        let mut part = || parts.next().ok_or(ParseEntryError);
        let extent = match part()? {
            "hard" => Extent::Hard,
            "soft" => Extent::Soft,
            _ => return Err(ParseEntryError),
        };
        let sequence = Sequence(part()?.parse().map_err(|_| ParseEntryError)?);
        let scope = match (part()?, parts.next()) {
            ("nothing", None) => Scope::Nothing,
            ("all", None) => Scope::All,
            ("url", Some(hash)) => Scope::Url(parse_hash(hash)?),
            ("surrogate-key", Some(hash)) => Scope::SurrogateKey(parse_hash(hash)?),
            ("prefix", Some(prefix)) if !prefix.is_empty() => Scope::prefix(prefix),
            _ => return Err(ParseEntryError),
        };
        Ok(Self { sequence, extent, scope })
    }
}

impl fmt::Display for ParseEntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an entry of a purge log")
    }
}

impl std::error::Error for ParseEntryError {}

fn parse_hash(digits: &str) -> Result<u64, ParseEntryError> {
    let hex = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| hex).ok_or(ParseEntryError)
}

/// FNV-1a with a last mix. It must stay what it is, since disks keep it; it needs no secret, since operators and origins
/// choose what it is made of, and a collision costs a fetch.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = bytes.iter().fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(selector: Selector, extent: Extent) -> Entry {
        Entry::new(&Purge { selector, extent }, Sequence(17))
    }

    #[test]
    fn entries_are_written_as_text() {
        let url = Selector::Url("https://a.example/".to_owned());
        assert_eq!(entry(url, Extent::Hard).to_string(), "hard 17 url 57fe81515e336211");
        let key = Selector::SurrogateKey("a b".to_owned());
        assert_eq!(entry(key, Extent::Soft).to_string(), "soft 17 surrogate-key 4bdfa8109ee69467");
        let prefix = Selector::Prefix("https://a.example/a b".to_owned());
        assert_eq!(entry(prefix, Extent::Hard).to_string(), "hard 17 prefix https://a.example/a b");
        assert_eq!(entry(Selector::All, Extent::Soft).to_string(), "soft 17 all");
    }

    #[test]
    fn long_prefix_is_cut_and_one_that_no_key_has_is_none() {
        let long = Selector::Prefix("\u{e4}".repeat(PREFIX_BYTES_MAX));
        let Scope::Prefix(cut) = entry(long, Extent::Hard).scope else { panic!("a prefix") };
        assert_eq!(cut.len(), PREFIX_BYTES_MAX);
        assert_eq!(entry(Selector::Prefix("a\nb".to_owned()), Extent::Hard).scope, Scope::Nothing);
        assert_eq!(entry(Selector::Prefix(String::new()), Extent::Hard).scope, Scope::All);
    }

    #[test]
    fn other_lines_are_no_entries() {
        for line in [
            "",
            "hard",
            "hard 1",
            "hard x all",
            "Hard 1 all",
            "hard 1 all x",
            "hard 1 url",
            "hard 1 url +23",
            "hard 1 prefix",
            "hard 1 prefix ",
            "hard -1 all",
            "hard 1 url 9c1b0e5d2f3a4b6c0",
        ] {
            assert_eq!(line.parse::<Entry>(), Err(ParseEntryError), "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text: String, kind in 0..4, soft: bool) {
            let selector = match kind {
                0 => Selector::Url(text),
                1 => Selector::Prefix(text),
                2 => Selector::SurrogateKey(text),
                _ => Selector::All,
            };
            let entry = entry(selector, if soft { Extent::Soft } else { Extent::Hard });
            prop_assert_eq!(entry.to_string().parse(), Ok(entry));
        }

        #[test]
        fn any_line_can_be_read(line in "(hard|soft) [0-9]{1,3} (all|url|prefix) ?.{0,20}|.{0,20}") {
            if let Ok(entry) = line.parse::<Entry>() {
                prop_assert_eq!(entry.to_string().parse(), Ok(entry));
            }
        }
    }
}
