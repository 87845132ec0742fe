//! The kit against the real servers: what later tests take for granted.

use std::collections::BTreeSet;
use std::time::Duration;

use seawall_testkit::story::{self, Load};
use seawall_testkit::{Apache, Curl, End, Nginx, Raw};

#[test]
fn nginx_serves_a_file_to_curl() {
    let nginx = Nginx::builder().file("a.txt", "hello").start();
    let reply = Curl::get(nginx.url("/a.txt")).agent("kit/1").header("X-Forwarded-For", "192.0.2.1").run();
    assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
    assert_eq!((reply.http_version.as_str(), reply.connects), ("1.1", 1));
    assert_eq!(reply.field("Content-Type"), Some("text/plain"));

    let line = nginx.access_log().wait_for(1).remove(0);
    assert_eq!((line.method.as_str(), line.target.as_str(), line.status), ("GET", "/a.txt", 200));
    assert_eq!((line.agent.as_str(), line.forwarded_for.as_str(), line.bytes), ("kit/1", "192.0.2.1", 5));
    assert_eq!(line.peer, "127.0.0.1");
}

#[test]
fn requests_of_one_run_share_a_connection() {
    let nginx = Nginx::builder().start();
    let replies = Curl::get(nginx.url("/")).then(Curl::get(nginx.url("/none"))).run_all();
    let seen: Vec<_> = replies.iter().map(|reply| (reply.status, reply.connects)).collect();
    assert_eq!(seen, [(200, 1), (404, 0)]);
    let ports: BTreeSet<u16> = nginx.access_log().wait_for(2).iter().map(|line| line.port).collect();
    assert_eq!(ports.len(), 1);
}

#[test]
fn nginx_speaks_http2_over_tls() {
    let nginx = Nginx::builder().tls().start();
    let address = nginx.tls_address().unwrap();
    let reply = Curl::get(format!("https://{address}/")).insecure().run();
    assert_eq!((reply.status, reply.http_version.as_str()), (200, "2"));
}

#[test]
fn stopped_server_refuses_and_comes_back_on_its_port() {
    let mut nginx = Nginx::builder().start();
    nginx.stop();
    assert_eq!(Curl::get(nginx.url("/")).try_run().unwrap_err().code, 7);
    nginx.start();
    assert_eq!(Curl::get(nginx.url("/")).run().status, 200);
}

#[test]
fn malformed_bytes_get_the_servers_own_answer() {
    let nginx = Nginx::builder().start();
    let reply = Raw::exchange(nginx.address(), "GET / HTTP/1.1\r\nHost : a\r\n\r\n", Duration::from_secs(5));
    assert_eq!((reply.status(), reply.end), (Some(400), End::Closed));
}

#[test]
fn apache_serves_a_file_and_logs_it() {
    let apache = Apache::builder().file("a.txt", "hello").start();
    let reply = Curl::get(apache.url("/a.txt")).agent("kit/1").run();
    assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
    let line = apache.access_log().wait_for(1).remove(0);
    assert_eq!((line.target.as_str(), line.status, line.agent.as_str()), ("/a.txt", 200, "kit/1"));
}

#[test]
fn remoteip_tells_client_from_peer() {
    let apache = Apache::builder().mod_remoteip("X-Forwarded-For").start();
    Curl::get(apache.url("/")).header("X-Forwarded-For", "192.0.2.9").run();
    let line = apache.access_log().wait_for(1).remove(0);
    assert_eq!((line.peer.as_str(), line.client.as_str()), ("127.0.0.1", "192.0.2.9"));
}

// === the fault of the story ===

const LOAD: Load = Load { readers: 20, burst: 10 };

/// Behind a proxy the limiter sees one address, and refuses everybody for what one did.
#[test]
fn limiter_behind_a_plain_proxy_refuses_innocents() {
    let origin = story::origin().mod_evasive(story::MOD_EVASIVE).start();
    let proxy = Nginx::builder().proxy_to(&origin.url("")).start();
    let outcome = story::send(&proxy.url(""), LOAD);
    println!("behind nginx: {outcome}");
    assert_only_the_first_of_the_storm_passed(&outcome);
    assert_most_readers_were_refused(&outcome);
    let peers: BTreeSet<String> =
        origin.access_log().wait_for(220).into_iter().map(|line| line.peer).collect();
    assert_eq!(peers, BTreeSet::from(["127.0.0.1".to_owned()]));
}

#[test]
fn another_proxy_makes_no_difference() {
    let origin = story::origin().mod_evasive(story::MOD_EVASIVE).start();
    let proxy = Apache::builder().proxy_to(&origin.url("")).start();
    let outcome = story::send(&proxy.url(""), LOAD);
    println!("behind Apache: {outcome}");
    assert_most_readers_were_refused(&outcome);
}

/// Telling Apache the client's address does not tell the limiter: it looks before mod_remoteip does.
#[test]
fn remoteip_does_not_help_the_limiter() {
    let origin = story::origin().mod_remoteip("X-Forwarded-For").mod_evasive(story::MOD_EVASIVE).start();
    let proxy = Nginx::builder().proxy_to(&origin.url("")).start();
    let outcome = story::send(&proxy.url(""), LOAD);
    println!("behind nginx, with mod_remoteip: {outcome}");
    let clients: BTreeSet<String> =
        origin.access_log().wait_for(220).into_iter().map(|line| line.client).collect();
    // The log knows them apart ...
    assert_eq!(clients.len(), 21, "{clients:?}");
    // ... and the limiter does not.
    assert_most_readers_were_refused(&outcome);
}

/// The first control: the same limiter on a quiet day.
#[test]
fn without_a_storm_readers_pass_the_limiter() {
    let origin = story::origin().mod_evasive(story::MOD_EVASIVE).start();
    let proxy = Nginx::builder().proxy_to(&origin.url("")).start();
    let outcome = story::send(&proxy.url(""), Load { burst: 0, ..LOAD });
    println!("quiet: {outcome}");
    assert_eq!((outcome.readers.with(200), outcome.readers.requests()), (20, 20), "{outcome}");
}

/// The second: the same storm, but everybody under their own address.
#[test]
fn without_a_proxy_the_limiter_spares_readers() {
    let origin = story::origin().mod_evasive(story::MOD_EVASIVE).start();
    let outcome = story::send(&origin.url(""), LOAD);
    println!("direct: {outcome}");
    assert_only_the_first_of_the_storm_passed(&outcome);
    assert_eq!(outcome.readers.with(200), 20, "{outcome}");
}

#[track_caller]
fn assert_only_the_first_of_the_storm_passed(outcome: &story::Outcome) {
    assert_eq!(outcome.storm.requests(), 200, "{outcome}");
    // Its bound is five in a second; the clock's second may turn while it counts, on a busy machine more than once.
    assert!((5..=21).contains(&outcome.storm.with(200)), "{outcome}");
}

/// All of them, but on a busy machine the first burst may be too slow to set the limiter off.
#[track_caller]
fn assert_most_readers_were_refused(outcome: &story::Outcome) {
    assert!((15..=20).contains(&outcome.readers.with(403)), "{outcome}");
}
