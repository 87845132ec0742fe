//! Records as events of the storm detector, kept until it is their turn.

use std::collections::BTreeMap;
use std::time::Duration;

use seawall_http::{ClientAddr, Protocol, RequestFacts, UnixTime};
use seawall_logs::{CacheStatus, Record};
use seawall_storm::{CacheResult, Cost, Disposition, EventFacts, RequestEvent, Seen};

use crate::analyze::request::{Hidden, Item};

/// An event that owns its text.
#[derive(Clone, Debug)]
pub struct Event {
    host: Seen<Box<str>>,
    method: Box<str>,
    path: Box<str>,
    query: Seen<Box<str>>,
    user_agent: Seen<Box<[u8]>>,
    referer: Seen<Box<[u8]>>,
    client: ClientAddr,
    protocol: Option<Protocol>,
    tls_fingerprint: Seen<Box<str>>,
    disposition: Disposition,
    cost: Cost,
    at: UnixTime,
}

impl Event {
    /// Of a request as a line shows it; `None` without a time.
    pub fn new(record: &Record<'_>, facts: &RequestFacts<'_>, hidden: Hidden) -> Option<Self> {
        let shown = |item, text: Option<&str>| seen(hidden, item, text.map(Box::from));
        let field = |item, name| seen(hidden, item, facts.field(name).map(Box::from));
        let reached = record.cache.and_then(CacheStatus::reached_origin).unwrap_or(true);
        let bytes = record.content_bytes.or(record.sent_bytes).unwrap_or(0);
        // Where no column tells of the origin, whatever the cache did not answer came from there.
        let origin_bytes = record.origin_bytes.unwrap_or(if reached { bytes } else { 0 });
        let origin_time = record.origin_time.or(record.request_time.filter(|_| reached)).unwrap_or_default();
        Some(Self {
            host: shown(Item::Host, Some(facts.host).filter(|host| !host.is_empty())),
            method: facts.method.into(),
            path: facts.path.into(),
            query: shown(Item::Query, facts.query),
            user_agent: field(Item::UserAgent, "user-agent"),
            referer: field(Item::Referer, "referer"),
            client: facts.client.addr,
            protocol: (!hidden.contains(Item::Protocol)).then_some(facts.protocol),
            tls_fingerprint: shown(Item::TlsFingerprint, facts.tls.as_ref().map(|ja4| ja4.as_str())),
            disposition: Disposition {
                status: record.status.unwrap_or(0),
                cache: cache(record.cache),
                is_refused: false,
            },
            cost: Cost::of_one(
                bytes,
                origin_bytes,
                u64::try_from(origin_time.as_micros()).unwrap_or(u64::MAX),
            ),
            at: record.time?,
        })
    }

    /// As the detector takes it. The header section and the announced content are in no log.
    pub fn as_request(&self) -> RequestEvent<'_> {
        RequestEvent {
            facts: EventFacts {
                host: borrowed(&self.host),
                method: &self.method,
                path: &self.path,
                query: borrowed(&self.query),
                user_agent: borrowed(&self.user_agent),
                referer: borrowed(&self.referer),
                client: self.client,
                protocol: self.protocol,
                tls_fingerprint: borrowed(&self.tls_fingerprint),
                header_shape: None,
                fields: None,
                content: None,
            },
            disposition: self.disposition,
            cost: self.cost,
            at: self.at,
        }
    }

    /// What it cost.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// The status that the client was sent; 0 if none is known.
    pub fn status(&self) -> u16 {
        self.disposition.status
    }
}

fn seen<T>(hidden: Hidden, item: Item, value: Option<T>) -> Seen<T> {
    if hidden.contains(item) { Seen::Unknown } else { Seen::shown(value) }
}

fn borrowed<T: ?Sized>(seen: &Seen<Box<T>>) -> Seen<&T> {
    match seen {
        Seen::Unknown => Seen::Unknown,
        Seen::Absent => Seen::Absent,
        Seen::Value(value) => Seen::Value(value),
    }
}

