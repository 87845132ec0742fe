//! `cargo xtask bench`: what an exchange costs `seawall`, with its peers and a floor beside it in the same run.
//!
//! The server runs on one core and the load on another. What is compared is the CPU time of the server's processes
//! per exchange: it depends far less than throughput on what else the machine does, and on the load generator. Which
//! rounds count: [`rounds`]. Nothing is sent to any address but loopback, every load is bounded, and servers and
//! clients end with this process.

mod case;
mod cpu;
mod idle;
mod instructions;
mod latency;
mod load;
mod logs;
mod page;
mod program;
mod results;
mod rounds;
mod rules;
mod scale;
mod server;
mod statistics;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum as _};
use serde::Serialize;

use self::case::{CASES, Case, Cores};
use self::cpu::{Clock, memory_bytes};
use self::idle::Idle;
use self::latency::Latency;
use self::load::Outcome;
use self::program::Tools;
use self::results::{CaseResult, Circumstances, Refused, write_json};
use self::rounds::{Rounds, Sample};
use self::server::{Origin, Peer, Server, Site};

pub(crate) use self::instructions::check as check_instructions;

/// What to measure, and how long.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    other: Option<Other>,
    /// This case alone (may be repeated).
    #[arg(long, value_name = "CASE")]
    only: Vec<String>,
    /// List the cases.
    #[arg(long)]
    list: bool,
    /// This peer beside Seawall (may be repeated); all when absent.
    #[arg(long, value_enum, value_name = "NAME")]
    peer: Vec<Peer>,
    /// The binary; built with the release profile when absent.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Another `seawall`, measured in the same run.
    #[arg(long, value_name = "PATH")]
    baseline: Option<PathBuf>,
    /// Rounds that count, for each case.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// How long each server is under load in a round.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// A round in which others took more than this share of a core is dropped, in percent.
    #[arg(long, default_value_t = 10, value_name = "PERCENT")]
    disturbance: u64,
    /// Idle connections to measure memory with; 10,000 when absent, none with `--only`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=20_000))]
    idle: Option<u64>,
    /// Latency at half load, with `--only` too.
    #[arg(long)]
    latency: bool,
    /// Count instructions by callgrind instead, and compare with bench/instructions.json.
    #[arg(long)]
    instructions: bool,
    /// Write the results to docs/benchmarks.md and docs/benchmarks.json, or the counts to bench/instructions.json.
    #[arg(long, conflicts_with_all = ["only", "peer"])]
    write: bool,
}

/// Other things to measure.
#[derive(Subcommand)]
enum Other {
    /// Cost of a request by the number of rules, and of keys of a limit.
    Scale(scale::Options),
    /// How fast an access log is parsed and counted, with GoAccess, awk and ripgrep beside.
    Logs(logs::Options),
}

/// All that a run measures.
#[derive(Serialize)]
struct Results {
    circumstances: Circumstances,
    rounds_wanted: u64,
    seconds: u64,
    disturbance_max_percent: u64,
    cases: Vec<CaseResult>,
    latency: Vec<Latency>,
    idle: Vec<Idle>,
    idle_refused: Vec<Refused>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        CASES.iter().for_each(|case| println!("{:<22} {}", case.name, case.what));
        return Ok(());
    }
    if options.instructions {
        return instructions::run(options.write);
    }
    match &options.other {
        Some(Other::Scale(options)) => return scale::run(options),
        Some(Other::Logs(options)) => return logs::run(options),
        None => {}
    }
    program::raise_files_max();
    Bench::new(options)?.run()
}

struct Bench<'a> {
    options: &'a Options,
    cases: Vec<&'static Case>,
    peers: Vec<Peer>,
    binary: PathBuf,
    tools: Tools,
}

impl<'a> Bench<'a> {
    fn new(options: &'a Options) -> Result<Self> {
        let peers = if options.peer.is_empty() { Peer::value_variants() } else { &options.peer };
        Ok(Self {
            options,
            cases: choose(&options.only)?,
            peers: peers.to_vec(),
            binary: options.binary.clone().map_or_else(program::build_seawall, Ok)?,
            tools: Tools::build()?,
        })
    }

    fn run(&self) -> Result<()> {
        let mut results: Option<Results> = None;
        let mut page = String::new();
        for cores in [Cores::Apart, Cores::Shared] {
            let cases: Vec<_> = self.cases.iter().copied().filter(|case| case.cores == cores).collect();
            if cases.is_empty() {
                continue;
            }
            let origin = Origin::start(cores)?;
            let servers = self.start(&Site { binary: &self.binary, origin: &origin, cores })?;
            let results = match &mut results {
                Some(results) => results,
                None => results.insert(self.begin(&servers, &mut page)?),
            };
            for case in cases {
                let measured = self.measure(case, &servers, &origin)?;
                say(&mut page, &page::case(&measured));
                if latency::CASES.contains(&case.name) && (self.options.latency || self.is_whole()) {
                    let latency = latency::measure(case, &servers, &measured, &self.tools);
                    results.latency.extend(latency);
                }
                results.cases.push(measured);
            }
        }
        let mut results = results.context("no case was chosen")?;
        if !results.latency.is_empty() {
            say(&mut page, &latency::page(&results.latency));
        }
        self.idle(&mut results)?;
        if !results.idle.is_empty() {
            say(&mut page, &(idle::page(&results.idle) + "\n" + &page::refused(&results.idle_refused)));
        }
        write_json("benchmarks.json", &results, self.options.write)?;
        if self.options.write {
            page::write("cases", &page)?;
        }
        // After everything else is written, so that one case does not spoil a long run.
        let refused = results.cases.iter().flat_map(|case| &case.refused).chain(&results.idle_refused);
        if let Some(of) = refused.into_iter().find(|of| of.server == OURS) {
            anyhow::bail!("some cases have no figure for {}: {}", of.server, of.why);
        }
        Ok(())
    }

