//! HAProxy: `http-request deny`, `reject`, `silent-drop` and `allow` with named or anonymous conditions.

use std::collections::HashMap;

use http::HeaderName;
use seawall_rules::rule::{Action, Condition, Fact, Test};

use super::{Import, any_case, deny, network, place, regex};

pub(super) fn read(text: &str, import: &mut Import) {
    // `None`: not understood.
    let mut acls: HashMap<String, Option<Condition>> = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => {}
            // A section: its conditions are its own.
            [section] | [section, _] if is_section(section) => acls.clear(),
            ["acl", name, test @ ..] => {
                let condition = condition(test);
                if condition.is_none() {
                    import.leave_out(place(index, line), line);
                }
                // Two lines of one name hold if either does.
                let known = acls.remove(*name);
                let both = match (known, condition) {
                    (None, condition) => condition,
                    (Some(Some(one)), Some(other)) => either(one, other),
                    _ => None,
                };
                acls.insert((*name).to_owned(), both);
            }
            ["http-request", rest @ ..] => match request(rest, &acls) {
                Some((alternatives, action)) => {
                    for conditions in alternatives {
                        import.add(place(index, line), line, conditions, action.clone());
                    }
                }
                None => import.leave_out(place(index, line), line),
            },
            _ => import.leave_out(place(index, line), line),
        }
    }
}

fn is_section(word: &str) -> bool {
    matches!(word, "global" | "defaults" | "frontend" | "backend" | "listen")
}

fn request(
    words: &[&str],
    acls: &HashMap<String, Option<Condition>>,
) -> Option<(Vec<Vec<Condition>>, Action)> {
    let at = words.iter().position(|word| matches!(*word, "if" | "unless"))?;
    let (action, when) = words.split_at(at);
    let action = match action {
        ["deny"] => deny(403)?,
        ["deny" | "return", "deny_status" | "status", status, answer @ ..] if is_answer(answer) => {
            deny(status.parse().ok()?)?
        }
        ["reject" | "silent-drop"] => Action::Drop,
        ["allow"] => Action::Allow,
        _ => return None,
    };
    if when.first() != Some(&"if") {
        return None;
    }
    let mut alternatives = vec![Vec::new()];
    let mut words = when[1..].iter();
    while let Some(word) = words.next() {
        if matches!(*word, "||" | "or") {
            alternatives.push(Vec::new());
            continue;
        }
        let (word, negated) = match word.strip_prefix('!') {
            Some("") => (*words.next()?, true),
            Some(word) => (word, true),
            None => (*word, false),
        };
        let mut found = match word {
            "{" => {
                let inner: Vec<&str> = words.by_ref().copied().take_while(|word| *word != "}").collect();
                condition(&inner)?
            }
            name => acls.get(name)?.clone()?,
        };
        found.negated ^= negated;
        alternatives.last_mut()?.push(found);
    }
    // An empty alternative would be every request.
    (!alternatives.iter().any(Vec::is_empty)).then_some((alternatives, action))
}

/// What the person refused reads: pairs of a word and its value.
fn is_answer(words: &[&str]) -> bool {
    let known = |word: &str| matches!(word, "content-type" | "string" | "lf-string" | "file" | "errorfile");
    words.chunks(2).all(|pair| matches!(pair, [word, _] if known(word)))
}

/// What holds if either does, of the same fact, where a list can say it.
fn either(one: Condition, other: Condition) -> Option<Condition> {
    if one.fact != other.fact || one.negated || other.negated {
        return None;
    }
    let test = match (one.test, other.test) {
        (Test::Within(mut one), Test::Within(other)) => {
            one.extend(other);
            Test::Within(one)
        }
        (Test::Exact(one), Test::Exact(other)) => Test::OneOf(vec![one, other]),
        (Test::OneOf(mut one), Test::Exact(other)) => {
            one.push(other);
            Test::OneOf(one)
        }
        (Test::OneOf(mut one), Test::OneOf(other)) => {
            one.extend(other);
            Test::OneOf(one)
        }
        (one, other) => regex(&format!("(?:{})|(?:{})", expression(&one)?, expression(&other)?), false)?,
    };
    Some(Condition { fact: one.fact, test, negated: false })
}

