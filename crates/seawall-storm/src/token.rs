//! [`TokenKeys`]: who sent a request, as a keyed hash of the address that means nothing after a few hours.

use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;
use std::time::Duration;

use seawall_http::{ClientAddr, UnixTime};
use siphasher::sip::SipHasher13;

/// For how long a key is the newest one. A client's tokens can be linked for this long on average, and never for more
/// than twice as long.
pub const TOKEN_PERIOD: Duration = Duration::from_secs(6 * 3600);

/// The key under which clients have their tokens, and the one before it. Keys come from outside, are random, and stay
/// in memory.
///
/// The schedule slides: each client goes from the previous key to the current one at a time of its own within the
/// period (which the previous key decides). At every moment a client has one token, and a count of clients over a
/// minute takes one in 360 for two, instead of each of them at the change.
///
/// IPv4 addresses have a token each; IPv6 addresses one per /64, which is one subscriber's link (RFC 4291 §2.5.4) and
/// holds as many addresses as somebody who counts for many could wish.
#[derive(Clone)]
pub struct TokenKeys {
    current: [u8; 16],
    previous: [u8; 16],
    since: UnixTime,
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys").field("since", &self.since).finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// The first key.
    pub const fn new(key: [u8; 16], now: UnixTime) -> Self {
        Self { current: key, previous: key, since: now }
    }

    /// Whether the current key has served its period.
    pub fn is_due(&self, now: UnixTime) -> bool {
        now >= self.since.saturating_add(TOKEN_PERIOD)
    }

    /// Puts a new key in place, and forgets the one before the last.
    pub fn rotate(&mut self, key: [u8; 16], now: UnixTime) {
        self.previous = std::mem::replace(&mut self.current, key);
        self.since = now;
    }

    /// The client's token at that time.
    pub fn token(&self, client: ClientAddr, at: UnixTime) -> u64 {
        let previous = hash(&self.previous, client);
        // The upper bits, as a share of the period.
        let moves = (u128::from(previous) * TOKEN_PERIOD.as_millis()) >> 64;
        if u128::from(at.0.saturating_sub(self.since.0)) < moves {
            previous
        } else {
            hash(&self.current, client)
        }
    }
}

fn hash(key: &[u8; 16], client: ClientAddr) -> u64 {
    let mut hasher = SipHasher13::new_with_key(key);
    match client.expose() {
        IpAddr::V4(addr) => hasher.write(&addr.octets()),
        IpAddr::V6(addr) => hasher.write(&addr.octets()[..8]),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(n: u32) -> ClientAddr {
        ClientAddr::new(Ipv4Addr::from_bits(n).into())
    }

    #[test]
    fn tokens_move_to_the_new_key_one_by_one_over_the_period() {
        let start = UnixTime::from_secs(1000);
        let mut keys = TokenKeys::new([1; 16], start);
        let old: Vec<u64> = (0..1000).map(|n| keys.token(client(n), start)).collect();
        let change = start.saturating_add(TOKEN_PERIOD);
        assert!(!keys.is_due(start) && keys.is_due(change));
        keys.rotate([2; 16], change);
        let moved = |share: f64| {
            let at = change.saturating_add(TOKEN_PERIOD.mul_f64(share));
            (0..1000).filter(|n| keys.token(client(*n), at) != old[*n as usize]).count()
        };
        assert_eq!(moved(0.0), 0);
        assert!((430..570).contains(&moved(0.5)), "{}", moved(0.5));
        assert_eq!(moved(1.0), 1000);
    }

    #[test]
    fn addresses_of_one_ipv6_link_share_a_token() {
        let keys = TokenKeys::new([1; 16], UnixTime(0));
        let token = |text: &str| keys.token(ClientAddr::new(text.parse().unwrap()), UnixTime(5));
        assert_eq!(token("2001:db8::1"), token("2001:db8::ffff:2"));
        assert_ne!(token("2001:db8::1"), token("2001:db8:0:1::1"));
        assert_ne!(token("192.0.2.1"), token("192.0.2.2"));
    }
}
