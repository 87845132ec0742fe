//! What becomes of a connection between accept and HTTP.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use seawall_config::config::Listen;
use seawall_proxy::listen::Stop;

use crate::site::{Site, Wanted, ask, eventually};

fn proxied() -> Listen {
    Listen { address: "127.0.0.1:0".parse().unwrap(), tls: false, proxy_protocol: true }
}

/// Whether the peer reset the connection: that is how a refusal looks.
fn is_reset(tcp: &mut TcpStream) -> bool {
    matches!(tcp.read(&mut [0]), Err(error) if error.kind() == ErrorKind::ConnectionReset)
}

#[test]
fn a_connection_arrives_with_its_ends_and_without_delay() {
    let site = Site::start(Wanted::default());
    let mut tcp = site.connect();
    let (peer, local) = (tcp.local_addr().unwrap(), site.address);
    let answer = ask(&mut tcp, "").unwrap();
    assert!(
        answer.contains(&format!("peer={peer} local={local} tls=false http2=false nodelay=true")),
        "{answer}"
    );
    site.stop(Stop::Closing);
}

#[test]
fn a_wildcard_listener_tells_the_address_that_was_reached() {
    let listen = Listen { address: "0.0.0.0:0".parse().unwrap(), tls: false, proxy_protocol: false };
    let site = Site::start(Wanted { listen, ..Wanted::default() });
    let target = format!("127.0.0.5:{}", site.address.port());
    let answer = ask(&mut TcpStream::connect(&target).unwrap(), "").unwrap();
    assert!(answer.contains(&format!("local={target} ")), "{answer}");
    site.stop(Stop::Closing);
}

#[test]
fn beyond_the_network_bound_connections_are_reset_and_counted() {
    let site = Site::start(Wanted { connections_per_network: 2, ..Wanted::default() });
    let (mut first, _second) = (site.begin(), site.begin());
    let mut third = site.begin();
    assert!(is_reset(&mut third));
    assert_eq!(site.counts().connections_per_network, 1);
    ask(&mut first, "").unwrap();
    eventually("the place is free again", || site.admission.open() < 2);
    assert!(ask(&mut site.connect(), "").is_ok());
    drop(_second);
    site.stop(Stop::Closing);
}

#[test]
fn beyond_the_process_bound_trusted_hops_are_reset_too() {
    let site = Site::start(Wanted {
        connections: 3,
        connections_per_network: 1,
        trusted_hops: vec!["127.0.0.0/8".parse().unwrap()],
        ..Wanted::default()
    });
    let mut held: Vec<_> = (0..3).map(|_| site.begin()).collect();
    assert!(is_reset(&mut site.begin()));
    let counts = site.counts();
    assert_eq!((counts.connections, counts.connections_per_network), (1, 0));
    assert!(ask(&mut held[2], "").is_ok(), "a trusted hop is not held to the bound of one network");
    drop(held);
    site.stop(Stop::Closing);
}

#[test]
fn a_proxy_header_names_the_client_that_is_counted() {
    let site = Site::start(Wanted { listen: proxied(), connections_per_network: 1, ..Wanted::default() });
    let header = |last: u8| format!("PROXY TCP4 192.0.2.{last} 198.51.100.1 1000 443\r\n");
    let mut held = site.connect();
    held.write_all(header(1).as_bytes()).unwrap();
    eventually("the first client is counted", || site.admission.estimate("192.0.2.1".parse().unwrap()) == 1);
    let mut second = site.connect();
    second.write_all(header(1).as_bytes()).unwrap();
    assert!(is_reset(&mut second));
    assert_eq!(site.counts().connections_per_network, 1);
    let answer = ask(&mut site.connect(), &header(2)).unwrap();
    assert!(answer.contains("peer=192.0.2.2:1000 local=198.51.100.1:443 "), "{answer}");
    drop(held);
    site.stop(Stop::Closing);
}

#[test]
fn a_missing_proxy_header_is_reset_and_counted() {
    let site = Site::start(Wanted { listen: proxied(), ..Wanted::default() });
    assert!(ask(&mut site.connect(), "").is_err());
    assert_eq!(site.counts().proxy_header_failed, 1);
    site.stop(Stop::Closing);
}

#[test]
fn a_silent_peer_is_closed_after_the_handshake_time() {
    let site = Site::start(Wanted {
        listen: proxied(),
        handshake_time: Duration::from_millis(50),
        ..Wanted::default()
    });
    assert!(is_reset(&mut site.connect()));
    assert_eq!(site.counts().handshake_time, 1);
    eventually("its place is free again", || site.admission.open() == 0);
    site.stop(Stop::Closing);
}

#[test]
fn a_panic_ends_its_connection_alone() {
    let site = Site::start(Wanted::default());
    let mut poisoned = site.connect();
    poisoned.write_all(b"POISON\r\n\r\n").unwrap();
    assert_eq!(poisoned.read(&mut [0]).unwrap_or(0), 0);
    eventually("it is counted", || site.counts().panicked == 1);
    assert!(ask(&mut site.connect(), "").is_ok());
    eventually("no place is lost", || site.admission.open() == 0);
    site.stop(Stop::Closing);
}

#[test]
fn stopping_serves_what_was_let_in_and_what_waits() {
    let site = Site::start(Wanted { workers: 2, ..Wanted::default() });
    // Begun means that the kernel has queued it: whether it was accepted yet is left to chance.
    let mut waiting: Vec<_> = (0..50).map(|_| site.begin()).collect();
    let address = site.address;
    let stopping = std::thread::spawn(move || site.stop(Stop::Closing));
    for tcp in &mut waiting {
        assert!(ask(tcp, "").unwrap().contains("200 OK"));
    }
    stopping.join().unwrap();
    assert!(TcpStream::connect(address).is_err());
}

/// Plays both parties: started again with few descriptors, it is the server that runs out of them.
#[test]
fn without_descriptors_accepting_pauses_and_recovers() {
    if std::env::var_os("NET_TEST_FEW_DESCRIPTORS").is_some() {
        return run_out_of_descriptors();
    }
    let child = Command::new("sh")
        .args([
            "-c",
            r#"ulimit -n 64; exec "$0" --exact accept::without_descriptors_accepting_pauses_and_recovers"#,
        ])
        .arg(std::env::current_exe().unwrap())
        .env("NET_TEST_FEW_DESCRIPTORS", "1")
        .output()
        .unwrap();
    assert!(child.status.success() && child.status.signal().is_none(), "{child:?}");
}

fn run_out_of_descriptors() {
    let site = Site::start(Wanted::default());
    let mut clients = vec![site.connect()];
    eventually("the worker runs", || site.admission.open() == 1);
    let mut reserve: Vec<std::fs::File> = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        reserve.push(file);
    }
    // Leaves one, which the client's end takes: the server's accept then fails.
    reserve.pop();
    clients.push(site.connect());
    eventually("accepting has failed twice", || site.counts().exhausted >= 2);
    let began = Instant::now();
    let before = site.counts().exhausted;
    eventually("it fails again", || site.counts().exhausted > before);
    let failures = site.counts().exhausted;
    assert!(failures < 50, "{failures} failures by {:?}: it spins", began.elapsed());
    drop(reserve);
    assert!(ask(&mut clients[1], "").unwrap().contains("200 OK"));
    assert!(ask(&mut clients[0], "").unwrap().contains("200 OK"));
    site.stop(Stop::Closing);
}
