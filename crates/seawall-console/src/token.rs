//! The bearer token of the admin API, kept in the state folder.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Whoever knows it may change the rules. Never shown, not even for debugging.
#[derive(Clone)]
pub struct Token {
    text: String,
    owner: Option<u32>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read or made.
    #[error("cannot use the token file {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than its owner may read it.
    #[error("others may read the token file {path} (mode {mode:04o}): make it `chmod 600`, and delete it if it may be known", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It does not hold a token.
    #[error("the token file {path} does not hold a token: delete it, and a new one is made at the next start", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The system has no randomness.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

impl Token {
    /// The token of a state folder, made at the first start with mode 0600.
    ///
    /// # Errors
    /// If it can be neither read nor made, or if others may read it.
    pub fn load_or_create(state: &Path) -> Result<Self, TokenError> {
        match Self::load(state) {
            Err(TokenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            loaded => return loaded,
        }
        let token = Self::random()?;
        match token.create(state) {
            Ok(()) => Ok(token),
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::load(state),
            Err(source) => Err(TokenError::Io { path: file(state), source }),
        }
    }

    /// The token of a state folder that is in use.
    ///
    /// # Errors
    /// If it cannot be read, or if others may read it.
    pub fn load(state: &Path) -> Result<Self, TokenError> {
        let path = file(state);
        let read = || -> io::Result<(fs::Metadata, String)> {
            let file = fs::File::open(&path)?;
            let mut text = String::new();
            let metadata = file.metadata()?;
            file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
            Ok((metadata, text))
        };
        let (metadata, text) = match read() {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(TokenError::Damaged { path });
            }
            Err(source) => return Err(TokenError::Io { path, source }),
        };
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(TokenError::Exposed { path, mode });
        }
        let token = text.trim_ascii_end();
        match token.len() == TOKEN_CHARACTERS && token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Self { text: token.to_owned(), owner: Some(metadata.uid()) }),
            false => Err(TokenError::Damaged { path }),
        }
    }

    /// A new token of 256 random bits.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn random() -> Result<Self, TokenError> {
        let mut bytes = [0_u8; TOKEN_CHARACTERS / 2];
        getrandom::fill(&mut bytes).map_err(TokenError::Random)?;
        Ok(Self { text: bytes.iter().map(|byte| format!("{byte:02x}")).collect(), owner: None })
    }

    /// Compares in a time that tells nothing about where the two differ.
    pub(crate) fn is(&self, other: &[u8]) -> bool {
        let own = self.text.as_bytes();
        let differing = own.iter().zip(other).fold(0, |differing, (a, b)| differing | (a ^ b));
        own.len() == other.len() && std::hint::black_box(differing) == 0
    }

    /// The user whose file it is; `None` if it is not from a file.
    pub(crate) const fn owner(&self) -> Option<u32> {
        self.owner
    }

    /// As an `Authorization` field's value.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.text)
    }

    /// Writes beside the file and links it into place, so that nobody ever reads half of it.
    fn create(&self, state: &Path) -> io::Result<()> {
        let path = file(state);
        let beside = state.join(format!(".{FILE}.{}", std::process::id()));
        let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        let written = writeln!(new, "{}", self.text).and_then(|()| new.sync_all());
        let linked = written.and_then(|()| fs::hard_link(&beside, &path));
        fs::remove_file(&beside)?;
        linked
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(_)")
    }
}

fn file(state: &Path) -> PathBuf {
    state.join(FILE)
}

const FILE: &str = "admin-token";

/// 256 bits in hexadecimal.
const TOKEN_CHARACTERS: usize = 64;

/// A token and what an editor may have put behind it.
const FILE_BYTES_MAX: u64 = 256;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_token_is_made_once_and_only_its_owner_may_read_it() {
        let state = tempfile::tempdir().expect("tempdir");
        let first = Token::load_or_create(state.path()).expect("made");
        let second = Token::load_or_create(state.path()).expect("read");
        assert_eq!(first.text, second.text);
        assert_eq!(file(state.path()).metadata().expect("there").mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(state.path()).expect("folder").count(), 1);
        assert_ne!(first.text, Token::random().expect("random").text);
    }

    #[test]
    fn a_token_that_others_may_read_is_refused() {
        let state = tempfile::tempdir().expect("tempdir");
        Token::load_or_create(state.path()).expect("made");
        fs::set_permissions(file(state.path()), fs::Permissions::from_mode(0o640)).expect("chmod");
        let error = Token::load_or_create(state.path()).expect_err("exposed").to_string();
        assert!(error.contains("mode 0640"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_told_from_a_missing_one() {
        let state = tempfile::tempdir().expect("tempdir");
        assert!(matches!(Token::load(state.path()), Err(TokenError::Io { .. })));
        for text in [&b"short"[..], b"", &[b'g'; 64], &[0xff; 64], &[b'a'; 300]] {
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(file(state.path()))
                .expect("file");
            file.write_all(text).expect("write");
            assert!(matches!(Token::load(state.path()), Err(TokenError::Damaged { .. })), "{text:?}");
        }
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Token { text: "ab".repeat(32), owner: None };
        assert!(token.is("ab".repeat(32).as_bytes()));
        for other in ["", "ab", &"ab".repeat(33), &"ac".repeat(32)] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token(_)");
    }
}
