//! Checks the systemd units in `packaging/systemd/`: no unknown or misspelt setting, and an exposure that stays low.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// `systemd-analyze verify` and `security`, both without a running systemd.
pub(crate) fn verify() -> Result<()> {
    let analyze = shell::find("systemd-analyze")
        .context("systemd-analyze is missing\nhint: run `cargo xtask setup`")?;
    let root = image()?;
    let units = root.join("etc/systemd/system");
    let mut verify = shell::command(&analyze);
    verify.arg("verify").arg("--man=no").arg(format!("--root={}", root.display())).args(UNITS);
    let complaints = shell::complaints(&mut verify)?;
    if !complaints.is_empty() {
        bail!("systemd-analyze verify complains:\n{complaints}");
    }
    let mut security = shell::command(&analyze);
    security.args(["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE_MAX]);
    security.arg(units.join("seawall.service"));
    let report = shell::output(&mut security)?;
    let overall = report.lines().rev().find(|line| line.contains("Overall exposure level"));
    println!(
        "units: {}",
        overall.context("systemd-analyze security printed no level")?.trim_start_matches(['→', ' '])
    );
    Ok(())
}

/// A folder laid out as an installed system, since `verify` wants each program that a unit names to exist.
fn image() -> Result<PathBuf> {
    let root = shell::target_dir().join("units");
    let units = root.join("etc/systemd/system");
    fs::create_dir_all(&units)?;
    for unit in UNITS {
        fs::copy(shell::root().join("packaging/systemd").join(unit), units.join(unit))?;
    }
    for target in TARGETS {
        fs::write(units.join(target), "[Unit]\n")?;
    }
    for program in ["usr/bin/seawall", "bin/kill"] {
        place_program(&root.join(program))?;
    }
    Ok(root)
}

fn place_program(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, "")?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

const UNITS: &[&str] = &["seawall.service", "seawall.socket"];

/// What every system has, and units depend on by default or by our word.
const TARGETS: &[&str] = &[
    "basic.target",
    "multi-user.target",
    "network-online.target",
    "shutdown.target",
    "sockets.target",
    "sysinit.target",
];

/// In tenths, as systemd-analyze counts: 2.0 is "OK"; services without hardening are above 9.
const EXPOSURE_MAX: &str = "20";
