//! A record as the gate would have seen its request, and what the log keeps back of it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use http::HeaderName;
use ipnet::IpNet;
use seawall_http::client::{ClientFieldName, TrustedHops, identify};
use seawall_http::target::{normalise_host, normalise_path};
use seawall_http::{
    ClientAddr, ClientIdentity, ClientSource, ContentLength, Field, Ja4, NetworkSet, Protocol, RequestFacts,
    Scheme,
};
use seawall_logs::{Fact as Column, Record, RequestForm};
use seawall_rules::rule::Fact;

/// What a log may keep back.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[repr(u8)]
pub enum Item {
    /// The host.
    Host,
    /// The method.
    Method,
    /// The path.
    Path,
    /// The query.
    Query,
    /// The field `User-Agent`.
    UserAgent,
    /// The field `Referer`.
    Referer,
    /// The field `Forwarded`.
    Forwarded,
    /// Who the client is.
    Client,
    /// The protocol.
    Protocol,
    /// The fingerprint of the client's TLS.
    TlsFingerprint,
    /// When.
    Time,
    /// What no log shows: other fields, their order, the content's announced length.
    Unlogged,
}

impl Item {
    /// What a fact of rules is read from.
    pub fn of(fact: &Fact) -> Self {
        match fact {
            Fact::Host => Self::Host,
            Fact::Method => Self::Method,
            Fact::Path => Self::Path,
            Fact::QueryShape => Self::Query,
            Fact::UserAgent => Self::UserAgent,
            Fact::Referer => Self::Referer,
            Fact::Client => Self::Client,
            Fact::Protocol => Self::Protocol,
            Fact::TlsFingerprint => Self::TlsFingerprint,
            Fact::ContentLength | Fact::HeaderShape => Self::Unlogged,
            Fact::Field(name) => match name.as_str() {
                "user-agent" => Self::UserAgent,
                "referer" => Self::Referer,
                "host" => Self::Host,
                "forwarded" => Self::Forwarded,
                // `X-Forwarded-For` too: the column may be of another field with addresses.
                _ => Self::Unlogged,
            },
        }
    }
}

/// A set of [`Item`]s.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
pub struct Hidden(u16);

impl Hidden {
    /// Whether an item is kept back.
    pub const fn contains(self, item: Item) -> bool {
        self.0 & (1 << item as u16) != 0
    }

    /// Adds an item.
    pub const fn insert(&mut self, item: Item) {
        self.0 |= 1 << item as u16;
    }

    /// With the items of another set.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without the items that are not in another set.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn of(record: &Record<'_>) -> Self {
        let mut hidden = Self::default();
        hidden.insert(Item::Unlogged);
        for (column, item) in [
            (Column::Host, Item::Host),
            (Column::Method, Item::Method),
            (Column::Path, Item::Path),
            (Column::Query, Item::Query),
            (Column::UserAgent, Item::UserAgent),
            (Column::Referer, Item::Referer),
            (Column::Forwarded, Item::Forwarded),
            (Column::Ja4, Item::TlsFingerprint),
        ] {
            if !record.shows(column) {
                hidden.insert(item);
            }
        }
        if record.path.is_none() {
            hidden.insert(Item::Path);
        }
        if record.time.is_none() {
            hidden.insert(Item::Time);
        }
        hidden
    }
}

/// Who stands between clients and the server that wrote the log.
#[derive(Clone, Debug)]
pub struct Vantage {
    hops: TrustedHops,
    /// The same, and whoever connected: for logs that show only what a field says.
    blind: TrustedHops,
}

impl Vantage {
    /// Trusted hops, and the field that they write.
    pub fn new(networks: impl IntoIterator<Item = IpNet>, field: ClientFieldName) -> Self {
        let networks: Vec<IpNet> = networks.into_iter().collect();
        let hops = |networks: Vec<IpNet>| TrustedHops {
            networks: NetworkSet::new(networks),
            field: field.clone(),
            tls_fingerprint_field: None,
        };
        let all = networks.iter().copied().chain([IpNet::from(UNKNOWN_PEER)]).collect();
        Self { hops: hops(networks), blind: hops(all) }
    }

    /// From the command line: `X-Forwarded-For` where no field is named.
    pub fn named(networks: impl IntoIterator<Item = IpNet>, field: Option<&HeaderName>) -> Self {
        let field = match field.map(HeaderName::as_str) {
            None | Some("x-forwarded-for") => ClientFieldName::XForwardedFor,
            Some("forwarded") => ClientFieldName::Forwarded,
            Some(_) => field.cloned().map_or(ClientFieldName::XForwardedFor, ClientFieldName::Single),
        };
        Self::new(networks, field)
    }

