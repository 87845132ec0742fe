//! The state folder: the secrets, the rules made at run time, and the archive of definitions.
//!
//! | file | what | mode |
//! |---|---|---|
//! | `receipt.key` | 32 random bytes that receipts are sealed with | 0600 |
//! | `admin.token` | the admin API's token, one line of 64 hexadecimal digits | 0600 |
//! | `rules.json` | rules made at run time, and what was disabled | 0600 |
//! | `revisions` | every definition that was ever active, by number | 0600 |
//! | `storms` | the storms that stand and what was proposed against them, with a checksum | 0600 |
//! | `evidence/` | what exchanges of a storm looked like, for 72 hours, where somebody asked for it | 0700 |
//! | `lock` | held by the process that writes rules, revisions and storms | 0600 |
//!
//! No file here holds an address, or a digest of one, but those that an operator wrote into a rule.

mod archive;
mod error;
mod evidence;
mod file;
mod lock;
mod record;
mod storms;

use std::path::{Path, PathBuf};
use std::time::Duration;

use seawall_console::{NotAToken, Token};
use seawall_rules::receipt::{KEY_BYTES, Sealer};

pub use self::archive::{Archive, ArchiveReport, Definition, Known, Standing};
pub use self::error::StateError;
pub use self::evidence::{EvidenceFolder, view_of};
pub use self::record::{EndReason, Kind};
pub use self::storms::{parse as parse_storms, print as print_storms};

use self::file::{Secret, Whose};

const RECEIPT_KEY: &str = "receipt.key";
const ADMIN_TOKEN: &str = "admin.token";
const RULES: &str = "rules.json";
const REVISIONS: &str = "revisions";
const STORMS: &str = "storms";

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
        let secret = self.secret(&path, || Ok(random::<KEY_BYTES>()?.to_vec()))?;
        let key = secret
            .content
            .try_into()
            .map_err(|_| StateError::Damaged { path, expected: "it should hold 32 bytes" })?;
        Ok(Sealer::new(key))
    }

    /// The admin API's token, made at the first start.
    pub fn admin_token(&self) -> Result<Token, StateError> {
        let path = self.path.join(ADMIN_TOKEN);
        let secret = self.secret(&path, || {
            let token = Token::new(random()?, rustix::process::geteuid().as_raw());
            Ok(format!("{}\n", token.text()).into_bytes())
        })?;
        Token::parse(&secret.content, secret.owner).map_err(|NotAToken| StateError::Damaged {
            path,
            expected: "it should hold 64 hexadecimal digits",
        })
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
    ) -> Result<Secret, StateError> {
        if let Some(secret) = file::read_secret(path, self.whose)? {
            return Ok(secret);
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
        let rules = file::read_secret(&self.rules_path(), self.folder.whose)?;
        Ok(rules.map(|secret| secret.content))
    }

    /// The storms that stood, as [`StateWriter::save_storms`] was given them; `None` before the first.
    pub fn load_storms(&self) -> Result<Option<Vec<u8>>, StateError> {
        let storms = file::read_secret(&self.folder.path.join(STORMS), self.folder.whose)?;
        Ok(storms.map(|secret| secret.content))
    }

    /// Replaces the storms that stand.
    pub fn save_storms(&self, content: &[u8]) -> Result<(), StateError> {
        file::replace(&self.folder.path.join(STORMS), content)
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

#[cfg(test)]
mod tests;
