//! The fuzz targets' kept inputs, to replay as plain tests.

use std::fs;
use std::path::Path;

/// The inputs in `fuzz/corpus/TARGET`, by name; panics when there are none, since a replay of nothing proves nothing.
#[track_caller]
pub fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut inputs: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path =
                entry.unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display())).path();
            let bytes =
                fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
            (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), bytes)
        })
        .collect();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs.sort();
    inputs
}
