//! Where the configuration comes from, and how its problems are shown.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

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
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                let name = path.display().to_string();
                Ok(load(&name, &text, &mut Disk, &self.overrides))
            }
        }
    }
}

/// The state folder of a trial: `/var/lib/seawall` for root, else under the user's own state.
pub fn default_state() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/seawall");
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
    base.unwrap_or_else(|| PathBuf::from(".")).join("seawall")
}

/// A diagnostic for a person: message, place, snippet, what to do.
pub fn render(diagnostic: &Diagnostic) -> String {
    let is_terminal = std::io::stderr().is_terminal();
    let theme = if is_terminal { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    match GraphicalReportHandler::new_themed(theme).render_report(&mut text, diagnostic) {
        Ok(()) => text,
        Err(_) => diagnostic.to_string(),
    }
}
