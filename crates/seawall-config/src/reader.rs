//! Reads TOML tables by hand, so that one wrong value hides no other.
//!
//! A [`Table`] remembers which keys were asked for. What is left when it is finished is either a key that the
//! [`Section`] does not have, or one that has no effect beside the others: both are errors.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Code, Diagnostic, Place, Problems, SourceText};
use crate::manual::{self, Section};
use crate::share::{self, Share};
use crate::unit;

/// A value, the key that it stands under, and where.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    pub(crate) key: &'a str,
    value: &'a DeValue<'a>,
    start: usize,
    end: usize,
    source: &'a Arc<SourceText>,
}

/// A table that is being read.
pub(crate) struct Table<'a> {
    table: &'a DeTable<'a>,
    section: &'static Section,
    /// One bit per key of the section.
    asked: u64,
    start: usize,
    end: usize,
    source: &'a Arc<SourceText>,
}

/// What a value is, for `match`.
pub(crate) enum Shape<'a> {
    Text(&'a str),
    List(Vec<Value<'a>>),
    Table,
    Other,
}

impl<'a> Value<'a> {
    pub(crate) fn of(key: &'a str, value: &'a Spanned<DeValue<'a>>, source: &'a Arc<SourceText>) -> Self {
        let span = value.span();
        Self { key, value: value.get_ref(), start: span.start, end: span.end, source }
    }

    pub(crate) fn place(&self) -> Place {
        Place::new(self.source, self.start..self.end)
    }

    /// One character of a text, if the text stands in its quotes as it is; all of it if it has escapes.
    pub(crate) fn place_of_character(&self, at: usize) -> Place {
        let is_literal = match self.value {
            DeValue::String(text) => self.raw().get(1..self.raw().len().saturating_sub(1)) == Some(text),
            _ => false,
        };
        let length = self.raw().get(at + 1..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let start = self.start + 1 + at;
        if is_literal && start < self.end {
            Place::new(self.source, start..start + length)
        } else {
            self.place()
        }
    }

    pub(crate) fn error(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        self.place().error(code, message)
    }

    /// The value cannot be understood.
    pub(crate) fn invalid(&self, message: impl Into<String>) -> Diagnostic {
        self.error(Code::InvalidValue, message)
    }

    pub(crate) fn wrong_type(&self, expected: &str) -> Diagnostic {
        let found = self.value.type_str();
        let article = if found.starts_with(['a', 'i']) { "an" } else { "a" };
        self.error(Code::WrongType, format!("`{}` must be {expected}, not {article} {found}", self.key))
    }

    pub(crate) fn shape(&self) -> Shape<'a> {
        match self.value {
            DeValue::String(text) => Shape::Text(text),
            DeValue::Array(items) => {
                Shape::List(items.iter().map(|item| Self::of(self.key, item, self.source)).collect())
            }
            DeValue::Table(_) => Shape::Table,
            _ => Shape::Other,
        }
    }

    /// The items of an array, or the value itself: `listen = "…"` says the same as `listen = ["…"]`.
    pub(crate) fn one_or_many(&self) -> Vec<Self> {
        match self.shape() {
            Shape::List(items) => items,
            _ => vec![*self],
        }
    }

    /// The tables of `[[…]]`; `None`, and reported, if it is something else.
    pub(crate) fn tables(&self, problems: &mut Problems) -> Option<Vec<Self>> {
        if let Shape::List(items) = self.shape() {
            return Some(items);
        }
        let help = format!("write [[{}]] with two pairs of brackets: there may be several", self.key);
        problems.push(self.wrong_type("an array of tables").help(help));
        None
    }

    pub(crate) fn text(&self, problems: &mut Problems) -> Option<&'a str> {
        if let DeValue::String(text) = self.value {
            return Some(text);
        }
        let mut diagnostic = self.wrong_type("a string");
        if matches!(self.value, DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_)) {
            diagnostic = diagnostic.help(format!("put it in quotes: \"{}\"", self.raw()));
        }
        problems.push(diagnostic);
        None
    }

    pub(crate) fn boolean(&self, problems: &mut Problems) -> Option<bool> {
        if let DeValue::Boolean(value) = self.value {
            return Some(*value);
        }
        problems.push(self.wrong_type("a boolean").help("write true or false, without quotes"));
        None
    }

    /// A whole number, without a unit.
    pub(crate) fn integer(&self, range: RangeInclusive<u64>, problems: &mut Problems) -> Option<u64> {
        let DeValue::Integer(value) = self.value else {
            let help =
                format!("write a whole number from {} to {}, without quotes", range.start(), range.end());
            problems.push(self.wrong_type("an integer").help(help));
            return None;
        };
        match i128::from_str_radix(value.as_str(), value.radix()).ok().and_then(|n| u64::try_from(n).ok()) {
            Some(number) if range.contains(&number) => Some(number),
            _ => {
                let bounds = format!("must lie from {} to {}", range.start(), range.end());
                problems.push(self.error(Code::OutOfRange, format!("`{}` {bounds}", self.key)));
                None
            }
        }
    }

    /// A duration with its unit: `"1m 30s"`.
    pub(crate) fn duration(
        &self,
        range: RangeInclusive<Duration>,
        problems: &mut Problems,
    ) -> Option<Duration> {
        self.with_unit(unit::duration, range, unit::print_duration, "a duration in quotes", "s", problems)
    }

    /// A size in bytes with its unit: `"64 KiB"`.
    pub(crate) fn size(&self, range: RangeInclusive<u64>, problems: &mut Problems) -> Option<u64> {
        self.with_unit(unit::size, range, unit::print_size, "a size in quotes", " B", problems)
    }

    /// Bytes per second: `"500 B/s"`.
    pub(crate) fn speed(&self, range: RangeInclusive<u64>, problems: &mut Problems) -> Option<u64> {
        self.with_unit(unit::speed, range, unit::print_speed, "a speed in quotes", " B/s", problems)
    }

    /// A share of a whole: `"0.1 %"`.
    pub(crate) fn share(&self, range: RangeInclusive<Share>, problems: &mut Problems) -> Option<Share> {
        self.with_unit(share::share, range, |share| share.to_string(), "a share in quotes", " %", problems)
    }

    fn with_unit<T: PartialOrd + Copy>(
        &self,
        parse: fn(&str) -> Result<T, unit::UnitError>,
        range: RangeInclusive<T>,
        print: fn(T) -> String,
        expected: &str,
        unit: &str,
        problems: &mut Problems,
    ) -> Option<T> {
        let DeValue::String(text) = self.value else {
            let mut diagnostic = self.wrong_type(expected);
            if let DeValue::Integer(_) = self.value {
                let written = format!("{}{unit}", self.raw());
                let written = parse(&written).map_or(written, print);
                diagnostic = diagnostic.help(format!("say the unit: \"{written}\""));
            }
            problems.push(diagnostic);
            return None;
        };
        match parse(text) {
            Ok(value) if range.contains(&value) => Some(value),
            Ok(_) => {
                let bounds = format!("must lie from {} to {}", print(*range.start()), print(*range.end()));
                problems.push(self.error(Code::OutOfRange, format!("`{}` {bounds}", self.key)));
                None
            }
            Err(error) => {
                let diagnostic = self.invalid(format!("`{}`: {error}", self.key));
                problems.push(diagnostic.help(error.hint(text)));
                None
            }
        }
    }

    /// One of a closed set of words.
    pub(crate) fn choice<T: Copy>(&self, words: &[(&str, T)], problems: &mut Problems) -> Option<T> {
        let text = self.text(problems)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let names = words.iter().map(|(word, _)| *word);
        let diagnostic = self.invalid(format!("`{}` cannot be \"{text}\"", self.key));
        problems.push(diagnostic.help(suggest(text, names)));
        None
    }

    /// Opens a table; the section says which keys it may have.
    pub(crate) fn open(&self, section: &'static Section, problems: &mut Problems) -> Option<Table<'a>> {
        if let DeValue::Table(table) = self.value {
            return Some(Table {
                table,
                section,
                asked: 0,
                start: self.start,
                end: self.end,
                source: self.source,
            });
        }
        problems.push(self.wrong_type("a table"));
        None
    }

    /// The entries of a table whose keys are free: the key's place, and the value.
    pub(crate) fn entries(&self, problems: &mut Problems) -> Vec<(Place, Self)> {
        let DeValue::Table(table) = self.value else {
            problems.push(self.wrong_type("a table"));
            return Vec::new();
        };
        let entries = table.iter();
        entries
            .map(|(key, value)| {
                (Place::new(self.source, key.span()), Self::of(key.get_ref(), value, self.source))
            })
            .collect()
    }

    pub(crate) fn as_boolean(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn as_datetime(&self) -> Option<toml::value::Datetime> {
        self.value.as_datetime().copied()
    }

    pub(crate) fn is_integer(&self) -> bool {
        self.value.is_integer()
    }

    /// As written.
    pub(crate) fn raw(&self) -> &'a str {
        self.source.inner().get(self.start..self.end).unwrap_or("")
    }
}

