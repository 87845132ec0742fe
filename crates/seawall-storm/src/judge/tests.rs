//! Scenarios: what each is judged to be, and why.

use std::sync::Arc;

use super::{Case, Judgement, Kin, cached_there, judge};
use crate::event::CacheResult;
use crate::fact::FactKind;
use crate::signature::Term;
use crate::specimen::Specimen;
use crate::testing::Exchange;
use crate::testing::rises::{is, rise, weighted};
use crate::testing::traffic::{READERS, client, exchanges, mix, neighbour, reader, readers};

const PATH: FactKind = FactKind::Path;

/// A rise of these exchanges in five seconds, at a site that had 3,000 of its readers' before.
fn judged(terms: &[Term], storm: &[Arc<Specimen>]) -> Judgement {
    judged_among(terms, storm, &readers(3000, 0, 600), None)
}

fn judged_among(
    terms: &[Term],
    storm: &[Arc<Specimen>],
    before: &[Arc<Specimen>],
    declared: Option<&str>,
) -> Judgement {
    let rise = rise(terms, storm, before, 605);
    let exchanges = weighted(storm);
    let kin = Kin::of(&exchanges, &crate::judge::Before::of(weighted(before).into_iter()));
    let cached_there = cached_there(&exchanges, &weighted(before));
    judge(&Case { rise: &rise, kin: &kin, exchanges: &exchanges, cached_there, declared })
}

/// The nature, how sure, and the grounds, in a line each.
fn told(judgement: &Judgement) -> String {
    let grounds: Vec<String> = judgement.grounds.iter().map(|ground| ground.to_string()).collect();
    format!("{} {:.2}: {}", judgement.nature.as_str(), judgement.confidence, grounds.join("; "))
}

#[track_caller]
fn check(judgement: &Judgement, expected: &str) {
    assert_eq!(told(judgement), expected);
}

// === Storms ===

#[test]
fn posts_of_one_program_to_a_file_are_a_storm() {
    let storm = exchanges(200, 600, 5, |n, at| Exchange {
        method: "POST",
        path: "/ca/cacert.pem",
        user_agent: Some("QQGameHall"),
        client: client(n + 50_000),
        header_shape: 99,
        cache: CacheResult::Pass,
        at,
        ..Exchange::default()
    });
    check(
        &judged(
            &[
                is(FactKind::Method, "POST"),
                is(PATH, "/ca/cacert.pem"),
                is(FactKind::UserAgent, "QQGameHall"),
            ],
            &storm,
        ),
        "storm 1.00: one user agent makes 100 % of it, and made 0 % of the past; one product makes 100 % of it, and \
         made 0 % of the past; one header shape makes 100 % of it, and made 0 % of the past; it uses POST where the \
         past did not; what it has in common is what sends it, not what is asked for; it comes from about 200 clients",
    );
}

#[test]
fn a_storm_that_copies_a_readers_agent_is_told_by_its_share() {
    let storm = exchanges(400, 600, 5, |n, at| Exchange {
        path: "/docs/api/a.html",
        user_agent: Some(READERS[8]),
        client: client(n + 50_000),
        header_shape: 1,
        at,
        ..Exchange::default()
    });
    let judgement = judged(&[is(PATH, "/docs/api/a.html"), is(FactKind::UserAgent, READERS[8])], &storm);
    assert_eq!(judgement.nature.as_str(), "storm", "{}", told(&judgement));
    assert!(judgement.confidence > 0.9, "{}", told(&judgement));
}

#[test]
fn rotating_agents_with_one_header_shape_are_a_storm() {
    let storm = exchanges(400, 600, 5, |n, at| Exchange {
        path: "/docs/",
        user_agent: Some(READERS[mix(n) as usize % 9]),
        client: client(n + 50_000),
        header_shape: 77,
        at,
        ..Exchange::default()
    });
    let judgement = judged(&[is(PATH, "/docs/")], &storm);
    assert_eq!(judgement.nature.as_str(), "storm", "{}", told(&judgement));
    assert!(told(&judgement).contains("one header shape makes 100 %"), "{}", told(&judgement));
}

