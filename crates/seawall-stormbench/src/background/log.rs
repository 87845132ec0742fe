//! [`Resampled`]: a real combined log, grown to any length and rate by whole sessions.
//!
//! The log is cut into sessions (one client, no gap of more than 30 minutes), and sessions are drawn with replacement and put on
//! the simulated time by the log's own hours of the day. A drawn session keeps its requests, their gaps, agents and sizes.
//! Its client gets another address in the same /16 each time that it is drawn anew; the busiest clients (crawlers, feed
//! readers) keep theirs, as they would.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use seawall_http::{Protocol, UnixTime};
use seawall_storm::CacheResult;

use crate::exchange::{Belongs, Exchange, Reply};
use crate::headers::{Headers, Shape, Software, Wardrobe};
use crate::rng::Rng;
use crate::source::Source;

/// The sessions of a log.
#[derive(Debug)]
pub struct Sessions {
    sessions: Vec<Vec<(u64, Line)>>,
    hour_max: f64,
    hour_shares: Vec<f64>,
    lines: usize,
    /// Lines that are no combined log lines.
    pub unread: usize,
}

/// A line of a log, without its time.
#[derive(Clone, Debug)]
struct Line {
    client: Ipv4Addr,
    is_busy: bool,
    method: &'static str,
    path: Arc<str>,
    query: Option<Arc<str>>,
    protocol: Protocol,
    status: u16,
    bytes: u64,
    referer: Option<Arc<str>>,
    agent: Option<Arc<str>>,
}

impl Sessions {
    /// Of a log in Apache's combined format. Lines that are not are counted and passed over.
    pub fn read(text: &str) -> Self {
        let mut interned = HashMap::new();
        let read: Vec<_> = text.lines().map(|line| parse(line, &mut interned)).collect();
        let unread = read.iter().filter(|line| line.is_none()).count();
        let mut by_client: HashMap<Ipv4Addr, Vec<(u64, Line)>> = HashMap::new();
        let mut hours = [0.0_f64; 24];
        for (at, line) in read.into_iter().flatten() {
            hours[(at / HOUR % 24) as usize] += 1.0;
            by_client.entry(line.client).or_default().push((at, line));
        }
        let lines = by_client.values().map(Vec::len).sum();
        // In a fixed order: a map's own order differs from run to run.
        let mut clients: Vec<_> = by_client.into_iter().collect();
        clients.sort_by_key(|(client, _)| *client);
        let sessions: Vec<_> = clients.into_iter().flat_map(|(_, lines)| cut(lines)).collect();
        let hour_max = hours.iter().fold(0.0_f64, |max, hour| max.max(*hour));
        Self { hour_max, hour_shares: hours.to_vec(), sessions, lines, unread }
    }

    /// What is asked for with success, the most popular first, each with the most bytes that it was answered with.
    pub fn paths(&self) -> Vec<(Arc<str>, u64)> {
        let mut paths: HashMap<&Arc<str>, (usize, u64)> = HashMap::new();
        for (_, line) in self.sessions.iter().flatten().filter(|(_, line)| line.status == 200) {
            let (count, bytes) = paths.entry(&line.path).or_default();
            *count += 1;
            *bytes = line.bytes.max(*bytes);
        }
        let mut paths: Vec<_> = paths.into_iter().collect();
        paths.sort_by(|(a, (m, _)), (b, (n, _))| n.cmp(m).then(a.cmp(b)));
        paths.into_iter().map(|(path, (_, bytes))| (Arc::clone(path), bytes)).collect()
    }

    /// Browsers' agents, the most common first, with how often each is seen.
    pub fn agents(&self) -> Vec<(Arc<str>, usize)> {
        let mut agents: HashMap<&Arc<str>, usize> = HashMap::new();
        let all = self.sessions.iter().flatten().filter_map(|(_, line)| line.agent.as_ref());
        for agent in all.filter(|agent| agent.starts_with("Mozilla/5.0") && !agent.contains("http")) {
            *agents.entry(agent).or_default() += 1;
        }
        let mut agents: Vec<_> =
            agents.into_iter().map(|(agent, count)| (Arc::clone(agent), count)).collect();
        agents.sort_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
        agents
    }

