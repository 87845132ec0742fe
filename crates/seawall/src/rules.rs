//! `seawall rules`: the rules of a running process, through its admin API.

mod export;
mod import;

use std::io::stderr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use seawall_config::{load_rules, print_rule as print_toml};
use seawall_console::Client;
use seawall_console::control::{AcceptMode, AcceptRequest, RuleChange, RuleState, RuleView};
use seawall_rules::definition;
use seawall_rules::rule::{Author, Rule};

use crate::cli::{AcceptedMode, Format, Rules, Target};
use crate::load::{default_state, read_bounded, read_text, render};
use crate::output;
use crate::state::StateFolder;
use crate::storms::time;

pub(crate) fn run(command: Rules) -> ExitCode {
    let done = match command {
        Rules::List { target, format } => list(&target, format),
        Rules::Show { name, target, format } => show(&name, &target, format),
        Rules::Accept { proposal, mode, expires, target } => accept(&proposal, mode, expires, &target),
        Rules::Decline { proposal, target } => decline(&proposal, &target),
        Rules::Add { file, target } => add(&file, &target),
        Rules::Enable { name, target } => change(&name, RuleChange::Enable, &target),
        Rules::Disable { name, target } => change(&name, RuleChange::Disable, &target),
        Rules::Retire { name, target } => change(&name, RuleChange::Retire, &target),
        Rules::Export(arguments) => export::run(&arguments),
        Rules::Import { from, file } => import::run(from, &file),
    };
    done.unwrap_or_else(output::wrong)
}

/// A client of the process that the arguments name.
pub(crate) fn connect(target: &Target) -> Result<Client, String> {
    let state = target.state.clone().unwrap_or_else(default_state);
    let token = StateFolder::open_to_read(&state).and_then(|folder| folder.admin_token());
    Ok(Client::new(target.admin, token.map_err(|error| error.to_string())?))
}

fn list(target: &Target, format: Format) -> Result<ExitCode, String> {
    let client = connect(target)?;
    let rules = client.rules().map_err(|error| error.to_string())?;
    let limits = client.limits().map_err(|error| error.to_string())?;
    if format == Format::Json {
        output::json(&serde_json::json!({ "rules": rules, "limits": limits.limits }));
        return Ok(ExitCode::SUCCESS);
    }
    if rules.is_empty() && limits.limits.is_empty() {
        output::line("no rules and no limits");
        return Ok(ExitCode::SUCCESS);
    }
    for rule in &rules {
        print_rule(rule);
    }
    for limit in &limits.limits {
        let (state, exceeded) = (state(limit.state), times("exceeded", limit.exceeded));
        output::line(format_args!("{}  limit{state}, {exceeded}", limit.name));
        output::line(format_args!("    {}", limit.description));
    }
    Ok(ExitCode::SUCCESS)
}

fn print_rule(rule: &RuleView) {
    let (state, matched) = (state(rule.state), times("matched", rule.matches));
    output::line(format_args!("{}  rule{state}, {matched}", rule.name));
    output::line(format_args!("    {}", rule.description));
    if let Some(made) = made(rule) {
        output::line(format_args!("    {made}"));
    }
}

/// Of a rule that Seawall made: against what, on whose word, and until when. Of any that expires: when.
fn made(rule: &RuleView) -> Option<String> {
    let now = seawall_proxy::clock::wall().as_secs();
    let expires = rule.expires.map(|at| match at.checked_sub(now) {
        Some(left) => format!("expires in {}", time(left)),
        None => "has expired".to_owned(),
    });
    let Some(storm) = &rule.storm else { return expires };
    let word = match (&rule.proposal, rule.accepted) {
        (Some(proposal), true) => format!("accepted as {proposal}"),
        (Some(proposal), false) => format!("put in force by itself, as {proposal}"),
        (None, _) => "by proposal".to_owned(),
    };
    let expires = expires.map(|expires| format!(", {expires}")).unwrap_or_default();
    Some(format!("made by Seawall against storm {storm}, {word}{expires}"))
}

