//! Validators of a file, and the preconditions of a request against them (RFC 9110 §8.8, §13).
//!
//! The entity tag is a digest of inode, size, and both times of change. A strong validator must
//! change whenever the content does (§8.8.1), and the usual pair of modification time and size does
//! not: copies that keep times (`rsync -a`, `tar`), reproducible builds and container layers give a
//! changed file the time of the old one. The time of the attributes' change (`ctime`) is set by the
//! kernel alone, the inode tells apart files that were made in the same tick. The price: the same
//! content on two machines has two tags.
//!
//! A file that changed within the last [`SETTLED`] could change again within the same tick of the
//! file system's clock, so its tag is weak until then. The digest keeps inodes out of the answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use siphasher::sip128::{Hasher128, SipHasher24};
use smallvec::SmallVec;

use super::open::{NANOSECONDS, Stamp};

/// What identifies one state of one representation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Validators {
    opaque: String,
    weak: bool,
    /// In whole seconds since the epoch.
    modified: u64,
    modified_is_strong: bool,
}

/// The fields of a request that make it conditional.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    pub(super) if_match: Values,
    pub(super) if_unmodified_since: Values,
    pub(super) if_none_match: Values,
    pub(super) if_modified_since: Values,
    pub(super) if_range: Values,
}

/// The lines of one field.
pub(super) type Values = SmallVec<[HeaderValue; 1]>;

/// What the preconditions come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// Answer as if there were no condition; a `Range` field counts only if told so.
    Proceed { range: RangeApplies },
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Whether `If-Range` lets a `Range` field count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RangeApplies {
    Yes,
    No,
}

// === impl Validators ===

impl Validators {
    /// The validators of a file in this state; `coding` tells apart the variants of one file.
    pub(super) fn of(stamp: &Stamp, coding: &str, now: SystemTime) -> Self {
        let now = since_epoch(now);
        let seconds = |nanoseconds: i128| u64::try_from(nanoseconds.div_euclid(NANOSECONDS)).unwrap_or(0);
        // §8.8.2.1: never later than the time at which the response is made.
        let modified = seconds(stamp.modified.min(now));
        Self {
            opaque: opaque(stamp, coding),
            weak: now - stamp.changed < SETTLED.as_nanos().cast_signed(),
            modified,
            // §8.8.2.2: a date is strong if the file did not change within the second that it names.
            modified_is_strong: seconds(now) > modified + 1 && seconds(now) > seconds(stamp.changed) + 1,
        }
    }

    /// As an `ETag` field's value.
    pub(super) fn etag(&self) -> String {
        format!("{}\"{}\"", if self.weak { "W/" } else { "" }, self.opaque)
    }

    /// As a `Last-Modified` field's value.
    pub(super) fn last_modified(&self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(self.modified))
    }
}

fn opaque(stamp: &Stamp, coding: &str) -> String {
    use std::hash::Hasher as _;

    let mut hasher = SipHasher24::new();
    hasher.write(&stamp.inode.to_le_bytes());
    hasher.write(&stamp.size.to_le_bytes());
    hasher.write(&stamp.modified.to_le_bytes());
    hasher.write(&stamp.changed.to_le_bytes());
    let digest = hasher.finish128().as_u128();
    if coding.is_empty() { format!("{digest:032x}") } else { format!("{digest:032x}-{coding}") }
}

fn since_epoch(time: SystemTime) -> i128 {
    let nanoseconds = |duration: Duration| duration.as_nanos().cast_signed();
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => nanoseconds(after),
        Err(before) => -nanoseconds(before.duration()),
    }
}

// === impl Conditions ===

impl Conditions {
    /// Evaluates a GET or HEAD in the order of RFC 9110 §13.2.2.
    pub(super) fn evaluate(&self, validators: &Validators) -> Outcome {
        if !self.if_match.is_empty() {
            if !matches(&self.if_match, validators, Comparison::Strong) {
                return Outcome::Failed;
            }
        } else if let Some(date) = date(&self.if_unmodified_since)
            && validators.modified > date
        {
            return Outcome::Failed;
        }
        if !self.if_none_match.is_empty() {
            if matches(&self.if_none_match, validators, Comparison::Weak) {
                return Outcome::NotModified;
            }
        } else if let Some(date) = date(&self.if_modified_since)
            && validators.modified <= date
        {
            return Outcome::NotModified;
        }
        Outcome::Proceed { range: self.range_applies(validators) }
    }

