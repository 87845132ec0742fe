//! Reads a log in memory several times and says how fast: `count FILE [FORMAT] [ROUNDS]`.

#![expect(clippy::print_stdout, reason = "an example that reports to a terminal")]

use std::error::Error;
use std::time::Instant;

use seawall_logs::{Format, Formats, detect};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let log = std::fs::read(arguments.next().ok_or("which file?")?)?;
    let formats = match arguments.next().as_deref() {
        None | Some("auto") => detect(&log).ok_or("no format reads this")?.formats,
        Some(name) => Formats::from(Format::named(name)?),
    };
    let rounds: u32 = arguments.next().map_or(Ok(1), |rounds| rounds.parse())?;
    for _ in 0..rounds {
        let start = Instant::now();
        let mut bytes = 0;
        let tally = formats.read(&log, |_, record| bytes += record.content_bytes.unwrap_or(0));
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{}: {} lines, {} records, {bytes} bytes of content, {:.2} million lines/s",
            formats.iter().map(Format::name).collect::<Vec<_>>().join(", "),
            tally.lines,
            tally.records,
            tally.lines as f64 / seconds / 1e6,
        );
    }
    Ok(())
}
