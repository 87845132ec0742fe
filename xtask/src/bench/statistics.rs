//! Medians, ranges and ratios.

use serde::Serialize;

/// Some figures of the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Summary {
    /// `None` of nothing.
    pub(super) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let sorted = sorted(figures);
        Some(Self { median: median(&sorted)?, least: *sorted.first()?, most: *sorted.last()? })
    }
}

/// The median of the rounds' own ratios: what slows a round slows both.
pub(super) fn ratio(ours: &[f64], theirs: &[f64]) -> Option<f64> {
    median(&sorted(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs)))
}

fn sorted(figures: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::{Summary, ratio};

    #[test]
    fn median_is_the_middle_or_between_the_two_middles() {
        let of = |figures: &[f64]| Summary::of(figures.iter().copied());
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(Summary { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Some(Summary { median: 2.5, least: 1.0, most: 4.0 }));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn ratio_is_that_of_the_middle_round() {
        // The second round was slow for both; the medians' own ratio would be 12 / 10.
        assert_eq!(ratio(&[9.0, 24.0, 12.0], &[10.0, 20.0, 8.0]), Some(1.2));
        assert_eq!(ratio(&[8.0, 30.0, 12.0], &[10.0, 20.0, 10.0]), Some(1.2));
        assert_eq!(ratio(&[1.0], &[]), None);
    }
}