    /// §13.1.5: one validator, compared strongly; a date must be the very one that was sent.
    fn range_applies(&self, validators: &Validators) -> RangeApplies {
        let same = match self.if_range.as_slice() {
            [] => true,
            [one] => match Tag::parse(one.as_bytes()) {
                Some((tag, [])) => tag.is(validators, Comparison::Strong),
                Some(_) => false,
                None => validators.modified_is_strong && date(&self.if_range) == Some(validators.modified),
            },
            _ => false,
        };
        if same { RangeApplies::Yes } else { RangeApplies::No }
    }
}

/// §13.1.3, §13.1.4: what is no date, or more than one, counts for nothing.
fn date(values: &Values) -> Option<u64> {
    let [value] = values.as_slice() else { return None };
    let time = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    Some(time.duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs()))
}

/// RFC 9110 §8.8.3.2.
#[derive(Clone, Copy)]
enum Comparison {
    Strong,
    Weak,
}

#[derive(Clone, Copy)]
struct Tag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

/// Whether a list of tags, or `*`, matches; what does not parse ends its line.
fn matches(values: &Values, validators: &Validators, comparison: Comparison) -> bool {
    values.iter().any(|value| {
        let mut rest = value.as_bytes().trim_ascii();
        if rest == b"*" {
            return true;
        }
        while let Some((tag, after)) = Tag::parse(rest) {
            if tag.is(validators, comparison) {
                return true;
            }
            rest = after;
        }
        false
    })
}

impl<'a> Tag<'a> {
    /// The first tag of a list and what follows it; commas and blanks before a tag are passed over.
    fn parse(list: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let start = list.iter().position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
        let (weak, quoted) = match list[start..].strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, &list[start..]),
        };
        let inner = quoted.strip_prefix(b"\"")?;
        let end = memchr::memchr(b'"', inner)?;
        Some((Self { weak, opaque: &inner[..end] }, &inner[end + 1..]))
    }

    fn is(self, validators: &Validators, comparison: Comparison) -> bool {
        let weak = self.weak || validators.weak;
        self.opaque == validators.opaque.as_bytes() && (matches!(comparison, Comparison::Weak) || !weak)
    }
}

