//! Arithmetic of estimates: exact binomial bounds and effective sizes.

use crate::proposal::Estimate;

/// One less the confidence of every upper bound.
const ALPHA: f64 = 0.05;

/// The share `hits / trials` with its upper bound of 95 % confidence, exact for a binomial count (Clopper and Pearson
/// 1934: the quantile of a beta distribution). Both may be fractions, as effective sizes are. With no hit it is
/// `1 - 0.05^(1/n)`, about `3/n`. Without a trial nothing is known: the bound is 1.
pub(crate) fn share(hits: f64, trials: f64) -> Estimate {
    if trials <= 0.0 {
        return Estimate { value: 0.0, upper: 1.0 };
    }
    let hits = hits.clamp(0.0, trials);
    Estimate { value: hits / trials, upper: share_upper(hits, trials) }
}

fn share_upper(hits: f64, trials: f64) -> f64 {
    if hits >= trials {
        return 1.0;
    }
    if hits <= 0.0 {
        return 1.0 - ALPHA.powf(1.0 / trials);
    }
    // Of all shares, the greatest under which no more than these hits have a chance of 5 %. Monotone, so halving
    // finds it: 52 steps exhaust the mantissa.
    let (mut low, mut high) = (hits / trials, 1.0);
    for _ in 0..52 {
        let middle = f64::midpoint(low, high);
        if incomplete_beta(hits + 1.0, trials - hits, middle) < 1.0 - ALPHA {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The regularised incomplete beta function `I_x(a, b)`, by its continued fraction (NIST Digital Library of
/// Mathematical Functions, 8.17.22), evaluated after Lentz.
pub(crate) fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // It converges fast below the mean; above, by symmetry (8.17.4).
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front = (a * x.ln() + b * (-x).ln_1p() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b)).exp() / a;
    (front * beta_fraction(a, b, x)).clamp(0.0, 1.0)
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    const STEPS: u32 = 500;
    let guard = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..STEPS {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for coefficient in [even, odd] {
            d = 1.0 / guard(1.0 + coefficient * d);
            c = guard(1.0 + coefficient / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0).abs() < 1e-14 {
            break;
        }
    }
    fraction
}

/// The logarithm of the gamma function for positive arguments (Lanczos 1964, with the coefficients for g = 7 and nine
/// terms; 15 digits).
fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // Reflection.
        return (std::f64::consts::PI / (std::f64::consts::PI * x).sin().abs()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let base = x + 7.5;
    let sum = COEFFICIENTS
        .iter()
        .enumerate()
        .skip(1)
        .fold(COEFFICIENTS[0], |sum, (index, coefficient)| sum + coefficient / (x + index as f64));
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * base.ln() - base + sum.ln()
}

/// How many equally weighted exchanges would tell as much as these weighted ones (Kish 1965).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Weights {
    pub(crate) sum: f64,
    squares: f64,
}

impl Weights {
    pub(crate) fn add(&mut self, weight: f64) {
        self.sum += weight;
        self.squares += weight * weight;
    }

    /// Takes one out again.
    pub(crate) fn remove(&mut self, weight: f64) {
        self.sum = (self.sum - weight).max(0.0);
        self.squares = (self.squares - weight * weight).max(0.0);
    }

    pub(crate) fn effective(&self) -> f64 {
        if self.squares > 0.0 { self.sum * self.sum / self.squares } else { 0.0 }
    }

    pub(crate) fn squares(&self) -> f64 {
        self.squares
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_agree_with_published_tables() {
        // One-sided 95 %: the root of the binomial distribution itself, in exact arithmetic.
        for (hits, trials, upper) in [
            (0.0, 10.0, 0.258_865_5),
            (1.0, 10.0, 0.394_163_3),
            (5.0, 10.0, 0.777_558_9),
            (10.0, 10.0, 1.0),
            (0.0, 3000.0, 0.000_998_079),
            (3.0, 1000.0, 0.007_735_2),
        ] {
            let estimate = share(hits, trials);
            assert!((estimate.upper - upper).abs() < 2e-6, "{hits} of {trials}: {}", estimate.upper);
        }
        assert_eq!(share(0.0, 0.0), Estimate { value: 0.0, upper: 1.0 });
    }

    #[test]
    fn incomplete_beta_agrees_with_closed_forms() {
        for x in [0.01, 0.3, 0.5, 0.77, 0.999] {
            assert!((incomplete_beta(1.0, 1.0, x) - x).abs() < 1e-12);
            assert!((incomplete_beta(3.0, 1.0, x) - x.powi(3)).abs() < 1e-12);
            assert!((incomplete_beta(1.0, 4.0, x) - (1.0 - (1.0 - x).powi(4))).abs() < 1e-12);
        }
    }

    proptest! {
        #[test]
        fn bound_is_above_the_value_and_falls_with_more_trials(hits in 0.0..50.0f64, more in 0.1..5000.0f64) {
            let few = share(hits, hits + more);
            let many = share(2.0 * hits, 2.0 * (hits + more));
            prop_assert!(few.upper >= few.value && few.upper <= 1.0);
            prop_assert!(many.upper <= few.upper + 1e-9);
        }
    }
}
