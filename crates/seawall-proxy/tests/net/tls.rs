//! TLS as real clients see it: `curl` and `openssl s_client`, from the system's packages.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, KeyPair};
use seawall_config::config::{Listen, Site as SiteConfig, SiteTls, Source, StormPolicy};
use seawall_http::UnixTime;
use seawall_proxy::listen::Stop;
use seawall_proxy::tls::{CertificateStore, Certificates, origin_client_config, server_config};

use crate::site::{Site, Wanted, ask, eventually};

/// A site with TLS, for these hosts, each with files of its own.
struct TlsSite {
    folder: tempfile::TempDir,
    store: Arc<CertificateStore>,
    site: Site,
}

impl TlsSite {
    fn start(hosts: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        hosts.iter().for_each(|host| write_pair(folder.path(), host, host));
        let sites: Vec<_> = hosts.iter().map(|host| site_config(folder.path(), host)).collect();
        let store = CertificateStore::new(Certificates::load(&sites, now()).unwrap());
        let site = Site::start(Wanted {
            listen: Listen { address: "127.0.0.1:0".parse().unwrap(), tls: true, proxy_protocol: false },
            workers: 2,
            tls: Some(server_config(Arc::clone(&store)).unwrap()),
            ..Wanted::default()
        });
        Self { folder, store, site }
    }

    fn address(&self) -> SocketAddr {
        self.site.address
    }

    fn chain(&self, host: &str) -> PathBuf {
        chain(self.folder.path(), host)
    }
}

fn chain(folder: &Path, host: &str) -> PathBuf {
    folder.join(format!("{}.pem", host.replace('*', "any")))
}

fn site_config(folder: &Path, host: &str) -> SiteConfig {
    let certificate = chain(folder, host);
    let key = certificate.with_extension("key");
    SiteConfig {
        hosts: vec![host.to_owned()],
        source: Source::Files("/srv/www".into()),
        tls: Some(SiteTls::Files { certificate, key }),
        cache: None,
        cache_control: None,
        storms: StormPolicy::default(),
    }
}

fn write_pair(folder: &Path, host: &str, common_name: &str) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let path = chain(folder, host);
    std::fs::write(path.with_extension("key"), key.serialize_pem()).unwrap();
    std::fs::write(path, params.self_signed(&key).unwrap().pem()).unwrap();
}

