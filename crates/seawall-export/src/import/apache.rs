//! Apache httpd: `Require not ip`, `Deny from`, agents by `SetEnvIf` and `BrowserMatch`, `RewriteCond` with a
//! `RewriteRule` that forbids, `Redirect` with a status that refuses, and locations that deny all.

use std::collections::HashMap;

use http::HeaderName;
use seawall_rules::rule::{Action, Condition, Fact, Test};

use super::{Import, Place, choices, deny, is, network, place, regex};

#[derive(Default)]
struct State {
    /// Variables that `SetEnvIf` set, with what sets them and where.
    variables: HashMap<String, Vec<Condition>>,
    /// Conditions that wait for their `RewriteRule`; `None` for one that is not understood.
    rewrite: Vec<(Place, String, Option<RewriteCondition>)>,
    /// The locations around.
    within: Vec<Option<Condition>>,
    /// How deep a rule that denies all stands, its name, and its line.
    denied: Vec<(usize, String, Place, String)>,
    /// How deep somebody is allowed by name: whom a rule there would refuse.
    allowed: Vec<usize>,
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
        let place = place(index, first);
        if one(place, trimmed, &words, &mut state, import).is_none() {
            import.leave_out(place, trimmed);
        }
    }
    for (line, text, _) in state.rewrite {
        import.leave_out(line, &text);
    }
}

/// `None` if it is not understood.
fn one(line: Place, text: &str, words: &[&str], state: &mut State, import: &mut Import) -> Option<()> {
    let (name, arguments) = words.split_first()?;
    let name = name.to_ascii_lowercase();
    // A container that is not understood leaves out what stands in it.
    if name.starts_with("</") {
        take_back(state, import);
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
    if matches!(name.as_str(), "allow" | "require") && !allows_by_rule(arguments) {
        // Containers around may join what they hold in any way.
        state.allowed.extend(1..=state.within.len());
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
            refuse(Vec::new(), deny(403)?);
            let name = import.rules.last()?.name.clone();
            state.denied.push((state.within.len(), name, line, text.to_owned()));
            Some(())
        }
        ("require", ["not", "ip", networks @ ..]) | ("deny", ["from", networks @ ..])
            if networks.iter().all(|text| network(text).is_some()) =>
        {
            let networks = networks.iter().filter_map(|text| network(text)).collect();
            refuse(vec![is(Fact::Client, Test::Within(networks))], deny(403)?)
        }
        ("require", ["not", "env", variable]) => {
            for condition in state.variables.get(*variable)?.clone() {
                refuse(vec![condition], deny(403)?);
            }
            Some(())
        }
        ("deny", ["from", variable]) => {
            for condition in state.variables.get(variable.strip_prefix("env=")?)?.clone() {
                refuse(vec![condition], deny(403)?);
            }
            Some(())
        }
        ("browsermatch" | "browsermatchnocase", [_, variable]) if within.is_empty() => {
            let test = regex(arguments[0], name.ends_with("nocase"))?;
            set(state, variable, is(Fact::UserAgent, test))
        }
        ("setenvif" | "setenvifnocase", [_, _, variable]) if within.is_empty() => {
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
            let known: Option<Vec<RewriteCondition>> =
                waiting.iter().map(|(_, _, one)| one.clone()).collect();
            let conditions = known.and_then(|known| choices(&groups(known)));
            let path = rewrite_path(arguments[0]);
            let (Some(action), Some(alternatives), Some(path)) = (action, conditions, path) else {
                waiting.iter().for_each(|(line, text, _)| import.leave_out(*line, text));
                return None;
            };
            for mut conditions in alternatives {
                conditions.extend(path.clone());
                refuse(conditions, action.clone());
            }
            Some(())
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

/// Whether it allows everybody, or nobody: else somebody by name.
fn allows_by_rule(arguments: &[&str]) -> bool {
    let lower = arguments.iter().map(|word| word.to_ascii_lowercase()).collect::<Vec<_>>();
    matches!(
        lower.iter().map(String::as_str).collect::<Vec<_>>().as_slice(),
        ["all" | "not", ..] | ["from", "all"]
    )
}

/// At a container's end: where somebody is allowed, to deny all is not to deny everybody.
fn take_back(state: &mut State, import: &mut Import) {
    let depth = state.within.len();
    let (here, others) = std::mem::take(&mut state.denied).into_iter().partition(|one| one.0 == depth);
    state.denied = others;
    let is_allowed = state.allowed.contains(&depth);
    state.allowed.retain(|other| *other != depth);
    let here: Vec<_> = here;
    for (_, name, place, text) in here.into_iter().filter(|_| is_allowed) {
        import.rules.retain(|rule| rule.name != name);
        import.leave_out(place, &text);
    }
}

fn set(state: &mut State, variable: &str, condition: Condition) -> Option<()> {
    // Taken away, or set to a value, it is another matter: whoever asks for it is not understood either.
    if variable.contains(['=', '!']) {
        state.variables.remove(variable.trim_start_matches('!').split('=').next()?);
        return None;
    }
    // Set by several, it stands for any of them.
    state.variables.entry(variable.to_owned()).or_default().push(condition);
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

/// One condition, and whether the next is its alternative.
#[derive(Clone)]
struct RewriteCondition {
    condition: Condition,
    or_next: bool,
}

/// All groups must hold, of each group any.
fn groups(conditions: Vec<RewriteCondition>) -> Vec<Vec<Condition>> {
    let mut groups: Vec<Vec<Condition>> = Vec::new();
    let mut joins = false;
    for RewriteCondition { condition, or_next } in conditions {
        match groups.last_mut() {
            Some(group) if joins => group.push(condition),
            _ => groups.push(vec![condition]),
        }
        joins = or_next;
    }
    groups
}

fn rewrite_condition(arguments: &[&str]) -> Option<RewriteCondition> {
    let variable = arguments[0].strip_prefix("%{")?.strip_suffix('}')?;
    let fact = match variable.to_ascii_uppercase().as_str() {
        "HTTP_USER_AGENT" => Fact::UserAgent,
        "HTTP_REFERER" => Fact::Field(http::header::REFERER),
        "REQUEST_METHOD" => Fact::Method,
        "REQUEST_URI" => Fact::Path,
        variable => Fact::Field(HeaderName::try_from(variable.strip_prefix("HTTP:")?).ok()?),
    };
    let (mut any_case, mut or_next) = (false, false);
    let flags = arguments.get(2).copied().unwrap_or("[]").strip_prefix('[')?.strip_suffix(']')?;
    for flag in flags.split(',').filter(|flag| !flag.is_empty()) {
        match flag.trim().to_ascii_lowercase().as_str() {
            "nc" | "nocase" => any_case = true,
            "or" | "ornext" => or_next = true,
            _ => return None,
        }
    }
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
    let condition = Condition { fact, test, negated };
    (!empty.ok()?.is_match(b"")).then_some(RewriteCondition { condition, or_next })
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
