//! A log that grows, through rotation.
//!
//! Whoever rotates moves the file away and makes another of its name (logrotate's `create`), or copies it and cuts it
//! to nothing (`copytruncate`). So what is open is read to its end; then the name is looked up again: another file
//! there is read from its beginning, and a file that is shorter than what was read of it, or begins otherwise, too. Lines written to the old
//! file after the move are read before the new one is taken up, unless they come later than that.
//!
//! Reading does not wait: the caller looks again as often as it likes.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// A file that is followed by its name.
#[derive(Debug)]
pub(crate) struct Follower {
    path: PathBuf,
    /// What is open; nothing until there is such a file.
    open: Option<Opened>,
}

#[derive(Debug)]
struct Opened {
    file: File,
    id: (u64, u64),
    position: u64,
    /// How it begins. What was cut and has grown beyond the position since begins otherwise.
    head: Vec<u8>,
}

/// What a look brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Look {
    /// So many bytes are in the buffer.
    Read(usize),
    /// Nothing new.
    Nothing,
    /// Another file has begun: a line that was not ended stays so. Look again.
    Rotated,
}

impl Follower {
    /// Follows the file of that name from its beginning; there need be none yet.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None }
    }

    /// Reads what is new.
    ///
    /// # Errors
    ///
    /// When reading fails. A name without a file is no error: between two files of a rotation there is none.
    pub(crate) fn look(&mut self, buffer: &mut [u8]) -> io::Result<Look> {
        let Some(open) = &mut self.open else {
            self.open = Opened::find(&self.path)?;
            return Ok(if self.open.is_some() { Look::Rotated } else { Look::Nothing });
        };
        if open.was_cut()? {
            open.position = open.file.seek(SeekFrom::Start(0))?;
            open.head.clear();
            return Ok(Look::Rotated);
        }
        let length = open.read(buffer)?;
        if length > 0 {
            return Ok(Look::Read(length));
        }
        let Some(other) = Opened::find(&self.path)?.filter(|other| other.id != open.id) else {
            return Ok(Look::Nothing);
        };
        // What was written between the last read and the move.
        let length = open.read(buffer)?;
        if length > 0 {
            return Ok(Look::Read(length));
        }
        *open = other;
        Ok(Look::Rotated)
    }
}

impl Opened {
    /// The file of that name, if there is one.
    fn find(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) if file.metadata()?.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(file) => {
                let id = id(&file)?;
                Ok(Some(Self { file, id, position: 0, head: Vec::new() }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn was_cut(&self) -> io::Result<bool> {
        if self.file.metadata()?.len() < self.position {
            return Ok(true);
        }
        let mut head = [0; HEAD_BYTES];
        let length = self.file.read_at(&mut head[..self.head.len()], 0)?;
        Ok(head[..length] != self.head)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        if self.head.len() < HEAD_BYTES {
            let room = HEAD_BYTES - self.head.len();
            self.head.extend_from_slice(&buffer[..length.min(room)]);
        }
        self.position += length as u64;
        Ok(length)
    }
}

fn id(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// A line's address and time, mostly.
const HEAD_BYTES: usize = 128;

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
        let mut follower = Follower::new(&path);
        assert_eq!(new(&mut follower), (String::new(), 0), "there is none yet");
        append(&path, "one\n");
        assert_eq!(new(&mut follower), ("one\n".into(), 1));
        assert_eq!(new(&mut follower), (String::new(), 0));
        fs::rename(&path, &old).unwrap();
        append(&old, "two\n");
        assert_eq!(new(&mut follower), ("two\n".into(), 0));
        append(&old, "three\n");
        append(&path, "four\n");
        assert_eq!(new(&mut follower), ("three\nfour\n".into(), 1));
        append(&path, "five\n");
        assert_eq!(new(&mut follower), ("five\n".into(), 0));
    }

    #[test]
    fn a_file_that_is_cut_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, "one\ntwo\n");
        let mut follower = Follower::new(&path);
        assert_eq!(new(&mut follower), ("one\ntwo\n".into(), 1));
        fs::write(&path, "").unwrap();
        append(&path, "four\n");
        assert_eq!(new(&mut follower), ("four\n".into(), 1));
        // Longer than what was read, by the time somebody looks.
        fs::write(&path, "").unwrap();
        append(&path, "five\nsix\nseven\n");
        assert_eq!(new(&mut follower), ("five\nsix\nseven\n".into(), 1));
    }

    #[test]
    fn a_folder_is_no_log() {
        assert!(Follower::new(Path::new("/tmp")).look(&mut [0; 10]).is_err());
    }
}
