//! Runs one command.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, Command, Format, Why};
use crate::load::default_state;
use crate::state::StateFolder;
use crate::{check, edge, output, rules, serve, status, why};

/// Runs a command and gives the status to exit with: 0 fine, 1 found something or refused, 2 wrong usage or input.
pub fn run(command: Command) -> ExitCode {
    match command {
        Command::Serve(args) => serve::run(args),
        Command::Check(args) => check::run(&args),
        Command::Why(args) => why(&args),
        Command::Rules(args) => rules::run(args),
        Command::Status(args) => status::run(&args),
        Command::Reload(target) => status::reload(&target),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "seawall", &mut std::io::stdout());
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
        why::explain(&args.receipt.join(" "), &folder, edge::now()).map_err(|error| error.to_string())
    });
    match (explained, args.format) {
        (Ok(explanation), Format::Text) => output::line(explanation.to_string().trim_end()),
        (Ok(explanation), Format::Json) => output::json(&explanation.to_json()),
        (Err(error), _) => return output::wrong(error),
    }
    ExitCode::SUCCESS
}

/// The man page: every command in one page, as `git`'s users would look for it.
fn man() -> std::io::Result<String> {
    let mut page = Vec::new();
    let command = Cli::command();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for sub in command.get_subcommands() {
        let name: &'static str = Box::leak(format!("seawall {}", sub.get_name()).into_boxed_str());
        let man = clap_mangen::Man::new(sub.clone().name(name));
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}
