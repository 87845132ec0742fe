//! What requests of a log can be told apart by: the facts of rules as far as a log shows them, and what follows from these.

use std::fmt;
use std::io::Write as _;
use std::net::IpAddr;
use std::str::FromStr;

use seawall_http::target::{query_shape, referer_host};
use seawall_http::{RequestFacts, UnixTime, prefix_of};
use seawall_logs::{Fact as Column, Record};
use seawall_storm::specimen::{path_extension, path_prefix};
use seawall_storm::{Locality, Seen, agent};

use super::event::cache;
use super::request::{Hidden, Item};
use crate::edge::geo::Geo;
use crate::why::date::utc;

/// One of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub(crate) enum Fact {
    /// The status sent.
    Status,
    /// The method.
    Method,
    /// The protocol.
    Protocol,
    /// The host.
    Host,
    /// The normalised path.
    Path,
    /// So many first segments of the path.
    PathPrefix(u8),
    /// What follows the path's last dot.
    Extension,
    /// The names of the query's parameters.
    QueryShape,
    /// The field `User-Agent`.
    UserAgent,
    /// The product that it names.
    Product,
    /// The host of the field `Referer`.
    Referer,
    /// The client's address.
    Client,
    /// Its network: of so many bits by IPv4, and as many subscribers by IPv6.
    Network(u8),
    /// Its country.
    Country,
    /// Its autonomous system.
    Asn,
    /// JA4 of its TLS.
    TlsFingerprint,
    /// The cache's part.
    Cache,
    /// The date and hour.
    Hour,
    /// The date.
    Day,
    /// The hour of any day.
    HourOfDay,
    /// The day of any week.
    Weekday,
}

/// What a line says of a fact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shown {
    /// Nothing.
    Unknown,
    /// That the request has none.
    Absent,
    /// A value.
    Value,
}

/// A request of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight<'a> {
    /// The line.
    pub(crate) record: &'a Record<'a>,
    /// As the gate would have seen it.
    pub(crate) facts: &'a RequestFacts<'a>,
    /// What of that means nothing.
    pub(crate) hidden: Hidden,
    /// Where its client is.
    pub(crate) locality: Locality,
}

impl Fact {
    /// All, in the order in which they are told.
    pub(crate) const ALL: [Self; 26] = [
        Self::Status,
        Self::Method,
        Self::Protocol,
        Self::Host,
        Self::Path,
        Self::PathPrefix(1),
        Self::PathPrefix(2),
        Self::PathPrefix(3),
        Self::Extension,
        Self::QueryShape,
        Self::UserAgent,
        Self::Product,
        Self::Referer,
        Self::Client,
        Self::Network(24),
        Self::Network(22),
        Self::Network(20),
        Self::Network(16),
        Self::Country,
        Self::Asn,
        Self::TlsFingerprint,
        Self::Cache,
        Self::Hour,
        Self::Day,
        Self::HourOfDay,
        Self::Weekday,
    ];

    /// Those whose greatest values are told unasked.
    pub(crate) const TOLD: [Self; 17] = [
        Self::Status,
        Self::Method,
        Self::Protocol,
        Self::Host,
        Self::Path,
        Self::PathPrefix(1),
        Self::Extension,
        Self::QueryShape,
        Self::UserAgent,
        Self::Product,
        Self::Referer,
        Self::Client,
        Self::Network(24),
        Self::Country,
        Self::Asn,
        Self::TlsFingerprint,
        Self::Cache,
    ];

