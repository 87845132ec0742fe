//! How much people use the net by hour of their own day.

/// Hours of a day.
pub(super) const HOURS: usize = 24;

/// Activity by local hour, mean 1 or near it.
pub(super) struct Profile([f64; HOURS]);

impl Profile {
    /// At this half hour of the local day, around the clock.
    pub(super) fn at(&self, half_hour: usize) -> f64 {
        let hour = (half_hour / 2) % HOURS;
        let here = self.0[hour];
        if half_hour.is_multiple_of(2) { here } else { f64::midpoint(here, self.0[(hour + 1) % HOURS]) }
    }
}

/// What people do at home: least at four in the morning, most at nine in the evening; and at work: eight to six,
/// with a dip at lunch.
pub(super) static PROFILES: [Profile; 2] = [
    Profile([
        0.87, 0.58, 0.38, 0.28, 0.24, 0.26, 0.37, 0.56, 0.77, 0.93, 1.02, 1.07, 1.10, 1.10, 1.12, 1.15, 1.19,
        1.24, 1.33, 1.44, 1.55, 1.58, 1.47, 1.21,
    ]),
    Profile([
        0.25, 0.18, 0.14, 0.12, 0.12, 0.16, 0.32, 0.70, 1.25, 1.70, 1.85, 1.80, 1.55, 1.60, 1.85, 1.85, 1.70,
        1.40, 1.05, 0.85, 0.75, 0.65, 0.50, 0.36,
    ]),
];
