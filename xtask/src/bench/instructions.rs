//! `cargo xtask bench --instructions`: what single functions cost in instructions, counted by callgrind.
//!
//! Counts do not depend on how busy the machine is, so that a build machine can compare them with the committed ones
//! (`bench/instructions.json`). They say nothing of caches and branches. They may differ between processors, since
//! some code is chosen by what the processor can do: hence the room before a rise is an error.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::program::built;
use crate::shell;

/// Instructions of one call, by part.
type Counts = BTreeMap<String, f64>;

#[derive(Deserialize, Serialize)]
struct Baseline {
    /// What the counts hold for.
    toolchain: String,
    instructions: Counts,
}

/// Counts, compares and, with `write`, makes the counts the new baseline.
pub(super) fn run(write: bool) -> Result<()> {
    let counts = count()?;
    let path = shell::root().join(BASELINE);
    if write {
        let toolchain = shell::output(shell::command("rustc").arg("--version"))?.trim().to_owned();
        let text = serde_json::to_string_pretty(&Baseline { toolchain, instructions: counts })? + "\n";
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.display());
        return Ok(());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let baseline: Baseline = serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
    compare(&counts, &baseline.instructions)
}

/// Counts and compares, for `cargo xtask ci`.
pub(crate) fn check() -> Result<()> {
    run(false)
}

fn count() -> Result<Counts> {
    let arguments = ["build", "--release", "--package", "seawall-bench", "--bin", "instructions", "--locked"];
    shell::run(shell::cargo().args(arguments))?;
    let program = built("instructions")?;
    let folder = shell::target_dir().join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut counts = Counts::new();
    for part in PARTS {
        let total = callgrind(&program, part, &folder.join(format!("callgrind.{part}")))?;
        let each = total as f64 / f64::from(CALLS);
        // What a figure after the point says is the rounding of a loop.
        counts.insert((*part).to_owned(), (each * 10.0).round() / 10.0);
    }
    Ok(counts)
}

/// Instructions below `measured`, in all.
fn callgrind(program: &Path, part: &str, out: &Path) -> Result<u64> {
    let mut command = shell::command("valgrind");
    command.args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*measured*", "--quiet"]);
    command.arg(format!("--callgrind-out-file={}", out.display()));
    // An environment of another size would move the stack.
    command.arg(program).args([part, &CALLS.to_string()]);
    command.env_clear().env("PATH", "/usr/bin:/bin");
    shell::output(&mut command)?;
    let text = fs::read_to_string(out).with_context(|| format!("cannot read {}", out.display()))?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: Option<u64> = totals.and_then(|count| count.trim().parse().ok());
    match total {
        Some(total) if total > 0 => Ok(total),
        _ => bail!("callgrind counted nothing in `{part}`: it has found no `measured`"),
    }
}

fn compare(counts: &Counts, baseline: &Counts) -> Result<()> {
    let mut risen = Vec::new();
    println!("| part | instructions | before | change |");
    println!("|---|---:|---:|---:|");
    for (part, now) in counts {
        let Some(before) = baseline.get(part) else { bail!("`{part}` is not in {BASELINE}\n{HINT}") };
        let change = now / before - 1.0;
        let remark = match change {
            change if change > RISE_MAX => "too much",
            change if change > TOLD => "risen",
            change if change < -TOLD => "fallen",
            _ => "",
        };
        println!("| {part} | {now:.0} | {before:.0} | {:+.1} % {remark} |", change * 100.0);
        if change > RISE_MAX {
            risen.push(part.as_str());
        }
    }
    if !risen.is_empty() {
        bail!("more than {:.0} % more instructions: {}\n{HINT}", RISE_MAX * 100.0, risen.join(", "));
    }
    Ok(())
}

const PARTS: &[&str] =
    &["count", "decide", "derive", "hello", "limit", "log", "lookup", "parse", "print", "record"];

const CALLS: u32 = 20_000;

/// A change by more than this is said.
const TOLD: f64 = 0.02;

/// A rise by more than this is an error: above what another processor makes of it.
const RISE_MAX: f64 = 0.25;

const BASELINE: &str = "bench/instructions.json";

const HINT: &str = "hint: if that is what the change is worth, `cargo xtask bench --instructions --write` makes it the new baseline";

#[cfg(test)]
mod tests {
    use super::{Counts, compare};

    #[test]
    fn only_a_large_rise_is_an_error() {
        let counts = |decide: f64| Counts::from([("decide".to_owned(), decide)]);
        assert!(compare(&counts(1_200.0), &counts(1_000.0)).is_ok());
        assert!(compare(&counts(100.0), &counts(1_000.0)).is_ok());
        assert!(compare(&counts(1_251.0), &counts(1_000.0)).is_err());
        assert!(compare(&counts(1_000.0), &Counts::new()).is_err());
    }
}
