//! The manual, the reader and the pages on disk say the same.

use std::collections::HashSet;
use std::path::Path;

use seawall_config::manual::{Key, SECTIONS, reference};
use seawall_config::{Overrides, load};

use crate::corpus;

fn docs(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(path)
}

/// `UPDATE_DOCS=1 cargo test -p seawall-config` writes it.
#[test]
fn the_reference_page_is_the_manual() {
    let page = docs("reference/configuration.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(page.parent().unwrap()).unwrap();
        std::fs::write(&page, reference()).unwrap();
    }
    let found = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(found == reference(), "{} is not what the manual says", page.display());
}

/// A key that no code asks for is an error (it "has no effect"), and `everything.toml` is accepted: so a row
/// without a reader shows here, and a reader without a row fails its own assertion.
#[test]
fn every_key_of_the_manual_is_read() {
    let (_, text) = corpus("good").into_iter().find(|(name, _)| name == "everything").unwrap();
    let written: HashSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').collect();
    let missing: Vec<&Key> =
        SECTIONS.iter().flat_map(|section| section.keys).filter(|key| !written.contains(key.name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn no_key_stands_twice_and_none_is_foreign_to_itself() {
    for section in SECTIONS {
        let mut seen = HashSet::new();
        assert!(section.keys.len() <= 64, "{}", section.path);
        for key in section.keys {
            assert!(seen.insert(key.name), "{} in {}", key.name, section.path);
            assert!(!key.foreign.contains(&key.name), "{} in {}", key.name, section.path);
        }
    }
}

#[test]
fn every_default_is_argued() {
    let page = std::fs::read_to_string(docs("concepts/defaults.md")).unwrap();
    for section in SECTIONS.iter().filter(|section| {
        matches!(
            section.path,
            "[bounds]"
                | "[origin-pool]"
                | "[cache]"
                | "cache.disk"
                | "[site.cache]"
                | "[detect]"
                | "detect.least-rise"
                | "[storms]"
        )
    }) {
        for key in section.keys {
            assert!(
                page.contains(&format!("**`{}", key.name)),
                "{} of {} is not argued",
                key.name,
                section.path
            );
        }
    }
}

#[test]
fn the_examples_are_accepted_without_a_word() {
    let mut count = 0;
    for entry in std::fs::read_dir(docs("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.to_str().unwrap();
        let outcome = load(name, &text, &mut seawall_config::Disk, &Overrides::default());
        assert!(outcome.warnings.is_empty(), "{:#?}", outcome.warnings);
        outcome.result.unwrap();
        count += 1;
    }
    assert!(count >= 3);
}
