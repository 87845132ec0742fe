//! [`Lifecycle`]: where a storm is in its life, with hysteresis. Pure: a rate and a time go in, at most one turn comes out.
//!
//! ```text
//! Growing ─► Steady ─► Paused ─► Cleared
//!    ▲          │        │          │
//!    └──────────┴────────┴──────────┘   the same storm, if it returns
//! ```
//!
//! Two levels apart keep it from fluttering: a storm pauses below a quarter of its onset's excess for a minute, and
//! returns above half of it for three seconds. So pulses of 40 s are one storm, and so is what stops at night.

use std::time::Duration;

use seawall_http::UnixTime;

use crate::storm::Phase;

/// When storms pause, return and are over. The defaults are argued in `docs/concepts/storms.md`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hysteresis {
    /// Below this share of the onset's excess it is not there.
    pub pause_below: f64,
    /// For so long, and it has paused.
    pub pause_after: Duration,
    /// Above this share of the onset's excess it is there.
    pub return_above: f64,
    /// For so long, and it has returned.
    pub return_after: Duration,
    /// After so long without it, it is over.
    pub clear_after: Duration,
    /// Without a new peak for so long, it grows no more.
    pub steady_after: Duration,
}

impl Default for Hysteresis {
    fn default() -> Self {
        Self {
            pause_below: 0.25,
            pause_after: Duration::from_secs(60),
            return_above: 0.5,
            return_after: Duration::from_secs(3),
            clear_after: Duration::from_secs(30 * 60),
            steady_after: Duration::from_secs(30),
        }
    }
}

/// Where a storm is in its life.
#[derive(Clone, Debug)]
pub(crate) struct Lifecycle {
    phase: Phase,
    /// What the past foretold, and what came on top of it at the onset.
    expected: f64,
    level: f64,
    /// The greatest rate so far, and since when there was no greater one.
    peak: f64,
    peaked: UnixTime,
    /// The rate that was last told of.
    told: f64,
    /// Since when the rate is on the other side of what the phase says.
    crossed: Option<UnixTime>,
    /// When it last was there.
    seen: UnixTime,
}

/// What became of a storm in one step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    /// Its rate is twice what was last told.
    Grew,
    /// It grows no more.
    Steadied,
    /// It is no longer there.
    Paused,
    /// It is there again, after so long.
    Returned(Duration),
    /// It is over.
    Cleared,
}

impl Lifecycle {
    /// Of a storm that rises by `level` above what was `expected`.
    pub(crate) fn begin(expected: f64, level: f64, now: UnixTime) -> Self {
        let rate = expected + level;
        let crossed = None;
        Self {
            phase: Phase::Growing,
            expected,
            level,
            peak: rate,
            peaked: now,
            told: rate,
            crossed,
            seen: now,
        }
    }

    /// Of one that an earlier process followed, and that has been there until now.
    pub(crate) fn restore(phase: Phase, expected: f64, level: f64, now: UnixTime) -> Self {
        Self { phase, ..Self::begin(expected, level, now) }
    }

    /// Where it is.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// What the past foretold.
    pub(crate) fn expected(&self) -> f64 {
        self.expected
    }

    /// What came on top of it at the onset.
    pub(crate) fn level(&self) -> f64 {
        self.level
    }

    /// A cleared storm that the detector found again.
    pub(crate) fn revive(&mut self, expected: f64, level: f64, now: UnixTime) -> Turn {
        let away = since(self.seen, now);
        *self = Self::begin(expected, level, now);
        Turn::Returned(away)
    }

    /// One step of time, in which the storm's rate is `rate`.
    pub(crate) fn step(&mut self, rate: f64, hysteresis: &Hysteresis, now: UnixTime) -> Option<Turn> {
        let excess = rate - self.expected;
        if excess >= hysteresis.pause_below * self.level && self.phase.is_raging() {
            self.seen = now;
        }
        match self.phase {
            Phase::Growing | Phase::Steady => {
                if self.has_crossed(excess < hysteresis.pause_below * self.level, hysteresis.pause_after, now)
                {
                    self.enter(Phase::Paused);
                    return Some(Turn::Paused);
                }
                self.rage(rate, hysteresis, now)
            }
            Phase::Paused => {
                if self.has_crossed(
                    excess >= hysteresis.return_above * self.level,
                    hysteresis.return_after,
                    now,
                ) {
                    let away = since(self.seen, now);
                    self.enter(Phase::Growing);
                    (self.seen, self.peaked) = (now, now);
                    return Some(Turn::Returned(away));
                }
                if since(self.seen, now) >= hysteresis.clear_after && self.crossed.is_none() {
                    self.enter(Phase::Cleared);
                    return Some(Turn::Cleared);
                }
                None
            }
            Phase::Cleared => None,
        }
    }

