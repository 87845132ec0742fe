//! From columns and texts to a [`Template`].

use std::ops::Range;

use crate::error::{FormatError, FormatErrorKind};
use crate::escape::Escape;
use crate::field::{Field, Meaning};
use crate::record::{Fact, FactSet};
use crate::template::{End, STEPS_MAX, Step, Template, combined};

/// A piece of a format, with its place in the text.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    Column(Field, Range<usize>),
}

/// Compiles pieces. `source` is what the ranges point into.
pub(crate) fn compile(
    pieces: Vec<Piece>,
    escape: Escape,
    meaning: Meaning,
    source: &str,
) -> Result<Template, FormatError> {
    let pieces = join(pieces);
    let mut head = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    let mut before: Option<Range<usize>> = None;
    let mut text: Vec<u8> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(more) => text.extend(more),
            Piece::Column(field, place) => {
                match steps.last_mut() {
                    None => head = std::mem::take(&mut text),
                    Some(last) => {
                        let before = before.clone().unwrap_or_default();
                        close(last, std::mem::take(&mut text), field, before, &place, source)?;
                    }
                }
                if steps.len() == STEPS_MAX {
                    return Err(FormatError::at(place.start, FormatErrorKind::TooLong));
                }
                steps.push(Step { field, end: End::Line, escape, after: Box::default() });
                before = Some(place);
            }
        }
    }
    if let Some(last) = steps.last_mut()
        && !text.is_empty()
    {
        last.end = end_before(last, &text);
        last.after = text.into();
    }
    let mut template =
        Template { head: head.into(), steps: steps.into(), meaning, is_open: false, fast: None };
    if !template.facts().intersects(FactSet::of(&[Fact::Time, Fact::Method, Fact::Path])) {
        return Err(FormatError::at(0, FormatErrorKind::NothingUseful));
    }
    template.fast = combined::Shape::of(&template);
    Ok(template)
}

fn close(
    last: &mut Step,
    text: Vec<u8>,
    next: Field,
    before: Range<usize>,
    place: &Range<usize>,
    source: &str,
) -> Result<(), FormatError> {
    if !text.is_empty() {
        last.end = end_before(last, &text);
        last.after = text.into();
        return Ok(());
    }
    // `$host$request_uri`: a path shows where it begins.
    if matches!(next, Field::Target | Field::Path) {
        last.end = End::Slash;
        return Ok(());
    }
    let written = |range: &Range<usize>| source.get(range.clone()).unwrap_or_default().to_owned();
    Err(FormatError::at(
        place.start,
        FormatErrorKind::Adjacent { before: written(&before), after: written(place) },
    ))
}

/// A quotation mark after a value ends it, unless the value is escaped otherwise.
fn end_before(step: &Step, text: &[u8]) -> End {
    match step.escape {
        Escape::Backslash | Escape::Json if text[0] == b'"' => End::Quoted,
        _ if step.field.is_list() => End::List,
        _ => End::Text,
    }
}

/// Brings together what is one value in pieces: path and query side by side, and neighbours of no interest.
fn join(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let Piece::Column(field, place) = &piece else {
            joined.push(piece);
            continue;
        };
        if let Some(Piece::Column(last, before)) = joined.last_mut() {
            let one = match (*last, field) {
                // `%U%q`, `$uri$is_args$args`.
                (Field::Path | Field::Target, Field::Query | Field::Ignore) => Some(Field::Target),
                (Field::Ignore, Field::Ignore) => Some(Field::Ignore),
                _ => None,
            };
            if let Some(one) = one {
                (*last, before.end) = (one, place.end);
                continue;
            }
        }
        joined.push(piece);
    }
    joined
}
