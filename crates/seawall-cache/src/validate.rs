//! Validation: asking the origin whether a stored response is still good, and taking in its answer (RFC 9111 §4.3).

use http::{HeaderMap, HeaderName, HeaderValue, header};
use seawall_http::RequestFacts;

use crate::encoding::{Encoding, restate};
use crate::etag::{EntityTag, Strength};
use crate::policy::Policy;
use crate::precondition::entity_tag;
use crate::purge::SurrogateKeys;
use crate::stored::{Control, Received, Standing, StoredResponse, ensure_date, remove_unstorable};
use crate::vary::{SecondaryKey, Vary};

/// Whether a request made conditional can be answered with 304.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Validation {
    /// By at least one validator.
    Conditional,
    /// The stored response has no validator: the whole response will come.
    Unconditional,
}

/// What a response to HEAD says about a stored response to GET (§4.3.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeadUpdate {
    /// It is the same: its fields were freshened.
    Freshened,
    /// It changed: it was invalidated.
    Invalidated,
}

/// Makes the request to forward one that validates the stored response (§4.3.1). The client's own conditions and ranges go:
/// they are evaluated against what comes of this.
pub fn make_conditional(request: &mut HeaderMap, stored: &StoredResponse) -> Validation {
    for name in CLIENT_CONDITIONS {
        request.remove(name);
    }
    let mut validation = Validation::Unconditional;
    if let Some(tag) = origin_tag(stored) {
        request.insert(header::IF_NONE_MATCH, tag);
        validation = Validation::Conditional;
    }
    // The value as it was sent: some origins compare it as text.
    if stored.control.last_modified.is_some()
        && let Some(date) = stored.fields.get(header::LAST_MODIFIED)
    {
        request.insert(header::IF_MODIFIED_SINCE, date.clone());
        validation = Validation::Conditional;
    }
    validation
}

/// The entity tag as the origin gave it.
fn origin_tag(stored: &StoredResponse) -> Option<HeaderValue> {
    let tag = entity_tag(&stored.fields)?;
    match stored.encoding {
        Encoding::Added { origin_tag: Strength::Strong, .. } => {
            HeaderValue::from_bytes(&[b"\"", tag.opaque, b"\""].concat()).ok()
        }
        _ => stored.fields.get(header::ETAG).cloned(),
    }
}

/// Whether a tag of the origin's is that of a stored response: of one that the site encoded, weakly, as its own tag is weak.
fn has_tag(stored: &StoredResponse, tag: &EntityTag<'_>) -> bool {
    let Some(own) = entity_tag(&stored.fields) else { return false };
    match stored.encoding {
        Encoding::Added { .. } => own.is_weakly(tag),
        _ => own.is_strongly(tag),
    }
}

/// Which of the stored responses that a request could be answered with a 304 freshens (§4.3.4), by index. If none, the
/// request must be sent again without conditions.
///
/// A 304 must bring its `ETag` (RFC 9110 §15.4.5), and many origins leave it out. Where one response alone was
/// asked about, the 304 is about that one.
pub fn freshened_by(not_modified: &HeaderMap, initial: &[&StoredResponse]) -> Vec<usize> {
    let Some(tag) = entity_tag(not_modified) else {
        return freshened_by_date(not_modified, initial);
    };
    let stored_tag = |index: usize| entity_tag(&initial[index].fields);
    match tag.strength {
        Strength::Strong => (0..initial.len()).filter(|&index| has_tag(initial[index], &tag)).collect(),
        Strength::Weak => {
            let same = |&index: &usize| stored_tag(index).is_some_and(|stored| stored.is_weakly(&tag));
            most_recent(initial, (0..initial.len()).filter(same))
        }
    }
}

