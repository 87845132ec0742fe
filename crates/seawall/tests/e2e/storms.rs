//! The story's storm among readers, from its first request to its end: seen, named, proposed, accepted or stopped by
//! the machine itself, and over.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use seawall_testkit::{Curl, Load, Nginx, Plan, Seawall, Signal, story};
use serde_json::Value;

use crate::privacy;
use crate::support::{metric, on, seawall, until};

/// The origin, what stands in front of it, and readers who keep coming until [`Scene::end`].
struct Scene {
    origin: Nginx,
    edge: Seawall,
    readers: Option<Load>,
}

/// Clients are told by a trusted hop, so that a thousand of them need no thousand sockets.
const CONFIGURATION: &str = r#"
listen = "@LISTEN@"
admin = "@ADMIN@"
state = "@DIR@/state"
workers = 2
[client]
trusted-hops = ["127.0.0.1"]
[detect]
learning-time = "25s"
pause-time = "2s"
clear-time = "4s"
evidence = "storms"
[storms]
# With the few thousand exchanges of a test, less cannot be shown.
most-collateral = "2 %"
@STORMS@
[[site]]
origin = "@ORIGIN@"
"#;

impl Scene {
    /// When it is there, what is usual is known.
    fn set(storms: &str) -> Self {
        let origin = story::nginx_origin().start();
        let configuration = CONFIGURATION.replace("@ORIGIN@", &origin.url("")).replace("@STORMS@", storms);
        let edge = seawall().configuration(&configuration).start();
        let readers = Load::start(readers(&edge));
        let scene = Self { origin, edge, readers: Some(readers) };
        within(Duration::from_secs(180), "what is usual is known", || {
            (scene.storms()["learning-seconds"] == 0).then_some(())
        });
        scene
    }

    /// `seawall storms --format json`.
    fn storms(&self) -> Value {
        on(&self.edge, "storms --format json").json()
    }

    /// The story's storm: one agent, one path, twenty a second, from many machines.
    fn storm(&self) -> Load {
        let to = self.edge.address();
        let post = |from: String| {
            format!(
                "POST /ca/cacert.pem HTTP/1.1\r\nHost: {to}\r\nUser-Agent: QQGameHall\r\nContent-Length: 0\r\n\
                 X-Forwarded-For: {from}\r\n\r\n"
            )
        };
        let mut all = senders().into_iter().map(post);
        Load::start(Plan {
            request: all.next().unwrap_or_default(),
            more: all.collect(),
            clients: 1,
            requests_max: 6000,
            pause: Duration::from_millis(50),
            ..Plan::get(to, "/")
        })
    }

    /// The storm's requests that reached the origin so far.
    fn at_the_origin(&self) -> usize {
        self.origin.access_log().lines().iter().filter(|line| line.agent == "QQGameHall").count()
    }

    /// The rules that came of proposals.
    fn rules(&self) -> Vec<Value> {
        let rules = on(&self.edge, "rules list --format json").json();
        rules["rules"].as_array().expect("rules").clone()
    }

    /// No reader was refused anything.
    #[track_caller]
    fn end(&mut self) {
        let sent = self.readers.take().expect("once").finish();
        println!("readers: {sent}");
        assert_eq!(sent.with(200), sent.answered(), "{sent}");
        assert!(sent.answered() > 1000 && sent.failures.is_empty(), "{sent}: {:?}", sent.failures);
    }
}

/// Several hundred of them, with browsers of their own and a few pages each; some fetch the bundle, as people do, and
/// some send a form.
fn readers(edge: &Seawall) -> Plan {
    let to = edge.address();
    let get = |number: u16| {
        let reader = (number % 251) as u8;
        let from = match usize::from(number) {
            number if number < privacy::PEERS.len() => Ipv4Addr::from(privacy::PEERS[number]),
            // From all over: no network of theirs is ever new.
            place => {
                Ipv4Addr::new(10, (place * 37 % 120) as u8, (place * 91 % 241) as u8, (place % 251) as u8)
            }
        };
        let language = ["en-GB", "de,en;q=0.7", "fr", "zh-CN"][usize::from(number) % 4];
        let (method, path, length) = match number % 20 {
            7 => ("POST", story::page(reader), "Content-Length: 0\r\n"),
            13 => ("GET", "/ca/cacert.pem".to_owned(), ""),
            _ => ("GET", story::page(reader), ""),
        };
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {to}\r\n{length}User-Agent: {}\r\nAccept: text/html\r\nAccept-Language: {language}\r\n\
             X-Forwarded-For: {from}\r\n\r\n",
            story::agent(reader % 60),
        )
    };
    let more = (1..2100).map(get).collect();
    let pause = Duration::from_millis(20);
    Plan { request: get(0), more, clients: 2, requests_max: 40_000, pause, ..Plan::get(to, "/") }
}

