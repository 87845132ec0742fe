//! The command line of storms.

use clap::{Args, Subcommand};

use super::{Format, Target};

/// Arguments of `storms`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = STORMS_EXAMPLES)]
pub struct Storms {
    /// What to tell; without it, the list.
    #[command(subcommand)]
    pub command: Option<StormsCommand>,
    /// Where the process is.
    #[command(flatten)]
    pub target: Target,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

const STORMS_EXAMPLES: &str = "\
Examples:
  seawall storms
  seawall storms show s4KQ7ZP
  seawall rules accept p0XYZ34 --expires 24h";

/// What to tell of storms.
#[derive(Debug, Subcommand)]
pub enum StormsCommand {
    /// Tell all that is known of a storm
    Show {
        /// The storm
        #[arg(value_name = "ID")]
        id: String,
        /// Where the process is.
        #[command(flatten)]
        target: Target,
        /// How to print it
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}
