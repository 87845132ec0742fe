//! [`Recorder`]: takes in the exchanges of one core, at a few nanoseconds each.
//!
//! Every exchange is in the totals. Some become specimens, by the chance of [`crate::sample`]: their facts are copied
//! into an arena as bytes. Hashing and looking up are left to [`crate::derive`], on another thread.
//!
//! Bounds: [`SPECIMENS_MAX`] and [`ARENA_BYTES_MAX`], whatever arrives. The thresholds of a second follow from what the
//! second before it cost; when more comes than that let expect, they rise within the second, and half of the sample is
//! dropped: at most log2 of the rise in traffic times in a second.

use seawall_http::UnixTime;
use seawall_http::target::{query_shape, referer_host};

use crate::batch::{Batch, Kept, Sampled, TEXT_BYTES_MAX};
use crate::event::{RequestEvent, Seen};
use crate::fact::FactKind;
use crate::keys::FactKeys;
use crate::measure::Cost;
use crate::sample::{is_kept, thin, thresholds_for};
use crate::specimen::TEXTS;

/// Specimens that a batch holds at most.
pub const SPECIMENS_MAX: usize = 2048;

/// Specimens that are expected of each measure: all four together stay below [`SPECIMENS_MAX`], so that it is met in a
/// flood alone. A core with no more requests in a second is sampled whole.
pub const SPECIMENS_EXPECTED: usize = 448;

/// Bytes of text that a batch holds at most: 512 for each specimen, which is twice what browsers send. Where the texts
/// are longer, the sample is smaller.
pub const ARENA_BYTES_MAX: usize = SPECIMENS_MAX * 512;

/// Takes in the exchanges of one core.
#[derive(Debug)]
pub struct Recorder {
    batch: Batch,
    ranks: Ranks,
    keys: FactKeys,
    shape: String,
}

/// An exchange that was counted and drawn: [`Recorder::keep`] wants its facts.
#[derive(Clone, Copy, Debug)]
pub struct Drawn {
    rank: f64,
    cost: Cost,
}

impl Recorder {
    /// Begins to record. Ranks follow from the seed: two recorders of one site have different ones.
    pub fn new(keys: FactKeys, seed: u64, now: UnixTime) -> Self {
        let batch = Batch { from: now, until: now, ..Batch::default() };
        Self { batch, ranks: Ranks(seed), keys, shape: String::new() }
    }

    /// Takes in an exchange that ended.
    pub fn observe(&mut self, event: &RequestEvent<'_>) {
        if let Some(drawn) = self.count(event.cost) {
            self.keep(drawn, event);
        }
    }

    /// The first half of [`Recorder::observe`], where the facts cost something to put together: counts an exchange, and
    /// tells whether its facts are wanted.
    #[inline]
    pub fn count(&mut self, cost: Cost) -> Option<Drawn> {
        self.batch.total += cost;
        let rank = self.ranks.next();
        is_kept(cost, rank, self.batch.thresholds).then_some(Drawn { rank, cost })
    }

    /// The second half: keeps the facts. The event's cost is the one that was counted.
    pub fn keep(&mut self, drawn: Drawn, event: &RequestEvent<'_>) {
        if self.batch.sampled.len() >= SPECIMENS_MAX
            || self.batch.text.len() + ENTRY_BYTES_MAX > ARENA_BYTES_MAX
        {
            self.thin();
            if !is_kept(drawn.cost, drawn.rank, self.batch.thresholds) {
                return;
            }
        }
        let begin = u32::try_from(self.batch.text.len()).expect("invariant: ARENA_BYTES_MAX is less");
        let facts = &event.facts;
        let texts = [
            self.text(FactKind::Host, facts.host.map(str::as_bytes)),
            self.text(FactKind::Method, Seen::Value(facts.method.as_bytes())),
            self.text(FactKind::Path, Seen::Value(facts.path.as_bytes())),
            self.query_shape(facts.query),
            self.text(FactKind::UserAgent, facts.user_agent),
            self.referer_host(facts.referer),
            self.text(FactKind::TlsFingerprint, facts.tls_fingerprint.map(str::as_bytes)),
        ];
        self.batch.sampled.push(Sampled {
            rank: drawn.rank,
            cost: drawn.cost,
            at: event.at,
            client: facts.client,
            header_shape: facts.header_shape,
            fields: facts.fields,
            disposition: event.disposition,
            protocol: facts.protocol,
            content: facts.content,
            begin,
            texts,
        });
    }

