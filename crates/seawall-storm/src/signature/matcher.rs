//! [`Matcher`]: which specimens a signature matches, by what its rule would match.

use ipnet::IpNet;
use seawall_http::{FieldPresence, HeaderShape};

use super::{Part, Signature, Term};
use crate::agent::Word;
use crate::fact::{FactKind, FactValue};
use crate::specimen::Specimen;

/// A signature made ready to be held against many specimens. The product of an agent is looked for as its rule does,
/// as a word in the agent, so that collateral is that of the rule.
#[derive(Clone, Debug)]
pub struct Matcher {
    with: FieldPresence,
    without: FieldPresence,
    tests: Vec<Test>,
}

#[derive(Clone, Debug)]
enum Test {
    OneOf {
        kind: FactKind,
        texts: Box<[String]>,
        or_absent: bool,
    },
    /// Of facts that a specimen holds as numbers.
    Number {
        kind: FactKind,
        numbers: Box<[u64]>,
        or_absent: bool,
    },
    Product {
        words: Box<[Word]>,
        or_absent: bool,
    },
    Within(Box<[IpNet]>),
    Present(FactKind),
    Like(FactKind, Part, String),
    Never,
}

impl Matcher {
    /// Ready for use.
    pub fn new(signature: &Signature) -> Self {
        let mut matcher =
            Self { with: FieldPresence::default(), without: FieldPresence::default(), tests: Vec::new() };
        for term in &signature.terms {
            matcher.add(term);
        }
        matcher
    }

    /// Whether every term holds for the exchange. A fact that its source does not show fails the term.
    pub fn matches(&self, specimen: &Specimen) -> bool {
        self.fields_match(specimen) && self.tests.iter().all(|test| test.holds(specimen))
    }

    fn fields_match(&self, specimen: &Specimen) -> bool {
        let none = FieldPresence::default();
        match specimen.fields.map(FieldPresence::from_bits) {
            None => self.with == none && self.without == none,
            Some(fields) => fields.contains(self.with) && fields.missing().contains(self.without),
        }
    }

    fn add(&mut self, term: &Term) {
        let test = match term {
            Term::Fact { kind, values } => Test::of_fact(*kind, values),
            Term::Present(kind) => Test::Present(*kind),
            Term::Like { kind, part, text } => Test::Like(*kind, *part, text.clone()),
            Term::WithField(name) => match FieldPresence::of_name(name) {
                Some(field) => return self.with = self.with.union(field),
                None => Test::Never,
            },
            Term::WithoutField(name) => match FieldPresence::of_name(name) {
                Some(field) => return self.without = self.without.union(field),
                None => Test::Never,
            },
        };
        self.tests.push(test);
    }
}

impl Test {
    fn of_fact(kind: FactKind, values: &[FactValue]) -> Self {
        let or_absent = values.contains(&FactValue::Absent);
        let texts: Box<[String]> = values
            .iter()
            .filter_map(|value| match value {
                FactValue::Text(text) => Some(text.clone()),
                FactValue::Absent => None,
            })
            .collect();
        match kind {
            FactKind::AgentProduct => {
                Self::Product { words: texts.iter().map(|text| Word::new(text)).collect(), or_absent }
            }
            FactKind::HeaderShape | FactKind::Status | FactKind::Asn => {
                let numbers = texts.iter().filter_map(|text| number(kind, text)).collect();
                Self::Number { kind, numbers, or_absent }
            }
            FactKind::Network24 | FactKind::Network22 | FactKind::Network20 | FactKind::Network16 => {
                Self::Within(texts.iter().filter_map(|text| text.parse().ok()).collect())
            }
            kind => Self::OneOf { kind, texts, or_absent },
        }
    }

    fn holds(&self, specimen: &Specimen) -> bool {
        match self {
            Self::OneOf { kind, texts, or_absent } => {
                if specimen.is_absent(*kind) {
                    return *or_absent;
                }
                specimen.is_exact(*kind)
                    && specimen.text(*kind).is_some_and(|text| texts.iter().any(|value| *value == text))
            }
            Self::Number { kind, numbers, or_absent } => {
                if specimen.is_absent(*kind) {
                    return *or_absent;
                }
                specimen.number(*kind).is_some_and(|number| numbers.contains(&number))
            }
            Self::Product { words, or_absent } => match specimen.text(FactKind::UserAgent) {
                Some(agent) => words.iter().any(|word| word.is_in(agent.as_bytes())),
                None => *or_absent && specimen.is_absent(FactKind::UserAgent),
            },
            Self::Within(networks) => {
                networks.iter().any(|network| network.contains(&specimen.values.network))
            }
            // An agent that names no product is one all the same, to rules.
            Self::Present(FactKind::AgentProduct) => specimen.text(FactKind::UserAgent).is_some(),
            Self::Present(kind) => specimen.text(*kind).is_some(),
            Self::Like(kind, part, text) => {
                specimen.text(*kind).is_some_and(|value| part.matches(&value, text))
            }
            Self::Never => false,
        }
    }
}

/// As a specimen holds it; none if no specimen has that text.
fn number(kind: FactKind, text: &str) -> Option<u64> {
    match kind {
        FactKind::HeaderShape => text.parse().ok().map(HeaderShape::bits),
        _ => text.parse::<u32>().ok().filter(|number| number.to_string() == text).map(u64::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Exchange, specimen};

    fn text(kind: FactKind, value: &str) -> Term {
        Term::of(kind, FactValue::Text(value.into()))
    }

    #[test]
    fn each_kind_of_term_matches_what_it_says() {
        let one = specimen(Exchange {
            method: "POST",
            path: "/a/b.php",
            query: Some("x=1&y=2"),
            user_agent: Some("Mozilla/5.0 (compatible; Foo/1.2)"),
            client: "192.0.2.77".parse().unwrap(),
            fields: &["accept"],
            ..Exchange::default()
        });
        let none = specimen(Exchange { user_agent: None, ..Exchange::default() });
        for (term, matches_one, matches_none) in [
            (text(FactKind::Method, "POST"), true, false),
            (text(FactKind::PathPrefix1, "/a/"), true, false),
            (text(FactKind::PathExtension, "php"), true, false),
            (Term::of(FactKind::PathExtension, FactValue::Absent), false, true),
            (text(FactKind::QueryShape, "x&y"), true, false),
            (Term::Present(FactKind::QueryShape), true, false),
            (Term::of(FactKind::UserAgent, FactValue::Absent), false, true),
            (text(FactKind::AgentProduct, "Foo"), true, false),
            (text(FactKind::Network22, "192.0.0.0/22"), true, false),
            (text(FactKind::Network24, "192.0.3.0/24"), false, false),
            (
                Term::Like { kind: FactKind::UserAgent, part: Part::Contains, text: "Foo/".into() },
                true,
                false,
            ),
            (Term::Like { kind: FactKind::Path, part: Part::Prefix, text: "/a".into() }, true, false),
            (Term::WithField("accept"), true, false),
            (Term::WithoutField("accept-language"), true, true),
            (Term::WithoutField("x-unheard-of"), false, false),
        ] {
            let matcher = Matcher::new(&Signature::new([term.clone()]));
            assert_eq!(
                (matcher.matches(&one), matcher.matches(&none)),
                (matches_one, matches_none),
                "{term}"
            );
        }
        let both = Signature::new([text(FactKind::Method, "POST"), text(FactKind::Path, "/a/b.php")]);
        assert!(Matcher::new(&both).matches(&one));
        assert!(Matcher::new(&Signature::default()).matches(&none));
    }
}
