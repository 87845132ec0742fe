//! Reads `[[site]]` tables.

mod cache;
mod overrides;

use std::net::Ipv6Addr;
use std::path::Path;

use http::HeaderValue;

use crate::config::{OriginGroup, Site, SiteCache, SiteTls, Source, StormPolicy};
use crate::diagnostic::{Code, Place, Problems};
use crate::manual;
use crate::origin::{ReadOrigin, read_origins, read_pool};
use crate::reader::{Shape, Table, Value};
use crate::settings::read_path;
use crate::storms::read_policy;

/// What holds for every site that does not say otherwise.
#[derive(Default)]
pub(crate) struct SiteDefaults {
    pub(crate) pool: OriginGroup,
    pub(crate) storms: StormPolicy,
}

/// A site, and what the checks of the whole need to point at.
pub(crate) struct ReadSite {
    pub(crate) hosts: Vec<(String, Place)>,
    pub(crate) source: Option<Source>,
    pub(crate) origins: Vec<ReadOrigin>,
    pub(crate) tls: Option<(SiteTls, Place)>,
    /// Whether `tls` was written, right or wrong.
    pub(crate) wants_tls: bool,
    pub(crate) cache: Option<SiteCache>,
    pub(crate) cache_control: Option<HeaderValue>,
    pub(crate) storms: StormPolicy,
}

pub(crate) fn read_site(
    value: Value<'_>,
    defaults: &SiteDefaults,
    folder: &Path,
    problems: &mut Problems,
) -> Option<ReadSite> {
    let mut table = value.open(&manual::SITE, problems)?;
    let hosts = match table.get("hosts") {
        Some(value) => read_hosts(value, problems),
        None => vec![(String::from("*"), table.place())],
    };
    let tls = table.get("tls");
    let wants_tls = tls.is_some();
    let tls = tls.and_then(|value| Some((read_tls(value, folder, problems)?, value.place())));
    let (source, origins) = read_source(&mut table, &defaults.pool, folder, problems);
    // A folder's files are in the kernel's memory already.
    let is_folder = table.has("files") && !table.has("origin");
    let cache = match is_folder {
        true => None,
        false => table
            .get("cache")
            .map_or_else(|| Some(SiteCache::default()), |value| cache::read_cache(value, problems)),
    };
    let cache_control =
        table.get("cache-control").and_then(|value| read_cache_control(value, is_folder, problems));
    let mut storms = defaults.storms.clone();
    if let Some(value) = table.get("storms") {
        read_policy(value, &mut storms, problems);
    }
    table.finish("beside `files`", problems);
    Some(ReadSite { hosts, source, origins, tls, wants_tls, cache, cache_control, storms })
}

impl ReadSite {
    /// The site itself, unless something in it is wrong.
    pub(crate) fn into_site(self) -> Option<Site> {
        let hosts: Vec<String> = self.hosts.into_iter().map(|(host, _)| host).collect();
        let source = self.source.filter(|_| !hosts.is_empty())?;
        let (cache, cache_control, storms) = (self.cache, self.cache_control, self.storms);
        Some(Site { hosts, source, tls: self.tls.map(|(tls, _)| tls), cache, cache_control, storms })
    }
}

/// An origin has its own word on caching; a folder has none.
fn read_cache_control(value: Value<'_>, is_folder: bool, problems: &mut Problems) -> Option<HeaderValue> {
    if !is_folder {
        let diagnostic = value.error(Code::Conflict, "`cache-control` is for sites with `files`");
        problems.push(
            diagnostic.help("an origin sends its own `Cache-Control`; [site.cache] says what to make of it"),
        );
        return None;
    }
    let text = value.text(problems)?;
    let plain = !text.trim().is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let field = HeaderValue::from_str(text.trim()).ok().filter(|_| plain);
    if field.is_none() {
        let diagnostic = value.invalid(format!("\"{text}\" is no `Cache-Control`"));
        problems.push(diagnostic.help("write directives, as in \"public, max-age=3600\""));
    }
    field
}

// === Source ===

fn read_source(
    table: &mut Table<'_>,
    pool: &OriginGroup,
    folder: &Path,
    problems: &mut Problems,
) -> (Option<Source>, Vec<ReadOrigin>) {
    match (table.get("origin"), table.get("files")) {
        (Some(origin), Some(files)) => {
            let diagnostic = files.error(Code::Conflict, "a site has either `origin` or `files`, not both");
            let help = "remove one, or make two sites with different hosts";
            problems.push(diagnostic.help(help).also(&origin.place(), "the origin"));
            table.get("origin-pool");
            (None, read_origins(origin, folder, problems))
        }
        (Some(origin), None) => {
            let own = table.get("origin-pool");
            let mut group = pool.clone();
            if let Some(value) = own {
                read_pool(value, &mut group, problems);
            }
            let origins = read_origins(origin, folder, problems);
            group.origins = origins.iter().map(|read| read.origin.clone()).collect();
            let source = (!group.origins.is_empty()).then_some(Source::Origins(group));
            (source, origins)
        }
        (None, Some(files)) => (read_path(files, folder, problems).map(Source::Files), Vec::new()),
        (None, None) => {
            let diagnostic =
                table.place().error(Code::MissingKey, "this site has neither `origin` nor `files`");
            let help = "add origin = \"http://127.0.0.1:8080\", or files = \"/srv/www\"";
            problems.push(diagnostic.help(help).label("this site"));
            table.get("origin-pool");
            (None, Vec::new())
        }
    }
}

