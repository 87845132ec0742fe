//! nginx: `deny` and `allow` with a network, `if` with `return`, also by a `map` or `geo` block, locations and
//! `limit_except` that refuse.

use std::collections::HashMap;
use std::iter::Peekable;

use http::HeaderName;
use seawall_rules::rule::{Action, Condition, Fact, Test};

use super::{Import, Place, any_case, deny, is, network, regex};

/// One directive with its block.
#[derive(Debug)]
struct Directive {
    line: Place,
    words: Vec<String>,
    block: Option<Vec<Directive>>,
}

pub(super) fn read(text: &str, import: &mut Import) {
    let mut tokens = tokens(text).into_iter();
    let directives = block(&mut tokens);
    let mut found = HashMap::new();
    maps(&directives, &mut found);
    all(&directives, &[], &found, import);
}

/// Variables that a `map` or `geo` sets, with what makes them true.
type Maps = HashMap<String, Map>;

#[derive(Clone)]
struct Map {
    /// Any of these.
    holds: Vec<Condition>,
    /// The value that it has then.
    value: String,
}

fn maps(directives: &[Directive], found: &mut Maps) {
    for directive in directives {
        let words: Vec<&str> = directive.words.iter().map(String::as_str).collect();
        match (words.as_slice(), &directive.block) {
            (["http"], Some(block)) => maps(block, found),
            (["map", source, variable], Some(block)) => {
                found.extend(map(Some(source), block).map(|map| ((*variable).to_owned(), map)));
            }
            (["geo", variable], Some(block)) => {
                found.extend(map(None, block).map(|map| ((*variable).to_owned(), map)));
            }
            _ => {}
        }
    }
}

/// A block all of whose entries but the default make the variable true, to one value.
fn map(source: Option<&str>, block: &[Directive]) -> Option<Map> {
    let is_true = |value: &str| !value.is_empty() && value != "0" && !value.contains('$');
    let (mut holds, mut networks, mut value) = (Vec::new(), Vec::new(), None::<&str>);
    for entry in block {
        let [key, to] = entry.words.as_slice() else { return None };
        if entry.block.is_some() {
            return None;
        }
        if key == "default" {
            if to.is_empty() || to == "0" {
                continue;
            }
            return None;
        }
        if !is_true(to) || value.is_some_and(|value| value != to) {
            return None;
        }
        value = Some(to);
        match source {
            Some(source) => {
                let test = match key.strip_prefix('~') {
                    Some(pattern) => match pattern.strip_prefix('*') {
                        Some(pattern) => regex(pattern, true)?,
                        None => regex(pattern, false)?,
                    },
                    // Texts are compared without regard to case there.
                    None if !key.is_empty() && !key.starts_with('\\') => any_case(key, "^", r"\z")?,
                    None => return None,
                };
                let fact = fact(source).filter(|fact| *fact != Fact::Client)?;
                holds.push(is(fact, test));
            }
            None => networks.push(network(key)?),
        }
    }
    if !networks.is_empty() {
        holds.push(is(Fact::Client, Test::Within(networks)));
    }
    Some(Map { holds, value: value?.to_owned() })
}

/// What `if` asks: any of these.
fn asked(words: &[&str], maps: &Maps) -> Option<Vec<Condition>> {
    let whole = words.join(" ");
    let inner = whole.strip_prefix('(')?.strip_suffix(')')?.trim();
    let (variable, value) = match inner.split_once('=') {
        Some((variable, value)) => (variable.trim(), Some(value.trim())),
        None => (inner, None),
    };
    match maps.get(variable) {
        Some(map) if value.is_none_or(|value| value == map.value) => Some(map.holds.clone()),
        Some(_) => None,
        None => condition(words).map(|one| vec![one]),
    }
}

