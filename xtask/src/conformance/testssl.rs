//! testssl.sh: TLS versions, cipher suites, forward secrecy and known weaknesses.
//!
//! Leaves out what it says of the certificate, which is self-signed for the test, and of response fields, which are the origin's.

use std::fs;

use anyhow::{Context as _, Result, bail};
use seawall_testkit::Dir;
use serde::Deserialize;

use super::Case;
use super::edge::Edge;
use crate::shell;

pub(crate) fn version() -> Result<String> {
    shell::package_version("testssl.sh")
}

pub(crate) fn run(edge: &Edge) -> Result<Vec<Case>> {
    let program = shell::find("testssl").context("testssl.sh is missing\nhint: run `cargo xtask setup`")?;
    let scratch = Dir::new();
    let report = scratch.join("report.json");
    let mut testssl = shell::command(program);
    testssl.args(["--quiet", "--color", "0", "--warnings", "batch", "--ip", "one"]).args(SECTIONS);
    testssl.arg("--jsonfile").arg(&report).arg(edge.tls()?.to_string());
    // Its exit status counts findings; whether it ran to its end shows in the report.
    shell::complaints(&mut testssl)?;
    let text = fs::read_to_string(&report).context("testssl.sh wrote no report")?;
    parse(&text)
}

#[derive(Deserialize)]
struct Finding {
    id: String,
    severity: String,
    finding: String,
}

fn parse(report: &str) -> Result<Vec<Case>> {
    let findings: Vec<Finding> = serde_json::from_str(report).context("the report is not whole")?;
    if !findings.iter().any(|finding| finding.id == "scanTime") {
        bail!("testssl.sh did not finish");
    }
    let mut cases: Vec<Case> = Vec::new();
    for Finding { id, severity, finding } in findings {
        let failure = match severity.as_str() {
            "OK" => None,
            "INFO" | "DEBUG" => continue,
            _ => Some(format!("{severity}: {finding}")),
        };
        cases.push(Case::new(id, failure));
    }
    if cases.len() < CASES_MIN {
        bail!("testssl.sh judged {} things, and at least {CASES_MIN} were expected", cases.len());
    }
    Ok(cases)
}

/// Protocols, standard cipher categories, forward secrecy, server preference, vulnerabilities.
const SECTIONS: &[&str] = &["-p", "-s", "-f", "-P", "-U"];

const CASES_MIN: usize = 20;

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn unfinished_report_is_an_error() {
        assert!(parse(r#"[{"id": "SSLv2", "severity": "OK", "finding": "not offered"}]"#).is_err());
        assert!(parse("[").is_err());
    }

    #[test]
    fn findings_without_ok_fail() {
        let row = |id: &str, severity: &str| {
            format!(r#"{{"id": "{id}", "severity": "{severity}", "finding": "f"}}"#)
        };
        let mut rows: Vec<String> = (0..20).map(|index| row(&format!("ok{index}"), "OK")).collect();
        rows.extend([row("lucky", "LOW"), row("scanTime", "INFO")]);
        let cases = parse(&format!("[{}]", rows.join(","))).unwrap();
        let failed: Vec<_> =
            cases.iter().filter(|case| case.failure.is_some()).map(|case| case.name.as_str()).collect();
        assert_eq!((cases.len(), failed), (21, vec!["lucky"]));
    }
}
