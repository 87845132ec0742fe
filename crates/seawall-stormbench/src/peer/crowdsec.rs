//! [`CrowdSec`]: five of the scenarios of its collection `base-http-scenarios` with the parameters of the package's files.
//!
//! `http-crawl-non_statics`, `http-probing`, `http-bad-user-agent`, `http-sensitive-files`, `http-path-traversal-probing`: leaky buckets
//! by address, that overflow with one event more than their capacity; of a scenario that counts distinct values, an event whose
//! value the bucket holds already is not counted. An overflow bans the address for 4 hours (`profiles.yaml`), here from the
//! next second on. The filters, which are expressions in the files, are written here in Rust; capacities, speeds and lists are
//! read. Left out: the lists of addresses that its users share, which nobody can replay, and allow-lists of search engines.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::FixedState;
use regex::RegexSet;
use seawall_http::UnixTime;
use yaml_rust2::{Yaml, YamlLoader};

use super::{Bans, packages};
use crate::detector::Detector;
use crate::exchange::Exchange;
use crate::rng::hash;

/// The file of one scenario.
pub const CRAWL: &str = "/usr/share/crowdsec/hub/scenarios/crowdsecurity/http-crawl-non_statics.yaml";
const SCENARIOS: &str = "/usr/share/crowdsec/hub/scenarios/crowdsecurity/";
const DATA: &str = "/usr/share/crowdsec/data/";
const BAN: u64 = 4 * 3_600_000;

/// See the module.
#[derive(Debug)]
pub struct CrowdSec {
    scenarios: [Leaky; 5],
    bad_agents: RegexSet,
    sensitive: Vec<String>,
    traversal: Vec<String>,
    /// Whether an agent is on the list: there are few agents and many requests.
    judged: HashMap<u64, bool, FixedState>,
    bans: Bans,
}

impl CrowdSec {
    /// With the parameters of the package; none if it is not there.
    pub fn installed() -> Option<Self> {
        let names = [
            "http-crawl-non_statics",
            "http-probing",
            "http-bad-user-agent",
            "http-sensitive-files",
            "http-path-traversal-probing",
        ];
        let mut scenarios = Vec::new();
        for name in names {
            scenarios.push(Leaky::read(&packages::read(&format!("{SCENARIOS}{name}.yaml"))?)?);
        }
        let lines = |name: &str| -> Option<Vec<String>> {
            let text = packages::read(&format!("{DATA}{name}"))?;
            let is_kept = |line: &&str| !line.is_empty() && !line.starts_with('#');
            Some(text.lines().map(str::trim).filter(is_kept).map(str::to_owned).collect())
        };
        Some(Self {
            scenarios: scenarios.try_into().ok()?,
            bad_agents: RegexSet::new(lines("bad_user_agents.regex.txt")?).ok()?,
            sensitive: lines("sensitive_data.txt")?,
            traversal: lines("path_traversal.txt")?,
            judged: HashMap::default(),
            bans: Bans::default(),
        })
    }

    fn is_bad_agent(&mut self, agent: &str) -> bool {
        // A storm has as many agents as it likes.
        if self.judged.len() > 100_000 {
            self.judged.clear();
        }
        *self.judged.entry(hash(agent)).or_insert_with(|| self.bad_agents.is_match(agent))
    }

    fn pour(&mut self, exchange: &Exchange) {
        let path = &*exchange.path;
        let is_static = is_static(path);
        let is_read = matches!(exchange.method, "GET" | "HEAD");
        let file = path.rsplit('/').next().unwrap_or_default();
        let is_bad = exchange.agent.as_deref().is_some_and(|agent| self.is_bad_agent(agent));
        let events = [
            (!is_static && is_read).then(|| hash(file)),
            (!is_static && matches!(exchange.reply.status, 400 | 403 | 404)).then(|| hash(path)),
            is_bad.then_some(0),
            self.sensitive.iter().any(|end| path.ends_with(end)).then(|| hash(path)),
            self.traversal.iter().any(|part| path.contains(part)).then(|| hash(path)),
        ];
        for (scenario, event) in self.scenarios.iter_mut().zip(events) {
            if event.is_some_and(|value| scenario.pour(exchange.client, value, exchange.at)) {
                self.bans.add(exchange.client, UnixTime(exchange.at.0 + BAN));
            }
        }
    }
}

