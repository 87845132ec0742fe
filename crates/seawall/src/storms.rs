//! `seawall storms`: what is new in the traffic of a running process and costs much, through its admin API.

mod evidence;
pub(crate) mod figure;
mod list;
mod report;
mod show;

use std::process::ExitCode;

use crate::cli::{Format, Storms, StormsCommand, Target};
use crate::output;
use crate::rules::connect;

pub(crate) use figure::time;

pub(crate) fn run(args: &Storms) -> ExitCode {
    let done = match &args.command {
        None => list(&args.target, args.format),
        Some(StormsCommand::Show { id, target, format }) => show(id, target, *format),
        Some(StormsCommand::Report { id, output, format, target }) => {
            report::run(id, output.as_deref(), *format, target)
        }
        Some(StormsCommand::Evidence(args)) => evidence::run(args),
    };
    done.unwrap_or_else(output::wrong)
}

fn list(target: &Target, format: Format) -> Result<ExitCode, String> {
    let client = connect(target)?;
    let table = client.storms().map_err(|error| error.to_string())?;
    let proposals = client.proposals().map_err(|error| error.to_string())?;
    match format {
        Format::Json => output::json(&serde_json::json!({
            "enabled": table.enabled,
            "learning-seconds": table.learning_seconds,
            "storms": table.storms,
            "proposals": proposals,
        })),
        Format::Text => output::line(list::text(&table, &proposals, now()).trim_end()),
    }
    Ok(if table.enabled { ExitCode::SUCCESS } else { ExitCode::from(output::FOUND) })
}

fn show(id: &str, target: &Target, format: Format) -> Result<ExitCode, String> {
    let client = connect(target)?;
    let storm = client.storm(id).map_err(|error| error.to_string())?;
    let proposals = client.proposals().map_err(|error| error.to_string())?;
    let proposal = proposals.into_iter().find(|proposal| proposal.storm == storm.id);
    match format {
        Format::Json => output::json(&serde_json::json!({ "storm": storm, "proposal": proposal })),
        Format::Text => output::line(show::text(&storm, proposal.as_ref(), now()).trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}

fn now() -> u64 {
    seawall_proxy::clock::wall().as_secs()
}

/// Columns of a terminal.
const COLUMNS: usize = 80;

/// Breaks a text between words, so that no line is longer than [`COLUMNS`] unless a word is; each line but the first is
/// set in by `indent`, which `first` fills on the first.
fn wrapped(first: &str, indent: usize, words: impl IntoIterator<Item = String>) -> String {
    let mut out = format!("{first:indent$}");
    let mut column = out.chars().count();
    let mut is_first = true;
    for word in words {
        let width = word.chars().count();
        if !is_first && column + 1 + width > COLUMNS {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if !is_first {
            out.push(' ');
            column += 1;
        }
        out.push_str(&word);
        column += width;
        is_first = false;
    }
    out.push('\n');
    out
}

/// A signature: breaks stand before its terms, since a term is to be copied whole.
fn signature(first: &str, indent: usize, terms: &[String]) -> String {
    let of = |(index, term): (usize, &String)| if index == 0 { term.clone() } else { format!("∧ {term}") };
    wrapped(first, indent, terms.iter().enumerate().map(of))
}

/// A sentence.
fn sentence(first: &str, indent: usize, text: &str) -> String {
    // A number stays with its sign.
    let text = text.replace(" %", "\u{a0}%");
    wrapped(first, indent, text.split(' ').map(str::to_owned)).replace('\u{a0}', " ")
}

#[cfg(test)]
mod tests;
