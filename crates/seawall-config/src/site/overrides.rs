//! Reads `[[site.cache.override]]` tables: what counts for some responses, whatever the origin says of them.

use std::time::Duration;

use http::StatusCode;
use seawall_cache::policy::{Override, PathPattern, Storing};

use super::cache::LIFETIME_MAX;
use crate::diagnostic::{Code, Problems};
use crate::manual;
use crate::reader::{Shape, Table, Value};

/// The overrides, in order.
pub(super) fn read_overrides(value: Value<'_>, problems: &mut Problems) -> Option<Vec<Override>> {
    let mut read: Vec<(Override, Value<'_>)> = Vec::new();
    if let Shape::Table = value.shape() {
        let help = "write [[site.cache.override]] with two pairs of brackets: there may be several";
        problems.push(value.wrong_type("an array of tables").help(help));
        return None;
    }
    for table in value.tables(problems)? {
        let before = problems.error_count();
        let Some(rule) = read_override(table, problems) else { continue };
        // What it is for is not known then.
        if problems.error_count() > before {
            continue;
        }
        if let Some((_, first)) = read.iter().find(|(first, _)| covers(first, &rule)) {
            let message = "this override never counts: an earlier one takes in all that it is for";
            let warning = table.place().warning(Code::Suspicious, message);
            problems.push(warning.help("put it before that one").also(&first.place(), "the earlier one"));
        }
        read.push((rule, table));
    }
    Some(read.into_iter().map(|(rule, _)| rule).collect())
}

fn read_override(value: Value<'_>, problems: &mut Problems) -> Option<Override> {
    let before = problems.error_count();
    let mut table = value.open(&manual::OVERRIDE, problems)?;
    let path = table.get("path");
    let path = path.map_or(Some(PathPattern::Any), |value| read_path_pattern(value, problems));
    let status = table.read("status", problems, read_status).unwrap_or_default();
    let storing = read_storing(&mut table, problems);
    let mut stale = |key| {
        table.read(key, problems, |value, problems| value.duration(Duration::ZERO..=LIFETIME_MAX, problems))
    };
    let stale_while_revalidate = stale("stale-while-revalidate");
    let stale_if_error = stale("stale-if-error");
    let says_nothing = table.known_keys().iter().all(|key| matches!(*key, "path" | "status"));
    if says_nothing && problems.error_count() == before {
        let diagnostic = value.place().error(Code::MissingKey, "this override changes nothing");
        let help =
            "add `store`, `lifetime`, `default-lifetime`, `stale-while-revalidate` or `stale-if-error`";
        problems.push(diagnostic.help(help).label("this table"));
    }
    table.finish("here", problems);
    let rule = Override { path: path?, status, storing, stale_while_revalidate, stale_if_error };
    question(&rule, value, problems);
    Some(rule)
}

// === Which responses ===

fn read_path_pattern(value: Value<'_>, problems: &mut Problems) -> Option<PathPattern> {
    const HELP: &str = "write \"/path\", { prefix = \"/path/\" } or { suffix = \".css\" }";
    if let Shape::Text(text) = value.shape() {
        return absolute(value, text, problems).map(PathPattern::Exact);
    }
    if !matches!(value.shape(), Shape::Table) {
        problems.push(value.wrong_type("a string or a table").help(HELP));
        return None;
    }
    let mut table = value.open(&manual::OVERRIDE_PATH, problems)?;
    let tests = ["exact", "prefix", "suffix"].map(|key| table.get(key));
    table.finish("here", problems);
    let mut written = tests.into_iter().flatten();
    let (first, second) = (written.next(), written.next());
    let Some(test) = first else {
        problems.push(value.invalid(format!("`{}` says no path", value.key)).help(HELP));
        return None;
    };
    if let Some(second) = second {
        let message = format!("`{}` and `{}` stand in one `{}`", test.key, second.key, value.key);
        problems.push(second.error(Code::Conflict, message).help("use one of them, or write two overrides"));
        return None;
    }
    let text = test.text(problems)?;
    match test.key {
        "exact" => absolute(test, text, problems).map(PathPattern::Exact),
        "prefix" => absolute(test, text, problems).map(PathPattern::Prefix),
        _ if text.is_empty() => {
            problems.push(test.invalid("`suffix` is empty").help("leave `path` out for every path"));
            None
        }
        _ => Some(PathPattern::Suffix(text.to_owned())),
    }
}

/// A path as rules see it: decoded, and without a query.
fn absolute(value: Value<'_>, text: &str, problems: &mut Problems) -> Option<String> {
    if !text.starts_with('/') {
        let message = format!("`{}`: a path begins with a slash", value.key);
        problems.push(value.invalid(message).help(format!("write \"/{text}\"")));
        return None;
    }
    if text.contains(['?', '#']) {
        let message = format!("`{}`: a path has no query", value.key);
        problems.push(value.invalid(message).help("`query` of [site.cache] says which parameters count"));
        return None;
    }
    Some(text.to_owned())
}

fn read_status(value: Value<'_>, problems: &mut Problems) -> Option<Vec<StatusCode>> {
    let mut codes = Vec::new();
    for item in value.one_or_many() {
        if let Shape::Text(text) = item.shape()
            && let [class @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] = text.as_bytes()
        {
            let examples = if *class == b'5' { "[500, 502, 503, 504]" } else { "[404, 410]" };
            let message = format!("`status` takes single codes, not the class \"{text}\"");
            problems.push(item.invalid(message).help(format!("name each code that is meant: {examples}")));
            continue;
        }
        let number = item.integer(200..=599, problems);
        let Some(code) = number.and_then(|n| StatusCode::from_u16(u16::try_from(n).ok()?).ok()) else {
            continue;
        };
        if code == StatusCode::NOT_MODIFIED {
            let diagnostic = item.invalid("`status` cannot be 304, which is no response of its own");
            problems.push(diagnostic.help("name the status of what it validates: 200"));
        } else if codes.contains(&code) {
            let message = format!("{} stands twice in `status`", code.as_u16());
            problems.push(item.error(Code::Duplicate, message).help("remove one"));
        } else {
            codes.push(code);
        }
    }
    Some(codes)
}

// === What counts ===

/// `store`, `lifetime` and `default-lifetime`, of which one can be said.
fn read_storing(table: &mut Table<'_>, problems: &mut Problems) -> Storing {
    let lifetime = Duration::from_secs(1)..=LIFETIME_MAX;
    let (store, forced, unstated) =
        (table.get("store"), table.get("lifetime"), table.get("default-lifetime"));
    let stores = store.and_then(|value| value.boolean(problems));
    let mut time =
        |value: Option<Value<'_>>| value.and_then(|value| value.duration(lifetime.clone(), problems));
    let (forced_for, unstated_for) = (time(forced), time(unstated));
    let mut conflict = |value: Value<'_>, message: &str, other: Value<'_>, help: &str| {
        let diagnostic = value.error(Code::Conflict, message);
        problems.push(diagnostic.help(help).also(&other.place(), format!("`{}`", other.key)));
    };
    if let (Some(forced), Some(unstated)) = (forced, unstated) {
        let help = "`lifetime` counts whatever the response says, `default-lifetime` where it says nothing";
        conflict(unstated, "an override has either `lifetime` or `default-lifetime`, not both", forced, help);
    }
    if let (Some(store), Some(false), Some(time)) = (store, stores, forced.or(unstated)) {
        conflict(time, "what is not stored has no lifetime", store, "remove one");
    }
    match (stores, forced_for, unstated_for) {
        (Some(false), ..) => Storing::Never,
        (_, Some(lifetime), _) => Storing::Forced(lifetime),
        (_, None, Some(lifetime)) => Storing::Unstated(lifetime),
        _ => Storing::AsStated,
    }
}

// === What can hardly be meant ===

fn question(rule: &Override, value: Value<'_>, problems: &mut Problems) {
    let is_error = |status: &StatusCode| status.is_client_error() || status.is_server_error();
    let takes_pages = rule.status.is_empty() || !rule.status.iter().all(is_error);
    if !matches!(rule.storing, Storing::Forced(_)) || !takes_pages {
        return;
    }
    let (message, help) = match &rule.path {
        PathPattern::Exact(_) => return,
        PathPattern::Prefix(prefix) if prefix != "/" => return,
        PathPattern::Any | PathPattern::Prefix(_) => (
            "every response of this site would be stored and shown to everybody, private ones too",
            "name a `path`, or use `default-lifetime`, which leaves what is private alone",
        ),
        // Web cache deception: an origin that ignores what follows a script's name answers with the reader's own page.
        PathPattern::Suffix(_) => (
            "whatever the origin sends for a path that ends so would be shown to everybody: `/account/x.css` may be a page",
            "name a `prefix`, or use `default-lifetime`, which leaves what is private alone",
        ),
    };
    problems.push(value.place().warning(Code::Suspicious, message).help(help));
}

/// Whether `first`, which comes earlier, takes in everything that `second` is for.
fn covers(first: &Override, second: &Override) -> bool {
    let path = match (&first.path, &second.path) {
        (PathPattern::Any, _) => true,
        (PathPattern::Prefix(outer), PathPattern::Exact(inner) | PathPattern::Prefix(inner)) => {
            inner.starts_with(outer.as_str())
        }
        (PathPattern::Suffix(outer), PathPattern::Exact(inner) | PathPattern::Suffix(inner)) => {
            inner.ends_with(outer.as_str())
        }
        (one, other) => one == other,
    };
    let has = |code| first.status.contains(code);
    path && (first.status.is_empty() || (!second.status.is_empty() && second.status.iter().all(has)))
}
