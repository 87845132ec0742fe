use proptest::prelude::*;

use super::*;

/// People's day as a sum of two waves (least at half past three, most at eight): not one of the profiles that the guess
/// is made with.
fn activity(local_hour: f64) -> f64 {
    let wave = |times: f64, peak: f64| (std::f64::consts::TAU * times * (local_hour - peak) / 24.0).cos();
    1.0 + 0.5 * wave(1.0, 16.5) + 0.2 * wave(2.0, 21.0)
}

/// Deterministic noise, −1 to 1.
fn noise(seed: u64, number: u64) -> f64 {
    let mut x = (seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 31;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x >> 11) as f64 / (1u64 << 53) as f64) * 2.0 - 1.0
}

fn curve(days: u64, offset: i64, scatter: f64, seed: u64) -> Vec<Hour> {
    (0..days * 24)
        .map(|hour| {
            let number = 438_000 + hour;
            let local = number.saturating_add_signed(offset) % 24;
            let count = 1000.0 * activity(local as f64) * (1.0 + scatter * noise(seed, number));
            Hour { number, count }
        })
        .collect()
}

#[test]
fn three_days_give_the_zone_within_its_uncertainty() {
    for offset in -11..=12 {
        let ZoneAnswer::Zone(zone) = time_zone(&curve(3, offset, 0.1, 7)) else {
            panic!("no zone at {offset}")
        };
        let apart = (i64::from(zone.offset_hours) - offset).rem_euclid(24);
        let apart = apart.min(24 - apart);
        assert!(apart <= i64::from(zone.uncertainty_hours), "{offset}: {zone:?}");
        assert!(zone.uncertainty_hours <= 3, "{offset}: {zone:?}");
        assert_eq!(zone.days, 3);
    }
}

#[test]
fn growth_of_the_storm_does_not_move_the_zone() {
    let mut hours = curve(4, 8, 0.05, 3);
    for (index, hour) in hours.iter_mut().enumerate() {
        hour.count *= 1.0 + index as f64 / 12.0;
    }
    let ZoneAnswer::Zone(zone) = time_zone(&hours) else { panic!("no zone") };
    assert!((zone.offset_hours - 8).abs() <= 1, "{zone:?}");
}

#[test]
fn less_than_a_day_is_too_early() {
    let hours = curve(1, 8, 0.0, 1);
    assert_eq!(time_zone(&hours[..23]), ZoneAnswer::TooEarly { hours: 23 });
    assert_eq!(time_zone(&[]), ZoneAnswer::TooEarly { hours: 0 });
}

#[test]
fn one_day_says_that_it_is_unsure() {
    let ZoneAnswer::Zone(zone) = time_zone(&curve(1, -5, 0.05, 1)) else { panic!("no zone") };
    assert!(zone.uncertainty_hours >= 3);
}

#[test]
fn machines_have_no_rhythm() {
    let misjudged = (0..2000)
        .filter(|seed| {
            let flat: Vec<Hour> =
                (0..72).map(|number| Hour { number, count: 100.0 + 40.0 * noise(*seed, number) }).collect();
            matches!(time_zone(&flat), ZoneAnswer::Zone(_))
        })
        .count();
    assert!(misjudged <= 4, "{misjudged} of 2000 curves of noise got a zone");
}

#[test]
fn silence_has_no_rhythm() {
    let hours: Vec<Hour> = (0..48).map(|number| Hour { number, count: 0.0 }).collect();
    assert_eq!(time_zone(&hours), ZoneAnswer::NoRhythm);
}

#[test]
fn an_hour_of_the_day_that_was_never_watched_leaves_it_open() {
    let hours: Vec<Hour> = curve(3, 0, 0.0, 1).into_iter().filter(|hour| hour.number % 24 != 5).collect();
    assert_eq!(time_zone(&hours), ZoneAnswer::NoRhythm);
}

proptest! {
    #[test]
    fn scale_does_not_matter(scale in 0.001..1e6f64, offset in -11i64..=12, seed: u64) {
        let hours = curve(3, offset, 0.1, seed);
        let scaled: Vec<Hour> =
            hours.iter().map(|hour| Hour { number: hour.number, count: hour.count * scale }).collect();
        prop_assert_eq!(time_zone(&hours), time_zone(&scaled));
    }
}

// === The week ===

fn weeks(days: u64, zone: Zone, factor: impl Fn(u64) -> f64) -> Vec<Hour> {
    curve(days, i64::from(zone.offset_hours), 0.05, 5)
        .into_iter()
        .map(|hour| {
            let day = hour.number.saturating_add_signed(i64::from(zone.offset_hours)) / 24;
            Hour { number: hour.number, count: hour.count * factor(day) }
        })
        .collect()
}

const ZONE: Zone = Zone { offset_hours: 8, uncertainty_hours: 1, days: 3 };

#[test]
fn an_office_rests_on_saturday_and_sunday_and_on_a_holiday() {
    let first = (438_000 + 8) / 24;
    // A Wednesday in the second week.
    let holiday = (first..).find(|day| *day > first + 7 && (day + 3) % 7 == 2).unwrap();
    let factor = |day: u64| if (day + 3) % 7 >= 5 || day == holiday { 0.3 } else { 1.0 };
    let week = week(&weeks(21, ZONE, factor), ZONE).unwrap();
    assert_eq!(week.rest, Rest::SaturdaySunday);
    assert!((0.25..0.35).contains(&week.ratio), "{}", week.ratio);
    assert_eq!(week.holidays, [holiday]);
}

#[test]
fn a_game_is_played_on_friday_and_saturday() {
    let factor = |day: u64| if matches!((day + 3) % 7, 4 | 5) { 1.5 } else { 1.0 };
    let week = week(&weeks(28, ZONE, factor), ZONE).unwrap();
    assert_eq!(week.rest, Rest::FridaySaturday);
    assert!(week.ratio > 1.3 && week.holidays.is_empty(), "{week:?}");
}

#[test]
fn a_machine_has_no_weekend() {
    assert_eq!(week(&weeks(28, ZONE, |_| 1.0), ZONE), None);
    assert_eq!(week(&weeks(10, ZONE, |day| (day % 2) as f64), ZONE), None);
}
