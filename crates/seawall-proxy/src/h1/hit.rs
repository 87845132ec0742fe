//! Answers from the store on an HTTP/1.1 connection: written where the request was read, as refusals are.

use std::rc::Rc;

use seawall_http::h1::{Framing, Head, Target};
use seawall_http::{Now, RequestFacts};
use seawall_rules::set::Quota;
use seawall_storm::CacheResult;

use super::connection::{Close, Connection};
use super::response::{write_field, write_persistence, write_status_line};
use crate::cache::hit::{Asking, Hit, find};
use crate::events::Account;
use crate::exchange::Record;
use crate::stats::Outcome;
use crate::view::View;

/// An answer from the store that is still being written.
pub(super) struct Unfinished {
    record: Record,
    status: u16,
    content_bytes: u64,
}

impl Connection {
    /// What answers a request at once, if anything does.
    pub(super) fn find_hit(
        &self,
        view: &View,
        head: &Head<'_>,
        facts: &RequestFacts<'_>,
        site: usize,
        now: Now,
    ) -> Option<Hit> {
        // With a target in absolute form, an exchange has another `Host` than the one here.
        if !matches!(head.target, Target::Origin(_))
            || head.framing != Framing::Empty
            || head.expects_continue
        {
            return None;
        }
        let asking = Asking { facts, site, authority: head.authority, path: head.target.path(), now };
        let hit = find(&self.worker, view, &asking)?;
        // The log's line would have to be kept until the end.
        let is_logged_later = hit.content_bytes() > AT_ONCE_BYTES && view.snapshot.access_log.is_some();
        (!is_logged_later).then_some(hit)
    }

    pub(super) fn answer_hit(
        &mut self,
        view: &Rc<View>,
        head: &Head<'_>,
        facts: &RequestFacts<'_>,
        (hit, quota): (&Hit, Option<&Quota<'_>>),
        now: Now,
        keeps_alive: bool,
    ) {
        hit.begin(&self.worker.stats);
        self.write_hit(facts, hit, quota, keeps_alive);
        if !keeps_alive {
            self.closing = Some(Close::Plain);
        }
        if hit.content_bytes() <= AT_ONCE_BYTES {
            hit.end(&self.worker, view, facts, head.target.origin_form(), now);
            return;
        }
        let account = view.snapshot.events.then(|| Account::open(&self.worker, facts, now));
        if let Some(account) = &account {
            account.set_cache(CacheResult::Hit);
        }
        self.unfinished = Some(Box::new(Unfinished {
            record: Record::of_hit(&self.worker, view, facts.protocol, now, account),
            status: hit.status().as_u16(),
            content_bytes: hit.content_bytes(),
        }));
    }

    fn write_hit(
        &mut self,
        facts: &RequestFacts<'_>,
        hit: &Hit,
        quota: Option<&Quota<'_>>,
        keeps_alive: bool,
    ) {
        let copies = hit.content_bytes() <= COPY_BYTES_MAX;
        let out = self.output.tail();
        match hit.lines() {
            Some(lines) => {
                let content_bytes = if copies { hit.content_bytes() as usize } else { 0 };
                out.reserve(lines.len() + ADDED_BYTES_USUAL + content_bytes);
                out.extend_from_slice(lines);
            }
            None => {
                write_status_line(out, hit.status());
                hit.stored_fields(|name, value| write_field(out, name.as_bytes(), value));
            }
        }
        let scratch = &mut self.worker.answer_buffers.borrow_mut().0;
        hit.added_fields(quota, scratch, |name, value| write_field(out, name.as_bytes(), value));
        write_persistence(out, facts.protocol, keeps_alive);
        out.extend_from_slice(b"\r\n");
        for piece in hit.content() {
            if copies {
                self.output.tail().extend_from_slice(piece);
            } else {
                self.output.push(piece.clone());
            }
        }
    }

    /// All that was to be written is written, or cannot be.
    pub(super) fn finish_hit(&mut self, is_whole: bool) {
        let Some(unfinished) = self.unfinished.take() else { return };
        let Unfinished { record, status, content_bytes } = *unfinished;
        let outcome = if is_whole { Outcome::Answered } else { Outcome::Aborted };
        record.end(status, content_bytes.saturating_sub(self.output.len() as u64), outcome);
        self.begin_idle();
    }
}

/// Up to here a response counts as sent when it is on its way to the socket, as a refusal does: it fits into the smallest
/// buffer that a socket begins with.
const AT_ONCE_BYTES: u64 = 16 << 10;
/// Up to here a copy behind the head costs less than a piece of its own.
const COPY_BYTES_MAX: u64 = 4 << 10;
/// `Age`, `Cache-Status`, `RateLimit`, `RateLimit-Policy` and `Connection`.
const ADDED_BYTES_USUAL: usize = 192;
