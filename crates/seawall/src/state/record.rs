//! One line of the archive:
//!
//! ```text
//! CHECKSUM REVISION KIND TIME NAME TEXT
//! 5f0c9e1d2b3a4c5d 17 rule 1790000000000 qqgamehall {"v":1,"name":"qqgamehall",...}
//! ```
//!
//! The checksum is SipHash-1-3 of the rest of the line, in hexadecimal: against torn writes and bad disks, not against
//! people. `TEXT` is the definition's canonical JSON, which has no line break, or the reason of an end.

use std::fmt::Write;
use std::hash::Hasher;

use seawall_http::UnixTime;
use siphasher::sip::SipHasher13;

/// What a definition is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Kind {
    /// A rule.
    Rule,
    /// A limit.
    Limit,
}

impl Kind {
    /// `rule` or `limit`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Limit => "limit",
        }
    }
}

/// Why a definition no longer stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum EndReason {
    /// Switched off; it can be enabled again.
    Disabled,
    /// Taken back by somebody.
    Retired,
    /// Its expiry came.
    Expired,
    /// Another definition has its name now.
    Replaced,
    /// The configuration no longer has it.
    Removed,
    /// Taken back by the machine, which had put it in force.
    Withdrawn,
}

impl EndReason {
    const ALL: [Self; 6] =
        [Self::Disabled, Self::Retired, Self::Expired, Self::Replaced, Self::Removed, Self::Withdrawn];

    /// As the archive writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Retired => "retired",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What a line says of a revision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Says<'a> {
    /// This is its definition.
    Defined { kind: Kind, name: &'a str, text: &'a str },
    /// It stands from now on.
    Began,
    /// It stands no longer.
    Ended(EndReason),
    /// Not of a revision: numbers below this one are used up, and so many definitions were dropped.
    Head { dropped: u64 },
}

/// One line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Record<'a> {
    pub(super) revision: u32,
    pub(super) time: UnixTime,
    pub(super) says: Says<'a>,
}

/// Bytes of the checksum and the space behind it.
const CHECKSUM_BYTES: usize = 17;

impl<'a> Record<'a> {
    /// Appends the line.
    pub(super) fn write(&self, out: &mut String) {
        let start = out.len();
        out.push_str("0000000000000000 ");
        let (word, name, text) = match self.says {
            Says::Defined { kind, name, text } => (kind.as_str(), name, text),
            Says::Began => ("began", "-", "-"),
            Says::Ended(reason) => ("ended", "-", reason.as_str()),
            Says::Head { .. } => ("head", "-", ""),
        };
        let _ = write!(out, "{} {word} {} {name} {text}", self.revision, self.time.0);
        if let Says::Head { dropped } = self.says {
            let _ = write!(out, "{dropped}");
        }
        let sum = checksum(&out.as_bytes()[start + CHECKSUM_BYTES..]);
        out.replace_range(start..start + CHECKSUM_BYTES - 1, &format!("{sum:016x}"));
        out.push('\n');
    }

    /// Reads a line without its end; `None` when it is damaged.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let (sum, rest) = line.split_at_checked(CHECKSUM_BYTES)?;
        let sum = u64::from_str_radix(str::from_utf8(sum.strip_suffix(b" ")?).ok()?, 16).ok()?;
        if sum != checksum(rest) {
            return None;
        }
        let mut words = str::from_utf8(rest).ok()?.splitn(5, ' ');
        let revision = words.next()?.parse().ok()?;
        let word = words.next()?;
        let time = UnixTime(words.next()?.parse().ok()?);
        let (name, text) = (words.next()?, words.next()?);
        let says = match word {
            "rule" => Says::Defined { kind: Kind::Rule, name, text },
            "limit" => Says::Defined { kind: Kind::Limit, name, text },
            "began" => Says::Began,
            "ended" => Says::Ended(EndReason::ALL.into_iter().find(|reason| reason.as_str() == text)?),
            "head" => Says::Head { dropped: text.parse().ok()? },
            _ => return None,
        };
        Some(Self { revision, time, says })
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}