#[test]
fn one_network_that_scans_paths_is_a_storm() {
    let paths: Vec<String> = (0..400).map(|n| format!("/{:x}.php", mix(n))).collect();
    let storm = exchanges(400, 600, 5, |n, at| Exchange {
        path: &paths[n as usize],
        user_agent: Some(READERS[mix(n) as usize % 9]),
        client: neighbour(n),
        header_shape: mix(n) % 7,
        status: 404,
        at,
        ..Exchange::default()
    });
    let judgement = judged(&[is(FactKind::Network22, "192.0.0.0/22")], &storm);
    assert_eq!(judgement.nature.as_str(), "storm", "{}", told(&judgement));
    assert!(told(&judgement).contains("one network makes 100 % of it"), "{}", told(&judgement));
    assert!(told(&judgement).contains("100 % of it asks for what is not there"), "{}", told(&judgement));
}

#[test]
fn queries_that_go_past_the_cache_are_a_storm_with_readers_agents() {
    let storm = exchanges(400, 600, 5, |n, at| Exchange {
        query: Some("cb"),
        cache: CacheResult::Miss,
        path: "/",
        ..reader(n + 70_000, at)
    });
    let judgement = judged(&[is(PATH, "/"), is(FactKind::QueryShape, "cb")], &storm);
    assert_eq!(judgement.nature.as_str(), "storm", "{}", told(&judgement));
    assert!(told(&judgement).contains("goes past the cache"), "{}", told(&judgement));
}

#[test]
fn what_looks_like_readers_in_everything_is_said_to_be_inseparable() {
    let paths: Vec<String> = (0..400).map(|n| format!("/mail/archive/{:x}.html", mix(n))).collect();
    let storm =
        exchanges(400, 600, 5, |n, at| Exchange { path: &paths[n as usize], ..reader(n + 70_000, at) });
    let judgement = judged(&[is(FactKind::PathPrefix2, "/mail/archive/")], &storm);
    assert_eq!(judgement.nature.as_str(), "storm", "{}", told(&judgement));
    assert!(
        judgement.confidence < 0.5 && told(&judgement).contains("nothing tells them apart"),
        "{}",
        told(&judgement)
    );
}

#[test]
fn one_client_that_hammers_at_one_thing_is_a_storm() {
    let storm = exchanges(200, 600, 5, |_, at| Exchange {
        path: "/docs/",
        user_agent: Some("x/1"),
        header_shape: 5,
        at,
        ..Exchange::default()
    });
    let judgement = judged(&[is(FactKind::UserAgent, "x/1")], &storm);
    assert_eq!(judgement.nature.as_str(), "storm", "{}", told(&judgement));
}

// === Crowds ===

#[test]
fn readers_who_want_one_page_are_a_flash_crowd() {
    let crowd = exchanges(600, 600, 5, |n, at| Exchange {
        path: "/news/2024/05/release.html",
        referer: Some("https://forum.example/item"),
        status: 200,
        ..reader(n * 7 + 70_000, at)
    });
    let judgement = judged(&[is(PATH, "/news/2024/05/release.html")], &crowd);
    assert_eq!(judgement.nature.as_str(), "flash-crowd", "{}", told(&judgement));
}

#[test]
fn a_flash_crowd_with_more_phones_than_usual_is_one_still() {
    let crowd = exchanges(600, 600, 5, |n, at| {
        let phone = mix(n).is_multiple_of(2);
        let reader = reader(n * 7 + 70_000, at);
        let agent = if phone { Some(READERS[2 + mix(n ^ 1) as usize % 2]) } else { reader.user_agent };
        let header_shape = if phone { 2 + mix(n ^ 1) % 2 } else { reader.header_shape };
        Exchange { path: "/news/", user_agent: agent, header_shape, status: 200, ..reader }
    });
    let judgement = judged(&[is(PATH, "/news/")], &crowd);
    assert_eq!(judgement.nature.as_str(), "flash-crowd", "{}", told(&judgement));
}

#[test]
fn a_search_engine_from_its_networks_is_a_crawl() {
    let paths: Vec<String> = (0..300).map(|n| format!("/docs/{n}.html")).collect();
    let crawl = exchanges(300, 600, 5, |n, at| Exchange {
        path: &paths[n as usize],
        user_agent: Some(READERS[9]),
        client: neighbour(n),
        header_shape: 2,
        at,
        ..Exchange::default()
    });
    check(
        &judged(&[is(FactKind::AgentProduct, "Googlebot")], &crawl),
        "crawl 0.90: it says that it is Googlebot, and comes from as few networks as Googlebot would; it asks for many \
         things, hardly any of them twice",
    );
}

