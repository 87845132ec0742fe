//! `seawall ca publish`: a folder that is ready to serve.
//!
//! All new files are on disk before the first one takes its place, and `revisions.json` takes its place last: when
//! something fails on the way, the next run finishes. A run that changes nothing writes nothing, so that entity tags
//! and dates stay, and those who poll get their 304.

mod feed;
mod markup;
mod page;
mod revision;
mod variant;

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use seawall_certdata::bundle::hex;
use seawall_certdata::change;
use seawall_certdata::{Certdata, Selection, TrustLevel, TrustPurpose};
use sha2::{Digest, Sha256};

use self::revision::{Changes, Distrusted, History, Revision};
use super::content;
use super::replace::{self, Prepared};
use super::{Source, now};
use crate::cli::{CaContent, CaPublish, CaSite};
use crate::output;

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// There is a new revision, of this name, with so many certificates.
    Published { name: String, certificates: usize },
    /// The bundle is the same as before; so many other files were made anew.
    Unchanged { restored: usize },
    /// The bundle must not be published, for this reason.
    Refused(String),
}

pub(super) fn run(args: &CaPublish) -> Result<ExitCode, String> {
    let source = Source::open(&args.certdata)?;
    let name = args.source.clone().unwrap_or_else(|| args.certdata.display().to_string());
    let outcome = publish(&args.site, &args.content, &source, &name, args.at.unwrap_or_else(now))?;
    Ok(tell(&outcome, &args.site))
}

/// Says what came of it.
pub(super) fn tell(outcome: &Outcome, site: &CaSite) -> ExitCode {
    match outcome {
        Outcome::Published { name, certificates } => {
            output::note(format_args!(
                "published {name} with {certificates} certificates in {}",
                site.into.display()
            ));
        }
        Outcome::Unchanged { restored: 0 } => output::note("the bundle is the one that is published already"),
        Outcome::Unchanged { restored } => {
            output::note(format_args!(
                "the bundle is published already; {restored} other files were made anew"
            ));
        }
        Outcome::Refused(why) => {
            output::problem(why);
            return ExitCode::from(output::FOUND);
        }
    }
    ExitCode::SUCCESS
}

/// Publishes a bundle of this certdata.txt, which comes from `name`, at `now`.
pub(super) fn publish(
    site: &CaSite,
    wanted: &CaContent,
    source: &Source,
    name: &str,
    now: i64,
) -> Result<Outcome, String> {
    let folder = site.into.as_path();
    let failed = |error: io::Error| format!("cannot publish in {}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(failed)?;
    let _lock = lock(folder)?;
    sweep(folder).map_err(failed)?;
    let mut history = History::read(folder)?;
    let bundle = wanted.bundle(source, name, now);
    if bundle.taken == 0 {
        return Ok(Outcome::Refused("no root is selected: an empty bundle is not published".to_owned()));
    }
    let newest = newest(folder, &history);
    let same = newest.as_ref().is_some_and(|(_, octets)| body(octets) == body(&bundle.octets));
    if let (false, Some(old)) = (same, history.revisions.first())
        && let Some(why) = wanted.shrunken(old.certificates, bundle.taken)
    {
        return Ok(Outcome::Refused(format!("{} {why}", folder.display())));
    }
    let octets = match newest {
        Some((_, octets)) if same => octets,
        _ => bundle.octets.clone(),
    };
    if !same {
        content::remark(&source.certdata, &bundle, &wanted.selection(), now);
        let changes = changes(folder, &history, source, wanted, now);
        history.revisions.insert(0, describe(&history, source, wanted, &octets, bundle.taken, changes, now));
    }
    let dropped = history.revisions.split_off(history.revisions.len().min(site.keep.into()));
    let Some(newest) = history.revisions.first() else { return Err("no revision is left".to_owned()) };
    let mut groups = groups(site, &history, newest, &octets).map_err(failed)?;
    if newest.certdata_sha256 == hex(&source.certdata.sha256) {
        // The page links to it; and the next run tells from it what has changed.
        let at = groups.len() - 1;
        groups.insert(at, group("certdata.txt", &source.bytes).map_err(failed)?);
    }
    let written = place(folder, &groups).map_err(failed)?;
    for revision in dropped {
        remove(folder, &revision.name);
    }
    Ok(if same {
        Outcome::Unchanged { restored: written }
    } else {
        Outcome::Published { name: newest.name.clone(), certificates: newest.certificates }
    })
}

/// Only one process publishes in a folder at a time.
fn lock(folder: &Path) -> Result<File, String> {
    let path = folder.join(".lock");
    let failed = |error: &dyn std::fmt::Display| format!("cannot lock {}: {error}", path.display());
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| failed(&error))?;
    file.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => {
            format!("{} is being published in by another process\nhint: wait for it to end", folder.display())
        }
        fs::TryLockError::Error(error) => failed(&error),
    })?;
    Ok(file)
}

