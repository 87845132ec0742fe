//! The TLS server side: what is spoken, and how sessions are resumed.
//!
//! TLS 1.3 and 1.2 (RFC 8446, RFC 5246) with the suites and groups that rustls takes for good, among them the
//! post-quantum X25519MLKEM768. No early data: a replayed request must not reach an origin twice (RFC 8470).
//!
//! One configuration serves every worker for the life of the process. Certificates change inside the
//! [`CertificateStore`], so the ticket keys, and with them resumption, outlive every reload.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;

use crate::tls::store::CertificateStore;

/// `h2` as ALPN writes it (RFC 9113 §3.2).
pub const ALPN_H2: &[u8] = b"h2";
/// `http/1.1` as ALPN writes it (RFC 7301 §6).
pub const ALPN_HTTP_11: &[u8] = b"http/1.1";

/// The configuration of every listener with TLS.
///
/// Sessions are resumed by tickets (RFC 8446 §4.6.1, RFC 5077) under keys that live in memory alone, rotate
/// every six hours and serve for twelve: nothing about a session is kept here, whichever worker the client
/// comes back to. The keys are read under an uncontended read lock, once per handshake. They are not handed
/// over to a new process: after a handover each client makes one full handshake.
///
/// # Errors
/// If the system gives no randomness for the ticket keys.
pub fn server_config(certificates: Arc<CertificateStore>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP_11.to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    // The default is a cache behind a lock that all cores share.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}
