//! The rules that are exported: by hand, and made at random from texts that are hard to quote.

use http::{HeaderName, StatusCode};
use seawall_http::UnixTime;
use seawall_rules::rule::{Action, Author, Condition, Fact, Mode, Rule, Test};

use crate::random::Random;

pub(crate) fn is(fact: Fact, test: Test) -> Condition {
    Condition { fact, test, negated: false }
}

pub(crate) fn not(fact: Fact, test: Test) -> Condition {
    Condition { fact, test, negated: true }
}

pub(crate) fn field(name: &'static str) -> Fact {
    Fact::Field(HeaderName::from_static(name))
}

pub(crate) fn deny(status: u16) -> Action {
    Action::Deny { status: StatusCode::from_u16(status).expect("a status"), text: None }
}

pub(crate) fn rule(name: &str, conditions: Vec<Condition>, action: Action) -> Rule {
    Rule {
        name: name.to_owned(),
        conditions,
        action,
        mode: Mode::Enforce,
        portion: None,
        expires: None,
        note: None,
        author: Author::Operator,
    }
}

pub(crate) fn exact(text: &str) -> Test {
    Test::Exact(text.to_owned())
}

pub(crate) fn prefix(text: &str) -> Test {
    Test::Prefix(text.to_owned())
}

pub(crate) fn suffix(text: &str) -> Test {
    Test::Suffix(text.to_owned())
}

pub(crate) fn contains(text: &str) -> Test {
    Test::Contains(text.to_owned())
}

pub(crate) fn regex(text: &str) -> Test {
    Test::Regex(text.to_owned())
}

pub(crate) fn one_of(texts: &[&str]) -> Test {
    Test::OneOf(texts.iter().map(|text| (*text).to_owned()).collect())
}

