//! What the command line and the configuration say, brought together: the command line counts where both do.

use std::io::stderr;
use std::path::Path;

use seawall_config::config::Config;
use seawall_proxy::snapshot::trusted_hops;
use seawall_storm::{Auto, WatchSettings};

use super::fact::Fact;
use super::filter::Filter;
use super::request::Vantage;
use super::survey::Survey;
use super::tally::Wanted;
use crate::cli::{Analyze, AnalyzeFormat};
use crate::edge::geo::Geo;
use crate::edge::storms::settings;
use crate::load::{ConfigSource, render};
use crate::output;

/// What an analysis goes by.
pub(super) struct Setup {
    pub(super) survey: Survey,
    pub(super) watch: WatchSettings,
}

/// `None` if the configuration is wrong, which was told.
pub(super) fn setup(arguments: &Analyze) -> Result<Option<Setup>, String> {
    let filter = Filter::new(&arguments.conditions)?;
    let tables = arguments.by.iter().map(|by| facts(by)).collect::<Result<Vec<_>, _>>()?;
    let config = match &arguments.config {
        None => None,
        Some(path) => match configuration(path)? {
            None => return Ok(None),
            config => config,
        },
    };
    let geo = match (&arguments.geo[..], &config) {
        ([], Some(config)) => &config.geo.databases[..],
        (named, _) => named,
    };
    let geo = match geo {
        [] => None,
        paths => Some(Geo::open(paths).map_err(|problems| problems.join("\nseawall: "))?),
    };
    let mut asked = tables.iter().flatten().copied().chain(filter.facts());
    let of_place = asked.find(|fact| fact.is_of_place());
    drop(asked);
    if let (Some(fact), None) = (of_place, &geo) {
        return Err(format!("`{fact}` is in no log: --geo names a database in MaxMind's format that has it"));
    }
    let tops = arguments.top != Some(0) && !tables_only(arguments);
    let watches = !tables_only(arguments) || arguments.rules_out.is_some() || arguments.follow;
    let wanted = Wanted { tops, tables };
    let survey = Survey::new(vantage(arguments, config.as_ref()), geo, filter, wanted, watches);
    Ok(Some(Setup { survey, watch: config.as_ref().map(watch).unwrap_or_default() }))
}

/// Whether somebody who asks for cross tables is told these alone.
pub(super) fn tables_only(arguments: &Analyze) -> bool {
    !arguments.by.is_empty() && matches!(arguments.format, AnalyzeFormat::Text | AnalyzeFormat::Csv)
}

fn facts(by: &str) -> Result<Vec<Fact>, String> {
    let fault = |why: String| format!("--by '{by}': {why}");
    let facts =
        by.split(',').map(|name| name.trim().parse()).collect::<Result<Vec<Fact>, _>>().map_err(fault)?;
    if facts.len() > FACTS_MAX {
        return Err(fault(format!("a table has {FACTS_MAX} facts at the most")));
    }
    match facts.iter().enumerate().find(|(place, fact)| facts[..*place].contains(fact)) {
        Some((_, twice)) => Err(fault(format!("`{twice}` is there twice"))),
        None => Ok(facts),
    }
}

fn vantage(arguments: &Analyze, config: Option<&Config>) -> Vantage {
    let logs = &arguments.logs;
    match config {
        Some(config) if logs.trusted_hops.is_empty() => {
            Vantage::new(config.client.trusted_hops.iter().copied(), trusted_hops(&config.client).field)
        }
        _ => {
            let networks = logs.trusted_hops.iter().flat_map(|hops| hops.0.iter().copied());
            Vantage::named(networks, logs.client_field.as_ref())
        }
    }
}

/// As the edge watches; but nothing is put in force, so every storm may get its proposal.
fn watch(config: &Config) -> WatchSettings {
    let mut settings = settings::watch(config);
    settings.policy.auto = Auto::Propose;
    settings.sites.iter_mut().for_each(|site| site.policy.auto = Auto::Propose);
    settings
}

fn configuration(path: &Path) -> Result<Option<Config>, String> {
    let outcome = ConfigSource::file(path).load()?;
    match outcome.result {
        Ok(config) => Ok(Some(config)),
        Err(errors) => {
            errors.iter().for_each(|error| output::report(render(error, &stderr())));
            Ok(None)
        }
    }
}

/// More make no table that anybody reads.
const FACTS_MAX: usize = 6;