    fn activity(&self, at: u64) -> f64 {
        self.hour_shares[(at / HOUR % 24) as usize] / self.hour_max.max(1.0)
    }

    fn requests_a_session(&self) -> f64 {
        self.lines as f64 / self.sessions.len().max(1) as f64
    }
}

/// By gaps; the time of each request since its session began.
fn cut(mut lines: Vec<(u64, Line)>) -> Vec<Vec<(u64, Line)>> {
    lines.sort_by_key(|(at, _)| *at);
    let is_busy = lines.len() > 60;
    let mut sessions: Vec<Vec<(u64, Line)>> = Vec::new();
    let (mut begin, mut last) = (0, 0);
    for (at, mut line) in lines {
        line.is_busy = is_busy;
        if sessions.is_empty() || at - last > HOUR / 2 {
            begin = at;
            sessions.push(Vec::new());
        }
        last = at;
        if let Some(session) = sessions.last_mut() {
            session.push((at - begin, line));
        }
    }
    sessions
}

/// A request of a drawn session: when, which drawing, which session, which of its requests, and the host that its client
/// has this time.
type Due = (u64, u64, usize, usize, u16);

/// The traffic.
pub struct Resampled {
    sessions: Arc<Sessions>,
    rng: Rng,
    headers: Arc<Headers>,
    host: Arc<str>,
    queue: BinaryHeap<Reverse<Due>>,
    made: u64,
    arrivals: f64,
    next_arrival: f64,
}

impl Resampled {
    /// From `from` on, `rate` requests a second on average.
    pub fn new(sessions: &Arc<Sessions>, rate: f64, from: UnixTime, rng: &Rng) -> Self {
        let mean_activity = sessions.hour_shares.iter().sum::<f64>() / 24.0 / sessions.hour_max.max(1.0);
        Self {
            sessions: Arc::clone(sessions),
            rng: rng.fork("log"),
            headers: Wardrobe::default().headers(Software::OldBrowser, Shape::default(), 0),
            host: "site.example".into(),
            queue: BinaryHeap::new(),
            made: 0,
            arrivals: rate / sessions.requests_a_session() / mean_activity / 1000.0,
            next_arrival: from.0 as f64,
        }
    }

    fn arrive(&mut self) {
        let due =
            |queue: &BinaryHeap<Reverse<Due>>| queue.peek().map_or(u64::MAX, |Reverse((at, ..))| *at) as f64;
        while self.next_arrival <= due(&self.queue) {
            let at = self.next_arrival as u64;
            self.next_arrival += self.rng.exponential(1.0 / self.arrivals);
            if self.rng.chance(self.sessions.activity(at)) {
                let which = self.rng.below(self.sessions.sessions.len());
                self.made += 1;
                let host = u16::try_from(self.rng.bits() >> 48).unwrap_or(0);
                self.queue.push(Reverse((at, self.made, which, 0, host)));
            }
        }
    }

    fn exchange(&mut self, at: u64, line: &Line, host: u16) -> Exchange {
        let [a, b, ..] = line.client.octets();
        let [c, d] = host.to_be_bytes();
        let client = if line.is_busy { line.client } else { Ipv4Addr::new(a, b, c, d) };
        // The log's seconds are whole, and what happens within one is unknown.
        let at = UnixTime(at);
        let reply = Reply {
            status: line.status,
            cache: CacheResult::Unknown,
            bytes: line.bytes,
            origin_bytes: 0,
            origin_us: 0,
        };
        Exchange {
            at,
            belongs: Belongs::Rest,
            client: IpAddr::V4(client),
            host: Arc::clone(&self.host),
            method: line.method,
            path: Arc::clone(&line.path),
            query: line.query.clone(),
            agent: line.agent.clone(),
            referer: line.referer.clone(),
            protocol: line.protocol,
            headers: Arc::clone(&self.headers),
            content_length: None,
            reply,
        }
    }
}