#[test]
fn a_search_engine_from_all_over_the_world_is_an_imitation() {
    let paths: Vec<String> = (0..300).map(|n| format!("/docs/{n}.html")).collect();
    let storm = exchanges(300, 600, 5, |n, at| Exchange {
        path: &paths[n as usize],
        user_agent: Some(READERS[9]),
        client: client(n + 90_000),
        header_shape: 2,
        at,
        ..Exchange::default()
    });
    let judgement = judged(&[is(FactKind::AgentProduct, "Googlebot")], &storm);
    assert_eq!(judgement.nature.as_str(), "storm", "{}", told(&judgement));
    assert!(told(&judgement).contains("says that it is Googlebot, but comes from"), "{}", told(&judgement));
}

#[test]
fn a_search_engine_that_asks_for_the_same_again_and_again_is_no_crawl() {
    let storm = exchanges(300, 600, 5, |n, at| Exchange {
        path: "/docs/",
        user_agent: Some(READERS[9]),
        client: neighbour(n),
        header_shape: 2,
        at,
        ..Exchange::default()
    });
    let judgement = judged(&[is(FactKind::AgentProduct, "Googlebot"), is(PATH, "/docs/")], &storm);
    assert_eq!(judgement.nature.as_str(), "storm", "{}", told(&judgement));
}

#[test]
fn download_programs_after_something_new_are_a_release() {
    const TOOLS: [&str; 6] = [
        "curl/8.5.0",
        "curl/7.88.1",
        "Wget/1.21.3",
        "Debian APT-HTTP/1.3 (2.6.1)",
        "pip/24.0 {}",
        "Go-http-client/2.0",
    ];
    let release = exchanges(300, 600, 5, |n, at| Exchange {
        path: "/download/seawall-1.0.tar.gz",
        user_agent: Some(TOOLS[mix(n) as usize % 6]),
        client: client(n + 90_000),
        header_shape: 20 + mix(n) % 6,
        at,
        ..Exchange::default()
    });
    let judgement = judged(&[is(PATH, "/download/seawall-1.0.tar.gz")], &release);
    assert_eq!(judgement.nature.as_str(), "release", "{}", told(&judgement));
}

#[test]
fn download_programs_at_an_old_file_are_a_storm() {
    let storm = exchanges(300, 600, 5, |n, at| Exchange {
        path: "/style.css",
        user_agent: Some("curl/8.5.0"),
        client: client(n + 90_000),
        header_shape: 3,
        at,
        ..Exchange::default()
    });
    let judgement = judged(&[is(PATH, "/style.css"), is(FactKind::AgentProduct, "curl")], &storm);
    assert_eq!(judgement.nature.as_str(), "storm", "{}", told(&judgement));
}

#[test]
fn one_client_that_goes_from_thing_to_thing_is_a_job() {
    let paths: Vec<String> = (0..60).map(|n| format!("/mail/archive/{n}.html")).collect();
    let job = exchanges(60, 600, 5, |n, at| Exchange {
        path: &paths[n as usize],
        user_agent: Some("Wget/1.21.3"),
        header_shape: 4,
        origin_time_us: 60_000,
        at,
        ..Exchange::default()
    });
    check(
        &judged(&[is(FactKind::UserAgent, "Wget/1.21.3")], &job),
        "job 0.85: it comes from one client; it waits for one answer before it asks again; it asks for many things, \
         hardly any of them twice; 100 % of it gets what it asks for",
    );
}

#[test]
fn a_client_that_comes_back_every_few_seconds_is_a_probe() {
    let probe = exchanges(30, 0, 60, |n, at| Exchange {
        path: "/",
        user_agent: Some("UptimeProbe/1"),
        client: client(n % 3),
        header_shape: 30,
        at,
        ..Exchange::default()
    });
    // Thirty of them in a minute: five seconds would hold two or three.
    let mut judgement = judged(&[is(FactKind::UserAgent, "UptimeProbe/1")], &probe[..6]);
    assert_ne!(judgement.nature.as_str(), "probe", "too few visits to tell: {}", told(&judgement));
    judgement = judged(&[is(FactKind::UserAgent, "UptimeProbe/1")], &probe[..10]);
    assert_eq!(judgement.nature.as_str(), "probe", "{}", told(&judgement));
}