/// The machines of the storm; the first are searched for in all that is written.
fn senders() -> Vec<String> {
    let named = privacy::NAMED.map(|octets| Ipv4Addr::from(octets).to_string());
    let others = (0..400u16).map(|number| {
        let [high, low] = number.to_be_bytes();
        Ipv4Addr::new(10, 144 + (number % 40) as u8, high, low).to_string()
    });
    // A network that enough of them share to be shown.
    let shared = (1..=120u8).map(|last| Ipv4Addr::new(10, 200, 7, last).to_string());
    named.into_iter().chain([privacy::NAMED_IPV6.to_owned()]).chain(others).chain(shared).collect()
}

/// As [`until`], with a time of its own.
#[track_caller]
fn within<T>(time: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + time;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "time is up: {what}");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

const SOON: Duration = Duration::from_secs(15);

#[test]
fn the_storm_is_proposed_within_15_seconds_and_ends_with_the_accepted_rule() {
    let mut scene = Scene::set("");
    assert_eq!(scene.storms()["storms"], Value::Array(Vec::new()));
    let began = Instant::now();
    let storm = scene.storm();
    let proposal = within(SOON, "a proposal stands", || scene.storms()["proposals"].get(0).cloned());
    let after = began.elapsed();
    let description = proposal["description"].as_str().expect("a sentence");
    println!("proposed after {:.1} s: {description}", after.as_secs_f32());
    // Others send POST as well, and others fetch the bundle.
    assert!(description.contains("QQGameHall") || description.contains("/ca/cacert.pem"), "{description}");
    let list = on(&scene.edge, "storms").ok();
    println!("{list}");
    let told = scene.storms()["storms"][0].clone();
    assert_eq!(
        (told["nature"].as_str(), told["proposal"] == proposal["id"]),
        (Some("storm"), true),
        "{told}"
    );
    let id = proposal["id"].as_str().expect("a name").to_owned();
    assert!(list.contains("seawall rules accept") && list.contains(&id), "{list}");
    let show = on(&scene.edge, &format!("storms show {}", told["id"].as_str().expect("a name"))).ok();
    println!("{show}");
    for part in ["POST", "origins busy", "clients", &id] {
        assert!(show.contains(part), "{part} in {show}");
    }
    // Until somebody says yes, nothing is done.
    assert_eq!(scene.rules(), Vec::<Value>::new());

    let accepted = on(&scene.edge, &format!("rules accept {id} --expires 24h")).ok();
    println!("{accepted}");
    let before = scene.at_the_origin();
    assert!(before > 0, "the storm had reached the origin");
    let done = storm.done();
    storm.wait_for_more(100);
    // What was under way when the rule came may still arrive.
    let reached = scene.at_the_origin() - before;
    assert!(reached <= 3, "{reached} of {} reached the origin after the rule", storm.done() - done);
    let post = || Curl::post(scene.edge.url("/ca/cacert.pem"), "").agent("QQGameHall").run();
    let refused = post();
    assert!(refused.status == 403 || refused.status == 405, "{}", refused.head);
    assert!(refused.head.len() + refused.body.len() < 465, "{}{}", refused.head, refused.text());
    assert_eq!(Curl::get(scene.edge.url("/ca/cacert.pem")).agent("curl/8.5.0").run().status, 200);

    let rules = scene.rules();
    let rule = &rules[0];
    assert_eq!(
        (rules.len(), rule["author"].as_str(), rule["accepted"].as_bool(), rule["storm"] == told["id"]),
        (1, Some("machine"), Some(true), true),
        "{rules:?}"
    );
    assert!(rule["expires"].as_u64().is_some(), "{rule}");
    let why = crate::support::why(&refused.text(), &scene.edge.dir().join("state"));
    println!("{why}");
    assert!(why.contains("by Seawall, against storm"), "{why}");
    let sent = storm.finish();
    println!("storm: {sent}");
    scene.end();
    no_address_is_written(&mut scene, told["id"].as_str().expect("a name"));
}