fn show(name: &str, target: &Target, format: Format) -> Result<ExitCode, String> {
    let rules = connect(target)?.rules().map_err(|error| error.to_string())?;
    let Some(rule) = rules.iter().find(|rule| rule.name == name) else {
        return Err(format!("there is no rule {name:?}: `seawall rules list` shows them"));
    };
    match format {
        Format::Json => output::json(rule),
        Format::Text => {
            print_rule(rule);
            if let Ok(rule) = definition::from_json(&rule.definition.to_string()) {
                output::line("");
                output::line(print_toml(&rule).trim_end());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn accept(
    proposal: &str,
    mode: AcceptedMode,
    expires: Option<Duration>,
    target: &Target,
) -> Result<ExitCode, String> {
    let request = AcceptRequest {
        mode: Some(match mode {
            AcceptedMode::Observe => AcceptMode::Observe,
            AcceptedMode::Enforce => AcceptMode::Enforce,
        }),
        seconds: expires.map(|expires| expires.as_secs()),
        by: None,
    };
    let rule = connect(target)?.accept_proposal(proposal, &request).map_err(|error| error.to_string())?;
    output::line(format_args!("accepted {proposal} as rule {}: {}", rule.name, rule.description));
    if let Some(made) = made(&rule) {
        output::line(format_args!("    {made}"));
    }
    output::line(format_args!("    take it back: seawall rules retire {}", rule.name));
    Ok(ExitCode::SUCCESS)
}

fn decline(proposal: &str, target: &Target) -> Result<ExitCode, String> {
    let declined = connect(target)?.decline_proposal(proposal).map_err(|error| error.to_string())?;
    output::line(format_args!("declined {}: {}", declined.id, declined.description));
    Ok(ExitCode::SUCCESS)
}

const fn state(state: RuleState) -> &'static str {
    match state {
        RuleState::Enabled => "",
        RuleState::Disabled => ", disabled",
        RuleState::Expired => ", expired",
        RuleState::Retired => ", retired",
    }
}

fn times(done: &str, count: u64) -> String {
    match count {
        0 => format!("never {done}"),
        1 => format!("{done} once"),
        _ => format!("{done} {count} times"),
    }
}

/// The rules of a file; `None` if they are wrong, which was told.
pub(crate) fn load(file: &Path) -> Result<Option<Vec<Rule>>, String> {
    let (name, text) = read(file)?;
    let outcome = load_rules(&name, &text, &Author::Operator);
    for warning in &outcome.warnings {
        output::report(render(warning, &stderr()));
    }
    match outcome.result {
        Ok(rules) if rules.is_empty() => Err(format!("{name} holds no `[[rule]]`")),
        Ok(rules) => Ok(Some(rules)),
        Err(errors) => {
            for error in &errors {
                output::report(render(error, &stderr()));
            }
            Ok(None)
        }
    }
}

fn add(file: &Path, target: &Target) -> Result<ExitCode, String> {
    let Some(rules) = load(file)? else { return Ok(ExitCode::from(output::WRONG)) };
    let client = connect(target)?;
    let definitions: Result<Vec<_>, _> =
        rules.iter().map(|rule| serde_json::from_str(&definition::to_json(rule))).collect();
    let definitions = definitions.map_err(|error| error.to_string())?;
    for added in client.add_rules(&definitions).map_err(|error| error.to_string())? {
        output::line(format_args!("added {}: {}", added.name, added.description));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<(String, String), String> {
    if file != Path::new("-") {
        return read_text(file);
    }
    let text = read_bounded(std::io::stdin()).map_err(|error| format!("standard input: {error}"))?;
    Ok(("standard input".to_owned(), text))
}

fn change(name: &str, change: RuleChange, target: &Target) -> Result<ExitCode, String> {
    let rule = connect(target)?.change_rule(name, change).map_err(|error| error.to_string())?;
    let done = match change {
        RuleChange::Enable => "enabled",
        RuleChange::Disable => "disabled",
        RuleChange::Retire => "retired",
    };
    output::line(format_args!("{done} {}", rule.name));
    Ok(ExitCode::SUCCESS)
}
