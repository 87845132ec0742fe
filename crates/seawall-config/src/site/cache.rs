//! Reads `cache` of a site: what counts for storing and reuse.

use std::time::Duration;

use http::HeaderName;
use seawall_cache::Policy;
use seawall_cache::key::{Order, Parameters, QueryPolicy};
use seawall_cache::policy::{ClientControl, GarbledAge};
use seawall_http::Coding;

use super::overrides::read_overrides;
use crate::config::SiteCache;
use crate::diagnostic::{Code, Problems};
use crate::manual;
use crate::reader::{Shape, Value};
use crate::rule::field_name;

/// `None` for `cache = false`, and where something is wrong.
pub(super) fn read_cache(value: Value<'_>, problems: &mut Problems) -> Option<SiteCache> {
    if let Shape::Table = value.shape() {
        return read_table(value, problems);
    }
    match value.as_boolean() {
        Some(is_on) => is_on.then(SiteCache::default),
        None => {
            let help = "write false for no cache, or a table of what is to be different: [site.cache]";
            problems.push(value.wrong_type("false or a table").help(help));
            None
        }
    }
}

/// A year, which RFC 9111 §4.2.2 and §5.2.2.1 leave as the longest that means anything in practice.
pub(super) const LIFETIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

fn read_table(value: Value<'_>, problems: &mut Problems) -> Option<SiteCache> {
    let mut table = value.open(&manual::SITE_CACHE, problems)?;
    let mut policy = Policy::default();
    let percent = |value: Value<'_>, problems: &mut Problems| {
        value.integer(0..=100, problems).and_then(|percent| u32::try_from(percent).ok())
    };
    table.set("heuristic-percent", &mut policy.heuristic_percent, problems, percent);
    table.set("heuristic-max", &mut policy.heuristic_max, problems, |value, problems| {
        value.duration(Duration::ZERO..=LIFETIME_MAX, problems)
    });
    let controls = [("honoured", ClientControl::Honoured), ("ignored", ClientControl::Ignored)];
    table.set("client-control", &mut policy.client_control, problems, |value, problems| {
        value.choice(&controls, problems)
    });
    let ages = [("first", GarbledAge::FirstCounts), ("stale", GarbledAge::Stale)];
    table.set("garbled-age", &mut policy.garbled_age, problems, |value, problems| {
        value.choice(&ages, problems)
    });
    table.set("query", &mut policy.query, problems, read_query);
    table.set("surrogate-field", &mut policy.surrogate_field, problems, read_surrogate_field);
    table.set("compress", &mut policy.codings, problems, read_codings);
    let mut cache = SiteCache { policy, ..SiteCache::default() };
    let collapse = Duration::from_millis(1)..=Duration::from_secs(3600);
    table.set("collapse-time", &mut cache.collapse_time, problems, |value, problems| {
        value.duration(collapse, problems)
    });
    cache.policy.overrides = table.read("override", problems, read_overrides).unwrap_or_default();
    table.finish("here", problems);
    Some(cache)
}

// === Query ===

fn read_query(value: Value<'_>, problems: &mut Problems) -> Option<QueryPolicy> {
    let mut table = value.open(&manual::QUERY, problems)?;
    let sort = table.read("sort", problems, |value, problems| value.boolean(problems));
    let order = if sort == Some(true) { Order::Sorted } else { Order::AsSent };
    let parameters = match (table.get("only"), table.get("except")) {
        (Some(only), Some(except)) => {
            let diagnostic = except.error(Code::Conflict, "`query` has either `only` or `except`, not both");
            problems.push(
                diagnostic
                    .help("what `only` does not name is left out already")
                    .also(&only.place(), "`only`"),
            );
            None
        }
        (Some(only), None) => read_names(only, problems).map(Parameters::Only),
        (None, Some(except)) => read_names(except, problems).map(Parameters::Except),
        (None, None) => Some(Parameters::All),
    };
    table.finish("here", problems);
    Some(QueryPolicy { parameters: parameters?, order })
}

fn read_names(value: Value<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let read = |item: Value<'_>| {
        let name = item.text(problems)?;
        // It would be compared with names alone, and never be equal.
        if name.contains(['=', '&', '?', '#', '*'])
            || name.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            let message = format!("\"{name}\" is not the name of a parameter");
            problems.push(item.invalid(message).help("write each name alone, as it is sent: \"utm_source\""));
            return None;
        }
        Some(name.to_owned())
    };
    let names: Vec<Option<String>> = value.one_or_many().into_iter().map(read).collect();
    names.into_iter().collect()
}

// === Fields and codings ===

fn read_surrogate_field(value: Value<'_>, problems: &mut Problems) -> Option<HeaderName> {
    let name = field_name(value, value.text(problems)?, problems)?;
    // It is taken out of the response, which must not lose what a client or the cache needs.
    const NEEDED: [&str; 13] = [
        "age",
        "cache-control",
        "cdn-cache-control",
        "connection",
        "date",
        "etag",
        "expires",
        "last-modified",
        "location",
        "set-cookie",
        "surrogate-control",
        "transfer-encoding",
        "vary",
    ];
    if NEEDED.contains(&name.as_str()) || name.as_str().starts_with("content-") {
        let message = format!("`{}` cannot be \"{name}\": clients would not get it", value.key);
        let help = "name a field that holds keys alone, such as \"Surrogate-Key\", \"Cache-Tag\" or \"xkey\"";
        problems.push(value.invalid(message).help(help));
        return None;
    }
    Some(name)
}

fn read_codings(value: Value<'_>, problems: &mut Problems) -> Option<Vec<Coding>> {
    const WORDS: [(&str, Coding); 3] =
        [("br", Coding::Brotli), ("zstd", Coding::Zstd), ("gzip", Coding::Gzip)];
    if value.as_boolean().is_some() {
        let help = "write [\"br\", \"zstd\", \"gzip\"], the preferred first, or [] for none";
        problems.push(value.wrong_type("an array of codings").help(help));
        return None;
    }
    let mut codings = Vec::new();
    let mut is_right = true;
    for item in value.one_or_many() {
        match item.choice(&WORDS, problems) {
            Some(coding) if codings.contains(&coding) => {
                let message = format!("{} stands twice in `{}`", item.raw(), value.key);
                problems.push(item.error(Code::Duplicate, message).help("remove one"));
                is_right = false;
            }
            Some(coding) => codings.push(coding),
            None => is_right = false,
        }
    }
    is_right.then_some(codings)
}
