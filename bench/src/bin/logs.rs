//! Parses and counts an access log: `logs FILE THREADS`.
//!
//! Recognises the format, reads every line into a record, and counts requests by path, by user agent and by client, and
//! bytes of content: what a person wants of GoAccess, `awk` or ripgrep at least. With one thread it reads and parses in
//! turns; with more, one reads and all parse.
//! Prints `lines N records N rejected N content N paths N agents N clients N memory N`, the last in KiB at its highest.

use std::collections::HashMap;
use std::env;
use std::fs::File;
use std::io::Read as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use foldhash::fast::RandomState;
use seawall_logs::{Blocks, Formats, Last, Opening, Parser, Record, SAMPLE_BYTES, Tally, detect};

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let [_, path, threads] = &arguments[..] else { bail!("usage: logs FILE THREADS") };
    let threads: usize = threads.parse()?;
    ensure!((1..=256).contains(&threads), "THREADS is 1 to 256");
    let formats = recognise(path)?;
    let file = File::open(path).with_context(|| format!("cannot read {path}"))?;
    let (tally, counts) =
        if threads == 1 { read_alone(file, &formats)? } else { read_together(file, &formats, threads)? };
    println!(
        "lines {} records {} rejected {} content {} paths {} agents {} clients {} memory {}",
        tally.lines,
        tally.records,
        tally.rejected_total(),
        counts.content,
        counts.paths.len(),
        counts.agents.len(),
        counts.clients.len(),
        memory_kib()?,
    );
    Ok(())
}

fn recognise(path: &str) -> Result<Formats> {
    let mut sample = Vec::new();
    let file = File::open(path).with_context(|| format!("cannot read {path}"))?;
    file.take(SAMPLE_BYTES as u64).read_to_end(&mut sample)?;
    Ok(detect(&sample).context("no format reads this")?.formats)
}

/// What is counted. Grows with what the log holds, as that of all its peers does.
#[derive(Default)]
struct Counts {
    content: u64,
    paths: HashMap<Vec<u8>, u64, RandomState>,
    agents: HashMap<Vec<u8>, u64, RandomState>,
    clients: HashMap<std::net::IpAddr, u64, RandomState>,
}

impl Counts {
    fn add(&mut self, record: &Record<'_>) {
        self.content += record.content_bytes.unwrap_or(0);
        add_one(&mut self.paths, record.path.as_deref());
        add_one(&mut self.agents, record.user_agent.as_deref());
        if let Some(client) = record.client {
            *self.clients.entry(client.expose()).or_default() += 1;
        }
    }

    fn merge(&mut self, other: Self) {
        self.content += other.content;
        for (key, count) in other.paths {
            *self.paths.entry(key).or_default() += count;
        }
        for (key, count) in other.agents {
            *self.agents.entry(key).or_default() += count;
        }
        for (key, count) in other.clients {
            *self.clients.entry(key).or_default() += count;
        }
    }
}

fn add_one(counts: &mut HashMap<Vec<u8>, u64, RandomState>, key: Option<&[u8]>) {
    let Some(key) = key else { return };
    match counts.get_mut(key) {
        Some(count) => *count += 1,
        None => {
            counts.insert(key.to_vec(), 1);
        }
    }
}

/// Blocks of a file in order, each with its opening.
struct Reader {
    file: File,
    blocks: Blocks,
    chunk: Vec<u8>,
    opening: Opening,
    is_done: bool,
}

impl Reader {
    fn new(file: File, formats: &Formats) -> Self {
        let (blocks, chunk) = (Blocks::new(BLOCK_BYTES), vec![0; CHUNK_BYTES]);
        Self { file, blocks, chunk, opening: formats.opening(), is_done: false }
    }

    fn next(&mut self) -> Result<Option<(Opening, Vec<u8>, Last)>> {
        while !self.is_done {
            let length = self.file.read(&mut self.chunk)?;
            self.is_done = length == 0;
            let (block, last) = if self.is_done {
                (self.blocks.finish(), Last::Block)
            } else {
                (self.blocks.push(&self.chunk[..length]), Last::No)
            };
            if let Some(block) = block {
                let opening = self.opening.clone();
                self.opening.advance(&block);
                return Ok(Some((opening, block, last)));
            }
        }
        Ok(None)
    }
}

fn read_alone(file: File, formats: &Formats) -> Result<(Tally, Counts)> {
    let (mut parser, mut tally, mut counts) =
        (Parser::new(formats.clone()), Tally::default(), Counts::default());
    let mut reader = Reader::new(file, formats);
    while let Some((opening, block, last)) = reader.next()? {
        tally.merge(parser.read(&opening, &block, last, |_, record| counts.add(record)));
    }
    Ok((tally, counts))
}

type Job = (usize, Opening, Vec<u8>, Last);

fn read_together(file: File, formats: &Formats, threads: usize) -> Result<(Tally, Counts)> {
    let (sender, receiver) = sync_channel::<Job>(2 * threads);
    let receiver = Mutex::new(receiver);
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| work(&receiver, formats.clone()))).collect();
        feed(Reader::new(file, formats), &sender)?;
        drop(sender);
        let (mut tallies, mut counts) = (Vec::new(), Counts::default());
        for worker in workers {
            let (more, counted) = worker.join().map_err(|_| anyhow!("a thread panicked"))?;
            tallies.extend(more);
            counts.merge(counted);
        }
        tallies.sort_by_key(|(index, _)| *index);
        let mut tally = Tally::default();
        tallies.into_iter().for_each(|(_, more)| tally.merge(more));
        Ok((tally, counts))
    })
}

fn feed(mut reader: Reader, sender: &SyncSender<Job>) -> Result<()> {
    let mut index = 0;
    while let Some((opening, block, last)) = reader.next()? {
        sender.send((index, opening, block, last)).context("all threads have ended")?;
        index += 1;
    }
    Ok(())
}

fn work(jobs: &Mutex<Receiver<Job>>, formats: Formats) -> (Vec<(usize, Tally)>, Counts) {
    let (mut parser, mut tallies, mut counts) = (Parser::new(formats), Vec::new(), Counts::default());
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((index, opening, block, last)) = job else { return (tallies, counts) };
        tallies.push((index, parser.read(&opening, &block, last, |_, record| counts.add(record))));
    }
}

fn memory_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(peak.trim().trim_end_matches(" kB").parse()?)
}

const BLOCK_BYTES: usize = 1 << 20;
const CHUNK_BYTES: usize = 256 << 10;
