//! `seawall ca watch`: fetches, verifies and publishes on a schedule. Whatever fails, what is published stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use seawall_certdata::verify::{Gravity, examine};
use seawall_certdata::{Certdata, Verdict};
use serde::{Deserialize, Serialize};

use super::fetch::{Fetched, Fetcher, Validators};
use super::publish::{self, Outcome};
use super::replace::{self, Prepared};
use super::{Source, load, now};
use crate::cli::{CaContent, CaWatch};
use crate::output;

/// How one look ended.
struct Look {
    status: u8,
    /// How long the server asks to be left alone.
    retry_after: Option<Duration>,
}

impl Look {
    fn ended(status: u8) -> Self {
        Self { status, retry_after: None }
    }
}

pub(super) fn run(args: &CaWatch) -> Result<ExitCode, String> {
    let fetcher = Fetcher::new(&args.from, args.ca.as_deref(), args.allow_http)?;
    let mut failures = 0;
    loop {
        let look = look(args, &fetcher);
        if args.once {
            return Ok(ExitCode::from(look.status));
        }
        failures = if look.status == 0 { 0 } else { failures + 1 };
        let pause = pause(args.every, failures, look.retry_after);
        if failures > 0 {
            output::note(format_args!("what is published stays; next look in {} seconds", pause.as_secs()));
        }
        thread::sleep(pause);
    }
}

/// Fetches, verifies, publishes.
fn look(args: &CaWatch, fetcher: &Fetcher) -> Look {
    let state = State::read(args);
    let fetched = match fetcher.fetch(&state.validators) {
        Ok(fetched) => fetched,
        Err(error) => {
            output::problem(&error);
            return Look { status: output::WRONG, retry_after: error.retry_after() };
        }
    };
    let Fetched::New { bytes, changed, validators } = fetched else {
        output::note(format_args!("{}: not modified", args.from));
        return renew(args, &state);
    };
    if !args.allow_older
        && let Some(why) = older(&validators, &state.validators)
    {
        output::problem(format_args!("{}: {why}", args.from));
        return Look::ended(output::FOUND);
    }
    let now = now();
    let source = match Source::parse(bytes, changed.unwrap_or(now), &args.from) {
        Ok(source) => source,
        Err(why) => {
            output::problem(why);
            return Look::ended(output::WRONG);
        }
    };
    if let Some(why) = doubtful(&source.certdata, &args.content, now) {
        output::problem(format_args!("{}: {why}", args.from));
        return Look::ended(output::FOUND);
    }
    let look = publish(args, &source);
    if look.status == 0 {
        // Only what was published is not asked for again.
        let state = State { from: args.from.clone(), changed: source.changed, validators };
        state.write(&args.site.into, &source.bytes);
    }
    look
}

fn publish(args: &CaWatch, source: &Source) -> Look {
    match publish::publish(&args.site, &args.content, source, &args.from, now()) {
        Ok(outcome) => {
            publish::tell(&outcome, &args.site);
            Look::ended(if matches!(outcome, Outcome::Refused(_)) { output::FOUND } else { 0 })
        }
        Err(why) => {
            output::problem(why);
            Look::ended(output::WRONG)
        }
    }
}

/// With the same certdata.txt the bundle changes all the same when a root expires, or when files were lost.
fn renew(args: &CaWatch, state: &State) -> Look {
    let path = copy(&args.site.into);
    let source =
        load(&path).and_then(|(bytes, _)| Source::parse(bytes, state.changed, &path.display().to_string()));
    match source {
        Ok(source) => publish(args, &source),
        Err(why) => {
            // Without validators, the next look fetches it.
            output::problem(why);
            let _ = fs::remove_file(State::path(&args.site.into));
            Look::ended(output::WRONG)
        }
    }
}

/// Where what was fetched last is kept. What is published may be older, when the bundle is the same.
fn copy(folder: &Path) -> PathBuf {
    folder.join(".certdata.txt")
}

