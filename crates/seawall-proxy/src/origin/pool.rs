//! The connections of one site on one worker: which origin is next, what is idle, who waits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use seawall_config::config::{Origin, OriginGroup, OriginHost};
use seawall_rules::refusal::OriginFault;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsConnector;

use super::balance::Balance;
use super::conn::{Conn, Target};
use super::error::FetchError;
use super::health::{Health, HealthPolicy, Readiness};
use super::queue::{Queue, Turnout};
use super::resolve::{Addresses, Lookup, system_lookup};
use super::stats::{OriginCounters, OriginStats};
use crate::deadline::Deadline;
use crate::tls::origin::with_own_sessions;

/// The way to the origins of one site, for one worker. See the [module](super) for what it does.
pub struct OriginPool {
    pub(super) settings: Settings,
    pub(super) members: Box<[Member]>,
    pub(super) stats: Arc<OriginStats>,
    balance: RefCell<Balance>,
    queue: Queue<Turn>,
    sweep: AbortHandle,
}

/// The bounds of an [`OriginGroup`].
pub(super) struct Settings {
    idle_connections: usize,
    connections: usize,
    queue: usize,
    queue_time: Duration,
    pub(super) connect_time: Duration,
    pub(super) response_time: Duration,
    pub(super) read_time: Duration,
    idle_time: Duration,
    pub(super) attempts: u32,
    health: HealthPolicy,
}

/// One origin.
pub(super) struct Member {
    pub(super) target: Target,
    /// The `Host` to set; `None` leaves the client's.
    pub(super) host: Option<HeaderValue>,
    /// Oldest first: taken from the back, expired from the front.
    idle: RefCell<VecDeque<Conn>>,
    open: Cell<usize>,
    health: Cell<Health>,
}

/// Why a pool cannot be made of a group.
#[derive(Debug, thiserror::Error)]
pub enum OriginPoolError {
    /// A TLS origin came without a client configuration.
    #[error("origin {origin} speaks TLS but has no TLS configuration")]
    NoTls {
        /// The origin's authority.
        origin: String,
    },
    /// The host cannot be verified in a certificate.
    #[error("origin {origin} has a host that no certificate can name")]
    ServerName {
        /// The origin's authority.
        origin: String,
    },
    /// The fixed `Host` is not a field value.
    #[error("`{host}` cannot be a Host field")]
    Host {
        /// The configured host.
        host: String,
    },
}

/// The right to use an origin for one exchange: over an idle connection, or a new one. Dropped unused, it goes
/// to the next in the queue.
pub(super) struct Turn {
    pub(super) pool: Rc<OriginPool>,
    pub(super) member: usize,
    /// `None` once used.
    pub(super) way: Option<Way>,
    probe: bool,
}

pub(super) enum Way {
    Kept(Conn),
    New(Permit),
}

/// Which way is taken where both are open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Preference {
    Kept,
    New,
}

/// One of an origin's `connections`, held by the task that drives it.
pub(super) struct Permit {
    pool: Weak<OriginPool>,
    stats: Arc<OriginStats>,
    member: usize,
}

/// A connection in an exchange whose response has begun.
pub(super) struct Lease {
    pub(super) pool: Rc<OriginPool>,
    pub(super) member: usize,
    pub(super) conn: Conn,
    pub(super) after: After,
}

/// What becomes of a connection once its response has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum After {
    Keep,
    Close,
}

// === impl OriginPool

impl OriginPool {
    /// A pool for a group, on the present `LocalSet`. `tls` has one entry per origin, in order: see
    /// [`origin_client_config`](crate::tls::origin_client_config).
    ///
    /// Dropping the last reference closes idle connections; exchanges in progress hold one each, so a pool that a
    /// reload replaced ends with its last exchange.
    pub fn new(
        group: &OriginGroup,
        tls: &[Option<Arc<ClientConfig>>],
        stats: Arc<OriginStats>,
    ) -> Result<Rc<Self>, OriginPoolError> {
        Self::with_lookup(group, tls, stats, &system_lookup())
    }

    /// Whether [`OriginPool::new`] will succeed for this group: to be asked off the data plane, where there is
    /// somebody to tell.
    pub fn check(group: &OriginGroup, tls: &[Option<Arc<ClientConfig>>]) -> Result<(), OriginPoolError> {
        Self::members(group, tls, &system_lookup()).map(drop)
    }

    fn members(
        group: &OriginGroup,
        tls: &[Option<Arc<ClientConfig>>],
        lookup: &Lookup,
    ) -> Result<Box<[Member]>, OriginPoolError> {
        let tls_of = |index| tls.get(index).cloned().flatten();
        let origins = group.origins.iter().enumerate();
        origins.map(|(index, origin)| Member::new(origin, tls_of(index), &group.host, lookup)).collect()
    }

