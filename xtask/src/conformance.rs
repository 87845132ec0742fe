//! `cargo xtask conformance`: public suites against a running `seawall` in front of a real nginx.
//!
//! Each suite gives cases; a case fails unless `conformance/expected.toml` says that it will, and why. A case that
//! is listed there and passes fails too, so that the list stays true.

mod cache;
mod desync;
mod edge;
mod expected;
mod h2;
mod httpwg;
mod report;
mod slow;
mod testssl;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use edge::{Edge, Kind};
use expected::Expected;

/// What to run, and against what.
#[derive(Args)]
pub(crate) struct Options {
    /// Suites; all when none is named.
    suites: Vec<String>,
    /// List the suites.
    #[arg(long)]
    list: bool,
    /// The binary; built when absent.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// `seawall`, `nginx` (as a reverse proxy, for comparison), or the URL of a server that runs already. For the suite
    /// `cache` also `varnish`, `trafficserver`, `squid` and `apache`.
    #[arg(long, default_value = "seawall", value_name = "EDGE")]
    against: String,
    /// With a URL: the same server's TLS listener.
    #[arg(long, value_name = "URL")]
    tls: Option<String>,
    /// Print each case that passes, too.
    #[arg(long, short)]
    verbose: bool,
    /// Write the results to docs/conformance.md: all suites, or `cache` alone, beside other caches in any case.
    #[arg(long)]
    write: bool,
    /// For the suite `cache`: another copy of http-cache-tests than the one that was installed.
    #[arg(long, value_name = "FOLDER")]
    cache_tests: Option<PathBuf>,
}

/// One case of a suite.
pub(crate) struct Case {
    name: String,
    /// What was wrong.
    failure: Option<String>,
}

impl Case {
    fn new(name: impl Into<String>, failure: Option<String>) -> Self {
        Self { name: name.into(), failure }
    }

    /// A case that passes if `holds`.
    fn check(name: &str, holds: bool, otherwise: impl FnOnce() -> String) -> Self {
        Self::new(name, (!holds).then(otherwise))
    }
}

/// A public suite.
struct Suite {
    name: &'static str,
    what: &'static str,
    /// Of the tool or corpus.
    version: fn() -> Result<String>,
    run: Run,
}

impl Suite {
    /// Whether it is run against this server when no suite is named.
    fn is_for(&self, kind: &Kind) -> bool {
        match (self.run, kind) {
            (_, Kind::Seawall { .. } | Kind::Nginx) => true,
            (Run::Cache, Kind::Peer(_)) | (Run::Edge(_), Kind::Url { .. }) => true,
            (Run::Edge(_), Kind::Peer(_)) | (Run::Cache, Kind::Url { .. }) => false,
        }
    }
}

/// How a suite is run.
#[derive(Clone, Copy)]
enum Run {
    /// Against a server in front of nginx.
    Edge(fn(&Edge) -> Result<Vec<Case>>),
    /// The suite of caches, which brings its own origin.
    Cache,
}

/// The results of one suite.
struct Ran {
    suite: &'static Suite,
    version: String,
    cases: Vec<Case>,
    /// What the suite of caches found.
    caching: Option<cache::Results>,
}

/// Every suite against a `seawall` that is built when it is not.
pub(crate) fn run_all() -> Result<()> {
    let against = "seawall".to_owned();
    run(&Options {
        suites: vec![],
        list: false,
        binary: None,
        against,
        tls: None,
        verbose: false,
        write: false,
        cache_tests: None,
    })
}

