use seawall_cache::purge::{Extent, Selector};
use seawall_cache::{Purge, Standing};

use super::sample::{content, drain, key, look, put, put_response, response, response_to};
use crate::{NotAdmitted, Settings, Store, TieredStore, VARIANTS_MAX};

const MEMORY_BYTES: u64 = 8 << 20;

fn store() -> TieredStore {
    TieredStore::new(&Settings {
        memory_bytes: MEMORY_BYTES,
        memory_object_bytes: MEMORY_BYTES / 16,
        disk: None,
    })
}

fn purge(selector: Selector) -> Purge {
    Purge { selector, extent: Extent::Hard }
}

#[test]
fn what_is_stored_is_found_with_its_bytes() {
    let store = store();
    assert!(look(&store, "/").is_empty());
    put(&store, "/", content(1, 3000)).unwrap();
    let found = look(&store, "/");
    assert_eq!(found.variants()[0].content().whole(), Some(&content(1, 3000)));
    assert_eq!(
        drain(found.variants()[0].content().reader(1000, 2000)).unwrap(),
        content(1, 3000).slice(1000..2000)
    );
    put(&store, "/empty", content(1, 0)).unwrap();
    assert_eq!(look(&store, "/empty").variants()[0].content().length(), 0);
}

#[test]
fn hits_share_their_bytes() {
    let store = store();
    put(&store, "/", content(1, 3000)).unwrap();
    let [first, second] = [look(&store, "/"), look(&store, "/")];
    let at = |found: &crate::Resource| found.variants()[0].content().whole().map(|bytes| bytes.as_ptr());
    assert_eq!(at(&first), at(&second));
}

#[test]
fn variant_for_the_same_requests_is_replaced() {
    let store = store();
    let vary = |value| response_to(&[("accept-language", value)], &[("vary", "accept-language")]);
    for (value, seed) in [("de", 1), ("en", 2), ("de", 3)] {
        put_response(&store, "/", vary(value), content(seed, 10)).unwrap();
    }
    let found = look(&store, "/");
    let contents: Vec<_> =
        found.variants().iter().map(|variant| variant.content().whole().unwrap().clone()).collect();
    assert_eq!(contents, [content(2, 10), content(3, 10)]);
}

#[test]
fn oldest_of_too_many_variants_goes() {
    let store = store();
    for number in 0..VARIANTS_MAX as u64 + 3 {
        let request = [("accept-language", &*format!("x{number}"))];
        let response = response_to(&request, &[("vary", "accept-language")]);
        put_response(&store, "/", response, content(number, 10)).unwrap();
    }
    let found = look(&store, "/");
    assert_eq!(found.variants().len(), VARIANTS_MAX);
    assert_eq!(found.variants()[0].content().whole(), Some(&content(3, 10)));
}

#[test]
fn replaced_header_keeps_the_content() {
    let store = store();
    let old = put(&store, "/", content(1, 10)).unwrap();
    let moment = store.moment();
    let new = store.replace(&key("/"), &old, response(&[("x-new", "1")]), moment).unwrap();
    assert_eq!(new.response().fields["x-new"], "1");
    assert_eq!(look(&store, "/").variants().len(), 1);
    assert_eq!(look(&store, "/").variants()[0].content().whole(), Some(&content(1, 10)));
    assert!(store.replace(&key("/"), &old, response(&[]), moment).is_none());
}

#[test]
fn invalidated_key_is_gone_also_where_it_was_on_its_way() {
    let store = store();
    put(&store, "/", content(1, 10)).unwrap();
    let asked = store.moment();
    let mut begun = store.fill(&key("/"), response(&[]), None, asked).unwrap();
    begun.push(content(2, 10));
    drop(store.invalidate(&key("/")));
    assert!(look(&store, "/").is_empty());
    assert!(begun.finish().is_none());
    let late = store.fill(&key("/"), response(&[]), None, asked).unwrap();
    assert!(late.finish().is_none(), "the origin was asked before");
    assert!(look(&store, "/").is_empty());
    assert!(put(&store, "/", content(3, 10)).is_some());
    assert_eq!(store.usage().filling_purged, 2);
}

