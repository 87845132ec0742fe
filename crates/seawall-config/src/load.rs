//! From texts to a checked [`Config`]: reads every part, then what concerns the whole.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seawall_rules::limit::Limit;
use seawall_rules::rule::{Author, Rule};
use toml::de::DeTable;

use crate::cache::read_cache;
use crate::config::{
    Auto, Bounds, CacheConfig, ClientConfig, Config, DeclaredGood, DetectConfig, GeoConfig, Listen,
    LogConfig, OriginGroup, SiteCache, SiteTls, Source, StormPolicy,
};
use crate::diagnostic::{Code, Diagnostic, Place, Problems, SourceText};
use crate::files::Files;
use crate::geo::read_geo;
use crate::limit::read_limit;
use crate::listen::{Listener, read_admin, read_listen};
use crate::manual;
use crate::origin::{read_origins, read_pool};
use crate::reader::{Table, Value};
use crate::rule::{Named, read_rule};
use crate::rule_files::read_rule_files;
use crate::settings::{read_bounds, read_client, read_log, read_path};
use crate::site::{ReadSite, SiteDefaults, read_site};
use crate::storms::{read_detect, read_good, read_policy};
use crate::whole;

/// What came of loading: a result, and what is odd but forbids nothing.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    /// The value, or everything that is wrong, in the order of the files.
    pub result: Result<T, Vec<Diagnostic>>,
    /// What is probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// What the command line says instead of the configuration.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Overrides {
    /// Listening addresses instead of the configuration's, if any.
    pub listen: Vec<SocketAddr>,
    /// The admin address.
    pub admin: Option<SocketAddr>,
    /// The state folder, taken as it is.
    pub state: Option<PathBuf>,
    /// Gives every site without a certificate a self-signed one; if no listener speaks TLS, all do.
    pub tls_self_signed: bool,
}

/// Loads a configuration. `name` is its path as the operator knows it: diagnostics say it, and relative paths
/// start from its folder.
///
/// Everything that is wrong is reported, not only the first. Nothing outside `text` is read but the rule files
/// that it names, through `files`.
pub fn load(name: &str, text: &str, files: &mut dyn Files, overrides: &Overrides) -> Outcome<Config> {
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    let mut problems = Problems::default();
    let source = source(name, text);
    let read = with_table(&source, &mut problems, |root, problems| {
        let mut reading = Reading { folder, files, source: &source, names: HashMap::new(), problems };
        reading.read(root)
    });
    finish(read.into_config(overrides, &mut problems), problems)
}

/// Loads a rule file: `[[rule]]` tables alone. The rules come out in order, those with `enabled = false` left out.
pub fn load_rules(name: &str, text: &str, author: &Author) -> Outcome<Vec<Rule>> {
    let mut problems = Problems::default();
    let source = source(name, text);
    let mut names = HashMap::new();
    let rules = read_rules(&source, author, &mut names, &mut problems);
    finish(Some(rules), problems)
}

/// The configuration of `seawall serve --origin URL`: one site for every host.
///
/// Without a listening address among the overrides it listens on 0.0.0.0:8080, or on 0.0.0.0:8081 if the
/// origin itself has port 8080 of this machine.
pub fn for_origin(urls: &[&str], overrides: &Overrides) -> Outcome<Config> {
    let mut problems = Problems::default();
    let mut origins = Vec::new();
    for url in urls {
        // Each its own text, so that a diagnostic shows what was typed.
        let source = source("--origin", url);
        let value = toml::Spanned::new(0..url.len(), toml::de::DeValue::String((*url).into()));
        origins.extend(read_origins(Value::of("origin", &value, &source), Path::new(""), &mut problems));
    }
    let group = OriginGroup {
        origins: origins.iter().map(|read| read.origin.clone()).collect(),
        ..OriginGroup::default()
    };
    let source = (!origins.is_empty()).then_some(Source::Origins(group));
    let read = Read { sites: vec![catch_all(source, origins)], ..Read::default() };
    let mut overrides = overrides.clone();
    if overrides.listen.is_empty() && read.sites.iter().any(|site| whole::loops(DEFAULT_LISTEN, site)) {
        overrides.listen.push(SECOND_LISTEN);
    }
    finish(read.into_config(&overrides, &mut problems), problems)
}

