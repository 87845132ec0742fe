//! What commands print, and the statuses that they end with.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

/// Something was found, or refused.
pub const FOUND: u8 = 1;
/// Wrong usage or input.
pub const WRONG: u8 = 2;

/// Prints a line to standard output. A reader that went away (`| head`) is no error worth telling.
pub fn line(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints facts as JSON.
pub fn json(facts: &impl Serialize) {
    match serde_json::to_string_pretty(facts) {
        Ok(text) => line(text),
        Err(error) => problem(error),
    }
}

/// Prints what went wrong to standard error.
pub fn problem(text: impl Display) {
    let _ = writeln!(io::stderr(), "seawall: {text}");
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
