//! [`Account`]: what an exchange that passed showed, and what it has cost so far.

use std::cell::Cell;
use std::rc::Rc;

use seawall_http::{ClientAddr, ContentLength, Ja4, Now, Protocol, RequestFacts, UnixTime};
use seawall_storm::{CacheResult, Cost, Disposition, EventFacts, RequestEvent, Seen};

use super::Events;
use crate::worker::Worker;

/// An exchange that passed. It becomes an event when the last of those that hold it goes: the exchange itself, and the
/// fetches that it caused, which may outlast it if others wait for them too. So what a fetch costs counts once, for whoever
/// caused it.
pub(crate) struct Account {
    worker: Rc<Worker>,
    facts: Facts,
    origin_bytes: Cell<u64>,
    origin_time_ns: Cell<u64>,
    cache: Cell<CacheResult>,
    status: Cell<u16>,
    content_bytes: Cell<u64>,
    is_refused: Cell<bool>,
}

/// A copy of a request's facts.
struct Facts {
    at: UnixTime,
    client: ClientAddr,
    protocol: Protocol,
    tls: Option<Ja4>,
    content: ContentLength,
    header_shape: Option<u64>,
    fields: Option<u32>,
    /// Host, method, path, query, agent and referer, one after another.
    text: Vec<u8>,
    ends: [Seen<usize>; 6],
}

impl Account {
    /// Of a request that is let pass.
    pub(crate) fn open(worker: &Rc<Worker>, facts: &RequestFacts<'_>, now: Now) -> Rc<Self> {
        Rc::new(Self {
            facts: Facts::copy(&worker.events, facts, now),
            worker: Rc::clone(worker),
            origin_bytes: Cell::new(0),
            origin_time_ns: Cell::new(0),
            cache: Cell::new(CacheResult::Unknown),
            status: Cell::new(0),
            content_bytes: Cell::new(0),
            is_refused: Cell::new(false),
        })
    }

    /// An origin has sent so many bytes of content for it.
    pub(crate) fn add_origin_bytes(&self, bytes: u64) {
        self.origin_bytes.set(self.origin_bytes.get() + bytes);
    }

    /// An origin was asked, and took so long until its response began (or until it had failed).
    pub(crate) fn add_origin_time(&self, ns: u64) {
        self.origin_time_ns.set(self.origin_time_ns.get() + ns);
    }

    /// What the cache had to do with it.
    pub(crate) fn set_cache(&self, cache: CacheResult) {
        self.cache.set(cache);
    }

    /// The exchange is over: the status sent (0 if there was none), the bytes of content sent, and whether it was
    /// refused after all.
    pub(crate) fn end(&self, status: u16, content_bytes: u64, is_refused: bool) {
        self.status.set(status);
        self.content_bytes.set(content_bytes);
        self.is_refused.set(is_refused);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let origin_time_us = self.origin_time_ns.get() / 1000;
        let cost = Cost::of_one(self.content_bytes.get(), self.origin_bytes.get(), origin_time_us);
        let (status, cache, is_refused) = (self.status.get(), self.cache.get(), self.is_refused.get());
        let events = &self.worker.events;
        events.observe(cost, |keep| {
            keep(&RequestEvent {
                facts: self.facts.event_facts(),
                disposition: Disposition { status, cache, is_refused },
                cost,
                at: self.facts.at,
            });
        });
        events.keep_spare(std::mem::take(&mut self.facts.text));
    }
}

impl Facts {
    fn copy(events: &Events, facts: &RequestFacts<'_>, now: Now) -> Self {
        let joined = &mut *events.joined.borrow_mut();
        let seen = EventFacts::of(facts, joined);
        let mut text = events.spare.borrow_mut().pop().unwrap_or_default();
        let parts = [
            seen.host.map(str::as_bytes),
            Seen::Value(seen.method.as_bytes()),
            Seen::Value(seen.path.as_bytes()),
            seen.query.map(str::as_bytes),
            seen.user_agent,
            seen.referer,
        ];
        let ends = parts.map(|part| {
            part.map(|part| {
                text.extend_from_slice(part);
                text.len()
            })
        });
        Self {
            at: now.wall,
            client: seen.client,
            protocol: facts.protocol,
            tls: facts.tls,
            content: facts.content,
            header_shape: seen.header_shape,
            fields: seen.fields,
            text,
            ends,
        }
    }

    fn event_facts(&self) -> EventFacts<'_> {
        let mut begin = 0;
        let [host, method, path, query, user_agent, referer] = self.ends.map(|end| {
            end.map(|end| {
                let part = &self.text[begin..end];
                begin = end;
                part
            })
        });
        EventFacts {
            host: host.map(text),
            method: method.value().map(text).unwrap_or_default(),
            path: path.value().map(text).unwrap_or_default(),
            query: query.map(text),
            user_agent,
            referer,
            client: self.client,
            protocol: Some(self.protocol),
            tls_fingerprint: Seen::shown(self.tls.as_ref().map(Ja4::as_str)),
            header_shape: self.header_shape,
            fields: self.fields,
            content: Some(self.content),
        }
    }
}

impl Events {
    /// Keeps memory for the next exchange.
    fn keep_spare(&self, mut text: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_MAX && text.capacity() <= SPARE_BYTES_MAX {
            text.clear();
            spare.push(text);
        }
    }
}

/// It was text when it came.
fn text(part: &[u8]) -> &str {
    std::str::from_utf8(part).unwrap_or_default()
}

/// As many as exchanges follow one another at once on a busy core; half a kilobyte each, as a rule.
const SPARE_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 4 << 10;
