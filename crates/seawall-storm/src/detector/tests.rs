use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use seawall_http::UnixTime;

use super::{Detector, Settings};
use crate::event::CacheResult;
use crate::rise::Rise;
use crate::testing::Exchange;
use crate::testing::play::Play;
use crate::testing::site::{BROWSER_FIELDS, Site, address, program};
use crate::window::Window;
use crate::window_builder::WindowBuilder;

type Storm = fn(&mut Site, UnixTime, &mut WindowBuilder);

/// What came of a scenario.
struct Told {
    /// Seconds from the onset to the first rise whose rule does what it should.
    after: u64,
    rise: Rise,
    collateral: f64,
    upper: f64,
}

/// Ten minutes without a storm, then the storm for a minute.
fn play(name: &str, seed: u64, visits: f64, storm: Storm) -> Option<Told> {
    let mut play = Play::new(seed, visits, 9);
    let before = play.quiet(600);
    for rise in &before {
        eprintln!("{name}: told before: {} {:?}", rise.signature, rise.measure);
    }
    let mut told: Option<Told> = None;
    for second in 1..=60 {
        let rises = play.second(storm);
        for rise in rises {
            let outcome = play.outcome(&rise.signature);
            let is_good = outcome.recall >= 0.99 && outcome.collateral <= 0.001;
            if second % 15 == 5 || told.is_none() {
                eprintln!(
                    "{name} +{second} {:?} {:?} [{}] recall {:.4} collateral {:.5} z {:.0} conf {:.2} onset {} growth {:.2}",
                    rise.scale,
                    rise.measure,
                    rise.signature,
                    outcome.recall,
                    outcome.collateral,
                    rise.significance,
                    rise.confidence,
                    (play.now.0 as i64 - rise.onset.0 as i64) / 1000 - second as i64,
                    rise.growth
                );
            }
            let collateral = play.collateral(&rise);
            if is_good && told.is_none() {
                let requests = collateral.map(|collateral| collateral.requests).unwrap_or_default();
                eprintln!("{name} described: {}\n  collateral {collateral:?}", rise.described);
                told = Some(Told { after: second, collateral: requests.value, upper: requests.upper, rise });
            }
        }
    }
    eprintln!(
        "{name}: {:?} a second before, {:?} in it, {:?} at most; {} specimens",
        play.spent_quiet / 600,
        play.spent / 60,
        play.slowest,
        play.detector.specimens()
    );
    told
}

fn story(rate: f64, site: &mut Site, at: UnixTime, builder: &mut WindowBuilder) {
    for _ in 0..site.rng.poisson(rate) {
        let agent = format!("QQGameHall/5.{}", site.rng.below(2));
        let client = 2_000_000 + site.rng.below(4000);
        let post = Exchange {
            method: "POST",
            header_shape: 55,
            cache: CacheResult::Pass,
            bytes: 225_000,
            origin_bytes: 225_000,
            origin_time_us: 3_000,
            at: UnixTime(at.0 + site.rng.below(900)),
            ..program(Some(&agent), "/ca/cacert.pem", client, at)
        };
        post.observe(builder);
    }
}

