//! Where the configuration comes from, and how its problems are shown.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

use miette::{GraphicalReportHandler, GraphicalTheme};
use seawall_config::config::Config;
use seawall_config::{Diagnostic, Disk, Outcome, Overrides, for_files, for_origin, load};

use crate::cli::Serve;

/// Where the configuration comes from. Loading it again is reloading.
#[derive(Clone, Debug)]
pub struct ConfigSource {
    origin: Origin,
    overrides: Overrides,
}

#[derive(Clone, Debug)]
enum Origin {
    File(PathBuf),
    Url(String),
    Files(PathBuf),
}

impl ConfigSource {
    /// What the command line says.
    pub fn new(args: &Serve) -> Self {
        let origin = match (&args.config, &args.origin, &args.files) {
            (_, Some(url), _) => Origin::Url(url.clone()),
            (_, _, Some(folder)) => Origin::Files(folder.clone()),
            (config, None, None) => Origin::File(config.clone().unwrap_or_default()),
        };
        let is_file = matches!(origin, Origin::File(_));
        let state = args.state.clone().or_else(|| (!is_file).then(default_state));
        let overrides = Overrides {
            listen: args.listen.clone(),
            admin: args.admin,
            state,
            tls_self_signed: args.tls_self_signed,
        };
        Self { origin, overrides }
    }

    /// A configuration file as it is.
    pub fn file(path: &Path) -> Self {
        Self { origin: Origin::File(path.to_owned()), overrides: Overrides::default() }
    }

    /// The file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File(path) => Some(path),
            Origin::Url(_) | Origin::Files(_) => None,
        }
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// If the file cannot be read at all; what is wrong within it is in the outcome.
    pub fn load(&self) -> Result<Outcome<Config>, String> {
        match &self.origin {
            Origin::Url(url) => Ok(for_origin(&[url.as_str()], &self.overrides)),
            Origin::Files(folder) => Ok(for_files(folder, &self.overrides)),
            Origin::File(path) => {
                let (name, text) = read_text(path)?;
                Ok(load(&name, &text, &mut Disk, &self.overrides))
            }
        }
    }
}

/// The name for people and the whole text of a file; it may be a pipe, as the shell's `<(...)` makes one.
///
/// # Errors
///
/// If it cannot be read, is not text, or does not end: /dev/zero, or a log that was taken for a configuration.
pub(crate) fn read_text(path: &Path) -> Result<(String, String), String> {
    let name = path.display().to_string();
    let text = File::open(path).and_then(read_bounded);
    text.map(|text| (name.clone(), text)).map_err(|error| format!("cannot read {name}: {error}"))
}

/// All that comes, up to [`TEXT_BYTES_MAX`].
pub(crate) fn read_bounded(from: impl Read) -> io::Result<String> {
    let mut text = Vec::new();
    from.take(TEXT_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > TEXT_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 64 MiB"));
    }
    let not_text = |error: FromUtf8Error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(io::ErrorKind::InvalidData, format!("it is not UTF-8 text, from byte {at} on"))
    };
    String::from_utf8(text).map_err(not_text)
}

/// Some half a million rules.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// The state folder of a trial: `/var/lib/seawall` for root, else under the user's own state.
pub fn default_state() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/seawall");
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
    base.unwrap_or_else(|| PathBuf::from(".")).join("seawall")
}

/// A diagnostic for a person who reads it there: message, place, snippet, what to do.
pub fn render(diagnostic: &Diagnostic, on: &impl IsTerminal) -> String {
    let is_terminal = on.is_terminal();
    let theme = if is_terminal { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    match GraphicalReportHandler::new_themed(theme).render_report(&mut text, diagnostic) {
        Ok(()) => text,
        Err(_) => diagnostic.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_not_read_for_ever() {
        let error = read_text(Path::new("/dev/zero")).expect_err("it has no end");
        assert_eq!(error, "cannot read /dev/zero: it has more than 64 MiB");
    }

    #[test]
    fn what_is_not_text_is_said_where() {
        let error = read_bounded(&b"a\xff"[..]).expect_err("no UTF-8");
        assert_eq!(error.to_string(), "it is not UTF-8 text, from byte 1 on");
    }
}
