//! What compressing costs: `cargo run --release -p seawall-proxy --example encode_cost -- FILE...` says for each file and coding
//! how much of it is left, how many milliseconds a megabyte takes, what the longest slice took (both in the quickest of some runs), and
//! how much memory an encoder holds.

#![expect(clippy::print_stdout, reason = "it is a measurement")]

#[expect(dead_code, reason = "part of the crate")]
#[path = "../src/cache/encoder.rs"]
mod encoder;

use std::time::{Duration, Instant};

use encoder::{Encoder, SLICE_BYTES};
use seawall_http::Coding;

fn main() -> std::io::Result<()> {
    for path in std::env::args().skip(1) {
        let content = std::fs::read(&path)?;
        for coding in Coding::ALL {
            report(&path, coding, &content)?;
        }
    }
    Ok(())
}

fn report(path: &str, coding: Coding, content: &[u8]) -> std::io::Result<()> {
    let (mut times, mut longest) = (Vec::new(), Vec::new());
    let mut length = 0;
    for _ in 0..RUNS {
        let begun = Instant::now();
        let mut encoder = Encoder::new(coding, None)?;
        let mut longest_slice = Duration::ZERO;
        length = 0;
        for slice in content.chunks(SLICE_BYTES) {
            let slice_begun = Instant::now();
            length += encoder.push(slice)?.len();
            longest_slice = longest_slice.max(slice_begun.elapsed());
        }
        length += encoder.finish()?.len();
        times.push(begun.elapsed());
        longest.push(longest_slice);
    }
    times.sort_unstable();
    longest.sort_unstable();
    let per_megabyte = times[0].as_secs_f64() * 1e9 / content.len() as f64;
    let ratio = 100.0 * length as f64 / content.len() as f64;
    let memory = memory_kib(coding, content)?;
    let longest = longest[0].as_secs_f64() * 1e3;
    let token = coding.token();
    println!(
        "{path} {token}: {ratio:.1} %, {per_megabyte:.1} ms/MB, longest slice {longest:.1} ms, {memory} KiB"
    );
    Ok(())
}

/// What many encoders hold, each of which has seen all of the content, divided by their number.
fn memory_kib(coding: Coding, content: &[u8]) -> std::io::Result<u64> {
    let before = resident_kib();
    let mut encoders = Vec::new();
    for _ in 0..ENCODERS {
        let mut encoder = Encoder::new(coding, None)?;
        for slice in content.chunks(SLICE_BYTES) {
            drop(encoder.push(slice)?);
        }
        encoders.push(encoder);
    }
    Ok(resident_kib().saturating_sub(before) / ENCODERS)
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

const RUNS: usize = 9;
/// Many, so that what was freed before counts for little.
const ENCODERS: u64 = 100;
