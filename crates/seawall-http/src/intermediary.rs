//! Recognises an untrusted peer that behaves as an intermediary shared by many: a proxy or CDN that nobody
//! declared. A limit by client must not count such a peer as one visitor, or it refuses innocents.
//!
//! The signs, all counted for one peer over the current window and the one before: nearly every request
//! carries a forwarded field, and there are many user agents, or several with several languages. A request
//! without forwarded field costs little: it counts against a peer that is known already, and starts no entry.
//!
//! Bounds: a fixed table of [`IntermediaryLimits::peers`] entries in sets of eight, 80 bytes each. Every
//! request of a peer adds to the hold of its entry; a newcomer that finds its set full takes 1 from the weakest hold,
//! and its place when nothing is left (the Misra-Gries rule). So a flood of peers with one request each
//! fights over one entry of each set and never wears down a busy one. A keyed hash chooses the set, so nobody can aim.
//! At each window's end counts and holds halve, and the bitmaps of two windows ago are dropped.
//!
//! Everything a peer is judged by, it can fake. Being suspected must therefore gain it little: its requests are
//! counted by [`limit_partition`], and all of them together against [`SUSPECT_VISITORS_MAX`] times the rate.

use std::hash::Hasher;
use std::net::IpAddr;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;
use ipnet::IpNet;
use siphasher::sip::SipHasher13;

use crate::client::{ClientAddr, ClientIdentity, claimed};
use crate::facts::Field;
use crate::network::prefix_of;
use crate::time::Now;

mod peer;

use peer::Peer;

/// How many visitors a suspected intermediary may stand for, at most: a limit by client allows the whole peer this
/// many times its rate and burst. A real proxy of more visitors should be declared; a faker gains this factor and no
/// more.
pub const SUSPECT_VISITORS_MAX: u32 = 100;

/// What the detector judges by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IntermediaryLimits {
    /// Entries of the table; rounded up to a power of two, at least 8.
    pub peers: usize,
    /// Requests that a verdict needs.
    pub requests: u32,
    /// Distinct user agents that suffice alone, 2 to 64. They are never overestimated.
    pub agents: u32,
    /// Distinct languages that make half as many agents suffice, 1 to 64.
    pub languages: u32,
    /// Percentage of requests that must carry a forwarded field. Below five sixths of it, the verdict lapses.
    pub forwarded_percent: u32,
    /// Length of a window in nanoseconds, at least 1.
    pub window_ns: u64,
}

/// 4,096 peers (320 KiB a worker). A verdict after 16 requests comes well before a burst of 100 is used
/// up. Eight agents are more than one household or one tester shows in so few requests.
impl Default for IntermediaryLimits {
    fn default() -> Self {
        Self {
            peers: 4096,
            requests: 16,
            agents: 8,
            languages: 3,
            forwarded_percent: 90,
            window_ns: 600 * 1_000_000_000,
        }
    }
}

/// One request of an untrusted peer.
#[derive(Clone, Copy, Debug)]
pub struct PeerRequest<'a> {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// The `User-Agent` field; empty if there is none.
    pub user_agent: &'a [u8],
    /// The `Accept-Language` field; empty if there is none.
    pub accept_language: &'a [u8],
    /// Whether [`crate::client::claimed`] found anything.
    pub has_forwarded_field: bool,
}

/// A peer that behaves as an intermediary. In memory and on the operator's screen only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Suspicion {
    /// The peer; an IPv6 peer by the first address of its /64.
    pub peer: ClientAddr,
    /// Requests counted, older ones halved away.
    pub requests: u32,
    /// Those with a forwarded field.
    pub forwarded: u32,
    agents: u64,
    languages: u64,
}

impl Suspicion {
    /// The network to declare as a trusted hop: the peer's address, or its /64.
    pub fn network(&self) -> IpNet {
        prefix_of(self.peer.expose(), 32, 64)
    }

