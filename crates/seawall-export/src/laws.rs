//! Laws of the languages, on any text: what is printed means the text and nothing else.

use http::StatusCode;
use proptest::collection::vec;
use proptest::prelude::*;
use seawall_http::UnixTime;
use seawall_rules::limit::{KeyPart, PartitionKey, Rate};
use seawall_rules::rule::{Action, Author, Condition, Fact, Mode, Portion, Rule, Test};

use crate::export::{Options, export};
use crate::pattern::Pattern;
use crate::plan::one_line;
use crate::regex::{Printer, from_rule};
use crate::target::Target;

/// Texts that are hard to quote, and any others.
fn hard() -> impl Strategy<Value = String> {
    let mark = prop::sample::select(vec![
        "\"", "'", "\\", "$", "${a}", "}", "{", "%{x}", "%", "#", ";", "`", "*", "\n", "\r\n", "\0", "\"}",
        "{\"", "*/", "//", "(?i)", "\\E", "\\x41", " ", "ü", "日", "a", "B", "0", "-i", "~", "]", "[",
    ]);
    prop_oneof![vec(mark, 1..8).prop_map(|parts| parts.concat()), "(?s).{1,20}"]
}

fn rule(fact: Fact, test: Test, text: Option<String>) -> Rule {
    Rule {
        name: "name".to_owned(),
        conditions: vec![Condition { fact, test, negated: false }],
        action: Action::Deny { status: StatusCode::FORBIDDEN, text },
        mode: Mode::Enforce,
        portion: None,
        expires: None,
        note: None,
        author: Author::Operator,
    }
}

fn matches(expression: &str, value: &[u8]) -> bool {
    // The PCRE form is one of this crate's too, over octets.
    let regex = regex::bytes::RegexBuilder::new(expression).unicode(false).build();
    regex.unwrap_or_else(|error| panic!("{expression}: {error}")).is_match(value)
}

/// The characters of printed expressions, of either dialect. No quote, no `#`, no `;`, no `%`, no `$` but at the end.
fn is_harmless(expression: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || " _-/:;,=@~&\\.()[]?*+|^{}<!".contains(c);
    let end = expression.strip_suffix('$').unwrap_or(expression);
    end.chars().all(fine) && !end.ends_with('\\') && !end.contains("${") && !end.contains("%{")
}

fn spaced(value: &str, text: &str) -> String {
    value.replace('T', text)
}

