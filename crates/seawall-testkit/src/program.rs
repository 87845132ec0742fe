//! Finding the programs that tests run.

use std::env;
use std::path::PathBuf;

/// Where a program is; panics with the command that installs it when it is nowhere.
#[track_caller]
pub fn find_program(name: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    // A user's PATH often lacks it, and nginx and Apache live there.
    folders.push(PathBuf::from("/usr/sbin"));
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed\nhint: run `cargo xtask setup`"))
}

/// Whether servers are started by root, and must be told whom to serve as.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
