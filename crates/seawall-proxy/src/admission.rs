//! Which connections may be open: a bound for the process, and one per client network.
//!
//! A network is an IPv4 address or an IPv6 /64: what one household or one rented machine holds. Open
//! connections are counted in one atomic total and in a count-min table of two rows, so that cores share no
//! lock and the memory is fixed, however many networks come.
//!
//! **It never underestimates**: a cell holds the open connections of every network that falls on it, and the
//! smaller of a network's two cells is what is held against the bound. So nobody gets beyond the bound, and
//! somebody may be refused for others' connections. How likely is that? The table has at least four cells per
//! permitted connection in each row, so the other networks put ¼ connection on average into a given cell; by
//! Markov's inequality a network that has `c` open connections under the bound `B` finds `B − c` foreign ones
//! in a cell with probability at most `1 / (4 (B − c))`, and in both, as the rows hash apart, at most the square
//! of it: at `B = 100`, 6 in a million newcomers, while every permitted connection is in use. Beyond
//! 2²⁰ permitted connections the table no longer grows, and the odds grow with the square of the excess.
//!
//! The hash is keyed, so nobody can choose addresses that share another's cells without knowing the seed.

use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use seawall_rules::refusal::Bound;
use siphasher::sip::SipHasher13;

/// Counts the open connections of the process. Shared by all workers.
pub struct Admission {
    seed: [u8; 16],
    connections_max: AtomicUsize,
    per_network_max: AtomicUsize,
    open: AtomicUsize,
    /// Two rows, one after the other; the length of each is a power of two.
    cells: Box<[AtomicU32]>,
}

impl Admission {
    /// An empty table under these bounds, hashed with a `seed` that clients cannot know.
    ///
    /// It takes 32 to 64 bytes per permitted connection, at least 64 KiB and at most 32 MiB.
    pub fn new(connections_max: usize, per_network_max: usize, seed: [u8; 16]) -> Arc<Self> {
        let row = connections_max.saturating_mul(4).clamp(CELLS_MIN, CELLS_MAX).next_power_of_two();
        Arc::new(Self {
            seed,
            connections_max: AtomicUsize::new(connections_max),
            per_network_max: AtomicUsize::new(per_network_max),
            open: AtomicUsize::new(0),
            cells: (0..2 * row).map(|_| AtomicU32::new(0)).collect(),
        })
    }

    /// Changes the bounds, for a reload. Connections that are open stay; the table keeps its size, so raise
    /// `connections` by a restart or handover if the odds above matter.
    pub fn set_bounds(&self, connections_max: usize, per_network_max: usize) {
        self.connections_max.store(connections_max, Ordering::Relaxed);
        self.per_network_max.store(per_network_max, Ordering::Relaxed);
    }

    /// Open connections now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a place for a connection of `peer`, until the permit is dropped.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<ConnectionPermit, Bound> {
        let mut permit = self.admit_hop()?;
        permit.count_network(peer)?;
        Ok(permit)
    }

    /// Takes a place for a connection of a trusted hop, or of one whose client is not known yet: it counts for
    /// the process, and for no network until [`ConnectionPermit::count_network`] is called.
    pub fn admit_hop(self: &Arc<Self>) -> Result<ConnectionPermit, Bound> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let permit = ConnectionPermit { admission: Arc::clone(self), cells: None };
        // A refused permit gives its place back as it is dropped here.
        if before >= self.connections_max.load(Ordering::Relaxed) {
            Err(Bound::Connections)
        } else {
            Ok(permit)
        }
    }

    /// Open connections of `peer`'s network: never too few, rarely too many.
    pub fn estimate(&self, peer: IpAddr) -> u32 {
        let counts = self.cells_of(peer).map(|cell| self.cell(cell).load(Ordering::Relaxed));
        counts[0].min(counts[1])
    }

    /// The index of the network's cell in each row.
    fn cells_of(&self, peer: IpAddr) -> [u32; 2] {
        let mut hasher = SipHasher13::new_with_key(&self.seed);
        match peer.to_canonical() {
            IpAddr::V4(v4) => hasher.write_u32(v4.to_bits()),
            // The high half is the /64; its width tells it from an IPv4 address.
            IpAddr::V6(v6) => hasher.write_u64((v6.to_bits() >> 64) as u64),
        }
        let hash = hasher.finish();
        let row = u32::try_from(self.cells.len() / 2).expect("invariant: a row has at most 2^22 cells");
        // Disjoint bits of one hash index the rows independently.
        [hash as u32 & (row - 1), row + ((hash >> 32) as u32 & (row - 1))]
    }

    fn cell(&self, index: u32) -> &AtomicU32 {
        &self.cells[index as usize]
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("open", &self.open()).finish_non_exhaustive()
    }
}

/// A place for one open connection, given back when it is dropped.
#[derive(Debug)]
#[must_use = "the place is given back at once when the permit is dropped"]
pub struct ConnectionPermit {
    admission: Arc<Admission>,
    cells: Option<[u32; 2]>,
}

