//! A log that grows, through rotation.
//!
//! Whoever rotates moves the file away and makes another of its name (logrotate's `create`), or copies it and cuts it
//! to nothing (`copytruncate`). So what is open is read to its end; then the name is looked up again: another file
//! there is read from its beginning, and a file that is shorter than what was read of it too. Lines written to the old
//! file after the move are read before the new one is taken up, unless they come later than that.
//!
//! Reading does not wait: the caller looks again as often as it likes.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A file that is followed by its name.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: File,
    id: (u64, u64),
    position: u64,
    rotations: u64,
}

/// What a look brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Look {
    /// So many bytes are in the buffer.
    Read(usize),
    /// Nothing new.
    Nothing,
    /// Another file has begun: a line that was not ended stays so. Look again.
    Rotated,
}

impl Follower {
    /// Opens a file and reads it from its beginning.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn from_beginning(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let id = id(&file)?;
        Ok(Self { path: path.to_owned(), file, id, position: 0, rotations: 0 })
    }

    /// Opens a file and reads what comes after its present end.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn from_end(path: &Path) -> io::Result<Self> {
        let mut follower = Self::from_beginning(path)?;
        follower.position = follower.file.seek(SeekFrom::End(0))?;
        Ok(follower)
    }

    /// How often another file was taken up.
    pub fn rotations(&self) -> u64 {
        self.rotations
    }

    /// Reads what is new.
    ///
    /// # Errors
    ///
    /// When reading fails. A name without a file is no error: between two files of a rotation there is none.
    pub fn look(&mut self, buffer: &mut [u8]) -> io::Result<Look> {
        let length = self.file.read(buffer)?;
        if length > 0 {
            self.position += length as u64;
            return Ok(Look::Read(length));
        }
        if self.file.metadata()?.len() < self.position {
            self.position = self.file.seek(SeekFrom::Start(0))?;
            self.rotations += 1;
            return Ok(Look::Rotated);
        }
        let other = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Nothing),
            Err(error) => return Err(error),
        };
        let other_id = id(&other)?;
        if other_id == self.id {
            return Ok(Look::Nothing);
        }
        // What was written between the last read and the move.
        let length = self.file.read(buffer)?;
        if length > 0 {
            self.position += length as u64;
            return Ok(Look::Read(length));
        }
        (self.file, self.id, self.position) = (other, other_id, 0);
        self.rotations += 1;
        Ok(Look::Rotated)
    }
}

fn id(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;

    use super::*;

    /// Everything that is new, and how often files changed meanwhile.
    fn new(follower: &mut Follower) -> (String, usize) {
        let (mut text, mut rotated, mut buffer) = (String::new(), 0, [0; 7]);
        loop {
            match follower.look(&mut buffer).unwrap() {
                Look::Read(length) => text += std::str::from_utf8(&buffer[..length]).unwrap(),
                Look::Rotated => rotated += 1,
                Look::Nothing => return (text, rotated),
            }
        }
    }

    fn append(path: &Path, text: &str) {
        OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_file_that_is_moved_away_is_read_to_its_end_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
        append(&path, "one\n");
        let mut follower = Follower::from_beginning(&path).unwrap();
        assert_eq!(new(&mut follower), ("one\n".into(), 0));
        assert_eq!(new(&mut follower), (String::new(), 0));
        fs::rename(&path, &old).unwrap();
        append(&old, "two\n");
        assert_eq!(new(&mut follower), ("two\n".into(), 0));
        append(&old, "three\n");
        append(&path, "four\n");
        assert_eq!(new(&mut follower), ("three\nfour\n".into(), 1));
        append(&path, "five\n");
        assert_eq!(new(&mut follower), ("five\n".into(), 0));
        assert_eq!(follower.rotations(), 1);
    }

    #[test]
    fn a_file_that_is_cut_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, "one\ntwo\n");
        let mut follower = Follower::from_end(&path).unwrap();
        assert_eq!(new(&mut follower), (String::new(), 0));
        append(&path, "three\n");
        assert_eq!(new(&mut follower), ("three\n".into(), 0));
        fs::write(&path, "").unwrap();
        append(&path, "four\n");
        assert_eq!(new(&mut follower), ("four\n".into(), 1));
    }

    #[test]
    fn a_file_that_is_not_there_is_told() {
        assert!(Follower::from_beginning(Path::new("/nonexistent/log")).is_err());
    }
}
