//! A certificate made at start, for a trial: browsers warn, `curl -k` accepts it.

use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use seawall_http::UnixTime;

use crate::tls::certificate::{Certificate, CertificateError};

/// Makes a P-256 certificate for these hosts and for `localhost`, `127.0.0.1` and `::1`, valid for a year.
pub fn self_signed(hosts: &[String], now: UnixTime) -> Result<Certificate, CertificateError> {
    let host = hosts.first().map_or("localhost", String::as_str);
    let failed = |source| CertificateError::SelfSigned { host: host.to_owned(), source };
    let key = KeyPair::generate().map_err(failed)?;
    let leaf = params(hosts, now).and_then(|params| params.self_signed(&key)).map_err(failed)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // What rcgen made, rustls can use: both are backed by the same library.
    aws_lc_rs::sign::any_supported_type(&key)
        .and_then(|key| Certificate::check(CertifiedKey::new(vec![leaf.der().clone()], key), hosts, now))
        .map_err(|_| failed(rcgen::Error::CouldNotParseKeyPair))
}

fn params(hosts: &[String], now: UnixTime) -> Result<CertificateParams, rcgen::Error> {
    let mut names: Vec<String> = hosts.iter().filter(|host| *host != "*").cloned().collect();
    for local in ["localhost", "127.0.0.1", "::1"] {
        if !names.iter().any(|name| name == local) {
            names.push(local.to_owned());
        }
    }
    // `new` tells addresses from names.
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Seawall self-signed");
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    // A day back, for clients whose clock is behind.
    params.not_before = epoch + Duration::from_secs(now.as_secs().saturating_sub(86_400));
    params.not_after = epoch + Duration::from_secs(now.as_secs().saturating_add(365 * 86_400));
    Ok(params)
}

#[cfg(test)]
mod tests {
    use seawall_http::UnixTime;

    use super::self_signed;

    #[test]
    fn it_names_its_hosts_and_the_loopback() {
        let hosts =
            ["site.example", "*.site.example", "*", "localhost", "127.0.0.1", "::1"].map(String::from);
        let now = UnixTime::from_secs(1_767_225_600);
        let certificate = self_signed(&hosts, now).unwrap();
        assert_eq!(certificate.warnings, []);
        assert_eq!(certificate.not_after, UnixTime::from_secs(1_767_225_600 + 365 * 86_400));
    }
}
