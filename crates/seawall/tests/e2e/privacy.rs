//! No address is written anywhere by default.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use seawall_testkit::{Curl, Load, Nginx, Plan, Raw, Seawall, Signal};

use crate::support::{add_rule, metric, on, seawall, until};

/// Peers; their last bytes are not those of other things.
pub(crate) const PEERS: [[u8; 4]; 4] =
    [[127, 91, 173, 213], [127, 187, 149, 233], [127, 203, 67, 241], [127, 229, 111, 179]];

/// Clients that a proxy names.
pub(crate) const NAMED: [[u8; 4]; 3] = [[203, 0, 113, 87], [198, 51, 100, 201], [192, 0, 2, 157]];
pub(crate) const NAMED_IPV6: &str = "2001:db8:a3f1:5c27:9e04:d6b8:71ca:e35d";

/// Every way in which the addresses might have been written.
fn needles() -> Vec<(String, Vec<u8>)> {
    let mut needles = Vec::new();
    let mut add = |what: String, bytes: Vec<u8>| needles.push((what, bytes));
    for octets in PEERS.into_iter().chain(NAMED) {
        let address = Ipv4Addr::from(octets);
        add(format!("{address} as text"), address.to_string().into_bytes());
        let mapped = address.to_ipv6_mapped();
        let [.., high, low] = mapped.segments();
        add(format!("{address} as IPv6 text"), format!("{high:x}:{low:x}").into_bytes());
        let number = u32::from(address);
        add(format!("{address} in hexadecimal"), format!("{number:08x}").into_bytes());
        add(format!("{address} in hexadecimal, capital"), format!("{number:08X}").into_bytes());
        add(format!("{address} as a number"), number.to_string().into_bytes());
        add(format!("{address}, big end first"), number.to_be_bytes().to_vec());
        add(format!("{address}, little end first"), number.to_le_bytes().to_vec());
    }
    let address: Ipv6Addr = NAMED_IPV6.parse().unwrap();
    let segments = address.segments();
    add("IPv6 text".to_owned(), NAMED_IPV6.as_bytes().to_vec());
    add("IPv6 host part".to_owned(), NAMED_IPV6.as_bytes()[20..].to_vec());
    add("IPv6 network".to_owned(), NAMED_IPV6.as_bytes()[..19].to_vec());
    let plain: String = segments.iter().map(|segment| format!("{segment:04x}")).collect();
    add("IPv6 without colons".to_owned(), plain.as_bytes()[16..].to_vec());
    add("IPv6 host part, big end first".to_owned(), address.octets()[8..].to_vec());
    add("IPv6 network, big end first".to_owned(), address.octets()[..8].to_vec());
    add("IPv6 host part, little end first".to_owned(), address.octets()[8..].iter().rev().copied().collect());
    needles
}

/// All regular files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_file() {
            found.push(path);
        }
    }
    found
}

/// What of the addresses stands in what was written.
pub(crate) fn found(written: &[(String, Vec<u8>)]) -> Vec<String> {
    let needles = needles();
    let mut found = Vec::new();
    for (place, bytes) in written {
        for (what, needle) in &needles {
            if bytes.windows(needle.len()).any(|window| window == needle.as_slice()) {
                found.push(format!("{place}: {what}"));
            }
        }
    }
    found
}

/// Everything that the process wrote: its folder, and its output as if it were kept on a disk.
pub(crate) fn written(edge: &mut Seawall) -> Vec<(String, Vec<u8>)> {
    let folder = edge.dir().path().to_owned();
    let mut written: Vec<_> = files(&folder)
        .into_iter()
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    written.push(("output".to_owned(), edge.process().log().into_bytes()));
    written
}

