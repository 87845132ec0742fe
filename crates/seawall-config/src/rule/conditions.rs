//! Reads `match`: facts and the tests on them.
//!
//! Conditions come out in the order of [`Fact`]'s variants, fields by name, and those of one fact as written:
//! so two texts that say the same give the same rule.

use regex::bytes::RegexBuilder;
use seawall_rules::rule::{Condition, Fact, Test};

use crate::diagnostic::{Code, Place, Problems};
use crate::manual;
use crate::network::{NamedSets, read_networks};
use crate::reader::{Shape, Table, Value, suggest};

use super::action::{check_method, field_name};

/// The facts with a key of their own before and after `fields`.
const BEFORE_FIELDS: [(&str, Fact); 5] = [
    ("host", Fact::Host),
    ("method", Fact::Method),
    ("path", Fact::Path),
    ("query-shape", Fact::QueryShape),
    ("user-agent", Fact::UserAgent),
];
const AFTER_FIELDS: [(&str, Fact); 4] = [
    ("referer", Fact::Referer),
    ("client", Fact::Client),
    ("protocol", Fact::Protocol),
    ("content-length", Fact::ContentLength),
];

/// Octets of one text to compare with; nothing longer comes in a header section of the default size.
const TEXT_BYTES_MAX: usize = 8 << 10;
/// Compiled size of one regular expression.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Reads a `match` table.
pub(crate) fn read_conditions(value: Value<'_>, sets: &NamedSets, problems: &mut Problems) -> Vec<Condition> {
    let Some(mut table) = value.open(&manual::MATCH, problems) else { return Vec::new() };
    let mut reading = Reading { sets, problems, conditions: Vec::new() };
    for (key, fact) in &BEFORE_FIELDS {
        reading.fact(&mut table, key, fact);
    }
    if let Some(fields) = table.get("fields") {
        reading.fields(fields);
    }
    for (key, fact) in &AFTER_FIELDS {
        reading.fact(&mut table, key, fact);
    }
    let conditions = reading.conditions;
    table.finish("here", problems);
    conditions
}

struct Reading<'r> {
    sets: &'r NamedSets,
    problems: &'r mut Problems,
    conditions: Vec<Condition>,
}

