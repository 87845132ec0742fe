//! The command line of storms.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
  seawall storms report s4KQ7ZP -o storm.html
  seawall storms report s4KQ7ZP --format note
  seawall storms evidence s4KQ7ZP --open
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
    /// Write a report of a storm that needs nothing else: a page of HTML or Markdown, or a note to the maker of the software
    ///
    /// No address is in it, and a network only with enough clients behind it.
    Report {
        /// The storm
        #[arg(value_name = "ID")]
        id: String,
        /// Where to write it; a file that is there is replaced. Standard output if it is left out
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// What to write; by the file's name if it is left out: html for .html, json for .json, else markdown
        #[arg(long, value_enum)]
        format: Option<ReportFormat>,
        /// Where the process is.
        #[command(flatten)]
        target: Target,
    },
    /// Look at what exchanges of a storm look like, or begin to collect it
    ///
    /// Evidence is up to 200 exchanges of one storm: names and order of their fields, length and type of their content. It has no
    /// address, and deletes itself after 72 hours. Evidence of one storm is collected at a time.
    Evidence(Evidence),
}

/// Arguments of `storms evidence`.
#[derive(Debug, Args)]
pub struct Evidence {
    /// The storm
    #[arg(value_name = "ID")]
    pub id: String,
    /// Begin to collect
    #[arg(long, conflicts_with = "delete")]
    pub open: bool,
    /// Keep the first 256 bytes of content as well: they may hold anything that clients send
    #[arg(long, requires = "open")]
    pub content: bool,
    /// How many exchanges to keep, 1 to 200
    #[arg(long, value_name = "N", requires = "open", value_parser = clap::value_parser!(u16).range(1..=200))]
    pub exchanges: Option<u16>,
    /// End collecting, and delete what was collected
    #[arg(long)]
    pub delete: bool,
    /// Where the process is.
    #[command(flatten)]
    pub target: Target,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What a report is written as.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ReportFormat {
    /// A page for a browser, with curves
    Html,
    /// A page for a mail or an issue
    Markdown,
    /// A short mail to the maker of the software
    Note,
    /// What the others are made from
    Json,
}
