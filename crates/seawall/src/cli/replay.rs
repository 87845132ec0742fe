//! The command line of `replay`.

use std::path::PathBuf;

use clap::Args;

use super::{Format, Logs};

pub(super) const EXAMPLES: &str = "\
Examples:
  seawall replay --rules rules.toml /var/log/nginx/access.log*
  seawall replay --rules rules.toml --trusted-hops fastly access.log.gz
  seawall replay --config /etc/seawall/seawall.toml --format json access.log
  seawall replay --rules rules.toml --print-matched access.log | head
  ssh www cat access.log | seawall replay --rules rules.toml -";

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["rules", "config"]))]
pub struct Replay {
    /// A file of `[[rule]]` tables, `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// A configuration, whose rules come after those of the file, then its limits; its `[client]` says who is the client
    #[arg(long, value_name = "CONFIG", conflicts_with = "trusted_hops")]
    pub config: Option<PathBuf>,
    /// What is to be read.
    #[command(flatten)]
    pub logs: Logs,
    /// Print file, line number and rule of each match, and nothing else
    #[arg(long)]
    pub print_matched: bool,
    /// How to print what was found; matches as one JSON object a line
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}
