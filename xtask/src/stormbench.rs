//! `cargo xtask stormbench`: how well storms are named, on traffic that is made from seeds.
//!
//! What it runs is the package `seawall-stormbench`, built with the release profile. Two peers need the lists and parameters of
//! their packages: those are downloaded from the distribution and unpacked beside the build, not installed, for CrowdSec's
//! installation registers with a service.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::shell;

/// What to play.
#[derive(Args)]
pub(crate) struct Options {
    /// Passed on: `--list`, `--scenario NAME`, `--site SITE`, `--seeds N`, `--alone`, `--explain`, `--format json`,
    /// `--write`, `--help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if let Err(error) = unpack() {
        eprintln!("stormbench: {error:#}");
    }
    shell::run(shell::cargo().args(["build", "--release", "--package", "seawall-stormbench", "--locked"]))?;
    let status =
        shell::command(shell::target_dir().join("release/stormbench")).args(&options.options).status()?;
    if !status.success() {
        bail!("not all goals are met");
    }
    Ok(())
}

/// Unpacks what is neither installed nor unpacked.
fn unpack() -> Result<()> {
    let folder = shell::tools_dir().join("packages");
    for (package, file) in PACKAGES {
        if Path::new(file).exists() || folder.join(file.trim_start_matches('/')).exists() {
            continue;
        }
        println!("stormbench: apt-get download {package}, for its lists");
        fs::create_dir_all(&folder)?;
        shell::run(shell::command("apt-get").args(["download", "-q", package]).current_dir(&folder))
            .with_context(|| format!("without {package}"))?;
        let archive = fs::read_dir(&folder)?.flatten().map(|entry| entry.path()).find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&format!("{package}_")) && name.ends_with(".deb")
        });
        let archive = archive.with_context(|| format!("{package} was downloaded and is not there"))?;
        shell::run(shell::command("dpkg-deb").arg("--extract").arg(archive).arg(&folder))?;
    }
    Ok(())
}

/// By a file that shows that it is there.
const PACKAGES: &[(&str, &str)] = &[
    ("fail2ban", "/etc/fail2ban/filter.d/apache-badbots.conf"),
    ("crowdsec", "/usr/share/crowdsec/hub/scenarios/crowdsecurity/http-crawl-non_statics.yaml"),
];