/// The directives of one block. What `allow` named before a `deny` is excepted from it.
fn all(directives: &[Directive], within: &[Condition], maps: &Maps, import: &mut Import) {
    let mut allowed = Vec::new();
    for directive in directives {
        match directive.words.as_slice() {
            [allow, address] if allow == "allow" && network(address).is_some() => {
                allowed.extend(network(address));
            }
            [allow, address] if allow == "allow" && address == "all" => {
                allowed.extend([network("0.0.0.0/0"), network("::/0")].into_iter().flatten());
            }
            [deny, ..] if deny == "deny" && !allowed.is_empty() => {
                let mut within = within.to_vec();
                let test = Test::Within(allowed.clone());
                within.push(Condition { fact: Fact::Client, test, negated: true });
                one(directive, &within, maps, import);
            }
            _ => one(directive, within, maps, import),
        }
    }
}

fn one(directive: &Directive, within: &[Condition], maps: &Maps, import: &mut Import) {
    let text = directive.words.join(" ");
    let words: Vec<&str> = directive.words.iter().map(String::as_str).collect();
    let with = |condition: Condition| within.iter().cloned().chain([condition]).collect::<Vec<_>>();
    let forbidden = || deny(403).unwrap_or(Action::Drop);
    match (words.as_slice(), &directive.block) {
        (["http" | "server"], Some(block)) => all(block, within, maps, import),
        // What asks for their variable is where it is told.
        (["map", _, variable] | ["geo", variable], Some(_)) if maps.contains_key(*variable) => {}
        (["limit_except", methods @ ..], Some(block)) if !methods.is_empty() => {
            let mut methods: Vec<String> = methods.iter().map(|method| (*method).to_owned()).collect();
            // Whoever may GET may HEAD.
            if methods.iter().any(|method| method == "GET") {
                methods.push("HEAD".to_owned());
            }
            let other = Condition { fact: Fact::Method, test: Test::OneOf(methods), negated: true };
            all(block, &with(other), maps, import);
        }
        (["location", rest @ ..], Some(block)) => match location(rest) {
            Some(condition) => {
                let conditions = with(condition);
                all(block, &conditions, maps, import);
            }
            None => import.leave_out(directive.line, &text),
        },
        (["if", rest @ ..], Some(block)) => match (asked(rest, maps), block.as_slice()) {
            (Some(any), [inner]) if inner.words.first().is_some_and(|word| word == "return") => {
                for condition in any {
                    one(inner, &with(condition), maps, import);
                }
            }
            _ => import.leave_out(directive.line, &text),
        },
        (["return", status], None) | (["return", status, _], None) if !within.is_empty() => {
            let action = match status.parse() {
                Ok(444) => Some(Action::Drop),
                Ok(status) => deny(status),
                Err(_) => None,
            };
            match action {
                Some(action) => import.add(directive.line, &text, within.to_vec(), action),
                None => import.leave_out(directive.line, &text),
            }
        }
        (["deny", "all"], None) if !within.is_empty() => {
            import.add(directive.line, &text, within.to_vec(), forbidden());
        }
        (["deny", address], None) if network(address).is_some() => {
            let client = is(Fact::Client, Test::Within(network(address).into_iter().collect()));
            import.add(directive.line, &text, with(client), forbidden());
        }
        _ => import.leave_out(directive.line, &text),
    }
}

fn location(words: &[&str]) -> Option<Condition> {
    let test = match words {
        ["=", path] => Test::Exact((*path).to_owned()),
        ["^~", path] => Test::Prefix((*path).to_owned()),
        ["~", pattern] => regex(pattern, false)?,
        ["~*", pattern] => regex(pattern, true)?,
        [path] if path.starts_with('/') => Test::Prefix((*path).to_owned()),
        _ => return None,
    };
    Some(is(Fact::Path, test))
}

/// `($variable OPERATOR VALUE)`.
fn condition(words: &[&str]) -> Option<Condition> {
    let whole = words.to_vec();
    let [first, middle @ .., last] = whole.as_slice() else { return None };
    let first = first.strip_prefix('(')?;
    let last = last.strip_suffix(')')?;
    let mut words: Vec<&str> = vec![first];
    words.extend(middle);
    words.push(last);
    words.retain(|word| !word.is_empty());
    let [variable, operator, value] = words.as_slice() else { return None };
    let fact = fact(variable)?;
    let (operator, negated) = match operator.strip_prefix('!') {
        Some(operator) => (operator, true),
        None => (*operator, false),
    };
    if fact == Fact::Client {
        let within = Test::Within(vec![network(value)?]);
        return (operator == "=").then_some(Condition { fact, test: within, negated });
    }
    // Of a field, an empty value there is an absent one here, too.
    let test = match operator {
        "=" if !value.is_empty() => Test::Exact((*value).to_owned()),
        "~" => regex(value, false)?,
        "~*" => regex(value, true)?,
        _ => return None,
    };
    Some(Condition { fact, test, negated })
}

