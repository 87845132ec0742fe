//! Texts in, configurations and reports out.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its own data should stop")]

mod bad;
mod good;
mod manual;
mod print;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use seawall_config::config::Config;
use seawall_config::{Outcome, Overrides, load};

/// Loads a text as `/etc/seawall/seawall.toml`, with nothing else on disk.
fn load_text(text: &str) -> Outcome<Config> {
    load_with(text, &[], &Overrides::default())
}

fn load_with(text: &str, files: &[(&str, &str)], overrides: &Overrides) -> Outcome<Config> {
    let entry = |(path, text): &(&str, &str)| (Path::new("/etc/seawall").join(path), (*text).to_owned());
    let mut files: BTreeMap<PathBuf, String> = files.iter().map(entry).collect();
    load("/etc/seawall/seawall.toml", text, &mut files, overrides)
}

/// The `*.toml` files of a folder below `tests/data`, as name and text, by name.
fn corpus(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let paths = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(&path).unwrap())
    };
    paths.into_iter().map(read).collect()
}
