//! One entry of the detector's table: what is counted of one peer, how it ages, and the verdict.

use std::net::{IpAddr, Ipv6Addr};

use super::{IntermediaryLimits, Suspicion};
use crate::client::ClientAddr;

#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    pub(super) key: u128,
    /// Bitmaps of this window and of the one before (linear counting; each bit is at least one value).
    pub(super) agents: [u64; 2],
    pub(super) languages: [u64; 2],
    pub(super) window: u64,
    pub(super) requests: u32,
    pub(super) forwarded: u32,
    /// The detector's tick of the last request.
    pub(super) seen: u32,
    pub(super) hold: u16,
    pub(super) suspected: bool,
}

impl Peer {
    pub(super) fn count(&mut self, bits: Option<(u64, u64)>, tick: u32) {
        self.seen = tick;
        self.hold = self.hold.saturating_add(1);
        self.requests = self.requests.saturating_add(1);
        if let Some((agent, language)) = bits {
            self.forwarded = self.forwarded.saturating_add(1);
            self.agents[0] |= agent;
            self.languages[0] |= language;
        }
    }

    pub(super) fn age(&mut self, window: u64) {
        let passed = window.saturating_sub(self.window);
        if passed == 0 {
            return;
        }
        let halvings = u32::try_from(passed).unwrap_or(u32::MAX);
        self.requests = self.requests.checked_shr(halvings).unwrap_or(0);
        self.forwarded = self.forwarded.checked_shr(halvings).unwrap_or(0);
        self.hold = self.hold.checked_shr(halvings).unwrap_or(0);
        let shift = |bitmaps: [u64; 2]| if passed == 1 { [0, bitmaps[0]] } else { [0, 0] };
        self.agents = shift(self.agents);
        self.languages = shift(self.languages);
        self.suspected &= self.is_current(window);
        self.window = window;
    }

    /// Whether the last request came in this window or the one before.
    pub(super) const fn is_current(&self, window: u64) -> bool {
        window.saturating_sub(self.window) < 2
    }

    /// Half the signs keep a suspicion alive, so that it does not flicker.
    pub(super) fn judge(&mut self, limits: &IntermediaryLimits) {
        if self.requests < limits.requests {
            return;
        }
        let agents = (self.agents[0] | self.agents[1]).count_ones();
        let languages = (self.languages[0] | self.languages[1]).count_ones();
        let (forwarded, requests) = (u64::from(self.forwarded), u64::from(self.requests));
        let percent = u64::from(limits.forwarded_percent);
        self.suspected = if self.suspected {
            forwarded * 600 >= requests * percent * 5 && agents >= limits.agents / 2
        } else {
            let several = agents >= limits.agents / 2 && languages >= limits.languages;
            forwarded * 100 >= requests * percent && (agents >= limits.agents || several)
        };
    }

    pub(super) fn suspicion(&self) -> Suspicion {
        let addr = IpAddr::V6(Ipv6Addr::from_bits(self.key));
        Suspicion {
            peer: ClientAddr::new(addr),
            requests: self.requests,
            forwarded: self.forwarded,
            agents: self.agents[0] | self.agents[1],
            languages: self.languages[0] | self.languages[1],
        }
    }
}
