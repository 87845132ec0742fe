//! `seawall ca build`: a bundle replaces another whole, or not at all.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use seawall_certdata::bundle::{self, Bundle};
use seawall_certdata::{Certdata, Selection, Verdict};

use super::fetch::{Fetched, Fetcher, Validators};
use super::replace::Prepared;
use super::{Source, content, now};
use crate::cli::CaBuild;
use crate::output;

pub(super) fn run(args: &CaBuild) -> Result<ExitCode, String> {
    let source = source(args)?;
    let now = args.at.unwrap_or_else(now);
    let selection = args.content.selection();
    let name = args.source.as_deref().unwrap_or(&args.certdata);
    let bundle = args.content.bundle(&source, name, now);
    if args.licence {
        source.certdata.licence.iter().for_each(output::note);
    }
    if args.verbose {
        tell_each(&source.certdata, &selection, now);
    }
    if !args.quiet {
        content::remark(&source.certdata, &bundle, &selection, now);
    }
    if bundle.taken == 0 {
        return refuse("no root is selected: an empty bundle is not written");
    }
    if args.output == Path::new("-") {
        io::stdout().write_all(&bundle.octets).map_err(|error| format!("standard output: {error}"))?;
    } else if let Some(why) = shrunken(args, bundle.taken)? {
        return refuse(&format!("{} {why}", args.output.display()));
    } else {
        write(args, &bundle).map_err(|error| format!("cannot write {}: {error}", args.output.display()))?;
    }
    if !args.quiet {
        let left = source.certdata.roots.len() - bundle.taken;
        output::note(format_args!("{} roots taken, {left} left out", bundle.taken));
    }
    // The process ends here: the system takes all its memory back at once, faster than we could piece by piece.
    mem::forget((source, bundle));
    Ok(ExitCode::SUCCESS)
}

fn source(args: &CaBuild) -> Result<Source, String> {
    if !args.certdata.contains("://") {
        return Source::open(Path::new(&args.certdata));
    }
    let fetcher = Fetcher::new(&args.certdata, args.ca.as_deref(), args.allow_http)?;
    match fetcher.fetch(&Validators::default()).map_err(|error| error.to_string())? {
        Fetched::New { bytes, changed, .. } => {
            Source::parse(bytes, changed.unwrap_or_else(now), &args.certdata)
        }
        Fetched::Unchanged => Err(format!("{}: not modified, though nothing was known of it", args.certdata)),
    }
}

fn refuse(why: &str) -> Result<ExitCode, String> {
    output::problem(why);
    Ok(ExitCode::from(output::FOUND))
}

/// Says of each root what becomes of it.
fn tell_each(certdata: &Certdata, selection: &Selection, now: i64) {
    for root in &certdata.roots {
        let what = match selection.judge(root, now) {
            Verdict::Take => "taken",
            Verdict::Expired => "left out: expired",
            Verdict::Trust => "left out: not trusted for this",
            Verdict::DistrustAfter => "left out: past its distrust-after date",
        };
        output::note(format_args!("\"{}\" {what}", root.label.escape_debug()));
    }
}

/// Why a bundle of so many certificates must not replace the one that is there, if it must not.
fn shrunken(args: &CaBuild, taken: usize) -> Result<Option<String>, String> {
    match fs::read(&args.output) {
        Ok(bytes) => Ok(args.content.shrunken(bundle::count(&bytes), taken)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", args.output.display())),
    }
}

fn write(args: &CaBuild, bundle: &Bundle) -> io::Result<()> {
    let prepared = Prepared::new(&args.output, &bundle.octets)?;
    if args.backup {
        prepared.keep_old(&backup(prepared.path()))?;
    }
    // After a crash the name leads to the old bundle or to the new one, whole on disk; to wait until it surely is the
    // new one would take as long as all the rest, for a file that is made again in no time.
    prepared.place()
}

/// The first name of `FILE.~1~`, `FILE.~2~` and so on that is free.
fn backup(path: &Path) -> PathBuf {
    let name = |number: usize| {
        let mut name = OsString::from(path);
        name.push(format!(".~{number}~"));
        PathBuf::from(name)
    };
    (1..).map(name).find(|name| fs::symlink_metadata(name).is_err()).unwrap_or_else(|| name(0))
}
