//! Sets and maps of networks, for the question "in which of these does this address lie?".
//!
//! Both are built once and then only read: flat sorted arrays and a binary search, no allocation. IPv4-mapped
//! IPv6 addresses (RFC 4291 §2.5.5.2) count as IPv4 everywhere, so `::/0` does not hold `::ffff:192.0.2.1`,
//! and `::ffff:192.0.2.0/120` is `192.0.2.0/24`.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

/// Networks, asked only whether an address lies in any of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NetworkSet {
    v4: Box<[Range<u32>]>,
    v6: Box<[Range<u128>]>,
}

impl NetworkSet {
    /// Takes networks in any order; they may repeat and contain each other.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match span(network) {
                Span::V4(range) => v4.push(range),
                Span::V6(range) => v6.push(range),
            }
        }
        Self { v4: outermost(v4), v6: outermost(v6) }
    }

    /// Whether any of the networks holds the address, in O(log n).
    pub fn contains(&self, addr: IpAddr) -> bool {
        match addr.to_canonical() {
            IpAddr::V4(addr) => holds(&self.v4, addr.to_bits()),
            IpAddr::V6(addr) => holds(&self.v6, addr.to_bits()),
        }
    }

    /// Whether the set holds no address at all.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

impl FromIterator<IpNet> for NetworkSet {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self::new(networks)
    }
}

/// Values by network; one address finds the values of all networks that hold it.
#[derive(Clone, Debug)]
pub struct NetworkMap<T> {
    v4: Box<[Node<u32, T>]>,
    v6: Box<[Node<u128, T>]>,
}

impl<T> NetworkMap<T> {
    /// Takes networks in any order; the same network may come with several values.
    pub fn new(values: impl IntoIterator<Item = (IpNet, T)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, value) in values {
            match span(network) {
                Span::V4(range) => v4.push((range, value)),
                Span::V6(range) => v6.push((range, value)),
            }
        }
        Self { v4: nest(v4), v6: nest(v6) }
    }

    /// Calls `each` with every value whose network holds the address, the longest prefix first; the values of
    /// one network come in no particular order. O(log n) and a walk up the nested networks, of which there are
    /// at most as many as a prefix has lengths, plus the values that share a network.
    pub fn matches(&self, addr: IpAddr, each: impl FnMut(&T)) {
        match addr.to_canonical() {
            IpAddr::V4(addr) => climb(&self.v4, addr.to_bits(), each),
            IpAddr::V6(addr) => climb(&self.v6, addr.to_bits(), each),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The network of an address: its first `v4_len` bits if it is IPv4 (mapped or not), its first `v6_len` bits if
/// it is IPv6. A length beyond the address's own means the address alone.
pub fn prefix_of(addr: IpAddr, v4_len: u8, v6_len: u8) -> IpNet {
    let addr = addr.to_canonical();
    let (len, len_max) = match addr {
        IpAddr::V4(_) => (v4_len, 32),
        IpAddr::V6(_) => (v6_len, 128),
    };
    IpNet::new(addr, len.min(len_max)).map_or_else(|_| IpNet::from(addr), |network| network.trunc())
}

// === Ranges ===

/// First and last address of a network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Range<A> {
    first: A,
    last: A,
}

enum Span {
    V4(Range<u32>),
    V6(Range<u128>),
}

fn span(network: IpNet) -> Span {
    match network {
        IpNet::V4(network) => Span::V4(span_v4(network)),
        IpNet::V6(network) => match network.network().to_ipv4_mapped() {
            Some(addr) if network.prefix_len() >= 96 => {
                let len = network.prefix_len() - 96;
                Span::V4(span_v4(Ipv4Net::new(addr, len).unwrap_or_else(|_| Ipv4Net::from(addr))))
            }
            _ => Span::V6(Range { first: network.network().to_bits(), last: network.broadcast().to_bits() }),
        },
    }
}

fn span_v4(network: Ipv4Net) -> Range<u32> {
    let bits = |addr: Ipv4Addr| addr.to_bits();
    Range { first: bits(network.network()), last: bits(network.broadcast()) }
}

/// Networks are either disjoint or nested, so what is left after dropping the nested ones is disjoint.
fn outermost<A: Copy + Ord>(mut ranges: Vec<Range<A>>) -> Box<[Range<A>]> {
    sort_outer_first(&mut ranges, |range| *range);
    let mut kept: Vec<Range<A>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        if kept.last().is_none_or(|outer| range.first > outer.last) {
            kept.push(range);
        }
    }
    kept.into_boxed_slice()
}

fn holds<A: Copy + Ord>(ranges: &[Range<A>], addr: A) -> bool {
    let after = ranges.partition_point(|range| range.first <= addr);
    after > 0 && addr <= ranges[after - 1].last
}

fn sort_outer_first<T, A: Copy + Ord>(items: &mut [T], range: impl Fn(&T) -> Range<A>) {
    items.sort_by(|a, b| {
        let (a, b) = (range(a), range(b));
        a.first.cmp(&b.first).then(b.last.cmp(&a.last))
    });
}

// === Nested networks ===

#[derive(Clone, Debug)]
struct Node<A, T> {
    range: Range<A>,
    /// The nearest network before this one that holds it (or equals it).
    outer: Option<u32>,
    value: T,
}

