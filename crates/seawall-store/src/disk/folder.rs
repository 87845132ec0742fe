//! The store's folder: one file per stored response.
//!
//! ```text
//! lock        held by the process that uses the folder
//! seed        the secret of the hashes in file names, made with the folder
//! purges      the journal of purges
//! writing/    files that are not whole yet
//! 00/ .. ff/  stored responses, by the first two digits of their names
//! ```
//!
//! Removes and writes nothing else, should the operator name a folder that has other things in it.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::Hasher;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{FlockOperation, flock};
use seawall_cache::{CacheKey, SecondaryKey};
use siphasher::sip::SipHasher13;

use super::record::{Writer, write_selecting};

/// An open folder, locked for this process.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    seed: [u8; 16],
    /// Whether the files in it, if any, are of another time and mean nothing.
    pub(super) is_new: bool,
    #[expect(dead_code, reason = "held while open")]
    lock: File,
}

/// The name of a stored response: so that the index can be made from names alone.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct FileName {
    /// The cache key's hash.
    pub(crate) key: u64,
    /// The secondary key's hash.
    pub(crate) selecting: u64,
    /// A number that no other file of this folder has had.
    pub(crate) id: u64,
}

impl Folder {
    /// Opens it, or makes it; `None` while another process has it.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        // What is stored may be for few eyes, cookies that responses vary by among it.
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let (seed, is_new) = match read_seed(&path.join("seed"))? {
            Some(seed) => (seed, false),
            None => (write_seed(&path.join("seed"))?, true),
        };
        let folder = Self { path: path.to_owned(), seed, is_new, lock };
        fs::create_dir_all(path.join(WRITING))?;
        for part in 0..=u8::MAX {
            fs::create_dir_all(path.join(format!("{part:02x}")))?;
        }
        folder.remove_unfinished()?;
        Ok(Some(folder))
    }

    fn remove_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.path.join(WRITING))? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| u64::from_str_radix(name, 16).is_ok()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    pub(super) fn key_hash(&self, key: &CacheKey) -> u64 {
        self.hash(key.as_str().as_bytes())
    }

    pub(super) fn selecting_hash(&self, selected_by: &SecondaryKey) -> u64 {
        let mut writer = Writer::default();
        write_selecting(&mut writer, selected_by);
        self.hash(&writer.0)
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.seed);
        hasher.write(bytes);
        hasher.finish()
    }

    pub(super) fn file(&self, name: FileName) -> PathBuf {
        self.path.join(format!("{:02x}", name.key >> 56)).join(name.to_string())
    }

    pub(super) fn unfinished(&self, id: u64) -> PathBuf {
        self.path.join(WRITING).join(format!("{id:016x}"))
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.path.join("purges")
    }

    /// The names and sizes of the files in one of its 256 parts.
    pub(super) fn part(&self, part: u8) -> io::Result<Vec<(FileName, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.path.join(format!("{part:02x}")))? {
            let entry = entry?;
            let name = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let (Some(name), Ok(metadata)) = (name, entry.metadata()) {
                files.push((name, metadata.len()));
            }
        }
        Ok(files)
    }

    /// Makes the names in the folder itself outlast a loss of power.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// `None` if there is none, or one of another format.
fn read_seed(path: &Path) -> io::Result<Option<[u8; 16]>> {
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => {
            file.take(256).read_to_string(&mut text).map(drop).or_else(|error| {
                if error.kind() == io::ErrorKind::InvalidData { Ok(()) } else { Err(error) }
            })?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let digits = text.strip_prefix(SEED_PREFIX).and_then(|rest| rest.strip_suffix('\n'));
    let digits = digits.filter(|digits| digits.len() == 32);
    Ok(digits.and_then(|digits| u128::from_str_radix(digits, 16).ok()).map(u128::to_be_bytes))
}

fn write_seed(path: &Path) -> io::Result<[u8; 16]> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
    let text = format!("{SEED_PREFIX}{:032x}\n", u128::from_be_bytes(seed));
    let written = path.with_extension("new");
    let mut file = File::create(&written)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&written, path)?;
    Ok(seed)
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}-{:016x}", self.key, self.selecting, self.id)
    }
}

impl FromStr for FileName {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let number = |part: &str| {
            let is_hex = part.len() == 16 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            u64::from_str_radix(part, 16).ok().filter(|_| is_hex).ok_or(())
        };
        let mut parts = name.splitn(3, '-');
        let mut part = || parts.next().ok_or(()).and_then(number);
        Ok(Self { key: part()?, selecting: part()?, id: part()? })
    }
}

const WRITING: &str = "writing";

/// The format of names and files; with another one, the folder begins anew.
const SEED_PREFIX: &str = "seawall-store 1 ";
