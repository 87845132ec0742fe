//! Which rises are of one storm, what is counted of storms, and the bounds on their number.

use std::sync::Arc;

use seawall_http::UnixTime;

use super::{ACTIVE_MAX, Hysteresis, REMEMBERED_MAX, Step, Storms, Turn};
use crate::fact::FactKind;
use crate::judge::Judgement;
use crate::measure::Measure;
use crate::rise::Rise;
use crate::signature::Term;
use crate::specimen::Specimen;
use crate::storm::{Nature, Phase, StormId};
use crate::testing::Exchange;
use crate::testing::rises::{is, rise};
use crate::testing::traffic::{client, exchanges};
use crate::window::Window;

fn hall(count: u64, from: u64, secs: u64) -> Vec<Arc<Specimen>> {
    exchanges(count, from, secs, |n, at| Exchange {
        method: "POST",
        path: "/ca/cacert.pem",
        user_agent: Some("QQGameHall"),
        client: client(n % 40),
        at,
        ..Exchange::default()
    })
}

fn made(terms: &[Term], specimens: &[Arc<Specimen>], at: u64) -> Rise {
    rise(terms, specimens, &[], at)
}

fn a_storm() -> Judgement {
    Judgement { nature: Nature::Storm, confidence: 1.0, grounds: Vec::new() }
}

fn storms() -> Storms {
    Storms::new(Hysteresis::default(), 7)
}

fn follow(storms: &mut Storms, rise: &Rise, at: u64) -> Option<StormId> {
    let tracked = storms.follow(rise, a_storm(), &[], UnixTime::from_secs(at))?;
    tracked.is_told = true;
    Some(tracked.storm.id)
}

/// The second before `until`, with these exchanges.
fn window(specimens: Vec<Arc<Specimen>>, until: u64) -> Window {
    let total = specimens.iter().fold(Default::default(), |sum, specimen| sum + specimen.cost);
    Window {
        from: UnixTime::from_secs(until - 1),
        until: UnixTime::from_secs(until),
        total,
        specimens,
        ..Window::default()
    }
}

/// Plays so many seconds, each with so many exchanges of the storm; tells what turned.
fn play(storms: &mut Storms, seconds: std::ops::Range<u64>, count: u64) -> Vec<Turn> {
    let mut turns = Vec::new();
    for second in seconds {
        let window = window(hall(count, second, 1), second + 1);
        turns.extend(
            storms.observe(&window, UnixTime::from_secs(second + 1)).into_iter().map(|(_, turn)| turn),
        );
    }
    turns
}

#[test]
fn rises_that_overlap_are_of_one_storm() {
    let mut storms = storms();
    let exchanges = hall(100, 100, 5);
    let agent = [is(FactKind::UserAgent, "QQGameHall")];
    let id = follow(&mut storms, &made(&agent, &exchanges, 105), 105);
    play(&mut storms, 105..110, 20);
    let other_words = [is(FactKind::Method, "POST"), is(FactKind::Path, "/ca/cacert.pem")];
    let same = storms.of_rise(&made(&other_words, &exchanges, 110)).map(|tracked| tracked.storm.id);
    assert_eq!(same, id);
    let readers = super::tests::exchanges(100, 100, 5, |n, at| Exchange {
        client: client(n),
        at,
        ..Exchange::default()
    });
    assert!(storms.of_rise(&made(&[is(FactKind::Path, "/")], &readers, 110)).is_none());
}

#[test]
fn a_storm_inside_a_crowd_is_not_the_crowd() {
    let mut storms = storms();
    let crowd = exchanges(900, 100, 5, |n, at| Exchange {
        client: client(n),
        path: "/ca/cacert.pem",
        at,
        ..Exchange::default()
    });
    let path = [is(FactKind::Path, "/ca/cacert.pem")];
    follow(&mut storms, &made(&path, &crowd, 105), 105);
    let mut all = crowd;
    all.extend(hall(90, 104, 1));
    storms.observe(&window(all, 106), UnixTime::from_secs(106));
    let inside = made(&[is(FactKind::UserAgent, "QQGameHall")], &hall(90, 104, 1), 106);
    assert!(storms.of_rise(&inside).is_none());
}

