//! The story's first half: the load that makes a limiter behind a proxy refuse innocents, through Seawall.

use std::collections::BTreeSet;

use seawall_testkit::story::{self, Load, Outcome};
use seawall_testkit::{AccessLog, Apache, Curl, Nginx, Seawall};

use crate::support::{add_rule, metric, on, seawall, until, why};

/// More than one visitor's limit, so that counting all as one would refuse readers.
const LOAD: Load = Load { readers: 20, burst: 20 };

const RULE: &str = r#"
[[rule]]
name = "qqgamehall"
match = { method = "POST", path = "/ca/cacert.pem", user-agent = { prefix = "QQGameHall" } }
action = "deny"
note = "storm on the CA bundle"
"#;

/// What stands in front of an origin by this limiter, with these lines of `[client]`.
fn limiter(origin: &str, client: &str) -> Seawall {
    let configuration = r#"
listen = "@LISTEN@"
admin = "@ADMIN@"
state = "@DIR@/state"
workers = 2
[client]
@CLIENT@
[[site]]
origin = "@ORIGIN@"
# What arrives at the origin is counted.
cache = false
[[limit]]
name = "per-client"
by = "client"
rate = "10/s"
burst = 100
"#;
    seawall().configuration(&configuration.replace("@ORIGIN@", origin).replace("@CLIENT@", client)).start()
}

const DECLARED: &str = r#"trusted-hops = ["127.0.0.1"]"#;

/// The fault, once more with what the readers saw, as the control of everything below.
#[test]
fn limiter_behind_the_proxy_refuses_the_readers_of_the_same_load() {
    let origin = story::origin().mod_evasive(story::MOD_EVASIVE).start();
    let proxy = Nginx::builder().proxy_to(&origin.url("")).start();
    let outcome = story::send(&proxy.url(""), LOAD);
    println!("nginx -> Apache with mod_evasive: {outcome}");
    // On a busy machine the first burst may be too slow for the limiter.
    assert!(outcome.readers.with(403) >= 15, "{outcome}");
}

