//! The TLS fingerprint of a connection, however its first message arrives.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use seawall_config::config::{Listen, Site as SiteConfig, SiteTls, Source, StormPolicy};
use seawall_http::Ja4;
use seawall_proxy::listen::Stop;
use seawall_proxy::tls::{CertificateStore, Certificates, server_config};

use crate::site::{Site, Wanted, ask};

fn start() -> Site {
    let sites = [SiteConfig {
        hosts: vec!["*".into()],
        source: Source::Files("/srv/www".into()),
        tls: Some(SiteTls::SelfSigned),
        cache: None,
        cache_control: None,
        storms: StormPolicy::default(),
    }];
    let store = CertificateStore::new(Certificates::load(&sites, seawall_http::UnixTime(0)).unwrap());
    Site::start(Wanted {
        listen: Listen { address: "127.0.0.1:0".parse().unwrap(), tls: true, proxy_protocol: false },
        tls: Some(server_config(store).unwrap()),
        ..Wanted::default()
    })
}

/// A client of rustls, to be changed by a test.
fn client() -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified)).with_no_client_auth()
}

/// What the site says of a connection.
fn seen(site: &Site, config: ClientConfig, pieces: usize) -> String {
    let mut tcp = site.connect();
    tcp.set_nodelay(true).unwrap();
    let name = ServerName::try_from("a.example").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut wire = Wire { tcp: &mut tcp, pieces };
    let mut stream = rustls::Stream::new(&mut connection, &mut wire);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn ja4(answer: &str) -> &str {
    let (_, rest) = answer.split_once("ja4=").unwrap_or_else(|| panic!("no fingerprint: {answer}"));
    rest.split(' ').next().unwrap()
}

/// Sends in segments of so many bytes.
struct Wire<'a> {
    tcp: &'a mut TcpStream,
    pieces: usize,
}

impl Read for Wire<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.tcp.read(buf)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.tcp.write(&buf[..buf.len().min(self.pieces)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

#[test]
fn a_connection_has_the_fingerprint_of_its_first_message() {
    let site = start();
    let mut config = client();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let whole = seen(&site, config.clone(), usize::MAX);
    let print: Ja4 = ja4(&whole).parse().unwrap();
    assert!(print.as_str().starts_with("t13d") && print.as_str()[8..].starts_with("h1_"), "{print}");
    // Another client, another fingerprint.
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
    let older =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified)).with_no_client_auth();
    let other = seen(&site, older, usize::MAX);
    assert!(ja4(&other).starts_with("t12d"), "{other}");
    site.stop(Stop::Closing);
}

#[test]
fn segments_and_records_change_nothing() {
    let site = start();
    let whole = seen(&site, client(), usize::MAX);
    for pieces in [1, 5, 100] {
        assert_eq!(ja4(&seen(&site, client(), pieces)), ja4(&whole), "{pieces}");
    }
    // Each with a configuration of its own: what resumes a session has another fingerprint.
    for pieces in [usize::MAX, 7] {
        let mut config = client();
        config.max_fragment_size = Some(64);
        assert_eq!(ja4(&seen(&site, config, pieces)), ja4(&whole), "{pieces}");
    }
    site.stop(Stop::Closing);
}

#[test]
fn a_first_message_beyond_the_bound_has_no_fingerprint() {
    let site = start();
    let mut config = client();
    config.alpn_protocols = (0..100).map(|n| format!("{n:0200}").into_bytes()).collect();
    config.alpn_protocols.push(b"http/1.1".to_vec());
    let answer = seen(&site, config, usize::MAX);
    assert!(answer.contains("tls=true"), "{answer}");
    assert_eq!(ja4(&answer), "none");
    site.stop(Stop::Closing);
}

#[test]
fn clear_text_has_no_fingerprint() {
    let site = Site::start(Wanted::default());
    let answer = ask(&mut site.connect(), "").unwrap();
    assert_eq!(ja4(&answer), "none");
    site.stop(Stop::Closing);
}

/// Takes any certificate.
#[derive(Debug)]
struct Unverified;

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
