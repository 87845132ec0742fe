//! Fuzz targets without cargo-fuzz: LLVM's coverage pass is in the pinned compiler, and `libfuzzer-sys` brings the engine.
//!
//! Leaves out the address sanitizer: the targets are safe Rust, and without it the stable compiler suffices and
//! a run makes some four times as many tries.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::shell;

/// Builds all targets and runs one, or all, for `time` each; what they find is kept in `fuzz/artifacts/TARGET/`.
pub(crate) fn run(target: Option<&str>, time: Duration) -> Result<()> {
    let targets = declared_targets()?;
    if let Some(name) = target
        && !targets.contains(name)
    {
        bail!("there is no fuzz target `{name}`\nhint: there are {}", join(&targets));
    }
    build()?;
    for name in targets.iter().filter(|name| target.is_none_or(|wanted| wanted == name.as_str())) {
        run_target(name, time)?;
    }
    Ok(())
}

/// The targets in `fuzz/Cargo.toml`, once they agree with the files in `fuzz_targets/`.
fn declared_targets() -> Result<BTreeSet<String>> {
    let manifest: Manifest = toml::from_str(&fs::read_to_string(folder().join("Cargo.toml"))?)?;
    let declared: BTreeSet<String> = manifest.bin.into_iter().map(|bin| bin.name).collect();
    let mut present = BTreeSet::new();
    for file in fs::read_dir(folder().join("fuzz_targets"))? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            present.insert(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    let forgotten: BTreeSet<String> = present.difference(&declared).cloned().collect();
    if !forgotten.is_empty() {
        bail!("fuzz/Cargo.toml has no [[bin]] for {}", join(&forgotten));
    }
    if declared.is_empty() {
        bail!("there is no fuzz target");
    }
    Ok(declared)
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    bin: Vec<Bin>,
}

#[derive(Deserialize)]
struct Bin {
    name: String,
}

fn build() -> Result<()> {
    // The workspace's versions, so that what is fuzzed is what is shipped; cargo adds the engine, pinned in the manifest.
    fs::copy(shell::root().join("Cargo.lock"), folder().join("Cargo.lock"))?;
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--quiet", "--bins", "--target", HOST, "--manifest-path"]);
    cargo.arg(folder().join("Cargo.toml")).arg("--target-dir").arg(target_dir());
    // `--target` keeps these flags away from build scripts and macros, which would not link.
    cargo.env("RUSTFLAGS", COVERAGE.join(" "));
    // Optimised as far as pays: the last per cent of speed costs minutes of thin LTO.
    cargo.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    cargo
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
        .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true");
    shell::run(&mut cargo)
}

/// One target: the kept corpus is replayed first, then mutated; new inputs go to a scratch folder, not into the repository.
fn run_target(name: &str, time: Duration) -> Result<()> {
    let scratch = fresh_folder(&target_dir().join("corpus").join(name))?;
    let artifacts = folder().join("artifacts").join(name);
    fs::create_dir_all(&artifacts)?;
    let mut fuzzer = shell::command(target_dir().join(HOST).join("release").join(name));
    fuzzer.arg(&scratch);
    let kept = folder().join("corpus").join(name);
    if kept.is_dir() {
        fuzzer.arg(&kept);
    }
    fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display()));
    fuzzer.arg(format!("-max_total_time={}", time.as_secs())).args([
        "-timeout=5",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]);
    report(name, fuzzer)
}

fn report(name: &str, mut fuzzer: Command) -> Result<()> {
    let start = Instant::now();
    let output = fuzzer.output().with_context(|| format!("cannot run fuzz target `{name}`"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("fuzz target `{name}` failed: {}\n{log}", output.status);
    }
    let tries = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let tries: u64 =
        tries.and_then(|count| count.trim().parse().ok()).context("the fuzzer printed no statistics")?;
    println!("fuzz {name:<28} {tries:>10} inputs in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn fresh_folder(path: &Path) -> Result<PathBuf> {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    fs::create_dir_all(path)?;
    Ok(path.to_owned())
}

fn folder() -> PathBuf {
    shell::root().join("fuzz")
}

fn target_dir() -> PathBuf {
    shell::target_dir().join("fuzz")
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

const HOST: &str = "x86_64-unknown-linux-gnu";

/// What cargo-fuzz passes, less the sanitizer.
const COVERAGE: &[&str] = &[
    "--cfg fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
