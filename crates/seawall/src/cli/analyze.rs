//! The command line of `analyze`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Logs;

pub(super) const EXAMPLES: &str = "\
Examples:
  seawall analyze /var/log/nginx/access.log*
  seawall analyze --trusted-hops fastly --format json access.log.gz
  seawall analyze --where 'user-agent ~ QQ' --by path,network access.log
  seawall analyze --where 'status >= 500' --by hour,path --top 20 access.log
  seawall analyze --format html access.log > analysis.html
  seawall analyze --follow /var/log/nginx/access.log
  seawall analyze --rules-out rules.toml access.log && seawall replay --rules rules.toml access.log

Facts of --where and --by:
  status, method, protocol, host, path, path-prefix (/2, /3: so many segments), extension, query-shape, user-agent,
  product, referer (its host), client, network (/22, /20, /16: wider ones), country, asn, tls-fingerprint, cache,
  hour, day, hour-of-day, weekday

Conditions of --where:
  FACT = TEXT, != TEXT       the whole value            FACT in A,B, not in A,B   one of these; of client: networks
  FACT ~ REGEX, !~ REGEX     a regular expression       FACT absent, present
  FACT ^= TEXT, $= TEXT, *= TEXT    beginning, end, any part
  FACT >= N, <= N, > N, < N         of status, bytes, asn, hour-of-day
  or as rules write it: path = { prefix = \"/ca/\" }";

/// Arguments of `analyze`.
#[derive(Debug, Args)]
pub struct Analyze {
    /// What is to be read.
    #[command(flatten)]
    pub logs: Logs,
    /// Take trusted hops, what counts as a storm, who is declared good, and databases of places from a configuration;
    /// what is said here counts more
    #[arg(long, value_name = "CONFIG")]
    pub config: Option<PathBuf>,
    /// Databases in MaxMind's format, for country and asn
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    pub geo: Vec<PathBuf>,
    /// Count only requests of which this holds; if given several times, all must. Storms are looked for in all requests
    #[arg(long = "where", value_name = "CONDITION")]
    pub conditions: Vec<String>,
    /// Print a table of requests, share, bytes and distinct clients by the values of these facts, with commas between
    /// them, and as text only that; may be given several times
    #[arg(long, value_name = "FACTS")]
    pub by: Vec<String>,
    /// How many values of each fact, or rows of each table, to print: 10 without it, 5 as text, and all as CSV
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Read on as logs grow, through rotation, and tell of storms when they begin, change and end; Ctrl-C ends it, with the
    /// sum of it all. A log need not be there yet
    #[arg(long)]
    pub follow: bool,
    /// Write the rules proposed against storms into this file, as a rule file; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    pub rules_out: Option<PathBuf>,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t)]
    pub format: AnalyzeFormat,
}

/// How what was found is printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum AnalyzeFormat {
    /// For a person
    #[default]
    Text,
    /// For a program
    Json,
    /// The tables of --by, as comma-separated values
    Csv,
    /// As a page that needs nothing else
    Html,
}
