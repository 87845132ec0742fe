//! The formats that most logs have, read without looking at a column list: common and combined, with or without a
//! virtual host before them, from Apache and nginx alike.
//!
//! Reads the usual line alone: an address, no user, no escape. For every other one it gives up, and the column list
//! decides. What it accepts, the column list reads the same; a test compares them.

use std::borrow::Cow;

use crate::escape::Raw;
use crate::field::{Field, LineState, Meaning, assign};
use crate::number;
use crate::record::{Fact, FactSet, Record};
use crate::template::Template;

/// Which of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Shape {
    host: HostColumn,
    has_agent: bool,
    facts: FactSet,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum HostColumn {
    None,
    Alone,
    WithPort,
}

impl Shape {
    /// The shape of a template, if it has one.
    pub(crate) fn of(template: &Template) -> Option<Self> {
        let columns: Vec<(Field, &[u8])> =
            template.steps.iter().map(|step| (step.field, step.after.as_ref())).collect();
        let (host, columns) = match columns.as_slice() {
            [(Field::Host, b":"), (Field::Ignore, b" "), rest @ ..] => (HostColumn::WithPort, rest),
            [(Field::Host, b" "), rest @ ..] => (HostColumn::Alone, rest),
            rest => (HostColumn::None, rest),
        };
        let rest = match columns {
            [(Field::Client, b" "), (Field::Ignore, b" "), (Field::Ignore, b" ["), rest @ ..] => rest,
            [(Field::Client, b" - "), (Field::Ignore, b" ["), rest @ ..] => rest,
            _ => return None,
        };
        let [(Field::TimeClf, b"] \""), (Field::RequestLine, b"\" "), (Field::Status, b" "), rest @ ..] =
            rest
        else {
            return None;
        };
        let has_agent = match rest {
            [(Field::ContentBytes | Field::ContentBytesClf, b"")] => false,
            [
                (Field::ContentBytes | Field::ContentBytesClf, b" \""),
                (Field::Referer, b"\" \""),
                (Field::UserAgent, b"\""),
            ] => true,
            _ => return None,
        };
        let is_exact = template.head.is_empty() && !template.is_open;
        is_exact.then(|| Self { host, has_agent, facts: template.facts() })
    }
}

/// Reads a usual line; `None` for any other, with the record in disorder.
#[inline]
pub(crate) fn read<'a>(
    shape: Shape,
    line: &'a [u8],
    record: &mut Record<'a>,
    state: &mut LineState,
) -> Option<()> {
    let meaning = Meaning { patterns: Vec::new(), local_offset: 0 };
    let mut rest = line;
    if shape.host != HostColumn::None {
        let (mut host, after) = word(rest)?;
        if shape.host == HostColumn::WithPort {
            host = &host[..memchr::memchr(b':', host)?];
        }
        record.host = Some(Cow::Borrowed(host)).filter(|_| host != b"-");
        rest = after;
        if host.contains(&b'\\') {
            return None;
        }
    }
    let end = rest.iter().take(ADDRESS_MAX).position(|&byte| byte == b' ')?;
    record.client = Some(number::address(&rest[..end])?);
    let rest = rest[end..].strip_prefix(b" - - [")?;
    record.time = Some(state.times.clf(rest.get(..26)?)?);
    let rest = rest[26..].strip_prefix(b"] \"")?;
    let (request, rest) = quoted(rest)?;
    let mut put = |field, bytes| assign(record, field, Raw::plain(bytes), &meaning, state).ok();
    put(Field::RequestLine, request)?;
    let (status, rest) = rest.strip_prefix(b" ")?.split_at_checked(3)?;
    put(Field::Status, status)?;
    let rest = rest.strip_prefix(b" ")?;
    if shape.has_agent {
        let (count, rest) = word(rest)?;
        put(Field::ContentBytesClf, count)?;
        let (referer, rest) = quoted(rest.strip_prefix(b"\"")?)?;
        put(Field::Referer, referer)?;
        let (agent, rest) = quoted(rest.strip_prefix(b" \"")?)?;
        put(Field::UserAgent, agent)?;
        if !rest.is_empty() {
            return None;
        }
    } else {
        put(Field::ContentBytesClf, rest)?;
    }
    record.shown = shape.facts;
    debug_assert!(record.shows(Fact::Time));
    Some(())
}

/// What stands before the next space, and what after it.
#[inline]
fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b' ')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// What stands before the next quotation mark, and what after it; `None` where there is an escape.
#[inline]
fn quoted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr2(b'"', b'\\', bytes)?;
    (bytes[end] == b'"').then(|| (&bytes[..end], &bytes[end + 1..]))
}

/// The longest IPv6 address has 45 characters.
const ADDRESS_MAX: usize = 46;
