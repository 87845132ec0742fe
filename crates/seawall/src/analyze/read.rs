//! Blocks of a log on all cores, their results in order.
//!
//! One thread reads and decompresses, workers parse, and the caller's thread puts together what they made, block after
//! block as they stand in the log. Bounded: each worker has a block, and as many wait before and behind it, so memory is
//! flat whatever the log's length; a worker that is far ahead waits.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use seawall_http::UnixTime;
use seawall_logs::{Blocks, Detection, Formats, Last, Opening, Parser, SAMPLE_BYTES, detect};

use crate::analyze::input::{Input, InputError};

/// Whole lines of a log, with what is to be known of those before them.
#[derive(Debug)]
pub struct Block {
    /// Its place, from 0.
    pub index: u64,
    /// The lines.
    pub bytes: Vec<u8>,
    /// For [`Parser::read`].
    pub opening: Opening,
    /// For [`Parser::read`].
    pub last: Last,
}

/// The beginning of a log, read to find its format.
#[derive(Debug)]
pub struct Sample {
    bytes: Vec<u8>,
    /// Why there is no more.
    broken: Option<InputError>,
}

impl Sample {
    /// Reads so much of a log as recognising looks at.
    ///
    /// # Errors
    ///
    /// When nothing can be read. A log that breaks off within its beginning is told by [`in_order`].
    pub fn read(input: &mut Input) -> Result<Self, InputError> {
        let mut bytes = vec![0; SAMPLE_BYTES];
        let mut length = 0;
        let mut broken = None;
        while length < bytes.len() {
            match input.read(&mut bytes[length..]) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if length == 0 => return Err(error),
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        bytes.truncate(length);
        Ok(Self { bytes, broken })
    }

    /// Whether the log holds nothing.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The earliest time in it.
    pub fn earliest(&self, formats: &Formats) -> Option<UnixTime> {
        formats.read(&self.bytes, |_, _| {}).earliest
    }

    /// What format it looks like; `None` if like none.
    pub fn detect(&self) -> Option<Detection> {
        detect(&self.bytes)
    }
}

/// Reads a log after its sample: `work` turns each block into something on one of `threads` threads, and `merge` takes
/// these in the order of the blocks.
///
/// # Errors
///
/// When the log breaks off: what came before has been merged.
pub fn in_order<T: Send>(
    input: Input,
    sample: Sample,
    formats: &Formats,
    threads: usize,
    work: impl Fn(&mut Parser, &Block) -> T + Sync,
    mut merge: impl FnMut(T),
) -> Result<(), InputError> {
    let threads = threads.max(1);
    let (jobs, waiting) = sync_channel::<Block>(threads);
    let (done, results) = sync_channel::<(u64, thread::Result<T>)>(threads);
    // A worker takes its next block only when its place is near: this many may be between the first and the last.
    let (tickets, turn) = sync_channel::<()>(4 * threads);
    // Goes with the last worker, so that the reader does not wait for nobody.
    let waiting = Arc::new(Mutex::new(waiting));
    thread::scope(|scope| {
        let reader = scope.spawn(move || feed(input, sample, formats, &jobs, &tickets));
        for _ in 0..threads {
            let (done, waiting, work) = (done.clone(), Arc::clone(&waiting), &work);
            scope.spawn(move || work_on(&waiting, formats, work, &done));
        }
        drop((done, waiting));
        put_in_order(results, turn, &mut merge);
        reader.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn feed(
    mut input: Input,
    mut sample: Sample,
    formats: &Formats,
    jobs: &SyncSender<Block>,
    tickets: &SyncSender<()>,
) -> Result<(), InputError> {
    let mut blocks = Blocks::new(BLOCK_BYTES);
    let mut opening = formats.opening();
    let mut index = 0;
    // False once nobody is there to take it: a worker panicked.
    let mut send = |bytes: Vec<u8>, last| {
        let opened = opening.clone();
        opening.advance(&bytes);
        let block = Block { index, bytes, opening: opened, last };
        index += 1;
        tickets.send(()).is_ok() && jobs.send(block).is_ok()
    };
    let mut chunk = std::mem::take(&mut sample.bytes);
    let mut length = chunk.len();
    let ended = loop {
        if let Some(bytes) = blocks.push(&chunk[..length])
            && !send(bytes, Last::No)
        {
            return Ok(());
        }
        if chunk.len() < CHUNK_BYTES {
            chunk.resize(CHUNK_BYTES, 0);
        }
        if let Some(error) = sample.broken.take() {
            break Err(error);
        }
        // Whole chunks, also of a pipe: where blocks end does not depend on how fast it is filled.
        length = 0;
        while length < chunk.len() && sample.broken.is_none() {
            match input.read(&mut chunk[length..]) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) => sample.broken = Some(error),
            }
        }
        if length == 0 {
            break sample.broken.take().map_or(Ok(()), Err);
        }
    };
    if let Some(bytes) = blocks.finish() {
        send(bytes, Last::Block);
    }
    ended
}

fn work_on<T>(
    waiting: &Mutex<Receiver<Block>>,
    formats: &Formats,
    work: &(impl Fn(&mut Parser, &Block) -> T + Sync),
    done: &SyncSender<(u64, thread::Result<T>)>,
) {
    let mut parser = Parser::new(formats.clone());
    loop {
        let block = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(block) = block else { return };
        // A parser that panicked is not used again: whoever takes the result panics too.
        let result = catch_unwind(AssertUnwindSafe(|| work(&mut parser, &block)));
        if done.send((block.index, result)).is_err() {
            return;
        }
    }
}

/// Holds results that came too early; no more than there are tickets. A panic goes on here, and ends the other threads
/// by taking away the ends of their channels.
#[expect(clippy::needless_pass_by_value, reason = "they are to be dropped by a panic")]
fn put_in_order<T>(
    results: Receiver<(u64, thread::Result<T>)>,
    turn: Receiver<()>,
    merge: &mut impl FnMut(T),
) {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (index, result) in results {
        early.insert(index, result.unwrap_or_else(|panic| resume_unwind(panic)));
        while let Some(result) = early.remove(&next) {
            merge(result);
            next += 1;
            // Its ticket was sent before it.
            let _ = turn.try_recv();
        }
    }
}

/// Lines enough that handing a block over costs nothing beside parsing it, and few enough that all fit a core's cache.
const BLOCK_BYTES: usize = 1 << 20;
/// Read at once.
const CHUNK_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use seawall_logs::Tally;

    use super::*;
    use crate::analyze::input::Source;

    fn log(lines: u32) -> String {
        (0..lines)
            .map(|line| {
                format!(
                    "192.0.2.{} - - [17/May/2015:10:05:{:02} +0000] \"GET /{line} HTTP/1.1\" 200 {line} \"-\" \"x\"\n",
                    line % 250,
                    line % 60
                )
            })
            .collect()
    }

    fn read(path: &Path, threads: usize) -> (Tally, Vec<String>, Result<(), InputError>) {
        let mut input = Input::open(&Source::new(path)).unwrap();
        let sample = Sample::read(&mut input).unwrap();
        let formats = sample.detect().unwrap().formats;
        let (mut tally, mut paths) = (Tally::default(), Vec::new());
        let work = |parser: &mut Parser, block: &Block| {
            let mut paths = Vec::new();
            let tally = parser.read(&block.opening, &block.bytes, block.last, |_, record| {
                paths.push(String::from_utf8_lossy(record.path.as_deref().unwrap_or_default()).into_owned());
            });
            (tally, paths)
        };
        let ended = in_order(input, sample, &formats, threads, work, |(more, found)| {
            tally.merge(more);
            paths.extend(found);
        });
        (tally, paths, ended)
    }

    #[test]
    fn lines_come_in_order_however_many_threads_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        std::fs::write(&path, log(40_000)).unwrap();
        let (alone, paths, ended) = read(&path, 1);
        assert!(ended.is_ok());
        assert_eq!((alone.lines, alone.records), (40_000, 40_000));
        assert!(paths.iter().enumerate().all(|(line, path)| *path == format!("/{line}")));
        for threads in [2, 7] {
            let (tally, again, _) = read(&path, threads);
            assert_eq!(tally, alone, "{threads} threads");
            assert!(again == paths, "{threads} threads");
        }
    }

    #[test]
    fn a_panic_of_a_worker_ends_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        std::fs::write(&path, log(40_000)).unwrap();
        let mut input = Input::open(&Source::new(&path)).unwrap();
        let sample = Sample::read(&mut input).unwrap();
        let formats = sample.detect().unwrap().formats;
        let work = |_: &mut Parser, block: &Block| assert!(block.index != 1, "a bug");
        let result = catch_unwind(AssertUnwindSafe(|| in_order(input, sample, &formats, 2, work, |()| {})));
        assert!(result.is_err());
    }

    #[test]
    fn what_came_before_the_damage_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log.gz");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, log(40_000).as_bytes()).unwrap();
        let whole = encoder.finish().unwrap();
        std::fs::write(&path, &whole[..whole.len() * 9 / 10]).unwrap();
        let (tally, _, ended) = read(&path, 2);
        assert!(matches!(ended, Err(InputError::Read { .. })));
        assert!(tally.records > 30_000, "{}", tally.records);
    }
}
