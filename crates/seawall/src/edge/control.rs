//! What the admin API can ask of the edge.

use std::sync::atomic::Ordering;

use seawall_config::config::{Site, Source};
use seawall_console::control::{
    AcceptRequest, CacheView, Control, ControlError, EvidenceRequest, EvidenceView, Intermediary, LimitTable,
    LimitView, ListenerView, OriginView, ProposalView, PurgeRequest, Purged, Readiness, Reloaded, RuleChange,
    RuleState, RuleView, SiteView, Status, StormTable, StormView, TierView,
};
use seawall_console::metrics::Snapshot;
use seawall_http::UnixTime;
use seawall_proxy::clock;
use seawall_proxy::intermediaries::Shown;
use seawall_proxy::origin::HealthState;
use seawall_report::Account;
use seawall_rules::definition;
use seawall_rules::refusal::OriginFault;
use seawall_rules::rule::Author;
use seawall_rules::tally::{Counts, Subject, Totals};
use serde_json::Value;

use super::{Changing, Edge, EdgeError, metrics, purge};
use crate::rulebook::{Defined, Entry, RulebookError};

impl Control for Edge {
    fn readiness(&self) -> Readiness {
        match self.readiness.load(Ordering::Relaxed) {
            0 => Readiness::Starting,
            1 => Readiness::Ready,
            _ => Readiness::Draining,
        }
    }

