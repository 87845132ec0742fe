//! Lines that are a JSON object each: Caddy, Traefik, Cloudflare, Fastly, CloudFront, and whoever writes his own.
//!
//! The object is walked once, and only the members that a profile names are looked at; nothing is built. Every object of
//! RFC 8259 is read, and some more: servers put raw bytes into strings, numbers are judged by what they are for, and what
//! is skipped is not judged at all.

mod profile;

use std::borrow::Cow;

pub(crate) use profile::{MAP_FACTS, Profile};

use crate::escape::{Escape, Raw};
use crate::field::{Field, LineState, Meaning, assign, finish};
use crate::reason::Reason;
use crate::record::{Fact, FactSet, Record};

/// Reads a line.
pub(crate) fn read<'a>(
    profile: &Profile,
    line: &'a [u8],
    record: &mut Record<'a>,
    meaning: &Meaning,
    state: &mut LineState,
) -> Result<(), Reason> {
    *record = Record::default();
    let mut walk = Walk { line, at: 0, profile, meaning, record, state, fault: None };
    walk.spaces();
    walk.object(0, 0).ok_or(Reason::Json)?;
    walk.spaces();
    // A comma after it: lines cut from an array.
    if walk.at != line.len() && &line[walk.at..] != b"," {
        return Err(Reason::Json);
    }
    let fault = walk.fault;
    let is_request = record.method.is_some() || record.path.is_some() || record.request != Default::default();
    if !is_request || !record.shown.contains_all(profile.needs()) {
        return Err(Reason::OtherEvent);
    }
    match fault {
        Some(reason) => Err(reason),
        None => finish(record, meaning, state),
    }
}

struct Walk<'a, 'r> {
    line: &'a [u8],
    at: usize,
    profile: &'r Profile,
    meaning: &'r Meaning,
    record: &'r mut Record<'a>,
    state: &'r mut LineState,
    /// The first value that could not be read.
    fault: Option<Reason>,
}

impl<'a> Walk<'a, '_> {
    fn spaces(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.line.get(self.at) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.spaces();
        (self.line.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }

    fn is_next(&mut self, byte: u8) -> bool {
        self.spaces();
        self.line.get(self.at) == Some(&byte)
    }

    /// An object whose members the profile's node names.
    fn object(&mut self, node: usize, depth: usize) -> Option<()> {
        self.take(b'{')?;
        if self.is_next(b'}') {
            return self.take(b'}');
        }
        loop {
            self.spaces();
            let key = self.string()?;
            self.take(b':')?;
            self.spaces();
            match self.profile.member(node, key) {
                Some(member) => {
                    if let Some(child) = member.node
                        && self.line.get(self.at) == Some(&b'{')
                        && depth < DEPTH_MAX
                    {
                        if let Some(field) = member.field {
                            self.record.shown.extend(field.facts());
                        }
                        self.object(child, depth + 1)?;
                    } else {
                        self.value(member.field)?;
                    }
                }
                None => self.skip()?,
            }
            if self.is_next(b',') {
                self.at += 1;
                continue;
            }
            return self.take(b'}');
        }
    }

    /// A value that may have a meaning: a string, a number, or an array of one.
    fn value(&mut self, field: Option<Field>) -> Option<()> {
        let Some(field) = field else { return self.skip() };
        match self.line.get(self.at)? {
            b'"' => {
                let bytes = self.string()?;
                self.assign(field, Raw { bytes, escape: Escape::Json });
                Some(())
            }
            b'[' => self.array(field),
            b'{' => self.skip(),
            _ => {
                let bytes = self.word()?;
                if !matches!(bytes, b"null" | b"true" | b"false") {
                    self.assign(field, Raw::plain(bytes));
                }
                Some(())
            }
        }
    }

    /// Header fields are arrays in Caddy. Several lines of one field are one list (RFC 9110 §5.3).
    fn array(&mut self, field: Field) -> Option<()> {
        self.take(b'[')?;
        let mut elements: [&'a [u8]; 2] = [&[]; 2];
        let mut list: Vec<u8> = Vec::new();
        let mut count = 0;
        while !self.is_next(b']') {
            if count > 0 {
                self.take(b',')?;
                self.spaces();
            }
            if self.is_next(b'"') {
                let element = self.string()?;
                if count == 0 {
                    elements[0] = element;
                } else if matches!(field, Field::ForwardedFor | Field::Forwarded) {
                    if count == 1 {
                        list.extend_from_slice(&Raw { bytes: elements[0], escape: Escape::Json }.text());
                    }
                    list.extend_from_slice(b", ");
                    list.extend_from_slice(&Raw { bytes: element, escape: Escape::Json }.text());
                }
                count += 1;
            } else {
                self.skip()?;
                count += 1;
            }
        }
        self.take(b']')?;
        if count > 0 {
            self.assign(field, Raw { bytes: elements[0], escape: Escape::Json });
        }
        if !list.is_empty() {
            match field {
                Field::ForwardedFor => self.record.forwarded_for = Some(Cow::Owned(list)),
                _ => self.record.forwarded = Some(Cow::Owned(list)),
            }
        }
        Some(())
    }

    fn assign(&mut self, field: Field, raw: Raw<'a>) {
        // Columns of counts are empty in nginx's JSON where there is nothing.
        if let Err(reason) = assign(self.record, field, raw, self.meaning, self.state) {
            self.fault.get_or_insert(reason);
        }
    }

    /// What is between the quotation marks.
    fn string(&mut self) -> Option<&'a [u8]> {
        if self.line.get(self.at) != Some(&b'"') {
            return None;
        }
        let begin = self.at + 1;
        let mut at = begin;
        loop {
            at += memchr::memchr2(b'"', b'\\', self.line.get(at..)?)?;
            if self.line[at] == b'"' {
                self.at = at + 1;
                return Some(&self.line[begin..at]);
            }
            at += 2;
        }
    }

    /// A number, `true`, `false` or `null`: anything up to what ends it.
    fn word(&mut self) -> Option<&'a [u8]> {
        let rest = &self.line[self.at..];
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let end = rest.iter().position(|&byte| !is_word(byte)).unwrap_or(rest.len());
        self.at += end;
        (end > 0).then(|| &rest[..end])
    }

    /// A value of no interest. Brackets need not match in kind: it is skipped, not judged.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            self.spaces();
            match self.line.get(self.at)? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    self.word()?;
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

/// Facts without which a line is no request, whatever the profile.
pub(crate) const REQUEST: FactSet = FactSet::of(&[Fact::Status]);
/// Deeper objects are skipped; profiles have three levels.
const DEPTH_MAX: usize = 8;
