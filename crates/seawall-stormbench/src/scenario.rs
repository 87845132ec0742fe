//! [`Scenario`]: what happens to a site, told from a seed, with the truth about every exchange.

mod controls;
mod imitations;
mod kit;
mod stage;
mod storms;

use std::sync::Arc;

use crate::background::log::Sessions;

pub use stage::{IsVictim, Play, Stage, Truth};

/// A kind of thing that happens to sites.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// A sentence.
    pub about: &'static str,
    /// What is asked of a detector.
    pub kind: Kind,
    /// On which sites it is played.
    pub sites: &'static [Scale],
    /// Sets it up.
    pub build: fn(&mut Stage),
}

/// What is asked of a detector.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// To find every storm, and to refuse nothing else.
    Storm,
    /// Nothing tells it from the rest: not to harm the rest.
    Inseparable,
    /// To propose nothing.
    Control,
    /// Not to harm the victim that somebody chose.
    Imitation,
}

/// A site.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scale {
    /// Some 2 requests a second.
    Small,
    /// Some 50 requests a second.
    Middle,
    /// Some 2,000 requests a second.
    Large,
    /// A real log, resampled to some 2 requests a second; shown as a log shows it.
    Log,
}

impl Scale {
    /// As tables write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Middle => "middle",
            Self::Large => "large",
            Self::Log => "log",
        }
    }

    /// Requests a second, on average.
    pub const fn rate(self) -> f64 {
        match self {
            Self::Small | Self::Log => 2.0,
            Self::Middle => 50.0,
            Self::Large => 2000.0,
        }
    }

    /// Seconds of the past before anything happens.
    const fn warm(self) -> u64 {
        match self {
            Self::Small | Self::Log => 3600,
            Self::Middle => 1500,
            Self::Large => 480,
        }
    }

    /// Seconds that are played from the onset on.
    const fn tail(self) -> u64 {
        match self {
            Self::Small | Self::Log | Self::Middle => 420,
            Self::Large => 150,
        }
    }
}

impl Kind {
    /// As tables write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Storm => "storm",
            Self::Inseparable => "inseparable",
            Self::Control => "control",
            Self::Imitation => "imitation",
        }
    }
}

impl Scenario {
    /// All that there are.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        storms::ALL.iter().chain(controls::ALL).chain(imitations::ALL)
    }

    /// Sets it up on a site; none if that site is a log and there is none.
    pub fn play(&self, scale: Scale, seed: u64, log: Option<&Arc<Sessions>>) -> Option<Play> {
        let mut stage = Stage::new(self.name, scale, seed, log)?;
        (self.build)(&mut stage);
        Some(stage.finish())
    }
}

#[cfg(test)]
mod tests;