    pub(super) fn with_lookup(
        group: &OriginGroup,
        tls: &[Option<Arc<ClientConfig>>],
        stats: Arc<OriginStats>,
        lookup: &Lookup,
    ) -> Result<Rc<Self>, OriginPoolError> {
        let members = Self::members(group, tls, lookup)?;
        let settings = Settings::new(group);
        let balance = RefCell::new(Balance::new(group.origins.iter().map(|origin| origin.weight)));
        Ok(Rc::new_cyclic(|pool| Self {
            sweep: spawn_local(sweep(Weak::clone(pool), settings.idle_time)).abort_handle(),
            settings,
            members,
            stats,
            balance,
            queue: Queue::new(),
        }))
    }

    /// The next turn: at once, or after waiting in the queue.
    pub(super) async fn turn(self: &Rc<Self>, turnout: Turnout) -> Result<Turn, FetchError> {
        self.dispatch();
        let preference = match turnout {
            Turnout::Last => Preference::Kept,
            Turnout::First => Preference::New,
        };
        if (turnout == Turnout::First || self.queue.is_empty())
            && let Some(turn) = self.take_turn(&[], preference, Instant::now())
        {
            return Ok(turn);
        }
        Box::pin(self.wait(turnout)).await
    }

    /// A turn on an origin not yet tried that is well, if one has room at once.
    pub(super) fn turn_elsewhere(self: &Rc<Self>, tried: &[usize]) -> Option<Turn> {
        let now = Instant::now();
        let well = |index: usize| !matches!(self.members[index].readiness(now), Readiness::LeftAlone(_));
        if !(0..self.members.len()).any(|index| !tried.contains(&index) && well(index)) {
            return None;
        }
        self.take_turn(tried, Preference::Kept, now)
    }

    async fn wait(self: &Rc<Self>, turnout: Turnout) -> Result<Turn, FetchError> {
        if self.all_left_alone() {
            // Attempts that hang hold every connection: whoever queued behind them would hang as well.
            return Err(FetchError::Unavailable);
        }
        // Whoever has waited before is not refused: there are never more of those than connections.
        if turnout == Turnout::Last && self.queue.len() >= self.settings.queue {
            self.stats.queue_full.add(1);
            return Err(FetchError::QueueFull { bound: self.settings.queue });
        }
        self.stats.queue_waits.add(1);
        let queued = Queued(self);
        let ticket = self.queue.join(turnout);
        self.stats.queued.set(self.queue.len() as u64);
        let outcome = tokio::time::timeout(self.settings.queue_time, ticket).await;
        drop(queued);
        outcome.map_err(|_| {
            self.stats.queue_timeouts.add(1);
            FetchError::QueueTimeout { after: self.settings.queue_time }
        })
    }

    /// Serves the queue as far as there is room.
    fn dispatch(self: &Rc<Self>) {
        while !self.queue.is_empty() {
            let Some(turn) = self.take_turn(&[], Preference::Kept, Instant::now()) else { return };
            // Nobody can have left in between: one thread, and no await.
            if self.queue.grant(turn).is_err() {
                return;
            }
            self.stats.queued.set(self.queue.len() as u64);
        }
    }

    fn take_turn(self: &Rc<Self>, tried: &[usize], preference: Preference, now: Instant) -> Option<Turn> {
        let member = self.choose(tried, now)?;
        let may_open = self.members[member].open.get() < self.settings.connections;
        let kept = match preference {
            Preference::New if may_open => None,
            _ => self.take_idle(member, now),
        };
        let way = match kept {
            Some(conn) => Way::Kept(conn),
            None if may_open => Way::New(Permit::new(self, member)),
            None => return None,
        };
        let probe = self.members[member].readiness(now) == Readiness::Due;
        if probe {
            self.set_health(member, self.members[member].health.get().probed());
        }
        Some(Turn { pool: Rc::clone(self), member, way: Some(way), probe })
    }

    /// Round robin among those that are well or due for a probe and have room; when every origin is left alone,
    /// the one whose failure is longest ago. (nginx answers 502 at once when all have failed; an attempt costs
    /// little and may succeed.) A single origin is never left alone, as with nginx.
    fn choose(&self, tried: &[usize], now: Instant) -> Option<usize> {
        if let [only] = &*self.members {
            return only.has_room(&self.settings).then_some(0);
        }
        let usable = |index: usize| {
            let member = &self.members[index];
            !tried.contains(&index) && !matches!(member.readiness(now), Readiness::LeftAlone(_))
        };
        let chosen = self
            .balance
            .borrow_mut()
            .choose(|index| usable(index) && self.members[index].has_room(&self.settings));
        if chosen.is_some() || (0..self.members.len()).any(usable) {
            return chosen;
        }
        self.least_recently_failed(tried, now)
    }

