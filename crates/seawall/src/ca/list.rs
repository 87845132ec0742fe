//! `seawall ca list`, and what is said of a root wherever one is named.

use std::path::Path;
use std::process::ExitCode;

use seawall_certdata::{Root, bundle, date};
use serde_json::{Value, json};

use super::Source;
use crate::cli::Format;
use crate::output;

pub(super) fn run(path: &Path, format: Format) -> Result<ExitCode, String> {
    let certdata = Source::open(path)?.certdata;
    if format == Format::Json {
        let roots: Vec<Value> = certdata.roots.iter().map(facts).collect();
        let remarks: Vec<String> = certdata.remarks.iter().map(ToString::to_string).collect();
        output::json(&json!({ "sha256": bundle::hex(&certdata.sha256), "roots": roots, "remarks": remarks }));
        return Ok(ExitCode::SUCCESS);
    }
    for root in &certdata.roots {
        output::line(root.label.escape_debug());
        describe(root);
    }
    for remark in &certdata.remarks {
        output::note(remark);
    }
    Ok(ExitCode::SUCCESS)
}

/// Three lines on a root.
pub(super) fn describe(root: &Root) {
    output::line(format_args!("    SHA-256 {}", bundle::hex(&root.sha256())));
    output::line(format_args!("    valid {} to {}", date::day(root.not_before), date::day(root.not_after)));
    output::line(format_args!("    {}", trust(root)));
}

/// What a root is trusted for, in one line.
pub(super) fn trust(root: &Root) -> String {
    let mut parts: Vec<String> =
        root.trust.iter().map(|(purpose, level)| format!("{purpose} {level}")).collect();
    let dates = [("servers", root.server_distrust_after), ("e-mail", root.email_distrust_after)];
    for (what, after) in dates {
        parts.extend(after.map(|after| format!("distrusted for {what} after {}", date::day(after))));
    }
    if parts.is_empty() { "no trust".to_owned() } else { parts.join(", ") }
}

/// A root for programs.
pub(super) fn facts(root: &Root) -> Value {
    let trust: serde_json::Map<String, Value> =
        root.trust.iter().map(|(purpose, level)| (purpose.to_string(), level.token().into())).collect();
    json!({
        "label": root.label,
        "subject": root.subject(),
        "sha256": bundle::hex(&root.sha256()),
        "not_before": date::day(root.not_before),
        "not_after": date::day(root.not_after),
        "trust": trust,
        "server_distrust_after": root.server_distrust_after.map(date::day),
        "email_distrust_after": root.email_distrust_after.map(date::day),
    })
}
