//! [`Recent`]: the last two hours as windows, short ones of what is near and longer ones of what is not, until they are
//! old enough to become past. A past that begins right behind the present would hold a slow rise itself.
//!
//! In the first minutes, half of what was watched becomes past, so that something is known soon; from three minutes on,
//! what is older than 90 seconds.

use std::collections::VecDeque;
use std::time::Duration;

use seawall_http::UnixTime;

use crate::baseline::Span;
use crate::rise::Scale;
use crate::window::Window;

/// The last two hours.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    seconds: VecDeque<Window>,
    tens: Level,
    minutes: Level,
    ten_minutes: Level,
    bound: usize,
    watched: Duration,
}

/// What is younger than this never becomes past, once as much has.
pub(super) const LAG_MAX: Duration = Duration::from_secs(90);

/// Windows of this length become past at the earliest.
pub(super) const STEP: Duration = Duration::from_secs(10);

/// Windows of one length, each made of shorter ones.
#[derive(Clone, Debug)]
struct Level {
    millis: u64,
    open: Option<Window>,
    /// How many are kept before they go, once as many have gone.
    keep: usize,
    /// How many there have been.
    count: usize,
    closed: VecDeque<Window>,
}

/// A window that has become old enough.
pub(crate) type Aged = (Span, Window);

impl Recent {
    /// Windows hold at most `bound` specimens each.
    pub(crate) fn new(bound: usize) -> Self {
        let level = |secs: u64, keep| Level {
            millis: secs * 1000,
            open: None,
            keep,
            count: 0,
            closed: VecDeque::new(),
        };
        Self {
            seconds: VecDeque::new(),
            // 90 seconds: longer than the minute that is compared with what is before.
            tens: level(10, 9),
            // 20 minutes, compared 10.
            minutes: level(60, 20),
            // 2 hours, compared 1.
            ten_minutes: level(600, 12),
            bound,
            watched: Duration::ZERO,
        }
    }

    /// For how long it has watched.
    pub(crate) fn watched(&self) -> Duration {
        self.watched
    }

    /// Takes the next second; gives the windows that are past from now on.
    pub(crate) fn push(&mut self, window: &Window) -> Vec<Aged> {
        self.watched += Duration::from_millis(window.until.0.saturating_sub(window.from.0));
        let mut window = window.clone();
        // Two are held of most specimens, here and among the tens.
        window.thin(self.bound / 2);
        let mut aged = Vec::new();
        if let Some(ten) = self.tens.push(window.clone(), self.bound) {
            if let Some(minute) = self.minutes.push(ten, self.bound) {
                self.age_minute(minute, &mut aged);
            }
            aged.extend(self.tens.expire_half().map(|window| (Span::Minutes, window)));
        }
        self.seconds.push_back(window);
        while self.seconds.len() > SECONDS {
            self.seconds.pop_front();
        }
        aged
    }

    fn age_minute(&mut self, minute: Window, aged: &mut Vec<Aged>) {
        if self.ten_minutes.push(minute, self.bound).is_some() {
            aged.extend(self.ten_minutes.expire().map(|window| (Span::Days, window)));
        }
        aged.extend(self.minutes.expire().map(|window| (Span::Hours, window)));
    }

    /// What happened in the scale's span until now.
    pub(crate) fn present(&self, scale: Scale) -> Window {
        let mut windows = self.of(scale);
        let mut present = windows.next().cloned().unwrap_or_default();
        windows.for_each(|window| present.merge(window.clone()));
        present.thin(self.bound);
        present
    }

    /// How many specimens the scale's span holds.
    pub(crate) fn count(&self, scale: Scale) -> usize {
        self.of(scale).map(|window| window.specimens.len()).sum()
    }

    /// The windows that are a scale's present, the oldest first.
    pub(crate) fn of(&self, scale: Scale) -> Box<dyn Iterator<Item = &Window> + '_> {
        match scale {
            Scale::Seconds | Scale::QuarterMinute => {
                let until = self.until().0;
                let from = until.saturating_sub(scale.span().as_millis() as u64);
                Box::new(self.seconds.iter().filter(move |window| window.from.0 >= from))
            }
            Scale::Minute => self.tens.last(6),
            Scale::TenMinutes => self.minutes.last(10),
            Scale::Hour => self.ten_minutes.last(6),
        }
    }

    /// Windows from which a scale's onset is told, the oldest first: short ones, and longer ones before them.
    pub(crate) fn steps(&self, scale: Scale) -> Vec<&Window> {
        let (long, short) = match scale {
            Scale::Seconds | Scale::QuarterMinute => (&self.tens.closed, &self.seconds),
            Scale::Minute => (&self.minutes.closed, &self.tens.closed),
            Scale::TenMinutes | Scale::Hour => (&self.ten_minutes.closed, &self.minutes.closed),
        };
        let from = short.front().map_or(UnixTime(u64::MAX), |first| first.from);
        long.iter().filter(|window| window.until <= from).chain(short).collect()
    }

    /// When the scale's present ends.
    pub(crate) fn end(&self, scale: Scale) -> UnixTime {
        self.of(scale).last().map(|window| window.until).unwrap_or_default()
    }

    /// The end of the last second.
    pub(crate) fn until(&self) -> UnixTime {
        self.seconds.back().map(|window| window.until).unwrap_or_default()
    }

    /// Specimens held, those counted twice that are held twice.
    pub(crate) fn len(&self) -> usize {
        let levels = [&self.tens, &self.minutes, &self.ten_minutes];
        let of_levels = levels.iter().flat_map(|level| level.closed.iter().chain(&level.open));
        self.seconds.iter().chain(of_levels).map(|window| window.specimens.len()).sum()
    }
}

impl Level {
    /// Takes a shorter window; gives a copy of the one that it completed.
    fn push(&mut self, window: Window, bound: usize) -> Option<Window> {
        let slot = window.from.0 / self.millis;
        let is_next = self.open.as_ref().is_some_and(|open| open.from.0 / self.millis != slot);
        let closed = if is_next { self.open.take() } else { None };
        match &mut self.open {
            Some(open) => open.merge(window),
            None => self.open = Some(window),
        }
        if let Some(open) = &mut self.open {
            open.thin(bound);
        }
        let closed = closed?;
        self.closed.push_back(closed.clone());
        self.count += 1;
        Some(closed)
    }

    /// Those that are too old to be kept.
    fn expire(&mut self) -> impl Iterator<Item = Window> + use<> {
        self.expire_beyond(self.keep)
    }

    /// The same, but of the first ones no more than half are kept.
    fn expire_half(&mut self) -> impl Iterator<Item = Window> + use<> {
        self.expire_beyond(self.keep.min(self.count / 2))
    }

    fn expire_beyond(&mut self, keep: usize) -> impl Iterator<Item = Window> + use<> {
        let excess = self.closed.len().saturating_sub(keep);
        self.closed.drain(..excess).collect::<Vec<_>>().into_iter()
    }

    fn last(&self, count: usize) -> Box<dyn Iterator<Item = &Window> + '_> {
        Box::new(self.closed.iter().skip(self.closed.len().saturating_sub(count)))
    }
}

const SECONDS: usize = 16;