/// A test of a text as an expression.
fn expression(test: &Test) -> Option<String> {
    let escaped = |text: &str| -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '/');
        text.chars()
            .map(|c| if plain(c) { c.to_string() } else { format!("\\x{{{:x}}}", u32::from(c)) })
            .collect()
    };
    Some(match test {
        Test::Exact(text) => format!("^{}\\z", escaped(text)),
        Test::Prefix(text) => format!("^{}", escaped(text)),
        Test::Suffix(text) => format!("{}\\z", escaped(text)),
        Test::Contains(text) => escaped(text),
        Test::OneOf(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| escaped(text)).collect();
            format!("^(?:{})\\z", texts.join("|"))
        }
        Test::Regex(pattern) => format!("(?:{pattern})"),
        Test::Absent | Test::Within(_) | Test::Range { .. } => return None,
    })
}

/// `path_beg -i /x`, `hdr(user-agent) -m sub x`, `src 192.0.2.0/24`.
fn condition(words: &[&str]) -> Option<Condition> {
    let (sample, mut rest) = words.split_first()?;
    let (fact, mut how) = sample_of(sample)?;
    let mut nocase = false;
    while let [flag, more @ ..] = rest {
        match (*flag, more) {
            ("-i", _) => nocase = true,
            ("-m", [kind, more @ ..]) => {
                how = kind;
                rest = more;
                continue;
            }
            ("--", _) => {
                rest = more;
                break;
            }
            (flag, _) if flag.starts_with('-') => return None,
            _ => break,
        }
        rest = more;
    }
    let values: Vec<String> = rest.iter().map(|value| (*value).to_owned()).collect();
    // Any of several values.
    if values.len() > 1 && how != "ip" && (nocase || how != "str") {
        let each = |value: &String| {
            let mut words = vec![*sample];
            words.extend(nocase.then_some("-i"));
            words.extend(["-m", how, "--", value]);
            condition(&words)
        };
        return values.iter().map(each).reduce(|one, other| either(one?, other?)).flatten();
    }
    let only = || match values.as_slice() {
        [value] if !value.is_empty() => Some(value.clone()),
        _ => None,
    };
    let test = match how {
        "ip" if values.is_empty() => return None,
        "ip" => Test::Within(values.iter().map(|value| network(value)).collect::<Option<_>>()?),
        "str" if nocase => any_case(&only()?, "^", r"\z")?,
        "beg" if nocase => any_case(&only()?, "^", "")?,
        "end" if nocase => any_case(&only()?, "", r"\z")?,
        "sub" if nocase => any_case(&only()?, "", "")?,
        "str" => match only() {
            Some(value) => Test::Exact(value),
            None => Test::OneOf(values),
        },
        "beg" => Test::Prefix(only()?),
        "end" => Test::Suffix(only()?),
        "sub" => Test::Contains(only()?),
        "reg" => regex(&only()?, nocase)?,
        _ => return None,
    };
    Some(Condition { fact, test, negated: false })
}

fn sample_of(sample: &str) -> Option<(Fact, &str)> {
    let (name, argument) = match sample.split_once('(') {
        Some((name, rest)) => (name, Some(rest.strip_suffix(')')?)),
        None => (sample, None),
    };
    let (name, how) = match name.rsplit_once('_') {
        Some((name, how @ ("beg" | "end" | "sub" | "reg"))) => (name, how),
        _ => (name, "str"),
    };
    let fact = match (name, argument) {
        ("path", None) => Fact::Path,
        ("method", None) => Fact::Method,
        ("src", None) => return Some((Fact::Client, "ip")),
        ("hdr" | "req.hdr" | "req.fhdr", Some(field)) => match field.to_ascii_lowercase().as_str() {
            "user-agent" => Fact::UserAgent,
            // With its port there, without one here.
            "host" => return None,
            field => Fact::Field(HeaderName::try_from(field).ok()?),
        },
        _ => return None,
    };
    Some((fact, how))
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '#' => break,
            c if c.is_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '\'' => {
                let word = word.get_or_insert_default();
                word.extend(chars.by_ref().take_while(|c| *c != '\''));
            }
            '"' => {
                let word = word.get_or_insert_default();
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    word.extend(if c == '\\' { chars.next() } else { Some(c) });
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
