//! `seawall ca`: bundles of root certificates, and what certdata.txt says.

mod build;
mod show;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use seawall_certdata::Certdata;

use crate::cli::Ca;
use crate::output;

pub(crate) fn run(command: Ca) -> ExitCode {
    let done = match command {
        Ca::Build(args) => build::run(&args),
        Ca::List { certdata, format } => show::list(&certdata, format),
        Ca::Diff { old, new, format } => show::diff(&old, &new, format),
    };
    done.unwrap_or_else(output::wrong)
}

/// A certdata.txt, and when it was last changed, in seconds since 1970.
fn read(path: &Path) -> Result<(Certdata, i64), String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let file = File::open(path).map_err(failed)?;
    let changed = file.metadata().and_then(|found| found.modified()).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(CERTDATA_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > CERTDATA_BYTES_MAX {
        let limit = CERTDATA_BYTES_MAX >> 20;
        return Err(format!("{} is larger than {limit} MiB: not a certdata.txt", path.display()));
    }
    let certdata = Certdata::parse(&bytes).map_err(|fault| format!("{}: {fault}", path.display()))?;
    Ok((certdata, seconds(changed)))
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

/// The file of 2025 has 1.6 MiB.
const CERTDATA_BYTES_MAX: u64 = 64 << 20;
