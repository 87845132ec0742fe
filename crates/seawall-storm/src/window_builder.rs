//! [`WindowBuilder`]: events straight to windows, for sources that are no live traffic: logs, scenarios, tests.

use std::net::IpAddr;

use seawall_http::UnixTime;

use crate::batch::Batch;
use crate::derive::{Derive, Locality};
use crate::event::RequestEvent;
use crate::recorder::Recorder;
use crate::window::Window;

/// Events straight to windows: the recorder and the derivation of live traffic, in one thread.
#[derive(Debug)]
pub struct WindowBuilder {
    recorder: Recorder,
    derive: Derive,
    spare: Batch,
}

impl WindowBuilder {
    /// Begins a window at that time. The sample follows from the seed.
    pub fn new(derive: Derive, seed: u64, from: UnixTime) -> Self {
        let recorder = Recorder::new(derive.keys, seed, from);
        Self { recorder, derive, spare: Batch::default() }
    }

    /// Takes in an exchange.
    pub fn observe(&mut self, event: &RequestEvent<'_>) {
        self.recorder.observe(event);
    }

    /// What was seen until now, and begins the next window. Called every second, so that thresholds suit the traffic.
    pub fn take(&mut self, locate: impl FnMut(IpAddr) -> Locality, now: UnixTime) -> Window {
        let batch = self.recorder.take(std::mem::take(&mut self.spare), now);
        let window = self.derive.window(&batch, locate);
        self.spare = batch;
        window
    }

    /// What the keys of facts and clients are.
    pub fn derive(&mut self) -> &mut Derive {
        &mut self.derive
    }
}
