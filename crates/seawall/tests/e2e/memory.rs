//! What an idle connection costs.

use std::fs;

use seawall_testkit::{Nginx, Raw};

use crate::support::{metric, seawall};

fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn idle_connections_are_small() {
    let origin = Nginx::builder().start();
    let configuration = format!(
        "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n[[site]]\norigin = \"{}\"\n\
         [bounds]\nconnections-per-network = 5000\n",
        origin.url("")
    );
    let edge = seawall().configuration(&configuration).start();
    let open = |count: usize| -> Vec<Raw> {
        (0..count)
            .map(|_| {
                let mut raw = Raw::connect(edge.address());
                raw.send("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: idle\r\n\r\n");
                assert_eq!(raw.read_response().status(), Some(200));
                raw
            })
            .collect()
    };
    // What is made once is made by now.
    let mut connections = open(100);
    let before = resident_bytes(edge.id());
    connections.extend(open(1000));
    assert!(metric(&edge, "seawall_connections_open", &[]) >= 1100.0);
    let each = (resident_bytes(edge.id()).saturating_sub(before)) / 1000;
    println!("an idle kept connection takes {each} bytes of the process's memory");
    assert!(each < 16 * 1024, "{each} bytes");
    drop(connections);
}