fn nest<A: Copy + Ord, T>(mut values: Vec<(Range<A>, T)>) -> Box<[Node<A, T>]> {
    sort_outer_first(&mut values, |(range, _)| *range);
    let mut nodes: Vec<Node<A, T>> = Vec::with_capacity(values.len());
    for (range, value) in values {
        let mut outer = nodes.len().checked_sub(1);
        while let Some(index) = outer
            && nodes[index].range.last < range.first
        {
            outer = nodes[index].outer.map(|index| index as usize);
        }
        let outer = outer.map(|index| u32::try_from(index).expect("invariant: fewer than 2^32 networks"));
        nodes.push(Node { range, outer, value });
    }
    nodes.into_boxed_slice()
}

/// A network that holds `addr` begins at or before it, so it comes at or before the last node that does; and
/// it holds that node's first address, so it is that node or one of those around it.
fn climb<A: Copy + Ord, T>(nodes: &[Node<A, T>], addr: A, mut each: impl FnMut(&T)) {
    let mut next = nodes.partition_point(|node| node.range.first <= addr).checked_sub(1);
    while let Some(index) = next {
        let node = &nodes[index];
        if addr <= node.range.last {
            each(&node.value);
        }
        next = node.outer.map(|index| index as usize);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Few distinct bits, so that networks nest and addresses hit.
    fn addrs() -> impl Strategy<Value = IpAddr> {
        let v4 = prop_oneof![0..8u32, (0..8u32).prop_map(|n| n << 29), any::<u32>()]
            .prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
        let mapped = any::<u32>().prop_map(|bits| IpAddr::V6(Ipv4Addr::from_bits(bits).to_ipv6_mapped()));
        let v6 = prop_oneof![0..8u128, (0..8u128).prop_map(|n| n << 125), any::<u128>()]
            .prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)));
        prop_oneof![4 => v4, 1 => mapped, 3 => v6]
    }

    fn networks() -> impl Strategy<Value = IpNet> {
        (addrs(), 0..=128u8)
            .prop_map(|(addr, len)| IpNet::new(addr, if addr.is_ipv4() { len % 33 } else { len }).unwrap())
    }

    /// Bit by bit, with the IPv4-mapped block set apart by hand.
    fn holds_naively(network: IpNet, addr: IpAddr) -> bool {
        let in_v6_bits = |bits: u128, len: u8| {
            let IpNet::V6(network) = network else { return false };
            network.prefix_len() == len
                && network.addr().to_bits() >> (128 - len.max(1)) == bits >> (128 - len.max(1))
                || len == 0 && network.prefix_len() == 0
        };
        let mapped = |addr: IpAddr| match addr {
            IpAddr::V4(addr) => addr.to_ipv6_mapped().to_bits(),
            IpAddr::V6(addr) => addr.to_bits(),
        };
        let bits = mapped(addr);
        let is_v4 = bits >> 32 == 0xffff;
        match network {
            IpNet::V4(network) => is_v4 && network.contains(&Ipv4Addr::from_bits(bits as u32)),
            IpNet::V6(v6) => {
                let network_is_v4 = v6.prefix_len() >= 96 && v6.addr().to_bits() >> 32 == 0xffff;
                is_v4 == network_is_v4 && in_v6_bits(bits, v6.prefix_len())
            }
        }
    }

    proptest! {
        #[test]
        fn set_agrees_with_naive_scan(nets in prop::collection::vec(networks(), 0..40), probes in prop::collection::vec(addrs(), 1..40)) {
            let set = NetworkSet::new(nets.iter().copied());
            for probe in probes.iter().copied().chain(nets.iter().flat_map(|net| [net.network(), net.broadcast()])) {
                prop_assert_eq!(set.contains(probe), nets.iter().any(|net| holds_naively(*net, probe)), "{:?}", probe);
            }
        }

        #[test]
        fn map_finds_what_a_naive_scan_finds_longest_first(nets in prop::collection::vec(networks(), 0..40), probes in prop::collection::vec(addrs(), 1..40)) {
            let map = NetworkMap::new(nets.iter().copied().enumerate().map(|(i, net)| (net, i)));
            for probe in probes.iter().copied().chain(nets.iter().flat_map(|net| [net.network(), net.broadcast()])) {
                let mut found = Vec::new();
                map.matches(probe, |i| found.push(*i));
                let length = |i: &usize| nets[*i].prefix_len() + if nets[*i].addr().is_ipv4() { 96 } else { 0 };
                prop_assert!(found.is_sorted_by_key(|i| std::cmp::Reverse(length(i))));
                found.sort_unstable();
                let naive: Vec<usize> = (0..nets.len()).filter(|i| holds_naively(nets[*i], probe)).collect();
                prop_assert_eq!(found, naive);
            }
        }

        #[test]
        fn prefix_holds_its_address_and_is_truncated(addr in addrs(), v4 in any::<u8>(), v6 in any::<u8>()) {
            let network = prefix_of(addr, v4, v6);
            prop_assert!(NetworkSet::new([network]).contains(addr));
            prop_assert_eq!(network, network.trunc());
        }
    }

    #[test]
    fn mapped_address_counts_as_ipv4() {
        let set = NetworkSet::new([net("10.0.0.0/8"), net("::ffff:192.0.2.0/120")]);
        assert!(set.contains(addr("::ffff:10.1.2.3")));
        assert!(set.contains(addr("192.0.2.77")));
        assert!(!NetworkSet::new([net("::/0")]).contains(addr("::ffff:10.1.2.3")));
        assert_eq!(prefix_of(addr("::ffff:10.1.2.3"), 16, 64), net("10.1.0.0/16"));
    }

    #[test]
    fn everything_holds_both_ends() {
        let set = NetworkSet::new([net("0.0.0.0/0"), net("::/0")]);
        for text in ["0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
            assert!(set.contains(addr(text)), "{text}");
        }
        assert!(!NetworkSet::default().contains(addr("::")));
    }
}
