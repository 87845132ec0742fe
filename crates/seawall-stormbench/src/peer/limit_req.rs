//! [`LimitReq`]: nginx's `limit_req` as `ngx_http_limit_req_lookup` computes it, in thousandths of a request and milliseconds.
//!
//! `rate=10r/s burst=20 nodelay`, as nginx's own article "Rate Limiting with NGINX and NGINX Plus" (2017) has it, by
//! `$binary_remote_addr` and by `$http_user_agent`. A request without the key's field is not counted. Left out: the size of the
//! zone; here all keys fit.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use seawall_http::UnixTime;

use crate::detector::Detector;
use crate::exchange::Exchange;
use crate::peer::key;
use crate::rng::{hash, mix};

/// See the module.
#[derive(Debug)]
pub struct LimitReq {
    name: &'static str,
    key: fn(&Exchange) -> Option<u64>,
    /// Time of the last request that passed, and the excess then.
    nodes: HashMap<u64, (u64, i64), FixedState>,
    swept: u64,
}

/// Requests a second, and what may come at once beyond it, in thousandths.
const RATE: i64 = 10_000;
const BURST: i64 = 20_000;

impl LimitReq {
    /// By the client's address.
    pub fn by_address() -> Self {
        Self::new("limit_req address", |exchange| Some(key(exchange.client)))
    }

    /// By the agent.
    pub fn by_agent() -> Self {
        Self::new("limit_req agent", |exchange| exchange.agent.as_deref().map(|agent| mix(hash(agent))))
    }

    fn new(name: &'static str, key: fn(&Exchange) -> Option<u64>) -> Self {
        Self { name, key, nodes: HashMap::default(), swept: 0 }
    }

    /// Whether the request is beyond the rate.
    pub(crate) fn is_refused(&mut self, exchange: &Exchange) -> bool {
        let (Some(key), now) = ((self.key)(exchange), exchange.at.0) else { return false };
        let Some((last, excess)) = self.nodes.get_mut(&key) else {
            self.nodes.insert(key, (now, 0));
            return false;
        };
        let passed = i64::try_from(now - *last).unwrap_or(i64::MAX / RATE);
        let next = (*excess - RATE * passed / 1000 + 1000).max(0);
        if next > BURST {
            return true;
        }
        (*last, *excess) = (now, next);
        false
    }

    /// Forgets keys that have nothing left: they act as new ones.
    pub(crate) fn sweep(&mut self, until: UnixTime) {
        if until.as_secs() - self.swept >= 60 {
            self.swept = until.as_secs();
            self.nodes.retain(|_, (last, _)| until.0 - *last < 10_000);
        }
    }
}

impl Detector for LimitReq {
    fn name(&self) -> &'static str {
        self.name
    }

    fn second(&mut self, exchanges: &[Exchange], until: UnixTime, refused: &mut [bool]) {
        for (exchange, is_refused) in exchanges.iter().zip(refused) {
            *is_refused = self.is_refused(exchange);
        }
        self.sweep(until);
    }
}
