//! Installs what the tests and suites run: servers, clients and probes from Debian, two tools from crates.io.
//!
//! The tables are the only place that names them. With everything there, it costs a few dozen `stat` calls.

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// A package of the distribution.
struct Package {
    name: &'static str,
    /// A program or file that shows that it is there.
    provides: &'static str,
    purpose: &'static str,
}

/// A tool from crates.io.
struct Tool {
    name: &'static str,
    version: &'static str,
    provides: &'static str,
    purpose: &'static str,
    /// Built without optimisation: it builds in a third of the time, and its speed does not matter.
    debug: bool,
}

/// Installs what is missing.
pub(crate) fn install() -> Result<()> {
    let packages = missing_packages();
    if !packages.is_empty() {
        install_packages(&packages)?;
    }
    for tool in missing_tools() {
        install_tool(tool)?;
    }
    println!("setup: {} packages and {} tools are there", PACKAGES.len(), TOOLS.len());
    Ok(())
}

/// Says what is missing, with what it is for; an error when anything is.
pub(crate) fn check() -> Result<()> {
    let packages = missing_packages();
    let tools = missing_tools();
    for package in &packages {
        println!("missing package {:<24} {}", package.name, package.purpose);
    }
    for tool in &tools {
        println!("missing tool    {:<24} {}", tool.name, tool.purpose);
    }
    if packages.is_empty() && tools.is_empty() {
        println!("setup: {} packages and {} tools are there", PACKAGES.len(), TOOLS.len());
        return Ok(());
    }
    bail!("{} missing\nhint: run `cargo xtask setup`", packages.len() + tools.len())
}

/// The version of a tool in the table.
pub(crate) fn tool_version(name: &str) -> Result<String> {
    let tool = TOOLS.iter().find(|tool| tool.name == name);
    Ok(tool.with_context(|| format!("{name} is not among the tools"))?.version.to_owned())
}

fn missing_packages() -> Vec<&'static Package> {
    PACKAGES.iter().filter(|package| shell::find(package.provides).is_none()).collect()
}

fn missing_tools() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| shell::find(tool.provides).is_none()).collect()
}

fn install_packages(packages: &[&Package]) -> Result<()> {
    let names: Vec<&str> = packages.iter().map(|package| package.name).collect();
    let line = format!("apt-get install -y --no-install-recommends {}", names.join(" "));
    if !is_root()? {
        bail!(
            "these packages are missing, and installing them needs root\nhint: sudo apt-get update && sudo {line}"
        );
    }
    println!("setup: {line}");
    apt(&["update", "-q"])?;
    apt(&[&["install", "-q", "-y", "--no-install-recommends"], names.as_slice()].concat())?;
    let left: Vec<&str> = missing_packages().iter().map(|package| package.provides).collect();
    if !left.is_empty() {
        bail!("installed, but still not found: {}", left.join(", "));
    }
    Ok(())
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = shell::command("apt-get");
    command.args(["-o", "Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout=300"]);
    // Run level 1: a package's own service must not start; tests start each server themselves, on a port of their own.
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    shell::run(&mut command).context("the package manager failed")
}

fn install_tool(tool: &Tool) -> Result<()> {
    println!("setup: {} {} from crates.io ({})", tool.name, tool.version, tool.purpose);
    let mut cargo = shell::cargo();
    cargo.args(["install", "--locked", "--quiet", tool.name, "--version", tool.version, "--root"]);
    cargo.arg(shell::tools_dir());
    if tool.debug {
        cargo.arg("--debug");
    }
    shell::run(&mut cargo)
}

fn is_root() -> Result<bool> {
    Ok(shell::output(shell::command("id").arg("-u"))?.trim() == "0")
}

const PACKAGES: &[Package] = &[
    Package { name: "nginx", provides: "nginx", purpose: "origin in end-to-end tests and suites" },
    Package { name: "apache2", provides: "apache2", purpose: "origin and plain proxy in end-to-end tests" },
    Package {
        name: "libapache2-mod-evasive",
        provides: "/usr/lib/apache2/modules/mod_evasive20.so",
        purpose: "the limiter that refuses innocents behind a proxy",
    },
    Package { name: "haproxy", provides: "haproxy", purpose: "proof of exported rules; bench: peer" },
    Package { name: "varnish", provides: "varnishd", purpose: "proof of exported rules; bench: peer" },
    Package { name: "caddy", provides: "caddy", purpose: "proof of exported rules" },
    Package { name: "nftables", provides: "nft", purpose: "proof of exported rules" },
    Package {
        name: "libapache2-mod-security2",
        provides: "/usr/lib/apache2/modules/mod_security2.so",
        purpose: "proof of exported rules",
    },
    Package {
        name: "varnish-modules",
        provides: "/var/lib/dpkg/info/varnish-modules.list",
        purpose: "bench: limit by client in Varnish",
    },
    Package { name: "h2o", provides: "h2o", purpose: "bench: peer" },
    Package { name: "valgrind", provides: "valgrind", purpose: "bench: counts instructions" },
    Package { name: "curl", provides: "curl", purpose: "client in end-to-end tests" },
    Package { name: "openssl", provides: "openssl", purpose: "certificates for test servers" },
    Package { name: "util-linux", provides: "setpriv", purpose: "ends a test's servers with the test" },
    Package { name: "slowhttptest", provides: "slowhttptest", purpose: "conformance: slow clients" },
    Package {
        name: "nghttp2-client",
        provides: "h2load",
        purpose: "conformance: HTTP/2 by nghttp and h2load",
    },
    Package { name: "testssl.sh", provides: "testssl", purpose: "conformance: TLS" },
    Package { name: "bsdextrautils", provides: "hexdump", purpose: "testssl.sh runs it" },
    Package { name: "bind9-dnsutils", provides: "dig", purpose: "testssl.sh runs it" },
    Package { name: "procps", provides: "ps", purpose: "testssl.sh runs it" },
    Package { name: "wrk", provides: "wrk", purpose: "load generator" },
    Package { name: "systemd", provides: "systemd-analyze", purpose: "checks the systemd units" },
    Package { name: "g++", provides: "g++", purpose: "builds libFuzzer for the fuzz targets" },
];

const TOOLS: &[Tool] = &[
    Tool {
        name: "cargo-nextest",
        version: "0.9.143",
        provides: "cargo-nextest",
        purpose: "test runner",
        debug: true,
    },
    Tool {
        name: "httpwg-cli",
        version: "0.2.5",
        provides: "httpwg",
        purpose: "conformance: HTTP/2 by RFC 9113",
        debug: true,
    },
];