/// One kind of everything, each under a path of its own where it would meet others.
pub(crate) fn by_hand() -> Vec<Rule> {
    use Fact::{Client, ContentLength, Host, Method, Path, Protocol, QueryShape, Referer, UserAgent};
    let long = "long/".repeat(1600);
    let allow = || vec!["GET".to_owned(), "HEAD".to_owned()];
    let networks =
        |texts: &[&str]| Test::Within(texts.iter().map(|text| text.parse().expect("a network")).collect());
    let at = |path: &str, condition: Condition| vec![is(Path, prefix(path)), condition];
    let said = Action::Deny {
        status: StatusCode::FORBIDDEN,
        text: Some("Say \"no\" to \\ $uri ${a} %{b} %s {\"c\"} `d` # 'e' <f> ü; }".to_owned()),
    };
    let mut rules = vec![
        rule("monitoring", vec![is(Client, networks(&["127.0.0.7/32"]))], Action::Allow),
        rule("open", vec![is(Path, exact("/open")), is(Method, exact("GET"))], Action::Allow),
        rule(
            "qqgamehall",
            vec![
                is(Method, exact("POST")),
                is(Path, exact("/ca/cacert.pem")),
                is(UserAgent, prefix("QQGameHall")),
            ],
            deny(403),
        ),
        rule(
            "networks",
            vec![is(
                Client,
                networks(&["127.0.0.8/31", "192.0.2.0/24", "2001:db8::/32", "::ffff:127.0.0.10/128"]),
            )],
            deny(403),
        ),
        rule("elsewhere", at("/lan/", not(Client, networks(&["127.0.0.0/8"]))), deny(403)),
        rule("home", at("/home/", is(Client, networks(&["127.0.0.0/29"]))), deny(451)),
        rule(
            "static-post",
            vec![is(Method, one_of(&["POST", "PUT", "DELETE"])), is(Path, suffix(".pem"))],
            Action::RefuseMethod { allow: allow() },
        ),
        rule("probes", vec![is(Path, regex(r"^/(wp-admin|wp-login\.php|\.env)"))], Action::Drop),
        rule("admin", vec![is(Path, prefix("/admin"))], deny(404)),
        rule("encoded", vec![is(Path, exact("/a b/ü+%25"))], deny(403)),
        rule("newline", vec![is(Path, exact("/line%0Aend"))], deny(403)),
        rule("hidden", vec![is(Path, contains("/."))], deny(410)),
        rule("marks", vec![is(Path, contains("'$;"))], deny(403)),
        rule("old-host", vec![is(Host, exact("old.example"))], deny(410)),
        rule("sub-host", vec![is(Host, suffix(".bad.example"))], deny(403)),
        rule("no-host", vec![is(Host, Test::Absent), is(Path, exact("/no-host"))], deny(400)),
        rule("other-host", at("/only/", not(Host, one_of(&["site.example", "www.site.example"]))), deny(421)),
        rule("method-case", vec![is(Method, exact("get"))], deny(405)),
        rule("method-token", vec![is(Method, regex("^[A-Z]+-[A-Z]+$"))], deny(403)),
        rule("empty-agent", at("/agent/empty", is(UserAgent, exact(""))), deny(403)),
        rule("no-agent", at("/agent/none", is(UserAgent, Test::Absent)), deny(403)),
        rule("any-agent", at("/agent/any", not(UserAgent, Test::Absent)), deny(403)),
        rule("not-browser", at("/browser/", not(UserAgent, prefix("Mozilla/5.0 "))), deny(403)),
        rule("quotes", vec![is(UserAgent, exact(r#"a"b'c\d$e%f`g{h}i#j"#))], deny(403)),
        rule("braces", vec![is(UserAgent, contains("}}{{%{x}${y}$z"))], deny(403)),
        rule("close", vec![is(UserAgent, prefix("\"; } return 200; #"))], deny(403)),
        rule("backslash", vec![is(UserAgent, suffix("\\"))], deny(403)),
        rule("long", vec![is(UserAgent, exact(&long))], deny(403)),
        rule("unicode", vec![is(UserAgent, contains("größe日本"))], deny(403)),
        rule(
            "many",
            vec![
                is(
                    UserAgent,
                    one_of(&["one", "two", "three three", "*", "~", "default", "", "-i", "0", "\"", "a.b"]),
                ),
                is(Path, exact("/many")),
            ],
            deny(429),
        ),
        rule(
            "agent-regex",
            vec![is(UserAgent, regex(r#"(?i)^(bot|spider)[/ ]\d+(\.\d+)*("|'|\\)?$"#))],
            deny(403),
        ),
        rule("agent-middle", vec![is(UserAgent, regex(r"first.*second.{3}third"))], deny(403)),
        rule("agent-word", vec![is(UserAgent, regex(r"(?-u:\b)word(?-u:\b)"))], deny(403)),
        rule("agent-class", vec![is(UserAgent, regex(r"^[^\x00-\x7f]{2}[\]\[^\\-]$"))], deny(403)),
        rule("token", vec![is(field("x-token"), regex("^[0-9a-f]{4,8}$"))], deny(403)),
        rule("underscore", vec![is(field("x_token"), exact("a"))], deny(403)),
        rule(
            "no-language",
            vec![is(Path, prefix("/language")), is(field("accept-language"), Test::Absent)],
            deny(403),
        ),
        rule("cookie", vec![is(field("cookie"), contains("session=bad"))], deny(403)),
        rule("referer", vec![is(Referer, exact("spam.example"))], deny(403)),
        rule("referer-sub", vec![is(Referer, suffix(".spam.example"))], deny(403)),
        rule("referer-part", vec![is(Referer, contains("casino"))], deny(403)),
        rule("no-referer", at("/hot/", is(Referer, Test::Absent)), deny(403)),
        rule("query", vec![is(QueryShape, exact("a&b"))], deny(403)),
        rule("query-list", vec![is(QueryShape, one_of(&["id", "x.y&x.y", "%61"]))], deny(403)),
        rule("query-empty", at("/q/empty", is(QueryShape, exact(""))), deny(403)),
        rule("query-none", at("/q/none", is(QueryShape, Test::Absent)), deny(403)),
        rule("http10", at("/old/", is(Protocol, exact("HTTP/1.0"))), deny(505)),
        rule("small", at("/upload/", is(ContentLength, Test::Range { min: 10, max: 129 })), deny(413)),
        rule("large", at("/upload/", is(ContentLength, Test::Range { min: 1000, max: u64::MAX })), deny(413)),
        rule("no-length", at("/length/", is(ContentLength, Test::Absent)), deny(411)),
        rule("said", vec![is(Path, exact("/said"))], said),
        rule(
            "tarpit",
            vec![is(Path, exact("/tarpit"))],
            Action::Tarpit { delay: std::time::Duration::from_millis(50) },
        ),
        rule("late-allow", vec![is(Path, prefix("/late/open/"))], Action::Allow),
        rule("late", vec![is(Path, prefix("/late/"))], deny(503)),
        rule("none", vec![is(Path, exact("/never%6"))], deny(403)),
    ];
    rules
        .push(Rule { mode: Mode::Observe, ..rule("watched", vec![is(Path, prefix("/watched"))], deny(403)) });
    rules.push(Rule {
        expires: Some(UnixTime(1)),
        ..rule("expired", vec![is(Path, prefix("/expired"))], deny(403))
    });
    rules.push(Rule {
        expires: Some(UnixTime(u64::MAX / 2)),
        ..rule("until", vec![is(Path, exact("/until"))], deny(403))
    });
    rules
}

/// Rules of one or two conditions with texts that are hard to quote.
pub(crate) fn at_random(random: &mut Random, count: usize) -> Vec<Rule> {
    (0..count)
        .map(|number| {
            let mut conditions = vec![some_condition(random)];
            if random.chance(3) {
                let negated = random.chance(4);
                conditions.push(Condition { negated, ..some_condition(random) });
            }
            let action = match random.below(8) {
                0 => Action::Allow,
                _ => deny(random.pick(&[403, 404, 410, 429, 503])),
            };
            rule(&format!("r{number}"), conditions, action)
        })
        .collect()
}

fn some_condition(random: &mut Random) -> Condition {
    let fact = match random.below(4) {
        0 => Fact::Path,
        1 => field("x-odd"),
        _ => Fact::UserAgent,
    };
    let mut text = hard_text(random, fact == Fact::Path);
    let test = match random.below(6) {
        0 => Test::Exact(text),
        1 => Test::Prefix(text),
        // Rules see the digits of an octet that stays encoded: a known limit.
        2 if !text.starts_with(|c: char| c.is_ascii_hexdigit()) => Test::Suffix(text),
        3 if !text.starts_with(|c: char| c.is_ascii_hexdigit()) => Test::Contains(text),
        4 => Test::Regex(escaped(&text)),
        _ => {
            let more = hard_text(random, fact == Fact::Path);
            text.push('~');
            Test::OneOf(vec![text, more])
        }
    };
    is(fact, test)
}

/// A regular expression for the text.
fn escaped(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == '/';
    text.chars()
        .map(|c| if plain(c) { c.to_string() } else { format!("\\x{{{:x}}}", u32::from(c)) })
        .collect()
}

fn hard_text(random: &mut Random, path: bool) -> String {
    let pieces = [
        "\"", "'", "\\", "$", "${", "}", "{", "%{", "#", ";", "`", "*", "(", ")", "[", "]", "^", "|", "?",
        "+", ".", "~", "!", "@", "&", "<", ">", "=", ",", ":", " ", "ü", "日", "a", "B", "0", "x20", "\\x41",
        "\\n", "%41", "-i", "$uri", "\"}", "{\"", "*/", "/*", "//", "default", "\\\"", "%22", "\\\\", "$1",
        "(?i)", "%s", "%%",
    ];
    let mut text = String::from(if path { "/" } else { "A" });
    for _ in 0..1 + random.below(4) {
        let piece: &str = random.pick(&pieces);
        // Of a path, `%` is another matter: by hand.
        if !(path && (piece.contains('%') || piece.contains("//"))) {
            text.push_str(piece);
        }
    }
    text.push('z');
    text
}
