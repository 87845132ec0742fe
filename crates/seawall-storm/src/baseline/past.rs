//! [`Past`]: a site's past as far as it is known, short and long, and by the hour of the day.

use std::time::Duration;

use seawall_http::UnixTime;

use super::Baseline;
use crate::specimen::Specimen;
use crate::window::Window;

/// A past that forgets at one of these paces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Span {
    /// Half is forgotten after 10 minutes.
    Minutes,
    /// After 6 hours.
    Hours,
    /// After 3 days.
    Days,
}

/// A site's past as far as it is known.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    spans: [Baseline; 3],
    hours: [Baseline; 24],
}

impl Past {
    pub(crate) fn new(span_max: usize, hour_max: usize) -> Self {
        // The long ones are what collateral is measured on: no match among 16,384 bounds it to a fiftieth of a percent.
        let spans = [
            Baseline::new(10 * MINUTE, span_max),
            Baseline::new(6 * HOUR, 2 * span_max),
            Baseline::new(3 * DAY, 2 * span_max),
        ];
        // An hour of the day comes once a day, so five of them have half the weight.
        let hours = std::array::from_fn(|_| Baseline::new(5 * DAY, hour_max));
        Self { spans, hours }
    }

    /// A window becomes past for good.
    pub(crate) fn push(&mut self, span: Span, window: &Window, is_storm: impl Fn(&Specimen) -> bool) {
        if span == Span::Hours {
            self.hours[hour_of(window.from)].push(window, &is_storm);
        }
        self.spans[span as usize].push(window, is_storm);
    }

    /// Takes out of all of them what turned out to be a storm's.
    pub(crate) fn take_out(&mut self, since: UnixTime, is_storm: impl Fn(&Specimen) -> bool) {
        for baseline in self.spans.iter_mut().chain(&mut self.hours) {
            baseline.take_out(since, &is_storm);
        }
    }

    pub(crate) fn span(&self, span: Span) -> &Baseline {
        &self.spans[span as usize]
    }

    /// The same hour of the day (UTC), once half an hour of earlier days is known.
    pub(crate) fn same_hour(&self, now: UnixTime) -> Option<&Baseline> {
        let hour = &self.hours[hour_of(now)];
        let is_of_earlier_days =
            hour.since().is_some_and(|since| now.0.saturating_sub(since.0) > 20 * 3_600_000);
        (is_of_earlier_days && hour.known() >= MINUTE * 30).then_some(hour)
    }

    /// Each of those that a storm's collateral is measured on.
    pub(crate) fn all(&self, now: UnixTime) -> impl Iterator<Item = &Baseline> {
        self.spans.iter().chain(self.same_hour(now))
    }

    /// The one that knows the longest time.
    pub(crate) fn longest(&self) -> &Baseline {
        let [minutes, longer @ ..] = &self.spans;
        longer
            .iter()
            .fold(minutes, |longest, span| if span.known() > longest.known() { span } else { longest })
    }

    /// Specimens held.
    pub(crate) fn len(&self) -> usize {
        self.spans.iter().chain(&self.hours).map(Baseline::len).sum()
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn hour_of(at: UnixTime) -> usize {
    (at.as_secs() / 3600 % 24) as usize
}
