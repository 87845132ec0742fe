//! The command line of `analyze`.

use std::path::PathBuf;

use clap::Args;

use super::{Format, Logs};

pub(super) const EXAMPLES: &str = "\
Examples:
  seawall analyze /var/log/nginx/access.log*
  seawall analyze --trusted-hops fastly --format json access.log.gz
  seawall analyze --rules-out rules.toml access.log && seawall replay --rules rules.toml access.log";

/// Arguments of `analyze`.
#[derive(Debug, Args)]
pub struct Analyze {
    /// What is to be read.
    #[command(flatten)]
    pub logs: Logs,
    /// Write the rules proposed against storms into this file, as a rule file; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    pub rules_out: Option<PathBuf>,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}