/// Removes what a run that was killed left behind.
fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.contains(".new-") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The newest revision and its octets, if the file is still what it was.
fn newest<'a>(folder: &Path, history: &'a History) -> Option<(&'a Revision, Vec<u8>)> {
    let newest = history.revisions.first()?;
    let octets = fs::read(folder.join(&newest.name)).ok()?;
    (hex(&Sha256::digest(&octets)) == newest.sha256).then_some((newest, octets))
}

/// What follows the header, which says when and from what the bundle was made.
fn body(octets: &[u8]) -> &[u8] {
    let end = octets.windows(4).position(|four| four == b"##\n\n").map_or(0, |at| at + 4);
    &octets[end..]
}

/// What changed since the revision before; nothing for the first, or when its certdata.txt is gone.
fn changes(
    folder: &Path,
    history: &History,
    source: &Source,
    wanted: &CaContent,
    now: i64,
) -> Option<Changes> {
    let before = history.revisions.first()?;
    let old = Certdata::parse(&fs::read(folder.join("certdata.txt")).ok()?).ok()?;
    let selection = wanted.selection();
    let old = selection.take(&old.roots, before.published);
    let new = selection.take(&source.certdata.roots, now);
    Some(Changes::from(&change::between(old, new)))
}

fn describe(
    history: &History,
    source: &Source,
    wanted: &CaContent,
    octets: &[u8],
    certificates: usize,
    changes: Option<Changes>,
    now: i64,
) -> Revision {
    let selection = wanted.selection();
    let distrusted = selection.take(&source.certdata.roots, now).flat_map(|root| {
        content::distrust_after(root, &selection)
            .map(|(purpose, after)| Distrusted::new(root, purpose, after))
            .collect::<Vec<_>>()
    });
    Revision {
        name: history.free_name(now),
        published: now,
        certdata_changed: source.changed,
        certdata_sha256: hex(&source.certdata.sha256),
        sha256: hex(&Sha256::digest(octets)),
        bytes: octets.len(),
        certificates,
        taken_for: taken_for(&selection),
        distrusted: distrusted.collect(),
        changes,
    }
}

/// What Mozilla thinks of the roots that were selected, in words where it has common ones.
fn taken_for(selection: &Selection) -> String {
    let purposes: Vec<&str> = selection
        .purposes
        .iter()
        .map(|purpose| match purpose {
            TrustPurpose::ServerAuth => "TLS servers",
            TrustPurpose::EmailProtection => "e-mail",
            TrustPurpose::CodeSigning => "programs",
            other => other.token(),
        })
        .collect();
    let levels: Vec<&str> = selection.levels.iter().map(|level| level.token()).collect();
    match selection.levels[..] {
        [TrustLevel::TrustedDelegator] => format!("trusts for {}", purposes.join(" or ")),
        _ => format!("marks as {} for {}", levels.join(" or "), purposes.join(" or ")),
    }
}

/// A file, and what is made from it, with their names.
type Group = Vec<(String, Vec<u8>)>;

/// A file with its variants. The file comes first: its old variants are older, and not sent for it.
fn group(name: &str, octets: &[u8]) -> io::Result<Group> {
    let mut group = vec![(name.to_owned(), octets.to_vec())];
    group.extend(variant::all(name, octets)?);
    Ok(group)
}

/// The files of the folder in the order in which they take their place: what is linked to before what links.
fn groups(site: &CaSite, history: &History, newest: &Revision, octets: &[u8]) -> io::Result<Vec<Group>> {
    let mut groups = Vec::new();
    for name in [newest.name.as_str(), "cacert.pem"] {
        groups.push(group(name, octets)?);
        groups.push(vec![(format!("{name}.sha256"), format!("{}  {name}\n", newest.sha256).into_bytes())]);
    }
    groups.push(group("feed.xml", feed::write(site, history).as_bytes())?);
    groups.push(group("index.html", page::write(site, history, newest).as_bytes())?);
    groups.push(group("revisions.json", history.write()?.as_bytes())?);
    Ok(groups)
}

/// Puts those files in place that are not there as they should be; says how many. With a file, all of its group are
/// written, with one date: servers take a variant that is older than its file for outdated.
fn place(folder: &Path, groups: &[Group]) -> io::Result<usize> {
    let date = SystemTime::now();
    let mut prepared = Vec::new();
    for group in groups {
        let differs =
            |(name, octets): &&(String, Vec<u8>)| fs::read(folder.join(name)).ok().as_ref() != Some(octets);
        let all = group.first().is_some_and(|file| differs(&file));
        for (name, octets) in group.iter().filter(|file| all || differs(file)) {
            prepared.push(Prepared::new(&folder.join(name), octets)?.dated(date)?);
        }
    }
    let count = prepared.len();
    prepared.into_iter().try_for_each(Prepared::place)?;
    replace::sync(&folder.join("revisions.json"))?;
    Ok(count)
}

/// Removes a revision that is no longer listed. What is gone already is no loss.
fn remove(folder: &Path, name: &str) {
    let endings = ["", ".sha256"].into_iter().chain(variant::ENDINGS);
    for ending in endings {
        let _ = fs::remove_file(folder.join(format!("{name}{ending}")));
    }
}
