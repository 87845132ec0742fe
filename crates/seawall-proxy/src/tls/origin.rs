//! The TLS client side, towards origins.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

use crate::tls::server::ALPN_HTTP_11;

/// Why origins cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum OriginTlsError {
    /// The file of trust anchors cannot be read, or is not PEM.
    #[error("cannot read trust anchors {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// A certificate in the file is not a trust anchor.
    #[error("{} holds a certificate that cannot be a trust anchor: {source}", path.display())]
    BadAnchor {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The file holds no trust anchor.
    #[error("no trust anchor in {}\nhint: a PEM file of CA certificates is expected", path.display())]
    NoAnchor {
        /// The file.
        path: PathBuf,
    },
    /// The system has none.
    #[error("the system has no trust anchors{}\nhint: install the package `ca-certificates`, or set `ca` for the origin", because(.0))]
    NoSystemAnchors(Option<rustls_native_certs::Error>),
    /// The provider refused.
    #[error("cannot set up TLS towards origins: {0}")]
    Rustls(#[from] rustls::Error),
}

/// What verifies origins: the trust anchors in the PEM file `ca`, or the system's; HTTP/1.1 by ALPN.
///
/// Reads files: for the control plane, at start and at reload.
pub fn origin_client_config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, OriginTlsError> {
    let roots = match ca {
        Some(path) => anchors_in(path)?,
        None => system_anchors()?,
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_HTTP_11.to_vec()];
    Ok(Arc::new(config))
}

/// The same for one worker and one origin, with sessions of its own: those of the copies that `Clone` makes are
/// behind one lock, and workers share none.
pub(crate) fn with_own_sessions(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut own = config.clone();
    own.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
    Arc::new(own)
}

fn anchors_in(path: &Path) -> Result<RootCertStore, OriginTlsError> {
    let unreadable = |source| OriginTlsError::Unreadable { path: path.into(), source };
    let mut roots = RootCertStore::empty();
    for anchor in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        // The operator named this file: what is wrong in it is an error, not something to pass over.
        let added = roots.add(anchor.map_err(unreadable)?);
        added.map_err(|source| OriginTlsError::BadAnchor { path: path.into(), source })?;
    }
    if roots.is_empty() { Err(OriginTlsError::NoAnchor { path: path.into() }) } else { Ok(roots) }
}

fn system_anchors() -> Result<RootCertStore, OriginTlsError> {
    let mut found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems ship anchors that rustls cannot parse; the others serve.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(OriginTlsError::NoSystemAnchors(found.errors.pop()));
    }
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's trust anchors could not be read");
    }
    Ok(roots)
}

fn because(error: &Option<rustls_native_certs::Error>) -> String {
    error.as_ref().map(|error| format!(": {error}")).unwrap_or_default()
}

/// Of the one name that an origin has; rustls keeps up to eight tickets for a name.
const SESSIONS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::{OriginTlsError, origin_client_config};

    #[test]
    fn a_file_of_anchors_is_used_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let anchor = rcgen::generate_simple_self_signed(["origin.example".to_owned()]).unwrap();
        std::fs::write(&path, anchor.cert.pem()).unwrap();
        let config = origin_client_config(Some(&path)).unwrap();
        assert_eq!(config.alpn_protocols, [b"http/1.1"]);
    }

    #[test]
    fn a_file_without_anchors_or_with_a_broken_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let missing = origin_client_config(Some(&path)).unwrap_err();
        assert!(matches!(missing, OriginTlsError::Unreadable { .. }), "{missing}");
        std::fs::write(&path, "nothing").unwrap();
        let empty = origin_client_config(Some(&path)).unwrap_err();
        assert!(matches!(empty, OriginTlsError::NoAnchor { .. }), "{empty}");
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let broken = origin_client_config(Some(&path)).unwrap_err();
        assert!(matches!(broken, OriginTlsError::BadAnchor { .. }), "{broken}");
    }
}