/// The configuration of `seawall serve --files DIR`: one site for every host, on 0.0.0.0:8080 unless the
/// overrides say otherwise.
pub fn for_files(folder: &Path, overrides: &Overrides) -> Outcome<Config> {
    let mut problems = Problems::default();
    let source = Some(Source::Files(folder.to_owned()));
    let read = Read { sites: vec![catch_all(source, Vec::new())], ..Read::default() };
    finish(read.into_config(overrides, &mut problems), problems)
}

const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8080);
const SECOND_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8081);
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9180);
const DEFAULT_STATE: &str = "/var/lib/seawall";

fn finish<T>(value: Option<T>, problems: Problems) -> Outcome<T> {
    let (errors, warnings) = problems.finish();
    match value {
        Some(value) if errors.is_empty() => Outcome { result: Ok(value), warnings },
        _ => Outcome { result: Err(errors), warnings },
    }
}

pub(crate) fn source(name: &str, text: &str) -> Arc<SourceText> {
    Arc::new(SourceText::new(name, text.to_owned()))
}

/// What has no place in any file: the command line, and defaults.
fn nowhere(name: &str) -> Place {
    Place::new(&source(name, ""), 0..0)
}

fn catch_all(source: Option<Source>, origins: Vec<crate::origin::ReadOrigin>) -> ReadSite {
    let hosts = vec![(String::from("*"), nowhere("command line"))];
    let cache = matches!(source, Some(Source::Origins(_))).then(SiteCache::default);
    ReadSite {
        hosts,
        source,
        origins,
        tls: None,
        wants_tls: false,
        cache,
        cache_control: None,
        storms: StormPolicy::default(),
    }
}

