//! `seawall ca`: bundles of root certificates, and what certdata.txt says.

mod build;
mod content;
mod examine;
mod fetch;
mod list;
mod markdown;
mod publish;
mod replace;
mod show;
mod watch;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use seawall_certdata::{Certdata, Fault};

use crate::cli::Ca;
use crate::output;

pub(crate) fn run(command: Ca) -> ExitCode {
    let done = match command {
        Ca::Build(args) => build::run(&args),
        Ca::Verify { certdata, format, at, strict } => {
            examine::run(&certdata, format, at.unwrap_or_else(now), strict)
        }
        Ca::List { certdata, format } => list::run(&certdata, format),
        Ca::Diff(args) => show::diff(&args),
        Ca::Publish(args) => publish::run(&args),
        Ca::Watch(args) => watch::run(&args),
    };
    done.unwrap_or_else(output::wrong)
}

/// A certdata.txt that was read or fetched.
struct Source {
    bytes: Vec<u8>,
    certdata: Certdata,
    /// When it was last changed, in seconds since 1970.
    changed: i64,
}

impl Source {
    /// From a file.
    fn open(path: &Path) -> Result<Self, String> {
        let (bytes, changed) = load(path)?;
        Self::parse(bytes, changed, &path.display().to_string())
    }

    /// From its octets; `name` is where they come from.
    fn parse(bytes: Vec<u8>, changed: i64, name: &str) -> Result<Self, String> {
        let certdata = Certdata::parse(&bytes).map_err(|fault| told(&fault, &bytes, name))?;
        Ok(Self { bytes, certdata, changed })
    }
}

/// What is wrong with the octets from `name`, with a hint for who took the one file for the other.
fn told(fault: &Fault, bytes: &[u8], name: &str) -> String {
    if bytes.windows(PEM.len()).any(|window| window == PEM) {
        return format!(
            "{name}: {fault} (hint: this is PEM, as a CA bundle is; give the certdata.txt that bundles are made from)"
        );
    }
    format!("{name}: {fault}")
}

/// The octets of a file, and when it was last changed.
fn load(path: &Path) -> Result<(Vec<u8>, i64), String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    let changed = found.modified().map_err(failed)?;
    let size = found.len().min(CERTDATA_BYTES_MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    file.take(CERTDATA_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > CERTDATA_BYTES_MAX {
        let limit = CERTDATA_BYTES_MAX >> 20;
        return Err(format!("{} is larger than {limit} MiB: not a certdata.txt", path.display()));
    }
    Ok((bytes, seconds(changed)))
}

/// The time, in seconds since 1970.
fn now() -> i64 {
    seconds(SystemTime::now())
}

/// Seconds since 1970, rounded down.
fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let whole = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            -whole - i64::from(before.subsec_nanos() > 0)
        }
    }
}

/// What PEM begins with, and certdata.txt nowhere has.
const PEM: &[u8] = b"-----BEGIN ";
/// What the header of a bundle says of the program that wrote it.
const TOOL: &str = concat!("seawall ca build version ", env!("CARGO_PKG_VERSION"));
/// The file of 2025 has 1.6 MiB.
const CERTDATA_BYTES_MAX: u64 = 64 << 20;
