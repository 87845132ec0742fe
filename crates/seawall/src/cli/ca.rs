//! The command line of `seawall ca`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use seawall_certdata::{Fingerprint, Selection, SelectionError};

use super::Format;

/// Commands on certdata.txt, the file of root certificates in Mozilla's NSS.
#[derive(Debug, Subcommand)]
pub enum Ca {
    /// Write a PEM bundle: what curl's mk-ca-bundle writes, but for the lines that name source and tool
    #[command(after_help = CA_BUILD_EXAMPLES)]
    Build(Box<CaBuild>),
    /// Look closely at each root of a certdata.txt: signature, validity, key, hashes; the status is 1 when one has a
    /// problem, and 2 when the file is damaged
    Verify {
        /// The certdata.txt
        #[arg(value_name = "CERTDATA")]
        certdata: PathBuf,
        /// How to print what was found
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        /// Judge validity at this time, in seconds since 1970, instead of now
        #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
        at: Option<i64>,
        /// Let remarks count as problems, too
        #[arg(long)]
        strict: bool,
    },
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
    Diff(CaDiff),
    /// Make a folder that is ready to serve: bundle, dated revisions, checksums, page and feed of changes
    #[command(after_help = CA_PUBLISH_EXAMPLES)]
    Publish(Box<CaPublish>),
    /// Fetch certdata.txt on a schedule, verify it, and publish it when the bundle changes
    #[command(after_help = CA_WATCH_EXAMPLES)]
    Watch(Box<CaWatch>),
}

const CA_BUILD_EXAMPLES: &str = "\
Examples:
  seawall ca build certdata.txt -o cacert.pem
  seawall ca build certdata.txt -o cacert.txt -t -s SHA256,SHA512
  seawall ca build certdata.txt -o mail.pem -p EMAIL_PROTECTION:TRUSTED_DELEGATOR -w 64";

const CA_PUBLISH_EXAMPLES: &str = "\
Examples:
  seawall ca publish certdata.txt --into /srv/ca --url https://example.org/ca/
  seawall serve --files /srv";

const CA_WATCH_EXAMPLES: &str = "\
Examples:
  seawall ca watch --from https://example.net/certdata.txt --into /srv/ca --url https://example.org/ca/
  seawall ca watch --from https://example.net/certdata.txt --into /srv/ca --url https://example.org/ca/ --once";

/// Which roots a bundle holds, and how it looks.
#[derive(Clone, Debug, Args)]
pub struct CaContent {
    /// Take roots with any of these trust purposes at any of these levels; ALL stands for all
    #[arg(
        short,
        long = "purposes",
        value_name = "PURPOSE,…:LEVEL,…",
        default_value = "SERVER_AUTH:TRUSTED_DELEGATOR"
    )]
    pub purposes: Selection,
    /// Characters of base64 in a line; with --text it is 64
    #[arg(short, long, value_name = "CHARS", default_value_t = 76, value_parser = clap::value_parser!(u16).range(1..))]
    pub width: u16,
    /// Put issuer, dates and fingerprints above each certificate, as certdata.txt has them
    #[arg(short, long)]
    pub meta: bool,
    /// Put trust, fingerprints and the whole text of each certificate above it, as `openssl x509 -text` prints it
    #[arg(short, long)]
    pub text: bool,
    /// Algorithms of the fingerprints that --text prints: SHA256, SHA384, SHA512 or ALL
    #[arg(short = 's', long, value_name = "ALGORITHM,…", default_value = "SHA256", value_parser = fingerprints)]
    pub fingerprints: Fingerprints,
    /// Leave out roots whose distrust-after date for the wanted purpose has passed; stricter than Mozilla, which goes on
    /// trusting what they issued earlier
    #[arg(long, alias = "honour-distrust-after")]
    pub distrust_after: bool,
    /// Refuse to replace a bundle by one that has lost more than this share of its certificates, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub shrink_limit: u8,
}

/// Several algorithms, in the order given.
pub type Fingerprints = std::sync::Arc<[Fingerprint]>;

fn fingerprints(text: &str) -> Result<Fingerprints, SelectionError> {
    seawall_certdata::words(text, Fingerprint::ALL).map(Into::into)
}

