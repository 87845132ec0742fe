//! What commands print, and the statuses that they end with.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use seawall_config::printable;
use serde::Serialize;

/// Something was found, or refused.
pub const FOUND: u8 = 1;
/// Wrong usage or input.
pub const WRONG: u8 = 2;

/// Whether something could not be printed.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a line to standard output. A reader that went away (`| head`) is no error worth telling; a full disk is.
pub fn line(text: impl Display) {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe && !LOST.swap(true, Ordering::Relaxed) => {
            problem(format_args!("cannot write to standard output: {error}"));
        }
        _ => {}
    }
}

/// What a command's status becomes when part of what it had to say was lost.
pub fn status(done: ExitCode) -> ExitCode {
    if LOST.load(Ordering::Relaxed) { ExitCode::from(WRONG) } else { done }
}

/// Prints facts as JSON.
pub fn json(facts: &impl Serialize) {
    match serde_json::to_string_pretty(facts) {
        Ok(text) => line(text),
        Err(error) => problem(error),
    }
}

/// Prints what went wrong to standard error; it may name a file, or what another process said, so nothing of it
/// commands the terminal.
pub fn problem(text: impl Display) {
    let text = text.to_string();
    let _ = writeln!(io::stderr(), "seawall: {}", printable(&text));
}

/// Prints what is worth knowing, but not wrong, to standard error.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints a rendered diagnostic to standard error, set apart from the next.
pub fn report(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}\n", text.as_ref().trim_end());
}

/// Prints what went wrong, and gives the status for wrong usage or input.
pub fn wrong(text: impl Display) -> ExitCode {
    problem(text);
    ExitCode::from(WRONG)
}
