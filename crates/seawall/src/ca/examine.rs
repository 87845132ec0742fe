//! `seawall ca verify`: a close look at each root of a certdata.txt.

use std::path::Path;
use std::process::ExitCode;

use seawall_certdata::verify::{Examination, Gravity, Validity, examine};
use seawall_certdata::{Certdata, Root, bundle, date};
use serde_json::{Value, json};

use super::{load, told};
use crate::cli::Format;
use crate::output;

pub(super) fn run(path: &Path, format: Format, now: i64, strict: bool) -> Result<ExitCode, String> {
    let (bytes, _) = load(path)?;
    let certdata = match Certdata::parse(&bytes) {
        Ok(certdata) => certdata,
        Err(fault) => {
            match format {
                Format::Json => output::json(&json!({ "fault": {
                    "line": fault.line, "object": fault.object, "text": fault.kind.to_string(),
                }})),
                Format::Text => output::problem(told(&fault, &bytes, &path.display().to_string())),
            }
            return Ok(ExitCode::from(output::WRONG));
        }
    };
    let looks: Vec<(&Root, Examination)> =
        certdata.roots.iter().filter_map(|root| Some((root, examine(root, now)?))).collect();
    let count =
        |gravity| looks.iter().flat_map(|look| &look.1.findings).filter(|one| one.gravity == gravity).count();
    let (problems, remarks) = (count(Gravity::Problem), count(Gravity::Remark) + certdata.remarks.len());
    match format {
        Format::Text => print(&certdata, &looks, problems, remarks),
        Format::Json => output::json(&json!({
            "sha256": bundle::hex(&certdata.sha256),
            "roots": looks.iter().map(|(root, look)| facts(root, look)).collect::<Vec<_>>(),
            "remarks": certdata.remarks.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "problem_count": problems,
            "remark_count": remarks,
        })),
    }
    let fine = problems == 0 && (remarks == 0 || !strict);
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(output::FOUND) })
}

fn print(certdata: &Certdata, looks: &[(&Root, Examination)], problems: usize, remarks: usize) {
    for (root, look) in looks {
        for finding in &look.findings {
            let gravity = match finding.gravity {
                Gravity::Problem => "problem",
                Gravity::Remark => "remark",
            };
            let label = root.label.escape_debug();
            output::line(format_args!("{gravity}: line {}: object \"{label}\": {}", root.line, finding.text));
        }
    }
    for remark in &certdata.remarks {
        output::line(format_args!("remark: {remark}"));
    }
    let verified = looks.iter().filter(|look| look.1.signature.token() == "verified").count();
    let valid = looks.iter().filter(|look| look.1.validity == Validity::Now).count();
    let hashed = looks.iter().filter(|look| look.0.hashed).count();
    output::line(format_args!(
        "{} roots: {verified} with their own signature verified, {valid} valid now, {hashed} with the hashes that the \
         file names; {problems} problems, {remarks} remarks",
        looks.len()
    ));
}

fn facts(root: &Root, look: &Examination) -> Value {
    let texts = |gravity| {
        let chosen = look.findings.iter().filter(move |finding| finding.gravity == gravity);
        chosen.map(|finding| finding.text.as_str()).collect::<Vec<_>>()
    };
    json!({
        "label": root.label,
        "line": root.line,
        "sha256": bundle::hex(&root.sha256()),
        "signature": look.signature.token(),
        "signature_algorithm": look.signature_algorithm,
        "key": { "algorithm": look.key.algorithm, "bits": look.key.bits },
        "validity": look.validity.token(),
        "not_before": date::day(root.not_before),
        "not_after": date::day(root.not_after),
        "hashes_compared": root.hashed,
        "problems": texts(Gravity::Problem),
        "remarks": texts(Gravity::Remark),
    })
}
