//! What a rule of the machine is called, and the note that it carries.

use std::fmt::Write;

use seawall_rules::rule::{NAME_BYTES_MAX, NOTE_BYTES_MAX};

use crate::fact::{FactKind, FactValue};
use crate::signature::{Signature, Term};
use crate::storm::Storm;

/// Letters of one part of a name.
const PART_MAX: usize = 16;
/// Parts of a name.
const PARTS_MAX: usize = 3;

/// A name that tells the storm at a glance, as `storm-qqgamehall-cacert`: what sends it, then what it wants. Networks are
/// not in it. Where `is_taken`, the storm's own name is added.
pub(super) fn name(signature: &Signature, storm: &Storm, is_taken: impl Fn(&str) -> bool) -> String {
    let mut parts: Vec<(u8, String)> = signature.terms.iter().filter_map(part).collect();
    parts.sort_by_key(|(rank, _)| *rank);
    parts.dedup_by(|(_, one), (_, other)| one == other);
    let mut name = String::from("storm");
    for (_, part) in parts.iter().take(PARTS_MAX) {
        name.push('-');
        name.push_str(part);
    }
    if parts.is_empty() || is_taken(&name) {
        name = format!("{name}-{}", storm.id.to_string().to_lowercase());
    }
    name.truncate(NAME_BYTES_MAX);
    name
}

/// The note of a rule.
pub(super) fn note(storm: &Storm, reasons: &[String]) -> String {
    let mut note = format!("made against storm {}", storm.id);
    for reason in reasons {
        if note.len() + reason.len() + 2 > NOTE_BYTES_MAX {
            break;
        }
        // A String takes whatever is written to it.
        let _ = write!(note, "; {reason}");
    }
    note
}

/// A term's part of the name, and its place in it.
fn part(term: &Term) -> Option<(u8, String)> {
    let (kind, value) = match term {
        Term::Fact { kind, values } => (*kind, values.first()?),
        Term::Like { kind, text, .. } => return Some((place(*kind)?, slug(text)?)),
        Term::Present(FactKind::QueryShape) => return Some((4, "query".to_owned())),
        Term::Present(_) | Term::WithField(_) => return None,
        Term::WithoutField(name) => return Some((5, format!("no-{}", slug(name)?))),
    };
    let place = place(kind)?;
    let text = match (kind, value) {
        (FactKind::UserAgent | FactKind::AgentProduct, FactValue::Absent) => "no-agent".to_owned(),
        (FactKind::HeaderShape, _) => "shape".to_owned(),
        (FactKind::TlsFingerprint, _) => "tls".to_owned(),
        (FactKind::QueryShape, _) => "query".to_owned(),
        (FactKind::Method, FactValue::Text(text)) if text == "GET" => return None,
        (FactKind::Path, FactValue::Text(text)) => stem(text)?,
        (_, FactValue::Text(text)) => slug(text)?,
        (_, FactValue::Absent) => return None,
    };
    Some((place, text))
}

fn place(kind: FactKind) -> Option<u8> {
    match kind {
        FactKind::UserAgent | FactKind::AgentProduct => Some(0),
        FactKind::TlsFingerprint | FactKind::HeaderShape => Some(1),
        FactKind::Path | FactKind::PathPrefix1 | FactKind::PathPrefix2 | FactKind::PathPrefix3 => Some(2),
        FactKind::Method => Some(3),
        FactKind::QueryShape | FactKind::PathExtension => Some(4),
        FactKind::Host | FactKind::RefererHost => Some(5),
        _ => None,
    }
}

/// The last segment of a path without its extension.
fn stem(path: &str) -> Option<String> {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if last.is_empty() {
        return Some("root".to_owned());
    }
    slug(last.rsplit_once('.').map_or(last, |(stem, _)| stem)).or_else(|| slug(last))
}

/// Lower-case letters and digits, with single hyphens between them.
fn slug(text: &str) -> Option<String> {
    // What stands in browsers' agents for compatibility says nothing.
    let text = text.strip_prefix("Mozilla/5.0 ").unwrap_or(text);
    let mut slug = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= PART_MAX {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    (!slug.is_empty()).then(|| slug.to_owned())
}
