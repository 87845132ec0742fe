use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::limit::{KeyHasher, Rate};

const SECOND: u64 = 1_000_000_000;

fn gcra(requests: u32, per: Duration, burst: u32) -> Gcra {
    Gcra::new(Rate { requests, per, burst })
}

fn key(table: &LimitTable, visitor: u64) -> Key {
    let mut hasher = KeyHasher::new(table.seed(), b"limit");
    hasher.part(1, Some(&visitor.to_be_bytes()));
    hasher.finish()
}

#[test]
fn a_key_takes_sixteen_bytes() {
    assert_eq!(size_of::<Bucket>(), 64);
    assert_eq!(align_of::<Bucket>(), 64);
    let table = LimitTable::new(100_000, [7; 16]);
    assert_eq!(table.capacity(), 100_000);
    assert!(table.bytes() <= 100_000 * 16 + 1024);
    assert_eq!(LimitTable::new(0, [7; 16]).capacity(), WAYS);
}

#[test]
fn cores_at_the_same_instant_share_exactly_one_burst() {
    let table = LimitTable::new(64, [7; 16]);
    let gcra = gcra(1, Duration::from_secs(60), 1000);
    let allowed: u64 = thread::scope(|scope| {
        let worker =
            || (0..5000).filter(|_| table.check(&key(&table, 1), &gcra, SECOND).allowed).count() as u64;
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(allowed - table.uncounted(), 1000);
    assert!(table.uncounted() <= 20, "{}", table.uncounted());
}

#[test]
fn cores_together_keep_a_rate_within_two_per_cent() {
    let table = LimitTable::new(64, [7; 16]);
    let gcra = gcra(10_000, Duration::from_secs(1), 50);
    // Two seconds in steps of 20 µs: five times the rate.
    let clock = AtomicU64::new(SECOND);
    let end = 3 * SECOND;
    let worker = || {
        let mut allowed = 0u64;
        loop {
            let now = clock.fetch_add(20_000, Ordering::Relaxed);
            if now >= end {
                return allowed;
            }
            allowed += u64::from(table.check(&key(&table, 1), &gcra, now).allowed);
        }
    };
    let allowed: u64 = thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(allowed.abs_diff(20_050) <= 20_050 * 2 / 100, "{allowed}");
}

#[test]
fn cores_that_push_each_other_out_never_refuse_the_innocent() {
    // One bucket for everybody; a thousand visitors who each ask once a minute of ten allowed at once.
    let table = LimitTable::new(1, [7; 16]);
    let gcra = gcra(10, Duration::from_secs(60), 10);
    let table = &table;
    let refused: usize = thread::scope(|scope| {
        let worker = |core: u64| {
            move || {
                let visits = (0..5u64).flat_map(|minute| (0..250u64).map(move |visitor| (minute, visitor)));
                let refused = visits.filter(|(minute, visitor)| {
                    let now = (minute + 1) * 60 * SECOND;
                    !table.check(&key(table, core * 1000 + visitor), &gcra, now).allowed
                });
                refused.count()
            }
        };
        let workers: Vec<_> = (0..4).map(|core| scope.spawn(worker(core))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(refused, 0);
    assert!(table.evictions() > 1000);
}

#[test]
fn a_key_at_its_limit_outlasts_a_flood_of_new_keys() {
    let table = LimitTable::new(1, [7; 16]);
    let gcra = gcra(1, Duration::from_secs(1), 10);
    let flooder = key(&table, 0);
    while table.check(&flooder, &gcra, SECOND).allowed {}
    for visitor in 1..10_000 {
        assert!(table.check(&key(&table, visitor), &gcra, SECOND).allowed);
    }
    assert!(!table.check(&flooder, &gcra, SECOND).allowed);
    assert_eq!(table.evictions(), 9_999 - 3);
}

#[test]
fn a_key_whose_time_is_past_gives_way_at_no_cost() {
    let table = LimitTable::new(1, [7; 16]);
    let gcra = gcra(1, Duration::from_secs(1), 10);
    for second in 1..1000 {
        assert!(table.check(&key(&table, second), &gcra, second * SECOND).allowed);
        assert_eq!(table.live(second * SECOND), 1);
    }
    assert_eq!(table.evictions(), 0);
}

#[test]
fn peeking_counts_nothing() {
    let table = LimitTable::new(1, [7; 16]);
    let gcra = gcra(1, Duration::from_secs(1), 2);
    let visitor = key(&table, 1);
    for _ in 0..5 {
        assert_eq!(table.peek(&visitor, &gcra, SECOND).remaining, 1);
    }
    assert_eq!(table.live(SECOND), 0);
    assert!(table.check(&visitor, &gcra, SECOND).allowed && table.check(&visitor, &gcra, SECOND).allowed);
    assert!(!table.peek(&visitor, &gcra, SECOND).allowed);
}

proptest! {
    /// In a table with room for all, every key is counted as if it were alone.
    #[test]
    fn keys_do_not_disturb_each_other(visits in vec((0..20u64, 0..SECOND), 1..300), burst in 1..5u32) {
        let table = LimitTable::new(100_000, [7; 16]);
        let gcra = gcra(2, Duration::from_secs(1), burst);
        let (mut alone, mut now) = (HashMap::new(), SECOND);
        for (visitor, gap) in visits {
            now += gap / 20;
            let arrival = alone.entry(visitor).or_insert(0);
            let (expected, next) = gcra.arrive(*arrival, now);
            if expected.allowed {
                *arrival = next;
            }
            prop_assert_eq!(table.check(&key(&table, visitor), &gcra, now), expected);
        }
    }
}