    /// At least so many distinct user agents.
    pub const fn agents(&self) -> u32 {
        self.agents.count_ones()
    }

    /// At least so many distinct values of `Accept-Language`.
    pub const fn languages(&self) -> u32 {
        self.languages.count_ones()
    }
}

/// How often what happened in one detector.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct IntermediaryCounters {
    /// Peers that got an entry.
    pub admitted: u64,
    /// Requests of peers that found their set full.
    pub turned_away: u64,
    /// Entries that lost their place.
    pub evicted: u64,
    /// Peers that became suspected.
    pub suspected: u64,
    /// Suspicions that lapsed or were evicted.
    pub lapsed: u64,
}

/// See the module. One a worker; [`IntermediaryDetector::adopt`] spreads a verdict to the others.
#[derive(Debug)]
pub struct IntermediaryDetector {
    limits: IntermediaryLimits,
    seed: (u64, u64),
    shared_seed: SharedSeed,
    /// For each set, 32 bits of the hash of each of its peers; 0 for none. One cache line tells of two sets.
    tags: Box<[[u32; WAYS]]>,
    peers: Box<[Peer]>,
    /// The peer looked up last, and where it is: requests come in trains.
    last: Option<(u128, Option<usize>)>,
    tick: u32,
    suspects: usize,
    counters: IntermediaryCounters,
}

impl IntermediaryDetector {
    /// `seed` is random and secret, so that nobody can choose addresses that share a set.
    pub fn new(seed: (u64, u64), limits: IntermediaryLimits) -> Self {
        let sets = limits.peers.div_ceil(WAYS).next_power_of_two();
        Self {
            limits,
            seed,
            shared_seed: SharedSeed::from_u64(seed.0.rotate_left(32) ^ seed.1),
            tags: vec![[0; WAYS]; sets].into_boxed_slice(),
            peers: vec![Peer::default(); sets * WAYS].into_boxed_slice(),
            last: None,
            tick: 0,
            suspects: 0,
            counters: IntermediaryCounters::default(),
        }
    }

    /// What the detector makes of an identified client: the same, with its peer marked if it is suspected, or may turn
    /// out to be (the first requests, if all of them carry a forwarded field); and the suspicion, when it is new.
    /// Requests through trusted hops pass untouched.
    pub fn refine(
        &mut self,
        client: ClientIdentity,
        fields: &[Field<'_>],
        now: Now,
    ) -> (ClientIdentity, Option<Suspicion>) {
        if client.peer_is_trusted() {
            return (client, None);
        }
        let peer = client.peer.expose();
        let has_forwarded_field = claimed(fields).is_some();
        let value = |name: &str| {
            let line =
                fields.iter().find(|field| has_forwarded_field && field.name.eq_ignore_ascii_case(name));
            line.map_or(&[][..], |field| field.value)
        };
        let (user_agent, accept_language) = (value("user-agent"), value("accept-language"));
        let found = self.observe(PeerRequest { peer, user_agent, accept_language, has_forwarded_field }, now);
        let is_marked = self.is_suspected(peer) || (has_forwarded_field && self.is_pending(peer));
        (if is_marked { client.with_suspected_peer() } else { client }, found)
    }

    /// Whether too little has been seen of a peer to tell, and all of it carried a forwarded field. Readers behind a
    /// proxy are not to be refused for each other's sake meanwhile; whoever fakes it gains a few requests, where a
    /// faker who goes on gains the ceiling anyway.
    fn is_pending(&self, peer: IpAddr) -> bool {
        let key = key_of(peer);
        let slot = match self.last {
            Some((last, slot)) if last == key => slot,
            _ => self.look_up(key),
        };
        slot.is_some_and(|slot| {
            let Peer { requests, forwarded, .. } = self.peers[slot];
            requests < self.limits.requests && forwarded == requests
        })
    }

    /// Counts one request of an untrusted peer. `Some` when the peer becomes suspected by it.
    pub fn observe(&mut self, request: PeerRequest<'_>, now: Now) -> Option<Suspicion> {
        let key = key_of(request.peer);
        let slot = match self.find(key) {
            Some(slot) => slot,
            None if request.has_forwarded_field => self.admit(key, now)?,
            None => return None,
        };
        let bits = request.has_forwarded_field.then(|| self.bits(&request));
        self.tick = self.tick.wrapping_add(1);
        let peer = &mut self.peers[slot];
        let was_suspected = peer.suspected;
        peer.age(window_of(now, &self.limits));
        peer.count(bits, self.tick);
        peer.judge(&self.limits);
        match (was_suspected, peer.suspected) {
            (false, true) => {
                self.suspects += 1;
                self.counters.suspected += 1;
                Some(peer.suspicion())
            }
            (true, false) => {
                self.suspects -= 1;
                self.counters.lapsed += 1;
                None
            }
            _ => None,
        }
    }

    /// Whether the peer is suspected, as of its last request. Nearly free right after [`Self::observe`], and while
    /// nobody is suspected.
    pub fn is_suspected(&self, peer: IpAddr) -> bool {
        if self.suspects == 0 {
            return false;
        }
        let key = key_of(peer);
        let slot = match self.last {
            Some((last, slot)) if last == key => slot,
            _ => self.look_up(key),
        };
        slot.is_some_and(|slot| self.peers[slot].suspected)
    }

    /// Every peer suspected now.
    pub fn suspects(&self, now: Now) -> impl Iterator<Item = Suspicion> + use<'_> {
        let window = window_of(now, &self.limits);
        self.peers.iter().filter(move |peer| peer.suspected && peer.is_current(window)).map(Peer::suspicion)
    }

