//! One certificate chain with its key, read from PEM files (RFC 7468) and checked before it is used.
//!
//! What would fail at the first handshake fails here: no certificate, no key, a key of another certificate.
//! What works but will annoy people is a [`Warning`]: an expired certificate, or one that does not name its site.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{self, CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use seawall_http::UnixTime;

/// A chain and key that belong together.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// What rustls signs with.
    pub key: Arc<CertifiedKey>,
    /// The last moment at which the leaf is valid.
    pub not_after: UnixTime,
    /// What is wrong with it, short of being unusable.
    pub warnings: Vec<Warning>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {what} {}: {source}{}", path.display(), hint(source, path))]
    Unreadable {
        /// `certificate` or `key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no `CERTIFICATE` block, or a broken one.
    #[error("no certificate in {}\nhint: a PEM file with the full chain, leaf first, is expected; \
             `openssl x509 -in {} -noout -subject` should print its subject", path.display(), path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no private key, or a broken one.
    #[error("no private key in {}\nhint: a PEM file with a PKCS #8, PKCS #1 or SEC 1 key is expected", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is protected by a passphrase, and nobody is there to ask.
    #[error("the private key in {} is encrypted\nhint: decrypt it with `openssl pkey -in {} -out plain.pem` \
             and keep the result at mode 0600", path.display(), path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The key's algorithm or encoding is not supported.
    #[error("cannot use the private key in {}: {source}", path.display())]
    UnusableKey {
        /// The file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
    /// The leaf cannot be parsed.
    #[error("cannot use the certificate in {}: {source}", path.display())]
    UnusableCertificate {
        /// The file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
    /// The key belongs to another certificate.
    #[error("the key in {} does not belong to the first certificate in {}\nhint: the leaf must come first in \
             the chain; `openssl x509 -noout -pubkey` and `openssl pkey -pubout` print the same for a pair",
            key.display(), certificate.display())]
    Mismatch {
        /// The chain's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A self-signed certificate could not be made.
    #[error("cannot make a self-signed certificate for {host}: {source}")]
    SelfSigned {
        /// The site's first host.
        host: String,
        /// What rcgen said.
        source: rcgen::Error,
    },
    /// There is a listener with TLS, and no site has a certificate.
    #[error("no site has a certificate\nhint: set `tls` in a [[site]], or try `--tls-self-signed`")]
    None,
}

/// What is wrong with a certificate that can be used all the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Warning {
    /// It is no longer valid.
    Expired {
        /// Since then.
        not_after: UnixTime,
    },
    /// It is not yet valid.
    NotYetValid {
        /// Until then.
        not_before: UnixTime,
    },
    /// It does not name a host of its site.
    HostNotNamed {
        /// The host.
        host: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { not_after } => write!(f, "it expired {}", date(*not_after)),
            Self::NotYetValid { not_before } => write!(f, "it is not valid before {}", date(*not_before)),
            Self::HostNotNamed { host } => write!(f, "it does not name {host}"),
        }
    }
}

impl Certificate {
    /// Reads a chain and its key, for a site with these hosts.
    pub fn read(
        certificate: &Path,
        key: &Path,
        hosts: &[String],
        now: UnixTime,
    ) -> Result<Self, CertificateError> {
        let chain = read_chain(certificate)?;
        let signing_key = aws_lc_rs::sign::any_supported_type(&read_key(key)?)
            .map_err(|source| CertificateError::UnusableKey { path: key.into(), source })?;
        Self::check(CertifiedKey::new(chain, signing_key), hosts, now).map_err(|source| match source {
            rustls::Error::InconsistentKeys(_) => {
                CertificateError::Mismatch { certificate: certificate.into(), key: key.into() }
            }
            source => CertificateError::UnusableCertificate { path: certificate.into(), source },
        })
    }