/// Parses a text and reads it, also where it is not all TOML; then only what a lost line cannot have caused is
/// reported besides the syntax.
fn with_table<T>(
    source: &Arc<SourceText>,
    problems: &mut Problems,
    read: impl FnOnce(&DeTable<'_>, &mut Problems) -> T,
) -> T {
    let (root, errors) = DeTable::parse_recoverable(source.inner());
    if errors.is_empty() {
        return read(root.get_ref(), problems);
    }
    let mut lines = Vec::new();
    for error in &errors {
        let place = Place::new(source, error.span().unwrap_or(0..0));
        lines.push(place.line());
        problems.push(explain_syntax(&place, error.message()));
    }
    let mut other = Problems::default();
    let value = read(root.get_ref(), &mut other);
    problems.append_unless(other, |diagnostic| {
        let consequence = matches!(diagnostic.code, Code::MissingKey | Code::Suspicious | Code::Conflict);
        diagnostic.is_in(source) && (consequence || lines.contains(&diagnostic.line()))
    });
    value
}

/// The parser says what it expected; what the writer probably did is told besides.
fn explain_syntax(place: &Place, message: &str) -> Diagnostic {
    let message = message.replace('\n', ", ");
    // What the grammar would take next says nothing to whoever wrote the line.
    let noise = [", expected nothing", ", expected literal string"];
    let message = noise.iter().find_map(|noise| message.strip_suffix(noise)).unwrap_or(&message);
    let diagnostic = place.error(Code::Syntax, message);
    let help = match message {
        m if m.contains("duplicate key") => {
            "write it once in its table; a second site, limit or rule begins with [[…]]"
        }
        m if m.contains("basic string") => {
            "close the quotes; a backslash is written twice, or once between single quotes"
        }
        m if m.contains("unclosed") => "close the bracket",
        m if m.contains("quoted")
            || m.contains("float")
            || m.contains("integer")
            || m.contains("invalid literal") =>
        {
            "text, addresses, sizes and durations stand in quotes"
        }
        _ => return diagnostic,
    };
    diagnostic.help(help)
}

/// Reads the rules of a rule file.
pub(crate) fn read_rules(
    source: &Arc<SourceText>,
    author: &Author,
    names: &mut HashMap<String, Place>,
    problems: &mut Problems,
) -> Vec<Rule> {
    with_table(source, problems, |root, problems| {
        let mut table = Table::root(root, &manual::RULE_FILE, source);
        let rules = read_rule_tables(&mut table, author, names, problems);
        table.finish("here", problems);
        rules
    })
}

fn read_rule_tables(
    table: &mut Table<'_>,
    author: &Author,
    names: &mut HashMap<String, Place>,
    problems: &mut Problems,
) -> Vec<Rule> {
    let Some(value) = table.get("rule") else { return Vec::new() };
    let mut rules = Vec::new();
    for value in value.tables(problems).unwrap_or_default() {
        let Some(read) = read_rule(value, author, problems) else { continue };
        claim(read.name, names, problems);
        rules.extend(read.rule);
    }
    rules
}

/// Rules and limits share one space of names: metrics and receipts say the name alone.
fn claim(name: Option<Named>, names: &mut HashMap<String, Place>, problems: &mut Problems) {
    let Some((name, place)) = name else { return };
    match names.get(&name) {
        Some(first) => {
            let diagnostic = place.error(Code::Duplicate, format!("the name \"{name}\" is taken"));
            problems.push(diagnostic.help("each needs its own name").also(first, "first here"));
        }
        None => {
            names.insert(name, place);
        }
    }
}

// === The configuration ===

struct Reading<'r, 's> {
    folder: &'r Path,
    files: &'r mut dyn Files,
    source: &'s Arc<SourceText>,
    names: HashMap<String, Place>,
    problems: &'r mut Problems,
}

/// What the configuration says, each part with what the checks of the whole need.
#[derive(Default)]
struct Read {
    listen: Option<Vec<Listener>>,
    admin: Option<Listener>,
    state: Option<PathBuf>,
    workers: usize,
    client: Option<ClientConfig>,
    bounds: Option<Bounds>,
    log: Option<LogConfig>,
    cache: Option<CacheConfig>,
    detect: Option<DetectConfig>,
    geo: Option<GeoConfig>,
    storms: StormPolicy,
    declared_good: Vec<DeclaredGood>,
    sites: Vec<ReadSite>,
    limits: Vec<Limit>,
    rules: Vec<Rule>,
}

impl Reading<'_, '_> {
    fn read(&mut self, root: &DeTable<'_>) -> Read {
        let mut top = Table::root(root, &manual::TOP, self.source);
        let folder = self.folder;
        let listen = top.read("listen", self.problems, read_listen);
        let admin = top.read("admin", self.problems, read_admin);
        let state = top.read("state", self.problems, |value, problems| read_path(value, folder, problems));
        let workers = top.read("workers", self.problems, |value, problems| value.integer(0..=1024, problems));
        let detect = top.read("detect", self.problems, read_detect);
        let mut defaults = SiteDefaults::default();
        if let Some(value) = top.get("origin-pool") {
            read_pool(value, &mut defaults.pool, self.problems);
        }
        if let Some(value) = top.get("storms") {
            read_policy(value, &mut defaults.storms, self.problems);
        }
        let read = Read {
            listen,
            admin,
            state,
            workers: workers.and_then(|workers| usize::try_from(workers).ok()).unwrap_or(0),
            client: top.read("client", self.problems, |value, problems| read_client(value, problems)),
            bounds: top.read("bounds", self.problems, read_bounds),
            log: top.read("log", self.problems, |value, problems| read_log(value, folder, problems)),
            cache: top.read("cache", self.problems, |value, problems| read_cache(value, folder, problems)),
            detect,
            geo: top.read("geo", self.problems, |value, problems| read_geo(value, folder, problems)),
            declared_good: self.declared_good(&mut top),
            sites: self.sites(&mut top, &defaults),
            limits: self.limits(&mut top),
            rules: self.rules(&mut top),
            storms: defaults.storms,
        };
        if let Some(place) = top.peek("detect").map(|value| value.place()) {
            self.warn_of_idle_policies(&read, &place);
        }
        top.finish("here", self.problems);
        read
    }

    /// Who lets the machine act, and does not let it look, has probably forgotten one of them.
    fn warn_of_idle_policies(&mut self, read: &Read, detect: &Place) {
        let looks = read.detect.as_ref().is_none_or(|detect| detect.enabled);
        let acts = |policy: &StormPolicy| matches!(policy.auto, Auto::Limit | Auto::Deny);
        if !looks && (acts(&read.storms) || read.sites.iter().any(|site| acts(&site.storms))) {
            let warning =
                detect.warning(Code::Suspicious, "storms are not looked for, so `auto` has no effect");
            self.problems.push(warning.help("remove `enabled = false`, or `auto`"));
        }
    }

    fn sites(&mut self, top: &mut Table<'_>, defaults: &SiteDefaults) -> Vec<ReadSite> {
        let Some(value) = top.get("site") else {
            let diagnostic = Place::new(self.source, 0..0).error(Code::MissingKey, "there is no site");
            let help = "add\n[[site]]\nhosts = [\"www.example.org\"]\norigin = \"http://127.0.0.1:8080\"";
            self.problems.push(diagnostic.help(help).label("in this file"));
            return Vec::new();
        };
        let Some(sites) = value.tables(self.problems) else { return Vec::new() };
        if sites.is_empty() {
            let diagnostic = value.error(Code::MissingKey, "there is no site");
            self.problems.push(diagnostic.help("add a [[site]] table"));
        }
        sites.into_iter().filter_map(|value| read_site(value, defaults, self.folder, self.problems)).collect()
    }

    fn declared_good(&mut self, top: &mut Table<'_>) -> Vec<DeclaredGood> {
        let tables = top.get("declared-good").and_then(|value| value.tables(self.problems));
        // Names of their own: they are neither rules nor limits.
        let (mut names, mut good) = (HashMap::new(), Vec::new());
        for value in tables.unwrap_or_default() {
            let Some(read) = read_good(value, self.problems) else { continue };
            claim(read.name, &mut names, self.problems);
            good.extend(read.good);
        }
        good
    }

    fn limits(&mut self, top: &mut Table<'_>) -> Vec<Limit> {
        let tables = top.get("limit").and_then(|value| value.tables(self.problems)).unwrap_or_default();
        let mut limits = Vec::new();
        for value in tables {
            let Some(read) = read_limit(value, self.problems) else { continue };
            claim(read.name, &mut self.names, self.problems);
            limits.extend(read.limit);
        }
        limits
    }

    fn rules(&mut self, top: &mut Table<'_>) -> Vec<Rule> {
        let author = Author::Configuration;
        let mut rules = read_rule_tables(top, &author, &mut self.names, self.problems);
        if let Some(value) = top.get("rule-files") {
            for source in read_rule_files(value, self.folder, self.files, self.problems) {
                rules.extend(read_rules(&source, &author, &mut self.names, self.problems));
            }
        }
        rules
    }
}

impl Read {
    fn into_config(mut self, overrides: &Overrides, problems: &mut Problems) -> Option<Config> {
        let listeners = self.listeners(overrides);
        let admin = match (overrides.admin, self.admin.take()) {
            (Some(address), _) => command_line(address, "--admin"),
            (None, Some(admin)) => admin,
            (None, None) => command_line(DEFAULT_ADMIN, "the default of `admin`"),
        };
        if overrides.tls_self_signed {
            for site in self.sites.iter_mut().filter(|site| !site.wants_tls) {
                site.tls = Some((SiteTls::SelfSigned, nowhere("--tls-self-signed")));
                site.wants_tls = true;
            }
        }
        // What a lost line may have said is not held against the others.
        if !problems.has(Code::Syntax) {
            whole::check(&listeners, &admin, &self.sites, problems);
        }
        let sites: Vec<_> = self.sites.into_iter().filter_map(ReadSite::into_site).collect();
        if sites.is_empty() && problems.error_count() == 0 {
            problems.push(nowhere("command line").error(Code::MissingKey, "there is no site"));
        }
        Some(Config {
            listen: listeners.into_iter().map(|listener| listener.listen).collect(),
            admin: admin.listen.address,
            state: overrides.state.clone().or(self.state).unwrap_or_else(|| PathBuf::from(DEFAULT_STATE)),
            workers: self.workers,
            client: self.client.unwrap_or_default(),
            bounds: self.bounds.unwrap_or_default(),
            log: self.log.unwrap_or_default(),
            cache: self.cache.unwrap_or_default(),
            detect: self.detect.unwrap_or_default(),
            geo: self.geo.unwrap_or_default(),
            storms: self.storms,
            declared_good: self.declared_good,
            sites,
            limits: self.limits,
            rules: self.rules,
        })
    }

    fn listeners(&mut self, overrides: &Overrides) -> Vec<Listener> {
        let mut listeners = match (&overrides.listen[..], self.listen.take()) {
            ([], Some(listeners)) => listeners,
            ([], None) => vec![command_line(DEFAULT_LISTEN, "the default of `listen`")],
            (addresses, _) => addresses.iter().map(|address| command_line(*address, "--listen")).collect(),
        };
        if overrides.tls_self_signed && listeners.iter().all(|listener| !listener.listen.tls) {
            listeners.iter_mut().for_each(|listener| listener.listen.tls = true);
        }
        listeners
    }
}

fn command_line(address: SocketAddr, name: &str) -> Listener {
    Listener { listen: Listen { address, tls: false, proxy_protocol: false }, place: nowhere(name) }
}
