//! A folder for one test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A temporary folder that goes when the value does.
///
/// Everybody may enter and read it: servers started by root serve as another user.
#[derive(Debug)]
pub struct Dir {
    dir: TempDir,
}

impl Dir {
    /// A new, empty one.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it makes a folder, which no default should")]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("seawall-").tempdir();
        let dir = dir.unwrap_or_else(|error| panic!("cannot make a temporary folder: {error}"));
        set_mode(dir.path(), 0o755);
        Self { dir }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path inside.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, and the folders above it; gives its path.
    #[track_caller]
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        let parent = path.parent().unwrap_or(self.path());
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, content));
        written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    /// What a file holds; empty when it is not there (yet).
    pub fn read(&self, name: impl AsRef<Path>) -> String {
        fs::read(self.join(name))
            .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Makes a folder that every user may write to.
    #[track_caller]
    pub(crate) fn open_folder(&self, name: &str) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
        set_mode(&path, 0o777);
        path
    }
}

#[track_caller]
fn set_mode(path: &Path, mode: u32) {
    let set = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    set.unwrap_or_else(|error| panic!("cannot set the mode of {}: {error}", path.display()));
}