    /// Checks a chain and key that belong to a site with these hosts.
    pub fn check(key: CertifiedKey, hosts: &[String], now: UnixTime) -> Result<Self, rustls::Error> {
        key.keys_match()?;
        let leaf = ParsedCertificate::try_from(key.end_entity_cert()?)?;
        let (not_before, not_after) = validity(key.end_entity_cert()?)?;
        let mut warnings = Vec::new();
        if now > not_after {
            warnings.push(Warning::Expired { not_after });
        }
        if now < not_before {
            warnings.push(Warning::NotYetValid { not_before });
        }
        warnings.extend(
            hosts
                .iter()
                .filter(|host| !names(&leaf, host))
                .cloned()
                .map(|host| Warning::HostNotNamed { host }),
        );
        Ok(Self { key: Arc::new(key), not_after, warnings })
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let pem = read(path, "certificate")?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| CertificateError::NoCertificate { path: path.into() })
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let pem = read(path, "key")?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        if memchr::memmem::find(&pem, b"ENCRYPTED").is_some() {
            CertificateError::EncryptedKey { path: path.into() }
        } else {
            CertificateError::NoKey { path: path.into() }
        }
    })
}

/// Reads a file of a sane size: a certificate path that names a device or a log must not eat the memory.
fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, CertificateError> {
    use std::io::Read;
    let mut pem = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(PEM_BYTES_MAX).read_to_end(&mut pem))
        .map_err(|source| CertificateError::Unreadable { what, path: path.into(), source })?;
    Ok(pem)
}

/// What to do about a file that cannot be read.
fn hint(source: &io::Error, path: &Path) -> String {
    let path = path.display();
    match source.kind() {
        io::ErrorKind::NotFound => "\nhint: relative paths start at the configuration's folder".into(),
        io::ErrorKind::PermissionDenied => format!(
            "\nhint: let the group that seawall runs as read it: \
             `chgrp seawall {path} && chmod 640 {path}`; the folders above need `x`"
        ),
        _ => String::new(),
    }
}

/// Whether the leaf names the host (RFC 9525 §6.3). A wildcard host is asked for by one of its subdomains.
fn names(leaf: &ParsedCertificate<'_>, host: &str) -> bool {
    let subject = match host.strip_prefix("*.") {
        Some(suffix) => format!("any.{suffix}"),
        // Every other host: there is nothing to check.
        None if host == "*" => return true,
        None => host.to_owned(),
    };
    ServerName::try_from(subject).is_ok_and(|name| verify_server_name(leaf, &name).is_ok())
}

/// The first and last moment at which a certificate is valid (RFC 5280 §4.1.2.5).
///
/// webpki shows them only in its verdict, and judges them before anything else: so it is asked about the
/// beginning and the end of time.
fn validity(leaf: &CertificateDer<'_>) -> Result<(UnixTime, UnixTime), rustls::Error> {
    let leaf = webpki::EndEntityCert::try_from(leaf).map_err(|_| rustls::CertificateError::BadEncoding)?;
    let verdict_at = |secs| {
        let at = pki_types::UnixTime::since_unix_epoch(Duration::from_secs(secs));
        leaf.verify_for_usage(&[], &[], &[], at, webpki::KeyUsage::server_auth(), None, None).err()
    };
    let not_before = match verdict_at(0) {
        Some(webpki::Error::CertNotValidYet { not_before, .. }) => not_before.as_secs(),
        _ => 0,
    };
    match verdict_at(u64::MAX) {
        Some(webpki::Error::CertExpired { not_after, .. }) => {
            Ok((UnixTime::from_secs(not_before), UnixTime::from_secs(not_after.as_secs())))
        }
        _ => Err(rustls::CertificateError::BadEncoding.into()),
    }
}

fn date(time: UnixTime) -> httpdate::HttpDate {
    // A date beyond year 9999 cannot be written; RFC 5280 does not allow one later.
    let secs = time.as_secs().min(253_402_300_799);
    (std::time::UNIX_EPOCH + Duration::from_secs(secs)).into()
}

