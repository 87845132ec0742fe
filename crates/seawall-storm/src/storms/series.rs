//! [`Series`]: a storm's curve, in ever coarser steps: seconds for ten minutes, minutes for two days, hours for 90 days.
//!
//! Steps without an exchange take no room, so a storm that pauses for weeks costs what it did while it raged.

use std::collections::VecDeque;

use seawall_http::UnixTime;

use crate::measure::Cost;
use crate::time_zone::Hour;

/// The width of a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Step {
    /// One second, for the last ten minutes.
    Second,
    /// One minute, for the last two days.
    Minute,
    /// One hour, for the last 90 days.
    Hour,
}

impl Step {
    /// Each of them, the finest first.
    pub const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    /// Its width in seconds.
    pub const fn secs(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }

    /// How many are kept.
    pub const fn kept(self) -> u64 {
        match self {
            Self::Second => 600,
            Self::Minute => 2 * 24 * 60,
            Self::Hour => 90 * 24,
        }
    }
}

/// What happened in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Its beginning.
    pub at: UnixTime,
    /// Cost.
    pub cost: Cost,
    /// Requests that rules and limits refused.
    pub refused: f64,
}

/// A storm's curve. At most 600 + 2,880 + 2,160 points of 24 bytes: 135 kB.
#[derive(Clone, Debug, Default)]
pub struct Series {
    steps: [VecDeque<Compact>; 3],
}

#[derive(Clone, Copy, Debug)]
struct Compact {
    /// In steps since the epoch.
    step: u32,
    sums: [f32; 5],
}

impl Series {
    /// Adds what one second cost, in the order of time.
    pub(crate) fn add(&mut self, at: UnixTime, cost: Cost, refused: f64) {
        if cost.0.iter().all(|cost| *cost == 0.0) && refused == 0.0 {
            self.forget(at);
            return;
        }
        for (points, step) in self.steps.iter_mut().zip(Step::ALL) {
            let number = number(at, step);
            if points.back().is_none_or(|last| last.step < number) {
                points.push_back(Compact { step: number, sums: [0.0; 5] });
            }
            if let Some(last) = points.back_mut() {
                for (sum, cost) in last.sums.iter_mut().zip(cost.0.into_iter().chain([refused])) {
                    *sum += cost as f32;
                }
            }
        }
        self.forget(at);
    }

    /// Forgets the seconds and minutes, as of a storm that is over.
    pub(crate) fn settle(&mut self) {
        for points in &mut self.steps[..2] {
            *points = VecDeque::new();
        }
    }

    /// The points of that width, the earliest first. Steps in which nothing happened are left out.
    pub fn points(&self, step: Step) -> impl Iterator<Item = Point> {
        self.steps[step as usize].iter().map(move |point| {
            let [requests, bytes_sent, origin_bytes, origin_time, refused] = point.sums.map(f64::from);
            Point {
                at: UnixTime::from_secs(u64::from(point.step) * step.secs()),
                cost: Cost([requests, bytes_sent, origin_bytes, origin_time]),
                refused,
            }
        })
    }

    /// Requests by whole hours, from the first to the last, those without any among them: what a time zone is guessed from.
    pub fn hours(&self) -> Vec<Hour> {
        let points = &self.steps[Step::Hour as usize];
        let (Some(first), Some(last)) = (points.front(), points.back()) else { return Vec::new() };
        // The first hour and the last are not whole.
        let whole = first.step + 1..last.step;
        let mut points = points.iter().skip(1).peekable();
        let count = |number: u32| {
            points.next_if(|point| point.step == number).map_or(0.0, |point| f64::from(point.sums[0]))
        };
        whole
            .clone()
            .zip(whole.map(count))
            .map(|(number, count)| Hour { number: u64::from(number), count })
            .collect()
    }

    fn forget(&mut self, now: UnixTime) {
        for (points, step) in self.steps.iter_mut().zip(Step::ALL) {
            let number = u64::from(number(now, step));
            while points.front().is_some_and(|first| u64::from(first.step) + step.kept() <= number) {
                points.pop_front();
            }
        }
    }
}

fn number(at: UnixTime, step: Step) -> u32 {
    u32::try_from(at.as_secs() / step.secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(requests: f64) -> Cost {
        Cost([requests, 10.0 * requests, 0.0, 0.0])
    }

    #[test]
    fn hours_without_requests_are_zero_and_those_at_the_ends_are_left_out() {
        let mut series = Series::default();
        for hour in [10, 11, 14, 15] {
            series.add(UnixTime::from_secs(hour * 3600 + 5), cost(hour as f64), 0.0);
        }
        let hours: Vec<_> = series.hours().iter().map(|hour| (hour.number, hour.count)).collect();
        assert_eq!(hours, [(11, 11.0), (12, 0.0), (13, 0.0), (14, 14.0)]);
        assert_eq!(Series::default().hours(), []);
    }

    #[test]
    fn each_width_sums_what_happened() {
        let mut series = Series::default();
        for second in 0..7200 {
            series.add(UnixTime::from_secs(second), cost(2.0), 1.0);
        }
        let hours: Vec<Point> = series.points(Step::Hour).collect();
        assert_eq!(hours.len(), 2);
        assert_eq!(hours[1], Point { at: UnixTime::from_secs(3600), cost: cost(7200.0), refused: 3600.0 });
        assert_eq!(series.points(Step::Minute).count(), 120);
        assert_eq!(series.points(Step::Second).count(), 600);
        assert_eq!(series.points(Step::Second).next().map(|point| point.at), Some(UnixTime::from_secs(6600)));
    }

    #[test]
    fn pauses_take_no_room_and_old_steps_go() {
        let mut series = Series::default();
        let day = 24 * 3600;
        for n in 0..200 {
            series.add(UnixTime::from_secs(n * day), cost(1.0), 0.0);
            series.add(UnixTime::from_secs(n * day + 1), Cost::default(), 0.0);
        }
        assert_eq!(series.points(Step::Hour).count(), 90);
        assert_eq!(series.points(Step::Minute).count(), 2);
        assert_eq!(series.points(Step::Second).count(), 1);
        series.settle();
        assert_eq!(series.points(Step::Minute).count(), 0);
    }
}
