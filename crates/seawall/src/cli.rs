//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use seawall_certdata::Selection;

/// An edge in front of a web site: applies rules and limits fairly, and tells whoever it refused why.
#[derive(Debug, Parser)]
#[command(name = "seawall", version, disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
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
    /// Tell how a running process is doing
    Status(Status),
    /// Read the configuration of a running process again
    Reload(Target),
    /// Make CA bundles from Mozilla's certdata.txt, and tell releases of it apart
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
}

/// Commands on certdata.txt, the file of root certificates in Mozilla's NSS.
#[derive(Debug, Subcommand)]
pub enum Ca {
    /// Write a PEM bundle: what curl's mk-ca-bundle writes, but for the lines that name source and tool
    #[command(after_help = CA_BUILD_EXAMPLES)]
    Build(CaBuild),
    /// List the roots of a certdata.txt, with what they are trusted for
    List {
        /// The certdata.txt
        #[arg(value_name = "CERTDATA")]
        certdata: PathBuf,
        /// How to print them
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Tell which roots were added, removed or changed; the status is 1 when any was
    Diff {
        /// The earlier certdata.txt
        #[arg(value_name = "OLD")]
        old: PathBuf,
        /// The later certdata.txt
        #[arg(value_name = "NEW")]
        new: PathBuf,
        /// How to print the differences
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

const CA_BUILD_EXAMPLES: &str = "\
Examples:
  seawall ca build certdata.txt -o cacert.pem
  seawall ca build certdata.txt -o mail.pem -p EMAIL_PROTECTION:TRUSTED_DELEGATOR -w 64";

/// Arguments of `ca build`.
#[derive(Debug, Args)]
pub struct CaBuild {
    /// The certdata.txt
    #[arg(value_name = "CERTDATA")]
    pub certdata: PathBuf,
    /// Where the bundle goes, replaced in one step; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Take roots with any of these trust purposes at any of these levels; ALL stands for all
    #[arg(
        short,
        long = "purposes",
        value_name = "PURPOSE,…:LEVEL,…",
        default_value = "SERVER_AUTH:TRUSTED_DELEGATOR"
    )]
    pub purposes: Selection,
    /// Characters of base64 in a line
    #[arg(short, long, value_name = "CHARS", default_value_t = 76, value_parser = clap::value_parser!(u16).range(1..))]
    pub width: u16,
    /// Put issuer, dates and fingerprints above each certificate
    #[arg(short, long)]
    pub meta: bool,
    /// Leave out roots whose distrust-after date for the wanted purpose has passed; stricter than Mozilla, which goes on
    /// trusting what they issued earlier
    #[arg(long)]
    pub distrust_after: bool,
    /// Refuse to replace a bundle by one that has lost more than this share of its certificates, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub shrink_limit: u8,
    /// Where the header says that the certdata.txt comes from; its path by default
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// Leave out what has expired at this time, in seconds since 1970, instead of now
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub at: Option<i64>,
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
