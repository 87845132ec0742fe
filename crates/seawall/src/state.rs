//! The state folder: the secrets, the rules made at run time, and the archive of definitions.
//!
//! | file | what | mode |
//! |---|---|---|
//! | `receipt.key` | 32 random bytes that receipts are sealed with | 0600 |
//! | `admin.token` | the admin API's token, one line of 43 characters | 0600 |
//! | `rules.json` | rules made at run time, and what was disabled | 0600 |
//! | `revisions` | every definition that was ever active, by number | 0600 |
//! | `lock` | held by the process that writes the last two | 0600 |
//!
//! No file here holds an address, or a digest of one, but those that an operator wrote into a rule.

mod archive;
mod error;
mod file;
mod lock;
mod record;

use std::path::{Path, PathBuf};
use std::time::Duration;

use seawall_rules::receipt::{KEY_BYTES, Sealer};

pub use self::archive::{Archive, ArchiveReport, Definition, Known, Standing};
pub use self::error::StateError;
pub use self::record::{EndReason, Kind};

use self::file::Whose;

const RECEIPT_KEY: &str = "receipt.key";
const ADMIN_TOKEN: &str = "admin.token";
const RULES: &str = "rules.json";
const REVISIONS: &str = "revisions";

/// Characters of the admin token: 32 random bytes in base64url.
const TOKEN_CHARS: usize = 43;

/// A state folder whose permissions are right.
#[derive(Clone, Debug)]
pub struct StateFolder {
    path: PathBuf,
    whose: Whose,
}

/// The one process that may write rules and revisions.
#[derive(Debug)]
pub struct StateWriter {
    folder: StateFolder,
    /// The archive of definitions.
    pub archive: Archive,
    /// What was found when the archive was opened.
    pub report: ArchiveReport,
    _lock: lock::WriterLock,
}

// === impl StateFolder ===

impl StateFolder {
    /// Opens the folder for a server, and makes it (mode 0700) if it is not there.
    ///
    /// # Errors
    ///
    /// When another user owns it, or others can write it: they could read or replace the key.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        file::make_folder(path)?;
        file::check_folder(path, Whose::Mine)?;
        Ok(Self { path: path.to_owned(), whose: Whose::Mine })
    }

    /// Opens the folder to read, also while a server runs, and as root; makes nothing.
    pub fn open_to_read(path: &Path) -> Result<Self, StateError> {
        file::check_folder(path, Whose::MineOrIAmRoot)?;
        Ok(Self { path: path.to_owned(), whose: Whose::MineOrIAmRoot })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What seals and opens receipts; its key is made at the first start.
    pub fn sealer(&self) -> Result<Sealer, StateError> {
        let path = self.path.join(RECEIPT_KEY);
        let content = self.secret(&path, || Ok(random::<KEY_BYTES>()?.to_vec()))?;
        let key = content
            .try_into()
            .map_err(|_| StateError::Damaged { path, expected: "it should hold 32 bytes" })?;
        Ok(Sealer::new(key))
    }

    /// The admin API's token, made at the first start.
    pub fn admin_token(&self) -> Result<String, StateError> {
        let path = self.path.join(ADMIN_TOKEN);
        let content = self.secret(&path, || {
            let mut token = base64url(&random::<32>()?);
            token.push('\n');
            Ok(token.into_bytes())
        })?;
        let damaged = || StateError::Damaged {
            path: path.clone(),
            expected: "it should hold one line of at least 43 letters, digits, `-` and `_`",
        };
        let token = String::from_utf8(content).map_err(|_| damaged())?;
        let token = token.trim_end();
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
        if token.len() < TOKEN_CHARS || !token.bytes().all(plain) {
            return Err(damaged());
        }
        Ok(token.to_owned())
    }

    /// Takes the lock and opens what it guards. Waits for another process to release it for at most `patience`, and
    /// blocks: not for a worker's thread.
    pub fn writer(&self, patience: Duration) -> Result<StateWriter, StateError> {
        let lock = lock::WriterLock::take(&self.path, patience)?;
        file::remove_temporary(&self.path)?;
        let (archive, report) = Archive::open(&self.path.join(REVISIONS))?;
        Ok(StateWriter { folder: self.clone(), archive, report, _lock: lock })
    }

    /// Reads the archive, also while a server writes it.
    pub fn read_archive(&self) -> Result<Archive, StateError> {
        Archive::read(&self.path.join(REVISIONS)).map(|(archive, _)| archive)
    }

    fn secret(
        &self,
        path: &Path,
        make: impl FnOnce() -> Result<Vec<u8>, StateError>,
    ) -> Result<Vec<u8>, StateError> {
        if let Some(content) = file::read_secret(path, self.whose)? {
            return Ok(content);
        }
        if self.whose == Whose::Mine {
            file::create(path, &make()?)?;
        }
        // What is there now may be another process's, which was quicker.
        let missing = || StateError::io("read", path)(std::io::ErrorKind::NotFound.into());
        file::read_secret(path, self.whose)?.ok_or_else(missing)
    }
}

// === impl StateWriter ===

impl StateWriter {
    /// The folder.
    pub fn folder(&self) -> &StateFolder {
        &self.folder
    }

    /// Where the rules made at run time are.
    pub fn rules_path(&self) -> PathBuf {
        self.folder.path.join(RULES)
    }

    /// The rules made at run time, as [`StateWriter::save_rules`] was given them; `None` before the first.
    pub fn load_rules(&self) -> Result<Option<Vec<u8>>, StateError> {
        file::read_secret(&self.rules_path(), self.folder.whose)
    }

    /// Replaces the rules made at run time. When it returns, they outlive a crash.
    pub fn save_rules(&self, content: &[u8]) -> Result<(), StateError> {
        file::replace(&self.rules_path(), content)
    }
}

/// Random bytes from the operating system.
fn random<const N: usize>() -> Result<[u8; N], StateError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        StateError::io("read random bytes from", Path::new("the system"))(std::io::Error::other(
            error.to_string(),
        ))
    })?;
    Ok(bytes)
}

/// RFC 4648 §5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let wide =
            chunk.iter().fold(0_u32, |wide, byte| wide << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(wide >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests;
