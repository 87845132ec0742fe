//! Which requests are counted: `--where`.
//!
//! Every condition is one of the rule language, asked by the matcher that decides about live requests. What rules cannot
//! ask, since the gate does not know it (a status, a country), is shown to that matcher as a field of its own, and numbers
//! as the announced content.

mod parse;

use seawall_http::{ContentLength, Field, Now, RequestFacts};
use seawall_rules::limit::LimitTable;
use seawall_rules::set::{RuleSet, Scratch, Verdict};
use seawall_rules::tally::Tally;

use super::fact::{Fact, Shown, Sight};
use super::request::Item;

use parse::{FIELD, parse};

/// Conditions of which all must hold.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// As they were written.
    texts: Vec<String>,
    conditions: Vec<Asked>,
}

/// One condition.
#[derive(Debug)]
struct Asked {
    subject: Subject,
    set: RuleSet,
}

/// What a condition looks at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Subject {
    /// A fact of rules, known unless this is hidden.
    Rule(Item),
    /// Another fact, as the field [`FIELD`].
    Field(Fact),
    /// A number, as the announced content.
    Number(Number),
}

/// What can be compared as a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Number {
    Fact(Fact),
    Bytes,
}

/// Whether a request is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// All conditions hold.
    Holds,
    /// One fails.
    Fails,
    /// None is known to fail, and the log does not show what one asks for.
    Unknown,
}

/// What one thread keeps from request to request.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    each: Vec<(Scratch, Tally)>,
    table: Option<LimitTable>,
    value: Vec<u8>,
}

impl Filter {
    /// Reads conditions.
    ///
    /// # Errors
    ///
    /// What is wrong with the first that is.
    pub(crate) fn new(texts: &[String]) -> Result<Self, String> {
        let mut conditions = Vec::new();
        for text in texts {
            conditions.extend(parse(text)?);
        }
        Ok(Self { texts: texts.to_vec(), conditions })
    }

    /// The conditions as they were written.
    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The facts asked for that rules do not have.
    pub(crate) fn facts(&self) -> impl Iterator<Item = Fact> {
        self.conditions.iter().filter_map(|asked| match asked.subject {
            Subject::Field(fact) | Subject::Number(Number::Fact(fact)) => Some(fact),
            Subject::Rule(_) | Subject::Number(Number::Bytes) => None,
        })
    }

    /// Whether all conditions hold of a request.
    pub(crate) fn holds(&self, sight: &Sight<'_>, memory: &mut Memory) -> Outcome {
        let mut outcome = Outcome::Holds;
        for (index, asked) in self.conditions.iter().enumerate() {
            if memory.each.len() <= index {
                memory.each.push((Scratch::default(), Tally::new(&asked.set)));
            }
            match asked.holds(sight, index, memory) {
                Outcome::Holds => {}
                Outcome::Fails => return Outcome::Fails,
                Outcome::Unknown => outcome = Outcome::Unknown,
            }
        }
        outcome
    }
}

impl Asked {
    fn holds(&self, sight: &Sight<'_>, index: usize, memory: &mut Memory) -> Outcome {
        let Memory { each, table, value } = memory;
        let (scratch, tally) = &mut each[index];
        // No condition counts anything; the matcher wants a table all the same.
        let table = table.get_or_insert_with(|| LimitTable::new(1, [0; 16]));
        let now = Now { wall: sight.record.time.unwrap_or_default(), mono: 0 };
        let mut ask =
            |facts: &RequestFacts<'_>| match self.set.decide(facts, scratch, table, tally, now).verdict {
                Verdict::Pass => Outcome::Fails,
                _ => Outcome::Holds,
            };
        value.clear();
        match self.subject {
            Subject::Rule(item) if sight.hidden.contains(item) => Outcome::Unknown,
            Subject::Rule(_) => ask(sight.facts),
            Subject::Field(fact) => match sight.write(fact, value) {
                Shown::Unknown => Outcome::Unknown,
                Shown::Absent => ask(&RequestFacts { fields: &[], ..*sight.facts }),
                Shown::Value => {
                    ask(&RequestFacts { fields: &[Field { name: FIELD, value }], ..*sight.facts })
                }
            },
            Subject::Number(number) => match number.of(sight, value) {
                Some(content) => ask(&RequestFacts { content, ..*sight.facts }),
                None => Outcome::Unknown,
            },
        }
    }
}

