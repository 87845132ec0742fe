//! What is counted of requests: totals, the top of each fact, cross tables, and the course of all of them.

use std::collections::BTreeMap;

use seawall_http::UnixTime;
use seawall_storm::TokenKeys;

use super::amounts::{Amounts, Told};
use super::distinct::Distinct;
use super::fact::{Fact, Shown, Sight};
use super::request::Item;
use super::sketch::Sketch;

/// What is to be counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Whether the greatest values of facts are.
    pub(crate) tops: bool,
    /// Facts of each cross table.
    pub(crate) tables: Vec<Vec<Fact>>,
}

/// What was counted of the requests for which the conditions hold. Bounded, whatever the length of the log.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// What they come to.
    pub(crate) total: Amounts,
    /// Who sent them.
    pub(crate) clients: Distinct,
    /// Requests of which the log does not show what the conditions ask for.
    pub(crate) unjudged: u64,
    /// Amounts by value of each fact.
    pub(crate) tops: Vec<Counted>,
    /// Amounts by values of several facts.
    pub(crate) tables: Vec<Counted>,
    key: Vec<u8>,
}

/// Amounts by the values of some facts.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    /// The facts.
    pub(crate) facts: Vec<Fact>,
    /// Of the values; each is [`parts`] of its key.
    pub(crate) sketch: Sketch,
    /// Of requests whose line shows none of the facts.
    pub(crate) unknown: Amounts,
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn new(wanted: &Wanted) -> Self {
        let of = |facts: Vec<Fact>| Counted { facts, sketch: Sketch::new(), unknown: Amounts::default() };
        Self {
            total: Amounts::default(),
            clients: Distinct::default(),
            unjudged: 0,
            tops: if wanted.tops {
                Fact::TOLD.iter().map(|fact| of(vec![*fact])).collect()
            } else {
                Vec::new()
            },
            tables: wanted.tables.iter().cloned().map(of).collect(),
            key: Vec::new(),
        }
    }

    /// Takes a request for which the conditions hold.
    pub(crate) fn add(&mut self, sight: &Sight<'_>, amounts: Amounts, tokens: &TokenKeys) {
        self.total += amounts;
        let is_client_known = !sight.hidden.contains(Item::Client);
        let client = is_client_known
            .then(|| tokens.token(sight.facts.client.addr, sight.record.time.unwrap_or_default()));
        if let Some(client) = client {
            self.clients.add(client);
        }
        for counted in &mut self.tops {
            counted.add(sight, amounts, None, &mut self.key);
        }
        for counted in &mut self.tables {
            counted.add(sight, amounts, client, &mut self.key);
        }
    }

    /// Adds what another thread counted.
    pub(crate) fn merge(&mut self, other: Self) {
        self.total += other.total;
        self.clients.merge(other.clients);
        self.unjudged += other.unjudged;
        let mine = self.tops.iter_mut().chain(&mut self.tables);
        for (mine, theirs) in mine.zip(other.tops.into_iter().chain(other.tables)) {
            mine.sketch.merge(theirs.sketch);
            mine.unknown += theirs.unknown;
        }
    }
}

impl Counted {
    #[inline]
    fn add(&mut self, sight: &Sight<'_>, amounts: Amounts, client: Option<u64>, key: &mut Vec<u8>) {
        key.clear();
        let mut is_known = false;
        for fact in &self.facts {
            is_known |= write_part(sight, *fact, key);
        }
        if is_known {
            self.sketch.add(key, amounts, client);
        } else {
            self.unknown += amounts;
        }
    }
}

/// Writes a part of a key: a mark, then the value behind its length. Whether the line shows it.
fn write_part(sight: &Sight<'_>, fact: Fact, key: &mut Vec<u8>) -> bool {
    let mark = key.len();
    key.extend_from_slice(&[0, 0, 0]);
    let begin = key.len();
    let shown = sight.write(fact, key);
    if key.len() - begin > VALUE_BYTES_MAX {
        cut(key, begin);
    }
    let length = u16::try_from(key.len() - begin).unwrap_or(u16::MAX).to_be_bytes();
    key[mark] = match shown {
        Shown::Unknown => UNKNOWN,
        Shown::Absent => ABSENT,
        Shown::Value => VALUE,
    };
    key[mark + 1..begin].copy_from_slice(&length);
    shown != Shown::Unknown
}

/// What is longer than anybody reads is told by its beginning and a number for the rest.
#[cold]
fn cut(key: &mut Vec<u8>, begin: usize) {
    let rest = &key[begin + VALUE_BYTES_MAX..];
    // FNV-1a: of values with one beginning of 512 bytes, nobody gains by making two alike.
    let hash = rest.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mark = format!("...[{} bytes more, {hash:016x}]", rest.len());
    key.truncate(begin + VALUE_BYTES_MAX);
    key.extend_from_slice(mark.as_bytes());
}

