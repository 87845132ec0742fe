//! Reads `[cache]`: where responses are stored, for all sites together.

use std::path::Path;

use crate::config::{CacheConfig, DiskConfig};
use crate::diagnostic::{Code, Problems};
use crate::manual;
use crate::reader::{Shape, Value};
use crate::settings::read_path;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// Of memory, one response may take one part in so many: two such on their way fit into what the store sets aside for
/// them.
const MEMORY_SHARE: u64 = 16;

/// Of the disk, one response may take one part in so many.
const DISK_SHARE: u64 = 8;

const FILES: u64 = 1_000_000;
const MEMORY: u64 = 128 * MIB;
const MEMORY_OBJECT: u64 = 8 * MIB;
const DISK_OBJECT: u64 = 4 << 30;

impl Default for CacheConfig {
    fn default() -> Self {
        Self { memory: MEMORY, memory_object: MEMORY_OBJECT, disk: None }
    }
}

impl CacheConfig {
    /// Whether `memory-object` is what it is where it is not set.
    pub fn has_default_memory_object(&self) -> bool {
        self.memory_object == MEMORY_OBJECT.min(self.memory / MEMORY_SHARE)
    }
}

pub(crate) fn read_cache(value: Value<'_>, folder: &Path, problems: &mut Problems) -> Option<CacheConfig> {
    let mut table = value.open(&manual::CACHE, problems)?;
    let memory = table.read("memory", problems, |value, problems| value.size(4 * MIB..=TIB, problems));
    let memory = memory.unwrap_or(MEMORY);
    let most = memory / MEMORY_SHARE;
    let object = table.get("memory-object").and_then(|value| {
        let object = value.size(KIB..=TIB, problems)?;
        if object > most {
            let message = format!("`memory-object` is more than a sixteenth of `memory`, {}", print(most));
            problems.push(value.error(Code::Conflict, message).help("lower it, or raise `memory`"));
        }
        Some(object)
    });
    let memory_object = object.unwrap_or(MEMORY_OBJECT.min(most));
    let disk = table.read("disk", problems, |value, problems| read_disk(value, folder, problems));
    table.finish("here", problems);
    Some(CacheConfig { memory, memory_object, disk })
}

fn read_disk(value: Value<'_>, folder: &Path, problems: &mut Problems) -> Option<DiskConfig> {
    if let Shape::Text(path) = value.shape() {
        let help = format!("write disk = {{ path = {path:?}, size = \"20 GiB\" }}: it needs a bound");
        problems.push(value.wrong_type("a table").help(help));
        return None;
    }
    let mut table = value.open(&manual::DISK, problems)?;
    let path = table.require("path", problems).and_then(|value| read_path(value, folder, problems));
    let bytes = table.require("size", problems);
    let bytes = bytes.and_then(|value| value.size(64 * MIB..=1024 * TIB, problems));
    let files =
        table.read("files", problems, |value, problems| value.integer(1000..=1_000_000_000, problems));
    let most = bytes.unwrap_or(u64::MAX) / DISK_SHARE;
    let object = table.get("object").and_then(|value| {
        let object = value.size(KIB..=1024 * TIB, problems)?;
        if object > most {
            let message = format!("`object` is more than an eighth of `size`, {}", print(most));
            problems.push(value.error(Code::Conflict, message).help("lower it, or raise `size`"));
        }
        Some(object)
    });
    table.finish("here", problems);
    let object = object.unwrap_or(DISK_OBJECT.min(most));
    Some(DiskConfig { path: path?, bytes: bytes?, files: files.unwrap_or(FILES), object })
}

fn print(bytes: u64) -> String {
    // As large a unit as says it in a few digits.
    let unit = [1 << 30, MIB, KIB].into_iter().find(|unit| bytes >= 8 * unit).unwrap_or(1);
    crate::unit::print_size(bytes / unit * unit)
}