impl ConnectionPermit {
    /// Counts the connection for `client`'s network, once: a second call changes nothing. On refusal nothing
    /// stays counted for the network.
    pub fn count_network(&mut self, client: IpAddr) -> Result<(), Bound> {
        if self.cells.is_some() {
            return Ok(());
        }
        let bound = self.admission.per_network_max.load(Ordering::Relaxed);
        let cells = self.admission.cells_of(client);
        let before = cells.map(|cell| self.admission.cell(cell).fetch_add(1, Ordering::Relaxed));
        // Two that come at the same moment for the last place may both be refused; both are never let in.
        if before[0].min(before[1]) as usize >= bound {
            self.admission.release(cells);
            return Err(Bound::ConnectionsPerNetwork);
        }
        self.cells = Some(cells);
        Ok(())
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        if let Some(cells) = self.cells {
            self.admission.release(cells);
        }
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    fn release(&self, cells: [u32; 2]) {
        for cell in cells {
            self.cell(cell).fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// 8,192 cells a row: 64 KiB in all.
const CELLS_MIN: usize = 1 << 13;
/// 4 Mi cells a row, for 2²⁰ permitted connections: 32 MiB in all.
const CELLS_MAX: usize = 1 << 22;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::Ipv4Addr;

    use proptest::prelude::*;
    use seawall_rules::refusal::Bound;

    use super::{Admission, ConnectionPermit};

    fn v4(n: u32) -> std::net::IpAddr {
        Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn the_process_bound_holds_and_frees_with_the_permit() {
        let admission = Admission::new(2, 10, [1; 16]);
        let first = admission.admit(v4(1)).unwrap();
        let _second = admission.admit_hop().unwrap();
        assert_eq!(admission.admit(v4(3)).unwrap_err(), Bound::Connections);
        assert_eq!(admission.open(), 2);
        drop(first);
        assert!(admission.admit(v4(3)).is_ok());
    }

    #[test]
    fn the_network_bound_holds_for_one_network_alone() {
        let admission = Admission::new(100, 2, [2; 16]);
        let _held = [admission.admit(v4(1)).unwrap(), admission.admit(v4(1)).unwrap()];
        assert_eq!(admission.admit(v4(1)).unwrap_err(), Bound::ConnectionsPerNetwork);
        assert!(admission.admit(v4(2)).is_ok());
        assert_eq!(admission.open(), 2, "a refused connection keeps no place");
    }

    #[test]
    fn a_trusted_hop_is_held_to_the_process_bound_alone() {
        let admission = Admission::new(100, 1, [3; 16]);
        let hops: Vec<_> = (0..100).map(|_| admission.admit_hop().unwrap()).collect();
        assert_eq!(admission.admit_hop().unwrap_err(), Bound::Connections);
        drop(hops);
        assert_eq!(admission.open(), 0);
    }

    #[test]
    fn an_ipv6_network_is_a_64_and_a_mapped_address_is_ipv4() {
        let admission = Admission::new(100, 1, [4; 16]);
        let _held = [
            admission.admit("2001:db8:0:1::1".parse().unwrap()).unwrap(),
            admission.admit("192.0.2.1".parse().unwrap()).unwrap(),
        ];
        assert!(admission.admit("2001:db8:0:1:ffff::2".parse().unwrap()).is_err());
        assert!(admission.admit("2001:db8:0:2::1".parse().unwrap()).is_ok());
        assert!(admission.admit("::ffff:192.0.2.1".parse().unwrap()).is_err());
    }

    #[test]
    fn lower_bounds_refuse_new_connections_and_keep_open_ones() {
        let admission = Admission::new(10, 10, [5; 16]);
        let held: Vec<_> = (0..5).map(|n| admission.admit(v4(n)).unwrap()).collect();
        admission.set_bounds(3, 10);
        assert_eq!(admission.admit(v4(9)).unwrap_err(), Bound::Connections);
        assert_eq!(admission.open(), held.len());
    }

    #[test]
    fn workers_on_many_threads_never_pass_a_bound() {
        let admission = Admission::new(64, 8, [6; 16]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..2_000_u32 {
                        let held: Vec<_> =
                            (0..20).filter_map(|n| admission.admit(v4((round + n) % 3)).ok()).collect();
                        assert!(held.len() <= 3 * 8);
                    }
                });
            }
        });
        assert_eq!(admission.open(), 0);
        assert!((0..3).all(|n| admission.estimate(v4(n)) == 0));
    }

    /// The odds that the module's description states, at their worst: every place taken by networks that sit
    /// at their bound.
    #[test]
    fn false_refusals_stay_within_the_stated_odds() {
        const BOUND: u32 = 100;
        let admission = Admission::new(10_000, BOUND as usize, [7; 16]);
        let held: Vec<_> = (0..9_900).map(|n| admission.admit(v4(n / BOUND)).unwrap()).collect();
        let newcomers = 100_000;
        let refused = (0..newcomers).filter(|n| admission.admit(v4(1_000_000 + n)).is_err()).count();
        drop(held);
        // At most 1 / 400² each, so 0.6 expected of 100,000; 6 is beyond eight standard deviations.
        assert!(refused <= 6, "{refused} of {newcomers} newcomers were refused for others' connections");
    }

    proptest! {
        #[test]
        fn estimates_never_fall_short_and_return_to_zero(
            seed in any::<[u8; 16]>(),
            steps in proptest::collection::vec((0_u32..40, any::<bool>()), 1..400),
        ) {
            let admission = Admission::new(200, 20, seed);
            let mut open: HashMap<u32, Vec<ConnectionPermit>> = HashMap::new();
            for (network, opens) in steps {
                let held = open.entry(network).or_default();
                if opens {
                    match admission.admit(v4(network)) {
                        Ok(permit) => held.push(permit),
                        Err(Bound::Connections) => prop_assert!(admission.open() >= 200),
                        Err(_) => prop_assert!(admission.estimate(v4(network)) >= 20),
                    }
                } else {
                    held.pop();
                }
                prop_assert!(held.len() <= 20);
                prop_assert!(admission.estimate(v4(network)) as usize >= held.len());
                prop_assert_eq!(admission.open(), open.values().map(Vec::len).sum::<usize>());
            }
            open.clear();
            prop_assert_eq!(admission.open(), 0);
            prop_assert!(admission.cells.iter().all(|cell| cell.load(std::sync::atomic::Ordering::Relaxed) == 0));
        }
    }
}