/// The values of a key: none where the line does not show the fact, an empty one inside where the request has none.
pub(crate) fn parts(mut key: &[u8]) -> Vec<(Shown, String)> {
    let mut parts = Vec::new();
    while let [mark, high, low, rest @ ..] = key {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (value, after) = rest.split_at(length);
        let shown = match *mark {
            ABSENT => Shown::Absent,
            VALUE => Shown::Value,
            _ => Shown::Unknown,
        };
        parts.push((shown, String::from_utf8_lossy(value).into_owned()));
        key = after;
    }
    parts
}

/// Requests and bytes over the time of the log: minutes at first, doubled as often as they must be.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    step: u64,
    steps: BTreeMap<u64, (u64, u64)>,
}

impl Default for Course {
    fn default() -> Self {
        Self { step: 60, steps: BTreeMap::new() }
    }
}

impl Course {
    /// Takes a request.
    pub(crate) fn add(&mut self, time: UnixTime, bytes: u64) {
        let sums = self.steps.entry(time.as_secs() / self.step).or_default();
        sums.0 += 1;
        sums.1 = sums.1.saturating_add(bytes);
        if self.steps.len() > STEPS_MAX {
            self.coarsen();
        }
    }

    /// Adds what another thread saw.
    pub(crate) fn merge(&mut self, mut other: Self) {
        while self.step < other.step {
            self.coarsen();
        }
        while other.step < self.step {
            other.coarsen();
        }
        for (step, (requests, bytes)) in other.steps {
            let sums = self.steps.entry(step).or_default();
            sums.0 += requests;
            sums.1 = sums.1.saturating_add(bytes);
        }
        while self.steps.len() > STEPS_MAX {
            self.coarsen();
        }
    }

    /// The beginning of each step in seconds, its requests and bytes; steps without any are left out, and so are those of
    /// a stray time: few requests, far away from all the others.
    pub(crate) fn points(&self, most: usize) -> (u64, Vec<(u64, u64, u64)>) {
        let mut whole = self.clone();
        whole.drop_strays();
        while whole.span() > most as u64 {
            whole.coarsen();
        }
        let step = whole.step;
        (step, whole.steps.into_iter().map(|(at, (requests, bytes))| (at * step, requests, bytes)).collect())
    }

    fn span(&self) -> u64 {
        match (self.steps.first_key_value(), self.steps.last_key_value()) {
            (Some((first, _)), Some((last, _))) => last - first + 1,
            _ => 0,
        }
    }

    fn coarsen(&mut self) {
        self.step *= 2;
        let mut coarse: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for (step, (requests, bytes)) in std::mem::take(&mut self.steps) {
            let sums = coarse.entry(step / 2).or_default();
            sums.0 += requests;
            sums.1 = sums.1.saturating_add(bytes);
        }
        self.steps = coarse;
    }

    /// Of the longest gaps, those beyond which hardly anything is.
    fn drop_strays(&mut self) {
        let all: u64 = self.steps.values().map(|(requests, _)| requests).sum();
        for is_first in [true, false] {
            let steps: Vec<(u64, u64)> = self.steps.iter().map(|(step, sums)| (*step, sums.0)).collect();
            let ordered: Box<dyn Iterator<Item = &(u64, u64)>> =
                if is_first { Box::new(steps.iter()) } else { Box::new(steps.iter().rev()) };
            let (mut beyond, mut before, mut cut) = (0, None, None);
            for (step, requests) in ordered {
                if let Some(before) = before
                    && step.abs_diff(before) * self.step > STRAY_GAP
                    && step.abs_diff(before) > 2 * (steps.len() as u64)
                {
                    cut = Some(*step);
                }
                beyond += requests;
                if beyond > all / 1000 + STRAYS {
                    break;
                }
                before = Some(*step);
            }
            match cut {
                Some(cut) if is_first => self.steps.retain(|step, _| *step >= cut),
                Some(cut) => self.steps.retain(|step, _| *step <= cut),
                None => {}
            }
        }
    }
}

/// What is known of all requests, whether conditions hold for them or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    /// What they come to.
    pub(crate) all: Amounts,
    /// The measures that the log tells of.
    pub(crate) told: Told,
    /// Lines that tell of something that is no request of HTTP.
    pub(crate) no_requests: u64,
    /// Requests that the detector cannot take: the line has no time, or hides who the client is.
    pub(crate) left_out: u64,
    /// Of the requests, those in time.
    pub(crate) course: Course,
}

impl Totals {
    /// Adds what another thread saw.
    pub(crate) fn merge(&mut self, other: Self) {
        self.all += other.all;
        self.told = self.told.with(other.told);
        self.no_requests += other.no_requests;
        self.left_out += other.left_out;
        self.course.merge(other.course);
    }
}

