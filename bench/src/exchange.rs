//! The request of a browser, and that of the storm: as bytes and as facts.

use std::net::{IpAddr, Ipv4Addr};

use seawall_http::{
    ClientAddr, ClientIdentity, ClientSource, ContentLength, Field, Protocol, RequestFacts, Scheme,
};

use crate::rules::STORM_AGENT;

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Agent {
    /// A browser.
    Reader,
    /// What the rule half-way refuses.
    Storm,
}

impl Agent {
    const fn name(self) -> &'static str {
        match self {
            Self::Reader => READER_AGENT,
            Self::Storm => STORM_AGENT,
        }
    }
}

/// Host of the requests.
pub const HOST: &str = "proxied.example";

/// Path of the requests.
pub const PATH: &str = "/mail/archive/2024-05/0123.html";

/// The fields of a browser's request, but for the agent.
pub fn fields(agent: Agent) -> [Field<'static>; 9] {
    [
        ("host", HOST),
        ("user-agent", agent.name()),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "https://proxied.example/mail/"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-mode", "navigate"),
        ("priority", "u=0, i"),
    ]
    .map(|(name, value)| Field { name, value: value.as_bytes() })
}

/// The facts of a GET request with these fields, from client `number`.
pub fn facts<'a>(fields: &'a [Field<'a>], number: u32) -> RequestFacts<'a> {
    // 198.18.0.0/15 is for benchmarks (RFC 2544); more clients than it has are counted on from there.
    let addr = ClientAddr::new(IpAddr::V4(Ipv4Addr::from_bits(0xc612_0000_u32.wrapping_add(number))));
    RequestFacts {
        protocol: Protocol::Http11,
        scheme: Scheme::Http,
        method: "GET",
        host: HOST,
        path: PATH,
        query: None,
        fields,
        content: ContentLength::Absent,
        client: ClientIdentity { addr, source: ClientSource::Peer, peer: addr },
        tls: None,
    }
}

/// The same request as HTTP/1.1 sends it.
pub fn bytes(agent: Agent) -> Vec<u8> {
    let mut bytes = format!("GET {PATH} HTTP/1.1\r\n").into_bytes();
    for field in fields(agent) {
        bytes.extend_from_slice(field.name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(field.value);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

const READER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
