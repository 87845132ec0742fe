//! What must hold of any text whatever; the fuzz target and a property test call it.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use seawall_rules::rule::Author;

use crate::config::{Config, Source};
use crate::{Overrides, load, load_rules, print_rule};

/// Reads any text, once as a configuration and once as a rule file.
///
/// # Panics
///
/// If reading panics, if a refusal gives no reason, or if what is accepted breaks a promise of [`Config`].
pub fn check(text: &str) {
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    let outcome = load("seawall.toml", text, &mut files, &Overrides::default());
    for diagnostic in outcome.result.as_ref().err().into_iter().flatten().chain(&outcome.warnings) {
        let record = diagnostic.record();
        assert!(record.line >= 1 && record.column >= 1 && !record.message.is_empty());
    }
    match outcome.result {
        Ok(config) => check_config(&config),
        Err(errors) => assert!(!errors.is_empty(), "refused without a reason"),
    }
    let _ = load_rules("rules.toml", text, &Author::Operator);
}

fn check_config(config: &Config) {
    assert!(!config.listen.is_empty() && !config.sites.is_empty());
    assert!(config.admin.ip().to_canonical().is_loopback());
    let mut hosts = HashSet::new();
    for site in &config.sites {
        assert!(!site.hosts.is_empty());
        assert!(site.hosts.iter().all(|host| *host == host.to_lowercase() && hosts.insert(host)));
        if let Source::Origins(group) = &site.source {
            assert!(!group.origins.is_empty() && group.attempts >= 1);
            assert!(group.origins.iter().all(|origin| origin.weight >= 1));
        }
    }
    if config.listen.iter().any(|listen| listen.tls) {
        assert!(config.sites.iter().any(|site| site.tls.is_some()));
    }
    let names =
        config.rules.iter().map(|rule| &rule.name).chain(config.limits.iter().map(|limit| &limit.name));
    let mut seen = HashSet::new();
    assert!(names.into_iter().all(|name| (1..=64).contains(&name.len()) && seen.insert(name)));
    assert!(config.limits.iter().all(|limit| limit.rate.requests >= 1 && limit.rate.burst >= 1));
    for rule in &config.rules {
        let printed = print_rule(rule);
        let again = load_rules("printed", &printed, &rule.author);
        assert_eq!(again.result.as_deref().ok(), Some(std::slice::from_ref(rule)), "{printed}");
    }
}
