//! What users have now, on the same traffic: each with its defaults or the numbers that its own documentation gives.
//!
//! They are the algorithms, not the programs: a program reads the machine's clock, and a week has to pass in seconds. Every one
//! counts by address or by one value; none knows the site's past. What each leaves out is said where it is.

pub mod crowdsec;
pub mod evasive;
pub mod fail2ban;
pub mod limit_req;
pub mod packages;
pub mod top;

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::FixedState;
use seawall_http::UnixTime;

use crate::detector::Detector;
use crate::rng::mix;

/// All of them. Those whose lists are not on this machine are left out; [`packages::missing`] names them.
pub fn all() -> Vec<Box<dyn Detector>> {
    let mut peers: Vec<Box<dyn Detector>> = vec![
        Box::new(evasive::Evasive::default()),
        Box::new(limit_req::LimitReq::by_address()),
        Box::new(limit_req::LimitReq::by_agent()),
        Box::new(top::Top::default()),
    ];
    if let Some(peer) = fail2ban::Fail2ban::installed() {
        peers.push(Box::new(peer));
    }
    if let Some(peer) = crowdsec::CrowdSec::installed() {
        peers.push(Box::new(peer));
    }
    peers
}

/// Addresses that are shut out until some time.
#[derive(Debug, Default)]
pub(crate) struct Bans(HashMap<IpAddr, UnixTime, FixedState>);

impl Bans {
    fn add(&mut self, client: IpAddr, until: UnixTime) {
        self.0.insert(client, until);
    }

    fn holds(&self, client: IpAddr, at: UnixTime) -> bool {
        self.0.get(&client).is_some_and(|until| at < *until)
    }
}

/// An address as 64 bits.
fn key(client: IpAddr) -> u64 {
    let bits = match client {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    mix(mix((bits >> 64) as u64) ^ bits as u64)
}