fn fact(variable: &str) -> Option<Fact> {
    Some(match variable {
        "$http_user_agent" => Fact::UserAgent,
        "$request_method" => Fact::Method,
        "$uri" | "$document_uri" => Fact::Path,
        "$host" => Fact::Host,
        "$remote_addr" => Fact::Client,
        variable => {
            let name = variable.strip_prefix("$http_")?.replace('_', "-");
            Fact::Field(HeaderName::try_from(name).ok()?)
        }
    })
}

// === syntax ===

#[derive(Debug)]
enum Token {
    Word(Place, String),
    End,
    Open,
    Close,
}

fn block(tokens: &mut impl Iterator<Item = Token>) -> Vec<Directive> {
    let mut directives = Vec::new();
    let (mut words, mut first) = (Vec::new(), (1, 1));
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(line, word) => {
                first = if words.is_empty() { line } else { first };
                words.push(word);
            }
            Token::End if words.is_empty() => {}
            Token::End => {
                directives.push(Directive { line: first, words: std::mem::take(&mut words), block: None });
            }
            Token::Open => {
                let inner = block(tokens);
                directives.push(Directive {
                    line: first,
                    words: std::mem::take(&mut words),
                    block: Some(inner),
                });
            }
            Token::Close => break,
        }
    }
    if !words.is_empty() {
        directives.push(Directive { line: first, words, block: None });
    }
    directives
}

/// Characters, with where the next one stands.
struct Chars<'t> {
    rest: Peekable<std::str::Chars<'t>>,
    place: Place,
}

impl Chars<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.place = match c {
            '\n' => (self.place.0 + 1, 1),
            _ => (self.place.0, self.place.1 + 1),
        };
        Some(c)
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        self.rest.peek().copied().filter(|c| wanted(*c))?;
        self.next()
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = Chars { rest: text.chars().peekable(), place: (1, 1) };
    let mut word: Option<(Place, String)> = None;
    loop {
        let place = chars.place;
        let Some(c) = chars.next() else { break };
        let ends = c.is_whitespace() || c == ';' || (matches!(c, '{' | '}') && word.is_none());
        let opens = c == '{' && word.as_ref().is_some_and(|(_, word)| !word.ends_with('$'));
        if ends || opens {
            tokens.extend(word.take().map(|(place, word)| Token::Word(place, word)));
        }
        match c {
            ';' => tokens.push(Token::End),
            '{' if word.is_none() => tokens.push(Token::Open),
            '}' if word.is_none() => tokens.push(Token::Close),
            '#' if word.is_none() => while chars.next_if(|c| c != '\n').is_some() {},
            '"' | '\'' if word.as_ref().is_none_or(|(_, word)| word == "(") => {
                let (_, word) = word.get_or_insert_with(|| (place, String::new()));
                quoted(c, &mut chars, word);
            }
            c if c.is_whitespace() => {}
            c => word.get_or_insert_with(|| (place, String::new())).1.push(c),
        }
    }
    tokens.extend(word.take().map(|(place, word)| Token::Word(place, word)));
    tokens
}

/// What stands before the quote's end.
fn quoted(quote: char, chars: &mut Chars<'_>, word: &mut String) {
    while let Some(inner) = chars.next() {
        match inner {
            inner if inner == quote => break,
            // Only these are escapes; others belong to an expression.
            '\\' => match chars.next_if(|next| matches!(next, '"' | '\'' | '\\')) {
                // A doubled backslash is one of the expression's.
                Some(next) => word.push(next),
                None => word.push('\\'),
            },
            inner => word.push(inner),
        }
    }
}