proptest! {
    #[test]
    fn printed_pattern_holds_of_what_the_test_holds_of(
        text in hard(), value in "[Tab \"\\\\\n]{0,4}",
    ) {
        // The text itself often stands in the value.
        let value = spaced(&value, &text);
        let octets = text.as_bytes().to_vec();
        for (pattern, expected) in [
            (Pattern::Exact(octets.clone()), value == text),
            (Pattern::Prefix(octets.clone()), value.starts_with(&text)),
            (Pattern::Suffix(octets.clone()), value.ends_with(&text)),
            (Pattern::Contains(octets.clone()), value.contains(&text)),
            (Pattern::OneOf(vec![octets.clone(), b"a".to_vec()]), value == text || value == "a"),
        ] {
            let printed = Printer::PCRE.print(&pattern.node()).unwrap();
            prop_assert!(is_harmless(&printed), "{}", printed);
            prop_assert_eq!(matches(&printed, value.as_bytes()), expected, "{} {:?}", printed, value);
            let printed = Printer::RE2.print(&pattern.node()).unwrap();
            prop_assert!(is_harmless(&printed), "{}", printed);
            let found = regex::Regex::new(&printed).unwrap().is_match(&value);
            prop_assert_eq!(found, expected, "{} {:?}", printed, value);
            let printed = Printer::RE2_OCTETS.print(&pattern.node()).unwrap();
            prop_assert!(is_harmless(&printed), "{}", printed);
            prop_assert_eq!(matches(&printed, value.as_bytes()), expected, "{} {:?}", printed, value);
        }
    }

    /// Whatever is encoded of a path, a rule finds it.
    #[test]
    fn spelled_pattern_holds_of_every_spelling(
        text in "/[a-z ü日'$;+*()\\[\\]|^\"]{0,6}", value in "/[a-z ü日'$;+*()\\[\\]|^\"]{0,6}", spell in any::<u32>(),
        plain in prop::sample::select(vec!["^/.[^a]", "(?i)[ü]", "^/[a-y ]+$", "日|;"]),
    ) {
        let mut spelled = String::new();
        for (index, c) in value.chars().enumerate() {
            let reserved = !c.is_ascii_alphanumeric() && c != '/';
            if reserved && spell >> (index % 32) & 1 == 1 {
                spelled.extend(c.to_string().bytes().map(|octet| format!("%{octet:02x}")));
            } else {
                spelled.push(c);
            }
        }
        let tests = [
            (Test::Exact(text.clone()), value == text),
            (Test::Prefix(text.clone()), value.starts_with(&text)),
            (Test::Suffix(text.clone()), value.ends_with(&text)),
            (Test::Contains(text.clone()), value.contains(&text)),
            (Test::Regex(plain.to_owned()), regex::Regex::new(plain).unwrap().is_match(&value)),
        ];
        for (test, expected) in tests {
            let pattern = crate::plan::path_pattern(&test, crate::plan::PathForm::Spelled).unwrap().unwrap();
            for printer in [Printer::RE2, Printer::RE2_OCTETS] {
                let printed = printer.print(&pattern.node()).unwrap();
                let found = match printer.dialect {
                    crate::regex::Dialect::Re2 => regex::Regex::new(&printed).unwrap().is_match(&spelled),
                    _ => matches(&printed, spelled.as_bytes()),
                };
                prop_assert_eq!(found, expected, "{} {:?} {:?}", printed, test, spelled);
            }
        }
    }

    #[test]
    fn translated_expression_matches_what_the_rule_s_matches(
        pattern in prop::sample::select(vec![
            "^a.b$", "(?i)straße", r"\d+\.\d", r"[^\x00-\x7f]{2}", "a|b|", "(ab|c)*d", "^$", r"(?m)^b$", r"(?-u:\b)a(?-u:\b)", r"[\]\[^\\-]", "a{2,3}?b", r"\w+\s\S",
            r"(?s).{3}$", "(?-u:\\xff)", "[日-本]+", "x*", r"\.php$", "^/(wp-admin|\\.env)", "é?", "(?x) a b # c",
        ]),
        value in prop_oneof!["[ab1. \n日üé\\]]{0,6}".prop_map(String::into_bytes), vec(any::<u8>(), 0..6), "(?s).{0,8}".prop_map(String::into_bytes)],
    ) {
        let printed = Printer::PCRE.print(&from_rule(pattern).unwrap()).unwrap();
        prop_assert!(is_harmless(&printed), "{}", printed);
        let rule = regex::bytes::Regex::new(pattern).unwrap();
        if !printed.contains("(?<=") && !printed.contains("(?=") {
            prop_assert_eq!(matches(&printed, &value), rule.is_match(&value), "{} {:?}", printed, value);
        }
    }

    /// Whatever the texts are, the configuration without its expressions and quoted texts is the same.
    #[test]
    fn text_of_a_rule_changes_no_structure(text in hard()) {
        // JSON is written by a library; what stands in it is below.
        let json = [Target::FastlyApi, Target::Cloudflare];
        for target in Target::ALL.iter().filter(|target| !json.contains(target)) {
            for test in [Test::Exact as fn(String) -> Test, Test::Prefix, Test::Contains] {
                let (Some(hard), Some(plain)) =
                    (lines(test(text.clone()), *target), lines(test("(plain)".to_owned()), *target))
                else {
                    continue;
                };
                // A long text is tested in pieces in nginx; these are short.
                prop_assert_eq!(hard, plain, "{}", target);
            }
        }
    }

    #[test]
    fn comment_is_one_line_and_ends_where_it_ends(text in hard()) {
        let line = one_line(&text);
        prop_assert!(line.chars().all(|c| matches!(c, ' '..='~')), "{}", line);
        prop_assert!(!line.contains(['\\', '$', '{', '}', '`']) && !line.contains("*/"), "{}", line);
    }
}

/// The first word of each line, and how many marks that open or close something it has outside of an expression.
fn lines(test: Test, target: Target) -> Option<Vec<(String, usize)>> {
    let options = Options { approximate: false, now: UnixTime(0) };
    let export = export(&[rule(Fact::UserAgent, test, None)], &[], target, &options).ok()?;
    let of = |line: &str| {
        let word = line.split_whitespace().next().filter(|word| !word.starts_with('"'));
        let word = word.unwrap_or_default().to_owned();
        let marks = match target {
            // Inside its quotes a backslash alone means something.
            Target::Envoy => line.replace("\\\\", "").replace("\\\"", "").matches('"').count(),
            // The end of a value.
            Target::Traefik => line.chars().filter(|c| matches!(c, '"' | '\'' | '`' | '#')).count(),
            _ => line.chars().filter(|c| matches!(c, '"' | '\'' | '`' | '#' | '$')).count(),
        };
        (word, marks)
    };
    let text: String = export.parts.iter().map(|part| part.text.as_str()).collect();
    // It runs templates over its files.
    assert!(target != Target::Traefik || !text.contains("{{"), "{text}");
    // Comments hold a text too, in the form of `one_line`; a description in JSON does not.
    Some(text.lines().filter(|line| !line.trim_start().starts_with('#')).map(of).collect())
}

