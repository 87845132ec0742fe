//! A listener behind a load balancer that speaks the PROXY protocol.

use seawall_testkit::{Curl, End, Nginx, Raw, Seawall};

use crate::support::seawall;

fn edge(origin: &Nginx) -> Seawall {
    let configuration = format!(
        "listen = {{ address = \"@LISTEN@\", proxy-protocol = true }}\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n\
         [[site]]\norigin = \"{}\"\ncache = false\n[[limit]]\nname = \"per-client\"\nby = \"client\"\nrate = \"1/h\"\nburst = 2\n",
        origin.url("")
    );
    seawall().configuration(&configuration).start()
}

#[test]
fn header_names_the_client_for_limits_and_for_the_origin() {
    let origin = Nginx::builder().start();
    let edge = edge(&origin);
    // curl announces the address that it connects from.
    let get =
        |address: &str| Curl::get(edge.url("/")).arg("--haproxy-protocol").from_address(address).run().status;
    assert_eq!([get("127.0.0.5"), get("127.0.0.5"), get("127.0.0.5")], [200, 200, 429]);
    assert_eq!(get("127.0.0.6"), 200, "another client");
    let lines = origin.access_log().wait_for(3);
    let clients: Vec<_> = lines.iter().map(|line| line.forwarded_for.as_str()).collect();
    assert_eq!(clients, ["127.0.0.5", "127.0.0.5", "127.0.0.6"]);
}

/// As a load balancer sends it: one peer, many clients.
#[test]
fn clients_behind_one_balancer_are_told_apart() {
    let origin = Nginx::builder().start();
    let edge = edge(&origin);
    let get = |client: &str| {
        let mut raw = Raw::connect(edge.address());
        let family = if client.contains(':') { "TCP6 {} ::1" } else { "TCP4 {} 127.0.0.1" };
        raw.send(format!(
            "PROXY {} 5000 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            family.replace("{}", client)
        ));
        raw.read_response().status().unwrap()
    };
    for client in ["192.0.2.1", "192.0.2.2", "2001:db8:1::1", "2001:db8:2::1"] {
        assert_eq!([get(client), get(client), get(client)], [200, 200, 429], "{client}");
    }
    // Version 2, binary, IPv4.
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([192, 0, 2, 9, 127, 0, 0, 1, 0x13, 0x88, 0, 80]);
    let mut raw = Raw::connect(edge.address());
    raw.send(header);
    raw.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(raw.read_response().status(), Some(200));
    assert_eq!(origin.access_log().wait_for(9)[8].forwarded_for, "192.0.2.9");
}

#[test]
fn connection_without_the_header_is_closed() {
    let origin = Nginx::builder().start();
    let edge = edge(&origin);
    let mut raw = Raw::connect(edge.address());
    raw.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let reply = raw.read_to_end();
    assert!(reply.bytes.is_empty() && reply.end != End::TimedOut, "{reply:?}");
    assert!(origin.access_log().lines().is_empty());
}
