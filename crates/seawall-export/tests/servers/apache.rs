use std::net::SocketAddr;

use seawall_export::{Export, Target};
use seawall_testkit::Apache;

use crate::compare::{Server, compare};
use crate::nginx::climbs;
use crate::request::Request;

impl Server for Apache {
    fn address(&self) -> SocketAddr {
        Apache::address(self)
    }

    /// Files take no other methods than these two.
    fn is_pass(&self, status: u16) -> bool {
        matches!(status, 200 | 405 | 501)
    }
}

#[test]
fn apache_answers_as_the_rules_do() {
    let problems = compare(Target::Apache, start, limit);
    insta::assert_snapshot!(problems);
}

fn start(export: &Export) -> Apache {
    let [part] = export.parts.as_slice() else { panic!("{:?}", export.parts) };
    Apache::builder()
        .module("rewrite")
        .module("setenvif")
        .module("alias")
        .directive("LimitRequestLine 32768\nLimitRequestFieldSize 32768")
        .directive(&part.text)
        // Whatever passes is answered by one file.
        .directive("AliasMatch ^ @DIR@/site/index.html")
        .start()
}

pub(crate) fn limit(request: &Request) -> Option<&'static str> {
    let target = request.target.to_ascii_lowercase();
    let path = target.split('?').next().unwrap_or_default();
    match () {
        _ if request.target == "*" => Some("OPTIONS * is refused"),
        _ if path.contains("%00") => Some("NUL is refused"),
        _ if path.contains("%2f") => Some("an encoded slash is refused"),
        _ if climbs(path) => Some("a path that leaves the root is refused"),
        _ => None,
    }
}