#[test]
fn path_texts_become_what_a_target_sees() {
    let printed = |text: &str, target: Target| {
        let rule = rule(Fact::Path, Test::Exact(text.to_owned()), None);
        let options = Options { approximate: false, now: UnixTime(0) };
        let export = export(&[rule], &[], target, &options);
        export.map(|export| export.parts.iter().map(|part| part.text.as_str()).collect::<String>())
    };
    let nginx = printed("/a b%25%0A", Target::Nginx).unwrap();
    assert!(nginx.contains(r#""~^/a b\x25\x0a\z" 1;"#), "{nginx}");
    let haproxy = printed("/a b%25%0A", Target::Haproxy).unwrap();
    assert!(haproxy.contains(r"'^/a b\x2525\x250[aA]\z'") || haproxy.contains(r"\x2525\x25"), "{haproxy}");
    let never = printed("/%61", Target::Nginx).unwrap();
    assert!(never.contains("no request can match it"), "{never}");
    assert!(printed("/a%2", Target::Nginx).is_err());
}

#[test]
fn ranges_of_numbers_hold_of_exactly_their_numbers() {
    for (min, max) in
        [(0, 0), (0, 9), (7, 7), (10, 129), (99, 101), (0, u64::MAX), (1000, u64::MAX), (123, 45_678)]
    {
        let rule = rule(Fact::ContentLength, Test::Range { min, max }, None);
        let options = Options { approximate: false, now: UnixTime(0) };
        let export = export(&[rule], &[], Target::Nginx, &options).unwrap();
        let text = &export.parts[0].text;
        let (_, rest) = text.split_once("\"~").unwrap();
        let (expression, _) = rest.split_once('"').unwrap();
        let regex = regex::Regex::new(expression).unwrap();
        for number in (0..1100).chain([9999, 45_677, 45_678, 45_679, 1 << 40, u64::MAX]) {
            let holds = (min..=max).contains(&number);
            assert_eq!(regex.is_match(&number.to_string()), holds, "{number} {expression}");
            assert_eq!(regex.is_match(&format!("00{number}")), holds, "00{number} {expression}");
        }
    }
}

#[test]
fn a_portion_is_named_as_what_cannot_be_said() {
    let tried = Rule {
        name: "tried".to_owned(),
        portion: Portion::percent(10),
        ..rule(Fact::Path, Test::Exact("/a".to_owned()), None)
    };
    for target in Target::ALL {
        let rules = std::slice::from_ref(&tried);
        let problems =
            export(rules, &[], *target, &Options { approximate: false, now: UnixTime(0) }).unwrap_err();
        assert_eq!(
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["rule `tried`: `portion` cannot be said: which clients it holds is known to this process alone"]
        );
        let notes =
            export(rules, &[], *target, &Options { approximate: true, now: UnixTime(0) }).unwrap().notes;
        assert!(notes.iter().any(|note| note.to_string().contains("`portion`")), "{target}: {notes:?}");
    }
}

#[test]
fn fingerprints_are_named_as_what_cannot_be_said() {
    let shape = (Fact::HeaderShape, "1:11:3:6121f60d74f8", "header shape");
    let tls = (Fact::TlsFingerprint, "t13d1516h2_8daaf6152771_e5627efa2ab1", "TLS fingerprint");
    for (fact, text, name) in [shape, tls] {
        let rule = rule(fact, Test::Exact(text.to_owned()), None);
        for target in Target::ALL {
            let options = Options { approximate: false, now: UnixTime(0) };
            let problems = export(std::slice::from_ref(&rule), &[], *target, &options).unwrap_err();
            assert!(problems.iter().any(|one| one.to_string().contains(name)), "{target}: {problems:?}");
        }
    }
}

#[test]
fn what_stands_for_a_rule_can_be_said() {
    let rate = Rate { requests: 7, per: std::time::Duration::from_millis(300), burst: 2 };
    let actions = [
        Action::Allow,
        Action::Deny { status: StatusCode::IM_A_TEAPOT, text: None },
        Action::RefuseMethod { allow: vec!["GET".to_owned()] },
        Action::Drop,
        Action::Tarpit { delay: std::time::Duration::from_secs(1) },
        Action::Absorb,
        Action::Limit { rate, by: PartitionKey(vec![KeyPart::QueryShape]), text: None },
    ];
    let facts = [
        (Fact::Client, Test::Within(vec!["192.0.2.0/24".parse().unwrap()])),
        (Fact::UserAgent, Test::Absent),
        (Fact::UserAgent, Test::Regex(r"\bx".to_owned())),
        (Fact::Path, Test::Exact("/a b".to_owned())),
        (Fact::QueryShape, Test::Prefix("a".to_owned())),
    ];
    let rules: Vec<Rule> = actions
        .iter()
        .flat_map(|action| {
            facts
                .iter()
                .map(|(fact, test)| Rule { action: action.clone(), ..rule(fact.clone(), test.clone(), None) })
        })
        .collect();
    let options = Options { approximate: true, now: UnixTime(0) };
    for target in Target::ALL {
        let language = target.language();
        let plan = crate::plan::plan(&rules, &[], language, &options).unwrap();
        for planned in &plan.rules {
            assert_eq!((language.says)(&planned.verdict), Ok(()), "{target}: {}", planned.description);
            let refuses = !matches!(planned.verdict, crate::plan::Verdict::Allow);
            assert!(!refuses || !planned.literals.is_empty(), "{target} would refuse everything");
        }
        // Every rule is there, or a note says what became of it.
        assert!(plan.rules.len() + plan.notes.len() >= rules.len(), "{target}");
    }
}