/// Runs the suites that `options` name.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        SUITES.iter().for_each(|suite| println!("{:<14} {}", suite.name, suite.what));
        return Ok(());
    }
    if let Some(unknown) =
        options.suites.iter().find(|name| SUITES.iter().all(|suite| suite.name != name.as_str()))
    {
        bail!("there is no suite `{unknown}`\nhint: `cargo xtask conformance --list` lists them");
    }
    let kind = Kind::parse(&options.against, options.tls.as_deref(), options.binary.clone())?;
    let wanted = |suite: &&Suite| match options.suites.as_slice() {
        [] => suite.is_for(&kind),
        names => names.iter().any(|name| name == suite.name),
    };
    let expected = if kind.is_seawall() { Expected::read()? } else { Expected::default() };
    let mut results = Vec::new();
    for suite in SUITES.iter().filter(wanted) {
        results.push(run_suite(suite, &kind, &expected, options)?);
    }
    let wrong = report::print(&results, &expected, options.verbose);
    if options.write {
        write(&results, &expected, &kind)?;
    }
    // Another server's faults are facts to compare with, not errors of this repository.
    if wrong > 0 && kind.is_seawall() {
        bail!(
            "{wrong} cases are not as expected\nhint: mend, or give the reason in conformance/expected.toml"
        );
    }
    Ok(())
}

fn run_suite(suite: &'static Suite, kind: &Kind, expected: &Expected, options: &Options) -> Result<Ran> {
    let start = Instant::now();
    let (cases, caching) = match suite.run {
        Run::Edge(run) => (run(&kind.start()?)?, None),
        Run::Cache => {
            let results = cache::run(kind, options.cache_tests.as_deref(), expected.cases(suite.name))?;
            (results.cases(), Some(results))
        }
    };
    if cases.is_empty() {
        bail!("suite {} ran no case", suite.name);
    }
    eprintln!("{}: {} cases in {:.1} s", suite.name, cases.len(), start.elapsed().as_secs_f64());
    Ok(Ran { suite, version: (suite.version)()?, cases, caching })
}

/// Writes what was run: everything, or the part about caching alone.
fn write(results: &[Ran], expected: &Expected, kind: &Kind) -> Result<()> {
    let caching = results.iter().find_map(|ran| ran.caching.as_ref().map(|caching| (ran, caching)));
    let others: Vec<&Ran> = results.iter().filter(|ran| ran.caching.is_none()).collect();
    if !others.is_empty() && results.len() < SUITES.len() {
        bail!("a page of some suites would say nothing of the others\nhint: name none, or `cache` alone");
    }
    if !others.is_empty() {
        report::write(&others, expected, kind)?;
    }
    if let (true, Some((ran, caching))) = (kind.is_seawall(), caching) {
        let peers: Vec<cache::Results> = cache::Peer::ALL
            .iter()
            .map(|peer| cache::run(&Kind::Peer(*peer), None, std::iter::empty()))
            .collect::<Result<_>>()?;
        report::write_caching(&cache::section(caching, &peers, expected, &ran.version, &report::date()?))?;
    }
    Ok(())
}

const SUITES: &[Suite] = &[
    Suite {
        name: "httpwg",
        what: "HTTP/2 framing, streams and errors by RFC 9113 (httpwg-cli)",
        version: httpwg::version,
        run: Run::Edge(httpwg::run),
    },
    Suite {
        name: "desync",
        what: "requests that two servers may frame differently (corpus of http_desync_guardian)",
        version: desync::version,
        run: Run::Edge(desync::run),
    },
    Suite {
        name: "h2",
        what: "HTTP/2 and 1.1 by other people's clients, in clear text and over TLS (nghttp, h2load)",
        version: h2::version,
        run: Run::Edge(h2::run),
    },
    Suite {
        name: "slow",
        what: "slow header sections, content and readers (slowhttptest)",
        version: slow::version,
        run: Run::Edge(slow::run),
    },
    Suite {
        name: "testssl",
        what: "TLS versions, ciphers and known weaknesses (testssl.sh)",
        version: testssl::version,
        run: Run::Edge(testssl::run),
    },
    Suite {
        name: cache::SUITE,
        what: "freshness, validation and invalidation by RFC 9111 (http-cache-tests)",
        version: cache::version,
        run: Run::Cache,
    },
];
