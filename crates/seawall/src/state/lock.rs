//! The lock of the one process that writes the rulebook.
//!
//! An advisory `flock` on `lock`: the system releases it when the process dies, so nothing is left to clean up. On
//! handover the old process drops its [`WriterLock`] before it drains, and the new one waits for it; both read the
//! key and the token meanwhile, which need no lock.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{StateError, file};

const LOCK_FILE: &str = "lock";

/// How often a held lock is asked for.
const POLL: Duration = Duration::from_millis(10);

/// Held while it lives.
#[derive(Debug)]
pub(super) struct WriterLock {
    _file: File,
}

impl WriterLock {
    /// Takes the lock, waiting for another process to release it for at most `patience`. Blocks.
    pub(super) fn take(folder: &Path, patience: Duration) -> Result<Self, StateError> {
        let path = folder.join(LOCK_FILE);
        let mut options = file::options();
        let mut file = options.read(true).create(true).open(&path).map_err(StateError::io("open", &path))?;
        let start = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) if start.elapsed() < patience => std::thread::sleep(POLL),
                Err(Errno::WOULDBLOCK) => {
                    return Err(StateError::Held { path: folder.to_owned(), holder: holder(&mut file) });
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(StateError::io("lock", &path)(errno.into())),
            }
        }
        // For the message above alone; the lock holds without it.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(20).read_to_string(&mut text);
    match (read, text.trim()) {
        (Ok(_), pid) if !pid.is_empty() => pid.to_owned(),
        _ => "unknown".to_owned(),
    }
}
