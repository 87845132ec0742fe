//! What an idle connection takes of the process's memory: the kernel's buffers come on top.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use seawall_config::config::{Listen, Site as SiteConfig, SiteTls, Source, StormPolicy};
use seawall_http::UnixTime;
use seawall_proxy::listen::Stop;
use seawall_proxy::tls::{CertificateStore, Certificates, origin_client_config, server_config};

use crate::site::{Site, Wanted, eventually};

/// Connections that are held open: enough that a page more or less does not matter.
const CONNECTIONS: usize = 400;

#[test]
fn an_idle_connection_in_clear_text_takes_less_than_3_kib() {
    if std::env::var_os("NET_TEST_ADDRESS").is_some() {
        return hold_connections(None);
    }
    let site = Site::start(Wanted::default());
    let bytes = bytes_per_connection(&site, "an_idle_connection_in_clear_text_takes_less_than_3_kib", "");
    site.stop(Stop::Closing);
    println!("{bytes} bytes in clear text");
    assert!(bytes < 3 << 10, "{bytes} bytes");
}

#[test]
fn an_idle_connection_under_tls_takes_less_than_12_kib() {
    if let Some(anchors) = std::env::var_os("NET_TEST_ANCHORS") {
        return hold_connections(Some(origin_client_config(Some(anchors.as_ref())).unwrap()));
    }
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["chain.pem", "key.pem"].map(|name| folder.path().join(name));
    let pair = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    std::fs::write(&certificate, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let tls = Some(SiteTls::Files { certificate: certificate.clone(), key });
    let sites = [SiteConfig {
        hosts: vec!["a.example".into()],
        source: Source::Files("/srv/www".into()),
        tls,
        cache: None,
        cache_control: None,
        storms: StormPolicy::default(),
    }];
    let store =
        CertificateStore::new(Certificates::load(&sites, UnixTime::from_secs(1_767_225_600)).unwrap());
    let site = Site::start(Wanted {
        listen: Listen { address: "127.0.0.1:0".parse().unwrap(), tls: true, proxy_protocol: false },
        tls: Some(server_config(store).unwrap()),
        ..Wanted::default()
    });
    let anchors = certificate.to_str().unwrap();
    let bytes = bytes_per_connection(&site, "an_idle_connection_under_tls_takes_less_than_12_kib", anchors);
    site.stop(Stop::Closing);
    println!("{bytes} bytes under TLS");
    assert!(bytes < 12 << 10, "{bytes} bytes");
}

/// What this process grows by while another one holds connections. What is taken once, whatever the number, shows
/// with a first batch; the second counts.
fn bytes_per_connection(site: &Site, test: &str, anchors: &str) -> usize {
    let hold = |all: usize| {
        let mut clients = Command::new(std::env::current_exe().unwrap());
        clients.args(["--exact", &format!("memory::{test}"), "--nocapture"]);
        clients.env("NET_TEST_ADDRESS", site.address.to_string());
        if !anchors.is_empty() {
            clients.env("NET_TEST_ANCHORS", anchors);
        }
        let clients = clients.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        eventually("all are open", || site.counts().received >= all as u64);
        (clients, resident_bytes())
    };
    let (mut first, before) = hold(CONNECTIONS);
    let (mut second, after) = hold(2 * CONNECTIONS);
    for clients in [&mut first, &mut second] {
        drop(clients.stdin.take());
        assert!(clients.wait().unwrap().success());
    }
    after.saturating_sub(before) / CONNECTIONS
}

fn hold_connections(tls: Option<Arc<rustls::ClientConfig>>) {
    let address = std::env::var("NET_TEST_ADDRESS").unwrap();
    let open: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut tcp = TcpStream::connect(&address).unwrap();
            let session = tls.clone().map(|config| {
                let name = ServerName::try_from("a.example").unwrap();
                let mut session = rustls::ClientConnection::new(config, name).unwrap();
                // Half a request: the server has finished the handshake, and waits.
                rustls::Stream::new(&mut session, &mut tcp).write_all(b"GET").unwrap();
                session
            });
            (tcp, session)
        })
        .collect();
    drop(std::io::stdin().read(&mut [0]));
    drop(open);
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
