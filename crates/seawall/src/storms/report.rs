//! `seawall storms report`: all that is known of a storm, as a page.

use std::path::Path;
use std::process::ExitCode;

use seawall_report::{Account, document, html, markdown, note};

use crate::cli::{ReportFormat, Target};
use crate::output;
use crate::rules::connect;

pub(super) fn run(
    id: &str,
    file: Option<&Path>,
    format: Option<ReportFormat>,
    target: &Target,
) -> Result<ExitCode, String> {
    let account = connect(target)?.account(id).map_err(|error| error.to_string())?;
    let text = text(&account, format.unwrap_or_else(|| by_name(file)))?;
    match file {
        None => output::line(text.trim_end()),
        Some(file) => {
            // Beside it first, so that a full disk leaves the old one whole.
            let beside = file.with_added_extension("new");
            let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, file));
            written.map_err(|error| {
                let _ = std::fs::remove_file(&beside);
                format!("cannot write {}: {error}", file.display())
            })?;
            output::line(format_args!("wrote {}", file.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text(account: &Account, format: ReportFormat) -> Result<String, String> {
    Ok(match format {
        ReportFormat::Html => html(&document(account)),
        ReportFormat::Markdown => markdown(&document(account)),
        ReportFormat::Note => note(account),
        ReportFormat::Json => {
            serde_json::to_string_pretty(account).map_err(|error| error.to_string())? + "\n"
        }
    })
}

fn by_name(file: Option<&Path>) -> ReportFormat {
    match file.and_then(Path::extension).and_then(|extension| extension.to_str()) {
        Some("html" | "htm") => ReportFormat::Html,
        Some("json") => ReportFormat::Json,
        _ => ReportFormat::Markdown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_file_says_what_to_write() {
        let cases = [
            (Some("a.html"), ReportFormat::Html),
            (Some("a.json"), ReportFormat::Json),
            (Some("a.md"), ReportFormat::Markdown),
            (Some("a"), ReportFormat::Markdown),
            (None, ReportFormat::Markdown),
        ];
        for (name, format) in cases {
            assert_eq!(by_name(name.map(Path::new)), format);
        }
    }
}