impl<'a> Table<'a> {
    /// The whole of a text.
    pub(crate) fn root(
        root: &'a DeTable<'a>,
        section: &'static Section,
        source: &'a Arc<SourceText>,
    ) -> Self {
        Self { table: root, section, asked: 0, start: 0, end: 0, source }
    }

    pub(crate) fn place(&self) -> Place {
        Place::new(self.source, self.start..self.end)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The value under a key, which does not count as read by it.
    pub(crate) fn peek(&self, key: &str) -> Option<Value<'a>> {
        // The key lives as long as the table, so that a message can name it.
        self.table.get_key_value(key).map(|(key, value)| Value::of(key.get_ref(), value, self.source))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The keys that are both in the table and in its section, in the order written.
    pub(crate) fn known_keys(&self) -> Vec<&'static str> {
        let known = |name: &str| self.section.keys.iter().find(|key| key.name == name).map(|key| key.name);
        self.table.keys().filter_map(|key| known(key.get_ref())).collect()
    }

    /// The value under a key, which counts as read from now on.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<Value<'a>> {
        let position = self.section.keys.iter().position(|known| known.name == key);
        debug_assert!(position.is_some(), "the manual has no row for {key} in {}", self.section.path);
        self.asked |= position.map_or(0, |at| 1 << at);
        self.table.get(key).map(|value| Value::of(key, value, self.source))
    }

    /// As [`Table::get`]; it is an error if the key is missing.
    pub(crate) fn require(&mut self, key: &'static str, problems: &mut Problems) -> Option<Value<'a>> {
        let value = self.get(key);
        if value.is_none() {
            let row = self.section.keys.iter().find(|known| known.name == key);
            let diagnostic = self.place().error(Code::MissingKey, format!("`{key}` is missing"));
            let diagnostic = diagnostic.label("in this table");
            problems.push(match row {
                Some(row) => diagnostic.help(format!("add {key} = {}", row.example)),
                None => diagnostic,
            });
        }
        value
    }

    /// The value under a key as `read` understands it; `None` if it is missing or wrong.
    pub(crate) fn read<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
        read: impl FnOnce(Value<'a>, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        self.get(key).and_then(|value| read(value, problems))
    }

    /// Overwrites `slot` with the value under a key, if it is there and right.
    pub(crate) fn set<T>(
        &mut self,
        key: &'static str,
        slot: &mut T,
        problems: &mut Problems,
        read: impl FnOnce(Value<'a>, &mut Problems) -> Option<T>,
    ) {
        if let Some(value) = self.read(key, problems, read) {
            *slot = value;
        }
    }

    /// Reports the keys that nobody asked for. `unused` says why a known key may have no effect.
    pub(crate) fn finish(self, unused: &str, problems: &mut Problems) {
        for (key, value) in self.table {
            let place = Place::new(self.source, key.span());
            let name = key.get_ref().as_ref();
            match self.section.keys.iter().position(|known| known.name == name) {
                Some(at) if self.asked & (1 << at) != 0 => {}
                Some(_) => {
                    let message = format!("`{name}` has no effect {unused}");
                    problems.push(place.error(Code::UnusedKey, message).help("remove it"));
                }
                None => problems.push(self.unknown(name, &place, value.get_ref())),
            }
        }
    }

    fn unknown(&self, name: &str, place: &Place, value: &DeValue<'_>) -> Diagnostic {
        if let Some((_, why)) = self.section.later.iter().find(|(later, _)| *later == name) {
            return place.error(Code::Unsupported, format!("`{name}` {why}"));
        }
        let diagnostic = place.error(Code::UnknownKey, format!("unknown key `{name}` {}", self.section.at()));
        let foreign = self.section.keys.iter().find(|key| key.foreign.contains(&name));
        if let Some(key) = foreign {
            return diagnostic.help(format!("in Seawall it is `{}`", key.name));
        }
        // `request_time` and `requestTime` are `request-time` misspelt, and strsim finds them.
        let names = self.section.keys.iter().map(|key| key.name);
        if nearest(name, names.clone()).is_none()
            && let Some(help) = self.home_of(name, value)
        {
            return diagnostic.help(help);
        }
        diagnostic.help(suggest(name, names))
    }

    /// Where a key belongs that stands in the wrong table: TOML has no way back to the top, so a key that is
    /// added at the end of a file lands in its last table.
    fn home_of(&self, name: &str, value: &DeValue<'_>) -> Option<String> {
        if self.section.path == manual::RULE_FILE.path {
            return Some(String::from("a rule file holds [[rule]] tables and nothing else"));
        }
        let homes: Vec<&str> =
            manual::sections_with(name).filter(|path| *path != self.section.path).collect();
        match homes[..] {
            [""] if value.is_table() || value.is_array() => {
                Some(format!("`{name}` belongs at the top level"))
            }
            [""] => Some(format!("`{name}` belongs at the top level, above the first table")),
            [home] => Some(format!("`{name}` belongs in {home}")),
            _ => None,
        }
    }
}

/// "did you mean …", or the whole list if nothing is near.
pub(crate) fn suggest<'w>(wrong: &str, words: impl Iterator<Item = &'w str> + Clone) -> String {
    if let Some(near) = nearest(wrong, words.clone()) {
        return format!("did you mean `{near}`?");
    }
    let list: Vec<&str> = words.collect();
    match list[..] {
        [] => String::from("remove it"),
        [only] => format!("it can be `{only}`"),
        _ => format!("it can be one of: {}", list.join(", ")),
    }
}

/// The word that was probably meant.
pub(crate) fn nearest<'w>(wrong: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    // A long name is not computed with: the distance is quadratic.
    if wrong.len() > 64 {
        return None;
    }
    let wrong = wrong.to_ascii_lowercase().replace('_', "-");
    let scored = words.map(|word| (strsim::damerau_levenshtein(&wrong, &word.to_ascii_lowercase()), word));
    let (distance, word) = scored.min_by_key(|(distance, _)| *distance)?;
    let longest = wrong.chars().count().max(word.len());
    // A third of the letters: `hosst`, `trusted_hop`, `orgin`, but not `cache` for `match`.
    (distance * 3 <= longest).then_some(word)
}
