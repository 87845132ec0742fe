//! The `seawall` command.

use std::process::ExitCode;

use seawall::{app, cli};

/// Allocation is on the way of every exchange that is not refused; mimalloc halves its cost beside glibc's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    app::run(cli::parse())
}