    /// Whether an address is a trusted hop's.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.hops.networks.contains(address)
    }

    /// The column that tells what trusted hops say of the client.
    pub fn column(&self) -> Column {
        match self.hops.field {
            ClientFieldName::Forwarded => Column::Forwarded,
            ClientFieldName::XForwardedFor | ClientFieldName::Single(_) => Column::ForwardedFor,
        }
    }

    /// Shows a record as the request that the gate would have seen; `None` if it was no request of HTTP, which the gate
    /// refuses before it asks any rule.
    ///
    /// What is hidden has a value that means nothing: whoever looks must not ask for it.
    pub fn see<R>(
        &self,
        record: &Record<'_>,
        look: impl FnOnce(&RequestFacts<'_>, Hidden) -> R,
    ) -> Option<R> {
        if matches!(record.request, RequestForm::Empty | RequestForm::Garbled) {
            return None;
        }
        let mut hidden = Hidden::of(record);
        let mut fields = [Field { name: "", value: b"" }; 5];
        let fields = self.fields(record, &mut fields);
        let client = self.client(record, fields).unwrap_or_else(|| {
            hidden.insert(Item::Client);
            NOBODY
        });
        let protocol = record.protocol.as_deref().and_then(protocol).unwrap_or_else(|| {
            hidden.insert(Item::Protocol);
            Protocol::Http11
        });
        let tls = record.ja4.as_deref().and_then(|text| {
            let parsed = Ja4::parse(text);
            if parsed.is_none() {
                hidden.insert(Item::TlsFingerprint);
            }
            parsed
        });
        let (host, path) = (text(record.host.as_deref()), text(record.path.as_deref()));
        let query = record.query.as_deref().map(|query| text(Some(query)));
        let is_https = record.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https"));
        let facts = RequestFacts {
            protocol,
            scheme: if is_https { Scheme::Https } else { Scheme::Http },
            method: &text(record.method.as_deref()),
            host: &normalise_host(&host),
            path: &normalise_path(&path),
            query: query.as_deref(),
            fields,
            content: ContentLength::Unknown,
            client,
            tls,
        };
        Some(look(&facts, hidden))
    }

    fn fields<'f>(&'f self, record: &'f Record<'_>, room: &'f mut [Field<'f>; 5]) -> &'f [Field<'f>] {
        let forwarded_for = match &self.hops.field {
            ClientFieldName::Single(name) => name.as_str(),
            ClientFieldName::XForwardedFor | ClientFieldName::Forwarded => "x-forwarded-for",
        };
        let shown = [
            ("host", &record.host),
            ("user-agent", &record.user_agent),
            ("referer", &record.referer),
            (forwarded_for, &record.forwarded_for),
            ("forwarded", &record.forwarded),
        ];
        let mut count = 0;
        for (name, value) in shown {
            if let Some(value) = value {
                room[count] = Field { name, value };
                count += 1;
            }
        }
        &room[..count]
    }

    /// Who the edge would take for the client, had it stood where the log was written; `None` if the log does not tell.
    fn client(&self, record: &Record<'_>, fields: &[Field<'_>]) -> Option<ClientIdentity> {
        let Some(client) = record.client.or(record.peer) else {
            let found = identify(&self.blind, UNKNOWN_PEER, fields);
            return Some(found).filter(|found| found.addr.expose() != UNKNOWN_PEER);
        };
        if !record.shows(self.column()) {
            return (!self.trusts(client.expose())).then(|| identify(&self.hops, client.expose(), &[]));
        }
        // Where the server was told of its proxies, its word on the client counts, unless ours is asked for.
        let peer = record.peer.filter(|peer| self.trusts(peer.expose())).unwrap_or(client);
        Some(identify(&self.hops, peer.expose(), fields))
    }
}

/// Stands for whoever connected, in logs that do not show it.
const UNKNOWN_PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const NOBODY: ClientIdentity = {
    let addr = ClientAddr::UNSPECIFIED;
    ClientIdentity { addr, source: ClientSource::Peer, peer: addr }
};

fn protocol(text: &[u8]) -> Option<Protocol> {
    Some(match text {
        b"HTTP/1.0" => Protocol::Http10,
        b"HTTP/1.1" => Protocol::Http11,
        b"HTTP/2.0" | b"HTTP/2" => Protocol::Http2,
        _ => return None,
    })
}

