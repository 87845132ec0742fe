//! [`Files`]: how rule files are listed and read, passed in by the caller.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Reads the files that a configuration names.
pub trait Files {
    /// The whole text of a file.
    ///
    /// # Errors
    ///
    /// Whatever reading it failed with, `InvalidData` if it is not UTF-8.
    fn read(&mut self, path: &Path) -> io::Result<String>;

    /// The paths of the plain files in a folder, in any order.
    ///
    /// # Errors
    ///
    /// Whatever listing it failed with.
    fn list(&mut self, folder: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&mut self, path: &Path) -> io::Result<String> {
        // 256 MiB are some two million rules; more is a mistake (a log, a device) rather than a rule file.
        const BYTES_MAX: u64 = 256 << 20;
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
        }
        if metadata.len() > BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 256 MiB"));
        }
        std::fs::read_to_string(path)
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        // An empty path is the folder that relative paths start from.
        let at = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(at)? {
            let path = folder.join(entry?.file_name());
            if path.is_file() {
                paths.push(path);
            }
        }
        Ok(paths)
    }
}

/// Files held in memory: for tests, for replay, and (empty) where a configuration may name none.
impl Files for BTreeMap<PathBuf, String> {
    fn read(&mut self, path: &Path) -> io::Result<String> {
        self.get(path).cloned().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.keys().filter(|path| path.parent() == Some(folder)).cloned().collect())
    }
}
