//! `seawall ca build`: a bundle replaces another whole, or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use seawall_certdata::bundle::{self, Origin, Style};
use seawall_certdata::{Certdata, Root, Selection, TrustPurpose, Verdict, date};

use super::{read, seconds};
use crate::cli::CaBuild;
use crate::output;

pub(super) fn run(args: &CaBuild) -> Result<ExitCode, String> {
    let (certdata, changed) = read(&args.certdata)?;
    let now = args.at.unwrap_or_else(|| seconds(SystemTime::now()));
    let selection = Selection { distrust_after: args.distrust_after, ..args.purposes.clone() };
    let source = args.source.clone().unwrap_or_else(|| args.certdata.display().to_string());
    let origin = Origin { source: &source, date: changed, tool: TOOL };
    let style = Style { width: args.width.into(), meta: args.meta };
    let text = bundle::write(&certdata, &selection, style, origin, now);
    let taken = bundle::count(text.as_bytes());
    remark(&certdata, &selection, now);
    if taken == 0 {
        return refuse("no root is selected: an empty bundle is not written");
    }
    if args.output == Path::new("-") {
        io::stdout().write_all(text.as_bytes()).map_err(|error| format!("standard output: {error}"))?;
    } else {
        if let Some(shrunken) = shrunken(&args.output, taken, args.shrink_limit)? {
            return refuse(&shrunken);
        }
        replace(&args.output, text.as_bytes())
            .map_err(|error| format!("cannot write {}: {error}", args.output.display()))?;
    }
    output::note(format_args!("{taken} roots taken, {} left out", certdata.roots.len() - taken));
    Ok(ExitCode::SUCCESS)
}

fn refuse(why: &str) -> Result<ExitCode, String> {
    output::problem(why);
    Ok(ExitCode::from(output::FOUND))
}

/// Says what the bundle cannot.
fn remark(certdata: &Certdata, selection: &Selection, now: i64) {
    for remark in &certdata.remarks {
        output::note(remark);
    }
    for root in &certdata.roots {
        let taken = match selection.judge(root, now) {
            Verdict::Take => "taken all the same",
            Verdict::DistrustAfter => "left out",
            Verdict::Expired | Verdict::Trust => continue,
        };
        for (what, after) in distrust_after(root, selection) {
            output::note(format_args!(
                "\"{}\" is not trusted for what it issues for {what} after {}; {taken}",
                root.label.escape_debug(),
                date::day(after)
            ));
        }
    }
}

/// The distrust-after dates of a root, for the purposes that are wanted.
fn distrust_after(root: &Root, selection: &Selection) -> impl Iterator<Item = (&'static str, i64)> {
    [
        (TrustPurpose::ServerAuth, "servers", root.server_distrust_after),
        (TrustPurpose::EmailProtection, "e-mail", root.email_distrust_after),
    ]
    .into_iter()
    .filter(|(purpose, ..)| selection.purposes.contains(purpose))
    .filter_map(|(_, what, after)| Some((what, after?)))
}

/// Why a bundle of so many certificates must not replace the one that is there, if it must not.
fn shrunken(path: &Path, taken: usize, limit_percent: u8) -> Result<Option<String>, String> {
    let old = match fs::read(path) {
        Ok(bytes) => bundle::count(&bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let lost = old.saturating_sub(taken);
    let too_many = lost * 100 > old * usize::from(limit_percent);
    Ok(too_many.then(|| {
        format!(
            "{} has {old} certificates and would have {taken}: more than {limit_percent}% lost, so the old bundle \
             stays\nhint: when that is right, give a higher --shrink-limit",
            path.display()
        )
    }))
}

/// Writes a new file beside the old, and puts it in its place when it is on disk: whoever reads gets one or the other.
/// Through a symbolic link, the file that it leads to is replaced.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".new-{}", std::process::id()));
    let temporary: PathBuf = folder.join(temporary);
    let written = write_new(&temporary, &path, content).and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        // What could not be put in place is of no use; the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    fs::File::open(folder)?.sync_all()
}

/// A whole file on disk, with the permissions of the one that it will replace.
fn write_new(temporary: &Path, old: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(temporary)?;
    if let Ok(found) = fs::metadata(old) {
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is there, and is no plain file"));
        }
        file.set_permissions(found.permissions())?;
    }
    file.write_all(content)?;
    file.sync_all()
}

const TOOL: &str = concat!("seawall ca build version ", env!("CARGO_PKG_VERSION"));
