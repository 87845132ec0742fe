//! [`Portion`]: a fixed part of the clients, for a rule that is tried out on some before it acts on all.

/// A part of the clients, in whole percent: from 1 to 99. All of them are no portion.
///
/// Which clients they are is drawn by a keyed hash of the client (IPv6: of its /64) and the rule's name, so a client
/// stays in or out for as long as the process runs, a larger portion holds the smaller one, and the clients of two
/// rules' portions have nothing to do with each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Portion(u8);

impl Portion {
    /// So many percent; `None` outside 1 to 99.
    pub const fn percent(percent: u8) -> Option<Self> {
        match percent {
            1..=99 => Some(Self(percent)),
            _ => None,
        }
    }

    /// How many percent.
    pub const fn as_percent(self) -> u8 {
        self.0
    }

    /// Whether it holds what hashes to `hash`, which is uniform.
    pub(crate) const fn holds(self, hash: u64) -> bool {
        // Scaled down instead of a remainder, so that no percent is larger than another.
        ((hash as u128 * 100) >> 64) < self.0 as u128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_is_neither_nothing_nor_all() {
        assert_eq!(Portion::percent(0), None);
        assert_eq!(Portion::percent(100), None);
        assert_eq!(Portion::percent(10).map(Portion::as_percent), Some(10));
    }

    #[test]
    fn a_larger_portion_holds_the_smaller_one() {
        let portions: Vec<_> = (1..=99).filter_map(Portion::percent).collect();
        for hash in (0..1000).map(|step: u64| step * (u64::MAX / 999)) {
            let first = portions.iter().position(|portion| portion.holds(hash)).unwrap_or(portions.len());
            assert!(portions[first..].iter().all(|portion| portion.holds(hash)));
        }
        let half = Portion::percent(50).unwrap();
        assert!(half.holds(u64::MAX / 2 - 1) && !half.holds(u64::MAX / 2 + 1));
    }
}
