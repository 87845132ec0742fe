use std::net::SocketAddr;
use std::time::Duration;

use seawall_export::{Export, Target, export};
use seawall_rules::limit::{KeyPart, PartitionKey, Rate};
use seawall_rules::rule::{Action, Fact};
use seawall_testkit::{Nginx, Raw};

use crate::compare::{EXACTLY, Server, compare};
use crate::oracle::{Answer, Oracle};
use crate::request::Request;
use crate::rules::{is, prefix, rule};

impl Server for Nginx {
    fn address(&self) -> SocketAddr {
        Nginx::address(self)
    }
}

#[test]
fn nginx_answers_as_the_rules_do() {
    let problems = compare(Target::Nginx, start, limit);
    insta::assert_snapshot!(problems);
}

fn start(export: &Export) -> Nginx {
    start_with(export, "location / { return 200 \"passed\"; }")
}

pub(crate) fn start_with(export: &Export, site: &str) -> Nginx {
    let [http, server] = export.parts.as_slice() else { panic!("{:?}", export.parts) };
    Nginx::builder()
        .http("large_client_header_buffers 4 32k;")
        .http(&http.text)
        .server(&server.text)
        .server(site)
        .start()
}

fn limit(request: &Request) -> Option<&'static str> {
    let target = request.target.to_ascii_lowercase();
    let path = target.split('?').next().unwrap_or_default();
    let fields = ["User-Agent", "X-Token", "X-Odd", "Cookie"];
    match () {
        _ if request.target == "*" => Some("OPTIONS * is refused"),
        _ if path.contains("%00") => Some("NUL is refused"),
        _ if fields.iter().any(|name| request.lines_of(name) > 1) => Some("only the first line before 1.23"),
        _ if !request.method.bytes().all(|octet| octet.is_ascii_uppercase() || b"-_".contains(&octet)) => {
            Some("methods of other characters are refused")
        }
        _ if climbs(path) => Some("a path that leaves the root is refused"),
        _ => None,
    }
}

/// Whether dot segments lead above the root.
pub(crate) fn climbs(path: &str) -> bool {
    let path = path.replace("%2e", ".").replace("%2f", "/");
    let mut depth = 0i32;
    path.split('/').filter(|segment| !segment.is_empty()).any(|segment| {
        depth += match segment {
            "." => 0,
            ".." => -1,
            _ => 1,
        };
        depth < 0
    })
}

/// Whether the last segment is one of dots.
pub(crate) fn ends_in_dots(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default().to_ascii_lowercase();
    let path = path.replace("%2e", ".").replace("%2f", "/");
    path.ends_with("/.") || path.ends_with("/..")
}

/// One a minute, three at once: the clock does not matter within a test.
#[test]
fn nginx_counts_as_the_rules_do() {
    let by = PartitionKey(vec![KeyPart::UserAgent]);
    let rate = Rate { requests: 1, per: Duration::from_secs(60), burst: 3 };
    let limit = |rate, by: PartitionKey| Action::Limit { rate, by, text: None };
    let path = |path| vec![is(Fact::Path, prefix(path))];
    let rules = vec![
        rule("open", path("/x/open/"), Action::Allow),
        rule("agents", path("/x/"), limit(rate, by)),
        rule("late-open", path("/x/late/"), Action::Allow),
        rule("once", path("/once/"), limit(Rate { burst: 1, ..rate }, PartitionKey(Vec::new()))),
    ];
    let export = export(&rules, &[], Target::Nginx, &EXACTLY).unwrap();
    // A `return` would answer before anything is counted.
    let nginx = start_with(&export, "location / { try_files /index.html =404; }");
    let oracle = Oracle::new(&rules);
    for (path, agent) in [
        ("/x/", "a"),
        ("/x/", "a"),
        ("/x/", "b"),
        ("/x/late/", "a"),
        ("/x/", "a"),
        ("/x/late/", "a"),
        ("/x/open/", "a"),
        ("/x/", "b"),
        ("/x/", "b"),
        ("/x/", "b"),
        ("/once/", "a"),
        ("/once/", "b"),
        ("/else/", "a"),
        ("/x/", "c"),
    ] {
        let request = Request::get(path).agent(agent);
        let expected = match oracle.answer(&request) {
            Some(Answer::Refuse(status, _)) => status,
            _ => 200,
        };
        let mut raw = Raw::connect(Nginx::address(&nginx));
        raw.send(request.bytes());
        assert_eq!(raw.read_to_end().status(), Some(expected), "{path} {agent}");
    }
}