fn freshened_by_date(not_modified: &HeaderMap, initial: &[&StoredResponse]) -> Vec<usize> {
    let modified = Control::of(not_modified).last_modified;
    let same = |&index: &usize| match modified {
        // A date is taken for a weak validator: one second is long.
        Some(modified) => initial[index].control.last_modified == Some(modified),
        None => initial.len() == 1,
    };
    most_recent(initial, (0..initial.len()).filter(same))
}

fn most_recent(initial: &[&StoredResponse], candidates: impl Iterator<Item = usize>) -> Vec<usize> {
    candidates.max_by_key(|&index| initial[index].date()).into_iter().collect()
}

impl StoredResponse {
    /// Takes in the fields of a 304, or of a response to HEAD (§3.2, §4.3.4), and counts its age anew.
    ///
    /// `facts` are those of the request that was answered so. If the update varies by other fields than before, the
    /// stored response is from now on selected by what that request had in them; if by everything, it must be validated
    /// at every use.
    pub fn freshen(&mut self, facts: &RequestFacts<'_>, received: &Received<'_>, policy: &Policy) {
        let terms = policy.terms(facts.path, self.status);
        let varied = Vary::of(&self.fields);
        let mut update = received.fields.clone();
        if update.contains_key(&policy.surrogate_field) {
            self.surrogate_keys = SurrogateKeys::of(&update, &policy.surrogate_field);
        }
        remove_unstorable(&mut update, &Control::of(received.fields), &terms);
        for name in BOUND_TO_CONTENT {
            update.remove(name);
        }
        // As when it was stored: whom the cookie is for is the one who asked.
        if !self.control.states_use() && !Control::of(received.fields).states_use() {
            update.remove(header::SET_COOKIE);
        }
        // A date of the stored response says when that was made; what vouches for it now was made now.
        for name in [header::DATE, header::AGE] {
            self.fields.remove(name);
        }
        for name in update.keys() {
            self.fields.remove(name);
        }
        for (name, value) in &update {
            self.fields.append(name.clone(), value.clone());
        }
        restate(&mut self.fields, self.encoding);
        self.control = Control::of(&self.fields);
        remove_unstorable(&mut self.fields, &self.control, &terms);
        ensure_date(&mut self.fields, &self.control, received.response_time);
        (self.request_time, self.response_time) = (received.request_time, received.response_time);
        self.standing = Standing::Valid;
        let varies = Vary::of(&self.fields);
        match SecondaryKey::of(&varies, facts, policy) {
            None => self.standing = Standing::Invalidated,
            Some(key) if varies != varied => self.selected_by = key,
            Some(_) => {}
        }
    }

    /// Takes in a 200 response to HEAD (§4.3.5): it freshens if every validator and the length that it has are those
    /// of the stored response.
    pub fn update_from_head(
        &mut self,
        facts: &RequestFacts<'_>,
        received: &Received<'_>,
        policy: &Policy,
    ) -> HeadUpdate {
        let head = received.fields;
        let same =
            |name: &HeaderName| head.get(name).is_none_or(|value| self.fields.get(name) == Some(value));
        let unchanged = match self.encoding {
            Encoding::Added { .. } => {
                same(&header::LAST_MODIFIED) && entity_tag(head).is_none_or(|tag| has_tag(self, &tag))
            }
            _ => [header::ETAG, header::LAST_MODIFIED, header::CONTENT_LENGTH].iter().all(same),
        };
        if !unchanged {
            self.standing = Standing::Invalidated;
            return HeadUpdate::Invalidated;
        }
        self.freshen(facts, received, policy);
        HeadUpdate::Freshened
    }
}

/// What a client's request may be conditional by, and its range.
const CLIENT_CONDITIONS: [HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];

/// What describes the stored bytes, which a 304 does not bring anew (§3.2): origins that compress on the way out are known
/// to name another coding in a 304 than in the 200 before.
const BOUND_TO_CONTENT: [HeaderName; 4] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    HeaderName::from_static("content-md5"),
    header::CONTENT_RANGE,
];

#[cfg(test)]
mod tests;