/// Exchanges as a browser's, but for what `change` makes of them; each from an address of its own.
fn like_browsers(
    rate: f64,
    site: &mut Site,
    at: UnixTime,
    builder: &mut WindowBuilder,
    change: impl Fn(&mut Site, &mut Exchange<'_>, &mut WindowBuilder),
) {
    for _ in 0..site.rng.poisson(rate) {
        let sender = site.browser();
        let mut exchange = Exchange {
            user_agent: Some(&sender.agent),
            header_shape: sender.shape,
            tls: Some(&sender.tls),
            client: address(3_000_000 + site.rng.below(100_000)),
            fields: &BROWSER_FIELDS,
            cache: CacheResult::Miss,
            bytes: 20_000,
            origin_bytes: 20_000,
            origin_time_us: 40_000,
            at: UnixTime(at.0 + site.rng.below(900)),
            ..Exchange::default()
        };
        change(site, &mut exchange, builder);
    }
}

fn article(site: &mut Site) -> String {
    format!("/articles/{}/{}.html", 2010 + site.rng.popular(15), site.rng.below(4000))
}

fn expect(name: &str, seed: u64, visits: f64, within: u64, storm: Storm) -> Told {
    let told = play(name, seed, visits, storm).expect("it is told");
    assert!(told.after <= within, "{name}: after {} s", told.after);
    assert!(told.collateral <= 0.001 && told.upper < 0.01, "{name}: collateral {}", told.upper);
    assert!(told.rise.confidence > 0.75, "{name}: confidence {}", told.rise.confidence);
    told
}

#[test]
fn story_is_named_at_half_of_the_requests() {
    expect("story-50", 1, 20.0, 5, |site, at, builder| story(110.0, site, at, builder));
}

#[test]
fn story_is_named_at_one_request_in_two_hundred() {
    expect("story-0.5", 2, 250.0, 15, |site, at, builder| story(7.0, site, at, builder));
}

#[test]
fn requests_without_agent_for_one_image_are_named() {
    expect("image", 3, 20.0, 5, |site, at, builder| {
        for _ in 0..site.rng.poisson(60.0) {
            let client = 4_000_000 + site.rng.below(50_000);
            Exchange { header_shape: 66, fields: &[], ..program(None, "/images/3.jpg", client, at) }
                .observe(builder);
        }
    });
}

#[test]
fn application_of_a_thousand_versions_is_named_by_its_product() {
    let told = expect("versions", 4, 20.0, 5, |site, at, builder| {
        for _ in 0..site.rng.poisson(60.0) {
            let (major, minor) = (site.rng.below(50), site.rng.below(100));
            let agent = format!("FooPlayer/{major}.{minor}.{} (Android {})", site.rng.below(100), major % 9);
            let client = 4_000_000 + site.rng.below(50_000);
            program(Some(&agent), "/api/v1/status", client, at).observe(builder);
        }
    });
    assert_eq!(told.rise.signature.to_string(), "path = /api/v1/status ∧ user-agent prefix FooPlayer");
}

#[test]
fn application_that_looks_like_a_browser_is_named_by_its_word() {
    let told = expect("word", 5, 20.0, 5, |site, at, builder| {
        like_browsers(60.0, site, at, builder, |site, exchange, builder| {
            let agent = format!(
                "Mozilla/5.0 (Linux; Android {}; FooReader build {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
                site.rng.below(6),
                site.rng.below(5000),
                100 + site.rng.below(20)
            );
            let page = article(site);
            Exchange { user_agent: Some(&agent), path: &page, ..*exchange }.observe(builder);
        });
    });
    let signature = told.rise.signature.to_string();
    assert!(
        ["user-agent contains FooReader", "user-agent contains Android"].contains(&&*signature),
        "{signature}"
    );
}

#[test]
fn queries_with_random_values_are_named_by_their_shape() {
    expect("busting-values", 6, 20.0, 5, |site, at, builder| {
        like_browsers(60.0, site, at, builder, |site, exchange, builder| {
            let query = format!("cb={:x}", site.rng.next());
            Exchange { path: "/articles/2010/0.html", query: Some(&query), ..*exchange }.observe(builder);
        });
    });
}

#[test]
fn queries_with_random_names_are_named_by_their_presence() {
    expect("busting-names", 7, 20.0, 8, |site, at, builder| {
        like_browsers(60.0, site, at, builder, |site, exchange, builder| {
            let query = format!("{:x}={}", site.rng.next(), site.rng.below(9));
            Exchange { path: "/articles/2010/0.html", query: Some(&query), ..*exchange }.observe(builder);
        });
    });
}

#[test]
fn rotating_agents_are_named_by_what_they_share() {
    expect("tls", 8, 20.0, 8, |site, at, builder| {
        like_browsers(60.0, site, at, builder, |site, exchange, builder| {
            let page = article(site);
            Exchange { path: &page, tls: Some("t13d190900_9dc949149365_97f8aa674fd9"), ..*exchange }
                .observe(builder);
        });
    });
    expect("shape", 9, 20.0, 8, |site, at, builder| {
        like_browsers(60.0, site, at, builder, |site, exchange, builder| {
            let page = article(site);
            Exchange { path: &page, header_shape: 99, ..*exchange }.observe(builder);
        });
    });
}

#[test]
fn two_storms_at_once_are_two() {
    let mut play = Play::new(10, 20.0, 9);
    play.quiet(600);
    let mut seen = BTreeSet::new();
    for _ in 0..10 {
        for rise in play.second(|site, at, builder| {
            story(20.0, site, at, builder);
            like_browsers(60.0, site, at, builder, |site, exchange, builder| {
                let query = format!("cb={:x}", site.rng.next());
                Exchange { path: "/articles/2010/0.html", query: Some(&query), ..*exchange }.observe(builder);
            });
        }) {
            eprintln!("two [{}] {:?} {:?}", rise.signature, play.outcome(&rise.signature), rise.measure);
            seen.insert(rise.signature.to_string());
        }
    }
    let story = "method = POST ∧ path = /ca/cacert.pem ∧ user-agent prefix QQGameHall";
    let busting = "path = /articles/2010/0.html ∧ query-shape = cb";
    assert!(seen.contains(story) && seen.contains(busting), "{seen:?}");
}

#[test]
fn flood_of_head_requests_is_named() {
    expect("head", 11, 20.0, 5, |site, at, builder| {
        like_browsers(150.0, site, at, builder, |site, exchange, builder| {
            let page = article(site);
            let head = Exchange { method: "HEAD", path: &page, bytes: 0, origin_bytes: 0, ..*exchange };
            head.observe(builder);
        });
    });
}

#[test]
fn storm_that_shares_its_agent_with_readers_is_told_from_them() {
    expect("shared-agent", 12, 20.0, 8, |site, at, builder| {
        let sender = site.browsers[1].clone();
        like_browsers(60.0, site, at, builder, |_, exchange, builder| {
            let page = "/articles/2012/7.html";
            Exchange { path: page, user_agent: Some(&sender.agent), header_shape: sender.shape, ..*exchange }
                .observe(builder);
        });
    });
}

#[test]
fn residential_scraping_is_named_by_its_joint_shape() {
    expect("residential", 13, 20.0, 8, |site, at, builder| {
        like_browsers(60.0, site, at, builder, |site, exchange, builder| {
            let page = article(site);
            let fields: &[&str] = &["accept", "accept-encoding", "user-agent", "accept-language"];
            let client = address(5_000_000 + site.rng.next() % 100_000);
            Exchange { path: &page, client, fields, ..*exchange }.observe(builder);
        });
    });
}

fn crowd(site: &mut Site, at: UnixTime, builder: &mut WindowBuilder) {
    for _ in 0..site.rng.poisson(40.0) {
        let client = address(6_000_000 + site.rng.below(200_000));
        site.visit(at, client, "/news/2026/eclipse.html", Some("https://news.example/front"), builder);
    }
}

#[test]
fn flash_crowd_is_told_with_its_diversity() {
    let mut play = Play::new(14, 20.0, 9);
    play.quiet(600);
    let mut told = Vec::new();
    for _ in 0..30 {
        told.extend(play.second(crowd));
    }
    assert!(!told.is_empty());
    for rise in told {
        assert!(rise.profile.agents.effective > 0.5 * rise.past.agents.effective, "{:?}", rise.profile);
    }
}

#[test]
fn storm_inside_a_flash_crowd_is_named() {
    let mut play = Play::new(15, 20.0, 9);
    play.quiet(600);
    for _ in 0..30 {
        // The crowd is no part of the storm's truth.
        play.crowd_second(crowd, |_, _, _| ());
    }
    let mut found = None;
    for second in 1..=20 {
        let rises = play.crowd_second(crowd, |site, at, builder| {
            for _ in 0..site.rng.poisson(60.0) {
                let client = 4_000_000 + site.rng.below(5000);
                program(Some("okhttp/4.9.3"), "/news/2026/eclipse.html", client, at).observe(builder);
            }
        });
        for rise in rises {
            let outcome = play.outcome(&rise.signature);
            eprintln!(
                "in-crowd +{second} [{}] {outcome:?} {:?} growth {:.2}",
                rise.signature, rise.measure, rise.growth
            );
            if outcome.recall > 0.99 && outcome.collateral < 0.001 && found.is_none() {
                found = Some(second);
            }
        }
    }
    assert!(found.is_some_and(|second| second <= 8), "{found:?}");
}

#[test]
fn growth_of_everything_is_no_rise() {
    let mut play = Play::new(16, 20.0, 9);
    play.quiet(600);
    play.site.visits = 60.0;
    let rises = play.quiet(120);
    for rise in &rises {
        eprintln!(
            "growth [{}] {:?} {:?} {:.2} z {:.1}",
            rise.signature, rise.scale, rise.measure, rise.growth, rise.significance
        );
    }
    assert!(rises.is_empty());
}

/// Any address of 192.0.0.0/22.
fn in_the_22(number: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0xc000_0000 + (number % 1024) as u32))
}

