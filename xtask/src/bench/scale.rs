//! `cargo xtask bench scale`: what a request costs by the number of rules, and of clients under a limit.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use seawall_testkit::{Seawall, free_port};
use serde::Serialize;

use super::case::{Cores, STORM_AGENT};
use super::cpu::{Clock, memory_bytes};
use super::program::{self, Tools, client, pin};
use super::results::{Circumstances, write_json};
use super::rounds::{Rounds, Sample};
use super::server::SERVER_CORE;
use super::statistics::Summary;
use super::{page, rules};
use crate::shell;

/// How far, and how long.
#[derive(Args)]
pub(super) struct Options {
    /// The binary; built with the release profile when absent.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Numbers of rules (may be repeated); 10 to 100,000 when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rules: Vec<u32>,
    /// Numbers of clients (may be repeated); 1,000 to 10,000,000 when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    keys: Vec<u32>,
    /// Rounds for each number.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// A round in which others took more than this share of a core is dropped, in percent.
    #[arg(long, default_value_t = 10, value_name = "PERCENT")]
    disturbance: u32,
    /// Write the results to docs/benchmarks.md and docs/benchmarks-scale.json.
    #[arg(long, conflicts_with_all = ["rules", "keys"])]
    write: bool,
}

#[derive(Serialize)]
struct Results {
    circumstances: Circumstances,
    rules: Vec<ByRules>,
    keys: Vec<ByKeys>,
}

#[derive(Serialize)]
struct ByRules {
    rules: u32,
    /// From the start to listening.
    start_ms: u128,
    memory_bytes: u64,
    /// Refused by the rule half-way.
    refused: Cost,
    /// Passed by all rules, and refused for want of a site.
    passed: Cost,
}

#[derive(Serialize)]
struct ByKeys {
    keys: u32,
    memory_bytes: u64,
    /// A request of any of the clients, in bundles of 50, refused for want of a site.
    mixed: Cost,
}

/// What a request costs.
#[derive(Serialize)]
struct Cost {
    cpu_us: Summary,
    rounds_dropped: usize,
    rounds_disturbed: usize,
}

/// Rounds that count, and the share of a core that others may take in one.
#[derive(Clone, Copy)]
struct Wanted {
    rounds: usize,
    disturbance_max: f64,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let binary = options.binary.clone().map_or_else(program::build_seawall, Ok)?;
    let tools = Tools::build()?;
    let numbers =
        |asked: &[u32], usual: &[u32]| if asked.is_empty() { usual.to_vec() } else { asked.to_vec() };
    let mut circumstances = Circumstances::now(&[])?;
    circumstances.servers = vec![shell::output(shell::command(&binary).arg("--version"))?.trim().to_owned()];
    let mut results = Results { circumstances, rules: Vec::new(), keys: Vec::new() };
    let wanted =
        Wanted { rounds: options.rounds as usize, disturbance_max: f64::from(options.disturbance) / 100.0 };
    for rules in numbers(&options.rules, RULES) {
        eprintln!("{rules} rules");
        results.rules.push(by_rules(rules, &binary, wanted)?);
    }
    for keys in numbers(&options.keys, KEYS) {
        eprintln!("{keys} clients");
        results.keys.push(by_keys(keys, &binary, &tools, wanted)?);
    }
    let page = markdown(&results);
    println!("{page}");
    write_json("benchmarks-scale.json", &results, options.write)?;
    if options.write {
        page::write("scale", &page)?;
    }
    Ok(())
}

fn by_rules(rules: u32, binary: &Path, wanted: Wanted) -> Result<ByRules> {
    let began = Instant::now();
    let seawall = start(binary, rules, USUAL_KEYS)?;
    let start_ms = began.elapsed().as_millis();
    pin(&[seawall.id()], SERVER_CORE)?;
    let wrk = |agent: &str| {
        let mut wrk = client("wrk", Cores::Apart);
        wrk.args(["--threads", "1", "--connections", "32", "--duration=1s"]);
        wrk.arg(format!("--header=User-Agent: {agent}")).arg("--header=Host: nobody.example");
        wrk.arg(seawall.url("/mail/archive/2024-05/0123.html"));
        shell::output(&mut wrk)
    };
    let measure = |agent: &str| {
        wrk(agent)?;
        cost(&seawall, wanted, || before(&wrk(agent)?, " requests in"))
    };
    Ok(ByRules {
        rules,
        start_ms,
        refused: measure(STORM_AGENT)?,
        passed: measure("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0")?,
        memory_bytes: memory_bytes(&[seawall.id()])?,
    })
}

