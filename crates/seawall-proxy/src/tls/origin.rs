//! The TLS client side, towards origins.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

use crate::tls::server::ALPN_HTTP_11;

/// Why origins cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum OriginTlsError {
    /// The file of trust anchors cannot be read.
    #[error("cannot read trust anchors {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no trust anchor, or a broken one.
    #[error("no usable trust anchor in {}\nhint: a PEM file of CA certificates is expected", path.display())]
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
/// Reads files: for the control plane. Sessions are resumed from a cache of 256 origins behind a lock, so each
/// worker should have its own configuration (`ClientConfig::clone` shares the cache; calling this does not).
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

fn anchors_in(path: &Path) -> Result<RootCertStore, OriginTlsError> {
    let no_anchor = || OriginTlsError::NoAnchor { path: path.into() };
    let pem =
        std::fs::read(path).map_err(|source| OriginTlsError::Unreadable { path: path.into(), source })?;
    let anchors: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&pem).collect();
    let mut roots = RootCertStore::empty();
    for anchor in anchors.map_err(|_| no_anchor())? {
        // The operator named this file: what is wrong in it is an error, not something to pass over.
        roots.add(anchor).map_err(|_| no_anchor())?;
    }
    if roots.is_empty() { Err(no_anchor()) } else { Ok(roots) }
}

fn system_anchors() -> Result<RootCertStore, OriginTlsError> {
    let mut found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems ship anchors that rustls cannot parse; the others serve.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() { Err(OriginTlsError::NoSystemAnchors(found.errors.pop())) } else { Ok(roots) }
}

fn because(error: &Option<rustls_native_certs::Error>) -> String {
    error.as_ref().map(|error| format!(": {error}")).unwrap_or_default()
}

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
    fn a_file_without_anchors_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let missing = origin_client_config(Some(&path)).unwrap_err();
        assert!(matches!(missing, OriginTlsError::Unreadable { .. }), "{missing}");
        std::fs::write(&path, "nothing").unwrap();
        let empty = origin_client_config(Some(&path)).unwrap_err();
        assert!(matches!(empty, OriginTlsError::NoAnchor { .. }), "{empty}");
    }
}