    /// As the command line, JSON and pages name it: where rules have it, as they do.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Method => "method",
            Self::Protocol => "protocol",
            Self::Host => "host",
            Self::Path => "path",
            Self::PathPrefix(2) => "path-prefix/2",
            Self::PathPrefix(3) => "path-prefix/3",
            Self::PathPrefix(_) => "path-prefix",
            Self::Extension => "extension",
            Self::QueryShape => "query-shape",
            Self::UserAgent => "user-agent",
            Self::Product => "product",
            Self::Referer => "referer",
            Self::Client => "client",
            Self::Network(22) => "network/22",
            Self::Network(20) => "network/20",
            Self::Network(16) => "network/16",
            Self::Network(_) => "network",
            Self::Country => "country",
            Self::Asn => "asn",
            Self::TlsFingerprint => "tls-fingerprint",
            Self::Cache => "cache",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::HourOfDay => "hour-of-day",
            Self::Weekday => "weekday",
        }
    }

    /// Whether a database says it, and no log.
    pub(crate) const fn is_of_place(self) -> bool {
        matches!(self, Self::Country | Self::Asn)
    }

    /// Whether it follows from the time.
    pub(crate) const fn is_of_time(self) -> bool {
        matches!(self, Self::Hour | Self::Day | Self::HourOfDay | Self::Weekday)
    }

    /// What it follows from.
    const fn item(self) -> Option<Item> {
        Some(match self {
            Self::Method => Item::Method,
            Self::Protocol => Item::Protocol,
            Self::Host => Item::Host,
            Self::Path | Self::PathPrefix(_) | Self::Extension => Item::Path,
            Self::QueryShape => Item::Query,
            Self::UserAgent | Self::Product => Item::UserAgent,
            Self::Referer => Item::Referer,
            Self::Client | Self::Network(_) | Self::Country | Self::Asn => Item::Client,
            Self::TlsFingerprint => Item::TlsFingerprint,
            Self::Hour | Self::Day | Self::HourOfDay | Self::Weekday => Item::Time,
            Self::Status | Self::Cache => return None,
        })
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Fact {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = match text {
            "network/24" => "network",
            "path-prefix/1" => "path-prefix",
            "path-extension" => "extension",
            "referer-host" => "referer",
            name => name,
        };
        Self::ALL.into_iter().find(|fact| fact.as_str() == name).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|fact| fact.as_str()).collect();
            format!("there is no fact `{text}`: the facts are {}", known.join(", "))
        })
    }
}

impl<'a> Sight<'a> {
    /// A request; its client is placed if there is a database.
    pub(crate) fn new(
        record: &'a Record<'a>,
        facts: &'a RequestFacts<'a>,
        hidden: Hidden,
        geo: Option<&Geo>,
    ) -> Self {
        let locality = match geo {
            Some(geo) if !hidden.contains(Item::Client) => geo.locate(facts.client.addr.expose()),
            _ => Locality::default(),
        };
        Self { record, facts, hidden, locality }
    }

    /// Writes the value of a fact behind what is in `out`, and tells whether there is one.
    pub(crate) fn write(&self, fact: Fact, out: &mut Vec<u8>) -> Shown {
        if fact.item().is_some_and(|item| self.hidden.contains(item)) {
            return Shown::Unknown;
        }
        let facts = self.facts;
        match fact {
            Fact::Status => match self.record.status {
                Some(status) => number(u64::from(status), out),
                None if self.record.shows(Column::Status) => Shown::Absent,
                None => Shown::Unknown,
            },
            Fact::Method => value(facts.method, out),
            Fact::Protocol => value(facts.protocol.as_str(), out),
            Fact::Host if facts.host.is_empty() => Shown::Absent,
            Fact::Host => value(facts.host, out),
            Fact::Path => value(facts.path, out),
            Fact::PathPrefix(segments) => optional(path_prefix(facts.path, usize::from(segments)), out),
            Fact::Extension => optional(path_extension(facts.path), out),
            Fact::QueryShape => match facts.query {
                Some(query) => {
                    let mut shape = String::new();
                    query_shape(query, &mut shape);
                    value(&shape, out)
                }
                None => Shown::Absent,
            },
            Fact::UserAgent => optional(facts.user_agent(), out),
            Fact::Product => match facts.user_agent() {
                Some(agent) => optional(agent::product(&String::from_utf8_lossy(agent)), out),
                None => Shown::Absent,
            },
            Fact::Referer => {
                optional(facts.field("referer").and_then(referer_host).map(|host| host.into_owned()), out)
            }
            Fact::Client => written(facts.client.addr.expose(), out),
            Fact::Network(bits) => written(network(facts.client.addr.expose(), bits), out),
            Fact::Country => match self.locality.country {
                Seen::Unknown => Shown::Unknown,
                Seen::Absent => Shown::Absent,
                Seen::Value(code) => value(code, out),
            },
            Fact::Asn => match self.locality.asn {
                Seen::Unknown => Shown::Unknown,
                Seen::Absent => Shown::Absent,
                Seen::Value(asn) => number(u64::from(asn), out),
            },
            Fact::TlsFingerprint => optional(facts.tls.as_ref().map(|ja4| ja4.as_str()), out),
            Fact::Cache => match self.record.cache {
                Some(status) => value(cache(Some(status)).as_str(), out),
                None if self.record.shows(Column::Cache) => Shown::Absent,
                None => Shown::Unknown,
            },
            Fact::Hour | Fact::Day | Fact::HourOfDay | Fact::Weekday => match self.record.time {
                Some(time) => of_time(fact, time, out),
                None => Shown::Unknown,
            },
        }
    }
}

