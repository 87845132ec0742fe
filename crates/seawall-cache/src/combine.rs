//! Joining a response with one stored before: a part with other parts, or with the whole (RFC 9111 §3.4).

use http::{HeaderName, StatusCode, header};

use crate::partial::{Copy, Partial};
use crate::precondition::{entity_tag, strong_date};
use crate::stored::{Control, Standing, StoredResponse, remove_named};
use crate::vary::Vary;

/// What becomes of a response stored before, when a new one answers the same requests.
#[derive(Clone, Debug)]
pub enum Combination {
    /// They are not known to be the same representation, or the new one is whole: it takes the old one's place.
    Distinct,
    /// The stored response was whole, and the new one a part of it: the stored content stays, under these fields.
    Freshened(StoredResponse),
    /// This is stored, with a content made of both by these steps, in order.
    Joined(StoredResponse, Vec<Copy>),
}

impl StoredResponse {
    /// Joins a stored response with a new one, which came with all the content that it says.
    pub fn combine(&self, new: &Self) -> Combination {
        let Some(added) = &new.partial else { return Combination::Distinct };
        if !self.is_same_representation(new) {
            return Combination::Distinct;
        }
        let Some(held) = &self.partial else {
            return Combination::Freshened(self.updated(new, None));
        };
        match held.join(added) {
            Some((joined, copies)) => {
                let partial = (!joined.is_complete()).then_some(joined);
                Combination::Joined(self.updated(new, partial), copies)
            }
            None => Combination::Distinct,
        }
    }

    /// Whether every byte is known to be the same, where both have it: by one strong validator (RFC 9110 §15.3.7.3). A
    /// length that differs contradicts it.
    fn is_same_representation(&self, new: &Self) -> bool {
        let same = |name: HeaderName| self.fields.get(&name) == new.fields.get(&name);
        let same_validator = match (entity_tag(&self.fields), entity_tag(&new.fields)) {
            (Some(tag), Some(other)) => tag.is_strongly(&other),
            (None, None) => strong_date(self).is_some_and(|date| strong_date(new) == Some(date)),
            _ => false,
        };
        let length = self.fields.contains_key(header::CONTENT_LENGTH);
        same_validator
            && (same(header::CONTENT_LENGTH) || !length)
            && same(header::CONTENT_ENCODING)
            && Vary::of(&self.fields) == Vary::of(&new.fields)
    }

    /// The stored fields, those of the new response in their place where it has them.
    fn updated(&self, new: &Self, partial: Option<Partial>) -> Self {
        let mut fields = self.fields.clone();
        // What the date says of the stored response, the age must not say of the new one.
        fields.remove(header::AGE);
        for name in new.fields.keys() {
            fields.remove(name);
        }
        for (name, value) in &new.fields {
            fields.append(name.clone(), value.clone());
        }
        let control = Control::of(&fields);
        remove_named(&mut fields, &control);
        let known = new.surrogate_keys.has_overflowed() || !new.surrogate_keys.hashes().is_empty();
        Self {
            status: StatusCode::OK,
            fields,
            control,
            partial,
            encoding: self.encoding,
            surrogate_keys: if known { &new.surrogate_keys } else { &self.surrogate_keys }.clone(),
            selected_by: new.selected_by.clone(),
            request_time: new.request_time,
            response_time: new.response_time,
            standing: Standing::Valid,
        }
    }

