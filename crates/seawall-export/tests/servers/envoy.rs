use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use seawall_export::{Export, Target};
use seawall_testkit::{Dir, Process, find_program, free_port};

use crate::compare::{Server, compare};
use crate::request::Request;

/// A running Envoy.
pub(crate) struct Envoy {
    address: SocketAddr,
    _process: Process,
    _dir: Dir,
}

impl Server for Envoy {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

#[test]
fn envoy_answers_as_the_rules_do() {
    let problems = compare(Target::Envoy, start, limit);
    insta::assert_snapshot!(problems);
}

pub(crate) fn start(export: &Export) -> Envoy {
    let [filter, manager, runtime] = export.parts.as_slice() else { panic!("{:?}", export.parts) };
    let dir = Dir::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let configuration = CONFIGURATION
        .replace("@PORT@", &address.port().to_string())
        .replace("@MANAGER@", &indented(&manager.text, 10))
        .replace("@RUNTIME@", &indented(&runtime.text, 2))
        .replace("@FILTER@", &indented(&filter.text, 10));
    let file = dir.write("envoy.yaml", configuration);
    let mut command = Command::new(find_program("envoy"));
    command.args(["--disable-hot-restart", "--concurrency", "1", "-l", "warn", "-c"]).arg(file);
    let mut process = Process::spawn("envoy", &command);
    process.wait_until_listening(address);
    Envoy { address, _process: process, _dir: dir }
}

fn indented(text: &str, columns: usize) -> String {
    text.lines().map(|line| format!("{:columns$}{line}\n", "")).collect()
}

const CONFIGURATION: &str = r#"
layered_runtime:
  layers:
@RUNTIME@
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: @PORT@ } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          use_remote_address: true
          delayed_close_timeout: 0s
          max_request_headers_kb: 96
          http_protocol_options: { accept_http_10: true }
@MANAGER@
          route_config:
            virtual_hosts:
            - name: site
              domains: ["*"]
              routes:
              - match: { prefix: "/" }
                direct_response: { status: 200, body: { inline_string: "passed" } }
          http_filters:
@FILTER@
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
"#;

fn limit(request: &Request) -> Option<&'static str> {
    let path = request.target.split('?').next().unwrap_or_default();
    let fields = ["User-Agent", "X-Token", "X-Odd", "Cookie"];
    let referer = request.fields.iter().find(|(name, _)| name == "Referer");
    let referer = referer.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default();
    match () {
        _ if request.target == "*" => Some("OPTIONS * is refused"),
        _ if path.contains("%00") => Some("NUL is refused"),
        _ if path.contains('\\') || path.to_ascii_lowercase().contains("%5c") => {
            Some("a backslash counts as a slash")
        }
        _ if !METHODS.contains(&request.method.as_str()) => Some("methods that it does not know are refused"),
        _ if request.lines_of("Host") == 0 => Some("a request without a host is refused"),
        _ if referer.contains(['@', '#']) || referer.ends_with(":80:90/") => {
            Some("a referer with a user, a fragment or a wrong port is taken away")
        }
        _ if fields.iter().any(|name| request.lines_of(name) > 1) => Some("each line is looked at by itself"),
        _ => None,
    }
}

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