    /// Takes over what another worker's detector found, so that a peer whose connections are spread over the
    /// workers is known to all of them at once. Where the set is full of stronger peers it is turned away.
    pub fn adopt(&mut self, suspicion: &Suspicion, now: Now) {
        let key = key_of(suspicion.peer.expose());
        let Some(slot) = self.find(key).or_else(|| self.admit(key, now)) else { return };
        let peer = &mut self.peers[slot];
        let was_suspected = peer.suspected;
        peer.age(window_of(now, &self.limits));
        peer.agents[0] |= suspicion.agents;
        peer.languages[0] |= suspicion.languages;
        peer.requests = peer.requests.max(suspicion.requests);
        peer.forwarded = peer.forwarded.max(suspicion.forwarded).min(peer.requests);
        peer.hold = peer.hold.max(hold_of(suspicion.requests));
        peer.suspected = true;
        if !was_suspected {
            self.suspects += 1;
            self.counters.suspected += 1;
        }
    }

    /// What happened since the detector was made.
    pub const fn counters(&self) -> IntermediaryCounters {
        self.counters
    }

    fn find(&mut self, key: u128) -> Option<usize> {
        if let Some((last, slot)) = self.last
            && last == key
        {
            return slot;
        }
        let slot = self.look_up(key);
        self.last = Some((key, slot));
        slot
    }

    fn look_up(&self, key: u128) -> Option<usize> {
        let (set, tag) = self.place(key);
        let first = set * WAYS;
        (0..WAYS)
            .find(|way| self.tags[set][*way] == tag && self.peers[first + way].key == key)
            .map(|way| first + way)
    }

    fn place(&self, key: u128) -> (usize, u32) {
        let mut hasher = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
        hasher.write(&key.to_le_bytes());
        let hash = hasher.finish();
        (hash as usize & (self.tags.len() - 1), (hash >> 32) as u32 | 1)
    }

