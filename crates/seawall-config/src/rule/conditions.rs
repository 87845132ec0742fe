//! Reads `match`: facts and the tests on them.
//!
//! Conditions come out in the order of [`Fact`]'s variants, fields by name, and those of one fact as written:
//! so two texts that say the same give the same rule. Whether a test makes sense of its fact is checked with the
//! whole rule, by the crate that rules belong to.

use http::HeaderName;
use seawall_rules::rule::{Condition, Fact, Test};

use crate::diagnostic::{Code, Place, Problems};
use crate::manual;
use crate::network::read_networks;
use crate::reader::{Shape, Table, Value};

use super::action::check_case;

/// The facts with a key of their own before and after `fields`.
const BEFORE_FIELDS: [(&str, Fact); 5] = [
    ("host", Fact::Host),
    ("method", Fact::Method),
    ("path", Fact::Path),
    ("query-shape", Fact::QueryShape),
    ("user-agent", Fact::UserAgent),
];
const AFTER_FIELDS: [(&str, Fact); 6] = [
    ("referer", Fact::Referer),
    ("client", Fact::Client),
    ("protocol", Fact::Protocol),
    ("content-length", Fact::ContentLength),
    ("header-shape", Fact::HeaderShape),
    ("tls-fingerprint", Fact::TlsFingerprint),
];

/// `{ not = { all = [{ … }] } }` is as deep as sense goes.
const DEPTH_MAX: u8 = 2;

/// Conditions, and the values that they were read from, in the same order.
#[derive(Default)]
pub(crate) struct Conditions<'a> {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) tests: Vec<Value<'a>>,
}

/// Reads a `match` table.
pub(crate) fn read_conditions<'a>(value: Value<'a>, problems: &mut Problems) -> Conditions<'a> {
    let Some(mut table) = value.open(&manual::MATCH, problems) else { return Conditions::default() };
    let mut reading = Reading { problems, found: Conditions::default() };
    for (key, fact) in &BEFORE_FIELDS {
        reading.fact(&mut table, key, fact);
    }
    if let Some(fields) = table.get("fields") {
        reading.fields(fields);
    }
    for (key, fact) in &AFTER_FIELDS {
        reading.fact(&mut table, key, fact);
    }
    let found = reading.found;
    table.finish("here", problems);
    found
}

struct Reading<'r, 'a> {
    problems: &'r mut Problems,
    found: Conditions<'a>,
}

