//! Sockets passed by a service manager, which the test plays.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use seawall_config::config::Listen;
use seawall_proxy::listen::{activation, bind_with};

/// Plays both parties: started again with `LISTEN_FDS` it is the service.
#[test]
fn sockets_passed_by_the_service_manager_are_adopted_once() {
    if std::env::var_os("LISTEN_FDS").is_some() {
        return serve_one();
    }
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // The manager's convention: descriptor 3, and the process's own number in the environment.
    let script = r#"exec 3<&0 </dev/null; LISTEN_PID=$$ exec "$0" --exact activation::sockets_passed_by_the_service_manager_are_adopted_once"#;
    let service = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", "web")
        .env("NET_TEST_ADDRESS", address.to_string())
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answer = String::new();
    TcpStream::connect(address).unwrap().read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "activated");
    let output = service.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn serve_one() {
    let address = std::env::var("NET_TEST_ADDRESS").unwrap().parse().unwrap();
    let sockets = activation::sockets().unwrap();
    assert_eq!(sockets.len(), 1);
    assert!(std::env::var_os("LISTEN_FDS").is_none(), "a child would take them for its own");
    let listen = [Listen { address, tls: false, proxy_protocol: false }];
    let bound = bind_with(&listen, 2, sockets).unwrap();
    let listeners: Vec<_> = (0..2).flat_map(|worker| bound.for_worker(worker).unwrap()).collect();
    assert_eq!(listeners.len(), 2, "both workers accept from the one socket");
    let socket = &listeners[1].socket;
    socket.set_nonblocking(false).unwrap();
    let (mut client, _) = socket.accept().unwrap();
    std::io::Write::write_all(&mut client, b"activated").unwrap();
}