impl Detector for CrowdSec {
    fn name(&self) -> &'static str {
        "crowdsec"
    }

    fn second(&mut self, exchanges: &[Exchange], until: UnixTime, refused: &mut [bool]) {
        for (exchange, is_refused) in exchanges.iter().zip(refused) {
            *is_refused = self.bans.holds(exchange.client, exchange.at);
        }
        for exchange in exchanges {
            if !self.bans.holds(exchange.client, exchange.at) {
                self.pour(exchange);
            }
        }
        self.scenarios.iter_mut().for_each(|scenario| scenario.sweep(until));
    }
}

/// What `http-logs.yaml` calls a static resource.
fn is_static(path: &str) -> bool {
    const ENDS: &[&str] = &[
        "jpg", "css", "js", "jpeg", "png", "svg", "map", "ico", "otf", "gif", "mp3", "mp4", "woff", "woff2",
        "ttf", "eot", "webp", "wav", "gz", "brotli", "bvr", "ts", "bmp",
    ];
    let end = path.rsplit('/').next().and_then(|file| file.rsplit_once('.'));
    end.is_some_and(|(_, end)| ENDS.iter().any(|known| known.eq_ignore_ascii_case(end)))
}

/// A kind of leaky bucket, and the buckets by address.
#[derive(Debug)]
struct Leaky {
    capacity: f64,
    /// Milliseconds for one event to leak.
    leak_ms: f64,
    is_distinct: bool,
    buckets: HashMap<IpAddr, Bucket, FixedState>,
    swept: u64,
}

#[derive(Debug, Default)]
struct Bucket {
    level: f64,
    last: u64,
    values: HashSet<u64, FixedState>,
}

impl Leaky {
    fn read(text: &str) -> Option<Self> {
        let scenario = YamlLoader::load_from_str(text).ok()?.into_iter().next()?;
        let speed = scenario["leakspeed"].as_str()?;
        let (number, unit_ms) = match (speed.strip_suffix('s'), speed.strip_suffix('m')) {
            (Some(seconds), _) => (seconds, 1e3),
            (_, Some(minutes)) => (minutes, 60e3),
            _ => return None,
        };
        Some(Self {
            capacity: scenario["capacity"].as_i64()? as f64,
            leak_ms: number.parse::<f64>().ok()? * unit_ms,
            is_distinct: !matches!(scenario["distinct"], Yaml::BadValue),
            buckets: HashMap::default(),
            swept: 0,
        })
    }

    /// Whether that makes it overflow; it begins anew then.
    fn pour(&mut self, client: IpAddr, value: u64, at: UnixTime) -> bool {
        let bucket = self.buckets.entry(client).or_default();
        bucket.level = (bucket.level - (at.0 - bucket.last) as f64 / self.leak_ms).max(0.0);
        bucket.last = at.0;
        if bucket.level <= 0.0 {
            bucket.values.clear();
        }
        if self.is_distinct && !bucket.values.insert(value) {
            return false;
        }
        bucket.level += 1.0;
        let overflows = bucket.level > self.capacity;
        if overflows {
            self.buckets.remove(&client);
        }
        overflows
    }

    /// Forgets buckets that have run dry.
    fn sweep(&mut self, until: UnixTime) {
        if until.as_secs() - self.swept < 60 {
            return;
        }
        self.swept = until.as_secs();
        let dry = self.leak_ms * self.capacity;
        self.buckets.retain(|_, bucket| ((until.0 - bucket.last) as f64) < dry);
    }
}
