//! Apache httpd: `Require not ip`, `Deny from`, agents by `SetEnvIf` and `BrowserMatch`, `RewriteCond` with a
//! `RewriteRule` that forbids, `Redirect` with a status that refuses, and locations that deny all.

use std::collections::HashMap;

use http::HeaderName;
use seawall_rules::rule::{Action, Condition, Fact, Test};

use super::{Import, deny, is, network, regex};

#[derive(Default)]
struct State {
    /// Variables that `SetEnvIf` set, with what sets them and where.
    variables: HashMap<String, Condition>,
    /// Conditions that wait for their `RewriteRule`; `None` once one was not understood.
    rewrite: Vec<(usize, String, Option<Condition>)>,
    /// The locations around.
    within: Vec<Option<Condition>>,
}

pub(super) fn read(text: &str, import: &mut Import) {
    let mut state = State::default();
    let mut lines = text.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let mut whole = first.to_owned();
        // A backslash at the end goes on in the next line.
        while let Some(start) = whole.strip_suffix('\\') {
            let next = lines.next().map(|(_, next)| next).unwrap_or_default();
            whole = format!("{start}{next}");
        }
        let trimmed = whole.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        // The end of a container's first line, which may stand right behind a quote.
        let words = words(if trimmed.starts_with('<') { trimmed.trim_end_matches('>') } else { trimmed });
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if one(index + 1, trimmed, &words, &mut state, import).is_none() {
            import.leave_out(index + 1, trimmed);
        }
    }
    for (line, text, _) in state.rewrite {
        import.leave_out(line, &text);
    }
}