impl<'a> Reading<'_, 'a> {
    fn fact(&mut self, table: &mut Table<'a>, key: &'static str, fact: &Fact) {
        if let Some(value) = table.get(key) {
            self.tests(value, fact, 0);
        }
    }

    fn fields(&mut self, fields: Value<'a>) {
        let mut entries = Vec::new();
        for (place, value) in fields.entries(self.problems) {
            match HeaderName::from_bytes(value.key.as_bytes()) {
                Ok(name) => entries.push((name, place, value)),
                Err(_) => {
                    let message = format!("\"{}\" is not a field name", value.key);
                    let help =
                        "a field name has letters, digits and `-`, as in X-Api-Key; no colon, no space";
                    self.problems.push(place.error(Code::InvalidValue, message).help(help));
                }
            }
        }
        entries.sort_by(|(a, ..), (b, ..)| a.as_str().cmp(b.as_str()));
        self.report_same_names(&entries);
        for (name, _, value) in entries {
            self.tests(value, &Fact::Field(name), 0);
        }
    }

    fn report_same_names(&mut self, sorted: &[(HeaderName, Place, Value<'a>)]) {
        for pair in sorted.windows(2) {
            if let [(a, first, _), (b, second, _)] = pair
                && a == b
            {
                let message = "field names are the same in upper and lower case";
                let diagnostic = second.error(Code::Duplicate, message);
                self.problems.push(diagnostic.help("write it once").also(first, "the same field"));
            }
        }
    }

    /// All tests that `value` says; tables within tables (`not`, `all`) are counted by `depth`.
    fn tests(&mut self, value: Value<'a>, fact: &Fact, depth: u8) {
        match (value.shape(), fact) {
            (Shape::Table, _) => self.table(value, fact, depth),
            (_, Fact::Client) => self.within(value, fact),
            (Shape::List(_), Fact::ContentLength) => {
                let diagnostic = value.wrong_type("a number, a size or a test");
                self.problems.push(diagnostic.help("write { min = 1, max = \"1 MiB\" }"));
            }
            (_, Fact::ContentLength) => {
                if let Some(bytes) = self.bytes(value) {
                    self.add(value, fact, Test::Range { min: bytes, max: bytes });
                }
            }
            (Shape::List(items), _) => self.one_of(value, &items, fact),
            (Shape::Text(_), _) => self.text_test(value, "exact", fact),
            (Shape::Other, _) => {
                let diagnostic = value.wrong_type("a string, an array of strings or a test");
                let help = "as in \"value\", [\"one\", \"other\"] or { prefix = \"v\" }";
                self.problems.push(diagnostic.help(help));
            }
        }
    }

    fn table(&mut self, value: Value<'a>, fact: &Fact, depth: u8) {
        if depth > DEPTH_MAX {
            let diagnostic = value.invalid("tests are nested too deeply");
            self.problems.push(diagnostic.help("`not` and `all` hold plain tests"));
            return;
        }
        let Some(mut table) = value.open(&manual::TEST, self.problems) else { return };
        if table.is_empty() {
            let diagnostic = value.invalid(format!("`{}` says no test", value.key));
            self.problems.push(diagnostic.help("add one, such as { prefix = \"…\" }, or leave the fact out"));
        }
        for key in table.known_keys() {
            if let Some(test) = table.get(key) {
                self.test(test, key, fact, depth, &mut table);
            }
        }
        table.finish("here", self.problems);
    }

    fn test(&mut self, value: Value<'a>, key: &str, fact: &Fact, depth: u8, table: &mut Table<'a>) {
        match (key, value.shape()) {
            ("not", _) => self.not(value, fact, depth),
            ("all", Shape::List(items)) => {
                items.into_iter().for_each(|item| self.tests(item, fact, depth + 1));
            }
            ("all", _) => {
                let diagnostic = value.wrong_type("an array of tests");
                self.problems.push(diagnostic.help("write [{ contains = \"a\" }, { contains = \"b\" }]"));
            }
            ("absent", _) => {
                if let Some(absent) = value.boolean(self.problems) {
                    self.add(value, fact, Test::Absent);
                    self.negate_last(!absent);
                }
            }
            ("within", _) => self.within(value, fact),
            ("one-of", Shape::List(items)) => self.one_of(value, &items, fact),
            ("one-of", _) => self.problems.push(value.wrong_type("an array of strings")),
            // The two ends are one test, read where `min` stands if it is there.
            ("min", _) => self.range(value, Some(value), table.get("max"), fact),
            ("max", _) if table.has("min") => {}
            ("max", _) => self.range(value, None, Some(value), fact),
            _ => self.text_test(value, key, fact),
        }
    }

    fn text_test(&mut self, value: Value<'a>, key: &str, fact: &Fact) {
        let Some(text) = value.text(self.problems) else { return };
        let test = match key {
            "prefix" => Test::Prefix,
            "suffix" => Test::Suffix,
            "contains" => Test::Contains,
            "regex" => Test::Regex,
            _ => Test::Exact,
        };
        if key != "regex" {
            self.question(value, text, key == "exact", fact);
        }
        self.add(value, fact, test(text.to_owned()));
    }

    fn not(&mut self, value: Value<'a>, fact: &Fact, depth: u8) {
        let (before, errors) = (self.found.conditions.len(), self.problems.error_count());
        self.tests(value, fact, depth + 1);
        if self.found.conditions.len() == before + 1 {
            self.negate_last(true);
        } else if self.problems.error_count() == errors {
            let diagnostic = value.invalid("`not` takes one test");
            let help = "write all = [{ not = … }, { not = … }] where neither may hold";
            self.problems.push(diagnostic.help(help));
        }
    }

    fn negate_last(&mut self, negate: bool) {
        if let Some(condition) = self.found.conditions.last_mut() {
            condition.negated ^= negate;
        }
    }

    fn within(&mut self, value: Value<'a>, fact: &Fact) {
        if let Some(networks) = read_networks(value, self.problems) {
            self.add(value, fact, Test::Within(networks));
        }
    }

    fn one_of(&mut self, value: Value<'a>, items: &[Value<'a>], fact: &Fact) {
        let read = |item: &Value<'a>| {
            let text = item.text(self.problems)?;
            self.question(*item, text, true, fact);
            Some(text.to_owned())
        };
        // All or none, so that places count as the values do.
        let texts: Vec<Option<String>> = items.iter().map(read).collect();
        if let Some(texts) = texts.into_iter().collect() {
            self.add(value, fact, Test::OneOf(texts));
        }
    }

    fn range(&mut self, at: Value<'a>, min: Option<Value<'a>>, max: Option<Value<'a>>, fact: &Fact) {
        let least = min.map_or(Some(0), |value| self.bytes(value));
        let most = max.map_or(Some(u64::MAX), |value| self.bytes(value));
        if let (Some(min), Some(max)) = (least, most) {
            self.add(at, fact, Test::Range { min, max });
        }
    }

    /// A whole number of bytes, or a size in quotes.
    fn bytes(&mut self, value: Value<'_>) -> Option<u64> {
        match value.shape() {
            Shape::Text(_) => value.size(0..=u64::MAX, self.problems),
            _ => value.integer(0..=u64::MAX, self.problems),
        }
    }

    fn add(&mut self, value: Value<'a>, fact: &Fact, test: Test) {
        self.found.conditions.push(Condition { fact: fact.clone(), test, negated: false });
        self.found.tests.push(value);
    }

    /// What is well formed but can hardly be meant.
    fn question(&mut self, value: Value<'_>, text: &str, is_whole: bool, fact: &Fact) {
        match fact {
            Fact::Method if is_whole => check_case(value, text, self.problems),
            Fact::Path if has_escape(text) => {
                let message = "paths are compared with their escapes decoded";
                let warning = value.place().warning(Code::Suspicious, message);
                self.problems
                    .push(warning.help("write the character itself instead of its percent-encoding"));
            }
            Fact::Path if text.contains('?') => {
                let warning = value.place().warning(Code::Suspicious, "a path has no query");
                let help = "match on the names of the query's parameters with `query-shape`";
                self.problems.push(warning.help(help));
            }
            Fact::QueryShape if text.contains('=') => {
                let warning = value.place().warning(Code::Suspicious, "a query's shape has no values");
                let help = "write the names of the parameters alone, as in \"q&page\"";
                self.problems.push(warning.help(help));
            }
            Fact::Host | Fact::Referer => {
                if let Some(name) = without_port(text) {
                    let message = "hosts are compared without their port";
                    let warning = value.place().warning(Code::Suspicious, message);
                    self.problems.push(warning.help(format!("write \"{name}\"")));
                }
            }
            _ => {}
        }
    }
}

fn without_port(text: &str) -> Option<&str> {
    let (name, port) = text.rsplit_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !name.contains(':');
    is_port.then_some(name)
}

fn has_escape(text: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_hexdigit();
    text.as_bytes().windows(3).any(|window| window[0] == b'%' && hex(window[1]) && hex(window[2]))
}
