use std::net::Ipv4Addr;

use proptest::prelude::*;
use seawall_http::{ClientAddr, ContentLength, Protocol};

use super::*;
use crate::derive::{Derive, nowhere};
use crate::event::{CacheResult, Disposition, EventFacts};
use crate::measure::Measure;
use crate::token::TokenKeys;
use crate::window::Window;

fn derive() -> Derive {
    Derive { keys: FactKeys::new([3; 16]), tokens: TokenKeys::new([4; 16], UnixTime(0)) }
}

fn event<'a>(path: &'a str, agent: &'a str, client: u32, cost: Cost) -> RequestEvent<'a> {
    RequestEvent {
        facts: EventFacts {
            host: Seen::Value("site.example"),
            method: "GET",
            path,
            query: Seen::Value("a=1&b=2"),
            user_agent: Seen::Value(agent.as_bytes()),
            referer: Seen::Absent,
            client: ClientAddr::new(Ipv4Addr::from_bits(client).into()),
            protocol: Some(Protocol::Http11),
            tls_fingerprint: Seen::Unknown,
            header_shape: None,
            fields: None,
            content: Some(ContentLength::Absent),
        },
        disposition: Disposition { status: 200, cache: CacheResult::Hit, is_refused: false },
        cost,
        at: UnixTime(u64::from(client)),
    }
}

/// A second with these costs; the exchange's number is its time.
fn second(recorder: &mut Recorder, costs: &[Cost]) {
    for (number, cost) in costs.iter().enumerate() {
        recorder.observe(&event("/", "agent/1", number as u32, *cost));
    }
}

fn sum(costs: &[Cost]) -> Cost {
    costs.iter().fold(Cost::default(), |sum, cost| sum + *cost)
}

fn window(seed: u64, before: &[Cost], costs: &[Cost]) -> Window {
    let derive = derive();
    let mut recorder = Recorder::new(derive.keys, seed, UnixTime(0));
    second(&mut recorder, before);
    let batch = recorder.take(Batch::default(), UnixTime(1000));
    second(&mut recorder, costs);
    derive.window(&recorder.take(batch, UnixTime(2000)), nowhere)
}

/// A tenth of the exchanges costs the origin nothing, and one in a hundred a thousand times more than the others.
fn uneven(count: usize) -> Vec<Cost> {
    let cost = |n: usize| match n {
        n if n % 10 == 0 => Cost::of_one(500, 0, 0),
        n if n % 101 == 1 => Cost::of_one(900, 1_000_000, 3000),
        n => Cost::of_one(200 + n as u64 % 50, 1000, 10 + n as u64 % 7),
    };
    (0..count).map(cost).collect()
}

#[test]
fn quiet_core_is_sampled_whole() {
    let costs = uneven(SPECIMENS_EXPECTED);
    let window = window(1, &costs, &costs);
    assert_eq!(window.specimens.len(), costs.len());
    assert_eq!(window.estimate(|_| true), sum(&costs));
    assert_eq!((window.from, window.until), (UnixTime(1000), UnixTime(2000)));
}

#[test]
fn totals_are_exact_and_specimens_bounded_in_a_flood() {
    let costs = uneven(200_000);
    for before in [&costs[..0], &costs[..100], &costs[..]] {
        let window = window(2, before, &costs);
        assert_eq!(window.total, sum(&costs));
        assert!(window.specimens.len() <= SPECIMENS_MAX, "{}", window.specimens.len());
        assert!(window.specimens.len() >= SPECIMENS_EXPECTED, "{}", window.specimens.len());
        assert_eq!(window.lost, 0);
    }
}

#[test]
fn same_seed_gives_the_same_sample() {
    let costs = uneven(30_000);
    let ranks =
        |seed| window(seed, &[], &costs).specimens.iter().map(|one| (one.at, one.rank)).collect::<Vec<_>>();
    assert!(ranks(5) == ranks(5));
    assert!(ranks(5) != ranks(6));
}

/// Over many seeds, the mean of the estimates lies within four standard errors of the truth: for a part of them, by every
/// measure, with thresholds known before and found within the second, as it is, thinned, and merged.
#[test]
fn estimates_are_unbiased() {
    const SEEDS: u64 = 100;
    let costs = uneven(6000);
    let is_member = |number: u64| number.is_multiple_of(3);
    let members = costs.iter().enumerate().filter(|(number, _)| is_member(*number as u64));
    let truth = members.fold(Cost::default(), |sum, (_, cost)| sum + *cost);
    let as_is = |seed, before: &[Cost]| window(seed, before, &costs);
    let thinned = |seed| {
        let mut window = as_is(seed, &costs);
        window.thin(300);
        window
    };
    let merged = |seed| {
        let derive = derive();
        let mut one = Recorder::new(derive.keys, seed, UnixTime(0));
        let mut other = Recorder::new(derive.keys, seed ^ 0xffff_0000, UnixTime(0));
        for (number, cost) in costs.iter().enumerate() {
            // All that is dear goes one way, so that the thresholds differ.
            let recorder = if number % 101 == 1 || number % 7 == 0 { &mut one } else { &mut other };
            recorder.observe(&event("/", "agent/1", number as u32, *cost));
        }
        let [mut one, other] = [one, other]
            .map(|mut recorder| derive.window(&recorder.take(Batch::default(), UnixTime(1000)), nowhere));
        one.merge(other);
        one.thin(500);
        one
    };
    let cases: [(&str, &dyn Fn(u64) -> Window); 4] = [
        ("known", &|seed| as_is(seed, &costs)),
        ("flood", &|seed| as_is(seed, &[])),
        ("thinned", &thinned),
        ("merged", &merged),
    ];
    for (name, of_seed) in cases {
        let estimates: Vec<Cost> =
            (0..SEEDS).map(|seed| of_seed(seed * 7919).estimate(|one| is_member(one.at.0))).collect();
        for measure in Measure::ALL {
            let mean = estimates.iter().map(|cost| cost[measure]).sum::<f64>() / SEEDS as f64;
            let squares = estimates.iter().map(|cost| (cost[measure] - mean).powi(2)).sum::<f64>();
            let error = (squares / (SEEDS * (SEEDS - 1)) as f64).sqrt();
            let off = (mean - truth[measure]).abs();
            assert!(error > 0.0 && error < 0.03 * truth[measure], "{name} {measure:?}: error {error}");
            assert!(off < 4.0 * error, "{name} {measure:?}: {mean} of {} ± {error}", truth[measure]);
        }
    }
}

