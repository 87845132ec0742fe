//! TLS to the client and to the origin.

use std::process::Command;

use seawall_testkit::{Certificate, Curl, Dir, Nginx, Seawall, find_program};

use crate::support::{on, seawall, until, why};

#[test]
fn self_signed_certificate_serves_both_protocols() {
    let origin = Nginx::builder().file("a", vec![b'a'; 300_000]).start();
    let edge = seawall().origin(&origin.url("")).arg("--tls-self-signed").start();
    for (curl, version) in
        [(Curl::get(edge.tls_url("/a?1")).http1(), "1.1"), (Curl::get(edge.tls_url("/a?2")), "2")]
    {
        let reply = curl.insecure().run();
        assert_eq!((reply.status, reply.body.len(), reply.http_version.as_str()), (200, 300_000, version));
    }
    let untrusted = Curl::get(edge.tls_url("/a")).try_run().unwrap_err();
    assert_eq!(untrusted.code, 60, "{}", untrusted.message);
    assert_eq!(origin.access_log().wait_for(2).len(), 2);
}

fn with_tls(sites: &str) -> String {
    format!(
        "listen = {{ address = \"@LISTEN@\", tls = true }}\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n{sites}"
    )
}

/// The serial number of the certificate that a name gets.
fn serial(edge: &Seawall, name: &str) -> String {
    let mut client = Command::new(find_program("openssl"));
    client.args(["s_client", "-connect", &edge.address().to_string(), "-servername", name]);
    let output = client.stdin(std::process::Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let start = text.find("-----BEGIN").unwrap_or_else(|| panic!("no certificate: {text}"));
    let dir = Dir::new();
    let file = dir.write("got.pem", &text[start..]);
    fingerprint(&file)
}

fn fingerprint(certificate: &std::path::Path) -> String {
    let mut openssl = Command::new(find_program("openssl"));
    openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(certificate);
    String::from_utf8_lossy(&openssl.output().unwrap().stdout).trim().to_owned()
}

fn site(name: &str, pair: &Certificate, origin: &str) -> String {
    format!(
        "[[site]]\nhosts = \"{name}\"\norigin = \"{origin}\"\ntls = {{ certificate = {:?}, key = {:?} }}\n",
        pair.certificate, pair.key
    )
}

#[test]
fn every_name_gets_its_certificate_and_changed_files_are_taken_up() {
    let dir = Dir::new();
    let origin = Nginx::builder().start();
    let one = Certificate::self_signed(dir.path(), &["one.example"]);
    let two = Certificate::self_signed(dir.path(), &["two.example"]);
    let sites = [site("one.example", &one, &origin.url("")), site("two.example", &two, &origin.url(""))];
    let edge = seawall().configuration(&with_tls(&sites.concat())).start();
    let first = fingerprint(&one.certificate);
    assert_eq!(serial(&edge, "one.example"), first);
    assert_eq!(serial(&edge, "two.example"), fingerprint(&two.certificate));

    // As a renewal does: both files replaced, no signal sent.
    let renewed = Dir::new();
    let new = Certificate::self_signed(renewed.path(), &["one.example"]);
    std::fs::rename(&new.key, &one.key).unwrap();
    std::fs::rename(&new.certificate, &one.certificate).unwrap();
    let second = fingerprint(&one.certificate);
    assert_ne!(first, second);
    until("the new certificate is served", || (serial(&edge, "one.example") == second).then_some(()));
    assert_eq!(serial(&edge, "two.example"), fingerprint(&two.certificate));

    // A reload takes a change up at once.
    let third = Certificate::self_signed(renewed.path(), &["one.example"]);
    std::fs::rename(&third.key, &one.key).unwrap();
    std::fs::rename(&third.certificate, &one.certificate).unwrap();
    on(&edge, "reload").ok();
    assert_eq!(serial(&edge, "one.example"), fingerprint(&one.certificate));
    let url = format!("https://one.example:{}/", edge.address().port());
    let trusted =
        Curl::get(url).connect_to(edge.address()).arg("--cacert").arg(one.certificate.display().to_string());
    assert_eq!(trusted.run().status, 200, "curl trusts the certificate for that name");
}

/// A renewal that went wrong leaves the old certificate in force.
#[test]
fn broken_certificate_file_changes_nothing() {
    let dir = Dir::new();
    let origin = Nginx::builder().start();
    let pair = Certificate::self_signed(dir.path(), &["one.example"]);
    let mut edge = seawall().configuration(&with_tls(&site("one.example", &pair, &origin.url("")))).start();
    let first = serial(&edge, "one.example");
    std::fs::write(&pair.certificate, "-----BEGIN CERTIFICATE-----\nhalf a fi").unwrap();
    edge.process().wait_for_line("a warning", |line| line.contains("certificate").then_some(()));
    assert_eq!(serial(&edge, "one.example"), first);
}

#[test]
fn origin_is_reached_by_tls_with_its_own_authority() {
    let origin = Nginx::builder().tls().file("a", "hello").start();
    let tls = origin.tls_address().unwrap();
    let ca = origin.dir().join("localhost.crt");
    let configuration = |ca: &str| {
        format!(
            "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n[[site]]\n\
             origin = {{ url = \"https://{tls}\"{ca} }}\ncache = false\n"
        )
    };
    let edge = seawall().configuration(&configuration(&format!(", ca = {ca:?}"))).start();
    let reply = Curl::get(edge.url("/a")).run();
    assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
    // Without it, the certificate is one that nobody knows.
    edge.configure(&configuration(""));
    on(&edge, "reload").ok();
    let reply = Curl::get(edge.url("/a")).run();
    assert_eq!(reply.status, 502, "{}", reply.text());
    let told = why(&reply.text(), &edge.dir().join("state"));
    assert!(told.contains("tls_certificate_error"), "{told}");
    assert_eq!(crate::support::metric(&edge, "seawall_origin_faults_total", &["tls_certificate_error"]), 1.0);
}