#[test]
fn what_is_counted_of_a_storm() {
    let mut storms = storms();
    let rise = made(&[is(FactKind::UserAgent, "QQGameHall")], &hall(100, 100, 5), 105);
    follow(&mut storms, &rise, 105);
    play(&mut storms, 105..165, 20);
    let tracked = &storms.active[0];
    assert_eq!(tracked.storm.rate[Measure::Requests], 20.0);
    assert_eq!(tracked.storm.total[Measure::Requests], 100.0 + 60.0 * 20.0);
    assert_eq!(tracked.storm.share[Measure::Requests], 1.0);
    assert_eq!(tracked.storm.clients.value, 20.0);
    assert_eq!(tracked.storm.phase, Phase::Steady);
    assert_eq!(tracked.series().points(Step::Second).count(), 60);
}

#[test]
fn what_our_own_rule_refuses_is_still_seen() {
    let mut storms = storms();
    let rise = made(&[is(FactKind::UserAgent, "QQGameHall")], &hall(100, 100, 5), 105);
    follow(&mut storms, &Rise { measure: Measure::OriginBytes, ..rise }, 105);
    for second in 105..400 {
        let mut refused = hall(20, second, 1);
        for specimen in &mut refused {
            Arc::make_mut(specimen).is_refused = true;
            Arc::make_mut(specimen).cost = crate::measure::Cost::of_one(465, 0, 0);
        }
        storms.observe(&window(refused, second + 1), UnixTime::from_secs(second + 1));
    }
    let tracked = &storms.active[0];
    assert!(tracked.storm.phase.is_raging(), "{:?}", tracked.storm.phase);
    assert_eq!(tracked.refused(), 20.0 * 295.0);
}

#[test]
fn a_storm_that_was_over_returns_as_itself() {
    let mut storms = storms();
    let rise = made(&[is(FactKind::UserAgent, "QQGameHall")], &hall(100, 100, 5), 105);
    let id = follow(&mut storms, &rise, 105);
    play(&mut storms, 105..135, 20);
    let turns = play(&mut storms, 135..2200, 0);
    assert_eq!(turns, [Turn::Paused, Turn::Cleared]);
    assert!(storms.active.is_empty());
    let back = made(&[is(FactKind::UserAgent, "QQGameHall")], &hall(100, 9000, 5), 9005);
    let tracked = storms.of_rise(&back).unwrap();
    assert_eq!((Some(tracked.storm.id), tracked.storm.phase), (id, Phase::Cleared));
    assert!(matches!(tracked.revive(&back, UnixTime::from_secs(9005)), Turn::Returned(_)));
    play(&mut storms, 9005..9010, 20);
    assert_eq!(storms.active[0].storm.phase, Phase::Growing);
}

#[test]
fn numbers_are_bounded_and_what_hits_a_bound_is_counted() {
    let mut storms = storms();
    let rise_of =
        |n: usize, at| made(&[is(FactKind::UserAgent, &format!("agent-{n}"))], &hall(10, at, 1), at);
    for n in 0..ACTIVE_MAX + 5 {
        follow(&mut storms, &rise_of(n, 100), 100);
    }
    assert_eq!((storms.active.len(), storms.bounds().not_followed), (ACTIVE_MAX, 5));
    // Those that have paused make room, one after another, and are remembered.
    play(&mut storms, 100..200, 0);
    for n in 100..100 + REMEMBERED_MAX + 100 {
        follow(&mut storms, &rise_of(n, 200), 200);
        play(&mut storms, 200..200 + 1, 0);
        for tracked in &mut storms.active {
            tracked.storm.phase = Phase::Paused;
        }
    }
    assert!(storms.active.len() <= ACTIVE_MAX);
    assert_eq!(storms.remembered.len(), REMEMBERED_MAX);
    assert_eq!(storms.bounds().forgotten, 100);
    let mut ids: Vec<StormId> = storms.all().map(|tracked| tracked.storm.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), ACTIVE_MAX + REMEMBERED_MAX);
}

