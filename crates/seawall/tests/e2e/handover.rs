//! A new process takes over from a running one.

use std::time::Duration;

use seawall_testkit::{
    Curl, Dir, HELD_BYTES, Held, Load, Nginx, Plan, Seawall, SeawallBuilder, Signal, free_port,
};

use crate::support::{on_with, seawall, until, wait_for_log};

/// What two processes share: where they listen, and their state.
struct Place {
    dir: Dir,
    listen: u16,
    admin: u16,
}

impl Place {
    fn new() -> Self {
        Self { dir: Dir::new(), listen: free_port(), admin: free_port() }
    }

    fn edge(&self, origin: &str) -> SeawallBuilder {
        seawall()
            .origin(origin)
            .listen(&format!("127.0.0.1:{}", self.listen))
            .admin(&format!("127.0.0.1:{}", self.admin))
            .state(&self.dir.join("state"))
    }

    /// A command on whichever process answers.
    fn ok(&self, edge: &Seawall, command: &str) -> String {
        on_with(edge, command, &self.dir.join("state")).ok()
    }

    fn pid(&self, edge: &Seawall) -> u64 {
        let status = on_with(edge, "status --format json", &self.dir.join("state")).json();
        status["status"]["pid"].as_u64().unwrap()
    }

    fn add_rule(&self, edge: &Seawall, name: &str, path: &str) {
        let rule =
            format!("[[rule]]\nname = \"{name}\"\nmatch = {{ path = \"{path}\" }}\naction = \"deny\"\n");
        let file = self.dir.write(format!("{name}.toml"), rule);
        self.ok(edge, &format!("rules add {}", file.display()));
    }
}

#[test]
fn new_process_takes_over_without_a_refused_connection_or_a_cut_download() {
    let origin = Held::start();
    let place = Place::new();
    let mut old = place.edge(&origin.url("")).start();
    place.add_rule(&old, "before", "/before");
    let new_connections = Load::start(Plan::get(old.address(), "/").new_connections());
    let kept = Load::start(Plan::get(old.address(), "/"));
    let url = old.url("/held");
    let download = std::thread::spawn(move || Curl::get(url).run());
    origin.wait_until_held(1);
    kept.wait_for_more(50);

    let new = place.edge(&origin.url("")).start();
    until("the new process answers at the admin address", || {
        (place.pid(&new) == u64::from(new.id())).then_some(())
    });
    new_connections.wait_for_more(200);
    kept.wait_for_more(200);
    assert!(!download.is_finished() && old.process().is_running(), "the old one drains");
    // Rules: the old one's are there, and the new one writes.
    assert_eq!(Curl::get(new.url("/before")).run().status, 403);
    place.add_rule(&new, "after", "/after");
    assert_eq!(Curl::get(new.url("/after")).run().status, 403);
    origin.release();
    assert_eq!(download.join().unwrap().body.len(), HELD_BYTES);
    let ended =
        old.process().wait(Duration::from_secs(5)).expect("the old process ends after its last exchange");
    assert!(ended.success());
    for (name, sent) in [("new", new_connections.finish()), ("kept", kept.finish())] {
        println!("handover, {name} connections: {sent}");
        assert_eq!(
            (sent.with(200), sent.failures.len()),
            (sent.answered(), 0),
            "{sent}: {:?}",
            sent.failures
        );
    }
    // And it can be handed over again.
    let third = place.edge(&origin.url("")).start();
    until("the third answers", || (place.pid(&third) == u64::from(third.id())).then_some(()));
    assert_eq!(Curl::get(third.url("/after")).run().status, 403);
}

#[track_caller]
fn goes_on(place: &Place, old: &Seawall, load: Load, said: &str) {
    load.wait_for_more(100);
    assert_eq!(place.pid(old), u64::from(old.id()));
    place.add_rule(old, "still-mine", "/mine");
    assert_eq!(Curl::get(old.url("/mine")).run().status, 403);
    let sent = load.finish();
    println!("a newcomer failed: {sent}\n{said}");
    assert_eq!((sent.with(200), sent.failures.len()), (sent.answered(), 0), "{:?}", sent.failures);
}

#[test]
fn newcomer_with_a_wrong_configuration_leaves_the_old_process_alone() {
    let origin = Nginx::builder().start();
    let place = Place::new();
    let old = place.edge(&origin.url("")).start();
    let load = Load::start(Plan::get(old.address(), "/").new_connections());
    let wrong = "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"STATE\"\n[[site]]\norigin = 7\n";
    let wrong = wrong.replace("STATE", &place.dir.join("state").display().to_string());
    let (status, said) = seawall().configuration(&wrong).fail();
    assert_eq!(status.code(), Some(2), "{said}");
    goes_on(&place, &old, load, &said);
}

#[test]
fn newcomer_whose_port_is_taken_leaves_the_old_process_alone() {
    let origin = Nginx::builder().start();
    let place = Place::new();
    let old = place.edge(&origin.url("")).start();
    let load = Load::start(Plan::get(old.address(), "/").new_connections());
    let taken = std::net::TcpListener::bind(("127.0.0.1", free_port())).unwrap().local_addr().unwrap();
    let _taken = std::net::TcpListener::bind(taken).unwrap();
    let (status, said) = place.edge(&origin.url("")).listen(&taken.to_string()).fail();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("in use"), "{said}");
    goes_on(&place, &old, load, &said);
}

/// A rule that expires is retired although a newcomer had been let at the rulebook and died.
#[test]
fn rules_expire_after_a_failed_handover_too() {
    let origin = Nginx::builder().start();
    let place = Place::new();
    let old = place.edge(&origin.url("")).start();
    let taken = std::net::TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let rule = |at: &str| {
        format!(
            "[[rule]]\nname = \"short\"\nmatch = {{ path = \"/short\" }}\naction = \"deny\"\nexpires = {at}\n"
        )
    };
    let soon = std::time::SystemTime::now() + Duration::from_secs(3);
    let file = place.dir.write("short.toml", rule(&crate::rules::rfc3339(soon)));
    place.ok(&old, &format!("rules add {}", file.display()));
    assert_eq!(Curl::get(old.url("/short")).run().status, 403);
    place.edge(&origin.url("")).listen(&taken.local_addr().unwrap().to_string()).fail();
    until("the rule expires", || (Curl::get(old.url("/short")).run().status == 404).then_some(()));
    until("the rule is retired", || (!place.ok(&old, "rules list").contains("short")).then_some(()));
}

#[test]
fn killed_process_leaves_nothing_that_keeps_the_next_from_starting() {
    let origin = Nginx::builder().start();
    let place = Place::new();
    let mut old = place.edge(&origin.url("")).start();
    place.add_rule(&old, "kept", "/kept");
    old.process().signal(Signal::KILL);
    old.process().wait(Duration::from_secs(5)).expect("killed");
    let mut new = place.edge(&origin.url("")).start();
    assert_eq!(Curl::get(new.url("/kept")).run().status, 403);
    new.process().signal(Signal::TERM);
    wait_for_log(&mut new, "no longer accepting");
}
