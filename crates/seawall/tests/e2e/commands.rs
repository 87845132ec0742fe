//! Commands where their input or output is hostile.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use crate::support::SEAWALL;

fn seawall(arguments: &[&str]) -> Command {
    let mut command = Command::new(SEAWALL);
    command.args(arguments).stdin(Stdio::null());
    command
}

#[test]
fn output_that_is_lost_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    let output = seawall(&["man"]).stdout(full).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("seawall: cannot write to standard output: No space left"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = seawall(&["man"]).stdout(writer).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
}

#[test]
fn a_file_commands_no_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("\u{1b}[31m.toml");
    fs::write(&path, "# \u{1b}[2J\n\"\\u001b[31m\" = 1\n").expect("a file");
    for command in ["check", "serve"] {
        let output = seawall(&[command]).arg(&path).output().expect("it runs");
        assert_ne!(output.status.code(), Some(0));
        let said = [output.stdout, output.stderr].concat();
        assert!(said.len() > 50 && !said.contains(&0x1b), "{}", String::from_utf8_lossy(&said));
    }
    let output = seawall(&["check", "\u{1b}[31m"]).output().expect("it runs");
    assert!(!output.stderr.contains(&0x1b));
}