    fn rage(&mut self, rate: f64, hysteresis: &Hysteresis, now: UnixTime) -> Option<Turn> {
        // A tenth more is a new peak; less is noise.
        if rate > 1.1 * self.peak {
            (self.peak, self.peaked) = (rate, now);
        }
        if rate >= 2.0 * self.told {
            self.told = rate;
            self.phase = Phase::Growing;
            return Some(Turn::Grew);
        }
        if self.phase == Phase::Growing && since(self.peaked, now) >= hysteresis.steady_after {
            self.phase = Phase::Steady;
            return Some(Turn::Steadied);
        }
        None
    }

    /// Whether `is_across` has held for `long` by now.
    fn has_crossed(&mut self, is_across: bool, long: Duration, now: UnixTime) -> bool {
        if !is_across {
            self.crossed = None;
            return false;
        }
        let crossed = *self.crossed.get_or_insert(now);
        since(crossed, now) >= long
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.crossed = None;
    }
}

/// From `then` to `now`; nothing if the clock went back.
pub(crate) fn since(then: UnixTime, now: UnixTime) -> Duration {
    Duration::from_millis(now.0.saturating_sub(then.0))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// Plays rates, each for so many seconds, and tells what happened when.
    fn play(rates: &[(f64, u64)]) -> String {
        let mut life = Lifecycle::begin(2.0, 100.0, UnixTime::from_secs(0));
        let (mut told, mut second) = (String::new(), 0);
        for &(rate, seconds) in rates {
            for _ in 0..seconds {
                second += 1;
                if let Some(turn) = life.step(rate, &Hysteresis::default(), UnixTime::from_secs(second)) {
                    write!(told, "{second}:{turn:?} ").unwrap();
                }
            }
        }
        told.trim_end().to_owned()
    }

    #[test]
    fn turns_of_a_storm() {
        for (rates, expected) in [
            // It holds its level.
            (vec![(100.0, 300)], "30:Steadied"),
            // It grows by leaps.
            (vec![(100.0, 10), (250.0, 10), (600.0, 60)], "11:Grew 21:Grew 51:Steadied"),
            // It stops, and is over half an hour later.
            (vec![(100.0, 100), (0.0, 2000)], "30:Steadied 161:Paused 1900:Cleared"),
            // What the past foretold is not the storm.
            (vec![(100.0, 100), (2.0, 100)], "30:Steadied 161:Paused"),
            // Between the two levels it stays what it was.
            (vec![(100.0, 100), (40.0, 300)], "30:Steadied"),
            (vec![(100.0, 100), (0.0, 100), (40.0, 300)], "30:Steadied 161:Paused"),
            // A blip is no return.
            (vec![(100.0, 100), (0.0, 100), (90.0, 2), (0.0, 100)], "30:Steadied 161:Paused"),
            // It returns.
            (
                vec![(100.0, 100), (0.0, 500), (90.0, 100)],
                "30:Steadied 161:Paused 604:Returned(504s) 634:Steadied",
            ),
            // Noise around the lower level does not make it flutter.
            ([(20.0, 50), (35.0, 5)].repeat(20), "30:Steadied"),
        ] {
            assert_eq!(play(&rates), expected, "{rates:?}");
        }
    }

    #[test]
    fn pulses_of_forty_seconds_are_one_storm_without_a_turn() {
        let pulses = [(100.0, 40), (0.0, 40)].repeat(50);
        assert_eq!(play(&pulses), "30:Steadied");
    }

    #[test]
    fn pulses_with_long_pauses_return_and_are_never_cleared() {
        let told = play(&[(100.0, 40), (0.0, 900)].repeat(10));
        assert_eq!(told.matches("Paused").count(), 10, "{told}");
        assert_eq!(told.matches("Returned").count(), 9, "{told}");
        assert!(!told.contains("Cleared"), "{told}");
    }

    #[test]
    fn a_cleared_storm_returns_as_itself() {
        let mut life = Lifecycle::begin(0.0, 10.0, UnixTime::from_secs(0));
        for second in 1..=2000 {
            life.step(0.0, &Hysteresis::default(), UnixTime::from_secs(second));
        }
        assert_eq!(life.phase(), Phase::Cleared);
        let turn = life.revive(0.0, 20.0, UnixTime::from_secs(10_000));
        assert_eq!((turn, life.phase()), (Turn::Returned(Duration::from_secs(10_000)), Phase::Growing));
    }
}
