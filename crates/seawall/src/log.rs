//! The process log: to standard error, never in the way of an exchange, and never flooded.
//!
//! Lines go through a bounded queue to a thread of their own. One place in the code writes no more than
//! `LINES_PER_SECOND` lines in a second, however often it is reached. What either bound leaves out is counted.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use seawall_config::config::LogFormat;
use tracing::{Metadata, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Context, Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// The log. Dropping it writes what is queued.
pub struct Log {
    sampler: Arc<Counts>,
    queue: ErrorCounter,
    _guard: WorkerGuard,
}

impl Log {
    /// Starts logging. `SEAWALL_LOG` says what (`info` without it), in the syntax of `tracing`'s `EnvFilter`.
    pub fn start(format: LogFormat) -> Self {
        let (writer, guard) =
            NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUE_LINES_MAX).finish(stderr());
        let queue = writer.error_counter();
        let counts = Arc::new(Counts::default());
        let filter = EnvFilter::try_from_env("SEAWALL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
        let lines = fmt::layer().with_writer(writer).with_target(false).with_ansi(stderr().is_terminal());
        let lines = match format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => lines.json().boxed(),
        };
        let sampled = lines.with_filter(Sampler(Arc::clone(&counts)));
        // A second start, as in a test, keeps the first log.
        let _ = tracing_subscriber::registry().with(filter).with(sampled).try_init();
        Self { sampler: counts, queue, _guard: guard }
    }

    /// A way to read how many lines were left out, for the metrics.
    pub fn dropped(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let (sampler, queue) = (Arc::clone(&self.sampler), self.queue.clone());
        move || sampler.dropped.load(Ordering::Relaxed) + queue.dropped_lines() as u64
    }
}

/// Lets each place in the code write a few lines a second.
struct Sampler(Arc<Counts>);

/// One slot holds a second and the lines written in it; places share slots by chance, which only makes them write
/// less. No lock: a race lets a line more through.
struct Counts {
    slots: [AtomicU64; SLOTS],
    dropped: AtomicU64,
}

impl Default for Counts {
    fn default() -> Self {
        Self { slots: [const { AtomicU64::new(0) }; SLOTS], dropped: AtomicU64::new(0) }
    }
}

impl Counts {
    fn admits(&self, place: usize, second: u64) -> bool {
        let slot = &self.slots[place % SLOTS];
        let seen = slot.load(Ordering::Relaxed);
        let lines = if seen >> LINE_BITS == second { seen & ((1 << LINE_BITS) - 1) } else { 0 };
        if lines >= LINES_PER_SECOND {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        slot.store(second << LINE_BITS | (lines + 1), Ordering::Relaxed);
        true
    }
}

impl<S: Subscriber> Filter<S> for Sampler {
    fn enabled(&self, meta: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        let place = meta.callsite();
        // The callsite is a static: its address tells places apart.
        let number = std::hash::BuildHasher::hash_one(
            &std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default(),
            &place,
        );
        self.0.admits(number as usize, seconds())
    }
}

/// Seconds since the first call.
fn seconds() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs() + 1
}

/// What one place may write in a second: enough to see what happens, too little to fill a disk.
const LINES_PER_SECOND: u64 = 10;
const LINE_BITS: u32 = 16;
const SLOTS: usize = 1024;
/// Some 200 bytes each.
const QUEUE_LINES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_writes_a_few_lines_a_second() {
        let counts = Counts::default();
        let written = (0..1000).filter(|_| counts.admits(7, 1)).count();
        assert_eq!(written as u64, LINES_PER_SECOND);
        assert_eq!(counts.dropped.load(Ordering::Relaxed), 1000 - LINES_PER_SECOND);
        assert!(counts.admits(8, 1), "another place is not held back");
        assert!(counts.admits(7, 2), "the next second is a new one");
    }
}
