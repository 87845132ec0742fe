//! [`Rng`]: the seeded generator behind all traffic here, and the distributions that traffic is drawn from.
//!
//! xoshiro256++ 1.0 (Blackman and Vigna 2019), seeded by SplitMix64. Our own forty lines, so that a seed in a table of
//! results means the same traffic years later, whatever a library changes.

use std::f64::consts::TAU;

/// A stream of numbers that depends on its seed alone.
#[derive(Clone, Debug)]
pub struct Rng([u64; 4]);

impl Rng {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self([(); 4].map(|()| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            mix(state)
        }))
    }

    /// Another stream for one purpose: what is drawn there changes nothing here.
    #[must_use]
    pub fn fork(&self, purpose: &str) -> Self {
        Self::new(hash(purpose) ^ self.0[0].rotate_left(17) ^ self.0[3])
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.0;
        let drawn = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        drawn
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in 0..`bound`; 0 if that is empty.
    pub fn below(&mut self, bound: usize) -> usize {
        // Multiply and shift; the bias is below 2^-32 for bounds here.
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// Uniform in [`low`, `high`).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        (high - low).mul_add(self.unit(), low)
    }

    /// True with this chance.
    pub fn chance(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// One of these.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Exponential: the time between events of a Poisson process.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Log-normal by its median and the standard deviation of its logarithm: sizes, times to think.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        // Box and Muller; one of the pair is enough.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        median * (sigma * radius * (TAU * self.unit()).cos()).exp()
    }

    /// Geometric from 1 on: how many pages a reader looks at.
    pub fn geometric(&mut self, mean: f64) -> usize {
        1 + self.exponential((mean - 1.0).max(1e-9)) as usize
    }

    /// Letters and digits, `len` of them.
    pub fn word(&mut self, len: usize) -> String {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        (0..len).map(|_| char::from(*self.pick(LETTERS))).collect()
    }
}

/// Indices by weight.
#[derive(Clone, Debug)]
pub struct Weights(Vec<f64>);

impl Weights {
    /// In the order given.
    pub fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let sums = weights.into_iter().scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self(sums.collect())
    }

    /// Zipf's law: the i-th of `count` has weight i^-`exponent`.
    pub fn zipf(count: usize, exponent: f64) -> Self {
        Self::new((1..=count).map(|rank| (rank as f64).powf(-exponent)))
    }

    /// An index.
    pub fn draw(&self, rng: &mut Rng) -> usize {
        let at = rng.unit() * self.0.last().copied().unwrap_or_default();
        self.0.partition_point(|sum| *sum <= at).min(self.0.len().saturating_sub(1))
    }
}

/// A text as 64 bits: FNV-1a, mixed. For names that seeds are made of, not for keys that anybody chooses.
pub fn hash(text: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    mix(text.bytes().fold(0xCBF2_9CE4_8422_2325, fnv))
}

/// SplitMix64's finisher.
pub const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Rng, Weights};

    #[test]
    fn the_same_seed_draws_the_same_and_a_fork_draws_something_else() {
        let (mut one, mut two) = (Rng::new(7), Rng::new(7));
        assert_eq!([one.bits(), one.bits()], [two.bits(), two.bits()]);
        assert_ne!(one.fork("a").bits(), one.fork("b").bits());
    }

    #[test]
    fn distributions_have_their_means() {
        let mut rng = Rng::new(1);
        let mean = |draws: Vec<f64>| draws.iter().sum::<f64>() / draws.len() as f64;
        let exponential = mean((0..20_000).map(|_| rng.exponential(3.0)).collect());
        assert!((exponential - 3.0).abs() < 0.1, "{exponential}");
        let pages = mean((0..20_000).map(|_| rng.geometric(3.0) as f64).collect());
        assert!((pages - 2.6).abs() < 0.2, "{pages}");
        let zipf = Weights::zipf(100, 1.0);
        let first = mean((0..20_000).map(|_| f64::from(u8::from(zipf.draw(&mut rng) == 0))).collect());
        assert!((first - 1.0 / 5.187).abs() < 0.02, "{first}");
    }
}
