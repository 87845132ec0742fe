//! The page of the command line says what `--help` says, and no page links to nowhere.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use seawall::cli::Cli;

/// `UPDATE_DOCS=1 cargo test -p seawall --test reference` writes it.
#[test]
fn the_reference_page_is_the_help() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    let mut command = Cli::command().term_width(COLUMNS);
    command.build();
    let mut page = HEAD.to_owned();
    section(&mut command, &mut page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "{} is not what --help says", path.display());
}

fn section(command: &mut Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or("seawall").to_owned();
    let help = command.render_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    write!(page, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end())
        .expect("a string takes any text");
    for sub in command.get_subcommands_mut() {
        section(sub, page);
    }
}

const COLUMNS: usize = 100;

const HEAD: &str = "\
# Command line

<!-- Printed from crates/seawall/src/cli.rs: change it there, then run UPDATE_DOCS=1 cargo test -p seawall --test reference. -->

Exit statuses: 0, all is fine; 1, something was found or refused (`check` found a problem); 2, wrong usage or input.
Facts go to standard output, problems and the process log to standard error.

`SEAWALL_CONFIG` names the configuration file of `serve`.
`SEAWALL_LOG` says what the process logs, in the syntax of [`EnvFilter`](https://docs.rs/tracing-subscriber/latest/tracing_subscriber/filter/struct.EnvFilter.html): `info` by default, or `debug`, or `warn,seawall_proxy=debug`.

`seawall completions SHELL` writes completions for bash, elvish, fish, PowerShell and zsh; `seawall man` writes the man page:

```sh
seawall completions bash > /usr/share/bash-completion/completions/seawall
seawall man > /usr/share/man/man1/seawall.1
```
";

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut pages: Vec<_> = markdown(&root);
    for folder in ["docs", "docs/guides", "docs/concepts", "docs/reference", "docs/decisions"] {
        pages.extend(markdown(&root.join(folder)));
    }
    assert!(pages.len() > 30, "{pages:?}");
    let mut broken = Vec::new();
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            let leads = link.starts_with("http")
                || target.exists() && (anchor.is_empty() || anchors(&target).contains(&anchor.to_owned()));
            if !leads {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

fn markdown(folder: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The headings of a page as they are linked to.
fn anchors(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).expect("a page");
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-"))
        .collect()
}
