//! How much people do at an hour of their day and a day of their week.

use seawall_http::UnixTime;

/// By local hour, mean 1: sites for a general public, as public traffic curves show them.
const HOURS: [f64; 24] = [
    0.62, 0.43, 0.32, 0.27, 0.26, 0.31, 0.46, 0.70, 0.95, 1.14, 1.24, 1.27, 1.26, 1.25, 1.25, 1.25, 1.24,
    1.23, 1.26, 1.37, 1.48, 1.45, 1.21, 0.88,
];

/// The greatest factor that [`activity`] gives.
pub const ACTIVITY_MAX: f64 = 1.5 * WEEKDAY;
const WEEKDAY: f64 = 1.12;
const WEEKEND: f64 = 0.84;

/// The factor for a place so many hours ahead of UTC; 1 on average over a week.
pub fn activity(at: UnixTime, utc_offset: f64) -> f64 {
    let hours = at.0 as f64 / 3_600_000.0 + utc_offset;
    let hour = hours.rem_euclid(24.0);
    let (low, part) = (hour as usize % 24, hour.fract());
    let level = HOURS[low].mul_add(1.0 - part, HOURS[(low + 1) % 24] * part);
    // The first day of 1970 was a Thursday; Monday is 0.
    let day = (hours / 24.0).floor() as i64 + 3;
    level * if day.rem_euclid(7) >= 5 { WEEKEND } else { WEEKDAY }
}

#[cfg(test)]
mod tests {
    use seawall_http::UnixTime;

    use super::{ACTIVITY_MAX, activity};

    #[test]
    fn activity_is_one_on_average_and_low_at_night_and_on_sundays() {
        let week: Vec<f64> =
            (0..7 * 24).map(|hour| activity(UnixTime::from_secs(hour * 3600), 0.0)).collect();
        let mean = week.iter().sum::<f64>() / week.len() as f64;
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
        assert!(week.iter().all(|factor| *factor <= ACTIVITY_MAX));
        // 4 January 1970 was a Sunday.
        assert!(
            activity(UnixTime::from_secs(3 * 86_400 + 12 * 3600), 0.0)
                < activity(UnixTime::from_secs(12 * 3600), 0.0)
        );
        assert!(
            activity(UnixTime::from_secs(4 * 3600), 0.0) < 0.3
                && activity(UnixTime::from_secs(4 * 3600), 8.0) > 1.0
        );
    }
}