fn now() -> UnixTime {
    UnixTime::from_secs(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
}

/// Runs a client with a request on its input, and returns everything that it printed.
fn run(program: &str, arguments: &[&str]) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("this test needs `{program}` ({error}): apt-get install {program}"));
    // A client that takes no input may have gone by now.
    drop(child.stdin.take().unwrap().write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    let output = child.wait_with_output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn s_client(address: SocketAddr, arguments: &[&str]) -> String {
    let address = address.to_string();
    let mut all = vec!["20", "openssl", "s_client", "-ign_eof", "-connect", &address];
    all.extend_from_slice(arguments);
    assert!(Path::new("/usr/bin/openssl").exists(), "this test needs `openssl`: apt-get install openssl");
    run("timeout", &all)
}

fn curl(site: &TlsSite, host: &str, arguments: &[&str]) -> String {
    let (port, chain) = (site.address().port(), site.chain(host));
    let resolve = format!("{host}:{port}:127.0.0.1");
    let url = format!("https://{host}:{port}/");
    let mut all =
        vec!["-sS", "--max-time", "20", "--resolve", &resolve, "--cacert", chain.to_str().unwrap(), &url];
    all.extend_from_slice(arguments);
    run("curl", &all)
}

#[test]
fn curl_verifies_the_certificate_of_each_site() {
    let site = TlsSite::start(&["a.example", "b.example"]);
    for host in ["a.example", "b.example"] {
        let answer = curl(&site, host, &["--http1.1"]);
        assert!(answer.contains("tls=true http2=false"), "{answer}");
    }
    site.site.stop(Stop::Closing);
}

#[test]
fn sni_chooses_exact_then_wildcard_then_the_default() {
    let site = TlsSite::start(&["first.example", "*.site.example", "www.site.example"]);
    for (name, common_name) in [
        ("www.site.example", "www.site.example"),
        ("WWW.Site.Example", "www.site.example"),
        ("other.site.example", "*.site.example"),
        ("deep.er.site.example", "*.site.example"),
        ("nobody.example", "first.example"),
    ] {
        let seen = s_client(site.address(), &["-servername", name]);
        assert!(seen.contains(&format!("subject=CN = {common_name}\n")), "{name}: {seen}");
    }
    let seen = s_client(site.address(), &["-noservername"]);
    assert!(seen.contains("subject=CN = first.example\n"), "{seen}");
    site.site.stop(Stop::Closing);
}

#[test]
fn alpn_offers_http2_and_http11_and_refuses_others() {
    let site = TlsSite::start(&["a.example"]);
    let seen = s_client(site.address(), &["-alpn", "h2,http/1.1"]);
    assert!(seen.contains("ALPN protocol: h2") && seen.contains("tls=true http2=true"), "{seen}");
    let seen = s_client(site.address(), &["-alpn", "http/1.1"]);
    assert!(seen.contains("ALPN protocol: http/1.1") && seen.contains("http2=false"), "{seen}");
    let seen = s_client(site.address(), &[]);
    assert!(seen.contains("No ALPN negotiated") && seen.contains("http2=false"), "{seen}");
    // RFC 7301 §3.2: no protocol in common ends the handshake.
    let seen = s_client(site.address(), &["-alpn", "ftp"]);
    assert!(seen.contains("no application protocol"), "{seen}");
    eventually("it is counted", || site.site.counts().handshake_failed == 1);
    site.site.stop(Stop::Closing);
}

#[test]
fn old_versions_of_tls_are_refused() {
    let site = TlsSite::start(&["a.example"]);
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(s_client(site.address(), &[version]).contains("200 OK"), "{version}");
    }
    let seen = s_client(site.address(), &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    assert!(!seen.contains("200 OK") && seen.contains("alert"), "{seen}");
    site.site.stop(Stop::Closing);
}

#[test]
fn sessions_are_resumed_by_any_worker_and_after_a_reload() {
    let site = TlsSite::start(&["a.example"]);
    for version in ["-tls1_2", "-tls1_3"] {
        let session = site.folder.path().join("session");
        let session = session.to_str().unwrap();
        let ask = ["-servername", "a.example", version];
        let first = s_client(site.address(), &[&ask[..], &["-sess_out", session]].concat());
        assert!(first.contains("New, TLSv1."), "{first}");
        // Each connection goes to a worker of the kernel's choice: 8 miss one of two once in 128 runs, and any one tells.
        for _ in 0..8 {
            let again = s_client(site.address(), &[&ask[..], &["-sess_in", session]].concat());
            assert!(again.contains("Reused, TLSv1.") && again.contains("200 OK"), "{version}: {again}");
        }
        write_pair(site.folder.path(), "a.example", "renewed.example");
        assert_eq!(site.store.reload_changed(now()), 1);
        let reloaded = s_client(site.address(), &[&ask[..], &["-sess_in", session]].concat());
        assert!(reloaded.contains("Reused, TLSv1."), "{version}: {reloaded}");
    }
    site.site.stop(Stop::Closing);
}

#[test]
fn a_session_is_not_resumed_for_another_name() {
    let site = TlsSite::start(&["a.example", "b.example"]);
    let session = site.folder.path().join("session");
    let session = session.to_str().unwrap();
    let first = s_client(site.address(), &["-servername", "a.example", "-sess_out", session]);
    assert!(first.contains("New, TLSv1.3"), "{first}");
    let other = s_client(site.address(), &["-servername", "b.example", "-sess_in", session]);
    assert!(!other.contains("Reused") && other.contains("subject=CN = b.example\n"), "{other}");
    site.site.stop(Stop::Closing);
}

#[test]
fn no_early_data_is_taken() {
    let site = TlsSite::start(&["a.example"]);
    let session = site.folder.path().join("session");
    let session = session.to_str().unwrap();
    let seen = s_client(site.address(), &["-tls1_3", "-sess_out", session]);
    assert!(seen.contains("Max Early Data: 0"), "{seen}");
    site.site.stop(Stop::Closing);
}

#[test]
fn renewed_files_show_in_new_connections_while_old_ones_go_on() {
    let site = TlsSite::start(&["a.example"]);
    let anchors = origin_client_config(Some(&site.chain("a.example"))).unwrap();
    let name = rustls::pki_types::ServerName::try_from("a.example").unwrap();
    let mut tcp = site.site.connect();
    let mut connection = rustls::ClientConnection::new(anchors, name).unwrap();
    let mut open = rustls::Stream::new(&mut connection, &mut tcp);
    open.write_all(b"GET / HTTP/1.1\r\n").unwrap();

    write_pair(site.folder.path(), "a.example", "renewed.example");
    assert_eq!(site.store.reload_changed(now()), 1);
    let seen = s_client(site.address(), &["-servername", "a.example"]);
    assert!(seen.contains("subject=CN = renewed.example\n"), "{seen}");
    assert!(curl(&site, "a.example", &["--http1.1"]).contains("tls=true"));

    open.write_all(b"Host: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut open, &mut answer).unwrap();
    assert!(answer.contains("200 OK"), "{answer}");

    std::fs::write(site.chain("a.example"), "half a file").unwrap();
    assert_eq!(site.store.reload_changed(now()), 0);
    let seen = s_client(site.address(), &["-servername", "a.example"]);
    assert!(seen.contains("subject=CN = renewed.example\n"), "{seen}");
    assert_eq!(site.store.reload_failures(), 1);
    site.site.stop(Stop::Closing);
}

#[test]
fn a_self_signed_site_serves_its_hosts_and_the_loopback() {
    let sites = [SiteConfig {
        hosts: vec!["*".into()],
        source: Source::Files("/srv/www".into()),
        tls: Some(SiteTls::SelfSigned),
        cache: None,
        cache_control: None,
        storms: StormPolicy::default(),
    }];
    let store = CertificateStore::new(Certificates::load(&sites, now()).unwrap());
    let site = Site::start(Wanted {
        listen: Listen { address: "127.0.0.1:0".parse().unwrap(), tls: true, proxy_protocol: false },
        tls: Some(server_config(store).unwrap()),
        ..Wanted::default()
    });
    let url = format!("https://localhost:{}/", site.address.port());
    let answer = run("curl", &["-sS", "--max-time", "20", "--http1.1", "-k", "-4", &url]);
    assert!(answer.contains("tls=true"), "{answer}");
    let seen = s_client(site.address, &["-verify_hostname", "localhost"]);
    assert!(!seen.contains("hostname mismatch") && seen.contains("200 OK"), "{seen}");
    site.stop(Stop::Closing);
}

#[test]
fn a_client_that_does_not_shake_hands_is_closed() {
    let sites = [SiteConfig {
        hosts: vec!["*".into()],
        source: Source::Files("/srv/www".into()),
        tls: Some(SiteTls::SelfSigned),
        cache: None,
        cache_control: None,
        storms: StormPolicy::default(),
    }];
    let store = CertificateStore::new(Certificates::load(&sites, now()).unwrap());
    let site = Site::start(Wanted {
        listen: Listen { address: "127.0.0.1:0".parse().unwrap(), tls: true, proxy_protocol: false },
        tls: Some(server_config(store).unwrap()),
        handshake_time: Duration::from_millis(50),
        ..Wanted::default()
    });
    let mut silent = site.connect();
    assert_eq!(std::io::Read::read(&mut silent, &mut [0]).unwrap_or(0), 0);
    eventually("it is counted", || site.counts().handshake_time == 1);
    let mut plain = site.connect();
    let told = ask(&mut plain, "");
    assert!(!told.is_ok_and(|answer| answer.contains("200 OK")));
    eventually("it is counted", || site.counts().handshake_failed == 1);
    site.stop(Stop::Closing);
}
