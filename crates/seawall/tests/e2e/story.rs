//! The story, second half: the same load as in `seawall-testkit/tests/servers.rs`, through Seawall.

use std::process::Command;

use seawall_testkit::story::{self, Load};
use seawall_testkit::{Curl, Nginx};

use crate::{BINARY, seawall};

const LOAD: Load = Load { readers: 20, burst: 10 };

const RULE: &str = "\
[[rule]]
name = \"qqgamehall\"
match = { method = \"POST\", path = \"/ca/cacert.pem\", user-agent = { prefix = \"QQGameHall\" } }
action = \"deny\"
";

fn configuration(origin: &str, rest: &str) -> String {
    format!(
        "listen = [\"@LISTEN@\"]\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n\
         {rest}\n[[site]]\norigin = \"{origin}\"\n"
    )
}

#[test]
fn rule_refuses_the_storm_and_nobody_else() {
    let origin = story::origin().mod_evasive(story::MOD_EVASIVE).start();
    let edge = seawall().configuration(&(configuration(&origin.url(""), "") + RULE)).start();
    let outcome = story::send(&edge.url(""), LOAD);
    println!("through seawall: {outcome}");
    assert_eq!((outcome.storm.with(403), outcome.storm.requests()), (200, 200), "{outcome}");
    assert_eq!(outcome.readers.with(200), 20, "{outcome}");
    let arrived = origin.access_log().wait_for(20);
    assert_eq!(arrived.len(), 20, "{arrived:?}");
    assert!(arrived.iter().all(|line| line.method == "GET"), "{arrived:?}");
}

/// Behind a proxy that is declared, a limit by client counts visitors, not the proxy.
#[test]
fn limit_behind_a_declared_hop_refuses_only_the_storm() {
    let origin = story::origin().start();
    let rest = "[client]\ntrusted-hops = [\"127.0.0.1\"]\nfield = \"X-Forwarded-For\"\n\
                [[limit]]\nname = \"per-client\"\nby = [\"client\"]\nrate = \"2/s\"\nburst = 5\n";
    let edge = seawall().configuration(&configuration(&origin.url(""), rest)).start();
    let cdn = Nginx::builder().proxy_to(&edge.url("")).start();
    let outcome = story::send(&cdn.url(""), LOAD);
    println!("through a declared hop: {outcome}");
    assert_eq!(outcome.readers.with(200), 20, "{outcome}");
    assert!(outcome.storm.with(429) > 150, "{outcome}");
}

#[test]
fn receipt_tells_which_rule_refused() {
    let origin = story::origin().start();
    let edge = seawall().configuration(&(configuration(&origin.url(""), "") + RULE)).start();
    let refusal = Curl::post(edge.url("/ca/cacert.pem"), "").agent("QQGameHall").run();
    assert_eq!(refusal.status, 403);
    let told = why(&receipt(&refusal.text()), &edge.dir().join("state"));
    assert!(told.contains("qqgamehall"), "{told}");
}

/// The longest word of the text: nothing else in a refusal comes near it.
fn receipt(text: &str) -> String {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '-');
    let receipt = words.max_by_key(|word| word.len()).unwrap_or_default().to_owned();
    assert!(receipt.len() > 40, "no receipt in {text:?}");
    receipt
}

#[track_caller]
fn why(receipt: &str, state: &std::path::Path) -> String {
    let output =
        Command::new(BINARY).args(["why", receipt, "--state"]).arg(state).output().expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{receipt}: {told}{}", String::from_utf8_lossy(&output.stderr));
    told
}
