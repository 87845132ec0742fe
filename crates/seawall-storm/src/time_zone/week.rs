//! Working days and days of rest in a storm's curve.

use super::{Hour, Zone};
use crate::time_zone::profile::HOURS;

/// Which two days the curve takes for the weekend.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Rest {
    /// Saturday and Sunday.
    SaturdaySunday,
    /// Friday and Saturday.
    FridaySaturday,
}

/// How a week goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Week {
    /// The days of rest, where they differ from the others.
    pub rest: Rest,
    /// Median cost of a day of rest over that of a working day: 0.3 is an office, 1.4 a game.
    pub ratio: f64,
    /// Working days that went like days of rest: days since 1970-01-01, local. Holidays, perhaps.
    pub holidays: Vec<u64>,
}

/// How a week goes, by local days in `zone`. `None` before two whole weeks were watched, or if no two days differ from the
/// other five by at least a sixth, consistently.
pub fn week(hours: &[Hour], zone: Zone) -> Option<Week> {
    let days = local_days(hours, zone);
    if days.len() < LEAST_DAYS {
        return None;
    }
    let candidates = [Rest::SaturdaySunday, Rest::FridaySaturday];
    let week = candidates.into_iter().filter_map(|rest| split(&days, rest)).max_by(|a, b| {
        let clarity = |week: &Split| week.ratio.ln().abs();
        clarity(a).total_cmp(&clarity(b))
    })?;
    Some(Week { rest: week.rest, ratio: week.ratio, holidays: week.holidays })
}

/// A local day of which at least 22 hours were watched.
#[derive(Clone, Copy)]
struct Day {
    number: u64,
    count: f64,
}

fn local_days(hours: &[Hour], zone: Zone) -> Vec<Day> {
    let mut days: Vec<(Day, usize)> = Vec::new();
    for hour in hours {
        let number = hour.number.saturating_add_signed(i64::from(zone.offset_hours)) / HOURS as u64;
        match days.last_mut() {
            Some((day, seen)) if day.number == number => {
                day.count += hour.count;
                *seen += 1;
            }
            _ => days.push((Day { number, count: hour.count }, 1)),
        }
    }
    let whole = |(mut day, seen): (Day, usize)| {
        (seen >= LEAST_HOURS).then(|| {
            day.count *= HOURS as f64 / seen as f64;
            day
        })
    };
    days.into_iter().filter_map(whole).collect()
}

struct Split {
    rest: Rest,
    ratio: f64,
    holidays: Vec<u64>,
}

fn split(days: &[Day], rest: Rest) -> Option<Split> {
    let (resting, working): (Vec<Day>, Vec<Day>) = days.iter().partition(|day| rest.has(weekday(day.number)));
    let (low, high) = (quartiles(&resting)?, quartiles(&working)?);
    let ratio = low.median / high.median;
    let apart = if ratio < 1.0 { low.upper < high.lower } else { low.lower > high.upper };
    if !ratio.is_finite() || ratio <= 0.0 || ratio.ln().abs() < LEAST_DIFFERENCE || !apart {
        return None;
    }
    let middle = f64::midpoint(low.median, high.median);
    let holidays = working
        .iter()
        .filter(|day| (day.count < middle) == (low.median < middle))
        .map(|day| day.number)
        .collect();
    Some(Split { rest, ratio, holidays })
}

impl Rest {
    /// Whether a weekday, 0 for Monday, is one of the two.
    const fn has(self, weekday: u64) -> bool {
        match self {
            Self::SaturdaySunday => matches!(weekday, 5 | 6),
            Self::FridaySaturday => matches!(weekday, 4 | 5),
        }
    }
}

/// 0 for Monday; 1970-01-01 was a Thursday.
const fn weekday(day: u64) -> u64 {
    (day + 3) % 7
}

struct Quartiles {
    lower: f64,
    median: f64,
    upper: f64,
}

fn quartiles(days: &[Day]) -> Option<Quartiles> {
    let mut counts: Vec<f64> = days.iter().map(|day| day.count).collect();
    counts.sort_by(f64::total_cmp);
    let at = |quarter: usize| counts.get((counts.len().saturating_sub(1)) * quarter / 4).copied();
    Some(Quartiles { lower: at(1)?, median: at(2)?, upper: at(3)? })
}

/// Whole days.
const LEAST_DAYS: usize = 14;

/// Hours of a day that must have been watched.
const LEAST_HOURS: usize = 22;

/// ln(7/6): the day-to-day scatter of a steady crowd is a few per cent.
const LEAST_DIFFERENCE: f64 = 0.154;