/// Ten million agents, paths and addresses, each once; the longest that HTTP/1.1 lets through among them.
#[test]
fn bounds_hold_with_millions_of_distinct_values() {
    const EXCHANGES: u32 = 10_000_000;
    let derive = derive();
    let mut recorder = Recorder::new(derive.keys, 1, UnixTime(0));
    let mut batch = Batch::default();
    let (mut path, long) = (String::new(), "x".repeat(7000));
    let mut total = Cost::default();
    let mut capacity = 0;
    for number in 0..EXCHANGES {
        use std::fmt::Write;
        path.clear();
        write!(path, "/{number}/").unwrap();
        if number % 2 == 0 {
            path.push_str(&long[..if number % 4096 == 0 { 7000 } else { 300 }]);
        }
        recorder.observe(&event(&path, &path, number, Cost::of_one(u64::from(number % 5000), 10, 10)));
        assert!(
            recorder.batch.sampled.len() <= SPECIMENS_MAX && recorder.batch.text.len() <= ARENA_BYTES_MAX
        );
        if number % 500_000 == 499_999 {
            batch = recorder.take(batch, UnixTime(u64::from(number) / 500));
            total += batch.total;
            capacity = capacity.max(batch.sampled.capacity() * size_of::<Sampled>() + batch.text.capacity());
            assert_eq!(batch.lost, 0);
            assert!(batch.sampled() >= SPECIMENS_EXPECTED);
        }
    }
    assert_eq!(total[Measure::Requests], f64::from(EXCHANGES));
    assert!(capacity < 3 << 20, "{capacity} bytes");
}

#[test]
fn part_that_nobody_took_leaves_its_totals() {
    let derive = derive();
    let mut recorder = Recorder::new(derive.keys, 1, UnixTime(0));
    second(&mut recorder, &uneven(10));
    let batch = recorder.take(Batch::default(), UnixTime(1000));
    recorder.take_back(&batch);
    second(&mut recorder, &uneven(5));
    let batch = recorder.take(batch, UnixTime(2000));
    assert_eq!((batch.requests(), batch.sampled(), batch.lost, batch.from), (15, 5, 10, UnixTime(0)));
    assert!(recorder.is_idle());
}

#[test]
fn long_quiet_span_does_not_raise_thresholds() {
    let derive = derive();
    let mut recorder = Recorder::new(derive.keys, 1, UnixTime(0));
    second(&mut recorder, &uneven(2000));
    let batch = recorder.take(Batch::default(), UnixTime(60_000));
    second(&mut recorder, &uneven(400));
    assert_eq!(recorder.take(batch, UnixTime(61_000)).sampled(), 400);
}

fn costs() -> impl Strategy<Value = Vec<Cost>> {
    let cost = (0..3u64, 0..2000u64, 0..2u64, 0..100u64)
        .prop_map(|(a, sent, b, time)| Cost::of_one(sent * a, sent * 3 * b, time * b));
    prop::collection::vec(cost, 0..4000)
}

/// Everything that matters of a window, in an order.
fn contents(window: &Window) -> (UnixTime, UnixTime, Cost, Cost, u64, Vec<(u64, u64)>) {
    let mut specimens: Vec<_> = window.specimens.iter().map(|one| (one.rank.to_bits(), one.at.0)).collect();
    specimens.sort_unstable();
    (window.from, window.until, window.total, window.thresholds, window.lost, specimens)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn merging_commutes_and_associates(parts in prop::collection::vec(costs(), 3), seed: u64) {
        let windows: Vec<Window> =
            (0..).zip(&parts).map(|(n, costs)| window(seed.wrapping_add(n), &parts[0], costs)).collect();
        let merged = |order: [usize; 3]| {
            let mut all = windows[order[0]].clone();
            all.merge(windows[order[1]].clone());
            all.merge(windows[order[2]].clone());
            all
        };
        let mut right = windows[1].clone();
        right.merge(windows[2].clone());
        let mut grouped = windows[0].clone();
        grouped.merge(right);
        let expected = contents(&merged([0, 1, 2]));
        prop_assert_eq!(&contents(&grouped), &expected);
        for order in [[1, 0, 2], [2, 1, 0], [1, 2, 0]] {
            prop_assert_eq!(&contents(&merged(order)), &expected);
        }
        let mut from_nothing = Window::default();
        from_nothing.merge(windows[0].clone());
        prop_assert_eq!(contents(&from_nothing), contents(&windows[0]));
    }

    #[test]
    fn thinning_meets_the_bound_and_keeps_the_lowest_priorities_out(costs in costs(), seed: u64, bound in 1..600usize) {
        let whole = window(seed, &[], &costs);
        let mut thin = whole.clone();
        thin.thin(bound);
        prop_assert_eq!(thin.specimens.len(), whole.specimens.len().min(bound));
        let mut twice = thin.clone();
        twice.thin(bound);
        prop_assert_eq!(contents(&twice), contents(&thin));
        for one in &thin.specimens {
            prop_assert!(thin.weight(one) >= whole.weight(one));
        }
    }
}
