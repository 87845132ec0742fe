//! The journal of purges: what was purged stays so after a crash.
//!
//! One line for each entry of the [`PurgeLog`]: its hash, a space, the entry as text. Written and synced before a purge is
//! acknowledged. A last line that is not whole was never acknowledged. Any other line that does not match its hash
//! means that nobody knows what was purged: then everything is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};

use seawall_cache::purge::{Entry, PurgeLog};
use twox_hash::XxHash3_64;

use super::folder::Folder;

/// The journal, open for more.
pub(super) struct Journal(File);

/// Larger than any that is written: the log is bounded.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

impl Journal {
    /// The entries of the journal; `None` if it is damaged.
    pub(super) fn read(folder: &Folder) -> io::Result<Option<Vec<Entry>>> {
        let path = folder.journal();
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() > JOURNAL_BYTES_MAX => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Vec::new())),
            other => other?,
        };
        Ok(parse(&fs::read(&path)?))
    }

    /// Begins a new one with what the log has now.
    pub(super) fn write(folder: &Folder, log: &PurgeLog) -> io::Result<Self> {
        let path = folder.journal();
        let written = path.with_extension("new");
        let mut file = File::create(&written)?;
        file.write_all(text(log.entries()).as_bytes())?;
        file.sync_all()?;
        drop(file);
        fs::rename(&written, &path)?;
        folder.sync()?;
        Ok(Self(OpenOptions::new().append(true).open(&path)?))
    }

    /// Adds entries. What an error leaves behind is damaged: the caller writes a new journal.
    pub(super) fn append(&mut self, entries: impl IntoIterator<Item = Entry>) -> io::Result<()> {
        self.0.write_all(text(entries).as_bytes())?;
        self.0.sync_data()
    }
}

fn text(entries: impl IntoIterator<Item = Entry>) -> String {
    let mut text = String::new();
    for entry in entries {
        let entry = entry.to_string();
        text.push_str(&format!("{:016x} {entry}\n", XxHash3_64::oneshot(entry.as_bytes())));
    }
    text
}

fn parse(bytes: &[u8]) -> Option<Vec<Entry>> {
    // What stands after the last line feed was cut off.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(&bytes[..0], |end| &bytes[..end]);
    if whole.is_empty() {
        return Some(Vec::new());
    }
    let line = |line: &[u8]| {
        let (hash, entry) = std::str::from_utf8(line).ok()?.split_once(' ')?;
        let is_right =
            hash.len() == 16 && u64::from_str_radix(hash, 16) == Ok(XxHash3_64::oneshot(entry.as_bytes()));
        entry.parse().ok().filter(|_| is_right)
    };
    whole.split(|byte| *byte == b'\n').map(line).collect()
}

#[cfg(test)]
mod tests {
    use seawall_cache::purge::{Extent, Purge, Selector};

    use super::*;

    fn log() -> PurgeLog {
        let mut log = PurgeLog::default();
        let selectors = [
            Selector::Url("https://a.example/".to_owned()),
            Selector::SurrogateKey("one".to_owned()),
            Selector::Prefix("https://a.example/p q".to_owned()),
        ];
        for selector in selectors {
            log.insert(&Purge { selector, extent: Extent::Hard });
        }
        log
    }

    #[test]
    fn cut_journal_has_its_whole_lines() {
        let entries: Vec<_> = log().entries().collect();
        let text = text(entries.clone());
        for end in 0..=text.len() {
            let lines = text[..end].matches('\n').count();
            assert_eq!(parse(&text.as_bytes()[..end]), Some(entries[..lines].to_vec()), "{end}");
        }
    }

    #[test]
    fn flipped_bits_are_found() {
        let entries: Vec<_> = log().entries().collect();
        let text = text(entries.clone()).into_bytes();
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut flipped = text.clone();
                flipped[at] ^= 1 << bit;
                let read = parse(&flipped);
                // In the last line feed it looks cut off; upper case digits are the same number.
                let is_prefix = read.as_ref().is_none_or(|read| entries.starts_with(read));
                assert!(is_prefix, "{at} {bit}: {read:?}");
                assert!(
                    at >= text.len() - 1 || read.is_none() || read.as_ref() == Some(&entries),
                    "{at} {bit}"
                );
            }
        }
    }
}
