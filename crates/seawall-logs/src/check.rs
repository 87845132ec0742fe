//! Laws that hold for any bytes: for the fuzz targets and the tests.

use crate::{Blocks, Format, Formats, Last, Parser, Reason, Tally, detect};

/// Any bytes are read by any format: every line is counted once, and the result does not depend on where blocks are cut.
/// The first byte chooses the format; from 128 on, it is detected.
///
/// # Panics
///
/// When a law is broken.
pub fn check_log_line(bytes: &[u8]) {
    let Some((&choice, log)) = bytes.split_first() else { return };
    let formats = match choice {
        0..128 => {
            let samples = [crate::NAMES.as_slice(), SAMPLES].concat();
            let name = samples[usize::from(choice) % samples.len()];
            Formats::from(Format::named(name).expect("invariant: the names are good"))
        }
        128.. => match detect(log) {
            Some(detection) => detection.formats,
            None => return,
        },
    };
    check_formats(&formats, log);
}

/// Any text is a format, or an error with a place in it and a hint; any format reads any bytes. What comes before the
/// first line end is the format.
///
/// # Panics
///
/// When a law is broken.
pub fn check_log_format(bytes: &[u8]) {
    let (name, log) = bytes.split_at(memchr::memchr(b'\n', bytes).unwrap_or(bytes.len()));
    let Ok(name) = std::str::from_utf8(name) else { return };
    match Format::named(name) {
        Ok(format) => check_formats(&Formats::from(format), log),
        Err(error) => {
            assert!(error.position <= name.len(), "{error}");
            assert!(!error.hint().is_empty(), "{error}");
        }
    }
}

fn check_formats(formats: &Formats, log: &[u8]) {
    let mut given = 0;
    let is_independent = !formats.iter().any(Format::has_directives);
    let whole = formats.read(log, |line, record| {
        given += 1;
        // At the beginning of a log a byte-order mark is taken off, elsewhere only where it is in the way.
        if is_independent && !line.bytes.starts_with(crate::wrapping::BOM) {
            let mut alone = None;
            formats.read(line.bytes, |_, record| alone = Some(record.clone()));
            assert_eq!(alone.as_ref(), Some(record), "a line does not see the one before it");
        }
        assert!(!line.bytes.contains(&b'\n'));
        // What is there has a place.
        let count = u32::from(record.method.is_some()) + u32::from(record.status.is_some());
        assert!(record.shown.len() >= count);
    });
    assert_eq!(whole.records, given);
    let lines =
        memchr::memchr_iter(b'\n', log).count() + usize::from(!log.is_empty() && !log.ends_with(b"\n"));
    // A byte-order mark is taken off the beginning; of a log that is nothing else, no line is left.
    let is_mark = log == crate::wrapping::BOM;
    assert_eq!(whole.lines, lines as u64 - u64::from(is_mark));
    let accounted = whole.records + whole.blank + whole.directives + whole.rejected_total();
    assert_eq!(whole.lines, accounted, "every line is something");
    assert_eq!(whole.by_format.iter().sum::<u64>(), whole.records);
    let size = 1 + log.len() / 3;
    let merged = in_blocks(formats, log, size);
    assert_eq!(merged, whole, "in blocks of {size} bytes");
}

/// Reads as a shell with threads does, one block after the other.
fn in_blocks(formats: &Formats, log: &[u8], size: usize) -> Tally {
    let mut whole = Vec::new();
    let mut blocks = Blocks::new(size);
    for chunk in log.chunks(size.div_ceil(2)) {
        whole.extend(blocks.push(chunk));
    }
    whole.extend(blocks.finish());
    let mut opening = formats.opening();
    let mut merged = Tally::default();
    for (at, block) in whole.iter().enumerate() {
        let last = if at + 1 == whole.len() { Last::Block } else { Last::No };
        // A parser of its own for each block: no line may see another one through it.
        merged.merge(Parser::new(formats.clone()).read(&opening, block, last, |_, _| {}));
        opening.advance(block);
    }
    // Bytes differ where a line was too long to keep.
    if merged.rejected(Reason::Overlong) > 0 || log.starts_with(crate::wrapping::BOM) {
        merged.bytes = log.len() as u64;
    }
    merged
}

const SAMPLES: &[&str] = &[
    r#"apache:%a %{c}a %{X-Forwarded-For}i %{%Y-%m-%dT%T}t.%{usec_frac}t %m %U%q %H %s %D"#,
    r#"nginx:$time_iso8601 $remote_addr $scheme://$host$request_uri "$request" $status $upstream_response_time $upstream_cache_status"#,
    r#"nginx:escape=json {"t":"$msec","r":"$request","u":"$http_user_agent"}"#,
    "json:client=a.b,time=t,target=u,user-agent=h.ua",
    "haproxy:Host|User-Agent",
];