fn cache(status: Option<CacheStatus>) -> CacheResult {
    match status {
        Some(CacheStatus::Hit | CacheStatus::Stale) => CacheResult::Hit,
        Some(CacheStatus::Miss | CacheStatus::Expired | CacheStatus::Revalidated) => CacheResult::Miss,
        Some(CacheStatus::Pass) => CacheResult::Pass,
        Some(CacheStatus::Synthetic | CacheStatus::Other) | None => CacheResult::Unknown,
    }
}

/// Puts events in order that are out of it by no more than five minutes, as long as no more than 100,000 wait.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: BTreeMap<(UnixTime, u64), Event>,
    count: u64,
    latest: UnixTime,
    /// The time up to which events were given out.
    given: UnixTime,
    late: u64,
}

impl Queue {
    /// Takes an event, and gives out those whose turn has come.
    pub fn push(&mut self, event: Event, mut give: impl FnMut(Event)) {
        if event.at < self.given {
            self.late += 1;
            return;
        }
        self.latest = self.latest.max(event.at);
        self.count += 1;
        self.waiting.insert((event.at, self.count), event);
        while let Some(entry) = self.waiting.first_entry() {
            let is_due = entry.key().0.saturating_add(ORDER) < self.latest;
            if !is_due && self.waiting.len() <= EVENTS_MAX {
                return;
            }
            if let Some((_, event)) = self.waiting.pop_first() {
                self.given = event.at;
                give(event);
            }
        }
    }

    /// Gives out all that wait.
    pub fn finish(&mut self, mut give: impl FnMut(Event)) {
        while let Some((_, event)) = self.waiting.pop_first() {
            give(event);
        }
    }

    /// Events that came too late, and were left out.
    pub fn late(&self) -> u64 {
        self.late
    }
}

/// Longer than servers let an exchange last, by default.
const ORDER: Duration = Duration::from_secs(300);
/// Some 30 MB.
const EVENTS_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use seawall_logs::{Format, Formats};

    use super::*;
    use crate::analyze::request::Vantage;

    fn events(log: &str) -> Vec<Event> {
        let mut events = Vec::new();
        Formats::from(Format::named("combined").unwrap()).read(log.as_bytes(), |_, record| {
            events.extend(
                Vantage::named([], None)
                    .see(record, |facts, hidden| Event::new(record, facts, hidden))
                    .flatten(),
            );
        });
        events
    }

    #[test]
    fn what_a_log_does_not_show_is_unknown_and_not_absent() {
        let log = "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET //a HTTP/1.1\" 200 512 \"-\" \"x\"\n";
        let event = &events(log)[0];
        let seen = event.as_request();
        assert_eq!(
            (seen.facts.path, seen.facts.host, seen.facts.referer),
            ("/a", Seen::Unknown, Seen::Absent)
        );
        assert_eq!((seen.facts.user_agent, seen.facts.query), (Seen::Value(&b"x"[..]), Seen::Absent));
        assert_eq!((event.cost(), event.status()), (Cost::of_one(512, 512, 0), 200));
    }

    #[test]
    fn events_come_in_order_and_what_is_too_late_is_counted() {
        let line = |minute: u32, second: u32| {
            format!(
                "192.0.2.1 - - [17/May/2015:10:{minute:02}:{second:02} +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\"\n"
            )
        };
        let log: String = [(0, 5), (0, 3), (4, 0), (0, 9), (5, 30), (0, 1), (20, 0), (1, 0)]
            .into_iter()
            .map(|(minute, second)| line(minute, second))
            .collect();
        let (mut queue, mut given) = (Queue::default(), Vec::new());
        for event in events(&log) {
            queue.push(event, |event| given.push(event.at));
        }
        queue.finish(|event| given.push(event.at));
        assert!(given.is_sorted(), "{given:?}");
        assert_eq!((given.len(), queue.late()), (6, 2));
    }
}
