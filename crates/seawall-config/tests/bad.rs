//! What is said of configurations that are wrong, as the operator sees it.

use miette::{GraphicalReportHandler, GraphicalTheme};
use seawall_config::{Code, Diagnostic, Overrides, Severity};

use crate::{corpus, load_text, load_with};

/// What other files hold beside the corpus.
const FILES: [(&str, &str); 3] = [
    ("rules/a.toml", "[[rule]]\nname = \"first\"\nmatch = { path = \"b\" }\naction = \"deny\"\n"),
    (
        "rules/b.toml",
        "[[limit]]\nname = \"x\"\n\n[[rule]]\nname = \"first\"\nmatch = {}\naction = \"drop\"\n",
    ),
    ("rules/c.toml", "[[rule]\n"),
];

fn render(diagnostics: &[Diagnostic]) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(110);
    let mut out = String::new();
    for diagnostic in diagnostics {
        handler.render_report(&mut out, diagnostic).unwrap();
        out.push('\n');
    }
    out
}

#[test]
fn every_bad_configuration_is_reported_whole() {
    for (name, text) in corpus("bad") {
        let outcome = load_with(&text, &FILES, &Overrides::default());
        let errors = outcome.result.err().unwrap_or_default();
        assert_eq!(errors.is_empty(), name == "warnings", "{name}");
        let report = render(&[errors, outcome.warnings].concat());
        insta::with_settings!({
            snapshot_path => "data/bad",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(name, report) });
    }
}

#[test]
fn the_corpus_shows_every_code() {
    let mut missing = vec![
        Code::Syntax,
        Code::UnknownKey,
        Code::UnusedKey,
        Code::MissingKey,
        Code::WrongType,
        Code::InvalidValue,
        Code::OutOfRange,
        Code::Duplicate,
        Code::Conflict,
        Code::UnknownSet,
        Code::Unsupported,
        Code::UnreadableFile,
        Code::Suspicious,
    ];
    for (_, text) in corpus("bad") {
        let outcome = load_with(&text, &FILES, &Overrides::default());
        let seen = outcome.result.err().unwrap_or_default().into_iter().chain(outcome.warnings);
        seen.for_each(|diagnostic| missing.retain(|code| *code != diagnostic.code));
    }
    assert_eq!(missing, []);
}

#[test]
fn a_record_counts_lines_and_characters_from_one() {
    let outcome = load_text("# é\nstate = \"é\"  \nworkers = \"2\"\n[[site]]\nfiles = \"x\"\n");
    let errors = outcome.result.unwrap_err();
    let record = errors[0].record();
    assert_eq!((record.line, record.column), (3, 11));
    assert_eq!((record.severity, record.code), (Severity::Error, Code::WrongType));
    let json = serde_json::to_value(&record).unwrap();
    assert_eq!(json["severity"], "error");
    assert_eq!(json["code"], record.code.as_str());
    assert_eq!(json["file"], "/etc/seawall/seawall.toml");
}

#[test]
fn a_flood_of_errors_is_cut_and_counted() {
    let rule = "[[rule]]\nname = \"a\"\nmatch = {}\naction = \"denny\"\n";
    let outcome = load_text(&format!("[[site]]\nfiles = \"x\"\n{}", rule.repeat(1000)));
    let errors = outcome.result.unwrap_err();
    assert_eq!(errors.len(), 201);
    // 1000 wrong actions and 999 taken names.
    assert_eq!(errors[200].message, "1799 further errors are not shown");
}

/// The parser bounds its depth, and so does the reader of tests.
#[test]
fn nesting_without_end_is_refused() {
    for text in [
        format!("listen = {}", "[".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[[rule]]\nmatch = {{ path = {}", "{ not = ".repeat(100_000)),
        format!("[[rule]]\nmatch.path{} = 'a'", ".not".repeat(60)),
    ] {
        assert!(!load_text(&text).result.unwrap_err().is_empty());
    }
}

#[test]
fn what_the_command_line_says_is_checked_with_the_rest() {
    let admin = Some("127.0.0.1:8080".parse().unwrap());
    let overrides = Overrides { admin, ..Overrides::default() };
    let outcome = load_with("[[site]]\nfiles = \"x\"\n", &[], &overrides);
    let errors = outcome.result.unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].code, Code::Conflict);
    assert!(render(&errors).contains("`admin` has the port of the listener 0.0.0.0:8080"));
}