const UNKNOWN: u8 = 0;
const ABSENT: u8 = 1;
const VALUE: u8 = 2;
/// More than a terminal's line, and than most agents.
const VALUE_BYTES_MAX: usize = 512;
/// Some 200 kB.
const STEPS_MAX: usize = 4096;
/// Requests with a wrong clock that a short log may have, too.
const STRAYS: u64 = 2;
/// A site that is quiet for longer is not looked at in one curve.
const STRAY_GAP: u64 = 30 * 86_400;

#[cfg(test)]
mod tests {
    use seawall_logs::{Format, Formats};
    use seawall_storm::Measure;

    use super::*;
    use crate::analyze::request::Vantage;

    fn tally(lines: &[String], tables: Vec<Vec<Fact>>) -> Tally {
        let mut tally = Tally::new(&Wanted { tops: true, tables });
        let tokens = TokenKeys::new([1; 16], UnixTime(0));
        Formats::from(Format::named("combined").unwrap()).read(lines.concat().as_bytes(), |_, record| {
            Vantage::named([], None).see(record, |facts, hidden| {
                tally.add(&Sight::new(record, facts, hidden, None), Amounts::of(record), &tokens);
            });
        });
        tally
    }

    fn line(client: u32, path: &str, agent: &str, bytes: u64) -> String {
        format!(
            "192.0.2.{client} - - [17/May/2015:10:05:03 +0000] \"GET {path} HTTP/1.1\" 200 {bytes} \"-\" \"{agent}\"\n"
        )
    }

    #[test]
    fn tables_count_each_combination_and_its_clients() {
        let lines: Vec<String> =
            (0..90).map(|n| line(n % 9, if n % 3 == 0 { "/a" } else { "/b" }, "x", 10)).collect();
        let tally = tally(&lines, vec![vec![Fact::Path, Fact::Method]]);
        let rows = tally.tables[0].sketch.greatest(Measure::Requests, 10);
        let shown: Vec<_> = rows
            .iter()
            .map(|(key, held)| {
                (parts(key)[0].1.clone(), held.sum[Measure::Requests], held.clients.estimate().0)
            })
            .collect();
        assert_eq!(shown, [("/b".to_owned(), 60, 6.0), ("/a".to_owned(), 30, 3.0)]);
        assert_eq!(tally.clients.estimate().0, 9.0);
    }

    #[test]
    fn what_a_line_does_not_show_and_what_a_request_does_not_have_are_told_apart() {
        let tally = tally(&[line(1, "/a", "-", 1)], vec![vec![Fact::UserAgent, Fact::Host]]);
        let key = tally.tables[0].sketch.greatest(Measure::Requests, 1)[0].0;
        assert_eq!(parts(key), [(Shown::Absent, String::new()), (Shown::Unknown, String::new())]);
        let host = tally.tops.iter().find(|top| top.facts == [Fact::Host]).unwrap();
        assert_eq!((host.sketch.len(), host.unknown[Measure::Requests]), (0, 1));
    }

    #[test]
    fn long_values_are_cut_and_stay_apart() {
        let long = "x".repeat(2000);
        let lines = [line(1, &format!("/{long}a"), "x", 1), line(1, &format!("/{long}b"), "x", 1)];
        let tally = tally(&lines, vec![vec![Fact::Path]]);
        let rows = tally.tables[0].sketch.greatest(Measure::Requests, 10);
        assert_eq!(rows.len(), 2);
        assert!(parts(rows[0].0)[0].1.contains("...[1490 bytes more"), "{}", parts(rows[0].0)[0].1);
    }

    #[test]
    fn a_course_of_any_length_has_few_steps_and_loses_nothing() {
        let (mut one, mut other) = (Course::default(), Course::default());
        for minute in 0..100_000 {
            let course = if minute % 3 == 0 { &mut one } else { &mut other };
            course.add(UnixTime::from_secs(1_400_000_000 + minute * 60), 2);
        }
        one.merge(other);
        let (step, points) = one.points(400);
        assert!(points.len() <= 400 && points.len() > 150, "{} of {step} s", points.len());
        assert_eq!(points.iter().map(|point| point.1).sum::<u64>(), 100_000);
    }

    #[test]
    fn a_stray_time_does_not_stretch_the_course() {
        let mut course = Course::default();
        for minute in 0..2000 {
            course.add(UnixTime::from_secs(1_400_000_000 + minute * 60), 1);
        }
        course.add(UnixTime::from_secs(5), 1);
        course.add(UnixTime::from_secs(4_000_000_000), 1);
        let (step, points) = course.points(400);
        assert!(step <= 480 && points.len() > 200, "{} of {step} s", points.len());
    }
}