/// Nobody told Seawall of the proxy in front of it, and its readers still pass.
#[track_caller]
fn undeclared_proxy_costs_no_reader(proxy: &str, edge: &Seawall, log: &AccessLog) {
    let outcome = story::send(proxy, LOAD);
    println!("proxy not declared: {outcome}");
    assert_no_reader_refused(&outcome);
    assert!(outcome.storm.with(429) > 50, "the limit acted: {outcome}");
    // What arrived is what was let through.
    let lines = log.wait_for(outcome.storm.with(200) + 20);
    assert_eq!(lines.len(), outcome.storm.with(200) + 20);
    let status = on(edge, "status").ok();
    assert!(status.contains("127.0.0.1 looks like a proxy for many"), "{status}");
    assert_eq!(metric(edge, "seawall_intermediaries_suspected", &[]), 1.0);
    let told = why(&outcome.storm_refusal.unwrap(), &edge.dir().join("state"));
    println!("{told}");
    for part in ["per-client", "shared intermediary", "trusted-hops"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn undeclared_nginx_in_front_of_apache_costs_no_reader() {
    let origin = story::origin().start();
    let edge = limiter(&origin.url(""), "");
    let proxy = Nginx::builder().proxy_to(&edge.url("")).start();
    undeclared_proxy_costs_no_reader(&proxy.url(""), &edge, &origin.access_log());
}

#[test]
fn undeclared_apache_in_front_of_nginx_costs_no_reader() {
    let origin = story::nginx_origin().start();
    let edge = limiter(&origin.url(""), "");
    let proxy = Apache::builder().proxy_to(&edge.url("")).start();
    undeclared_proxy_costs_no_reader(&proxy.url(""), &edge, &origin.access_log());
}

/// The proxy is declared: the limit finds the storm's own address, and the origin learns everybody's.
#[track_caller]
fn declared_proxy_tells_clients_apart(proxy: &str, edge: &Seawall, log: &AccessLog) {
    let outcome = story::send(proxy, LOAD);
    println!("proxy declared: {outcome}");
    assert_no_reader_refused(&outcome);
    assert!(outcome.storm.with(429) > 50, "the limit acted: {outcome}");
    let lines = log.wait_for(outcome.storm.with(200) + 20);
    for line in &lines {
        let mut hops = line.forwarded_for.split(',').map(str::trim);
        let client = hops.next().unwrap_or_default();
        match line.agent.as_str() {
            "QQGameHall" => assert_eq!(client, story::STORM_ADDRESS),
            _ => {
                let reader: u8 = client.strip_prefix("127.0.1.").unwrap().parse::<u8>().unwrap() - 1;
                assert_eq!(
                    (line.agent.as_str(), &line.target),
                    (&*story::agent(reader), &story::page(reader))
                );
            }
        }
        assert_eq!(hops.collect::<Vec<_>>(), ["127.0.0.1"], "the hop itself follows its client");
    }
    let told = why(&outcome.storm_refusal.unwrap(), &edge.dir().join("state"));
    println!("{told}");
    assert!(told.contains("per-client") && told.contains("trusted hop"), "{told}");
    assert!(!told.contains("127.0."), "a receipt holds no address: {told}");
    let status = on(edge, "status").ok();
    assert!(!status.contains("looks like a proxy"), "{status}");

    // A rule against the storm: its requests reach neither the limit nor the origin.
    add_rule(edge, RULE);
    let outcome = story::send(proxy, LOAD);
    println!("and with the rule: {outcome}");
    assert_no_reader_refused(&outcome);
    assert_eq!((outcome.storm.with(403), outcome.storm.requests()), (400, 400), "{outcome}");
    assert!(outcome.storm.bytes < 400 * 465, "{outcome}");
    let after = log.wait_for(lines.len() + 20);
    assert_eq!(after.len(), lines.len() + 20);
    assert!(after[lines.len()..].iter().all(|line| line.agent != "QQGameHall"));
    assert_eq!(metric(edge, "seawall_rule_matches_total", &["qqgamehall"]), 400.0);
    let told = why(&outcome.storm_refusal.unwrap(), &edge.dir().join("state"));
    println!("{told}");
    for part in ["qqgamehall", "POST", "/ca/cacert.pem", "QQGameHall"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn declared_nginx_in_front_of_apache_tells_clients_apart() {
    let origin = story::origin().start();
    let edge = limiter(&origin.url(""), DECLARED);
    let proxy = Nginx::builder().proxy_to(&edge.url("")).start();
    declared_proxy_tells_clients_apart(&proxy.url(""), &edge, &origin.access_log());
}

#[test]
fn declared_apache_in_front_of_nginx_tells_clients_apart() {
    let origin = story::nginx_origin().start();
    let edge = limiter(&origin.url(""), DECLARED);
    let proxy = Apache::builder().proxy_to(&edge.url("")).start();
    declared_proxy_tells_clients_apart(&proxy.url(""), &edge, &origin.access_log());
}

/// Behind Seawall, mod_remoteip gives Apache's own modules the client.
#[test]
fn apache_with_remoteip_sees_the_readers_address() {
    let origin = story::origin().mod_remoteip("X-Forwarded-For").start();
    let edge = limiter(&origin.url(""), DECLARED);
    let proxy = Nginx::builder().proxy_to(&edge.url("")).start();
    story::send(&proxy.url(""), Load { readers: 5, burst: 0 });
    let clients: BTreeSet<String> =
        origin.access_log().wait_for(5).into_iter().map(|line| line.client).collect();
    assert_eq!(clients, (1..=5).map(|reader| format!("127.0.1.{reader}")).collect());
}

/// A reader who really asked too often is told, and so is the operator.
#[test]
fn receipt_of_a_reader_beyond_the_limit_says_what_was_counted() {
    let origin = story::nginx_origin().start();
    let edge = limiter(&origin.url(""), DECLARED);
    let get = || {
        Curl::get(edge.url(&story::page(1))).agent(&story::agent(1)).header("X-Forwarded-For", "192.0.2.77")
    };
    let replies = (0..300).fold(get(), |run, _| run.then(get())).run_all();
    let refused = replies.iter().find(|reply| reply.status == 429).expect("beyond 100 at once");
    assert!(
        refused.field("Retry-After").is_some() && refused.field("RateLimit").is_some(),
        "{}",
        refused.head
    );
    assert!(refused.head.len() + refused.body.len() < 465, "{}{}", refused.head, refused.text());
    let told = why(&refused.text(), &edge.dir().join("state"));
    println!("{told}");
    for part in ["per-client", "10 requests per second", "100 at once", "trusted hop"] {
        assert!(told.contains(part), "{told}");
    }
    assert!(!told.contains("192.0.2.77"));
    // Another reader behind the same hop is another client.
    let other = Curl::get(edge.url(&story::page(2))).header("X-Forwarded-For", "192.0.2.78").run();
    assert_eq!(other.status, 200);
    until("the limit is counted", || {
        (metric(&edge, "seawall_limit_exceeded_total", &["per-client"]) > 0.0).then_some(())
    });
}

#[track_caller]
fn assert_no_reader_refused(outcome: &Outcome) {
    assert_eq!(
        (outcome.readers.with(200), outcome.readers.requests()),
        (20, 20),
        "{outcome}: {:?}",
        outcome.refusals
    );
}
