//! What happened to connections before they became somebody's exchange.

use std::ops::AddAssign;

use seawall_rules::refusal::Bound;

use crate::counter::Counter;

/// One worker's counters: written by it alone, read by the control plane, so that cores share no cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct AcceptCounters {
    pub(crate) accepted: Counter,
    pub(crate) received: Counter,
    pub(crate) connections: Counter,
    pub(crate) connections_per_network: Counter,
    pub(crate) handshake_time: Counter,
    pub(crate) handshake_failed: Counter,
    pub(crate) proxy_header_failed: Counter,
    pub(crate) exhausted: Counter,
    pub(crate) aborted: Counter,
    pub(crate) barred: Counter,
    pub(crate) panicked: Counter,
}

/// The counters at one moment; those of several workers add up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AcceptCounts {
    /// Taken from the listening sockets, whatever became of them.
    pub accepted: u64,
    /// Brought to the point where HTTP begins.
    pub received: u64,
    /// Closed at once: [`Bound::Connections`].
    pub connections: u64,
    /// Closed at once: [`Bound::ConnectionsPerNetwork`].
    pub connections_per_network: u64,
    /// Closed: [`Bound::HandshakeTime`].
    pub handshake_time: u64,
    /// Closed: no TLS handshake came about (no common version, a scanner, a client that went away).
    pub handshake_failed: u64,
    /// Closed: no valid PROXY protocol header.
    pub proxy_header_failed: u64,
    /// Times that accepting paused because descriptors or memory had run out.
    pub exhausted: u64,
    /// Connections that were gone before they could be accepted.
    pub aborted: u64,
    /// Reset at once: a `drop` rule lets nothing of their network through.
    pub barred: u64,
    /// Connections whose task panicked.
    pub panicked: u64,
}

impl AcceptCounters {
    /// Reads all of them.
    pub fn counts(&self) -> AcceptCounts {
        AcceptCounts {
            accepted: self.accepted.get(),
            received: self.received.get(),
            connections: self.connections.get(),
            connections_per_network: self.connections_per_network.get(),
            handshake_time: self.handshake_time.get(),
            handshake_failed: self.handshake_failed.get(),
            proxy_header_failed: self.proxy_header_failed.get(),
            exhausted: self.exhausted.get(),
            aborted: self.aborted.get(),
            barred: self.barred.get(),
            panicked: self.panicked.get(),
        }
    }

    /// Counts a connection that `bound` refused.
    pub(crate) fn refused(&self, bound: Bound) {
        match bound {
            Bound::ConnectionsPerNetwork => self.connections_per_network.add(1),
            Bound::HandshakeTime => self.handshake_time.add(1),
            _ => self.connections.add(1),
        }
    }
}

impl AddAssign for AcceptCounts {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.received += other.received;
        self.connections += other.connections;
        self.connections_per_network += other.connections_per_network;
        self.handshake_time += other.handshake_time;
        self.handshake_failed += other.handshake_failed;
        self.proxy_header_failed += other.proxy_header_failed;
        self.exhausted += other.exhausted;
        self.aborted += other.aborted;
        self.barred += other.barred;
        self.panicked += other.panicked;
    }
}