fn by_keys(keys: u32, binary: &Path, tools: &Tools, wanted: Wanted) -> Result<ByKeys> {
    let seawall = start(binary, rules::USUAL, keys.max(KEYS_MIN) * 2)?;
    pin(&[seawall.id()], SERVER_CORE)?;
    let strangers = |requests: u32, order: &str| {
        let mut strangers = client(&tools.strangers, Cores::Apart);
        strangers.args([&seawall.address().to_string(), "nobody.example", &keys.to_string()]);
        strangers.args([&requests.to_string(), order]);
        after(&shell::output(&mut strangers)?, "answered ")
    };
    // Everybody comes once, so that the table holds them all.
    strangers(keys, "order")?;
    let mixed = cost(&seawall, wanted, || strangers(MIXED_REQUESTS, "mixed"))?;
    Ok(ByKeys { keys, mixed, memory_bytes: memory_bytes(&[seawall.id()])? })
}

/// With a limit whose counts outlast the run, so that the table keeps every client.
fn start(binary: &Path, rules: u32, keys: u32) -> Result<Seawall> {
    let address = || format!("127.0.0.1:{}", free_port());
    let configuration = format!(
        "listen = \"{}\"\nadmin = \"{}\"\nstate = \"@DIR@/state\"\nworkers = 1\n\
         [client]\ntrusted-hops = [\"127.0.0.1\"]\n\
         [bounds]\nlimit-keys = {keys}\nrequests-per-connection = 1000000000\n\
         [[site]]\nhosts = [\"somebody.example\"]\norigin = \"http://127.0.0.1:9\"\n\
         [[limit]]\nname = \"slow\"\nby = [\"client\"]\nrate = \"1000/d\"\nburst = 1000000\n{}",
        address(),
        address(),
        rules::toml(rules),
    );
    Ok(Seawall::builder(binary).configuration(&configuration).start())
}

/// Rounds of a load, until enough of them were undisturbed, or as many were in vain.
fn cost(seawall: &Seawall, wanted: Wanted, load: impl Fn() -> Result<u64>) -> Result<Cost> {
    let processes = [seawall.id()];
    let mut rounds = Rounds::new(wanted.rounds, wanted.disturbance_max);
    while !rounds.is_complete() {
        let before = Clock::now(&processes, &[])?;
        let exchanges = load()?;
        let span = Clock::now(&processes, &[])?.since(&before);
        rounds.offer(vec![Sample::new(&span, exchanges, Cores::Apart, memory_bytes(&processes)?)]);
    }
    let cpu_us = Summary::of(rounds.of(0).iter().map(|sample| sample.cpu_us)).context("no rounds")?;
    Ok(Cost { cpu_us, rounds_dropped: rounds.dropped(), rounds_disturbed: rounds.disturbed() })
}

fn before(printed: &str, phrase: &str) -> Result<u64> {
    super::load::before(printed, phrase).with_context(|| format!("no number before `{phrase}`: {printed}"))
}

fn after(printed: &str, phrase: &str) -> Result<u64> {
    super::load::after(printed, phrase).with_context(|| format!("no number after `{phrase}`: {printed}"))
}

fn markdown(results: &Results) -> String {
    let mut page = page::circumstances(&results.circumstances);
    page.push_str(RULES_HEAD);
    for of in &results.rules {
        let (start, mib) = (Duration::from_millis(of.start_ms as u64).as_secs_f64(), mib(of.memory_bytes));
        let (refused, passed) = (summary(&of.refused), summary(&of.passed));
        let _ = writeln!(page, "| {} | {refused} | {passed} | {start:.1} | {mib:.0} |", of.rules);
    }
    page.push_str(KEYS_HEAD);
    for of in &results.keys {
        let _ = writeln!(page, "| {} | {} | {:.0} |", of.keys, summary(&of.mixed), mib(of.memory_bytes));
    }
    page
}

fn summary(of: &Cost) -> String {
    let Summary { median, least, most } = of.cpu_us;
    let disturbed = if of.rounds_disturbed > 0 { " *" } else { "" };
    format!("{median:.2} ({least:.2}–{most:.2}){disturbed}")
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

const RULES: &[u32] = &[10, 100, 1_000, 10_000, 100_000];

const KEYS: &[u32] = &[1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Room for the keys of the limit where their number is not what is measured: the default.
const USUAL_KEYS: u32 = 1_000_000;

/// The least that `bounds.limit-keys` takes.
const KEYS_MIN: u32 = 1024;

const MIXED_REQUESTS: u32 = 500_000;

const RULES_HEAD: &str = "\
### By the number of rules

Rules of ten kinds in equal parts, one of which matches half-way; wrk with 32 kept-alive connections.
µs of CPU per request: the median, and the range in brackets; with a star if disturbed rounds count, for want of others.

| rules | refused by a rule | passed by all, refused for its host | start, s | memory, MiB |
|---:|---:|---:|---:|---:|
";

const KEYS_HEAD: &str = "
### By the number of clients under a limit

Clients behind a trusted hop, all of them counted in the table, asking without order; requests in bundles of 50 over one connection, refused for their host.
µs of CPU per request: the median, and the range in brackets; with a star if disturbed rounds count, for want of others.

| clients | request | memory, MiB |
|---:|---:|---:|
";
