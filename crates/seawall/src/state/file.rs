//! Files that are whole or absent, whatever happens in the middle of a write; and that others cannot read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::StateError;

/// Temporary files begin so; what a crash left is removed by the next writer.
pub(super) const TEMPORARY: &str = ".new-";

/// Counts temporary files, so that two threads never write the same one.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Permission bits that let others write.
const OTHERS_WRITE: u32 = 0o022;
/// Permission bits that let others do anything.
const OTHERS_ANY: u32 = 0o077;

/// Makes the folder, for this user alone, if it is not there. Its parents too: they hold no secret.
pub(super) fn make_folder(path: &Path) -> Result<(), StateError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(StateError::io("make the folder", parent))?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_folder(
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        ),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StateError::io("make the folder", path)(error)),
    }
}

/// The folder is this user's (or this user is root, who may look at everybody's), and nobody else can write it.
pub(super) fn check_folder(path: &Path, whose: Whose) -> Result<(), StateError> {
    let found = fs::metadata(path).map_err(StateError::io("open the state folder", path))?;
    if !found.is_dir() {
        return Err(StateError::NotAFolder(path.to_owned()));
    }
    whose.check(path, found.uid())?;
    if found.mode() & OTHERS_WRITE != 0 {
        return Err(StateError::WritableByOthers(path.to_owned()));
    }
    Ok(())
}

/// Who may own what is opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Whose {
    /// This user alone: a process that writes as another would lock the owner out.
    Mine,
    /// For reading: root may read what any user's process wrote.
    MineOrIAmRoot,
}

impl Whose {
    fn check(self, path: &Path, owner: u32) -> Result<(), StateError> {
        let user = rustix::process::geteuid();
        if owner == user.as_raw() || (self == Self::MineOrIAmRoot && user.is_root()) {
            return Ok(());
        }
        Err(StateError::Owner { path: path.to_owned(), owner, user: user.as_raw() })
    }
}

/// What only its owner could read.
pub(super) struct Secret {
    pub(super) content: Vec<u8>,
    /// The number of the user whose file it is.
    pub(super) owner: u32,
}

/// Reads a secret; `None` if there is none. What is checked is the very file that is read.
pub(super) fn read_secret(path: &Path, whose: Whose) -> Result<Option<Secret>, StateError> {
    // Neither through a link, nor for ever at a pipe that nobody writes.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(StateError::NotAFile(path.to_owned())),
        Err(error) => return Err(StateError::io("read", path)(error.into())),
    };
    let found = file.metadata().map_err(StateError::io("read", path))?;
    if !found.is_file() {
        return Err(StateError::NotAFile(path.to_owned()));
    }
    whose.check(path, found.uid())?;
    if found.mode() & OTHERS_ANY != 0 {
        return Err(StateError::ReadableByOthers(path.to_owned()));
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(StateError::io("read", path))?;
    Ok(Some(Secret { content, owner: found.uid() }))
}

/// Makes a file with this content, for this user alone, unless it is there already.
pub(super) fn create(path: &Path, content: &[u8]) -> Result<(), StateError> {
    loop {
        let temporary = write_temporary(path, content)?;
        // A link, not a rename: of two processes that start together, both must end with the same key.
        let linked = fs::hard_link(&temporary, path);
        let removed = fs::remove_file(&temporary);
        match (linked, removed) {
            (Ok(()), _) => return sync_folder(folder_of(path)),
            (Err(error), _) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            // A writer that started meanwhile took it for a crash's: once more, for it does so once.
            (Err(_), Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            (Err(error), _) => return Err(StateError::io("make", path)(error)),
        }
    }
}

/// Replaces a file: afterwards it holds the old content or the new, whatever happens.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), StateError> {
    let temporary = write_temporary(path, content)?;
    fs::rename(&temporary, path).map_err(StateError::io("replace", path))?;
    sync_folder(folder_of(path))
}

/// Removes what a process that died in the middle of a write left. Only the writer may.
pub(super) fn remove_temporary(folder: &Path) -> Result<(), StateError> {
    let entries = fs::read_dir(folder).map_err(StateError::io("list", folder))?;
    for entry in entries.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

fn write_temporary(path: &Path, content: &[u8]) -> Result<PathBuf, StateError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let temporary = folder_of(path).join(format!("{TEMPORARY}{}-{number}-{name}", std::process::id()));
    let write = || -> io::Result<()> {
        let mut file = options().truncate(true).create(true).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(StateError::io("write", &temporary))?;
    Ok(temporary)
}

/// Opens for writing, for this user alone if it has to be made.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn sync_folder(folder: &Path) -> Result<(), StateError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(StateError::io("write", folder))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}
