//! Programs told apart by their TLS and by the fields that they send, whatever agent they claim to be.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use seawall_http::client_hello::HelloReader;
use seawall_http::h1::{FieldStorage, HeadBounds, parse};
use seawall_http::{HeaderShape, Ja4};
use seawall_testkit::{Curl, Nginx, Raw};

use crate::support::{add_rule, on, seawall, why};

/// What a program sends first to somebody else, until that tells `enough`; the connection ends then.
fn first_bytes<T: Send + 'static>(
    ask: impl FnOnce(std::net::SocketAddr) -> Curl,
    answer: &'static [u8],
    mut enough: impl FnMut(&[u8]) -> Option<T> + Send + 'static,
) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut buf = [0; 4096];
        loop {
            let read = tcp.read(&mut buf).unwrap();
            assert!(read > 0, "the client has gone");
            if let Some(found) = enough(&buf[..read]) {
                tcp.write_all(answer).unwrap();
                return found;
            }
        }
    });
    drop(ask(address).try_run());
    seen.join().unwrap()
}

fn ja4_of(curl: &dyn Fn(String) -> Curl) -> Ja4 {
    let mut reader = HelloReader::default();
    first_bytes(|address| curl(format!("https://{address}/")), b"", move |bytes| reader.read(bytes)).unwrap()
}

/// The head of a request of curl's, as it is sent by HTTP/1.1.
fn head_of(curl: &dyn Fn(String) -> Curl) -> Vec<u8> {
    let mut head = Vec::new();
    let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    first_bytes(
        |address| curl(format!("http://{address}/")),
        answer,
        move |bytes| {
            head.extend_from_slice(bytes);
            head.ends_with(b"\r\n\r\n").then(|| head.clone())
        },
    )
}

fn shape_of(head: &[u8]) -> HeaderShape {
    let mut storage = FieldStorage::new();
    let bounds = HeadBounds { target_bytes: 8192, fields: 100 };
    let head = parse(head, &mut storage, bounds).unwrap();
    HeaderShape::of(head.protocol, head.fields)
}

fn deny(condition: &str) -> String {
    format!("[[rule]]\nname = \"program\"\nmatch = {{ {condition} }}\naction = \"deny\"\n")
}

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

#[test]
fn one_of_two_programs_with_one_agent_is_denied_by_its_tls() {
    let origin = Nginx::builder().file("a", "hello").start();
    let edge = seawall().origin(&origin.url("")).arg("--tls-self-signed").start();
    let plain = |url: String| Curl::get(url).insecure().agent(BROWSER);
    let other = |url| plain(url).arg("--tlsv1.2").arg("--tls-max").arg("1.2").arg("--ciphers").arg(SUITES);
    let (ja4, other_ja4) = (ja4_of(&plain), ja4_of(&other));
    assert_ne!(ja4, other_ja4);
    assert!(
        ja4.as_str().starts_with("t13i") && other_ja4.as_str().starts_with("t12i03"),
        "{ja4} {other_ja4}"
    );

    add_rule(&edge, &deny(&format!("tls-fingerprint = \"{ja4}\"")));
    let url = || edge.tls_url("/a");
    // Every request of the connection, by HTTP/2.
    let replies = plain(url()).then(plain(url())).run_all();
    assert!(
        replies.iter().all(|reply| (reply.status, reply.http_version.as_str()) == (403, "2")),
        "{replies:?}"
    );
    let told = why(&replies[1].text(), &edge.dir().join("state"));
    assert!(told.contains("program") && told.contains(ja4.as_str()), "{told}");
    let reply = other(url()).run();
    assert_eq!((reply.status, reply.http_version.as_str()), (200, "2"));
    // Offering HTTP/1.1 alone is part of what TLS offers.
    assert_eq!(plain(url()).http1().run().status, 200);

    on(&edge, "rules retire program").ok();
    let http1 = |url| plain(url).http1();
    let ja4 = ja4_of(&http1);
    assert!(ja4.as_str()[8..].starts_with("h1"), "{ja4}");
    add_rule(&edge, &deny(&format!("tls-fingerprint = {{ prefix = \"{}\" }}", &ja4.as_str()[..23])));
    let replies = http1(url()).then(http1(url())).run_all();
    assert!(
        replies.iter().all(|reply| (reply.status, reply.http_version.as_str()) == (403, "1.1")),
        "{replies:?}"
    );
    assert_eq!(plain(url()).run().status, 200);
}

const SUITES: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384";

#[test]
fn a_program_is_denied_by_the_order_of_its_fields() {
    let origin = Nginx::builder().file("a", "hello").start();
    let edge = seawall().origin(&origin.url("")).start();
    let curl = |url: String| Curl::get(url).agent(BROWSER);
    let head = head_of(&curl);
    let shape = shape_of(&head);
    add_rule(&edge, &deny(&format!("header-shape = \"{shape}\"")));

    assert_eq!(curl(edge.url("/a")).run().status, 403);
    // The same program with a cookie, a referer, content.
    let more = curl(edge.url("/a")).arg("--cookie").arg("a=b").arg("--referer").arg("http://site.example/");
    assert_eq!(more.arg("--data-raw").arg("x").run().status, 403);
    // The same fields, in another order.
    let send = |fields: &[&str]| {
        let head = format!("GET /a HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n", fields.join("\r\n"));
        Raw::exchange(edge.address(), head, Duration::from_secs(20)).status()
    };
    let agent = format!("User-Agent: {BROWSER}");
    assert_eq!(send(&["Host: localhost", "Accept: */*", &agent]), Some(200));
    // Another program of this order, but for its field `Connection`.
    let text = String::from_utf8(head).unwrap();
    let same: Vec<&str> = text.trim_end().lines().skip(1).collect();
    assert_eq!(send(&same), Some(200));
    assert_eq!(curl(edge.url("/a")).arg("--http1.0").run().status, 200);
    assert_eq!(curl(edge.url("/a")).http2_prior_knowledge().run().status, 200);
}

#[test]
fn a_trusted_hop_says_the_fingerprint_of_its_client_and_nobody_else_does() {
    let origin = Nginx::builder().file("a", "hello").start();
    let configuration = |client: &str| {
        format!(
            "listen = {{ address = \"@LISTEN@\", tls = true }}\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n\
             [client]\ntrusted-hops = [\"127.0.0.2\"]\n{client}[[site]]\norigin = \"{}\"\ntls = \"self-signed\"\n",
            origin.url("")
        )
    };
    let edge = seawall().configuration(&configuration("tls-fingerprint-field = \"X-JA4\"\n")).start();
    let client = "t13d1517h2_8daaf6152771_cb7bf5808d99";
    add_rule(&edge, &deny(&format!("tls-fingerprint = \"{client}\"")));
    let url = format!("https://{}/a", edge.address());
    let from = |address: &str| Curl::get(&url).insecure().from_address(address).header("x-ja4", client);
    assert_eq!(from("127.0.0.2").run().status, 403);
    assert_eq!(from("127.0.0.3").run().status, 200);
    let silent = || Curl::get(&url).insecure().from_address("127.0.0.2");
    assert_eq!(silent().run().status, 200);
    // The hop's own TLS is nobody's.
    on(&edge, "rules retire program").ok();
    add_rule(&edge, &deny("tls-fingerprint = { absent = true }"));
    assert_eq!(silent().run().status, 403);
    assert_eq!(from("127.0.0.3").run().status, 200);
    edge.configure(&configuration(""));
    on(&edge, "reload").ok();
    assert_eq!(from("127.0.0.2").run().status, 403);
}
