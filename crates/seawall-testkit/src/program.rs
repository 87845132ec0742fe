//! Finding the programs that tests run.

use std::env;
use std::path::{Path, PathBuf};

/// Where a program is; panics with the command that installs it when it is nowhere.
#[track_caller]
pub fn find_program(name: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    // A user's PATH often lacks it, and nginx and Apache live there.
    folders.push(PathBuf::from("/usr/sbin"));
    folders.insert(0, tools());
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed\nhint: run `cargo xtask setup`"))
}

/// Where `cargo xtask setup` puts what the distribution does not have.
fn tools() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    target.join("tools/bin")
}

/// Whether servers are started by root, and must be told whom to serve as.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
