use std::net::SocketAddr;

use seawall_export::{Export, Target};
use seawall_testkit::Nginx;

use crate::compare::{Server, compare};
use crate::request::Request;

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
    let [http, server] = export.parts.as_slice() else { panic!("{:?}", export.parts) };
    Nginx::builder()
        .http("large_client_header_buffers 4 32k;")
        .http(&http.text)
        .server(&server.text)
        .server("location / { return 200 \"passed\"; }")
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
