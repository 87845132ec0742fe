//! TLS towards origins: what is trusted, and what is offered.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use seawall_config::config::Origin;

/// Why an origin's TLS settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OriginTlsError {
    /// The PEM file cannot be read.
    #[error("cannot read trust anchors from {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate in the file is not a trust anchor.
    #[error("{} holds a certificate that cannot be a trust anchor: {source}", path.display())]
    Anchor {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The file, or the system, has no trust anchor.
    #[error("no trust anchors found in {place} (hint: set `ca` to a PEM file)")]
    NoAnchors {
        /// The file's path, or `the system`.
        place: String,
    },
    /// The cryptographic provider refuses the default versions.
    #[error("TLS cannot be set up: {0}")]
    Provider(rustls::Error),
}

/// The TLS client configuration for an origin: its own trust anchors, or the system's; HTTP/1.1 alone; `None`
/// where it speaks plain HTTP. Reads files: call it at start and at reload, off the data plane.
pub fn client_config(origin: &Origin) -> Result<Option<Arc<ClientConfig>>, OriginTlsError> {
    if !origin.tls {
        return Ok(None);
    }
    let roots = match &origin.ca {
        Some(path) => anchors_of_file(path)?,
        None => anchors_of_system()?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(OriginTlsError::Provider)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_HTTP_1_1.to_vec()];
    Ok(Some(Arc::new(config)))
}

fn anchors_of_file(path: &Path) -> Result<RootCertStore, OriginTlsError> {
    let read = |source| OriginTlsError::Read { path: path.into(), source };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(read)? {
        roots
            .add(certificate.map_err(read)?)
            .map_err(|source| OriginTlsError::Anchor { path: path.into(), source })?;
    }
    if roots.is_empty() {
        return Err(OriginTlsError::NoAnchors { place: path.display().to_string() });
    }
    Ok(roots)
}

fn anchors_of_system() -> Result<RootCertStore, OriginTlsError> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's trust anchors could not be read");
    }
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(OriginTlsError::NoAnchors { place: "the system".to_owned() });
    }
    Ok(roots)
}

/// What ALPN must settle on, if it settles on anything (RFC 7301).
pub(super) const ALPN_HTTP_1_1: &[u8] = b"http/1.1";