#[test]
fn what_is_named_by_a_list_has_to_last_before_it_is_told() {
    let list = Term::Fact {
        kind: FactKind::Network24,
        values: (0..5).map(|n| crate::fact::FactValue::Text(format!("192.0.{n}.0/24"))).collect(),
    };
    let from_list = |count: u64, from: u64| {
        exchanges(count, from, 1, |n, at| Exchange {
            client: std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, (n % 5) as u8, 9)),
            at,
            ..Exchange::default()
        })
    };
    let told_after = |lasts: u64| {
        let mut storms = storms();
        let rise = made(std::slice::from_ref(&list), &from_list(100, 100), 105);
        storms.follow(&rise, a_storm(), &[], UnixTime::from_secs(105));
        for second in 105..130 {
            let count = if second < 105 + lasts { 20 } else { 0 };
            storms.observe(&window(from_list(count, second), second + 1), UnixTime::from_secs(second + 1));
            if !storms.proven(UnixTime::from_secs(second + 1)).is_empty() {
                return Some(second + 1 - 105);
            }
        }
        assert!(storms.active.is_empty(), "what has proven nothing is dropped");
        None
    };
    assert_eq!(told_after(2), None);
    assert_eq!(told_after(25), Some(8));
}

#[test]
fn a_storm_for_which_nothing_speaks_is_not_told_of_until_something_does() {
    let specimens = hall(40, 0, 5);
    let rise = made(&[is(FactKind::Path, "/ca/cacert.pem")], &specimens, 5);
    let (mut storms, now) = (storms(), UnixTime::from_secs(6));
    let vague = Judgement { confidence: 0.55, ..a_storm() };
    storms.follow(&rise, vague, &[], UnixTime::from_secs(5)).unwrap();
    assert!(storms.proven(now).is_empty());
    storms.of_rise(&rise).unwrap().storm.confidence = 0.9;
    assert_eq!(storms.proven(now).len(), 1);
}

// === Parts of crowds ===

/// A crowd after one file, every third of it by one program from the beginning on or from the second half on.
fn crowd_with(programs_from: u64) -> (Storms, Rise) {
    let crowd = exchanges(120, 0, 60, |n, at| Exchange {
        path: "/new.tar.gz",
        user_agent: Some(if n % 3 == 0 && n >= programs_from { "Homebrew/4" } else { "curl/8" }),
        client: client(n),
        at,
        ..Exchange::default()
    });
    let of_crowd = made(&[is(FactKind::Path, "/new.tar.gz")], &crowd, 5);
    let seen: Vec<(Arc<Specimen>, f64)> = crowd.iter().map(|specimen| (Arc::clone(specimen), 1.0)).collect();
    let judgement = Judgement {
        nature: Nature::Crowd(crate::storm::CrowdKind::Release),
        confidence: 0.85,
        grounds: Vec::new(),
    };
    let mut storms = storms();
    storms.follow(&of_crowd, judgement, &seen, UnixTime::from_secs(5)).unwrap().is_told = true;
    let part: Vec<Arc<Specimen>> = crowd
        .iter()
        .filter(|specimen| {
            specimen.text(FactKind::UserAgent).is_some_and(|agent| agent == "Homebrew/4")
                && specimen.at >= UnixTime::from_secs(50)
        })
        .cloned()
        .collect();
    let part =
        Rise { onset: UnixTime::from_secs(50), ..made(&[is(FactKind::UserAgent, "Homebrew/4")], &part, 60) };
    (storms, part)
}

#[test]
fn what_a_crowd_had_from_its_beginning_is_the_crowd() {
    let (storms, part) = crowd_with(0);
    assert!(storms.crowd_of(&part).is_some());
}

#[test]
fn what_came_into_a_crowd_later_is_judged_by_itself() {
    let (storms, part) = crowd_with(100);
    assert!(storms.crowd_of(&part).is_none());
}