#[test]
fn network_that_scans_is_named() {
    expect("scan", 17, 20.0, 5, |site, at, builder| {
        like_browsers(60.0, site, at, builder, |site, exchange, builder| {
            let path = format!("/{:x}/{:x}", site.rng.below(1 << 20), site.rng.below(1 << 30));
            let client = in_the_22(site.rng.next());
            Exchange { path: &path, client, status: 404, bytes: 500, origin_bytes: 500, ..*exchange }
                .observe(builder);
        });
    });
}

#[test]
fn what_is_left_to_learn_falls_to_nothing_and_stays_there() {
    for (learning, begin) in
        [(10, 0), (10, 9), (20, 0), (25, 3), (60, 0), (60, 9), (100, 1), (300, 0), (300, 9)]
    {
        let settings = Settings { learning: Duration::from_secs(learning), ..Settings::default() };
        let mut detector = Detector::new(settings);
        let mut left = detector.learns_for();
        assert_eq!(left, Duration::from_secs(learning));
        for second in 0..2 * learning {
            let from = UnixTime::from_secs(1000 + begin + second);
            let until = from.saturating_add(Duration::from_secs(1));
            detector.push(&Window { from, until, ..Window::default() }, &[]);
            let now = detector.learns_for();
            assert!(now <= left, "{now:?} after {left:?} at second {second}");
            left = now;
            if second + 1 < learning {
                assert!(left > Duration::ZERO, "{learning} from {begin} at second {second}");
            }
            if second > learning {
                assert_eq!(left, Duration::ZERO, "{learning} from {begin} at second {second}");
            }
        }
    }
}