    fn begin(&self, servers: &[Server], page: &mut String) -> Result<Results> {
        let circumstances = Circumstances::now(servers)?;
        say(page, &page::circumstances(&circumstances));
        Ok(Results {
            circumstances,
            rounds_wanted: self.options.rounds,
            seconds: self.options.seconds,
            disturbance_max_percent: self.options.disturbance,
            cases: Vec::new(),
            latency: Vec::new(),
            idle: Vec::new(),
            idle_refused: Vec::new(),
        })
    }

    /// Whether nothing was chosen, so that everything is measured.
    fn is_whole(&self) -> bool {
        self.options.only.is_empty()
    }

    fn start(&self, site: &Site<'_>) -> Result<Vec<Server>> {
        let mut servers = vec![Server::seawall(OURS, site)?];
        if let Some(baseline) = &self.options.baseline {
            servers.push(Server::seawall("baseline", &Site { binary: baseline, ..*site })?);
        }
        for peer in &self.peers {
            servers.push(Server::start(*peer, site)?);
        }
        servers.push(Server::floor(&self.tools.floor, site)?);
        Ok(servers)
    }

    /// Rounds of all servers in turn, until enough of them were undisturbed, or as many were in vain. A server that
    /// does not do what the case is about takes no part, and the others begin anew.
    fn measure(&self, case: &Case, servers: &[Server], origin: &Origin) -> Result<CaseResult> {
        let mut refused = Vec::new();
        let mut taking_part: Vec<&Server> =
            servers.iter().filter(|server| server.address(case).is_some()).collect();
        // Not counted: connections to origins, caches, lazy automata and branch predictors warm up.
        taking_part.retain(|server| match self.warm_up(case, server, origin) {
            Ok(()) => true,
            Err(why) => {
                refused.push(Refused::new(server.name, &why));
                false
            }
        });
        let mut rounds = self.rounds();
        'rounds: while !rounds.is_complete() && !taking_part.is_empty() {
            let mut samples = Vec::new();
            for (place, server) in taking_part.iter().enumerate() {
                match self.sample(case, server, origin) {
                    Ok(sample) => samples.push(sample),
                    Err(why) => {
                        refused.push(Refused::new(server.name, &why));
                        taking_part.remove(place);
                        rounds = self.rounds();
                        continue 'rounds;
                    }
                }
            }
            rounds.offer(samples);
        }
        Ok(CaseResult::new(case, &taking_part, &rounds, refused))
    }

    fn rounds(&self) -> Rounds {
        Rounds::new(self.options.rounds as usize, self.options.disturbance as f64 / 100.0)
    }

    fn warm_up(&self, case: &Case, server: &Server, origin: &Origin) -> Result<()> {
        // The first one may fill the cache; from the second on, nothing may reach the origin.
        let first = self.load(case, server, origin, WARM_UP)?;
        let last = if case.work.is_cached() { self.load(case, server, origin, WARM_UP)? } else { first };
        last.exchanges().map(drop)
    }

    fn load(&self, case: &Case, server: &Server, origin: &Origin, time: Duration) -> Result<Outcome> {
        let address = server.address(case).context("invariant: it takes part")?;
        load::run(case, address, origin, &self.tools, time)
    }

    fn sample(&self, case: &Case, server: &Server, origin: &Origin) -> Result<Sample> {
        let (processes, origins) = (server.processes()?, origin.processes()?);
        let before = Clock::now(&processes, &origins)?;
        let outcome = self.load(case, server, origin, Duration::from_secs(self.options.seconds))?;
        let span = Clock::now(&processes, &origins)?.since(&before);
        Ok(Sample::new(&span, outcome.exchanges()?, case.cores, memory_bytes(&processes)?))
    }

    fn idle(&self, results: &mut Results) -> Result<()> {
        let connections = match self.options.idle {
            Some(connections) => connections,
            None if self.is_whole() => IDLE,
            None => 0,
        };
        // A server that may open too few files would close some of them.
        let most = program::connections_max() / 100 * 100;
        if connections > most {
            eprintln!(
                "{most} idle connections instead of {connections}: more need more open files (ulimit -n)"
            );
        }
        let connections = connections.min(most);
        if connections == 0 {
            return Ok(());
        }
        let origin = Origin::start(Cores::Apart)?;
        let site = Site { binary: &self.binary, origin: &origin, cores: Cores::Apart };
        let servers = self.start(&site)?;
        for server in &servers {
            match idle::measure(connections as usize, server) {
                Ok(idle) => results.idle.extend(idle),
                Err(why) => results.idle_refused.push(Refused::new(server.name, &why)),
            }
        }
        Ok(())
    }
}

fn choose(names: &[String]) -> Result<Vec<&'static Case>> {
    if names.is_empty() {
        return Ok(CASES.iter().collect());
    }
    let find = |name: &String| {
        let case = CASES.iter().find(|case| case.name == *name);
        case.with_context(|| {
            format!("no case is called `{name}`\nhint: `cargo xtask bench --list` names them")
        })
    };
    names.iter().map(find).collect()
}

/// Prints a part of the page and keeps it.
fn say(page: &mut String, part: &str) {
    println!("{}", part.trim_end());
    println!();
    page.push_str(part);
    page.push('\n');
}

/// The name of what is measured.
const OURS: &str = "seawall";

const WARM_UP: Duration = Duration::from_secs(1);

/// Idle connections, when nothing else is said.
const IDLE: u64 = 10_000;