// === TLS ===

fn read_tls(value: Value<'_>, folder: &Path, problems: &mut Problems) -> Option<SiteTls> {
    const HELP: &str =
        "write { certificate = \"fullchain.pem\", key = \"privkey.pem\" }, or \"self-signed\" for a trial";
    match value.shape() {
        Shape::Text("self-signed") => Some(SiteTls::SelfSigned),
        Shape::Text(text) => {
            problems.push(value.invalid(format!("`tls` cannot be \"{text}\"")).help(HELP));
            None
        }
        Shape::Table => {
            let mut table = value.open(&manual::TLS, problems)?;
            let mut path = |key, problems: &mut Problems| {
                table.require(key, problems).and_then(|value| read_path(value, folder, problems))
            };
            let (certificate, key) = (path("certificate", problems), path("key", problems));
            table.finish("here", problems);
            Some(SiteTls::Files { certificate: certificate?, key: key? })
        }
        _ => {
            problems.push(value.wrong_type("a table or \"self-signed\"").help(HELP));
            None
        }
    }
}

// === Hosts ===

fn read_hosts(value: Value<'_>, problems: &mut Problems) -> Vec<(String, Place)> {
    let items = value.one_or_many();
    if items.is_empty() {
        problems
            .push(value.invalid("`hosts` names no host").help("write the names, or \"*\" for every host"));
    }
    let read = |item: Value<'_>| {
        let text = item.text(problems)?;
        match parse_host(text) {
            Ok(host) => Some((host, item.place())),
            Err((message, help)) => {
                problems.push(item.invalid(message).help(help));
                None
            }
        }
    };
    items.into_iter().filter_map(read).collect()
}

/// A host name in lower case, or what is wrong with it and what to write.
fn parse_host(text: &str) -> Result<String, (String, String)> {
    let wrong = |why: &str, help: String| Err((format!("\"{text}\" is not a host name: {why}"), help));
    let lower = text.to_lowercase();
    if lower == "*" {
        return Ok(lower);
    }
    if let Some(inner) = lower.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match inner.parse::<Ipv6Addr>() {
            Ok(addr) => Ok(format!("[{addr}]")),
            Err(_) => wrong(
                "what stands in brackets is no IPv6 address",
                String::from("write it as \"[2001:db8::1]\""),
            ),
        };
    }
    if let Some((_, rest)) = lower.split_once("://") {
        let host = rest.split(['/', ':']).next().unwrap_or(rest);
        return wrong("it has a scheme", format!("write the host alone: \"{host}\""));
    }
    if lower.parse::<Ipv6Addr>().is_ok() {
        return wrong("IPv6 addresses stand in brackets", format!("write \"[{lower}]\""));
    }
    if let Some((host, port)) = lower.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return wrong(
            "it has a port",
            format!("write the host alone: \"{host}\"; ports stand under `listen`"),
        );
    }
    if let Some(host) = lower.strip_suffix('.').filter(|host| !host.is_empty()) {
        return wrong("it ends with a dot", format!("write \"{host}\""));
    }
    if let Some(rest) = lower.strip_prefix('.') {
        return wrong("it begins with a dot", format!("write \"*.{rest}\" for the subdomains of {rest}"));
    }
    if !lower.is_ascii() {
        let help = "write its ASCII form, which begins with xn--";
        return wrong("it has letters outside ASCII", String::from(help));
    }
    if lower.strip_prefix("*.").unwrap_or(&lower).contains('*') {
        return wrong(
            "`*` stands only at its beginning",
            String::from("write \"*.example.org\" for any subdomain, or list the names"),
        );
    }
    let labels = lower.strip_prefix("*.").unwrap_or(&lower);
    let fits = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    let label_fits = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(fits);
    if lower.len() > 253 || !labels.split('.').all(label_fits) {
        let help = "it has letters, digits and `-` between dots, at most 63 in each part and 253 in all";
        return wrong("it has another character or is too long", String::from(help));
    }
    Ok(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_lower_case_and_bare() {
        assert_eq!(parse_host("WWW.Example.ORG").as_deref(), Ok("www.example.org"));
        assert_eq!(parse_host("*.example.org").as_deref(), Ok("*.example.org"));
        assert_eq!(parse_host("[2001:DB8::0:1]").as_deref(), Ok("[2001:db8::1]"));
        for wrong in [
            "",
            "a..b",
            "a b",
            "*.*",
            "a*.example",
            "example.org:80",
            "https://example.org/",
            "2001:db8::1",
            "xn--.",
            "ü.example",
            ".example",
        ] {
            assert!(parse_host(wrong).is_err(), "{wrong}");
        }
    }
}