/// A chain is a few KiB; the largest bundles are below 300 KiB.
const PEM_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use seawall_http::UnixTime;

    use super::{Certificate, CertificateError, Warning};

    /// 2026-01-01.
    const NOW: UnixTime = UnixTime::from_secs(1_767_225_600);

    struct Files {
        _folder: tempfile::TempDir,
        certificate: PathBuf,
        key: PathBuf,
    }

    fn files(certificate: &str, key: &str) -> Files {
        let folder = tempfile::tempdir().unwrap();
        let (certificate_path, key_path) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
        std::fs::write(&certificate_path, certificate).unwrap();
        std::fs::write(&key_path, key).unwrap();
        Files { _folder: folder, certificate: certificate_path, key: key_path }
    }

    fn pair(names: &[&str], years: [i32; 2]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) =
            (date_time_ymd(years[0], 1, 1), date_time_ymd(years[1], 1, 1));
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn read(files: &Files, hosts: &[&str]) -> Result<Certificate, CertificateError> {
        let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
        Certificate::read(&files.certificate, &files.key, &hosts, NOW)
    }

    #[test]
    fn a_good_pair_has_no_warning_and_shows_its_end() {
        let (certificate, key) = pair(&["site.example", "*.site.example"], [2025, 2027]);
        let read = read(&files(&certificate, &key), &["site.example", "*.site.example", "*"]).unwrap();
        assert_eq!(read.warnings, []);
        assert_eq!(read.not_after, UnixTime::from_secs(1_798_761_600));
    }

    #[test]
    fn dates_and_names_that_do_not_fit_are_warnings() {
        let (certificate, key) = pair(&["site.example"], [2020, 2021]);
        let expired = read(&files(&certificate, &key), &["site.example", "other.example"]).unwrap();
        assert_eq!(expired.warnings.len(), 2);
        assert_eq!(expired.warnings[0].to_string(), "it expired Fri, 01 Jan 2021 00:00:00 GMT");
        assert_eq!(expired.warnings[1], Warning::HostNotNamed { host: "other.example".into() });
        let (certificate, key) = pair(&["site.example"], [2030, 2031]);
        let early = read(&files(&certificate, &key), &["site.example"]).unwrap();
        assert_eq!(early.warnings[0].to_string(), "it is not valid before Tue, 01 Jan 2030 00:00:00 GMT");
    }

    #[test]
    fn a_missing_file_is_named() {
        let missing = Path::new("/nonexistent/chain.pem");
        let error = Certificate::read(missing, missing, &[], NOW).unwrap_err().to_string();
        assert!(error.starts_with("cannot read certificate /nonexistent/chain.pem: No such file"), "{error}");
        assert!(error.contains("hint: relative paths"), "{error}");
    }

    #[test]
    fn an_unreadable_file_comes_with_the_command_that_helps() {
        let denied = CertificateError::Unreadable {
            what: "key",
            path: "/etc/key.pem".into(),
            source: std::io::ErrorKind::PermissionDenied.into(),
        };
        assert!(denied.to_string().contains("chmod 640 /etc/key.pem"), "{denied}");
    }

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let (_, key) = pair(&["site.example"], [2025, 2027]);
        let error = read(&files("# nothing here\n", &key), &[]).unwrap_err();
        assert!(matches!(error, CertificateError::NoCertificate { .. }), "{error}");
    }

    #[test]
    fn a_truncated_certificate_is_refused() {
        let (certificate, key) = pair(&["site.example"], [2025, 2027]);
        let half = &certificate[..certificate.len() / 2];
        assert!(matches!(read(&files(half, &key), &[]), Err(CertificateError::NoCertificate { .. })));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (certificate, _) = pair(&["site.example"], [2025, 2027]);
        let (_, key) = pair(&["site.example"], [2025, 2027]);
        let error = read(&files(&certificate, &key), &[]).unwrap_err();
        assert!(matches!(error, CertificateError::Mismatch { .. }), "{error}");
    }

    #[test]
    fn a_missing_or_encrypted_key_is_told_apart() {
        let (certificate, _) = pair(&["site.example"], [2025, 2027]);
        let none = read(&files(&certificate, &certificate), &[]).unwrap_err();
        assert!(matches!(none, CertificateError::NoKey { .. }), "{none}");
        let sealed = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let encrypted = read(&files(&certificate, sealed), &[]).unwrap_err();
        assert!(matches!(encrypted, CertificateError::EncryptedKey { .. }), "{encrypted}");
    }
}