    fn status(&self) -> Status {
        let changing = self.changing();
        let listeners = changing.addresses().into_iter().map(|(listen, local)| ListenerView {
            address: local.to_string(),
            tls: listen.tls,
            proxy_protocol: listen.proxy_protocol,
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            readiness: self.readiness(),
            started: self.started.as_secs(),
            uptime_seconds: clock::wall().as_secs().saturating_sub(self.started.as_secs()),
            configuration: self.source.path().map(|path| path.display().to_string()),
            state: self.state.path().display().to_string(),
            listeners: listeners.collect(),
            sites: changing.config.sites.iter().map(site_view).collect(),
            workers: self.shared.workers,
            ruleset_generation: changing.generation,
        }
    }

    fn metrics(&self) -> Snapshot {
        metrics::snapshot(self, &mut self.changing())
    }

    fn rules(&self) -> Vec<RuleView> {
        let mut changing = self.changing();
        let totals = self.totals(&mut changing);
        let rules = changing.entries.iter().filter(|entry| matches!(entry.definition, Defined::Rule(_)));
        rules.map(|entry| rule_view(entry, &totals)).collect()
    }

    fn add_rules(&self, definitions: &[Value]) -> Result<Vec<RuleView>, ControlError> {
        let (mut rules, mut problems) = (Vec::new(), Vec::new());
        for definition in definitions {
            match definition::from_json(&definition.to_string()) {
                Ok(rule) => rules.push(rule),
                Err(error) => problems.push(error.to_string()),
            }
        }
        if !problems.is_empty() {
            return Err(ControlError::Invalid { problems });
        }
        let names: Vec<String> = rules.iter().map(|rule| rule.name.clone()).collect();
        self.change(|rulebook| rulebook.add(rules, None, clock::wall()))?;
        names.iter().map(|name| self.view(name)).collect()
    }

    fn change_rule(&self, name: &str, change: RuleChange) -> Result<RuleView, ControlError> {
        let before = self.view(name)?;
        self.change(|rulebook| match change {
            RuleChange::Enable => rulebook.enable(name, clock::wall()),
            RuleChange::Disable => rulebook.disable(name, clock::wall()),
            RuleChange::Retire => rulebook.retire(name, clock::wall()),
        })?;
        match change {
            RuleChange::Retire => Ok(RuleView { state: RuleState::Retired, ..before }),
            RuleChange::Enable | RuleChange::Disable => self.view(name),
        }
    }

    fn reload(&self) -> Result<Reloaded, ControlError> {
        if self.source.path().is_none() {
            let why = "this process runs without a configuration file: there is nothing to read again";
            return Err(ControlError::Conflict { why: why.to_owned() });
        }
        let needs_restart =
            Self::reload(self).map_err(|EdgeError(problems)| ControlError::Invalid { problems })?;
        Ok(Reloaded {
            ruleset_generation: self.changing().generation,
            needs_restart: needs_restart.into_iter().map(str::to_owned).collect(),
        })
    }

    fn intermediaries(&self) -> Vec<Intermediary> {
        let list = self.shared.intermediaries.list();
        list.into_iter().map(|(network, seen)| Intermediary {
            address: Shown(network).to_string(),
            evidence: format!(
                "at least {} user agents and {} languages, a forwarded field on {} of {} requests",
                seen.suspicion.agents(),
                seen.suspicion.languages(),
                seen.suspicion.forwarded,
                seen.suspicion.requests
            ),
            hint: format!(
                "if it is yours or your CDN's, add \"{}\" to `trusted-hops`; limits by client do not count it as one visitor meanwhile",
                Shown(network)
            ),
        }).collect()
    }

    fn limits(&self) -> LimitTable {
        let mut changing = self.changing();
        let totals = self.totals(&mut changing);
        let limits = changing.entries.iter().filter_map(|entry| limit_view(entry, &totals)).collect();
        let table = &self.shared.limits;
        LimitTable {
            keys: table.live(clock::mono()) as u64,
            keys_max: self.settled.limit_keys as u64,
            evictions: table.evictions(),
            limits,
        }
    }

    fn origins(&self) -> Vec<OriginView> {
        let mut views: Vec<OriginView> = Vec::new();
        for entry in self.shared.origins() {
            let Source::Origins(group) = &entry.spec.site.source else { continue };
            for (origin, counters) in group.origins.iter().zip(&entry.stats.origins) {
                let scheme = if origin.tls { "https" } else { "http" };
                let name = format!("{scheme}://{}", origin.authority);
                let failures = |fault: &OriginFault| counters.failures(*fault);
                let failed: u64 = OriginFault::ALL.iter().map(failures).sum();
                let answered = counters.exchanges.get().saturating_sub(failed);
                let last_fault = OriginFault::ALL.iter().max_by_key(|fault| failures(fault));
                let last_fault = last_fault.filter(|fault| failures(fault) > 0);
                let available = counters.health() == HealthState::Well;
                let known =
                    views.iter_mut().find(|view| view.origin == name && view.hosts == entry.spec.site.hosts);
                match known {
                    Some(view) => {
                        view.answered += answered;
                        view.failed += failed;
                        // One worker that can reach it is enough.
                        view.available |= available;
                    }
                    None => views.push(OriginView {
                        origin: name,
                        hosts: entry.spec.site.hosts.clone(),
                        available,
                        most_frequent_fault: last_fault.map(|fault| fault.proxy_status().to_owned()),
                        answered,
                        failed,
                    }),
                }
            }
        }
        views
    }

    fn cache(&self) -> CacheView {
        let changing = self.changing();
        let counts = metrics::cache(self);
        let cached = changing.config.sites.iter().filter(|site| site.cache.is_some());
        let disk = self.settled.cache.disk.as_ref().map(|disk| TierView {
            bytes: counts.disk_bytes,
            bytes_max: disk.bytes,
            count: counts.disk_files,
            evictions: counts.disk_evictions,
            errors: counts.disk_errors + counts.disk_damaged,
        });
        CacheView {
            hosts: cached.flat_map(|site| site.hosts.iter().cloned()).collect(),
            hits: counts.hits,
            stale: counts.stale,
            forwards: counts.forwards.iter().map(|(_, count)| count).sum(),
            collapsed: counts.collapsed,
            memory: TierView {
                bytes: counts.memory_bytes + counts.filling_bytes,
                bytes_max: counts.memory_bytes_max,
                count: counts.memory_resources,
                evictions: counts.memory_evictions,
                errors: 0,
            },
            disk,
            disk_state: counts.disk_state,
        }
    }

    fn purge(&self, request: &PurgeRequest) -> Result<Purged, ControlError> {
        let purges = purge::purges(request, &self.shared.snapshot().sites)?;
        let cache = &self.shared.cache;
        // All take effect here; whether they outlast a crash is waited for after that.
        let done: Vec<_> = purges.iter().map(|purge| cache.purge(purge)).collect();
        let runtime = tokio::runtime::Handle::current();
        let written: Vec<_> = done.into_iter().map(|done| runtime.block_on(done)).collect();
        let durable = written.iter().all(Result::is_ok);
        if !durable {
            tracing::warn!("a purge could not be written to the cache's disk");
        }
        let purged = purges.iter().filter_map(|purge| purge::shown(&purge.selector)).map(str::to_owned);
        Ok(Purged { purged: purged.collect(), all: request.all, soft: request.soft, durable })
    }

    fn storms(&self) -> StormTable {
        self.storm_table()
    }

    fn storm(&self, id: &str) -> Result<StormView, ControlError> {
        self.storm_view(id)
    }

    fn account(&self, id: &str) -> Result<Account, ControlError> {
        self.storm_account(id)
    }

    fn open_evidence(&self, id: &str, request: &EvidenceRequest) -> Result<EvidenceView, ControlError> {
        self.collect_evidence(id, request)
    }

    fn evidence(&self, id: &str) -> Result<EvidenceView, ControlError> {
        self.kept_evidence(id)
    }

    fn delete_evidence(&self, id: &str) -> Result<(), ControlError> {
        self.forget_evidence(id)
    }

    fn proposals(&self) -> Vec<ProposalView> {
        self.proposal_views()
    }

    fn accept_proposal(&self, id: &str, request: &AcceptRequest) -> Result<RuleView, ControlError> {
        self.accept(id, request)
    }

    fn decline_proposal(&self, id: &str) -> Result<ProposalView, ControlError> {
        self.decline(id)
    }
}

impl Edge {
    /// Counts of every rule and limit since the start, by revision.
    pub(super) fn totals(&self, changing: &mut Changing) -> Totals {
        self.fold_retired(changing);
        let mut totals = changing.totals.clone();
        for (_, tally) in self.shared.tallies() {
            tally.fold_into(&mut totals);
        }
        totals
    }