fn of_time(fact: Fact, time: UnixTime, out: &mut Vec<u8>) -> Shown {
    match fact {
        Fact::HourOfDay => {
            // A Vec takes any bytes.
            let _ = write!(out, "{:02}", time.as_secs() / 3600 % 24);
        }
        // 1970 began on a Thursday.
        Fact::Weekday => {
            let day = (time.as_secs() / 86_400 + 3) % 7;
            out.extend_from_slice(WEEKDAYS[day as usize].as_bytes());
        }
        _ => {
            let text = utc(time);
            let end = if fact == Fact::Day { 10 } else { 13 };
            out.extend_from_slice(&text.as_bytes()[..end.min(text.len())]);
            if fact == Fact::Hour {
                out.extend_from_slice(b":00");
            }
        }
    }
    Shown::Value
}

/// Monday first, and in an order that sorting keeps.
const WEEKDAYS: [&str; 7] =
    ["1 Monday", "2 Tuesday", "3 Wednesday", "4 Thursday", "5 Friday", "6 Saturday", "7 Sunday"];

fn network(addr: IpAddr, bits: u8) -> ipnet::IpNet {
    // As the detector pairs them.
    let v6 = match bits {
        24 => 56,
        22 => 48,
        20 => 40,
        _ => 32,
    };
    prefix_of(addr, bits, v6)
}

fn value(text: impl AsRef<[u8]>, out: &mut Vec<u8>) -> Shown {
    out.extend_from_slice(text.as_ref());
    Shown::Value
}

fn optional(text: Option<impl AsRef<[u8]>>, out: &mut Vec<u8>) -> Shown {
    text.map_or(Shown::Absent, |text| value(text, out))
}

fn written(text: impl fmt::Display, out: &mut Vec<u8>) -> Shown {
    let _ = write!(out, "{text}");
    Shown::Value
}

fn number(number: u64, out: &mut Vec<u8>) -> Shown {
    written(number, out)
}

#[cfg(test)]
mod tests {
    use seawall_logs::{Format, Formats};

    use super::*;
    use crate::analyze::request::Vantage;

    /// What a line says of a fact.
    fn shown(fact: Fact, format: &str, line: &str) -> (Shown, String) {
        let mut found = None;
        Formats::from(Format::named(format).unwrap()).read(line.as_bytes(), |_, record| {
            Vantage::named([], None).see(record, |facts, hidden| {
                let mut out = Vec::new();
                let shown = Sight::new(record, facts, hidden, None).write(fact, &mut out);
                found = Some((shown, String::from_utf8(out).unwrap()));
            });
        });
        found.unwrap()
    }

    #[test]
    fn every_fact_reads_as_rules_and_storms_have_it() {
        let line = "192.0.2.77 - - [17/May/2015:10:05:03 +0000] \"GET //a/b/c.php?x=1&y=2 HTTP/1.1\" 404 5 \"https://Other.example/z\" \"curl/8.5\"";
        for (name, expected) in [
            ("status", "404"),
            ("method", "GET"),
            ("protocol", "HTTP/1.1"),
            ("path", "/a/b/c.php"),
            ("path-prefix", "/a/"),
            ("path-prefix/2", "/a/b/"),
            ("extension", "php"),
            ("query-shape", "x&y"),
            ("user-agent", "curl/8.5"),
            ("product", "curl"),
            ("referer", "other.example"),
            ("client", "192.0.2.77"),
            ("network", "192.0.2.0/24"),
            ("network/16", "192.0.0.0/16"),
            ("hour", "2015-05-17 10:00"),
            ("day", "2015-05-17"),
            ("hour-of-day", "10"),
            ("weekday", "7 Sunday"),
        ] {
            let fact: Fact = name.parse().unwrap();
            assert_eq!(shown(fact, "combined", line), (Shown::Value, expected.to_owned()), "{name}");
        }
        for name in ["host", "tls-fingerprint", "cache", "country", "asn"] {
            assert_eq!(shown(name.parse().unwrap(), "combined", line).0, Shown::Unknown, "{name}");
        }
        let bare = line.replace("?x=1&y=2", "").replace("curl/8.5", "-");
        for name in ["query-shape", "user-agent", "product", "path-prefix/3"] {
            assert_eq!(shown(name.parse().unwrap(), "combined", &bare).0, Shown::Absent, "{name}");
        }
    }

    #[test]
    fn an_unknown_fact_is_told_with_those_there_are() {
        let error = "agent".parse::<Fact>().unwrap_err();
        assert!(error.contains("`agent`") && error.contains("user-agent, product"), "{error}");
        for fact in Fact::ALL {
            assert_eq!(fact.as_str().parse::<Fact>(), Ok(fact));
        }
    }
}