impl Number {
    /// `None` if the log does not show it.
    fn of(self, sight: &Sight<'_>, value: &mut Vec<u8>) -> Option<ContentLength> {
        let known = |number: Option<u64>| number.map_or(ContentLength::Absent, ContentLength::Known);
        match self {
            Self::Bytes => sight.record.content_bytes.or(sight.record.sent_bytes).map(ContentLength::Known),
            Self::Fact(fact) => match sight.write(fact, value) {
                Shown::Unknown => None,
                Shown::Absent => Some(ContentLength::Absent),
                Shown::Value => {
                    Some(known(std::str::from_utf8(value).ok().and_then(|text| text.parse().ok())))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use seawall_logs::{Format, Formats};

    use super::*;
    use crate::analyze::request::Vantage;

    /// What the conditions come to for a line.
    fn outcome(conditions: &[&str], line: &str) -> Outcome {
        let conditions: Vec<String> = conditions.iter().map(|text| (*text).to_owned()).collect();
        let (filter, mut memory) = (Filter::new(&conditions).unwrap(), Memory::default());
        let mut found = None;
        Formats::from(Format::named("combined").unwrap()).read(line.as_bytes(), |_, record| {
            Vantage::named([], None).see(record, |facts, hidden| {
                found = Some(filter.holds(&Sight::new(record, facts, hidden, None), &mut memory));
            });
        });
        found.unwrap()
    }

    const LINE: &str = "192.0.2.77 - - [17/May/2015:10:05:03 +0000] \"POST //ca/cacert.pem?x=1 HTTP/1.1\" 404 512 \"-\" \"QQGameHall/5\"";

    #[test]
    fn conditions_of_rules_and_others_are_asked_of_the_request_as_the_gate_sees_it() {
        for condition in [
            "user-agent ~ QQ",
            "user-agent ~ ^QQ.*Hall",
            "user-agent ^= QQ",
            "user-agent *= Game",
            "user-agent != curl",
            "method = POST",
            "method in POST,PUT",
            "path = /ca/cacert.pem",
            "path $= .pem",
            "client in 192.0.2.0/24",
            "client = 192.0.2.77",
            "client not in fastly",
            "query-shape = x",
            "query-shape present",
            "referer absent",
            "status = 404",
            "status ~ ^4",
            "status >= 400",
            "status < 500",
            "bytes > 511",
            "extension = pem",
            "product = QQGameHall",
            "path-prefix = /ca/",
            "network/16 = 192.0.0.0/16",
            "hour-of-day = 10",
            "hour-of-day >= 8",
            "day = 2015-05-17",
            "user-agent = { contains = \"Game\" }",
            "path = [\"/ca/cacert.pem\", \"/x\"]",
            "{ method = \"POST\", path = { prefix = \"/ca/\" } }",
        ] {
            assert_eq!(outcome(&[condition], LINE), Outcome::Holds, "{condition}");
        }
        for condition in [
            "user-agent ~ ^Q$",
            "method != POST",
            "user-agent absent",
            "status !~ ^4",
            "status > 404",
            "bytes <= 511",
            "extension absent",
        ] {
            assert_eq!(outcome(&[condition], LINE), Outcome::Fails, "{condition}");
        }
    }

    #[test]
    fn all_conditions_must_hold_and_what_the_log_does_not_show_is_no_answer() {
        assert_eq!(outcome(&["method = POST", "status = 404"], LINE), Outcome::Holds);
        assert_eq!(outcome(&["method = POST", "status = 200"], LINE), Outcome::Fails);
        assert_eq!(outcome(&["host = a.example"], LINE), Outcome::Unknown);
        assert_eq!(outcome(&["country = CH"], LINE), Outcome::Unknown);
        assert_eq!(outcome(&["host = a.example", "method = GET"], LINE), Outcome::Fails);
    }

    #[test]
    fn what_is_wrong_with_a_condition_is_told_with_what_would_be_right() {
        for (condition, said) in [
            ("agent ~ x", "there is no fact `agent`: the facts are status"),
            ("user-agent", "after the fact comes one of"),
            ("user-agent ~", "a value is to come after `~`"),
            ("user-agent ~ (", "regular expression"),
            ("client ~ 192", "an address is compared with"),
            ("client = x", "neither a network nor a set"),
            ("status >= x", "not a whole number"),
            ("path > 5", "compares numbers: bytes, status"),
            ("bytes = 5", "bytes are compared with"),
            ("path = { prefx = \"/\" }", "prefx"),
            ("path = ca", "/"),
        ] {
            let error = Filter::new(&[condition.to_owned()]).unwrap_err();
            assert!(error.starts_with("--where '") && error.contains(said), "{condition}: {error}");
        }
    }
}