    fn least_recently_failed(&self, tried: &[usize], now: Instant) -> Option<usize> {
        let failed_at = |index: usize| match self.members[index].readiness(now) {
            Readiness::LeftAlone(failed_at) => Some((failed_at, index)),
            Readiness::Ready | Readiness::Due => None,
        };
        let left_alone = (0..self.members.len()).filter(|index| !tried.contains(index)).filter_map(failed_at);
        let (_, index) =
            left_alone.filter(|(_, index)| self.members[*index].has_room(&self.settings)).min()?;
        Some(index)
    }

    fn all_left_alone(&self) -> bool {
        let now = Instant::now();
        self.members.len() > 1
            && self.members.iter().all(|member| matches!(member.readiness(now), Readiness::LeftAlone(_)))
    }

    /// The most recently used idle connection that is open as far as is known and has not expired.
    fn take_idle(&self, member: usize, now: Instant) -> Option<Conn> {
        let mut idle = self.members[member].idle.borrow_mut();
        let mut found = None;
        while let Some(conn) = idle.pop_back() {
            let fresh = now.saturating_duration_since(conn.idle_since) < self.settings.idle_time;
            if fresh && conn.sender.is_ready() {
                found = Some(conn);
                break;
            }
        }
        self.stats.origins[member].idle.set(idle.len() as u64);
        found
    }

    fn give_back(self: &Rc<Self>, member: usize, conn: Conn) {
        let mut idle = self.members[member].idle.borrow_mut();
        idle.push_back(conn);
        // Whoever waits takes it at once, so the bound holds for what stays.
        if self.queue.is_empty() && idle.len() > self.settings.idle_connections {
            idle.pop_front();
        }
        self.stats.origins[member].idle.set(idle.len() as u64);
        drop(idle);
        self.dispatch();
    }

    fn close_expired(&self, now: Instant) {
        for (member, counters) in self.members.iter().zip(&self.stats.origins) {
            let mut idle = member.idle.borrow_mut();
            let expired =
                |conn: &Conn| now.saturating_duration_since(conn.idle_since) >= self.settings.idle_time;
            while idle.front().is_some_and(expired) {
                idle.pop_front();
            }
            counters.idle.set(idle.len() as u64);
        }
    }

    fn set_health(&self, member: usize, health: Health) {
        let before = self.members[member].health.replace(health).state();
        if before != health.state() {
            let origin = &*self.members[member].target.authority;
            tracing::info!(origin, before = ?before, now = ?health.state(), "origin health changed");
            self.stats.origins[member].set_health(health.state());
        }
    }
}

impl Drop for OriginPool {
    fn drop(&mut self) {
        self.sweep.abort();
        for counters in &self.stats.origins {
            counters.idle.set(0);
        }
    }
}

/// Keeps `queued` true whichever way a waiter goes.
struct Queued<'a>(&'a OriginPool);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.stats.queued.set(self.0.queue.len() as u64);
    }
}

/// Closes idle connections that nobody comes for. Twice per `idle_time`, so that none outlives it by more than half.
async fn sweep(pool: Weak<OriginPool>, idle_time: Duration) {
    let pause = (idle_time / 2).max(SWEEP_PAUSE_MIN);
    loop {
        sleep(pause).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.close_expired(Instant::now());
    }
}

// === impl Settings

impl Settings {
    fn new(group: &OriginGroup) -> Self {
        Self {
            idle_connections: group.idle_connections,
            connections: group.connections.max(1),
            queue: group.queue,
            queue_time: group.queue_time,
            connect_time: group.connect_time,
            response_time: group.response_time,
            read_time: group.read_time,
            idle_time: group.idle_time,
            attempts: group.attempts,
            health: HealthPolicy { failures: group.failures, retry_after: group.retry_after },
        }
    }
}

// === impl Member

impl Member {
    fn new(
        origin: &Origin,
        tls: Option<Arc<ClientConfig>>,
        host: &OriginHost,
        lookup: &Lookup,
    ) -> Result<Self, OriginPoolError> {
        let name = origin.authority.host();
        let port = origin.authority.port_u16().unwrap_or(if origin.tls { 443 } else { 80 });
        Ok(Self {
            target: Target {
                authority: origin.authority.as_str().into(),
                addresses: Addresses::new(name, port, Rc::clone(lookup)),
                tls: origin.tls.then(|| connector(origin, tls)).transpose()?,
            },
            host: host_field(origin, host)?,
            idle: RefCell::default(),
            open: Cell::new(0),
            health: Cell::new(Health::new()),
        })
    }

