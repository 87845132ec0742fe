//! Origins that speak TLS.

use std::io::Write;

use tokio_rustls::TlsAcceptor;

use super::*;
use crate::tls::origin_client_config;

struct TlsOrigin {
    address: SocketAddr,
    ca: tempfile::NamedTempFile,
}

/// An origin with a certificate of its own for `localhost`, that answers each request with its negotiated protocol.
async fn tls_origin(alpn: &'static [u8]) -> TlsOrigin {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut ca = tempfile::NamedTempFile::new().unwrap();
    ca.write_all(certified.cert.pem().as_bytes()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let origin = scripted(async move |peer, _| {
        let Ok(stream) = acceptor.accept(peer.stream.into_inner()).await else { return };
        let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec).unwrap_or_default();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
            if line.ends_with("\r\n\r\n") {
                let protocol = String::from_utf8_lossy(&protocol);
                let length = protocol.len();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{protocol}");
                stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
                line.clear();
            }
        }
    })
    .await;
    TlsOrigin { address: origin.address, ca }
}

fn tls_group(authority: String, ca: &TlsOrigin) -> OriginGroup {
    group(vec![Origin { tls: true, ca: Some(ca.ca.path().to_owned()), ..origin(authority) }])
}

fn tls_pool(group: &OriginGroup) -> Rc<OriginPool> {
    let config = |origin: &Origin| Some(origin_client_config(origin.ca.as_deref()).unwrap());
    let tls: Vec<_> = group.origins.iter().map(config).collect();
    OriginPool::new(group, &tls, OriginStats::new(group)).unwrap()
}

#[test]
fn a_tls_origin_is_verified_and_kept_alive() {
    run(async {
        let origin = tls_origin(b"http/1.1").await;
        let pool = tls_pool(&tls_group(format!("localhost:{}", origin.address.port()), &origin));
        assert_eq!(text(pool.fetch(get("/")).await.unwrap()).await, "http/1.1");
        // A POST asks the kernel first; TLS records that are no content must not confuse it.
        let post = request("POST", "/", RequestBody::Empty);
        assert_eq!(text(pool.fetch(post).await.unwrap()).await, "http/1.1");
        assert_eq!(pool.stats.origins[0].connects.get(), 1);
    });
}

#[test]
fn an_origin_with_another_name_or_another_authority_has_a_certificate_at_fault() {
    run(async {
        let (origin, other) = (tls_origin(b"http/1.1").await, tls_origin(b"http/1.1").await);
        let port = origin.address.port();
        for group in
            [tls_group(format!("127.0.0.1:{port}"), &origin), tls_group(format!("localhost:{port}"), &other)]
        {
            let error = tls_pool(&group).fetch(get("/")).await.err().unwrap();
            assert_eq!(error.fault(), Fault::Origin(OriginFault::TlsCertificate));
            assert!(error.is_retry_safe());
        }
    });
}

#[test]
fn a_handshake_that_does_not_end_is_a_connect_timeout() {
    run(async {
        let silent = scripted(async |mut peer, _| peer.closed().await).await;
        let ca = tls_origin(b"http/1.1").await;
        let connect_time = Duration::from_millis(60);
        let group =
            OriginGroup { connect_time, ..tls_group(format!("localhost:{}", silent.address.port()), &ca) };
        let error = tls_pool(&group).fetch(get("/")).await.err().unwrap();
        assert_eq!(error.fault(), Fault::Origin(OriginFault::ConnectionTimeout));
    });
}

#[test]
fn a_tls_origin_needs_a_configuration() {
    run(async {
        let group = group(vec![Origin { tls: true, ..origin("localhost:1") }]);
        let error = OriginPool::new(&group, &[], OriginStats::new(&group)).err().unwrap();
        assert_eq!(error.to_string(), "origin localhost:1 speaks TLS but has no TLS configuration");
    });
}