/// Arguments of `ca build`.
#[derive(Debug, Args)]
pub struct CaBuild {
    /// The certdata.txt: a path, or an https:// URL
    #[arg(value_name = "CERTDATA")]
    pub certdata: String,
    /// Where the bundle goes, replaced in one step; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Which roots, and how they look.
    #[command(flatten)]
    pub content: CaContent,
    /// Keep the bundle that is replaced, as FILE.~1~, FILE.~2~ and so on
    #[arg(short, long)]
    pub backup: bool,
    /// Print the licence of certdata.txt, where it states one in a licence block
    #[arg(short, long)]
    pub licence: bool,
    /// Say nothing but what goes wrong
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say of each root whether it was taken, and why not
    #[arg(short, long)]
    pub verbose: bool,
    /// Fetch from an http:// URL too: whoever is on the way can change what arrives
    #[arg(short = 'k', long)]
    pub allow_http: bool,
    /// Trust the anchors in this PEM file instead of the system's when fetching
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Where the header says that the certdata.txt comes from; by default where it was read
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// Leave out what has expired at this time, in seconds since 1970, instead of now
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub at: Option<i64>,
}

/// Arguments of `ca diff`.
#[derive(Debug, Args)]
pub struct CaDiff {
    /// The earlier certdata.txt
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The later certdata.txt
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// How to print the differences
    #[arg(long, value_enum, default_value_t)]
    pub format: DiffFormat,
}

/// How differences are printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum DiffFormat {
    /// For a person
    #[default]
    Text,
    /// For a page or a message
    Markdown,
    /// For a program
    Json,
}

/// Where and as what a bundle is published.
#[derive(Clone, Debug, Args)]
pub struct CaSite {
    /// The folder to publish in; made when it is missing
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
    /// Where the public finds the folder: page and feed name it
    #[arg(long, value_name = "URL", value_parser = base_url)]
    pub url: String,
    /// What the page is called
    #[arg(long, value_name = "TEXT", default_value = "CA certificates from Mozilla")]
    pub title: String,
    /// How many revisions stay in the folder
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep: u16,
}

/// A URL that ends in a slash, so that names can follow.
fn base_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
    });
    if !plain || text.contains(['?', '#']) {
        return Err("not an http:// or https:// URL of a folder".to_owned());
    }
    Ok(format!("{}/", text.trim_end_matches('/')))
}

/// Arguments of `ca publish`.
#[derive(Debug, Args)]
pub struct CaPublish {
    /// The certdata.txt
    #[arg(value_name = "CERTDATA")]
    pub certdata: PathBuf,
    /// Where to.
    #[command(flatten)]
    pub site: CaSite,
    /// Which roots, and how they look.
    #[command(flatten)]
    pub content: CaContent,
    /// Where the header says that the certdata.txt comes from; its path by default
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// Publish as of this time, in seconds since 1970, instead of now
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub at: Option<i64>,
}

/// Arguments of `ca watch`.
#[derive(Debug, Args)]
pub struct CaWatch {
    /// Where certdata.txt is fetched from: an https:// URL
    #[arg(long, value_name = "URL")]
    pub from: String,
    /// Where to.
    #[command(flatten)]
    pub site: CaSite,
    /// Which roots, and how they look.
    #[command(flatten)]
    pub content: CaContent,
    /// How often to look: 30m, 12h, 1d
    #[arg(long, value_name = "TIME", default_value = "12h", value_parser = interval)]
    pub every: Duration,
    /// Look once, and end: 0 published or nothing new, 1 refused, 2 not fetched or damaged
    #[arg(long)]
    pub once: bool,
    /// Fetch from an http:// URL too: whoever is on the way can change what arrives
    #[arg(short = 'k', long)]
    pub allow_http: bool,
    /// Publish a file too that its server dates earlier than the one fetched last
    #[arg(long)]
    pub allow_older: bool,
    /// Trust the anchors in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// A number with `s`, `m`, `h` or `d`, from a second to a year.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let seconds = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)]
        .iter()
        .find_map(|&(unit, seconds)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(seconds));
    let seconds = seconds.filter(|seconds| (1..=YEAR_SECONDS).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "not a time such as 30m, 12h or 1d".to_owned())
}

const YEAR_SECONDS: u64 = 365 * 86_400;
