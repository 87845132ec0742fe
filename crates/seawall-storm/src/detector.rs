//! [`Detector`]: finds what costs more than its own past foretold, and explains it.

mod settings;

pub use settings::Settings;

use seawall_http::UnixTime;

use crate::proposal::Collateral;
use crate::rise::Rise;
use crate::signature::Signature;
use crate::window::Window;

/// A storm that has a name: what matches it since its onset does not become the site's past.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// All its facts.
    pub described: &'a Signature,
    /// When it began.
    pub onset: UnixTime,
}

/// Finds what costs more than its own past foretold, and explains it.
#[derive(Debug)]
pub struct Detector {
    settings: Settings,
}

impl Detector {
    /// It knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// What it calls a rise.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes the next second. Windows come in the order of time; what is missing had no traffic.
    pub fn push(&mut self, _window: &Window, _named: &[Named<'_>]) {}

    /// What rises now, the costliest first: at most [`Settings::rises_max`], none of them inside another, unless it
    /// stands out there by what sends it. Empty while no past is known.
    pub fn rises(&mut self, _now: UnixTime) -> Vec<Rise> {
        Vec::new()
    }

    /// What a rule with `signature` would cost everybody else: the share of the past, without what matches `described`
    /// since `onset`, and of what arrives now, without the storm. The worst of the pasts that are known. `None` until
    /// enough is known.
    pub fn collateral(&self, _signature: &Signature, _storm: &Named<'_>) -> Option<Collateral> {
        None
    }
}