/// `None` if it is not understood.
fn one(line: usize, text: &str, words: &[&str], state: &mut State, import: &mut Import) -> Option<()> {
    let (name, arguments) = words.split_first()?;
    let name = name.to_ascii_lowercase();
    // A container that is not understood leaves out what stands in it.
    if name.starts_with("</") {
        return state.within.pop().map(|_| ());
    }
    if let Some(kind) = name.strip_prefix('<') {
        let argument = arguments.last().copied();
        let condition = match (kind, arguments.len()) {
            ("location", 1) => argument.map(|path| is(Fact::Path, Test::Prefix(path.to_owned()))),
            ("locationmatch", 1) => {
                argument.and_then(|pattern| regex(pattern, false)).map(|test| is(Fact::Path, test))
            }
            _ => None,
        };
        let known = condition.is_some() || matches!(kind, "virtualhost" | "ifmodule" | "requireall");
        match (condition, known) {
            (Some(condition), _) => state.within.push(Some(condition)),
            // No condition of its own.
            (None, true) => state.within.push(Some(is(Fact::Path, Test::Prefix("/".to_owned())))),
            (None, false) => {
                state.within.push(None);
                return None;
            }
        }
        return Some(());
    }
    let within: Option<Vec<Condition>> = state.within.iter().cloned().collect();
    let within: Vec<Condition> =
        within?.into_iter().filter(|one| one.test != Test::Prefix("/".to_owned())).collect();
    let mut refuse = |conditions: Vec<Condition>, action: Action| {
        import.add(line, text, within.iter().cloned().chain(conditions).collect(), action);
        Some(())
    };
    let lower: Vec<String> = arguments.iter().map(|word| word.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    match (name.as_str(), lower.as_slice()) {
        ("rewriteengine", ["on"]) | ("order", _) => Some(()),
        ("require", ["all", "granted"]) => Some(()),
        ("require", ["all", "denied"]) | ("deny", ["from", "all"]) if !within.is_empty() => {
            refuse(Vec::new(), deny(403)?)
        }
        ("require", ["not", "ip", networks @ ..]) | ("deny", ["from", networks @ ..])
            if networks.iter().all(|text| network(text).is_some()) =>
        {
            let networks = networks.iter().filter_map(|text| network(text)).collect();
            refuse(vec![is(Fact::Client, Test::Within(networks))], deny(403)?)
        }
        ("require", ["not", "env", variable]) => {
            refuse(vec![state.variables.get(*variable)?.clone()], deny(403)?)
        }
        ("deny", ["from", variable]) => {
            refuse(vec![state.variables.get(variable.strip_prefix("env=")?)?.clone()], deny(403)?)
        }
        ("browsermatch" | "browsermatchnocase", [_, variable]) => {
            let test = regex(arguments[0], name.ends_with("nocase"))?;
            set(state, variable, is(Fact::UserAgent, test))
        }
        ("setenvif" | "setenvifnocase", [_, _, variable]) => {
            let test = regex(arguments[1], name.ends_with("nocase"))?;
            set(state, variable, is(attribute(arguments[0])?, test))
        }
        ("rewritecond", [_, _]) | ("rewritecond", [_, _, _]) => {
            let condition = rewrite_condition(arguments);
            state.rewrite.push((line, text.to_owned(), condition));
            Some(())
        }
        ("rewriterule", [_, "-", flags]) => {
            let waiting = std::mem::take(&mut state.rewrite);
            let action = rewrite_action(flags);
            let conditions: Option<Vec<Condition>> = waiting.iter().map(|(_, _, one)| one.clone()).collect();
            let path = rewrite_path(arguments[0]);
            let (Some(action), Some(mut conditions), Some(path)) = (action, conditions, path) else {
                waiting.iter().for_each(|(line, text, _)| import.leave_out(*line, text));
                return None;
            };
            conditions.extend(path);
            refuse(conditions, action)
        }
        ("redirect", ["gone", _]) => {
            refuse(vec![is(Fact::Path, Test::Prefix(arguments[1].to_owned()))], deny(410)?)
        }
        ("redirect", [status, _]) => {
            let action = deny(status.parse().ok()?)?;
            refuse(vec![is(Fact::Path, Test::Prefix(arguments[1].to_owned()))], action)
        }
        ("redirectmatch", [status, _]) => {
            let action = deny(status.parse().ok()?)?;
            refuse(vec![is(Fact::Path, regex(arguments[1], false)?)], action)
        }
        _ => None,
    }
}

fn set(state: &mut State, variable: &str, condition: Condition) -> Option<()> {
    // Set by two, it stands for either, which a rule's conditions cannot say.
    if variable.contains(['=', '!']) || state.variables.contains_key(variable) {
        state.variables.remove(variable);
        return None;
    }
    state.variables.insert(variable.to_owned(), condition);
    Some(())
}

fn attribute(name: &str) -> Option<Fact> {
    Some(match name.to_ascii_lowercase().as_str() {
        "user-agent" => Fact::UserAgent,
        "request_uri" => Fact::Path,
        "request_method" => Fact::Method,
        "remote_addr" | "remote_host" | "request_protocol" | "server_addr" | "host" => return None,
        name => Fact::Field(HeaderName::try_from(name).ok()?),
    })
}

fn rewrite_condition(arguments: &[&str]) -> Option<Condition> {
    let variable = arguments[0].strip_prefix("%{")?.strip_suffix('}')?;
    let fact = match variable.to_ascii_uppercase().as_str() {
        "HTTP_USER_AGENT" => Fact::UserAgent,
        "HTTP_REFERER" => Fact::Field(http::header::REFERER),
        "REQUEST_METHOD" => Fact::Method,
        "REQUEST_URI" => Fact::Path,
        variable => Fact::Field(HeaderName::try_from(variable.strip_prefix("HTTP:")?).ok()?),
    };
    let any_case = match arguments.get(2).copied() {
        None | Some("[]") => false,
        Some("[NC]" | "[nc]" | "[nocase]") => true,
        Some(_) => return None,
    };
    let (pattern, negated) = match arguments[1].strip_prefix('!') {
        Some(pattern) => (pattern, true),
        None => (arguments[1], false),
    };
    // `-f`, `<A` and the like are no expressions.
    if pattern.starts_with(['-', '<', '>', '=']) {
        return None;
    }
    // An absent field counts as empty there.
    let test = regex(pattern, any_case)?;
    let empty = regex::bytes::Regex::new(match &test {
        Test::Regex(text) => text,
        _ => return None,
    });
    (!empty.ok()?.is_match(b"")).then_some(Condition { fact, test, negated })
}

fn rewrite_action(flags: &str) -> Option<Action> {
    let flags = flags.strip_prefix('[')?.strip_suffix(']')?;
    let mut action = None;
    for flag in flags.split(',') {
        match flag {
            "f" | "forbidden" => action = Some(403),
            "g" | "gone" => action = Some(410),
            "l" | "last" | "end" => {}
            flag => action = Some(flag.strip_prefix("r=")?.parse().ok()?),
        }
    }
    deny(action?)
}

/// The outer `None` is a pattern that is not understood: in a folder's file the path has no leading slash.
fn rewrite_path(pattern: &str) -> Option<Option<Condition>> {
    match pattern {
        "^" | "." | ".*" | "^.*$" | "^.*" | "^(.*)$" | "(.*)" => Some(None),
        pattern if pattern.starts_with("^/") => Some(Some(is(Fact::Path, regex(pattern, false)?))),
        _ => None,
    }
}

/// Words, some of them in quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '"' | '\'' => {
                let mut word = String::new();
                while let Some(inner) = chars.next() {
                    match inner {
                        inner if inner == c => break,
                        '\\' if chars.peek() == Some(&c) || chars.peek() == Some(&'\\') => {
                            word.extend(chars.next())
                        }
                        inner => word.push(inner),
                    }
                }
                words.push(word);
            }
            c => {
                let mut word = String::from(c);
                while let Some(inner) = chars.next_if(|next| !next.is_whitespace()) {
                    word.push(inner);
                }
                words.push(word);
            }
        }
    }
    words
}
