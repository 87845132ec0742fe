//! A signature as the conditions of a rule.

use http::HeaderName;
use ipnet::IpNet;
use seawall_rules::rule::{Condition, Fact, Test};
use thiserror::Error;

use super::text::word;
use super::{Part, Signature, Term};
use crate::fact::{FactKind, FactValue};

/// Why a signature cannot be a rule.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Inexpressible {
    /// Rules do not look at this fact, or it is known only after the request was answered.
    #[error("no rule can look at `{0}`")]
    Fact(&'static str),
    /// The value has octets that are no text, or a set of values mixes what one test cannot hold.
    #[error("no rule can hold these values of `{0}`")]
    Value(&'static str),
    /// The signature is every exchange.
    #[error("it would match every request")]
    Everything,
}

impl Signature {
    /// The conditions of a rule that matches what the signature matches.
    ///
    /// # Errors
    ///
    /// If rules cannot express it; never for a signature of a [`crate::Rise`], except the empty one.
    pub fn conditions(&self) -> Result<Vec<Condition>, Inexpressible> {
        if self.terms.is_empty() {
            return Err(Inexpressible::Everything);
        }
        self.terms.iter().map(Term::condition).collect()
    }
}

impl Term {
    /// The condition that holds where the term does.
    ///
    /// # Errors
    ///
    /// If rules cannot express it.
    pub fn condition(&self) -> Result<Condition, Inexpressible> {
        match self {
            Self::Fact { kind, values } => one_of(*kind, values),
            Self::Present(kind) => {
                Ok(Condition { fact: presence(*kind)?, test: Test::Absent, negated: true })
            }
            Self::Like { kind, part, text } => like(*kind, *part, text),
            Self::WithoutField(name) => field(name, false),
            Self::WithField(name) => field(name, true),
        }
    }

    /// Whether [`Term::condition`] gives one.
    pub fn is_expressible(&self) -> bool {
        self.condition().is_ok()
    }
}

fn field(name: &'static str, negated: bool) -> Result<Condition, Inexpressible> {
    let name = HeaderName::from_static(name);
    Ok(Condition { fact: Fact::Field(name), test: Test::Absent, negated })
}

/// The fact, for kinds that a request may lack.
fn presence(kind: FactKind) -> Result<Fact, Inexpressible> {
    match kind {
        FactKind::QueryShape => Ok(Fact::QueryShape),
        FactKind::UserAgent | FactKind::AgentProduct => Ok(Fact::UserAgent),
        FactKind::RefererHost => Ok(Fact::Referer),
        FactKind::Host => Ok(Fact::Host),
        FactKind::TlsFingerprint => Ok(Fact::TlsFingerprint),
        _ => Err(Inexpressible::Fact(word(kind))),
    }
}

fn like(kind: FactKind, part: Part, text: &str) -> Result<Condition, Inexpressible> {
    let fact = match kind {
        FactKind::Path => Fact::Path,
        kind => presence(kind)?,
    };
    let text = plain(kind, text)?;
    let test = match part {
        Part::Prefix => Test::Prefix(text),
        Part::Contains => Test::Contains(text),
    };
    Ok(holds(fact, test))
}

fn one_of(kind: FactKind, values: &[FactValue]) -> Result<Condition, Inexpressible> {
    if values.contains(&FactValue::Absent) {
        return match values {
            [_] => absent(kind),
            _ => Err(Inexpressible::Value(word(kind))),
        };
    }
    let texts: Vec<String> = values
        .iter()
        .map(|value| match value {
            FactValue::Text(text) => plain(kind, text),
            FactValue::Absent => Err(Inexpressible::Value(word(kind))),
        })
        .collect::<Result<_, _>>()?;
    match kind {
        FactKind::Host => Ok(holds(Fact::Host, exact(texts))),
        FactKind::Method => Ok(holds(Fact::Method, exact(texts))),
        FactKind::Path => Ok(holds(Fact::Path, exact(texts))),
        FactKind::PathPrefix1 | FactKind::PathPrefix2 | FactKind::PathPrefix3 => {
            Ok(holds(Fact::Path, prefixed(&texts)))
        }
        FactKind::PathExtension => Ok(holds(Fact::Path, ending(&texts))),
        FactKind::QueryShape => Ok(holds(Fact::QueryShape, exact(texts))),
        FactKind::UserAgent => Ok(holds(Fact::UserAgent, exact(texts))),
        FactKind::AgentProduct => Ok(holds(Fact::UserAgent, named(&texts))),
        FactKind::RefererHost => Ok(holds(Fact::Referer, exact(texts))),
        FactKind::Network24 | FactKind::Network22 | FactKind::Network20 | FactKind::Network16 => {
            within(kind, &texts)
        }
        FactKind::Protocol => Ok(holds(Fact::Protocol, exact(texts))),
        FactKind::ContentClass => content(&texts),
        FactKind::TlsFingerprint => Ok(holds(Fact::TlsFingerprint, exact(texts))),
        FactKind::HeaderShape => Ok(holds(Fact::HeaderShape, exact(texts))),
        FactKind::Status | FactKind::Cache | FactKind::Country | FactKind::Asn => {
            Err(Inexpressible::Fact(word(kind)))
        }
    }
}

fn absent(kind: FactKind) -> Result<Condition, Inexpressible> {
    if kind == FactKind::PathExtension {
        let test = Test::Regex("\\.[0-9A-Za-z]{1,8}$".into());
        return Ok(Condition { fact: Fact::Path, test, negated: true });
    }
    Ok(holds(presence(kind)?, Test::Absent))
}

fn within(kind: FactKind, texts: &[String]) -> Result<Condition, Inexpressible> {
    let networks: Result<Vec<IpNet>, _> = texts.iter().map(|text| text.parse()).collect();
    let networks = networks.map_err(|_| Inexpressible::Value(word(kind)))?;
    Ok(holds(Fact::Client, Test::Within(networks)))
}

/// Classes of announced content as a range, where they are neighbours.
fn content(texts: &[String]) -> Result<Condition, Inexpressible> {
    let [text] = texts else {
        return Err(Inexpressible::Value(word(FactKind::ContentClass)));
    };
    let (min, max) = text.split_once('-').ok_or(Inexpressible::Value(word(FactKind::ContentClass)))?;
    let min = min.parse().map_err(|_| Inexpressible::Value(word(FactKind::ContentClass)))?;
    let max = if max.is_empty() { Ok(u64::MAX) } else { max.parse() };
    let max = max.map_err(|_| Inexpressible::Value(word(FactKind::ContentClass)))?;
    Ok(holds(Fact::ContentLength, Test::Range { min, max }))
}

fn holds(fact: Fact, test: Test) -> Condition {
    Condition { fact, test, negated: false }
}

fn exact(mut texts: Vec<String>) -> Test {
    match (texts.pop(), texts.is_empty()) {
        (Some(text), true) => Test::Exact(text),
        (Some(text), false) => {
            texts.push(text);
            Test::OneOf(texts)
        }
        (None, _) => Test::OneOf(texts),
    }
}

fn prefixed(texts: &[String]) -> Test {
    match texts {
        [text] => Test::Prefix(text.clone()),
        texts => Test::Regex(format!("^{}", any_of(texts))),
    }
}

fn ending(extensions: &[String]) -> Test {
    match extensions {
        [extension] => Test::Suffix(format!(".{extension}")),
        extensions => Test::Regex(format!("\\.{}$", any_of(extensions))),
    }
}

/// Names one of these products, as [`crate::agent::holds_word`] finds it: no character of a token (RFC 9110 §5.6.2)
/// right before it, nor right after.
fn named(texts: &[String]) -> Test {
    // Any octet, also one that is no text.
    const OTHER: &str = "(?-u:[^0-9A-Za-z!#$%&'*+.^_`|~-])";
    Test::Regex(format!("(?:^|{OTHER}){}(?:$|{OTHER})", any_of(texts)))
}

fn any_of(texts: &[String]) -> String {
    let escaped: Vec<String> = texts.iter().map(|text| escape(text)).collect();
    format!("(?:{})", escaped.join("|"))
}

/// The text as a regular expression that matches it alone.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Text that rules may hold: octets outside UTF-8 were replaced when it was read.
fn plain(kind: FactKind, text: &str) -> Result<String, Inexpressible> {
    if text.is_empty() && kind != FactKind::UserAgent || text.contains('\u{fffd}') {
        return Err(Inexpressible::Value(word(kind)));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use seawall_rules::rule::{Action, Author, Mode, Rule, check};

    use super::*;

    fn text(kind: FactKind, values: &[&str]) -> Term {
        Term::Fact { kind, values: values.iter().map(|value| FactValue::Text((*value).to_owned())).collect() }
    }

    #[test]
    fn every_expressible_term_makes_a_rule_without_a_fault() {
        let terms = [
            text(FactKind::Host, &["a.example"]),
            text(FactKind::Method, &["POST", "PUT"]),
            text(FactKind::Path, &["/a.(b)"]),
            text(FactKind::PathPrefix2, &["/a/b/", "/c+/d/"]),
            text(FactKind::PathExtension, &["php", "asp"]),
            Term::of(FactKind::PathExtension, FactValue::Absent),
            text(FactKind::QueryShape, &["a&b"]),
            Term::Present(FactKind::QueryShape),
            Term::of(FactKind::RefererHost, FactValue::Absent),
            text(FactKind::UserAgent, &["x [y]"]),
            Term::of(FactKind::UserAgent, FactValue::Absent),
            text(FactKind::AgentProduct, &["C++-client", "wget"]),
            text(FactKind::Network22, &["192.0.0.0/22", "2001:db8::/48"]),
            text(FactKind::Protocol, &["HTTP/1.1"]),
            text(FactKind::ContentClass, &["256-4095"]),
            text(FactKind::ContentClass, &["65536-"]),
            Term::Like { kind: FactKind::Path, part: Part::Prefix, text: "/img_".into() },
            Term::WithoutField("accept-language"),
            Term::WithField("range"),
        ];
        let conditions = Signature::new(terms).conditions().expect("all can be expressed");
        for condition in conditions {
            let rule = Rule {
                name: "r".into(),
                conditions: vec![condition],
                action: Action::Drop,
                mode: Mode::Observe,
                portion: None,
                expires: None,
                note: None,
                author: Author::Operator,
            };
            assert_eq!(check(&rule), [], "{:?}", rule.conditions);
        }
    }

    #[test]
    fn what_rules_cannot_hold_is_refused_with_a_reason() {
        for (term, reason) in [
            (text(FactKind::Status, &["200"]), "no rule can look at `status`"),
            (text(FactKind::Asn, &["64500"]), "no rule can look at `asn`"),
            (text(FactKind::UserAgent, &["a\u{fffd}"]), "no rule can hold these values of `user-agent`"),
            (
                Term::Fact {
                    kind: FactKind::RefererHost,
                    values: vec![FactValue::Absent, FactValue::Text("a.example".into())],
                },
                "no rule can hold these values of `referer`",
            ),
            (text(FactKind::ContentClass, &["none"]), "no rule can hold these values of `content-length`"),
        ] {
            assert_eq!(Signature::new([term]).conditions().unwrap_err().to_string(), reason);
        }
        assert_eq!(Signature::default().conditions(), Err(Inexpressible::Everything));
    }
}
