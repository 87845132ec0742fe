//! What can be wrong with the state folder, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The operating system said no.
    #[error("cannot {doing} {}: {source}{}", path.display(), hint(source))]
    Io {
        /// What was tried: `read`, `write` ...
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The path is not a folder.
    #[error("{} is not a folder: name another one with `state`", .0.display())]
    NotAFolder(PathBuf),
    /// The path is not an ordinary file.
    #[error("{} is not an ordinary file: move it away", .0.display())]
    NotAFile(PathBuf),
    /// Somebody else owns it.
    #[error(
        "{} belongs to user {owner}, but this process runs as user {user}: run it as user {owner}, or `chown -R {user} {}`",
        path.display(), path.display()
    )]
    Owner {
        /// The file or folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs.
        user: u32,
    },
    /// Others can write the folder, and could replace the key.
    #[error("other users can write {}: `chmod go-w {}`", .0.display(), .0.display())]
    WritableByOthers(PathBuf),
    /// Others can read a secret.
    #[error("other users can read {}: `chmod 600 {}`; if it was so for long, remove it, and a new one is made at the next start", .0.display(), .0.display())]
    ReadableByOthers(PathBuf),
    /// A secret has the wrong length or alphabet.
    #[error("{} is damaged: {expected}; restore it, or remove it, and a new one is made at the next start", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// A file that people may read holds something else than it should.
    #[error("{}: {reason}; restore the file, or move it away to start without it", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another process writes the rulebook.
    #[error("{} is in use by process {holder}: stop it, or give this one another `state` folder", path.display())]
    Held {
        /// The folder.
        path: PathBuf,
        /// Its process id, or `unknown`.
        holder: String,
    },
    /// The archive has used up every revision that a receipt can name.
    #[error("{}: no revision number is left; move the file away: receipts made so far can then not be explained", .0.display())]
    Revisions(PathBuf),
}

impl StateError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "; run as the user that `seawall serve` runs as",
        io::ErrorKind::NotFound => "; `seawall serve` makes it at its first start",
        _ => "",
    }
}
