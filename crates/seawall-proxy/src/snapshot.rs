//! What every worker reads and nobody writes: one immutable [`Snapshot`], swapped whole.

mod sites;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use seawall_config::Config;
use seawall_config::config::{Bounds, ClientConfig, ClientField, Origin, Site, Source};
use seawall_http::client::{ClientFieldName, TrustedHops};
use seawall_http::network::NetworkSet;
use seawall_rules::set::RuleSet;

use crate::access_log::AccessLogHandle;
use crate::files::FileOrigin;
use crate::origin::{OriginPool, OriginPoolError};
use crate::tap::Tap;
use crate::tls::{OriginTlsError, origin_client_config};

pub use sites::{Responder, SiteSpec, SiteTable};

/// Everything that decides about an exchange, as of one moment.
#[derive(Clone)]
pub struct Snapshot {
    /// Sites by host.
    pub sites: Arc<SiteTable>,
    /// Rules and limits, compiled.
    pub rules: Arc<RuleSet>,
    /// Who is believed about clients.
    pub hops: Arc<TrustedHops>,
    /// Bounds on time and size.
    pub bounds: Bounds,
    /// Where exchanges are logged, if anywhere.
    pub access_log: Option<AccessLogHandle>,
    /// Whether exchanges are told to the storm detector.
    pub events: bool,
    /// Where evidence of a storm comes out, if somebody opened it.
    pub tap: Option<Arc<Tap>>,
}

/// Why a site cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// Its folder cannot be opened.
    #[error("cannot serve the folder {}: {source}", path.display())]
    Files {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The trust anchors for an origin cannot be read.
    #[error(transparent)]
    OriginTls(#[from] OriginTlsError),
    /// An origin cannot be connected to at all.
    #[error(transparent)]
    Origin(#[from] OriginPoolError),
}

impl Snapshot {
    /// Opens what the configuration names. Sites that are as they were in `previous` stay the same, with their
    /// connections to origins.
    ///
    /// # Errors
    ///
    /// Everything that cannot be opened; nothing has changed then.
    pub fn build(
        config: &Config,
        rules: Arc<RuleSet>,
        access_log: Option<AccessLogHandle>,
        previous: Option<&Self>,
    ) -> Result<Self, Vec<SiteError>> {
        let (mut specs, mut errors) = (Vec::new(), Vec::new());
        for site in &config.sites {
            let kept = previous.and_then(|old| old.sites.sites().iter().find(|spec| spec.site == *site));
            match kept.map_or_else(|| open(site).map(Arc::new), |spec| Ok(Arc::clone(spec))) {
                Ok(spec) => specs.push(spec),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            sites: Arc::new(SiteTable::new(specs)),
            rules,
            hops: Arc::new(trusted_hops(&config.client)),
            bounds: config.bounds.clone(),
            access_log,
            // As the process was started.
            events: previous.map_or(config.detect.enabled, |old| old.events),
            tap: previous.and_then(|old| old.tap.clone()),
        })
    }
}

fn open(site: &Site) -> Result<SiteSpec, SiteError> {
    let responder = match &site.source {
        Source::Files(path) => {
            let files =
                FileOrigin::open(path).map_err(|source| SiteError::Files { path: path.clone(), source })?;
            Responder::Files(Arc::new(files.with_cache_control(site.cache_control.clone())))
        }
        Source::Origins(group) => {
            let tls = group.origins.iter().map(origin_tls).collect::<Result<Vec<_>, _>>()?;
            OriginPool::check(group, &tls)?;
            Responder::Origins(tls)
        }
    };
    Ok(SiteSpec { site: site.clone(), responder })
}

/// `None` where the origin speaks plain HTTP.
fn origin_tls(origin: &Origin) -> Result<Option<Arc<rustls::ClientConfig>>, OriginTlsError> {
    origin.tls.then(|| origin_client_config(origin.ca.as_deref())).transpose()
}

/// The configuration's part as the data plane wants it.
pub fn trusted_hops(client: &ClientConfig) -> TrustedHops {
    TrustedHops {
        networks: NetworkSet::new(client.trusted_hops.iter().copied()),
        field: match &client.field {
            ClientField::XForwardedFor => ClientFieldName::XForwardedFor,
            ClientField::Forwarded => ClientFieldName::Forwarded,
            ClientField::Single(name) => ClientFieldName::Single(name.clone()),
        },
        tls_fingerprint_field: client.tls_fingerprint_field.clone(),
    }
}