/// Why this version must not follow the one fetched last, if the server itself dates it earlier.
///
/// Only the server's dates tell: certdata.txt has none, and a root that is gone may have been the newest one.
fn older(new: &Validators, last: &Validators) -> Option<String> {
    let (date, before) = (new.last_modified.as_deref()?, last.last_modified.as_deref()?);
    let read = |date| httpdate::parse_http_date(date).ok();
    (read(date)? < read(before)?).then(|| {
        format!(
            "last changed on {date}, and the one fetched last on {before}: an older file does not follow a newer one\n\
             hint: when that is right, give --allow-older"
        )
    })
}

/// Why these roots must not be published, if one that would be taken has a problem.
fn doubtful(certdata: &Certdata, content: &CaContent, now: i64) -> Option<String> {
    let selection = content.selection();
    certdata.roots.iter().filter(|root| selection.judge(root, now) == Verdict::Take).find_map(|root| {
        let look = examine(root, now)?;
        let problem = look.findings.into_iter().find(|finding| finding.gravity == Gravity::Problem)?;
        Some(format!("line {}: object \"{}\": {}", root.line, root.label.escape_debug(), problem.text))
    })
}

/// After failures a minute, two, four and so on, but never longer than usual, unless the server asks for it.
fn pause(every: Duration, failures: u32, retry_after: Option<Duration>) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return every };
    let longer = FIRST_PAUSE.saturating_mul(1 << doublings.min(DOUBLINGS_MAX)).min(every);
    retry_after.map_or(longer, |asked| longer.max(asked.min(RETRY_AFTER_MAX)))
}

/// Which version was published last.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct State {
    from: String,
    /// When it was last changed, in seconds since 1970.
    changed: i64,
    validators: Validators,
}

impl State {
    fn path(folder: &Path) -> PathBuf {
        folder.join(".watch.json")
    }

    /// What cannot be read, or belongs to another URL, counts for nothing: the file is fetched whole then.
    fn read(args: &CaWatch) -> Self {
        let text = fs::read(Self::path(&args.site.into)).unwrap_or_default();
        let state: Self = serde_json::from_slice(&text).unwrap_or_default();
        if state.from == args.from && args.site.into.join("revisions.json").exists() {
            state
        } else {
            Self::default()
        }
    }

    /// When that fails, the next look fetches more than it had to.
    fn write(&self, folder: &Path, certdata: &[u8]) {
        let path = Self::path(folder);
        let written = serde_json::to_vec(self).map_err(Into::into).and_then(|text| {
            let (copy, state) = (Prepared::new(&copy(folder), certdata)?, Prepared::new(&path, &text)?);
            copy.place()?;
            state.place()?;
            replace::sync(&path)
        });
        if let Err(error) = written {
            output::problem(format_args!("cannot write {}: {error}", path.display()));
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// More than a month of minutes.
const DOUBLINGS_MAX: u32 = 16;
const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_dates_make_a_file_older() {
        let dated = |date: Option<&str>| Validators { etag: None, last_modified: date.map(str::to_owned) };
        let early = dated(Some("Fri, 01 May 2026 10:00:00 GMT"));
        let late = dated(Some("Sat, 02 May 2026 09:00:00 GMT"));
        assert!(older(&early, &late).is_some_and(|why| why.contains("hint: ")));
        for (new, last) in [
            (&late, &early),
            (&late, &late),
            (&dated(None), &late),
            (&early, &dated(None)),
            (&dated(Some("yesterday")), &late),
        ] {
            assert_eq!(older(new, last), None);
        }
    }

    #[test]
    fn pauses_double_up_to_the_schedule_and_honour_retry_after() {
        let day = Duration::from_secs(86_400);
        assert_eq!(pause(day, 0, None), day);
        assert_eq!(pause(day, 1, None).as_secs(), 60);
        assert_eq!(pause(day, 4, None).as_secs(), 480);
        assert_eq!(pause(day, u32::MAX, None), day);
        assert_eq!(pause(Duration::from_secs(5), 3, None).as_secs(), 5);
        assert_eq!(pause(day, 1, Some(Duration::from_secs(3600))).as_secs(), 3600);
        assert_eq!(pause(day, 9, Some(Duration::from_secs(5))).as_secs(), 15_360);
    }
}