#[test]
fn a_storm_is_found_after_a_short_time_of_learning() {
    let mut play = Play::new(18, 30.0, 9);
    play.detector = Detector::new(Settings { learning: Duration::from_secs(30), ..Settings::default() });
    play.quiet(32);
    let mut found = None;
    for second in 0..15 {
        let rises = play.second(|site, at, builder| story(20.0, site, at, builder));
        found = found.or_else(|| {
            rises.iter().any(|rise| rise.signature.to_string().contains("QQGameHall")).then_some(second)
        });
    }
    assert!(found.is_some_and(|second| second <= 10), "{found:?}");
}

/// The signatures told in ten seconds of the story, and the play.
fn signatures_of(rate: f64, is_reversed: bool) -> (BTreeSet<String>, Play) {
    let mut play = Play::new(18, 10.0, 9);
    play.is_reversed = is_reversed;
    play.quiet(400);
    let mut told = BTreeSet::new();
    for _ in 0..10 {
        let rises = play.second(|site, at, builder| story(rate, site, at, builder));
        told.extend(rises.iter().map(|rise| rise.signature.to_string()));
    }
    (told, play)
}

#[test]
fn order_within_a_second_does_not_matter() {
    let (forward, _) = signatures_of(20.0, false);
    let (backward, _) = signatures_of(20.0, true);
    assert!(!forward.is_empty());
    assert_eq!(forward, backward);
}

#[test]
fn ten_times_the_storm_has_the_same_signature() {
    let (one, _) = signatures_of(15.0, false);
    let (ten, play) = signatures_of(150.0, false);
    assert_eq!(one, ten);
    let settings = Settings::default();
    let bound = 16 * settings.present_max / 2
        + (10 + 21 + 13) * settings.present_max
        + 5 * settings.past_max
        + 24 * settings.hour_max;
    assert!(play.detector.specimens() <= bound, "{}", play.detector.specimens());
}

#[test]
fn agent_copied_from_readers_is_never_named_by_itself() {
    // What is asked for differs from request to request, so the agent is all that the flood has in common.
    let mut play = Play::new(20, 20.0, 9);
    play.quiet(600);
    let victim = play.site.browsers[1].clone();
    for _ in 0..30 {
        let rises = play.second(|site, at, builder| {
            like_browsers(60.0, site, at, builder, |site, exchange, builder| {
                let page = article(site);
                let (agent, tls) = (Some(&*victim.agent), Some(&*victim.tls));
                Exchange { path: &page, user_agent: agent, tls, header_shape: victim.shape, ..*exchange }
                    .observe(builder);
            });
        });
        for rise in rises {
            let outcome = play.outcome(&rise.signature);
            let upper = play.collateral(&rise).map_or(1.0, |collateral| collateral.requests.upper);
            assert!(upper >= 0.001 || outcome.collateral <= 0.001, "{} {outcome:?} {upper}", rise.signature);
        }
    }
}

// === Small sites ===

#[test]
fn storm_of_two_requests_a_second_is_named_in_seconds() {
    for seed in [31, 32] {
        let mut play = Play::new(seed, 0.4, 9);
        assert!(play.quiet(1500).is_empty(), "seed {seed}");
        let named = (1..=20).find(|_| {
            let rises = play.second(|site, at, builder| story(2.0, site, at, builder));
            rises.iter().any(|rise| play.outcome(&rise.signature).recall >= 0.99)
        });
        assert!(named.is_some_and(|after| after <= 10), "seed {seed}: after {named:?} s");
    }
}

#[test]
fn one_new_visitor_with_all_parts_of_a_page_is_nothing_new() {
    let mut play = Play::new(34, 0.4, 9);
    play.quiet(1500);
    for second in 0..6 {
        let rises = play.second(|site, at, builder| {
            for part in 0..8 {
                let path = format!("/new/{second}/{part}.png");
                let agent = format!("NewBrowser/{}", site.rng.below(1));
                program(Some(&agent), &path, 9_000_000, at).observe(builder);
            }
        });
        assert!(rises.is_empty(), "{}", rises[0].signature);
    }
}