#[test]
fn purge_takes_in_what_was_stored_or_asked_for_before() {
    let store = store();
    for path in ["/a/1", "/a/2", "/b"] {
        put_response(&store, path, response(&[("surrogate-key", "one two")]), content(1, 10)).unwrap();
    }
    let on_its_way = store.fill(&key("/a/3"), response(&[]), Some(0), store.moment()).unwrap();
    drop(store.purge(&purge(Selector::Prefix("https://a.example/a/".to_owned()))));
    assert!(look(&store, "/a/1").is_empty() && look(&store, "/a/2").is_empty());
    assert!(!look(&store, "/b").is_empty());
    assert!(on_its_way.finish().is_none());
    drop(store.purge(&purge(Selector::SurrogateKey("two".to_owned()))));
    assert!(look(&store, "/b").is_empty());
    assert!(put(&store, "/b", content(2, 10)).is_some());
    assert!(!look(&store, "/b").is_empty());
}

#[test]
fn soft_purge_marks_until_the_origin_vouches_again() {
    let store = store();
    put(&store, "/", content(1, 10)).unwrap();
    drop(store.purge(&Purge { selector: Selector::All, extent: Extent::Soft }));
    let found = look(&store, "/");
    let old = &found.variants()[0];
    assert_eq!(old.response().standing, Standing::SoftPurged);
    assert_eq!(look(&store, "/").variants()[0].content().whole(), Some(&content(1, 10)));
    store.replace(&key("/"), old, response(&[]), store.moment()).unwrap();
    assert_eq!(look(&store, "/").variants()[0].response().standing, Standing::Valid);
}

#[test]
fn what_was_asked_for_before_a_forgotten_purge_is_not_stored() {
    let store = store();
    let asked = store.moment();
    drop(store.purge(&purge(Selector::All)));
    store.forget_purges();
    assert_eq!(store.usage().purges, 0);
    let late = store.fill(&key("/"), response(&[]), Some(0), asked).unwrap();
    assert!(late.finish().is_none());
    assert!(put(&store, "/", content(1, 10)).is_some());
    assert_eq!(look(&store, "/").variants().len(), 1);
}

#[test]
fn purged_responses_give_their_room_back() {
    let store = store();
    for number in 0..500 {
        let lines = [("surrogate-key", if number % 2 == 0 { "even" } else { "odd" })];
        put_response(&store, &format!("/{number}"), response(&lines), content(number, 100)).unwrap();
    }
    drop(store.purge(&purge(Selector::SurrogateKey("even".to_owned()))));
    while store.usage().memory_resources > 250 {
        std::thread::yield_now();
    }
    assert!((0..500).all(|number| look(&store, &format!("/{number}")).is_empty() == (number % 2 == 0)));
}

#[test]
fn what_does_not_fit_is_not_admitted() {
    let store = store();
    let fill = |length| store.fill(&key("/"), response(&[]), length, store.moment());
    assert_eq!(fill(Some(MEMORY_BYTES)).err(), Some(NotAdmitted::TooLarge));
    let begun: Vec<_> = (0..).map_while(|_| fill(Some(300 << 10)).ok()).collect();
    assert_eq!(begun.len() as u64, (MEMORY_BYTES / 8) / (300 << 10), "an eighth is for what is on its way");
    assert_eq!(fill(Some(300 << 10)).err(), Some(NotAdmitted::Busy));
    assert_eq!(store.usage().filling_refused, 2);
    drop(begun);
    assert_eq!(store.usage().filling_bytes, 0);
    assert!(fill(Some(300 << 10)).is_ok());
}

#[test]
fn thousands_beyond_the_bound_keep_the_bound() {
    let store = store();
    for number in 0..3000 {
        put(&store, &format!("/{number}"), content(number, (number as usize * 37) % 20_000)).unwrap();
        assert!(store.usage().memory_bytes <= MEMORY_BYTES);
    }
    let usage = store.usage();
    assert!(usage.memory_evictions > 1000, "{usage:?}");
    assert!(usage.memory_bytes > MEMORY_BYTES * 3 / 4, "{usage:?}");
}

#[test]
fn a_scan_does_not_evict_what_is_in_use() {
    let store = store();
    let hot = |number| format!("/hot/{number}");
    for number in 0..50 {
        put(&store, &hot(number), content(number, 20_000)).unwrap();
        look(&store, &hot(number));
        look(&store, &hot(number));
    }
    for number in 0..5_000 {
        put(&store, &format!("/scan/{number}"), content(number, 20_000)).unwrap();
        look(&store, &hot(number % 50));
    }
    let kept = (0..50).filter(|number| !look(&store, &hot(*number)).is_empty()).count();
    assert_eq!(kept, 50);
}
