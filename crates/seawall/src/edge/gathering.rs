//! Joins what the workers tell of exchanges to a window for each second, and hands it to the watch over storms.
//!
//! A thread of its own: hashing facts, looking addresses up and detecting take time that neither the data plane nor
//! whoever asks the admin API should wait for. Here addresses end: windows have networks and tokens.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use seawall_console::metrics::EventCounts;
use seawall_http::UnixTime;
use seawall_proxy::clock;
use seawall_proxy::shared::Shared;
use seawall_storm::recorder::SPECIMENS_MAX;
use seawall_storm::{Derive, Load, Measure, TokenKeys, Window};

use super::geo::Geo;

/// The running thread.
pub(super) struct Gathering {
    counts: Arc<Counts>,
    geo: Arc<ArcSwap<Geo>>,
    /// Ends the thread when it goes.
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    specimens: AtomicU64,
    lost: AtomicU64,
    busy_us: AtomicU64,
    panics: AtomicU64,
}

impl Gathering {
    /// Starts the thread, which calls `consume` once a second, in the order of time: with what happened since, what the
    /// site carried, and the time.
    pub(super) fn start(
        shared: &Arc<Shared>,
        token_key: [u8; 16],
        geo: Geo,
        consume: impl FnMut(Window, Load, UnixTime) + Send + 'static,
    ) -> io::Result<Self> {
        let counts = Arc::<Counts>::default();
        let (stop, stopped) = sync_channel(0);
        let geo = Arc::new(ArcSwap::from_pointee(geo));
        let gatherer = Gatherer::new(Arc::clone(shared), token_key, Arc::clone(&geo), clock::wall());
        let thread = {
            let counts = Arc::clone(&counts);
            std::thread::Builder::new()
                .name("storms".to_owned())
                .spawn(move || run(gatherer, &stopped, &counts, consume))?
        };
        Ok(Self { counts, geo, stop, thread })
    }

    /// From now on, clients are looked up in these databases.
    pub(super) fn set_geo(&self, geo: Geo) {
        self.geo.store(Arc::new(geo));
    }

    /// Ends it.
    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the watch over storms has ended by a fault");
        }
    }

    /// What it has counted, apart from what the workers have.
    pub(super) fn counts(&self) -> EventCounts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        EventCounts {
            lost: get(&self.counts.lost),
            specimens: get(&self.counts.specimens),
            watch_seconds: get(&self.counts.busy_us) as f64 / 1e6,
            watch_panics: get(&self.counts.panics),
            ..EventCounts::default()
        }
    }
}

fn run(
    mut gatherer: Gatherer,
    stopped: &Receiver<()>,
    counts: &Counts,
    mut consume: impl FnMut(Window, Load, UnixTime),
) {
    while stopped.recv_timeout(until_next()) == Err(RecvTimeoutError::Timeout) {
        let began = clock::mono();
        let now = clock::wall();
        let (window, load) = gatherer.gather(now);
        counts.specimens.store(window.specimens.len() as u64, Ordering::Relaxed);
        counts.lost.fetch_add(window.lost, Ordering::Relaxed);
        // A fault in the detector must not end the edge, nor the watch for good.
        if catch_unwind(AssertUnwindSafe(|| consume(window, load, now))).is_err() {
            counts.panics.fetch_add(1, Ordering::Relaxed);
        }
        counts.busy_us.fetch_add(clock::mono().saturating_sub(began) / 1000, Ordering::Relaxed);
    }
}

/// Shortly after the moment at which the workers hand out.
fn until_next() -> Duration {
    let since = Duration::from_nanos(clock::mono() % SECOND.as_nanos() as u64);
    (SECOND + LAG).saturating_sub(since).max(LAG)
}

const SECOND: Duration = Duration::from_secs(1);

/// By how long the windows are late: a busy worker needs some time to come to it.
const LAG: Duration = Duration::from_millis(50);

/// From what workers hand out to windows.
struct Gatherer {
    shared: Arc<Shared>,
    derive: Derive,
    geo: Arc<ArcSwap<Geo>>,
    since: UnixTime,
    /// Responses so far, and those with 5xx among them.
    responses: (u64, u64),
}

impl Gatherer {
    fn new(shared: Arc<Shared>, token_key: [u8; 16], geo: Arc<ArcSwap<Geo>>, now: UnixTime) -> Self {
        let derive = Derive { keys: shared.fact_keys, tokens: TokenKeys::new(token_key, now) };
        Self { shared, derive, geo, since: now, responses: (0, 0) }
    }

    /// What happened since the last time, as far as it was handed out.
    fn gather(&mut self, now: UnixTime) -> (Window, Load) {
        self.renew_tokens(now);
        let geo = self.geo.load();
        let mut window = Window::default();
        for mailbox in self.shared.mailboxes() {
            let Some(batch) = mailbox.fetch() else { continue };
            window.merge(self.derive.window(&batch, |addr| geo.locate(addr)));
            mailbox.give_back(batch);
        }
        window.thin(SPECIMENS_MAX);
        // Windows follow one another without a gap, whenever the workers came to it; also when the clock was set back.
        window.from = self.since;
        window.until = now.max(self.since);
        self.since = window.until;
        let load = self.load(&window);
        (window, load)
    }

    fn load(&mut self, window: &Window) -> Load {
        let span_ms = (window.until.0 - window.from.0).max(1) as f64;
        let mut responses = (0, 0);
        for stats in self.shared.worker_stats() {
            responses.0 += stats.responses.iter().map(|count| count.get()).sum::<u64>();
            responses.1 += stats.responses[4].get();
        }
        let before = std::mem::replace(&mut self.responses, responses);
        let sent = responses.0.saturating_sub(before.0).max(1);
        let errors = responses.1.saturating_sub(before.1);
        Load {
            requests: window.total[Measure::Requests] * 1000.0 / span_ms,
            origin_busy: window.total[Measure::OriginTime] / 1000.0 / span_ms,
            server_errors: errors as f64 / sent as f64,
        }
    }

    fn renew_tokens(&mut self, now: UnixTime) {
        if !self.derive.tokens.is_due(now) {
            return;
        }
        let mut key = [0; 16];
        match getrandom::fill(&mut key) {
            Ok(()) => self.derive.tokens.rotate(key, now),
            // The old key serves until there is another.
            Err(error) => tracing::warn!(%error, "the system gives no random bytes for clients' tokens"),
        }
    }
}