    /// Changes the rulebook and puts it in force.
    pub(super) fn change<T>(
        &self,
        work: impl FnOnce(&mut crate::rulebook::Rulebook<seawall_rules::set::RuleSet>) -> Result<T, RulebookError>,
    ) -> Result<T, ControlError> {
        let mut changing = self.changing();
        let rulebook = self
            .rulebook(&mut changing)
            .map_err(|EdgeError(problems)| ControlError::Failed { what: problems.join("; ") })?;
        let done = work(rulebook).map_err(control_error)?;
        self.publish_rules(&mut changing);
        Ok(done)
    }

    pub(super) fn view(&self, name: &str) -> Result<RuleView, ControlError> {
        let unknown = || ControlError::NotFound { name: name.to_owned() };
        let mut changing = self.changing();
        let totals = self.totals(&mut changing);
        changing
            .entries
            .iter()
            .find(|entry| entry.name() == name)
            .map(|entry| rule_view(entry, &totals))
            .ok_or_else(unknown)
    }
}

fn control_error(error: RulebookError) -> ControlError {
    match error {
        RulebookError::Unknown { name } => ControlError::NotFound { name },
        RulebookError::Taken { .. }
        | RulebookError::Configured { .. }
        | RulebookError::TooMany
        | RulebookError::TooManyStaged { .. } => ControlError::Conflict { why: error.to_string() },
        RulebookError::Twice { .. }
        | RulebookError::Invalid { .. }
        | RulebookError::AlreadyExpired { .. }
        | RulebookError::Who
        | RulebookError::Compile(_) => ControlError::Invalid { problems: vec![error.to_string()] },
        RulebookError::State(_) => ControlError::Failed { what: error.to_string() },
    }
}

/// The counts of one rule or limit.
pub(super) fn counts(entry: &Entry, totals: &Totals) -> Counts {
    let revision = entry.revision;
    let subject = match entry.definition {
        Defined::Rule(_) => Subject::Rule { revision },
        Defined::Limit(_) => Subject::Limit { revision },
    };
    totals.get(&subject).copied().unwrap_or_default()
}

fn rule_view(entry: &Entry, totals: &Totals) -> RuleView {
    RuleView {
        name: entry.name().to_owned(),
        state: state_of(entry),
        revision: entry.revision,
        description: entry.describe(),
        matches: counts(entry, totals).matched,
        expires: entry.expires().map(UnixTime::as_secs),
        author: match &entry.author {
            Author::Configuration => "configuration",
            Author::Operator => "operator",
            Author::Machine { .. } => "machine",
        }
        .to_owned(),
        storm: match &entry.author {
            Author::Machine { storm } => Some(storm.clone()),
            Author::Configuration | Author::Operator => None,
        },
        proposal: entry.proposed.as_ref().map(|proposed| proposed.proposal.clone()),
        accepted: entry.proposed.as_ref().is_some_and(|proposed| proposed.word.is_accepted()),
        definition: definition_of(entry),
    }
}

fn limit_view(entry: &Entry, totals: &Totals) -> Option<LimitView> {
    let Defined::Limit(_) = entry.definition else { return None };
    Some(LimitView {
        name: entry.name().to_owned(),
        state: state_of(entry),
        description: entry.describe(),
        exceeded: counts(entry, totals).exceeded,
        definition: definition_of(entry),
    })
}

const fn state_of(entry: &Entry) -> RuleState {
    match (entry.enabled, entry.in_force) {
        (false, _) => RuleState::Disabled,
        (true, false) => RuleState::Expired,
        (true, true) => RuleState::Enabled,
    }
}

fn definition_of(entry: &Entry) -> Value {
    let text = match &entry.definition {
        Defined::Rule(rule) => definition::to_json(rule),
        Defined::Limit(limit) => definition::limit_to_json(limit),
    };
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

fn site_view(site: &Site) -> SiteView {
    let source = match &site.source {
        Source::Files(path) => vec![path.display().to_string()],
        Source::Origins(group) => {
            let url = |origin: &seawall_config::config::Origin| {
                format!("{}://{}", if origin.tls { "https" } else { "http" }, origin.authority)
            };
            group.origins.iter().map(url).collect()
        }
    };
    SiteView { hosts: site.hosts.clone(), source }
}
