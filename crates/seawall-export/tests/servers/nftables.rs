//! The real nftables in a network namespace of its own, with a server inside: which clients get an answer.

use std::process::Command;

use seawall_export::{Options, Target, export};
use seawall_rules::limit::KeyPart;
use seawall_rules::rule::{Action, Fact, Rule, Test};
use seawall_testkit::{Dir, Process, find_program};

use crate::compare::EXACTLY;
use crate::limits::limit;
use crate::oracle::{Answer, Oracle};
use crate::request::Request;
use crate::rules::{is, not, rule};

fn within(texts: &[&str]) -> Test {
    Test::Within(texts.iter().map(|text| text.parse().expect("a network")).collect())
}

fn network_rules() -> Vec<Rule> {
    vec![
        rule("friend", vec![is(Fact::Client, within(&["127.0.0.9/32", "2001:db8::/64"]))], Action::Allow),
        rule(
            "block",
            vec![is(Fact::Client, within(&["127.0.0.8/30", "127.0.0.8/32", "2001:db8::/32"]))],
            Action::Drop,
        ),
        rule(
            "both",
            vec![
                is(Fact::Client, within(&["127.0.1.0/24"])),
                not(Fact::Client, within(&["127.0.1.128/25", "::1/128"])),
            ],
            Action::Drop,
        ),
        rule("mapped", vec![is(Fact::Client, within(&["::ffff:127.0.2.0/120"]))], Action::Drop),
        rule(
            "not-six",
            vec![is(Fact::Client, within(&["127.0.3.0/24"])), not(Fact::Client, within(&["2001:db8::/32"]))],
            Action::Drop,
        ),
        rule("six", vec![is(Fact::Client, within(&["2001:db8:1::/48"]))], Action::Drop),
    ]
}

#[test]
fn nftables_lets_in_whom_the_rules_let_in() {
    let rules = network_rules();
    let exported = export(&rules, &[], Target::Nftables, &EXACTLY).unwrap();
    let dir = Dir::new();
    let file = dir.write("seawall.nft", &exported.parts[0].text);
    let clients: Vec<String> = (0..4)
        .flat_map(|net| [1, 7, 8, 9, 10, 11, 12, 127, 128, 200].map(|host| format!("127.0.{net}.{host}")))
        .collect();
    // Loaded twice, as it will be; then a server, and each client in turn.
    let script = format!(
        "set -e\nip link set lo up\nnft -f {file}\nnft -f {file}\n\
         nginx -e stderr -p {dir} -c {dir}/nginx.conf & server=$!\n\
         curl -s -o /dev/null --retry 20 --retry-connrefused --interface 127.0.0.1 http://127.0.0.1/\n\
         for client in {clients}; do\n  \
         echo \"$client $(curl -s -o /dev/null -m 5 --interface $client -w '%{{http_code}}' http://127.0.0.1/ || true)\"\ndone\n\
         kill $server\nwait $server || true\necho done\n",
        file = file.display(),
        dir = dir.path().display(),
        clients = clients.join(" ")
    );
    dir.write("nginx.conf", NGINX);
    let mut command = Command::new(find_program("unshare"));
    command.args(["--net", "--", "sh", "-c", &script]);
    let mut process = Process::spawn("nftables", &command);
    let log = process.log_to_its_end();
    assert!(log.lines().any(|line| line == "done"), "{log}");
    let oracle = Oracle::new(&rules);
    let mut dropped = 0;
    for client in &clients {
        let mut request = Request::get("/");
        request.from = client.parse().unwrap();
        let expected = match oracle.answer(&request).unwrap() {
            Answer::Pass => "200",
            _ => "000",
        };
        dropped += usize::from(expected == "000");
        assert!(log.lines().any(|line| line == format!("{client} {expected}")), "{client} {expected}\n{log}");
    }
    assert!(dropped > 10 && dropped + 5 < clients.len(), "{dropped}");
}

#[test]
fn nftables_says_nothing_of_requests() {
    let (_, problems) = crate::compare::expressible(Target::Nftables, crate::rules::by_hand());
    assert!(
        problems
            .iter()
            .any(|problem| problem
                == "rule `qqgamehall`: method cannot be said: it sees networks, not requests"),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem
                == "rule `networks`: action `deny` cannot be said: it cannot answer a request"),
        "{problems:?}"
    );
}

/// New connections are counted, as many as may come at once pass.
#[test]
fn nftables_counts_connections() {
    let clients = [is(Fact::Client, within(&["127.0.1.0/24"]))];
    let limits = [
        limit("each", clients.to_vec(), vec![KeyPart::Client], 3),
        limit("networks", Vec::new(), vec![KeyPart::Network { v4: 30, v6: 64 }], 5),
    ];
    let rules = [rule("friend", vec![is(Fact::Client, within(&["127.0.1.9/32"]))], Action::Allow)];
    let options = Options { approximate: true, ..EXACTLY };
    let exported = export(&rules, &limits, Target::Nftables, &options).unwrap();
    let dir = Dir::new();
    let file = dir.write("seawall.nft", &exported.parts[0].text);
    // Three by one client, five by its network; one that is allowed; one network that is only in the second limit.
    let bursts = [("127.0.1.1", 3), ("127.0.1.2", 2), ("127.0.1.3", 0), ("127.0.1.9", 8), ("127.0.2.1", 5)];
    let tries: String = bursts
        .iter()
        .map(|(client, _)| {
            format!(
                "passed=0\nfor i in 1 2 3 4 5 6 7 8; do curl -s -o /dev/null -m 5 --interface {client} http://127.0.0.1/ \
                 && passed=$((passed + 1))\ndone\necho \"{client} $passed\"\n"
            )
        })
        .collect();
    let script = format!(
        "ip link set lo up && nft -f {file} && nft -f {file} || exit\nnginx -e stderr -p {dir} -c {dir}/nginx.conf & server=$!\n\
         curl -s -o /dev/null --retry 20 --retry-connrefused --interface 127.0.9.1 http://127.0.0.1/\n{tries}\
         kill $server\nwait $server\necho done\n",
        file = file.display(),
        dir = dir.path().display(),
    );
    dir.write("nginx.conf", NGINX);
    let mut command = Command::new(find_program("unshare"));
    command.args(["--net", "--", "sh", "-c", &script]);
    let mut process = Process::spawn("nftables", &command);
    let log = process.log_to_its_end();
    for (client, passed) in bursts {
        assert!(log.lines().any(|line| line == format!("{client} {passed}")), "{client} {passed}\n{log}");
    }
}

const NGINX: &str =
    "daemon off;\npid nginx.pid;\nevents {}\nhttp { access_log off; server { listen 80; return 200; } }\n";