#[test]
fn what_the_operator_declared_is_declared() {
    let storm =
        exchanges(200, 600, 5, |_, at| Exchange { user_agent: Some("monitor"), at, ..Exchange::default() });
    let judgement = judged_among(
        &[is(FactKind::UserAgent, "monitor")],
        &storm,
        &readers(3000, 0, 600),
        Some("our monitors"),
    );
    check(&judgement, "declared 1.00: the configuration declares its clients good (`our monitors`)");
}

// === Few and many ===

#[test]
fn half_a_dozen_readers_after_one_page_are_no_storm_yet() {
    let few = exchanges(8, 600, 5, |n, at| Exchange {
        path: "/news/2024/05/release.html",
        referer: Some("https://forum.example/item"),
        ..reader(n * 7 + 70_000, at)
    });
    let terms = [is(PATH, "/news/2024/05/release.html"), is(FactKind::RefererHost, "forum.example")];
    let judgement = judged(&terms, &few);
    let profile = rise(&terms, &few, &readers(3000, 0, 600), 605).profile;
    let is_crowd = judgement.nature.as_str() == "flash-crowd";
    assert!(is_crowd || judgement.is_early(&profile), "{}", told(&judgement));
}

#[test]
fn half_a_dozen_of_a_program_that_never_was_are_a_storm() {
    let few = exchanges(6, 600, 5, |n, at| Exchange {
        path: "/ca/cacert.pem",
        user_agent: Some("QQGameHall"),
        client: client(n + 50_000),
        header_shape: 99,
        at,
        ..Exchange::default()
    });
    let terms = [is(PATH, "/ca/cacert.pem"), is(FactKind::UserAgent, "QQGameHall")];
    let judgement = judged(&terms, &few);
    assert!(judgement.is_sure_of_a_storm(), "{}", told(&judgement));
}

#[test]
fn readers_who_use_a_new_form_are_not_surely_a_storm() {
    let posts = exchanges(30, 600, 5, |n, at| Exchange {
        method: "POST",
        path: "/docs/",
        cache: CacheResult::Pass,
        status: 200,
        ..reader(n * 7 + 70_000, at)
    });
    let terms = [is(FactKind::Method, "POST"), is(PATH, "/docs/")];
    let judgement = judged(&terms, &posts);
    assert!(!judgement.is_sure_of_a_storm(), "{}", told(&judgement));
    let refused = exchanges(30, 600, 5, |n, at| Exchange {
        method: "POST",
        path: "/login",
        cache: CacheResult::Pass,
        status: 401,
        ..reader(n * 7 + 70_000, at)
    });
    let judgement = judged(&[is(FactKind::Method, "POST"), is(PATH, "/login")], &refused);
    assert!(judgement.is_sure_of_a_storm(), "{}", told(&judgement));
}

#[test]
fn a_page_that_cannot_be_stored_is_no_storm_for_that() {
    let crowd = exchanges(30, 600, 5, |n, at| Exchange {
        path: "/news/2024/05/release.html",
        cache: CacheResult::Pass,
        status: 200,
        ..reader(n * 7 + 70_000, at)
    });
    let judgement = judged(&[is(PATH, "/news/2024/05/release.html")], &crowd);
    assert!(!judgement.is_sure_of_a_storm(), "{}", told(&judgement));
}

#[test]
fn pages_are_held_against_pages() {
    // A browser's fields for a page differ from those for its parts, of which there are nine times as many.
    let before = exchanges(3000, 0, 600, |n, at| {
        let is_page = n % 10 == 0;
        let path = if is_page { "/docs/" } else { "/style.css" };
        Exchange { path, header_shape: if is_page { 50 } else { 60 + n % 5 }, ..reader(n, at) }
    });
    let crowd = exchanges(9, 600, 5, |n, at| Exchange {
        path: "/news/2024/05/release.html",
        header_shape: 50,
        ..reader(n * 7 + 70_000, at)
    });
    let judgement = judged_among(&[is(PATH, "/news/2024/05/release.html")], &crowd, &before, None);
    assert!(!judgement.is_sure_of_a_storm(), "{}", told(&judgement));
}