    /// Gives the peer an entry, unless its set is full of stronger ones.
    fn admit(&mut self, key: u128, now: Now) -> Option<usize> {
        let window = window_of(now, &self.limits);
        let (set, tag) = self.place(key);
        let slots = set * WAYS..(set + 1) * WAYS;
        let slot = match self.tags[set].iter().position(|tag| *tag == 0) {
            Some(way) => slots.start + way,
            None => self.contend(slots, window)?,
        };
        self.counters.admitted += 1;
        self.tags[set][slot % WAYS] = tag;
        self.peers[slot] = Peer { key, window, seen: self.tick, ..Peer::default() };
        self.last = Some((key, Some(slot)));
        Some(slot)
    }

    /// Takes 1 from the weakest hold of a full set, of equals the one longest silent; its place if nothing is left.
    fn contend(&mut self, slots: std::ops::Range<usize>, window: u64) -> Option<usize> {
        for peer in &mut self.peers[slots.clone()] {
            let was_suspected = peer.suspected;
            peer.age(window);
            if was_suspected && !peer.suspected {
                self.suspects -= 1;
                self.counters.lapsed += 1;
            }
        }
        let tick = self.tick;
        let weakest = slots.min_by_key(|slot| {
            let peer = &self.peers[*slot];
            (peer.hold, u32::MAX - tick.wrapping_sub(peer.seen))
        })?;
        let peer = &mut self.peers[weakest];
        peer.hold = peer.hold.saturating_sub(1);
        if peer.hold > 0 {
            self.counters.turned_away += 1;
            return None;
        }
        self.counters.evicted += 1;
        if peer.suspected {
            self.suspects -= 1;
            self.counters.lapsed += 1;
        }
        Some(weakest)
    }

    /// One bit for the agent, and one for the language if there is one. A weak hash is enough: whoever makes his agents
    /// collide only hides himself.
    fn bits(&self, request: &PeerRequest<'_>) -> (u64, u64) {
        let bit = |bytes: &[u8]| {
            let mut hasher = FoldHasher::with_seed(self.seed.1, &self.shared_seed);
            hasher.write(bytes);
            1 << (hasher.finish() >> 58)
        };
        let language = if request.accept_language.is_empty() { 0 } else { bit(request.accept_language) };
        (bit(request.user_agent), language)
    }
}

/// Feeds `sink` with the octets under which a limit by client counts a request of a suspected intermediary: the
/// peer, the nearest address that it claims, and the user agent. No two different requests give the same octets. IPv6
/// addresses count by their /64, as for a limit by client.
///
/// The peer chooses the last two freely, so a second count, of the peer alone, at [`SUSPECT_VISITORS_MAX`]
/// times the rate, must apply as well.
pub fn limit_partition(
    peer: ClientAddr,
    claimed: Option<ClientAddr>,
    user_agent: &[u8],
    mut sink: impl FnMut(&[u8]),
) {
    sink(&key_of(peer.expose()).to_be_bytes());
    sink(&claimed.map_or(0, |addr| key_of(addr.expose())).to_be_bytes());
    sink(&[u8::from(claimed.is_some())]);
    sink(user_agent);
}

/// Entries of a set.
const WAYS: usize = 8;

/// IPv4 in its mapped form, IPv6 by its /64: one household or one machine has all addresses of that.
fn key_of(addr: IpAddr) -> u128 {
    match addr.to_canonical() {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().to_bits(),
        IpAddr::V6(addr) => addr.to_bits() >> 64 << 64,
    }
}

fn window_of(now: Now, limits: &IntermediaryLimits) -> u64 {
    now.mono / limits.window_ns.max(1)
}

