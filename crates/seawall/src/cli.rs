//! The command line.

mod analyze;
mod ca;
mod logs;
mod replay;
mod storms;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use seawall_export::{Source as ImportSource, Target as ExportTarget};

pub use self::analyze::{Analyze, AnalyzeFormat};
pub use self::ca::{Ca, CaBuild, CaContent, CaDiff, CaPublish, CaSite, CaWatch, DiffFormat, Fingerprints};
pub(crate) use self::logs::hops;
pub use self::logs::{Hops, Logs};
pub use self::replay::Replay;
pub use self::storms::{Evidence, ReportFormat, Storms, StormsCommand};

/// An edge in front of a web site: applies rules and limits fairly, and tells whoever it refused why.
#[derive(Debug, Parser)]
#[command(name = "seawall", version, disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Make, verify, compare and publish CA bundles from Mozilla's certdata.txt
#[derive(Debug, Parser)]
#[command(name = "ca", bin_name = "seawall ca", disable_help_subcommand = true)]
struct CaAlone {
    #[command(subcommand)]
    command: Ca,
}

/// Reads the command line of this process; when it is wrong, or asks for help, the process ends.
///
/// To set up all commands takes longer than to parse a certdata.txt, so that for `ca` only its own are.
pub fn parse() -> Command {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|first| first == "ca").is_some() {
        return Command::Ca(CaAlone::parse_from(std::iter::once(OsString::from("ca")).chain(args)).command);
    }
    Cli::parse().command
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Stand in front of a site: proxy, apply rules and limits, explain refusals
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
    /// Say everything that is wrong with a configuration
    Check(Check),
    /// Open a receipt: tell which rule or limit refused a request, and why
    Why(Why),
    /// List and change the rules of a running process
    #[command(subcommand)]
    Rules(Rules),
    /// List storms: what is new in the traffic of a running process and costs much; the status is 1 where they are not
    /// looked for
    Storms(Storms),
    /// Find storms and crowds in access logs of any server, with the rule that each storm would get
    #[command(after_help = analyze::EXAMPLES)]
    Analyze(Analyze),
    /// Try rules on access logs of any server: tell what each would have done; the status is 1 where a log does not show
    /// what a rule asks for
    #[command(after_help = replay::EXAMPLES)]
    Replay(Replay),
    /// Purge stored responses of a running process
    #[command(after_help = PURGE_EXAMPLES)]
    Purge(Purge),
    /// Tell how a running process is doing
    Status(Status),
    /// Read the configuration of a running process again
    Reload(Target),
    /// Make, verify, compare and publish CA bundles from Mozilla's certdata.txt
    #[command(subcommand)]
    Ca(Ca),
    /// Write shell completions to standard output
    Completions {
        /// For which shell.
        shell: Shell,
    },
    /// Write the man page to standard output
    Man,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  seawall serve --origin http://127.0.0.1:8080
  seawall serve --files /srv/www --listen 127.0.0.1:8000
  seawall serve /etc/seawall/seawall.toml";

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["config", "origin", "files"]))]
pub struct Serve {
    /// The configuration file
    #[arg(value_name = "CONFIG", env = "SEAWALL_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Proxy every host to this origin, without a configuration file
    #[arg(long, value_name = "URL")]
    pub origin: Option<String>,
    /// Serve this folder, without a configuration file
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
    /// Listen here instead of where the configuration says; may be given several times
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<SocketAddr>,
    /// The admin API's address, on loopback
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// The state folder, for keys and for rules made at run time: /var/lib/seawall by default, without CONFIG and as
    /// another user than root ~/.local/state/seawall
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Speak TLS with a certificate made at start, for a trial; needs --origin or --files
    #[arg(long, conflicts_with = "config")]
    pub tls_self_signed: bool,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub struct Why {
    /// The code on the refusal; case, hyphens and spaces do not matter
    #[arg(value_name = "RECEIPT", required = true, num_args = 1..)]
    pub receipt: Vec<String>,
    /// The state folder that holds the key
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// How to print the explanation
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Commands on rules.
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// List rules and limits, with what they have matched
    List {
        /// Where the process is.
        #[command(flatten)]
        target: Target,
        /// How to print them
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Tell all that is known of a rule
    Show {
        /// The rule
        name: String,
        /// Where the process is.
        #[command(flatten)]
        target: Target,
        /// How to print it
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Put a rule in force that is proposed against a storm: `seawall storms` shows which
    #[command(after_help = ACCEPT_EXAMPLES)]
    Accept {
        /// The proposal
        proposal: String,
        /// Whether the rule acts, or only counts what it would do
        #[arg(long, value_enum, default_value_t)]
        mode: AcceptedMode,
        /// For how long, such as 90m, 24h or 7d; without it, as proposed, and prolonged while the storm lasts where
        /// `renew` says so
        #[arg(long, value_name = "TIME", value_parser = ca::interval)]
        expires: Option<Duration>,
        /// Where the process is.
        #[command(flatten)]
        target: Target,
    },
    /// Say no to a proposal: it is not made again while its storm lasts
    Decline {
        /// The proposal
        proposal: String,
        /// Where the process is.
        #[command(flatten)]
        target: Target,
    },
    /// Add the rules of a file, or of standard input (`-`)
    Add {
        /// A file of `[[rule]]` tables
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Where the process is.
        #[command(flatten)]
        target: Target,
    },
    /// Apply a disabled rule again
    Enable {
        /// The rule
        name: String,
        /// Where the process is.
        #[command(flatten)]
        target: Target,
    },
    /// Stop applying a rule, but keep it
    Disable {
        /// The rule
        name: String,
        /// Where the process is.
        #[command(flatten)]
        target: Target,
    },
    /// Remove a rule that was added at run time; receipts of its refusals can still be opened
    Retire {
        /// The rule
        name: String,
        /// Where the process is.
        #[command(flatten)]
        target: Target,
    },
    /// Write rules in the language of another server or CDN; the status is 1 when it cannot say one of them
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(RulesExport),
    /// Read simple rules of another server's configuration, and print them as a rule file; what is not understood is left
    /// out and told, and the status is then 1
    Import {
        /// Whose configuration it is
        #[arg(long, value_name = "SOURCE", value_parser = import_sources())]
        from: ImportSource,
        /// The file, `-` for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

const ACCEPT_EXAMPLES: &str = "\
Examples:
  seawall rules accept p0XYZ34
  seawall rules accept p0XYZ34 --mode observe --expires 24h";

/// Whether an accepted rule acts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum AcceptedMode {
    /// It counts what it would do
    Observe,
    /// It acts
    #[default]
    Enforce,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  seawall rules export --to nginx --rules rules.toml --output /etc/nginx/snippets
  seawall rules export --to haproxy --approximate";

/// Arguments of `rules export`.
#[derive(Debug, Args)]
pub struct RulesExport {
    /// The language
    #[arg(long, value_name = "TARGET", value_parser = export_targets())]
    pub to: ExportTarget,
    /// A file of `[[rule]]` tables, `-` for standard input; without it, the rules and limits that a running process applies
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Write a wider or narrower rule where the target cannot say one exactly, and tell which
    #[arg(long)]
    pub approximate: bool,
    /// Write the files into this folder, instead of to standard output
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Where the process is.
    #[command(flatten)]
    pub target: Target,
}

fn import_sources() -> impl TypedValueParser<Value = ImportSource> {
    PossibleValuesParser::new(ImportSource::ALL.iter().map(|source| source.as_str()))
        .try_map(|name| name.parse::<ImportSource>())
}

fn export_targets() -> impl TypedValueParser<Value = ExportTarget> {
    PossibleValuesParser::new(ExportTarget::ALL.iter().map(|target| target.as_str()))
        .try_map(|name| name.parse::<ExportTarget>())
}

const PURGE_EXAMPLES: &str = "\
Examples:
  seawall purge --url https://site.example/feed
  seawall purge --prefix https://site.example/static/ --soft
  seawall purge --key article-17";

/// Arguments of `purge`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("selector").required(true).args(["url", "prefix", "key", "all"]))]
pub struct Purge {
    /// All variants of this URL, over http and https; parameters that the site's cache does not tell apart do not matter
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// All that begins so, over http and https; with scheme and host
    #[arg(long, value_name = "URL")]
    pub prefix: Option<String>,
    /// All that the origin gave this surrogate key, at every site
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Everything, of every site
    #[arg(long)]
    pub all: bool,
    /// Let it count as stale instead: validated before use, and served stale where the response permits that
    #[arg(long)]
    pub soft: bool,
    /// Where the process is.
    #[command(flatten)]
    pub target: Target,
    /// How to print what was purged
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Where the process is.
    #[command(flatten)]
    pub target: Target,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How to reach a running process.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// The admin API's address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9180")]
    pub admin: SocketAddr,
    /// The state folder that holds its token
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// How facts are printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// For a person
    #[default]
    Text,
    /// For a program
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn ca_alone_answers_as_the_whole_does() {
        let answer = |command: clap::Command, name: &[&str], rest: &str| {
            let line = name.iter().copied().chain(rest.split_whitespace());
            let error = command.try_get_matches_from(line).expect_err("neither builds a bundle");
            (error.exit_code(), error.render().to_string())
        };
        for rest in [
            "",
            "--help",
            "-h",
            "help",
            "help build",
            "-V",
            "nonsense",
            "build",
            "build --help",
            "build -h",
            "build certdata.txt -o x -w 0",
            "build certdata.txt -o x -p SERVERS:ALL",
            "verify --help",
            "list --help",
            "diff one",
            "publish --help",
            "watch --help",
            "watch --evry 1h",
        ] {
            assert_eq!(
                answer(CaAlone::command(), &["ca"], rest),
                answer(Cli::command(), &["seawall", "ca"], rest),
                "{rest}"
            );
        }
    }
}
