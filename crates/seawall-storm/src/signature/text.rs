//! How a signature reads: `method = POST ∧ path = /ca/cacert.pem ∧ user-agent prefix QQGameHall`.

use std::fmt::{self, Display as _};

use super::{Part, Signature, Term};
use crate::fact::{FactKind, FactValue};

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.terms.is_empty() {
            return f.write_str("every exchange");
        }
        for (index, term) in self.terms.iter().enumerate() {
            if index > 0 {
                f.write_str(" ∧ ")?;
            }
            term.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fact { kind, values } => fact(*kind, values, f),
            Self::Present(kind) => write!(f, "{} present", word(*kind)),
            Self::Like { kind, part, text } => {
                let part = match part {
                    Part::Prefix => "prefix",
                    Part::Contains => "contains",
                };
                write!(f, "{} {part} {}", word(*kind), Quoted(text))
            }
            Self::WithoutField(name) => write!(f, "header.{name} absent"),
            Self::WithField(name) => write!(f, "header.{name} present"),
        }
    }
}

fn fact(kind: FactKind, values: &[FactValue], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let single = match values {
        [FactValue::Absent] => return write!(f, "{} absent", word(kind)),
        [_] => true,
        _ => false,
    };
    let relation = match (relation(kind), single) {
        ("=", true) => "=",
        ("=", false) => "one of",
        (relation, true) => relation,
        (relation, false) => return list(word(kind), &format!("{relation} one of"), values, f),
    };
    list(word(kind), relation, values, f)
}

fn list(word: &str, relation: &str, values: &[FactValue], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{word} {relation} ")?;
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        match value {
            FactValue::Absent => f.write_str("absent")?,
            FactValue::Text(text) => Quoted(text).fmt(f)?,
        }
    }
    Ok(())
}

/// Text as it is if it is one plain word, else in quotes, with what does not print escaped.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = !self.0.is_empty()
            && self.0.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"\"',∧".contains(c));
        if is_plain { f.write_str(self.0) } else { write!(f, "{:?}", self.0) }
    }
}

fn relation(kind: FactKind) -> &'static str {
    match kind {
        FactKind::PathPrefix1 | FactKind::PathPrefix2 | FactKind::PathPrefix3 => "prefix",
        FactKind::AgentProduct => "product",
        FactKind::Network24 | FactKind::Network22 | FactKind::Network20 | FactKind::Network16 => "within",
        _ => "=",
    }
}

impl FactKind {
    /// As the rule language names it; where that has none, as reports do.
    pub fn word(self) -> &'static str {
        word(self)
    }
}

/// The fact as the rule language names it; where that has none, as reports do.
pub(super) fn word(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Host => "host",
        FactKind::Method => "method",
        FactKind::Path | FactKind::PathPrefix1 | FactKind::PathPrefix2 | FactKind::PathPrefix3 => "path",
        FactKind::PathExtension => "path-extension",
        FactKind::QueryShape => "query-shape",
        FactKind::UserAgent | FactKind::AgentProduct => "user-agent",
        FactKind::RefererHost => "referer",
        FactKind::Network24 | FactKind::Network22 | FactKind::Network20 | FactKind::Network16 => "client",
        FactKind::Protocol => "protocol",
        FactKind::TlsFingerprint => "tls-fingerprint",
        FactKind::HeaderShape => "header-shape",
        FactKind::ContentClass => "content-length",
        FactKind::Status => "status",
        FactKind::Cache => "cache",
        FactKind::Country => "country",
        FactKind::Asn => "asn",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: FactKind, value: &str) -> Term {
        Term::of(kind, FactValue::Text(value.into()))
    }

    #[test]
    fn the_story_reads_as_a_person_would_say_it() {
        let signature = Signature::new([
            Term::Like { kind: FactKind::UserAgent, part: Part::Prefix, text: "QQGameHall".into() },
            text(FactKind::Path, "/ca/cacert.pem"),
            text(FactKind::Method, "POST"),
        ]);
        assert_eq!(
            signature.to_string(),
            "method = POST ∧ path = /ca/cacert.pem ∧ user-agent prefix QQGameHall"
        );
    }

    #[test]
    fn each_kind_of_term_has_words() {
        let terms = [
            (Term::of(FactKind::UserAgent, FactValue::Absent), "user-agent absent"),
            (Term::Present(FactKind::QueryShape), "query-shape present"),
            (Term::WithoutField("accept-language"), "header.accept-language absent"),
            (text(FactKind::UserAgent, "a b"), "user-agent = \"a b\""),
            (text(FactKind::AgentProduct, "curl"), "user-agent product curl"),
            (text(FactKind::Network22, "192.0.0.0/22"), "client within 192.0.0.0/22"),
            (
                Term::Like { kind: FactKind::UserAgent, part: Part::Contains, text: "Foo/".into() },
                "user-agent contains Foo/",
            ),
            (
                Term::Fact {
                    kind: FactKind::Path,
                    values: vec![FactValue::Text("/a".into()), FactValue::Text("/b".into())],
                },
                "path one of /a, /b",
            ),
        ];
        for (term, words) in terms {
            assert_eq!(term.to_string(), words);
        }
        assert_eq!(Signature::default().to_string(), "every exchange");
    }

    #[test]
    fn a_signature_covers_what_is_narrower() {
        let wide = Signature::new([text(FactKind::Method, "POST"), Term::Present(FactKind::QueryShape)]);
        let narrow = Signature::new([
            text(FactKind::Method, "POST"),
            text(FactKind::QueryShape, "a&b"),
            text(FactKind::Path, "/x"),
        ]);
        assert!(wide.covers(&narrow));
        assert!(!narrow.covers(&wide));
        assert!(Signature::default().covers(&narrow));
    }
}