    /// What can be kept of a response whose content ended after so many bytes; `None` if nothing, or if the length of the
    /// whole is not known.
    pub fn truncated(mut self, content_bytes: u64) -> Option<Self> {
        let partial = match self.partial.take() {
            Some(partial) => partial,
            None => {
                let complete = self.fields.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
                Partial::whole(complete).filter(|_| self.status == StatusCode::OK)?
            }
        };
        let partial = partial.truncated(content_bytes)?;
        self.partial = (!partial.is_complete()).then_some(partial);
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use seawall_http::UnixTime;

    use super::*;
    use crate::date::ReceivedAge;
    use crate::partial::Source;
    use crate::policy::Policy;
    use crate::sample::{fields, with_request};
    use crate::storable::NotStorable;
    use crate::stored::Received;

    type Lines<'a> = &'a [(&'a str, &'a str)];

    fn store(status: StatusCode, lines: Lines<'_>, at: u64) -> Result<StoredResponse, NotStorable> {
        let time = UnixTime::from_secs(at);
        let fields = fields(lines);
        let received = Received { status, fields: &fields, request_time: time, response_time: time };
        with_request("GET", &[("range", "bytes=0-1")], |facts| {
            StoredResponse::new(facts, &received, &Policy::default())
        })
    }

    fn part(range: &str, more: Lines<'_>) -> StoredResponse {
        let range = format!("bytes {range}");
        let mut lines =
            vec![("content-range", range.as_str()), ("cache-control", "max-age=9"), ("content-length", "1")];
        lines.extend(more);
        store(StatusCode::PARTIAL_CONTENT, &lines, 1_000_000_000).unwrap()
    }

    const TAG: (&str, &str) = ("etag", "\"a\"");

    #[test]
    fn part_is_stored_as_what_it_is_a_part_of() {
        // RFC 9111 §3.3.
        let stored = part("2-3/10", &[TAG]);
        assert_eq!(stored.status, StatusCode::OK);
        assert_eq!(stored.fields["content-length"], "10");
        assert!(!stored.fields.contains_key("content-range"));
        assert_eq!(stored.partial.unwrap().held_bytes(), 2);
        assert_eq!(part("0-9/10", &[TAG]).partial, None);
    }

    #[test]
    fn part_that_does_not_say_which_is_not_stored() {
        // RFC 9110 §15.3.7: several parts, or an unknown length.
        for range in ["bytes 0-1/*", "bytes 9-1/10", "lines 0-1/10"] {
            let stored = store(StatusCode::PARTIAL_CONTENT, &[("content-range", range)], 0);
            assert_eq!(stored.err(), Some(NotStorable::Status), "{range}");
        }
        let multipart = [("content-type", "multipart/byteranges; boundary=x")];
        assert_eq!(store(StatusCode::PARTIAL_CONTENT, &multipart, 0).err(), Some(NotStorable::Status));
    }

    #[test]
    fn parts_with_one_strong_validator_are_joined_to_a_whole() {
        // RFC 9111 §3.4.
        let stored = part("0-5/10", &[TAG, ("x-old", "1"), ("x-both", "1")]);
        let new = part("4-9/10", &[TAG, ("x-new", "2"), ("x-both", "2")]);
        let Combination::Joined(joined, copies) = stored.combine(&new) else { panic!("joined") };
        let steps: Vec<_> = copies.iter().map(|copy| (copy.source, copy.start, copy.length)).collect();
        assert_eq!(steps, [(Source::Stored, 0, 4), (Source::New, 0, 6)]);
        assert_eq!(joined.partial, None);
        let value = |name| joined.fields.get(name).map(|value| value.to_str().unwrap());
        assert_eq!((value("x-old"), value("x-new"), value("x-both")), (Some("1"), Some("2"), Some("2")));
        assert_eq!(value("content-length"), Some("10"));
    }

    #[test]
    fn parts_of_what_may_differ_are_not_joined() {
        // RFC 9110 §15.3.7.3.
        let stored = part("0-4/10", &[TAG]);
        let dated =
            |date| part("5-9/10", &[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", date)]);
        let others = [
            part("5-9/10", &[]),
            part("5-9/10", &[("etag", "\"b\"")]),
            part("5-9/10", &[("etag", "W/\"a\"")]),
            part("5-9/11", &[TAG]),
            part("5-9/10", &[TAG, ("content-encoding", "gzip")]),
            dated("Sun, 06 Nov 1994 08:49:38 GMT"),
        ];
        for other in &others {
            assert!(matches!(stored.combine(other), Combination::Distinct), "{other:?}");
        }
        let untagged = part("0-4/10", &[]);
        assert!(matches!(untagged.combine(&others[0]), Combination::Distinct));
        // A date is strong if the response was made later.
        let strong = dated("Sun, 06 Nov 1994 08:49:38 GMT");
        assert!(matches!(strong.combine(&strong), Combination::Joined(..)));
        let weak = dated("Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(matches!(weak.combine(&weak), Combination::Distinct));
    }

    #[test]
    fn part_freshens_the_whole_and_a_whole_replaces_parts() {
        // RFC 9111 §3.4.
        let whole =
            store(StatusCode::OK, &[TAG, ("content-length", "10"), ("age", "7")], 1_000_000_000).unwrap();
        let Combination::Freshened(freshened) = whole.combine(&part("0-1/10", &[TAG])) else {
            panic!("freshened")
        };
        assert_eq!((freshened.partial, freshened.control.age), (None, ReceivedAge::default()));
        assert_eq!(freshened.control.directives.max_age, Some(9));
        assert!(matches!(part("0-1/10", &[TAG]).combine(&whole), Combination::Distinct));
        assert!(matches!(whole.combine(&part("0-1/11", &[TAG])), Combination::Distinct));
    }

    #[test]
    fn what_breaks_off_is_kept_as_far_as_it_came() {
        // RFC 9111 §3.3.
        let held =
            |stored: StoredResponse, bytes| Some(stored.truncated(bytes)?.partial.unwrap().held_bytes());
        let whole = store(StatusCode::OK, &[TAG, ("content-length", "10")], 0).unwrap();
        assert_eq!(held(whole.clone(), 4), Some(4));
        assert_eq!(held(whole, 0), None);
        assert_eq!(held(part("4-9/10", &[]), 5), Some(5));
        assert_eq!(held(store(StatusCode::OK, &[TAG], 0).unwrap(), 4), None);
    }
}
