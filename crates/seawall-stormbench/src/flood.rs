//! [`Flood`]: many requests of one kind, as a Poisson process whose rate follows a curve. What storms are made of.

use seawall_http::UnixTime;

use crate::exchange::{Belongs, Exchange};
use crate::rng::Rng;
use crate::source::Source;
use crate::world::Shared;

/// How the rate goes, in requests a second, from an onset on.
#[derive(Clone, Copy, Debug)]
pub enum Curve {
    /// At once, and stays.
    Step(f64),
    /// From nothing, linearly to the rate within so many seconds, and stays.
    Ramp(f64, f64),
    /// At once for some seconds, then nothing for some seconds, and again.
    Pulses(f64, f64, f64),
    /// Up within seconds and then slowly down, with this half-life in seconds: a crowd.
    Burst(f64, f64),
}

impl Curve {
    /// So many seconds after the onset.
    pub(crate) fn rate(self, after: f64) -> f64 {
        match self {
            Self::Step(rate) => rate,
            Self::Ramp(rate, within) => rate * (after / within).min(1.0),
            Self::Pulses(rate, on, off) => {
                if after % (on + off) < on {
                    rate
                } else {
                    0.0
                }
            }
            Self::Burst(rate, half_life) => rate * (after / 20.0).min(1.0) * (-after / half_life).exp2(),
        }
    }

    pub(crate) const fn max(self) -> f64 {
        match self {
            Self::Step(rate) | Self::Ramp(rate, _) | Self::Pulses(rate, ..) | Self::Burst(rate, _) => rate,
        }
    }
}

/// Makes one request at a time, in a world, with the flood's own stream of numbers.
pub type Make = Box<dyn FnMut(&Shared, &mut Rng, UnixTime) -> Exchange>;

/// The requests.
pub struct Flood {
    world: Shared,
    rng: Rng,
    belongs: Belongs,
    curve: Curve,
    onset: UnixTime,
    end: UnixTime,
    at: f64,
    make: Make,
}

impl Flood {
    /// From `onset` to `end`.
    pub fn new(
        world: &Shared,
        rng: &Rng,
        belongs: Belongs,
        curve: Curve,
        (onset, end): (UnixTime, UnixTime),
        make: Make,
    ) -> Self {
        let rng = rng.fork(&format!("flood {belongs:?} {}", onset.0));
        Self { world: Shared::clone(world), rng, belongs, curve, onset, end, at: onset.0 as f64, make }
    }
}

impl Source for Flood {
    fn next(&mut self) -> Option<Exchange> {
        loop {
            self.at += self.rng.exponential(1000.0 / self.curve.max());
            let at = UnixTime(self.at as u64);
            if at >= self.end {
                return None;
            }
            let rate = self.curve.rate((self.at - self.onset.0 as f64) / 1000.0);
            if self.rng.chance(rate / self.curve.max()) {
                let mut exchange = (self.make)(&self.world, &mut self.rng, at);
                exchange.belongs = self.belongs;
                return Some(exchange);
            }
        }
    }
}
