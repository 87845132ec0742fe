//! Running other programs: from the workspace root, output passed through, failure an error that names the command.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The workspace root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("invariant: xtask/ is inside the workspace")
        .to_owned()
}

/// Where cargo puts what it builds for the workspace.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// A folder under `target/` for tools that only the chores use; made when missing.
pub(crate) fn tools_dir() -> PathBuf {
    target_dir().join("tools")
}

/// `cargo`, with the toolchain that runs us.
pub(crate) fn cargo() -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A command in the workspace root that reads nothing.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs to the end; an exit status other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", line(command));
    }
    Ok(())
}

/// Runs to the end and gives what it printed; on failure both streams are in the error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run `{}`", line(command)))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed: {}\n{printed}{complaint}", line(command), output.status);
    }
    Ok(printed)
}

/// Where a program is, if it is anywhere: as it stands when it is a path, else in `target/tools/bin`, `PATH`, `/usr/sbin`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.exists());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = vec![tools_dir().join("bin")];
    folders.extend(env::split_paths(&path));
    // A user's PATH often lacks it, and nginx and Apache live there.
    folders.push(PathBuf::from("/usr/sbin"));
    folders.into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// The command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let mut line =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let _ = write!(line, " {}", argument.to_string_lossy());
    }
    line
}

/// Runs to the end and gives what it complained of, whatever its exit status.
pub(crate) fn complaints(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run `{}`", line(command)))?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The version of an installed package of the distribution.
pub(crate) fn package_version(name: &str) -> Result<String> {
    output(command("dpkg-query").args(["--show", "--showformat=${Version}", name]))
}