fn hold_of(requests: u32) -> u16 {
    u16::try_from(requests).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::client::{ClientFieldName, ClientSource, TrustedHops, identify};
    use crate::network::NetworkSet;
    use crate::time::UnixTime;

    const AGENTS: [&str; 12] = [
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
        "g",
        "h",
        "QQGameHall",
        "curl/8.10.1",
        "Mozilla/5.0 (X11)",
        "Lynx/2.9",
    ];

    fn detector(peers: usize) -> IntermediaryDetector {
        IntermediaryDetector::new((1, 2), IntermediaryLimits { peers, ..IntermediaryLimits::default() })
    }

    fn at(secs: u64) -> Now {
        Now { wall: UnixTime::from_secs(secs), mono: secs * 1_000_000_000 }
    }

    fn addr(n: u32) -> IpAddr {
        IpAddr::V4((0xc000_0200 + n).into())
    }

    fn forwarded(peer: IpAddr, agent: &str) -> PeerRequest<'_> {
        PeerRequest { peer, user_agent: agent.as_bytes(), accept_language: b"en", has_forwarded_field: true }
    }

    /// Requests by turns of the agents until the peer is suspected; how many it took.
    fn requests_until_suspected(
        detector: &mut IntermediaryDetector,
        peer: IpAddr,
        agents: &[&str],
        now: Now,
    ) -> usize {
        (1..=200)
            .find(|n| detector.observe(forwarded(peer, agents[n % agents.len()]), now).is_some())
            .unwrap_or(0)
    }

    #[test]
    fn proxy_of_many_is_suspected_before_a_burst_of_100_is_used_up() {
        let mut detector = detector(4096);
        let needed = requests_until_suspected(&mut detector, addr(1), &AGENTS, at(0));
        assert!((16..=24).contains(&needed), "{needed}");
        assert!(detector.is_suspected(addr(1)));
        assert!(!detector.is_suspected(addr(2)));
        let suspects: Vec<Suspicion> = detector.suspects(at(1)).collect();
        assert_eq!(suspects.len(), 1);
        assert_eq!(suspects[0].network().to_string(), "192.0.2.1/32");
        assert!((8..=12).contains(&suspects[0].agents()));
        assert_eq!(suspects[0].languages(), 1);
    }

    #[test]
    fn innocents_behind_an_undeclared_proxy_are_told_from_direct_visitors() {
        let trusted = TrustedHops {
            networks: NetworkSet::default(),
            field: ClientFieldName::XForwardedFor,
            tls_fingerprint_field: None,
        };
        let mut detector = detector(4096);
        let (mut as_peer, mut news) = (0, 0);
        for n in 0..300usize {
            let agent = Field { name: "User-Agent", value: AGENTS[n % 12].as_bytes() };
            let forwarded = Field { name: "X-Forwarded-For", value: b"198.51.100.7" };
            for (peer, fields) in [(addr(1), &[agent, forwarded][..]), (addr(2), &[agent])] {
                let (client, found) =
                    detector.refine(identify(&trusted, peer, fields), fields, at(n as u64 / 50));
                assert_eq!(client.addr, ClientAddr::new(peer), "nothing that the peer claims is believed");
                as_peer += usize::from(peer == addr(1) && client.source == ClientSource::Peer);
                news += usize::from(found.is_some());
                assert!(peer == addr(1) || client.source == ClientSource::Peer);
            }
        }
        assert_eq!(news, 1);
        // The first get the benefit of the doubt, the rest the verdict; it may come a few requests later than it can.
        assert!(as_peer < 10, "{as_peer} of 300 requests were taken for one visitor's");
    }

    #[test]
    fn doubt_ends_with_the_first_requests() {
        let trusted = TrustedHops {
            networks: NetworkSet::default(),
            field: ClientFieldName::XForwardedFor,
            tls_fingerprint_field: None,
        };
        let marked = |every_nth_is_plain: usize| {
            let mut detector = detector(64);
            let agent = Field { name: "User-Agent", value: AGENTS[0].as_bytes() };
            let forwarded = Field { name: "X-Forwarded-For", value: b"198.51.100.7" };
            let refine = |n: usize| {
                let fields =
                    if n.is_multiple_of(every_nth_is_plain) { &[agent][..] } else { &[agent, forwarded] };
                let (client, _) = detector.refine(identify(&trusted, addr(1), fields), fields, at(0));
                client.source == ClientSource::SuspectedIntermediary
            };
            (1..=100).map(refine).filter(|marked| *marked).count()
        };
        let requests = IntermediaryLimits::default().requests as usize;
        assert_eq!(marked(usize::MAX), requests - 1, "one visitor with a forwarded field");
        assert_eq!(marked(3), 2, "a visitor that sends one now and then");
    }

    #[test]
    fn trusted_hop_is_never_suspected() {
        let networks = NetworkSet::new(["192.0.2.0/24".parse().unwrap()]);
        let trusted =
            TrustedHops { networks, field: ClientFieldName::XForwardedFor, tls_fingerprint_field: None };
        let mut detector = detector(64);
        for n in 0..100 {
            let fields = [
                Field { name: "User-Agent", value: AGENTS[n % 12].as_bytes() },
                Field { name: "X-Forwarded-For", value: b"192.0.2.9" },
            ];
            let client = identify(&trusted, addr(1), &fields);
            assert_eq!(detector.refine(client, &fields, at(0)), (client, None));
        }
        assert_eq!(detector.counters(), IntermediaryCounters::default());
    }

    #[test]
    fn several_languages_make_half_the_agents_suffice() {
        let languages = ["de", "en-GB", "fr", "ja", "zh-TW", "pt-BR"];
        let observe = |languages: &[&str]| {
            let mut detector = detector(64);
            for n in 0..60 {
                let request = forwarded(addr(1), AGENTS[n % 6]);
                detector.observe(
                    PeerRequest { accept_language: languages[n % languages.len()].as_bytes(), ..request },
                    at(0),
                );
            }
            detector.is_suspected(addr(1))
        };
        assert!(observe(&languages));
        assert!(!observe(&languages[..1]));
    }

    #[test]
    fn visitor_with_one_agent_is_not_suspected() {
        let mut detector = detector(64);
        assert_eq!(requests_until_suspected(&mut detector, addr(1), &["QQGameHall"], at(0)), 0);
    }

    #[test]
    fn peer_that_mostly_forwards_nothing_is_not_suspected() {
        let mut detector = detector(64);
        for n in 0..200 {
            let request =
                PeerRequest { has_forwarded_field: n % 5 > 0, ..forwarded(addr(1), AGENTS[n % 12]) };
            assert_eq!(detector.observe(request, at(0)), None);
        }
    }

    #[test]
    fn request_without_forwarded_field_starts_no_entry() {
        let mut detector = detector(64);
        for n in 0..1000 {
            detector.observe(PeerRequest { has_forwarded_field: false, ..forwarded(addr(n), "a") }, at(0));
        }
        assert_eq!(detector.counters(), IntermediaryCounters::default());
    }

    #[test]
    fn flood_of_peers_with_one_request_does_not_push_out_a_busy_peer() {
        let mut detector = detector(64);
        let needed = requests_until_suspected(&mut detector, addr(1), &AGENTS, at(0));
        for n in 0..100_000 {
            detector.observe(forwarded(addr(1000 + n), "x"), at(1));
        }
        assert!(needed > 0 && detector.is_suspected(addr(1)));
        assert!(detector.counters().evicted > 90_000);
    }

    #[test]
    fn proxy_that_appears_during_a_flood_is_still_found() {
        let mut detector = detector(64);
        let mut found = None;
        for n in 0..4000u32 {
            detector.observe(forwarded(addr(1000 + n), "x"), at(1));
            // One request of the proxy for four of the flood.
            if n % 4 == 0 {
                let agent = AGENTS[n as usize / 4 % 12];
                found = found.or(detector.observe(forwarded(addr(1), agent), at(1)));
            }
        }
        assert_eq!(found.map(|suspicion| suspicion.peer), Some(ClientAddr::new(addr(1))));
    }

    #[test]
    fn suspicion_lapses_when_the_signs_are_gone() {
        let mut detector = detector(64);
        requests_until_suspected(&mut detector, addr(1), &AGENTS, at(0));
        for _ in 0..100 {
            detector.observe(PeerRequest { has_forwarded_field: false, ..forwarded(addr(1), "a") }, at(60));
        }
        assert!(!detector.is_suspected(addr(1)));
        assert_eq!(detector.counters().lapsed, 1);
    }

    #[test]
    fn suspicion_outlives_one_quiet_window_but_not_two() {
        let mut detector = detector(64);
        requests_until_suspected(&mut detector, addr(1), &AGENTS, at(0));
        detector.observe(forwarded(addr(1), "a"), at(700));
        assert!(detector.is_suspected(addr(1)));
        assert_eq!(detector.suspects(at(1900)).count(), 0);
        detector.observe(forwarded(addr(1), "a"), at(1900));
        assert!(!detector.is_suspected(addr(1)));
    }

    #[test]
    fn other_workers_adopt_a_verdict() {
        let (mut one, mut other) = (detector(64), detector(64));
        requests_until_suspected(&mut one, addr(1), &AGENTS, at(0));
        other.adopt(&one.suspects(at(0)).next().unwrap(), at(0));
        assert!(other.is_suspected(addr(1)));
        other.observe(forwarded(addr(1), "a"), at(1));
        assert!(other.is_suspected(addr(1)));
    }

    #[test]
    fn ipv6_peer_is_known_by_its_64() {
        let mut detector = detector(64);
        for n in 0..40u128 {
            let peer = IpAddr::V6((0x2001_0db8_u128 << 96 | n << 8).into());
            detector.observe(forwarded(peer, AGENTS[n as usize % 12]), at(0));
        }
        let suspects: Vec<String> =
            detector.suspects(at(0)).map(|found| found.network().to_string()).collect();
        assert_eq!(suspects, ["2001:db8::/64"]);
    }

    #[test]
    fn partition_tells_visitors_apart() {
        let partition = |claimed: Option<u32>, agent: &str| {
            let mut bytes = Vec::new();
            let claimed = claimed.map(|n| ClientAddr::new(addr(n)));
            limit_partition(ClientAddr::new(addr(1)), claimed, agent.as_bytes(), |part| {
                bytes.extend_from_slice(part)
            });
            bytes
        };
        assert_eq!(partition(Some(1), "a"), partition(Some(1), "a"));
        assert_ne!(partition(Some(1), "a"), partition(Some(2), "a"));
        assert_ne!(partition(Some(1), "a"), partition(Some(1), "b"));
        assert_ne!(partition(None, "a"), partition(Some(1), "a"));
    }

    proptest! {
        #[test]
        fn agents_are_never_overestimated_and_suspects_are_counted(
            requests in prop::collection::vec((0..40u32, 0..20usize, any::<bool>(), 0..3u64), 0..600), seed in any::<(u64, u64)>(),
        ) {
            let limits = IntermediaryLimits { peers: 16, requests: 4, agents: 3, ..IntermediaryLimits::default() };
            let mut detector = IntermediaryDetector::new(seed, limits);
            let mut other = IntermediaryDetector::new((5, 6), limits);
            let mut clock = 0;
            for (peer, agent, has_forwarded_field, secs) in requests {
                clock += secs * 200;
                let agent = format!("agent {agent}");
                let request = PeerRequest { has_forwarded_field, ..forwarded(addr(peer), &agent) };
                if let Some(found) = detector.observe(request, at(clock)) {
                    prop_assert!(found.agents() <= 20 && found.agents() >= 1);
                    prop_assert!(found.forwarded <= found.requests);
                    other.adopt(&found, at(clock));
                }
                other.observe(request, at(clock));
                for detector in [&detector, &other] {
                    let counters = detector.counters();
                    prop_assert_eq!(detector.suspects as u64, counters.suspected - counters.lapsed);
                    prop_assert_eq!(detector.suspects, detector.peers.iter().filter(|peer| peer.suspected).count());
                }
            }
        }
    }
}
