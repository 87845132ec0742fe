//! YAML in block style. Every text stands in quotes, in printable ASCII alone: no text of a rule can end its scalar,
//! begin an anchor, a tag or a comment, or be taken for a number.

use std::fmt::Write as _;

/// One value.
#[derive(Clone, Debug)]
pub(super) enum Yaml {
    Text(String),
    /// The same for a text with many backslashes: in single quotes, if it has no other.
    Raw(String),
    /// A number or one of a closed set of words.
    Bare(String),
    Map(Vec<Entry>),
    List(Vec<Yaml>),
}

/// One key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    comment: Option<String>,
    key: String,
    value: Yaml,
}

impl Yaml {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn raw(text: impl Into<String>) -> Self {
        Self::Raw(text.into())
    }

    pub(super) fn bare(word: impl ToString) -> Self {
        Self::Bare(word.to_string())
    }

    pub(super) fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| Entry::new(key, value)).collect())
    }

    /// A map of one key.
    pub(super) fn one(key: &str, value: Self) -> Self {
        Self::map([(key, value)])
    }

    pub(super) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// The document, without what marks its beginning.
    pub(super) fn print(&self) -> String {
        let mut out = String::new();
        self.block(0, &mut out);
        out
    }

    fn block(&self, indent: usize, out: &mut String) {
        match self {
            Self::Map(entries) if !entries.is_empty() => {
                for (index, entry) in entries.iter().enumerate() {
                    // The first key of an item stands behind its dash.
                    let here = out.is_empty() || out.ends_with('\n');
                    if let Some(comment) = entry.comment.as_ref().filter(|_| here) {
                        let _ = writeln!(out, "{:indent$}# {comment}", "");
                    }
                    if index > 0 || here {
                        let _ = write!(out, "{:indent$}", "");
                    }
                    let _ = write!(out, "{}:", key(&entry.key));
                    entry.value.after_key(indent, out);
                }
            }
            Self::List(items) if !items.is_empty() => {
                for item in items {
                    let _ = write!(out, "{:indent$}- ", "");
                    match item {
                        Self::Map(entries) if !entries.is_empty() => item.block(indent + 2, out),
                        item => {
                            item.inline(out);
                            out.push('\n');
                        }
                    }
                }
            }
            other => {
                other.inline(out);
                out.push('\n');
            }
        }
    }

    fn after_key(&self, indent: usize, out: &mut String) {
        match self {
            Self::Map(entries) if !entries.is_empty() => {
                out.push('\n');
                self.block(indent + 2, out);
            }
            Self::List(items) if !items.is_empty() => {
                out.push('\n');
                self.block(indent, out);
            }
            value => {
                out.push(' ');
                value.inline(out);
                out.push('\n');
            }
        }
    }

    fn inline(&self, out: &mut String) {
        match self {
            Self::Raw(text) if text.chars().all(|c| matches!(c, ' '..='~') && c != '\'') => {
                let _ = write!(out, "'{text}'");
            }
            Self::Text(text) | Self::Raw(text) => quote(text, out),
            Self::Bare(word) => out.push_str(word),
            Self::Map(_) => out.push_str("{}"),
            Self::List(items) if items.is_empty() => out.push_str("[]"),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    item.inline(out);
                }
                out.push(']');
            }
        }
    }
}

impl Entry {
    pub(super) fn new(key: impl Into<String>, value: Yaml) -> Self {
        Self { comment: None, key: key.into(), value }
    }

    /// With a line above it; the line is one of `plan::one_line`.
    pub(super) fn with_comment(key: impl Into<String>, value: Yaml, comment: String) -> Self {
        Self { comment: Some(comment), ..Self::new(key, value) }
    }
}

fn key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphabetic() || c == '_';
    match !key.is_empty() && key.chars().all(bare) {
        true => key.to_owned(),
        false => {
            let mut out = String::new();
            quote(key, &mut out);
            out
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        let _ = match (c, u32::from(c)) {
            ('"' | '\\', _) => write!(out, "\\{c}"),
            (' '..='~', _) => write!(out, "{c}"),
            ('\n', _) => write!(out, "\\n"),
            (_, code @ 0..=0xff) => write!(out, "\\x{code:02x}"),
            (_, code @ 0x100..=0xffff) => write!(out, "\\u{code:04x}"),
            (_, code) => write!(out, "\\U{code:08x}"),
        };
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_indented_and_texts_quoted() {
        let list = Yaml::list([
            Yaml::one("a", Yaml::map([("b", Yaml::text("c")), ("true_", Yaml::bare(1))])),
            Yaml::map([("d", Yaml::list([Yaml::text("\"\\ü\u{1f600}\n")])), ("1", Yaml::list([]))]),
            Yaml::text("e"),
        ]);
        let document = Yaml::Map(vec![
            Entry::with_comment("first", list, "why".to_owned()),
            Entry::new("@last", Yaml::map::<&str>([])),
        ]);
        let lines = [
            "# why",
            "first:",
            "- a:",
            "    b: \"c\"",
            "    true_: 1",
            "- d:",
            "  - \"\\\"\\\\\\xfc\\U0001f600\\n\"",
            "  \"1\": []",
            "- \"e\"",
            "\"@last\": {}",
        ];
        assert_eq!(document.print().lines().collect::<Vec<_>>(), lines);
    }
}
