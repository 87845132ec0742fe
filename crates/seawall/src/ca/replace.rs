//! Files are replaced whole: whoever reads gets the old one or the new one.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A new file on disk beside the one that it will replace; removed when it is dropped before that.
#[derive(Debug)]
pub(super) struct Prepared {
    temporary: PathBuf,
    path: PathBuf,
    placed: bool,
}

impl Prepared {
    /// Writes the new file, with the permissions of the old. Through a symbolic link, the file that it leads to will be
    /// replaced.
    pub(super) fn new(path: &Path, content: &[u8]) -> io::Result<Self> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".new-{}", std::process::id()));
        let temporary = folder(&path).join(temporary);
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o644).open(&temporary)?;
        let this = Self { temporary, path, placed: false };
        if let Ok(found) = fs::metadata(&this.path) {
            if !found.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is there, and is no plain file"));
            }
            file.set_permissions(found.permissions())?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        Ok(this)
    }

    /// Gives it this date of change.
    pub(super) fn dated(self, date: SystemTime) -> io::Result<Self> {
        OpenOptions::new().write(true).open(&self.temporary)?.set_modified(date)?;
        Ok(self)
    }

    /// Keeps the file that will be replaced under another name.
    pub(super) fn keep_old(&self, name: &Path) -> io::Result<()> {
        match fs::hard_link(&self.path, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Puts it in its place. [`sync`] makes that last.
    pub(super) fn place(mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.path)?;
        self.placed = true;
        Ok(())
    }

    /// The file that it replaces.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if !self.placed {
            // What could not be put in place is of no use; the first error is the one to tell.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Makes what was put into the folder of this file last.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    fs::File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
