use proptest::prelude::*;
use seawall_http::Scheme;

use super::*;
use crate::key::{QueryPolicy, Target};
use crate::purge::Selector;

fn key(path: &str) -> CacheKey {
    let target = Target { scheme: Scheme::Https, authority: "a.example", path, query: None };
    CacheKey::new(&target, &QueryPolicy::default()).unwrap()
}

fn keys(names: &[&str]) -> SurrogateKeys {
    let lines: Vec<_> = names.iter().map(|name| ("xkey", *name)).collect();
    SurrogateKeys::of(&crate::sample::fields(&lines), &http::HeaderName::from_static("xkey"))
}

fn hard(selector: Selector) -> Purge {
    Purge { selector, extent: Extent::Hard }
}

fn soft(selector: Selector) -> Purge {
    Purge { selector, extent: Extent::Soft }
}

fn url(path: &str) -> Selector {
    Selector::Url(key(path).as_str().to_owned())
}

fn prefix(path: &str) -> Selector {
    Selector::Prefix(key(path).as_str().to_owned())
}

fn named(name: &str) -> Selector {
    Selector::SurrogateKey(name.to_owned())
}

#[test]
fn purge_takes_in_what_it_selects_and_was_stored_before() {
    for selector in [url("/a/b"), prefix("/a/"), named("k"), Selector::All] {
        let mut log = PurgeLog::default();
        let before = log.latest();
        let purge = log.insert(&hard(selector.clone()));
        let check = |path, at| log.check(&key(path), &keys(&["j", "k"]), at);
        assert_eq!(check("/a/b", before), Some(Extent::Hard), "{selector:?}");
        assert_eq!(check("/a/b", purge), None, "{selector:?}");
    }
}

#[test]
fn purge_leaves_the_rest_alone() {
    let mut log = PurgeLog::default();
    let before = log.latest();
    for selector in [url("/a/b"), prefix("/a/b/"), named("k")] {
        log.insert(&hard(selector));
    }
    for path in ["/", "/a", "/a/", "/a/bc", "/a/B"] {
        assert_eq!(log.check(&key(path), &keys(&["K", "kk"]), before), None, "{path}");
    }
}

#[test]
fn hard_purge_counts_over_soft_one() {
    let mut log = PurgeLog::default();
    let before = log.latest();
    let first = log.insert(&hard(url("/a")));
    log.insert(&soft(Selector::All));
    let check = |at| log.check(&key("/a"), &keys(&[]), at);
    assert_eq!(check(before), Some(Extent::Hard));
    assert_eq!(check(first), Some(Extent::Soft));
}

#[test]
fn response_with_too_many_keys_is_purged_by_each() {
    let mut log = PurgeLog::default();
    let before = log.latest();
    log.insert(&soft(named("k")));
    let unknown = SurrogateKeys::restore(Vec::new(), true);
    assert_eq!(log.check(&key("/"), &unknown, before), Some(Extent::Soft));
    assert_eq!(log.check(&key("/"), &unknown, log.latest()), None);
}

#[test]
fn swept_purges_are_forgotten_and_numbers_go_on() {
    let mut log = PurgeLog::default();
    let first = log.insert(&hard(url("/a")));
    log.insert(&hard(named("k")));
    log.forget_before(first);
    assert_eq!(log.len(), 1);
    assert_eq!(log.check(&key("/b"), &keys(&["k"]), Sequence(0)), Some(Extent::Hard));
    log.forget_before(log.latest());
    assert!(log.is_empty());
    assert_eq!(log.check(&key("/b"), &keys(&["k"]), Sequence(0)), None);
    assert_eq!(log.insert(&hard(Selector::All)), Sequence(3));
}

#[test]
fn full_log_purges_more_and_says_so() {
    let mut log = PurgeLog::default();
    for number in 0..=PREFIXES_MAX {
        log.insert(&soft(prefix(&format!("/{number}/"))));
    }
    assert_eq!((log.floor_raises(), log.len()), (1, PREFIXES_MAX / 2 + 1));
    let check = |path, at| log.check(&key(path), &keys(&[]), Sequence(at));
    let middle = PREFIXES_MAX as u64 / 2;
    assert_eq!(check("/elsewhere", middle), Some(Extent::Hard));
    assert_eq!(check("/elsewhere", middle + 1), None);
    assert_eq!(check("/256/x", middle + 1), Some(Extent::Soft));

    let mut log = PurgeLog::default();
    for number in 0..=ENTRIES_MAX {
        log.insert(&hard(named(&number.to_string())));
    }
    assert_eq!((log.floor_raises(), log.len()), (1, ENTRIES_MAX / 2 + 1));
}

#[test]
fn snapshot_does_not_see_later_purges() {
    let mut log = PurgeLog::default();
    log.insert(&hard(url("/a")));
    let snapshot = log.clone();
    log.insert(&hard(url("/b")));
    assert_eq!(snapshot.check(&key("/b"), &keys(&[]), Sequence(0)), None);
    assert_eq!(log.check(&key("/b"), &keys(&[]), Sequence(0)), Some(Extent::Hard));
}

/// A log that keeps every purge and compares with each.
fn oracle(purges: &[Purge], path: &str, names: &[&str], stored_at: u64) -> Option<Extent> {
    let key = key(path);
    let later = purges.iter().zip(1..).filter(|(_, sequence)| *sequence > stored_at);
    let taken = later.map(|(purge, _)| purge).filter(|purge| match &purge.selector {
        Selector::Url(url) => url == key.as_str(),
        Selector::Prefix(prefix) => key.as_str().starts_with(prefix.as_str()),
        Selector::SurrogateKey(name) => names.contains(&name.as_str()),
        Selector::All => true,
    });
    taken.map(|purge| purge.extent).reduce(harder)
}

fn any_purge() -> impl Strategy<Value = Purge> {
    let selector = prop_oneof![
        5 => "/[ab]{0,2}".prop_map(|path| url(&path)),
        5 => "/[ab]{0,2}".prop_map(|path| prefix(&path)),
        5 => "[jkl]".prop_map(|name| named(&name)),
        1 => Just(Selector::All),
    ];
    (selector, any::<bool>())
        .prop_map(|(selector, is_soft)| if is_soft { soft(selector) } else { hard(selector) })
}

proptest! {
    #[test]
    fn log_says_what_a_list_of_all_purges_says(
        purges in prop::collection::vec(any_purge(), 0..12),
        path in "/[ab]{0,2}",
        names in prop::sample::subsequence(vec!["j", "k"], 0..=2),
        stored_at in 0_u64..13,
    ) {
        let mut log = PurgeLog::default();
        for purge in &purges {
            log.insert(purge);
        }
        let expected = oracle(&purges, &path, &names, stored_at);
        let check = |log: &PurgeLog| log.check(&key(&path), &keys(&names), Sequence(stored_at));
        prop_assert_eq!(check(&log), expected);
        let lines: Vec<_> = log.entries().map(|entry| entry.to_string()).collect();
        let restored = PurgeLog::restore(lines.iter().rev().map(|line| line.parse().unwrap()));
        prop_assert_eq!(check(&restored), expected);
        prop_assert_eq!(restored.latest(), log.latest());
        // What was stored since a sweep began is judged as before it.
        log.forget_before(Sequence(stored_at));
        prop_assert_eq!(check(&log), expected);
    }
}
