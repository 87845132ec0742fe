//! `seawall purge`: stored responses of a running process, through its admin API.

use std::process::ExitCode;

use seawall_console::control::{PurgeRequest, Purged};

use crate::cli::{Format, Purge};
use crate::output;
use crate::rules::connect;

pub(crate) fn run(args: &Purge) -> ExitCode {
    let request = PurgeRequest {
        url: args.url.clone(),
        prefix: args.prefix.clone(),
        key: args.key.clone(),
        all: args.all,
        soft: args.soft,
    };
    let purged =
        connect(&args.target).and_then(|client| client.purge(&request).map_err(|error| error.to_string()));
    match purged {
        Ok(purged) => tell(args, &purged),
        Err(error) => output::wrong(error),
    }
}

fn tell(args: &Purge, purged: &Purged) -> ExitCode {
    match args.format {
        Format::Json => output::json(purged),
        Format::Text => {
            let done = if purged.soft { "marked as stale" } else { "purged" };
            if purged.all {
                output::line(format_args!("{done}: everything"));
            }
            for one in &purged.purged {
                output::line(format_args!("{done}: {one}{}", more(args)));
            }
        }
    }
    if purged.durable {
        return ExitCode::SUCCESS;
    }
    output::problem(
        "it took effect, but could not be written to the cache's disk: after a crash, purge it again",
    );
    ExitCode::from(output::FOUND)
}

/// What a name alone does not say.
const fn more(args: &Purge) -> &'static str {
    match (&args.prefix, &args.key) {
        (Some(_), _) => "*",
        (_, Some(_)) => " (surrogate key)",
        _ => "",
    }
}
