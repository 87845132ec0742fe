//! The Markdown of the results, and its place in `docs/benchmarks.md`.
//!
//! The page has sections between a comment `<!-- NAME: printed by COMMAND -->` and `<!-- NAME ends -->`; what stands
//! elsewhere is written by hand and stays.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result};

use super::results::{CaseResult, Circumstances, Measured, Refused};
use crate::shell;

/// Date, versions and machine.
pub(super) fn circumstances(of: &Circumstances) -> String {
    let mut page = format!("- Date: {}; commit {}, {}\n", of.date, of.commit, of.toolchain);
    let _ = writeln!(page, "- Servers: {}", of.servers.join(", "));
    let _ = writeln!(page, "- Clients: {}", of.clients.join(", "));
    let _ = writeln!(page, "- Machine: {}\n", of.machine);
    page
}

/// One case as a table, with what was dropped or refused under it.
pub(super) fn case(case: &CaseResult) -> String {
    let mut page = format!("### {}\n\n{CASE_HEAD}", sentence(case.what));
    for measured in &case.servers {
        page.push_str(&line(measured));
    }
    let _ = writeln!(
        page,
        "\n`{}`: {} rounds count; {} dropped, {} counted although disturbed.",
        case.name, case.rounds, case.rounds_dropped, case.rounds_disturbed
    );
    page.push_str(&refused(&case.refused));
    page.push('\n');
    page
}

/// Why servers have no figure.
pub(super) fn refused(all: &[Refused]) -> String {
    all.iter().map(|of| format!("No figure for {}: {}.\n", of.server, of.why)).collect()
}

fn line(of: &Measured) -> String {
    let ratio = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    format!(
        "| {} | {:.2} | {:.2}–{:.2} | {} | {} | {:.0} | {:.0} | {:.0} |\n",
        of.server,
        of.cpu_us.median,
        of.cpu_us.least,
        of.cpu_us.most,
        ratio(of.ratio_to_best_peer),
        ratio(of.ratio_to_floor),
        of.requests_per_second.median,
        of.utilisation * 100.0,
        of.memory_bytes as f64 / f64::from(1 << 20),
    )
}

fn sentence(what: &str) -> String {
    let mut letters = what.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// Puts a section into `docs/benchmarks.md` in the place of the one of that name.
pub(super) fn write(name: &str, section: &str) -> Result<()> {
    let path = shell::root().join("docs/benchmarks.md");
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let page = replaced(&page, name, section)
        .with_context(|| format!("{} has no section `{name}`", path.display()))?;
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

fn replaced(page: &str, name: &str, section: &str) -> Option<String> {
    let begin = page.find(&format!("<!-- {name}: "))?;
    let begin = begin + page[begin..].find('\n')? + 1;
    let end = begin + page[begin..].find(&format!("<!-- {name} ends -->"))?;
    Some(format!("{}\n{}\n\n{}", &page[..begin], section.trim(), &page[end..]))
}

const CASE_HEAD: &str = "\
| server | µs of CPU, median | range | to the best peer | to the floor | requests/s | busy % | memory MiB |
|---|---:|---:|---:|---:|---:|---:|---:|
";

#[cfg(test)]
mod tests {
    use super::{replaced, sentence};

    #[test]
    fn only_the_named_section_is_replaced() {
        let page = "By hand.\n<!-- a: printed -->\n\nold\n\n<!-- a ends -->\nMore.\n<!-- b: printed -->\nkept\n<!-- b ends -->\n";
        let now = replaced(page, "a", "new\n").unwrap();
        assert_eq!(now, page.replace("old", "new"));
        assert_eq!(replaced(&now, "c", "x"), None);
    }

    #[test]
    fn title_begins_in_upper_case() {
        assert_eq!(sentence("refusal, kept"), "Refusal, kept");
        assert_eq!(sentence("1 KB"), "1 KB");
    }
}
