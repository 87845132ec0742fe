//! nginx: `deny` and `allow` with a network, `if` with `return`, and locations that refuse.

use http::HeaderName;
use seawall_rules::rule::{Action, Condition, Fact, Test};

use super::{Import, deny, is, network, regex};

/// One directive with its block.
#[derive(Debug)]
struct Directive {
    line: usize,
    words: Vec<String>,
    block: Option<Vec<Directive>>,
}

pub(super) fn read(text: &str, import: &mut Import) {
    let mut tokens = tokens(text).into_iter();
    let directives = block(&mut tokens);
    all(&directives, &[], import);
}

/// The directives of one block. What `allow` named before a `deny` is excepted from it.
fn all(directives: &[Directive], within: &[Condition], import: &mut Import) {
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
                one(directive, &within, import);
            }
            _ => one(directive, within, import),
        }
    }
}

fn one(directive: &Directive, within: &[Condition], import: &mut Import) {
    let text = directive.words.join(" ");
    let words: Vec<&str> = directive.words.iter().map(String::as_str).collect();
    let with = |condition: Condition| within.iter().cloned().chain([condition]).collect::<Vec<_>>();
    let forbidden = || deny(403).unwrap_or(Action::Drop);
    match (words.as_slice(), &directive.block) {
        (["http" | "server"], Some(block)) => all(block, within, import),
        (["location", rest @ ..], Some(block)) => match location(rest) {
            Some(condition) => {
                let conditions = with(condition);
                all(block, &conditions, import);
            }
            None => import.leave_out(directive.line, &text),
        },
        (["if", rest @ ..], Some(block)) => match (condition(rest), block.as_slice()) {
            (Some(condition), [inner]) if inner.words.first().is_some_and(|word| word == "return") => {
                one(inner, &with(condition), import);
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
    Word(usize, String),
    End,
    Open,
    Close,
}

fn block(tokens: &mut impl Iterator<Item = Token>) -> Vec<Directive> {
    let mut directives = Vec::new();
    let (mut words, mut first) = (Vec::new(), 0);
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

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    let (mut line, mut word): (usize, Option<String>) = (1, None);
    while let Some(c) = chars.next() {
        let ends = c.is_whitespace() || c == ';' || (matches!(c, '{' | '}') && word.is_none());
        let opens = c == '{' && word.as_ref().is_some_and(|word| !word.ends_with('$'));
        if ends || opens {
            tokens.extend(word.take().map(|word| Token::Word(line, word)));
        }
        match c {
            '\n' => line += 1,
            ';' => tokens.push(Token::End),
            '{' if word.is_none() => tokens.push(Token::Open),
            '}' if word.is_none() => tokens.push(Token::Close),
            '#' if word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            '"' | '\'' if word.as_ref().is_none_or(|word| word == "(") => {
                let word = word.get_or_insert_default();
                while let Some(inner) = chars.next() {
                    match inner {
                        inner if inner == c => break,
                        // Only these are escapes; others belong to an expression.
                        '\\' => match chars.next_if(|next| matches!(next, '"' | '\'' | '\\')) {
                            // A doubled backslash is one of the expression's.
                            Some(next) => word.push(next),
                            None => word.push('\\'),
                        },
                        inner => {
                            line += usize::from(inner == '\n');
                            word.push(inner);
                        }
                    }
                }
            }
            c if c.is_whitespace() => {}
            c => word.get_or_insert_default().push(c),
        }
    }
    tokens.extend(word.take().map(|word| Token::Word(line, word)));
    tokens
}