/// Neither on disk, nor in the log, nor by any command: the senders of the storm and the readers are nowhere.
#[track_caller]
fn no_address_is_written(scene: &mut Scene, storm: &str) {
    let mut said = Vec::new();
    let show = format!("storms show {storm}");
    let evidence = format!("storms evidence {storm}");
    let kept = on(&scene.edge, &format!("{evidence} --format json")).json();
    let networks: Vec<_> = kept["networks"].as_array().expect("networks").iter().collect();
    let names: Vec<_> = networks.iter().filter_map(|network| network["network"].as_str()).collect();
    assert!(names.iter().all(|name| *name == "10.200.7.0/24"), "{names:?}");
    println!("networks in the evidence: {networks:?}");
    for command in ["storms", &show, &evidence, "rules list", "status"] {
        for format in ["text", "json"] {
            let ran = on(&scene.edge, &format!("{command} --format {format}"));
            said.push((format!("seawall {command}"), [ran.out, ran.err].concat().into_bytes()));
        }
    }
    for name in ["report.html", "report.md", "report.json"] {
        let report = scene.edge.dir().join(name);
        on(&scene.edge, &format!("storms report {storm} --output {}", report.display())).ok();
        let text = scene.edge.dir().read(name);
        assert!(text.contains("QQGameHall"), "{name}: {text}");
    }
    let note = on(&scene.edge, &format!("storms report {storm} --format note")).ok();
    said.push(("the note".to_owned(), note.into_bytes()));
    said.push(("metrics".to_owned(), Curl::get(scene.edge.admin("/metrics")).run().body));
    said.extend(privacy::written(&mut scene.edge));
    scene.edge.process().signal(Signal::TERM);
    scene.edge.process().wait(Duration::from_secs(10)).expect("it ends");
    scene.edge.process().log_to_its_end();
    said.extend(privacy::written(&mut scene.edge));
    let bytes: usize = said.iter().map(|(_, bytes)| bytes.len()).sum();
    println!("{} places, {bytes} bytes", said.len());
    assert!(said.len() > 14, "the search has something to look at");
    assert_eq!(privacy::found(&said), Vec::<String>::new());
}

#[test]
fn the_machine_stops_the_storm_in_stages_and_takes_the_rule_back_after_it() {
    let auto = "auto = \"deny\"\nobserve-time = \"2s\"\npart-time = \"3s\"\nlife = \"10m\"";
    let mut scene = Scene::set(auto);
    let storm = scene.storm();
    within(SOON, "a rule is staged", || scene.rules().first().cloned());
    let rule = within(Duration::from_secs(30), "it acts on all", || {
        let rule = scene.rules().first().cloned()?;
        let definition = &rule["definition"];
        (definition["mode"] == "enforce" && definition.get("portion").is_none()).then_some(rule)
    });
    println!("{}: {}", rule["name"], rule["description"]);
    assert_eq!(
        (rule["author"].as_str(), rule["accepted"].as_bool()),
        (Some("machine"), Some(false)),
        "{rule}"
    );
    let name = rule["name"].as_str().expect("a name").to_owned();
    let before = scene.at_the_origin();
    storm.wait_for_more(60);
    let reached = scene.at_the_origin() - before;
    assert!(reached <= 3, "{reached} reached the origin after the rule");
    for stage in ["observe", "part", "all"] {
        let text = format!("stage=\"{stage}\"");
        let log = scene.edge.process().log();
        assert!(log.contains(&text), "{text} in {log}");
    }
    let shown = on(&scene.edge, &format!("rules show {name}")).ok();
    assert!(shown.contains("put in force by itself"), "{shown}");

    let sent = storm.finish();
    println!("storm: {sent}");
    assert!(sent.with(403) + sent.with(405) > 60, "{sent}");
    within(Duration::from_secs(40), "the rule is taken back", || scene.rules().is_empty().then_some(()));
    assert!(metric(&scene.edge, "seawall_storm_notices_total", &["rule-withdrawn"]) >= 1.0);
    scene.end();
}

/// What cannot be done says what can.
#[test]
fn answers_to_what_is_not_there_have_a_hint() {
    let origin = story::nginx_origin().start();
    let with = |detect: &str| {
        let top = "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n";
        seawall().configuration(&format!("{top}{detect}[[site]]\norigin = \"{}\"\n", origin.url(""))).start()
    };
    let edge = with("");
    let ran = on(&edge, "rules accept p000000");
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("there is no proposal p000000, and no other stands"), "{}", ran.err);
    let ran = on(&edge, "storms show anything");
    assert!(ran.status == 2 && ran.err.contains("there is no storm anything"), "{}", ran.err);
    let list = on(&edge, "storms");
    assert!(list.status == 0 && list.out.starts_with("no storms\n"), "{}", list.out);
    until("windows are looked at", || {
        (metric(&edge, "seawall_storm_windows_total", &[]) > 0.0).then_some(())
    });

    let edge = with("[detect]\nenabled = false\n");
    let off = on(&edge, "storms");
    assert!(off.status == 1 && off.out.contains("remove `enabled = false` from [detect]"), "{}", off.out);
    let ran = on(&edge, "rules accept p000000");
    assert!(ran.status == 2 && ran.err.contains("storms are not looked for"), "{}", ran.err);
}
