//! Fetches a certdata.txt over HTTPS, and only when it has changed (RFC 9110 §13.1).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::{CERTDATA_BYTES_MAX, seconds};

/// What the server said of the version that it sent.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Validators {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Fetched {
    /// Another version than the one asked about.
    New {
        bytes: Vec<u8>,
        /// When it was last changed, in seconds since 1970, if the server says so.
        changed: Option<i64>,
        validators: Validators,
    },
    /// The same version (304).
    Unchanged,
}

/// Nothing came of it.
#[derive(Debug, Error)]
pub(super) enum FetchError {
    #[error("cannot fetch {url}: {source}")]
    Transfer {
        url: String,
        #[source]
        source: Box<ureq::Error>,
    },
    #[error("cannot fetch {url}: the server answered {status}")]
    Status { url: String, status: StatusCode, retry_after: Option<Duration> },
}

impl FetchError {
    /// How long the server asks to be left alone (RFC 9110 §10.2.3).
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Transfer { .. } => None,
        }
    }
}

/// Fetches from one URL.
pub(super) struct Fetcher {
    agent: ureq::Agent,
    url: String,
}

impl Fetcher {
    /// Trusts the system's anchors, or those in a PEM file.
    pub(super) fn new(url: &str, ca: Option<&Path>, allow_http: bool) -> Result<Self, String> {
        match url.split_once("://") {
            Some(("https", _)) => {}
            Some(("http", _)) if allow_http => {}
            Some(("http", _)) => {
                return Err(format!(
                    "{url}: what comes over http:// may have been changed on the way\nhint: --allow-http fetches it all \
                     the same"
                ));
            }
            _ => return Err(format!("{url}: not an https:// URL")),
        }
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::Specific(Arc::new(anchors(ca)?)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let config = ureq::Agent::config_builder()
            .https_only(!allow_http)
            .http_status_as_error(false)
            .timeout_global(Some(FETCH_TIME))
            .user_agent(concat!("seawall/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        Ok(Self { agent: config.into(), url: url.to_owned() })
    }

    /// Asks for the file, unless it is still the version that these validators belong to.
    pub(super) fn fetch(&self, known: &Validators) -> Result<Fetched, FetchError> {
        let mut request = self.agent.get(&self.url);
        if let Some(etag) = &known.etag {
            request = request.header("If-None-Match", etag);
        } else if let Some(date) = &known.last_modified {
            // With an entity tag, the date would not count (RFC 9110 §13.1.3).
            request = request.header("If-Modified-Since", date);
        }
        let failed = |error| FetchError::Transfer { url: self.url.clone(), source: Box::new(error) };
        let mut response = request.call().map_err(failed)?;
        match response.status() {
            StatusCode::NOT_MODIFIED => return Ok(Fetched::Unchanged),
            StatusCode::OK => {}
            status => {
                let retry_after = retry_after(response.headers());
                return Err(FetchError::Status { url: self.url.clone(), status, retry_after });
            }
        }
        let text =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let validators = Validators { etag: text("etag"), last_modified: text("last-modified") };
        let changed =
            validators.last_modified.as_deref().and_then(|date| httpdate::parse_http_date(date).ok());
        let bytes =
            response.body_mut().with_config().limit(CERTDATA_BYTES_MAX).read_to_vec().map_err(failed)?;
        Ok(Fetched::New { bytes, changed: changed.map(seconds), validators })
    }
}

/// A number of seconds, or a date.
fn retry_after(fields: &HeaderMap) -> Option<Duration> {
    let value = fields.get("retry-after")?.to_str().ok()?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok()
}

fn anchors(ca: Option<&Path>) -> Result<Vec<Certificate<'static>>, String> {
    let found: Vec<CertificateDer<'static>> = match ca {
        Some(path) => {
            let failed = |error| format!("cannot read {}: {error}", path.display());
            CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    if found.is_empty() {
        let place = ca.map_or("the system".to_owned(), |path| path.display().to_string());
        return Err(format!("{place} has no trust anchors\nhint: --ca names a PEM file with some"));
    }
    Ok(found.iter().map(|one| Certificate::from_der(one).to_owned()).collect())
}

/// More than enough for 2 MB on a slow line.
const FETCH_TIME: Duration = Duration::from_secs(300);