/// As text. Octets that are none are percent-encoded, as clients send them.
fn text(bytes: Option<&[u8]>) -> Cow<'_, str> {
    let bytes = bytes.unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut text = String::with_capacity(bytes.len() + 16);
            for chunk in bytes.utf8_chunks() {
                text.push_str(chunk.valid());
                for byte in chunk.invalid() {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "%{byte:02X}");
                }
            }
            Cow::Owned(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use seawall_logs::{Format, Formats};

    use super::*;

    /// What one line shows.
    fn see<R>(
        format: &str,
        line: &str,
        vantage: &Vantage,
        look: impl Fn(&RequestFacts<'_>, Hidden) -> R,
    ) -> Option<R> {
        let mut seen = None;
        let tally = Formats::from(Format::named(format).unwrap())
            .read(line.as_bytes(), |_, record| seen = vantage.see(record, &look));
        assert_eq!(tally.records, 1, "{:?}", tally.examples);
        seen
    }

    fn client(format: &str, line: &str, trusted: &[&str], field: Option<&'static str>) -> Option<String> {
        let networks = trusted.iter().map(|network| network.parse().unwrap());
        let field = field.map(HeaderName::from_static);
        see(format, line, &Vantage::named(networks, field.as_ref()), |facts, hidden| {
            (!hidden.contains(Item::Client)).then(|| facts.client.addr.expose().to_string())
        })
        .unwrap()
    }

    #[test]
    fn a_line_is_the_request_that_the_gate_sees() {
        let line = "site.example:443 192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET //a/../%61dmin\\xff?x=1&y HTTP/2.0\" 200 5 \"https://Other.example/\" \"a \\\"b\\\"\"";
        see("vhost_combined", line, &Vantage::named([], None), |facts, hidden| {
            assert_eq!((facts.method, facts.path, facts.query), ("GET", "/admin%FF", Some("x=1&y")));
            assert_eq!((facts.host, facts.protocol), ("site.example", Protocol::Http2));
            assert_eq!(facts.user_agent(), Some(&b"a \"b\""[..]));
            for item in [Item::Host, Item::Method, Item::Path, Item::UserAgent, Item::Client, Item::Time] {
                assert!(!hidden.contains(item), "{item:?}");
            }
            assert!(hidden.contains(Item::Unlogged) && hidden.contains(Item::TlsFingerprint));
        })
        .unwrap();
        let common = "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/3.0\" 200 5";
        see("common", common, &Vantage::named([], None), |_, hidden| {
            let shown = [Item::UserAgent, Item::Host, Item::Referer, Item::Protocol];
            assert!(shown.into_iter().all(|item| hidden.contains(item)));
        })
        .unwrap();
        let garbled = r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "\x16\x03\x01" 400 0"#;
        assert!(see("common", garbled, &Vantage::named([], None), |_, _| ()).is_none());
    }

    #[test]
    fn the_client_is_the_one_that_the_edge_would_find() {
        let main = |client: &str, forwarded: &str| {
            format!(
                "{client} - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\" \"{forwarded}\""
            )
        };
        let of = |client_: &str, forwarded: &str, trusted: &[&str]| {
            client("main", &main(client_, forwarded), trusted, None)
        };
        let hops = ["10.0.0.0/8"];
        assert_eq!(of("192.0.2.1", "198.51.100.7", &hops).unwrap(), "192.0.2.1", "an untrusted peer's word");
        assert_eq!(of("10.0.0.1", "6.6.6.6, 198.51.100.7, 10.0.0.9", &hops).unwrap(), "198.51.100.7");
        assert_eq!(of("10.0.0.1", "-", &hops).unwrap(), "10.0.0.1", "the hop sent none");
        assert_eq!(of("10.0.0.1", "198.51.100.7", &[]).unwrap(), "10.0.0.1");
        let combined = "10.0.0.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"";
        assert_eq!(client("combined", combined, &hops, None), None, "a hop, and no column tells whom for");
        let named = combined.replace("10.0.0.1", "host.example");
        assert_eq!(client("combined", &named, &[], None), None, "a name");
    }

    #[test]
    fn columns_of_real_ip_and_of_single_fields_are_taken() {
        let realip =
            r"nginx:$realip_remote_addr $remote_addr [$time_local] $request_method $http_cf_connecting_ip";
        let line = "10.0.0.1 198.51.100.7 [17/May/2015:10:05:03 +0000] GET 203.0.113.5";
        assert_eq!(client(realip, line, &[], None).unwrap(), "198.51.100.7", "the server's word");
        let field = Some("cf-connecting-ip");
        assert_eq!(client(realip, line, &["10.0.0.0/8"], field).unwrap(), "203.0.113.5", "ours");
        let alone = r"nginx:$http_x_forwarded_for [$time_local] $request_method";
        let line = "198.51.100.7 [17/May/2015:10:05:03 +0000] GET";
        assert_eq!(client(alone, line, &[], None).unwrap(), "198.51.100.7");
        assert_eq!(client(alone, &line.replace("198.51.100.7", "-"), &[], None), None);
    }
}