/// Everything that a client's address takes part in: limits, rules, refusals, suspicion, bad requests, failures.
fn mixed_load(edge: &mut Seawall, origin: &mut Nginx) {
    let to = edge.address();
    for (index, peer) in PEERS.into_iter().enumerate() {
        let named = match index {
            3 => NAMED_IPV6.to_owned(),
            index => Ipv4Addr::from(NAMED[index]).to_string(),
        };
        let request = format!(
            "GET /page HTTP/1.1\r\nHost: {to}\r\nUser-Agent: agent/{index}\r\nX-Forwarded-For: {named}\r\n\
             Forwarded: for=\"{}\"\r\nReferer: http://referer.example/\r\n\r\n",
            if named.contains(':') { format!("[{named}]") } else { named.clone() }
        );
        let plan = Plan { from: peer.into(), request, requests_max: 60, ..Plan::get(to, "/") };
        let sent = Load::start(plan.clone()).complete();
        assert_eq!(sent.answered(), 60, "{sent}: {:?}", sent.failures);
        assert!(sent.with(429) > 0, "the limit acted: {sent}");
        let mut raw = Raw::connect_from(peer.into(), to);
        raw.send("GET / HTTP/1.1\r\nHost : bad\r\n\r\n");
        assert_eq!(raw.read_to_end().status(), Some(400));
    }
    // The first looks like a proxy for many.
    let peer = IpAddr::from(PEERS[0]).to_string();
    let visit = |number: usize| {
        let curl = Curl::get(edge.url("/many")).agent(&format!("Browser/{number}")).from_address(&peer);
        curl.header("X-Forwarded-For", &Ipv4Addr::from(NAMED[number % 3]).to_string())
    };
    (1..60).fold(visit(0), |run, number| run.then(visit(number))).run_all();
    let status = on(edge, "status").ok();
    assert!(status.contains("looks like a proxy"), "{status}");
    let rule = "[[rule]]\nname = \"deny\"\nmatch = { path = \"/denied\" }\naction = \"deny\"\n";
    add_rule(edge, rule);
    for peer in PEERS {
        let peer = IpAddr::from(peer).to_string();
        assert_eq!(Curl::get(edge.url("/denied")).from_address(&peer).run().status, 403);
        let h2 = Curl::get(edge.url("/")).from_address(&peer).http2_prior_knowledge().run();
        assert!(h2.status < 500);
    }
    origin.stop();
    for peer in PEERS {
        Curl::get(edge.url("/failing")).from_address(&IpAddr::from(peer).to_string()).run();
    }
    origin.start();
    edge.process().signal(Signal::HUP);
    // Not by the log: at its most talkative it may leave a line out.
    until("reloaded", || (metric(edge, "seawall_reloads_total", &["\"applied\""]) > 0.0).then_some(()));
}

fn configuration(origin: &Nginx, more: &str) -> String {
    format!(
        "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n[[site]]\norigin = \"{}\"\n\
         [[limit]]\nname = \"per-client\"\nby = \"client\"\nrate = \"1/s\"\nburst = 10\n\
         [[limit]]\nname = \"per-network\"\nby = \"network\"\nrate = \"50/s\"\n{more}",
        origin.url("")
    )
}

/// With the log at its most talkative, while it runs and after its end.
#[test]
fn no_address_is_written_by_default() {
    let mut origin = Nginx::builder().start();
    let edge = seawall().configuration(&configuration(&origin, "")).env("SEAWALL_LOG", "trace");
    let mut edge = edge.start();
    mixed_load(&mut edge, &mut origin);
    let running = written(&mut edge);
    edge.process().signal(Signal::TERM);
    edge.process().wait(std::time::Duration::from_secs(10)).expect("it ends");
    edge.process().log_to_its_end();
    let ended = written(&mut edge);
    let bytes: usize = ended.iter().map(|(_, bytes)| bytes.len()).sum();
    println!("{} places, {bytes} bytes, {} needles", ended.len(), needles().len());
    assert!(ended.len() > 4, "the search has something to look at");
    assert_eq!(found(&running), Vec::<String>::new());
    assert_eq!(found(&ended), Vec::<String>::new());
}

/// An access log without addresses has none either.
#[test]
fn access_log_without_addresses_has_none() {
    let mut origin = Nginx::builder().start();
    let log = "[log]\naccess = { path = \"@DIR@/access.log\" }\n";
    let mut edge = seawall().configuration(&configuration(&origin, log)).start();
    mixed_load(&mut edge, &mut origin);
    until("it was logged", || edge.dir().read("access.log").contains("/failing").then_some(()));
    assert_eq!(found(&written(&mut edge)), Vec::<String>::new());
}

/// The control: where addresses are asked for, the search finds them.
#[test]
fn search_finds_the_addresses_that_were_asked_for() {
    let mut origin = Nginx::builder().start();
    let log = format!(
        "[log]\naccess = {{ path = \"@DIR@/access.log\", addresses = true }}\n[client]\ntrusted-hops = [\"{}\"]\n",
        Ipv4Addr::from(PEERS[3])
    );
    let mut edge = seawall().configuration(&configuration(&origin, &log)).start();
    mixed_load(&mut edge, &mut origin);
    until("it was logged", || edge.dir().read("access.log").contains("/failing").then_some(()));
    let found = found(&written(&mut edge));
    for peer in PEERS {
        let text = format!("{} as text", Ipv4Addr::from(peer));
        assert!(
            found.iter().any(|place| place.contains("access.log") && place.ends_with(&text)),
            "{text} in {found:?}"
        );
    }
    assert!(found.iter().any(|place| place.ends_with("IPv6 text")), "{found:?}");
}
