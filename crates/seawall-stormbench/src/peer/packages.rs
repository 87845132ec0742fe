//! Where the lists and parameters of fail2ban and CrowdSec are: in the installed packages, or unpacked beside the build.

use std::env;
use std::path::{Path, PathBuf};

/// A file of a package, by its path in the system: the system's own, or the unpacked one.
pub fn file(path: &str) -> Option<PathBuf> {
    let unpacked = unpacked_dir().join(path.trim_start_matches('/'));
    [PathBuf::from(path), unpacked].into_iter().find(|path| path.exists())
}

/// Its text.
pub fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(file(path)?).ok()
}

/// Which peers cannot be played here, for want of their package.
pub fn missing() -> Vec<&'static str> {
    [("fail2ban", super::fail2ban::BADBOTS), ("crowdsec", super::crowdsec::CRAWL)]
        .into_iter()
        .filter(|(_, path)| file(path).is_none())
        .map(|(name, _)| name)
        .collect()
}

/// Where packages are unpacked that are not to be installed: CrowdSec's installation registers with a service.
pub fn unpacked_dir() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_owned).unwrap_or_default();
    root.join(target).join("tools").join("packages")
}