    /// Hands out what was seen since the last time, and goes on in the memory of `empty`: an earlier batch that was made
    /// use of, or a new one.
    pub fn take(&mut self, mut empty: Batch, now: UnixTime) -> Batch {
        empty.clear();
        empty.from = now;
        empty.thresholds = self.next_thresholds(now);
        let mut batch = std::mem::replace(&mut self.batch, empty);
        batch.until = now;
        batch
    }

    /// Takes back a batch that nobody could be found for: its totals go into the next one, its sample is lost.
    pub fn take_back(&mut self, batch: &Batch) {
        self.batch.from = batch.from;
        self.batch.total += batch.total;
        self.batch.lost += batch.lost + batch.sampled.len() as u64;
    }

    /// Begins the present batch anew in time, after a pause.
    pub fn begin(&mut self, now: UnixTime) {
        self.batch.from = now;
    }

    /// Nothing has come for a while: the next exchanges are all kept.
    pub fn rest(&mut self) {
        self.batch.thresholds = Cost::default();
    }

    /// Whether there is anything to hand out.
    pub fn is_idle(&self) -> bool {
        self.batch.total == Cost::default()
    }

    /// As if the next batch were as busy as this one, and no longer than a second. One that is longer thins itself.
    fn next_thresholds(&self, now: UnixTime) -> Cost {
        let span_ms = now.0.saturating_sub(self.batch.from.0).max(1000);
        thresholds_for(self.batch.total.scaled(1000.0 / span_ms as f64), SPECIMENS_EXPECTED)
    }

    fn thin(&mut self) {
        let members = self.batch.sampled.iter().map(|sampled| (sampled.cost, sampled.rank));
        let thresholds = thin(self.batch.thresholds, members, self.batch.total, self.batch.sampled.len() / 2);
        self.batch.raise(thresholds);
    }

    fn text(&mut self, kind: FactKind, text: Seen<&[u8]>) -> Kept {
        let text = match text {
            Seen::Unknown => return Kept::Unknown,
            Seen::Absent => return Kept::Absent,
            Seen::Value(text) => text,
        };
        let kept = &text[..text.len().min(TEXT_BYTES_MAX)];
        self.batch.text.extend_from_slice(kept);
        if kept.len() == text.len() {
            return Kept::Whole(kept.len() as u16);
        }
        self.batch.text.extend_from_slice(&self.keys.of_text(kind, text).0.to_ne_bytes());
        Kept::Cut(kept.len() as u16)
    }

    /// The values of the query go no further than here.
    fn query_shape(&mut self, query: Seen<&str>) -> Kept {
        let Seen::Value(query) = query else {
            return self.text(FactKind::QueryShape, query.map(str::as_bytes));
        };
        let mut shape = std::mem::take(&mut self.shape);
        shape.clear();
        query_shape(query, &mut shape);
        let kept = self.text(FactKind::QueryShape, Seen::Value(shape.as_bytes()));
        self.shape = shape;
        kept
    }

    /// A `Referer` field without a host counts as none, as for rules.
    fn referer_host(&mut self, referer: Seen<&[u8]>) -> Kept {
        let Seen::Value(referer) = referer else { return self.text(FactKind::RefererHost, referer) };
        match referer_host(referer) {
            None => Kept::Absent,
            Some(host) => self.text(FactKind::RefererHost, Seen::Value(host.as_bytes())),
        }
    }
}

/// Bytes of text that one exchange takes at most.
const ENTRY_BYTES_MAX: usize = TEXTS.len() * (TEXT_BYTES_MAX + crate::batch::KEY_BYTES);

/// Uniform numbers: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). Nobody
/// sees them, so nobody can guess the next one.
#[derive(Debug)]
struct Ranks(u64);

impl Ranks {
    /// In (0, 1].
    #[inline]
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ((mixed >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests;