    fn has_room(&self, settings: &Settings) -> bool {
        self.open.get() < settings.connections || !self.idle.borrow().is_empty()
    }

    fn readiness(&self, now: Instant) -> Readiness {
        self.health.get().readiness(now)
    }
}

fn connector(
    origin: &Origin,
    tls: Option<Arc<ClientConfig>>,
) -> Result<(TlsConnector, ServerName<'static>), OriginPoolError> {
    let authority = || origin.authority.to_string();
    let config = tls.ok_or_else(|| OriginPoolError::NoTls { origin: authority() })?;
    let host = origin.authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let name = ServerName::try_from(bare.to_owned())
        .map_err(|_| OriginPoolError::ServerName { origin: authority() })?;
    Ok((TlsConnector::from(with_own_sessions(&config)), name))
}

fn host_field(origin: &Origin, host: &OriginHost) -> Result<Option<HeaderValue>, OriginPoolError> {
    let host = match host {
        OriginHost::Client => return Ok(None),
        OriginHost::Origin => origin.authority.as_str(),
        OriginHost::Fixed(host) => host,
    };
    HeaderValue::from_str(host).map(Some).map_err(|_| OriginPoolError::Host { host: host.to_owned() })
}

// === impl Turn

impl Turn {
    pub(super) fn member(&self) -> &Member {
        &self.pool.members[self.member]
    }

    pub(super) fn counters(&self) -> &OriginCounters {
        &self.pool.stats.origins[self.member]
    }

    pub(super) fn is_kept(&self) -> bool {
        matches!(self.way, Some(Way::Kept(_)))
    }

    /// Has the kernel asked, right before the request is written, whether a kept connection is still open.
    pub(super) fn verify(&self) {
        if let Some(Way::Kept(conn)) = &self.way {
            conn.line.verify_at_next_read();
        }
    }

    pub(super) fn take_way(&mut self) -> Way {
        self.way.take().expect("invariant: `exchange` consumes the turn, and takes its way first")
    }

    pub(super) fn succeeded(&mut self) {
        self.probe = false;
        let member = self.member();
        if !matches!(member.health.get(), Health::Well { failures: 0 }) {
            self.pool.set_health(self.member, Health::new());
        }
    }

    pub(super) fn failed(&mut self, fault: OriginFault) {
        self.probe = false;
        self.counters().failed(fault);
        let health = self.member().health.get().failed(self.pool.settings.health, Instant::now());
        self.pool.set_health(self.member, health);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.probe {
            self.pool.set_health(self.member, self.member().health.get().abandoned());
        }
        if let Some(Way::Kept(conn)) = self.way.take() {
            self.pool.give_back(self.member, conn);
        }
    }
}

// === impl Permit

impl Permit {
    fn new(pool: &Rc<OriginPool>, member: usize) -> Self {
        let open = &pool.members[member].open;
        open.set(open.get() + 1);
        pool.stats.origins[member].open.add(1);
        Self { pool: Rc::downgrade(pool), stats: Arc::clone(&pool.stats), member }
    }

    /// The connection has ended: it must not be found idle.
    pub(super) fn no_longer_usable(&self, line: &Arc<super::transport::Line>) {
        let Some(pool) = self.pool.upgrade() else { return };
        let mut idle = pool.members[self.member].idle.borrow_mut();
        if let Some(index) = idle.iter().position(|conn| Arc::ptr_eq(&conn.line, line)) {
            idle.remove(index);
            self.stats.origins[self.member].idle.set(idle.len() as u64);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.stats.origins[self.member].open.sub(1);
        if let Some(pool) = self.pool.upgrade() {
            let open = &pool.members[self.member].open;
            open.set(open.get().saturating_sub(1));
            pool.dispatch();
        }
    }
}

// === impl Lease

impl Lease {
    pub(super) fn deadline(&mut self) -> &mut Deadline {
        &mut self.conn.deadline
    }

    pub(super) fn authority(&self) -> Arc<str> {
        Arc::clone(&self.pool.members[self.member].target.authority)
    }

    /// The response has ended. hyper is ready again only if the request was written whole too; otherwise the
    /// rest of it still goes out, and the connection closes after it.
    pub(super) fn give_back(mut self) {
        if self.after == After::Keep && self.conn.sender.is_ready() {
            self.conn.idle_since = Instant::now();
            self.pool.give_back(self.member, self.conn);
        }
    }

    pub(super) fn content_failed(self, fault: OriginFault) {
        self.pool.stats.origins[self.member].failed(fault);
    }
}

const SWEEP_PAUSE_MIN: Duration = Duration::from_millis(100);