impl Source for Resampled {
    fn next(&mut self) -> Option<Exchange> {
        self.arrive();
        let Reverse((at, made, which, step, host)) = self.queue.pop()?;
        let sessions = Arc::clone(&self.sessions);
        let (offset, line) = sessions.sessions.get(which)?.get(step)?;
        if let Some((next, _)) = sessions.sessions[which].get(step + 1) {
            let gap = (next - offset) + self.rng.below(900) as u64;
            self.queue.push(Reverse((at + gap, made, which, step + 1, host)));
        }
        Some(self.exchange(at, line, host))
    }
}

/// `client - user [time] "method target protocol" status bytes "referer" "agent"`: the time in milliseconds, and the rest.
fn parse(line: &str, interned: &mut HashMap<String, Arc<str>>) -> Option<(u64, Line)> {
    let mut quoted = line.split('"');
    let (head, request, numbers) = (quoted.next()?, quoted.next()?, quoted.next()?);
    let (referer, agent) = (quoted.next()?, quoted.nth(1)?);
    let client = head.split(' ').next()?.parse().ok()?;
    let at = time(head.split_once('[')?.1)?;
    let mut request = request.split(' ');
    let (method, target, protocol) = (method(request.next()?)?, request.next()?, request.next()?);
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let mut numbers = numbers.split_ascii_whitespace();
    let mut text =
        |text: &str| Arc::clone(interned.entry(text.to_owned()).or_insert_with(|| Arc::from(text)));
    let line = Line {
        client,
        is_busy: false,
        method,
        path: text(path),
        query: query.map(&mut text),
        protocol: if protocol == "HTTP/1.0" { Protocol::Http10 } else { Protocol::Http11 },
        status: numbers.next()?.parse().ok()?,
        bytes: numbers.next()?.parse().unwrap_or(0),
        referer: (referer != "-").then(|| text(referer)),
        agent: (agent != "-").then(|| text(agent)),
    };
    Some((at, line))
}

fn method(text: &str) -> Option<&'static str> {
    ["GET", "HEAD", "POST", "OPTIONS"].into_iter().find(|method| *method == text)
}

/// `17/May/2015:10:05:03 +0000` in milliseconds since some day: only differences and hours matter, so UTC is assumed.
fn time(text: &str) -> Option<u64> {
    let mut parts = text.split(['/', ':', ' ']);
    let day: u64 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let _year = parts.next()?;
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = MONTHS.find(month)? as u64 / 3;
    let mut number = || parts.next()?.parse::<u64>().ok();
    let (hour, minute, second) = (number()?, number()?, number()?);
    Some((((month * 31 + day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000)
}

const HOUR: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use seawall_http::UnixTime;

    use super::{Resampled, Sessions};
    use crate::rng::Rng;
    use crate::source::Source;

    const LOG: &str = r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a?x=1 HTTP/1.1" 200 203023 "http://site.example/" "Reader/1"
192.0.2.1 - - [17/May/2015:10:05:43 +0000] "GET /b HTTP/1.1" 404 - "-" "Reader/1"
damaged
192.0.2.9 - - [17/May/2015:22:05:47 +0000] "GET /c HTTP/1.0" 200 5 "-" "-"
"#;

    #[test]
    fn sessions_keep_their_requests_and_get_the_rate() {
        let sessions = Arc::new(Sessions::read(LOG));
        assert_eq!((sessions.sessions.len(), sessions.lines, sessions.unread), (2, 3, 1));
        let mut traffic = Resampled::new(&sessions, 5.0, UnixTime::from_secs(1_704_067_200), &Rng::new(1));
        let until = UnixTime::from_secs(1_704_067_200 + 86_400);
        let all: Vec<_> = std::iter::from_fn(|| traffic.next()).take_while(|one| one.at < until).collect();
        assert!(all.is_sorted_by_key(|one| one.at));
        assert!((3.5..6.5).contains(&(all.len() as f64 / 86_400.0)), "{}", all.len());
        // Sessions begin at the hours at which the log has anything.
        assert!(all.iter().all(|one| matches!(one.at.as_secs() / 3600 % 24, 10 | 11 | 22 | 23)));
        let first = all.iter().find(|one| &*one.path == "/a");
        assert_eq!(first.and_then(|one| one.query.as_deref()), Some("x=1"));
    }
}
