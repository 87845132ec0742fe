//! `seawall rules export`: from a file and from a running process.

use seawall_testkit::{Curl, Dir, Nginx};

use crate::support::{Ran, add_rule, in_front_of, on, run};

const STORY: &str = r#"
[[rule]]
name = "qqgamehall"
match = { method = "POST", path = "/ca/cacert.pem", user-agent = { prefix = "QQGameHall" } }
action = "deny"
"#;

const LATE: &str = r#"
[[rule]]
name = "late"
match = { path = "/slow" }
action = "tarpit"
delay = "20s"
"#;

#[track_caller]
fn here(arguments: &str) -> Ran {
    run(format!("rules export {arguments}").split(' '))
}

#[test]
fn rules_of_a_file_refuse_in_nginx() {
    let dir = Dir::new();
    let file = dir.write("rules.toml", STORY);
    let out = dir.join("out");
    here(&format!("--to nginx --rules {} --output {}", file.display(), out.display())).ok();
    let nginx = Nginx::builder()
        .http(&dir.read("out/seawall-http.conf"))
        .server(&dir.read("out/seawall-server.conf"))
        .file("ca/cacert.pem", "certificates")
        .start();
    let url = nginx.url("/ca/cacert.pem");
    let refused = Curl::post(&url, "x").agent("QQGameHall/1.0").run();
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("Rule: qqgamehall"), "{}", refused.text());
    assert_eq!(Curl::get(&url).agent("QQGameHall/1.0").run().status, 200);
}

#[test]
fn rules_of_a_running_process_come_in_the_order_in_which_it_tries_them() {
    let origin = Nginx::builder().start();
    let edge = in_front_of(&origin);
    add_rule(&edge, STORY);
    add_rule(&edge, &STORY.replace("qqgamehall", "second"));
    let vcl = on(&edge, "rules export --to varnish").ok();
    // The one that was added last is tried first.
    let (first, second) = (vcl.find("# second: "), vcl.find("# qqgamehall: "));
    assert!(first.is_some() && first < second, "{vcl}");
    on(&edge, "rules disable second").ok();
    let vcl = on(&edge, "rules export --to varnish").ok();
    assert!(!vcl.contains("# second: "), "{vcl}");
}

#[test]
fn what_cannot_be_said_is_an_error_that_names_rule_and_fact() {
    let dir = Dir::new();
    let file = dir.write("rules.toml", format!("{STORY}{LATE}"));
    let refused = here(&format!("--to nginx --rules {}", file.display()));
    assert_eq!((refused.status, refused.out.as_str()), (1, ""), "nothing is written");
    assert!(
        refused.err.contains("rule `late`: action `tarpit` cannot be said: it cannot answer late"),
        "{}",
        refused.err
    );
    let near = here(&format!("--to nginx --approximate --rules {}", file.display()));
    assert_eq!(near.status, 0);
    let note = "rule `late` is not exact: action `tarpit`: answered with 403 at once";
    assert!(near.err.contains(note), "{}", near.err);
    assert!(near.out.contains(&note.replace('`', "?")), "{}", near.out);
}

#[test]
fn unknown_target_is_wrong_usage() {
    let refused = here("--to lighttpd");
    assert_eq!(refused.status, 2);
    assert!(refused.err.contains("possible values: nginx, apache"), "{}", refused.err);
}

#[test]
fn rules_of_nginx_come_back_as_a_rule_file() {
    let dir = Dir::new();
    let file =
        dir.write("nginx.conf", "if ($http_user_agent ~ ^QQGameHall) { return 403; }\ndeny 192.0.2.0/24;\n");
    let imported = run(["rules", "import", "--from", "nginx", &file.display().to_string()]).ok();
    let rules = dir.write("rules.toml", &imported);
    here(&format!("--to haproxy --rules {}", rules.display())).ok();
    assert!(imported.contains("name = \"line-1\"") && imported.contains("192.0.2.0/24"), "{imported}");
    let file = dir.write("nginx.conf", "deny 192.0.2.0/24;\nlimit_conn x 5;\n");
    let some = run(["rules", "import", "--from", "nginx", &file.display().to_string()]);
    assert_eq!(some.status, 1);
    assert!(some.err.contains("nginx.conf:2:1: not understood, left out: limit_conn x 5"), "{}", some.err);
    assert!(some.out.contains("192.0.2.0/24"), "{}", some.out);
}
