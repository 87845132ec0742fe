//! Runs one command.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_mangen::Man;
use seawall_proxy::clock;

use crate::cli::{Cli, Command, Format, Why};
use crate::load::default_state;
use crate::state::StateFolder;
use crate::{analyze, ca, check, output, purge, replay, rules, serve, status, storms, why};

/// Runs a command and gives the status to exit with: 0 fine, 1 found something or refused, 2 wrong usage or input.
pub fn run(command: Command) -> ExitCode {
    output::status(dispatch(command))
}

fn dispatch(command: Command) -> ExitCode {
    match command {
        Command::Serve(args) => serve::run(args),
        Command::Check(args) => check::run(&args),
        Command::Why(args) => why(&args),
        Command::Rules(args) => rules::run(args),
        Command::Storms(args) => storms::run(&args),
        Command::Analyze(args) => analyze::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Purge(args) => purge::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Reload(target) => status::reload(&target),
        Command::Ca(command) => ca::run(command),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "seawall", &mut script);
            output::line(String::from_utf8_lossy(&script).trim_end());
            ExitCode::SUCCESS
        }
        Command::Man => match man() {
            Ok(page) => {
                output::line(page.trim_end());
                ExitCode::SUCCESS
            }
            Err(error) => output::wrong(error),
        },
    }
}

fn why(args: &Why) -> ExitCode {
    let state = args.state.clone().unwrap_or_else(default_state);
    let explained = StateFolder::open_to_read(&state).map_err(|error| error.to_string()).and_then(|folder| {
        why::explain(&args.receipt.join(" "), &folder, clock::wall()).map_err(|error| error.to_string())
    });
    match (explained, args.format) {
        (Ok(explanation), Format::Text) => output::line(explanation.to_string().trim_end()),
        (Ok(explanation), Format::Json) => output::json(&explanation.to_json()),
        (Err(error), _) => return output::wrong(error),
    }
    ExitCode::SUCCESS
}

/// The man page: every command in one page, with a section of its own.
fn man() -> std::io::Result<String> {
    let mut page = Vec::new();
    let mut command = Cli::command();
    command.build();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    for sub in command.get_subcommands() {
        man_section("seawall", sub, &mut page)?;
    }
    man.render_version_section(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// One command, and those below it.
fn man_section(parent: &str, command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let name = format!("{parent} {}", command.get_name());
    let mut roff = Vec::new();
    let man = Man::new(command.clone());
    man.render_synopsis_section(&mut roff)?;
    man.render_description_section(&mut roff)?;
    man.render_options_section(&mut roff)?;
    let roff = String::from_utf8_lossy(&roff)
        .replace(".SH SYNOPSIS", &format!(".SH \"{}\"", name.to_uppercase()))
        .replace(".SH DESCRIPTION", ".PP")
        .replace(".SH OPTIONS", ".PP");
    page.extend_from_slice(roff.as_bytes());
    command.get_subcommands().try_for_each(|sub| man_section(&name, sub, page))
}
