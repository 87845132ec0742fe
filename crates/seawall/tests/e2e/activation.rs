//! The service manager: sockets from it, and what it is told.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use seawall_testkit::{Curl, Dir, Load, Nginx, Plan, Signal, free_port};

use crate::support::{seawall, wait_for_log};

/// As a service manager would: a socket bound before the process starts, and a place to report to.
struct Manager {
    dir: Dir,
    notices: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let dir = Dir::new();
        let notices = UnixDatagram::bind(dir.join("notify")).unwrap();
        notices.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        Self { dir, notices }
    }

    /// The next thing that it is told.
    fn next(&self) -> String {
        let mut buffer = [0; 1024];
        let length = self.notices.recv(&mut buffer).expect("a notice");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn address(&self) -> String {
        self.dir.join("notify").display().to_string()
    }
}

#[test]
fn passed_socket_is_served_and_connections_that_waited_get_their_answer() {
    let origin = Nginx::builder().start();
    let socket = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let address = socket.local_addr().unwrap();
    // It waits in the queue of a socket that nobody accepts from yet.
    let early =
        Load::start(Plan { requests_max: 20, clients: 1, ..Plan::get(address, "/").new_connections() });
    let edge = seawall()
        .origin(&origin.url(""))
        .listen(&address.to_string())
        .activated_by(socket.try_clone().unwrap())
        .start();
    assert_eq!(edge.address(), address);
    let sent = early.complete();
    assert_eq!((sent.with(200), sent.failures.len()), (20, 0), "{sent}: {:?}", sent.failures);
    // The manager keeps the socket: a restart refuses nobody.
    drop(edge);
    let waiting = std::thread::spawn(move || Curl::get(format!("http://{address}/")).run().status);
    let edge = seawall().origin(&origin.url("")).listen(&address.to_string()).activated_by(socket).start();
    assert_eq!(waiting.join().unwrap(), 200);
    drop(edge);
}

#[test]
fn service_manager_is_told_of_start_reload_and_stop() {
    let manager = Manager::new();
    let origin = Nginx::builder().start();
    let configuration = format!(
        "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n[[site]]\norigin = \"{}\"\n",
        origin.url("")
    );
    let mut edge = seawall().configuration(&configuration).env("NOTIFY_SOCKET", &manager.address()).start();
    assert_eq!(manager.next(), "READY=1");
    edge.process().signal(Signal::HUP);
    let reloading = manager.next();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(manager.next(), "READY=1");
    assert!(edge.terminate(Duration::from_secs(5)).expect("it ends").success());
    assert_eq!(manager.next(), "STOPPING=1");
}

/// After a handover the new process is the service's main one, and the old one's end is nothing to tell.
#[test]
fn service_manager_is_told_who_serves_after_a_handover() {
    let manager = Manager::new();
    let origin = Nginx::builder().start();
    let state = manager.dir.join("state");
    let (listen, admin) = (free_port(), free_port());
    let start = || {
        seawall()
            .origin(&origin.url(""))
            .listen(&format!("127.0.0.1:{listen}"))
            .admin(&format!("127.0.0.1:{admin}"))
            .state(&state)
            .env("NOTIFY_SOCKET", &manager.address())
            .start()
    };
    let mut old = start();
    assert_eq!(manager.next(), "READY=1");
    let mut new = start();
    assert_eq!(manager.next(), format!("MAINPID={}", new.id()));
    assert_eq!(manager.next(), "READY=1");
    assert!(old.process().wait(Duration::from_secs(5)).expect("it ends").success());
    new.process().signal(Signal::TERM);
    wait_for_log(&mut new, "no longer accepting");
    assert_eq!(manager.next(), "STOPPING=1", "the old one said nothing");
}