impl Reading<'_> {
    fn fact(&mut self, table: &mut Table<'_>, key: &'static str, fact: &Fact) {
        if let Some(value) = table.get(key) {
            self.tests(value, fact, 0);
        }
    }

    fn fields(&mut self, fields: Value<'_>) {
        let mut entries = Vec::new();
        for (place, value) in fields.entries(self.problems) {
            if let Some(name) = self.field(value, &place) {
                entries.push((name, place, value));
            }
        }
        entries.sort_by(|(a, ..), (b, ..)| a.as_str().cmp(b.as_str()));
        for pair in entries.windows(2) {
            if let [(a, first, _), (b, second, _)] = pair
                && a == b
            {
                let diagnostic =
                    second.error(Code::Duplicate, "field names are the same in upper and lower case");
                self.problems.push(diagnostic.help("write it once").also(first, "the same field"));
            }
        }
        for (name, _, value) in entries {
            self.tests(value, &Fact::Field(name), 0);
        }
    }

    fn field(&mut self, value: Value<'_>, place: &Place) -> Option<http::HeaderName> {
        let mut wrong = Problems::default();
        let name = field_name(value, value.key, &mut wrong);
        if name.is_none() {
            // The key is what is wrong, so the key is what is pointed at.
            let message = format!("\"{}\" is not a field name", value.key);
            let help = "a field name has letters, digits and `-`, as in X-Api-Key; no colon, no space";
            self.problems.push(place.error(Code::InvalidValue, message).help(help));
        }
        name
    }

    /// All tests that `value` says; tables within tables (`not`, `all`) are counted by `depth`.
    fn tests(&mut self, value: Value<'_>, fact: &Fact, depth: u8) {
        match value.shape() {
            Shape::Table => self.table(value, fact, depth),
            Shape::Text(_) | Shape::List(_) | Shape::Other if *fact == Fact::Client => self.within(value),
            Shape::Text(_) | Shape::Other if *fact == Fact::ContentLength => {
                if let Some(bytes) = self.bytes(value) {
                    self.add(fact, Test::Range { min: bytes, max: bytes });
                }
            }
            Shape::List(_) if *fact == Fact::ContentLength => {
                let diagnostic = value.wrong_type("a number, a size or a test");
                self.problems.push(diagnostic.help("write { min = 1, max = \"1 MiB\" }"));
            }
            Shape::List(items) => self.one_of(value, items, fact),
            Shape::Text(text) => {
                if self.whole_text(value, text, fact) {
                    self.add(fact, Test::Exact(text.to_owned()));
                }
            }
            Shape::Other => {
                let diagnostic = value.wrong_type("a string, an array of strings or a test");
                self.problems
                    .push(diagnostic.help("as in \"value\", [\"one\", \"other\"] or { prefix = \"v\" }"));
            }
        }
    }

    fn table(&mut self, value: Value<'_>, fact: &Fact, depth: u8) {
        if depth > 2 {
            self.problems
                .push(value.invalid("tests are nested too deeply").help("`not` and `all` hold plain tests"));
            return;
        }
        let Some(mut table) = value.open(&manual::TEST, self.problems) else { return };
        let keys = table.known_keys();
        if keys.is_empty() && table.is_empty() {
            let diagnostic = value.invalid(format!("`{}` says no test", value.key));
            self.problems.push(diagnostic.help("add one, such as { prefix = \"…\" }, or leave the fact out"));
        }
        for key in keys {
            let Some(test) = table.get(key) else { continue };
            if self.fits(test, key, fact) {
                self.test(test, key, fact, depth, &mut table);
            }
        }
        table.finish("here", self.problems);
    }

    fn test(&mut self, value: Value<'_>, key: &str, fact: &Fact, depth: u8, table: &mut Table<'_>) {
        match key {
            "not" => self.not(value, fact, depth),
            "all" => {
                let Shape::List(items) = value.shape() else {
                    let diagnostic = value.wrong_type("an array of tests");
                    self.problems.push(diagnostic.help("write [{ contains = \"a\" }, { contains = \"b\" }]"));
                    return;
                };
                items.into_iter().for_each(|item| self.tests(item, fact, depth + 1));
            }
            "absent" => {
                if let Some(absent) = value.boolean(self.problems) {
                    self.conditions.push(Condition {
                        fact: fact.clone(),
                        test: Test::Absent,
                        negated: !absent,
                    });
                }
            }
            "within" => self.within(value),
            "one-of" => match value.shape() {
                Shape::List(items) => self.one_of(value, items, fact),
                _ => self.problems.push(value.wrong_type("an array of strings")),
            },
            // The two ends are one test; it is read where the first of them stands.
            "min" => self.range(Some(value), table.get("max"), fact),
            "max" if table.has("min") => {}
            "max" => self.range(None, Some(value), fact),
            _ => self.text_test(value, key, fact),
        }
    }

    fn text_test(&mut self, value: Value<'_>, key: &str, fact: &Fact) {
        let Some(text) = value.text(self.problems) else { return };
        let fine = match key {
            "exact" => self.whole_text(value, text, fact),
            "regex" => self.regex(value, text),
            _ => self.part_text(value, text, key, fact),
        };
        if fine {
            let text = text.to_owned();
            self.add(
                fact,
                match key {
                    "exact" => Test::Exact(text),
                    "prefix" => Test::Prefix(text),
                    "suffix" => Test::Suffix(text),
                    "contains" => Test::Contains(text),
                    _ => Test::Regex(text),
                },
            );
        }
    }

    fn not(&mut self, value: Value<'_>, fact: &Fact, depth: u8) {
        let (before, errors) = (self.conditions.len(), self.problems.error_count());
        self.tests(value, fact, depth + 1);
        let inner = self.conditions.len() - before;
        if let ([condition], true) = (&mut self.conditions[before..], inner == 1) {
            condition.negated = !condition.negated;
        } else if self.problems.error_count() == errors {
            let diagnostic = value.invalid("`not` takes one test");
            self.problems
                .push(diagnostic.help("write all = [{ not = … }, { not = … }] where neither may hold"));
        }
    }

    fn within(&mut self, value: Value<'_>) {
        if let Some(networks) = read_networks(value, self.sets, self.problems) {
            if networks.is_empty() {
                self.problems.push(value.invalid("no network is named, so this would never hold"));
            }
            self.add(&Fact::Client, Test::Within(networks));
        }
    }

    fn one_of(&mut self, value: Value<'_>, items: Vec<Value<'_>>, fact: &Fact) {
        if items.is_empty() {
            self.problems.push(value.invalid("the list is empty, so this would never hold"));
        }
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            if let Some(text) = item.text(self.problems) {
                self.whole_text(item, text, fact);
                texts.push(text.to_owned());
            }
        }
        self.add(fact, Test::OneOf(texts));
    }

    fn range(&mut self, min: Option<Value<'_>>, max: Option<Value<'_>>, fact: &Fact) {
        let least = min.map_or(Some(0), |value| self.bytes(value));
        let most = max.map_or(Some(u64::MAX), |value| self.bytes(value));
        let (Some(least), Some(most)) = (least, most) else { return };
        if let (true, Some(value)) = (least > most, min.or(max)) {
            self.problems.push(
                value.invalid("`min` is greater than `max`, so this would never hold").help("exchange them"),
            );
        }
        self.add(fact, Test::Range { min: least, max: most });
    }

    /// A whole number of bytes, or a size in quotes.
    fn bytes(&mut self, value: Value<'_>) -> Option<u64> {
        match value.shape() {
            Shape::Text(_) => value.size(0..=u64::MAX, self.problems),
            _ => value.integer(0..=u64::MAX, self.problems),
        }
    }

    fn add(&mut self, fact: &Fact, test: Test) {
        self.conditions.push(Condition { fact: fact.clone(), test, negated: false });
    }

    // === What makes no sense of a fact ===

    fn fits(&mut self, value: Value<'_>, key: &str, fact: &Fact) -> bool {
        const TEXT: [&str; 7] = ["exact", "prefix", "suffix", "contains", "one-of", "regex", "absent"];
        let fitting: &[&str] = match fact {
            Fact::Client => &["within"],
            Fact::ContentLength => &["min", "max", "absent"],
            // Every request has these, so `absent` would never hold.
            Fact::Method | Fact::Path | Fact::Protocol => &TEXT[..6],
            Fact::Host | Fact::QueryShape | Fact::UserAgent | Fact::Field(_) | Fact::Referer => &TEXT,
        };
        let fits = fitting.contains(&key) || matches!(key, "not" | "all");
        if !fits {
            let diagnostic = value.invalid(format!("`{key}` cannot be asked of {}", fact_words(fact)));
            self.problems.push(diagnostic.help(suggest("", fitting.iter().copied())));
        }
        fits
    }

    fn length(&mut self, value: Value<'_>, text: &str) -> bool {
        if text.len() > TEXT_BYTES_MAX {
            self.problems
                .push(value.error(Code::OutOfRange, format!("a text has at most {TEXT_BYTES_MAX} bytes")));
        }
        text.len() <= TEXT_BYTES_MAX
    }

    /// A text that the whole value is compared with.
    fn whole_text(&mut self, value: Value<'_>, text: &str, fact: &Fact) -> bool {
        let wrong = match fact {
            Fact::Host | Fact::Referer | Fact::Method | Fact::Path | Fact::Protocol if text.is_empty() => {
                Some((
                    String::from("the text is empty, so this would never hold"),
                    String::from("leave it out, or write { absent = true }"),
                ))
            }
            Fact::Method => return check_method(value, text, self.problems),
            Fact::Path if !text.starts_with('/') && text != "*" => Some(slashless(text)),
            Fact::Protocol if !matches!(text, "HTTP/1.0" | "HTTP/1.1" | "HTTP/2") => Some((
                format!("there is no protocol \"{text}\""),
                String::from("it is \"HTTP/1.0\", \"HTTP/1.1\" or \"HTTP/2\""),
            )),
            Fact::Host | Fact::Referer => wrong_host(text),
            _ => None,
        };
        self.report(value, wrong) && self.any_text(value, text, fact)
    }

    /// A text that a part of the value is compared with.
    fn part_text(&mut self, value: Value<'_>, text: &str, key: &str, fact: &Fact) -> bool {
        let wrong = match fact {
            _ if text.is_empty() => Some((
                String::from("the text is empty, so this always holds"),
                String::from("leave it out, or write { absent = false }"),
            )),
            Fact::Path if key == "prefix" && !text.starts_with('/') && text != "*" => Some(slashless(text)),
            Fact::Host | Fact::Referer if text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                wrong_host(text)
            }
            _ => None,
        };
        self.report(value, wrong) && self.any_text(value, text, fact)
    }

    fn any_text(&mut self, value: Value<'_>, text: &str, fact: &Fact) -> bool {
        let wrong = match fact {
            Fact::Path if text.contains('?') => Some((
                String::from("a path has no query"),
                String::from("match on the names of the query's parameters with `query-shape`"),
            )),
            Fact::QueryShape if text.contains('=') => Some((
                String::from("a query's shape has no values"),
                String::from("write the names of the parameters alone, as in \"q&page\""),
            )),
            _ => None,
        };
        if *fact == Fact::Path && has_escape(text) {
            let warning =
                value.place().warning(Code::Suspicious, "paths are compared with their escapes decoded");
            self.problems.push(warning.help("write the character itself instead of its percent-encoding"));
        }
        self.report(value, wrong) && self.length(value, text)
    }

    fn report(&mut self, value: Value<'_>, wrong: Option<(String, String)>) -> bool {
        let Some((message, help)) = wrong else { return true };
        self.problems.push(value.invalid(message).help(help));
        false
    }

    fn regex(&mut self, value: Value<'_>, text: &str) -> bool {
        if !self.length(value, text) {
            return false;
        }
        let diagnostic = match RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build() {
            Ok(_) => return true,
            Err(regex::Error::CompiledTooBig(limit)) => {
                let message = format!("the regular expression takes more than {limit} bytes when compiled");
                value.error(Code::OutOfRange, message).help("repeat less, or use (?-u) for ASCII classes")
            }
            Err(error) => {
                let full = error.to_string();
                let line = full.lines().rev().find_map(|line| line.strip_prefix("error: "));
                let why = line.unwrap_or("it cannot be parsed").to_owned();
                let mut help = full;
                if why.contains("look-around") || why.contains("backreference") {
                    help.push_str("\nnegation is written as { not = { regex = … } }");
                }
                value.invalid(format!("not a regular expression: {why}")).help(help)
            }
        };
        self.problems.push(diagnostic);
        false
    }
}

fn slashless(text: &str) -> (String, String) {
    (format!("a path begins with `/`, so \"{text}\" would never match"), format!("write \"/{text}\""))
}

fn wrong_host(text: &str) -> Option<(String, String)> {
    let lower = text.to_ascii_lowercase();
    if lower != text {
        return Some((String::from("hosts are compared in lower case"), format!("write \"{lower}\"")));
    }
    let (name, port) = text.rsplit_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':');
    is_port.then(|| (String::from("hosts are compared without their port"), format!("write \"{name}\"")))
}

fn has_escape(text: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_hexdigit();
    text.as_bytes().windows(3).any(|window| window[0] == b'%' && hex(window[1]) && hex(window[2]))
}

fn fact_words(fact: &Fact) -> &'static str {
    match fact {
        Fact::Host => "the host",
        Fact::Method => "the method",
        Fact::Path => "the path",
        Fact::QueryShape => "the query's shape",
        Fact::UserAgent => "the user agent",
        Fact::Field(_) => "a field",
        Fact::Referer => "the referer",
        Fact::Client => "the client",
        Fact::Protocol => "the protocol",
        Fact::ContentLength => "the content length",
    }
}
