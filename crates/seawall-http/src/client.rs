//! Who sent a request: the address behind the trusted hops, and how it was found.

use std::fmt;
use std::net::IpAddr;

/// A client's address. It is personal data, so the type has no `Display` and no `Serialize`, and `Debug` hides
/// it: whoever needs the bits says so with [`ClientAddr::expose`]. IPv4-mapped IPv6 addresses are stored as IPv4.
#[derive(Clone, Copy, Eq, PartialEq, Hash)]
pub struct ClientAddr(IpAddr);

impl ClientAddr {
    /// Takes an address, an IPv4-mapped one as IPv4.
    pub fn new(addr: IpAddr) -> Self {
        Self(addr.to_canonical())
    }

    /// The address itself. Every call is a place to ask whether it may leave memory (it may not, by default).
    pub const fn expose(&self) -> IpAddr {
        self.0
    }
}

impl fmt::Debug for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAddr(_)")
    }
}

/// How the client's address was found. A receipt carries it, so the numbers never change.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[repr(u8)]
pub enum ClientSource {
    /// The peer of the connection: no trusted hop stands in front.
    Peer = 0,
    /// An entry of the configured field, sent by a trusted hop.
    Field = 1,
    /// The peer is a trusted hop, but sent no usable field: the hop itself is counted as the client.
    HopWithoutField = 2,
    /// The peer is a trusted hop and its field has a malformed entry before any client: as `HopWithoutField`.
    HopMalformedField = 3,
    /// Every address, up to the first one, is a trusted hop: the leftmost one is the client.
    AllTrusted = 4,
    /// The peer is nobody's declared hop, but behaves as an intermediary that many share.
    SuspectedIntermediary = 5,
}

/// The client of one exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientIdentity {
    /// The address that counts as the client.
    pub addr: ClientAddr,
    /// How it was found.
    pub source: ClientSource,
    /// The other end of the connection (or what a PROXY protocol header said it is).
    pub peer: ClientAddr,
}