/// The coarsest clock of a file system in use is FAT's, of two seconds.
const SETTLED: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        inode: 7,
        size: 100,
        modified: 1_000_000_000 * NANOSECONDS + 5,
        changed: 1_000_000_001 * NANOSECONDS + 6,
    };

    const MODIFIED: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
    const BEFORE: &str = "Sun, 09 Sep 2001 01:46:39 GMT";
    const AFTER: &str = "Sun, 09 Sep 2001 01:46:41 GMT";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn settled() -> Validators {
        Validators::of(&STAMP, "", at(2_000_000_000))
    }

    fn conditions(fields: &[(&str, &str)]) -> Conditions {
        let mut conditions = Conditions::default();
        for (name, value) in fields {
            let values = match *name {
                "if-match" => &mut conditions.if_match,
                "if-unmodified-since" => &mut conditions.if_unmodified_since,
                "if-none-match" => &mut conditions.if_none_match,
                "if-modified-since" => &mut conditions.if_modified_since,
                "if-range" => &mut conditions.if_range,
                other => panic!("{other}"),
            };
            values.push(HeaderValue::from_str(value).expect("value"));
        }
        conditions
    }

    #[track_caller]
    fn check(fields: &[(&str, &str)], expected: Outcome) {
        assert_eq!(conditions(fields).evaluate(&settled()), expected, "{fields:?}");
    }

    const FULL: Outcome = Outcome::Proceed { range: RangeApplies::Yes };
    const NO_RANGE: Outcome = Outcome::Proceed { range: RangeApplies::No };

    #[test]
    fn the_tag_changes_with_everything_that_a_change_of_bytes_changes() {
        let tag = settled().etag();
        for changed in [
            Stamp { inode: 8, ..STAMP },
            Stamp { size: 101, ..STAMP },
            Stamp { modified: STAMP.modified + 1, ..STAMP },
            Stamp { changed: STAMP.changed + 1, ..STAMP },
        ] {
            assert_ne!(Validators::of(&changed, "", at(2_000_000_000)).etag(), tag, "{changed:?}");
        }
        assert_ne!(Validators::of(&STAMP, "br", at(2_000_000_000)).etag(), tag);
        assert_eq!(settled().etag(), tag);
    }

    #[test]
    fn a_file_that_just_changed_has_a_weak_tag() {
        let fresh = Validators::of(&STAMP, "", at(1_000_000_002));
        assert!(fresh.etag().starts_with("W/\""), "{}", fresh.etag());
        assert!(!Validators::of(&STAMP, "", at(1_000_000_004)).etag().starts_with("W/"));
        // A clock that was set back proves nothing.
        assert!(Validators::of(&STAMP, "", at(900_000_000)).etag().starts_with("W/"));
        // The tag that a cache got while it was weak still validates.
        let conditions = conditions(&[("if-none-match", &fresh.etag())]);
        assert_eq!(conditions.evaluate(&settled()), Outcome::NotModified);
    }

    #[test]
    fn last_modified_is_never_in_the_future_nor_before_the_epoch() {
        let of = |modified, now| Validators::of(&Stamp { modified, ..STAMP }, "", at(now)).last_modified();
        assert_eq!(of(STAMP.modified, 2_000_000_000), MODIFIED);
        assert_eq!(of(3_000_000_000 * NANOSECONDS, 1_000_000_000), MODIFIED);
        assert_eq!(of(-5, 1_000_000_000), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn if_match_compares_strongly_and_goes_first() {
        let tag = settled().etag();
        check(&[("if-match", &tag)], FULL);
        check(&[("if-match", &format!("\"x\" , {tag}"))], FULL);
        check(&[("if-match", "*")], FULL);
        check(&[("if-match", "\"x\"")], Outcome::Failed);
        check(&[("if-match", &format!("W/{tag}"))], Outcome::Failed);
        check(&[("if-match", "garbage")], Outcome::Failed);
        check(&[("if-match", "\"x\""), ("if-none-match", &tag)], Outcome::Failed);
        check(&[("if-match", &tag), ("if-none-match", &tag)], Outcome::NotModified);
        check(&[("if-match", &tag), ("if-unmodified-since", BEFORE)], FULL);
    }

    #[test]
    fn if_unmodified_since_counts_without_if_match() {
        check(&[("if-unmodified-since", MODIFIED)], FULL);
        check(&[("if-unmodified-since", BEFORE)], Outcome::Failed);
        check(&[("if-unmodified-since", "yesterday")], FULL);
        check(&[("if-unmodified-since", BEFORE), ("if-unmodified-since", BEFORE)], FULL);
    }

    #[test]
    fn if_none_match_compares_weakly_and_hides_if_modified_since() {
        let tag = settled().etag();
        check(&[("if-none-match", &tag)], Outcome::NotModified);
        check(&[("if-none-match", &format!("W/{tag}"))], Outcome::NotModified);
        check(&[("if-none-match", "\"a,b\", \"c\""), ("if-none-match", &tag)], Outcome::NotModified);
        check(&[("if-none-match", "*")], Outcome::NotModified);
        check(&[("if-none-match", "\"x\""), ("if-modified-since", AFTER)], FULL);
        check(&[("if-none-match", "unquoted")], FULL);
    }

    #[test]
    fn if_modified_since_compares_whole_seconds() {
        check(&[("if-modified-since", MODIFIED)], Outcome::NotModified);
        check(&[("if-modified-since", AFTER)], Outcome::NotModified);
        check(&[("if-modified-since", BEFORE)], FULL);
        check(&[("if-modified-since", "never")], FULL);
    }

    #[test]
    fn if_range_needs_the_very_validator() {
        let tag = settled().etag();
        check(&[("if-range", &tag)], FULL);
        check(&[("if-range", &format!("W/{tag}"))], NO_RANGE);
        check(&[("if-range", "\"x\"")], NO_RANGE);
        check(&[("if-range", &format!("{tag}, {tag}"))], NO_RANGE);
        check(&[("if-range", MODIFIED)], FULL);
        check(&[("if-range", BEFORE)], NO_RANGE);
        check(&[("if-range", AFTER)], NO_RANGE);
        check(&[("if-range", "soon")], NO_RANGE);
        let fresh = Validators::of(&STAMP, "", at(1_000_000_001));
        for value in [fresh.etag().as_str(), MODIFIED] {
            assert_eq!(conditions(&[("if-range", value)]).evaluate(&fresh), NO_RANGE, "{value}");
        }
    }
}
