//! The examples of `docs/reference/log-formats.md`, and its lists.

use seawall_logs::{Fact, Format, Formats, NAMES, Reason, detect};

const PAGE: &str = include_str!("../../../../docs/reference/log-formats.md");

#[test]
fn every_example_is_read_and_recognised() {
    let mut examples = 0;
    for block in PAGE.split("```text ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let log = rest.split("```").next().unwrap();
        let format = Format::named(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let tally = Formats::from(format).read(log.as_bytes(), |_, record| {
            assert!(record.path.as_deref().is_some_and(|path| path.starts_with(b"/")), "{log}");
            assert!(record.time.is_some() && record.client.is_some() || !log.contains("192.0.2.1"), "{log}");
        });
        assert_eq!((tally.records, tally.rejected_total()), (1, 0), "{name}\n{log}");
        if !name.contains(':') {
            assert_eq!(detect(log.as_bytes()).unwrap().guesses[0].format.name(), name, "{log}");
        }
        examples += 1;
    }
    assert!(examples >= 12, "{examples}");
}

#[test]
fn names_facts_and_reasons_are_all_there() {
    let has = |name: &str| PAGE.contains(&format!("`{name}`"));
    NAMES.iter().for_each(|name| assert!(has(name), "{name}"));
    Reason::ALL.iter().for_each(|reason| assert!(has(reason.as_str()), "{}", reason.as_str()));
    Fact::ALL.iter().for_each(|fact| assert!(PAGE.contains(fact.as_str()), "{}", fact.as_str()));
}
