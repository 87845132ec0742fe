//! [`Job`]: one scenario on one site with one seed, played before everybody; a process of its own plays each, so that its
//! memory is its own and a panic ends it alone.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::background::log::Sessions;
use crate::detector::{Detector, Measured, play};
use crate::peer;
use crate::scenario::{Scale, Scenario};
use crate::seawall::Seawall;

/// What to play.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// The scenario.
    pub scenario: &'static Scenario,
    /// The site.
    pub scale: Scale,
    /// The seed.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Outcome {
    /// The scenario.
    pub scenario: String,
    /// The site.
    pub site: String,
    /// The seed.
    pub seed: u64,
    /// By detector.
    pub measured: Vec<Measured>,
    /// The most memory that the process had, in bytes.
    pub memory: u64,
}

/// Who plays besides Seawall, and what is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cast {
    /// Seawall and its peers.
    Everybody,
    /// Seawall.
    Alone,
    /// Seawall, which prints what it sees around the onset.
    Explained {
        /// Seconds before the onset.
        before: u64,
        /// Seconds after it.
        after: u64,
    },
}

impl Job {
    /// About how many simulated seconds it takes, weighed by the site's size.
    pub fn seconds(self) -> u64 {
        let seconds = match self.scenario.name {
            "plain-week" => 604_800,
            "plain-day" => 86_400,
            "slow-ramp" => 38 * 3600,
            "poisons-baseline" => 2 * 86_400,
            _ => 3600,
        };
        seconds * (self.scale.rate() as u64 + 20)
    }

    /// Plays it; none if its site is a log and there is none.
    pub fn run(self, cast: Cast, log: Option<&Arc<Sessions>>) -> Option<Outcome> {
        let Self { scenario, scale, seed } = self;
        let play_of = scenario.play(scale, seed, log)?;
        let cores = if scale == Scale::Large { 2 } else { 1 };
        let mut seawall = Seawall::new(play_of.view, play_of.storms.len(), cores, seed, play_of.from);
        if let Cast::Explained { before, after } = cast {
            let onset = play_of.onset.0;
            let at = |ms| seawall_http::UnixTime(ms);
            seawall.explain(at(onset.saturating_sub(before * 1000)), at(onset + after * 1000));
        }
        let mut detectors: Vec<Box<dyn Detector>> = vec![Box::new(seawall)];
        if cast == Cast::Everybody {
            detectors.extend(peer::all());
        }
        let measured = play(play_of, scenario.kind, &mut detectors);
        Some(Outcome {
            scenario: scenario.name.to_owned(),
            site: scale.as_str().to_owned(),
            seed,
            measured,
            memory: peak_memory().unwrap_or(0),
        })
    }
}

/// The log at that path, if there is one.
pub fn read_log(path: &Path) -> Result<Option<Arc<Sessions>>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(Arc::new(Sessions::read(&String::from_utf8_lossy(&text)))))
}

/// `VmHWM` of this process.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}
