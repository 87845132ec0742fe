//! A worker's own view of the current [`Snapshot`]: the snapshot, and what this worker holds for it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use seawall_config::config::{SiteCache, Source};
use seawall_rules::set::Scratch;
use seawall_rules::tally::Tally;

use crate::files::FileOrigin;
use crate::origin::{OriginPool, OriginStats};
use crate::shared::Shared;
use crate::snapshot::{Responder, SiteSpec, Snapshot};

/// What an exchange holds on to from its beginning to its end, however often the configuration changes meanwhile.
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) sites: Vec<Rc<SiteRuntime>>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) generation: u64,
    /// The tap's own: a scratch that changes hands between two sets forgets what it had learnt.
    pub(crate) tap_scratch: RefCell<Scratch>,
}

/// One site in one worker.
pub(crate) struct SiteRuntime {
    spec: Arc<SiteSpec>,
    pub(crate) backing: Backing,
}

/// Where a site's responses come from, in one worker.
pub(crate) enum Backing {
    Origins(Rc<OriginPool>),
    Files(Arc<FileOrigin>),
}

impl View {
    /// The view of `snapshot`. Origin connections of sites that did not change are kept from `old`.
    pub(crate) fn new(
        shared: &Shared,
        worker: usize,
        snapshot: Arc<Snapshot>,
        generation: u64,
        old: Option<&Self>,
    ) -> Self {
        let kept = |spec: &Arc<SiteSpec>| {
            old?.sites.iter().find(|site| Arc::ptr_eq(&site.spec, spec)).map(Rc::clone)
        };
        let sites = snapshot
            .sites
            .sites()
            .iter()
            .map(|spec| kept(spec).unwrap_or_else(|| Rc::new(SiteRuntime::new(shared, worker, spec))))
            .collect();
        let tally = match old {
            Some(old) if Arc::ptr_eq(&old.snapshot.rules, &snapshot.rules) => Arc::clone(&old.tally),
            _ => shared.new_tally(&snapshot.rules),
        };
        Self { snapshot, sites, tally, generation, tap_scratch: RefCell::default() }
    }
}

impl SiteRuntime {
    /// The site.
    pub(crate) fn spec(&self) -> &Arc<SiteSpec> {
        &self.spec
    }

    /// How its responses are cached, if they are.
    pub(crate) fn cache(&self) -> Option<&SiteCache> {
        self.spec.site.cache.as_ref()
    }

    fn new(shared: &Shared, worker: usize, spec: &Arc<SiteSpec>) -> Self {
        let backing = match (&spec.responder, &spec.site.source) {
            (Responder::Origins(tls), Source::Origins(group)) => {
                let stats = OriginStats::new(group);
                shared.register_origin_stats(worker, spec, &stats);
                let pool = OriginPool::new(group, tls, stats);
                Backing::Origins(pool.expect("invariant: checked when the snapshot was built"))
            }
            (Responder::Files(files), _) => Backing::Files(Arc::clone(files)),
            (Responder::Origins(_), Source::Files(_)) => {
                unreachable!("invariant: the responder is made from the site's source")
            }
        };
        Self { spec: Arc::clone(spec), backing }
    }
}
