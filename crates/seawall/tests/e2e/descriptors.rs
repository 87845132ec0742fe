//! Open files: a flood of connections must not use them all up.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use seawall_testkit::{Curl, Dir, Nginx, Seawall};

use crate::support::{SEAWALL, metric};

/// Starts the binary with the limit that these arguments of `ulimit` set.
fn limited(wrapper: &Dir, ulimit: &str, origin: &Nginx) -> Seawall {
    let path = wrapper.path().join("limited");
    let script = format!("#!/bin/sh\nulimit {ulimit} && exec {SEAWALL} \"$@\"\n");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let configuration = format!(
        "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\nworkers = 1\n\
         [bounds]\nconnections-per-network = 1000\n[[site]]\norigin = \"{}\"\n",
        origin.url("")
    );
    Seawall::builder(&path).configuration(&configuration).start()
}

#[test]
fn flood_of_connections_leaves_descriptors_for_the_admin_api() {
    let (origin, wrapper) = (Nginx::builder().start(), Dir::new());
    let edge = limited(&wrapper, "-n 200", &origin);
    // The kernel holds back connections that have sent nothing.
    let begin = |_| {
        let mut client = TcpStream::connect(edge.address()).unwrap();
        client.write_all(b"GET").map(|()| client).unwrap()
    };
    let flood: Vec<_> = (0..300).map(begin).collect();
    assert_eq!(Curl::get(edge.admin("/healthz")).run().status, 200);
    assert!(metric(&edge, "seawall_bounds_hit_total", &["\"connections\""]) >= 200.0);
    drop(flood);
    crate::support::until("the site answers again", || {
        Curl::get(edge.url("/")).try_run().is_ok_and(|answer| answer.status == 200).then_some(())
    });
}

#[test]
fn soft_limit_is_raised_to_the_hard_one() {
    let (origin, wrapper) = (Nginx::builder().start(), Dir::new());
    let edge = limited(&wrapper, "-Sn 200", &origin);
    assert!(metric(&edge, "process_max_fds", &[]) > 200.0);
}
