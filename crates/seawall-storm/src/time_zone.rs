//! In which time zone the people behind a storm live, guessed from when they sleep.
//!
//! People's use of the net has one shape everywhere: least before dawn, most in the evening, or in working hours where
//! it is work (Yasseri, Sumi and Kertész, "Circadian Patterns of Wikipedia Editorial Activity", PLoS ONE 7(1), 2012,
//! used it to place editors). So the curve of a storm by hour of the day, laid over that shape, says how far its clock
//! is from UTC. Two shapes are tried, and every shift that fits nearly as well as the best counts as possible: the
//! shape that is really there is neither of the two, and that error does not shrink with more days.
//!
//! What it cannot tell: zones of neighbouring hours, summer time, people spread over several zones (the curve flattens, and
//! the result is a mixture), or machines that never sleep ([`ZoneAnswer::NoRhythm`]).

mod profile;
mod week;

pub use week::{Rest, Week, week};

use profile::{HOURS, PROFILES, Profile};

/// Exchanges of one hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hour {
    /// Hours since 1970-01-01T00:00Z.
    pub number: u64,
    /// How many exchanges, or any other cost. Hours that nobody watched are left out, not zero.
    pub count: f64,
}

/// Where the people behind a curve live.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ZoneAnswer {
    /// Fewer than 24 hours were watched.
    TooEarly {
        /// How many were.
        hours: usize,
    },
    /// The curve does not follow people's day.
    NoRhythm,
    /// It does.
    Zone(Zone),
}

/// A time zone, with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zone {
    /// Local time minus UTC, in hours, −11 to 12.
    pub offset_hours: i8,
    /// To either side, in hours; at least 1.
    pub uncertainty_hours: u8,
    /// After how many days.
    pub days: u32,
}

/// Guesses the zone from hours in ascending order.
pub fn time_zone(hours: &[Hour]) -> ZoneAnswer {
    if hours.len() < HOURS {
        return ZoneAnswer::TooEarly { hours: hours.len() };
    }
    let Some(curve) = daily_curve(hours) else { return ZoneAnswer::NoRhythm };
    let fits: Vec<Fit> = PROFILES
        .iter()
        .flat_map(|profile| (0..SHIFTS).map(move |shift| (profile, shift)))
        .map(|(profile, shift)| fit(&curve, profile, shift))
        .collect();
    let Some(best) = fits.iter().filter(|fit| fit.slope > 0.0).min_by(|a, b| a.error.total_cmp(&b.error))
    else {
        return ZoneAnswer::NoRhythm;
    };
    if !is_rhythm(&curve, best) {
        return ZoneAnswer::NoRhythm;
    }
    let days = (hours.len() / HOURS) as u32;
    let spread = fits
        .iter()
        .filter(|fit| fit.slope > 0.0 && fit.error <= best.error * POSSIBLE)
        .map(|fit| distance(fit.shift, best.shift))
        .max()
        .unwrap_or(0);
    // Shifts are half hours: rounded up to whole ones.
    let uncertainty = (spread.div_ceil(2) as u8).max(least_uncertainty(days));
    ZoneAnswer::Zone(Zone { offset_hours: offset_of(best.shift), uncertainty_hours: uncertainty, days })
}

/// Mean by hour of the UTC day, each hour as a ratio to the mean of the 24 hours around it, so that a storm that grows
/// or fades has the same curve. `None` if an hour of the day was never watched, or nothing happened.
fn daily_curve(hours: &[Hour]) -> Option<[f64; HOURS]> {
    let (mut sums, mut seen) = ([0.0; HOURS], [0.0; HOURS]);
    for (index, hour) in hours.iter().enumerate() {
        let level = level_around(hours, index);
        if level > 0.0 {
            let of_day = (hour.number % HOURS as u64) as usize;
            sums[of_day] += hour.count / level;
            seen[of_day] += 1.0;
        }
    }
    if seen.contains(&0.0) {
        return None;
    }
    let mut curve = [0.0; HOURS];
    for (mean, (sum, seen)) in curve.iter_mut().zip(sums.iter().zip(seen)) {
        *mean = sum / seen;
    }
    Some(curve)
}

/// Mean of the 24 hours around one; at the ends, of the first or last 24.
fn level_around(hours: &[Hour], index: usize) -> f64 {
    let start = index.saturating_sub(HOURS / 2).min(hours.len() - HOURS);
    hours[start..start + HOURS].iter().map(|hour| hour.count).sum::<f64>() / HOURS as f64
}

/// One profile, shifted and scaled onto the curve by least squares.
struct Fit {
    shift: usize,
    slope: f64,
    error: f64,
}

fn fit(curve: &[f64; HOURS], profile: &Profile, shift: usize) -> Fit {
    let expected: Vec<f64> = (0..HOURS).map(|hour| profile.at(2 * hour + shift)).collect();
    let mean_x = expected.iter().sum::<f64>() / HOURS as f64;
    let mean_y = curve.iter().sum::<f64>() / HOURS as f64;
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in expected.iter().zip(curve) {
        xx += (x - mean_x) * (x - mean_x);
        xy += (x - mean_x) * (y - mean_y);
        yy += (y - mean_y) * (y - mean_y);
    }
    let slope = xy / xx;
    Fit { shift, slope, error: (yy - slope * xy).max(f64::MIN_POSITIVE) }
}

/// Whether the best fit explains the curve, and the curve is more than a ripple.
fn is_rhythm(curve: &[f64; HOURS], best: &Fit) -> bool {
    let mean = curve.iter().sum::<f64>() / HOURS as f64;
    let all: f64 = curve.iter().map(|value| (value - mean) * (value - mean)).sum();
    let deviation = (all / HOURS as f64).sqrt();
    best.error <= (1.0 - LEAST_EXPLAINED) * all && deviation >= LEAST_DEVIATION * mean
}

/// Half hours between two shifts around the clock.
fn distance(a: usize, b: usize) -> usize {
    let apart = a.abs_diff(b);
    apart.min(SHIFTS - apart)
}

/// Hours −11 to 12 of a shift in half hours.
fn offset_of(shift: usize) -> i8 {
    let hours = (shift.div_ceil(2) % HOURS) as i8;
    if hours > 12 { hours - HOURS as i8 } else { hours }
}

/// One day may be a holiday, or have had an outage; three of them agree.
fn least_uncertainty(days: u32) -> u8 {
    match days {
        0 | 1 => 3,
        2 => 2,
        _ => 1,
    }
}

/// Half hours of a day.
const SHIFTS: usize = 2 * HOURS;

/// A fit counts as possible while its squared error is within this factor of the best: 1 + F(1, 9; 95 %) / 9, since the hours
/// of a curve hang together and are worth about a dozen independent ones.
const POSSIBLE: f64 = 1.57;

/// Share of the curve's variance that people's day must explain. Noise of 24 independent hours reaches it by chance once in
/// some thousand curves, over all shifts and both profiles (see the test).
const LEAST_EXPLAINED: f64 = 0.6;

/// Deviation of the curve in units of its mean. People's day has 0.35 to 0.6; a mixture of all zones or a machine
/// stays below 0.08.
const LEAST_DEVIATION: f64 = 0.1;

#[cfg(test)]
mod tests;
