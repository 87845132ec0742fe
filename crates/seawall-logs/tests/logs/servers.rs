//! What real servers log of odd requests, against what was sent.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;

use seawall_logs::{Detection, Fact, Format, Formats, RequestForm, detect};
use seawall_testkit::{Apache, Dir, Nginx, Process, Raw, find_program, free_port};

/// A request, and the status that came back.
struct Sent {
    method: &'static str,
    path: &'static [u8],
    query: Option<&'static [u8]>,
    agent: Option<&'static [u8]>,
    referer: Option<&'static [u8]>,
    forwarded_for: Option<&'static [u8]>,
    status: u16,
}

const PLAIN: Sent = Sent {
    method: "GET",
    path: b"/",
    query: None,
    agent: None,
    referer: None,
    forwarded_for: None,
    status: 0,
};

fn battery() -> Vec<Sent> {
    vec![
        PLAIN,
        Sent { method: "POST", path: b"/ca/cacert.pem", agent: Some(b"QQGameHall"), ..PLAIN },
        Sent {
            path: b"/a",
            query: Some(b"b=c&d=%22"),
            agent: Some(br#"say "hello" \ and \x41 #22 %22 +"#),
            ..PLAIN
        },
        Sent {
            path: b"/%41/x",
            query: Some(b""),
            agent: Some("Gr\u{fc}\u{df}e \u{1f30a}".as_bytes()),
            ..PLAIN
        },
        Sent { agent: Some(b"latin \xff\xfe one"), referer: Some(b"http://site.example/?q=\"x\""), ..PLAIN },
        Sent {
            agent: Some(b"a | b {c} [d] ]} \" 200 5 \"-\" \"x"),
            forwarded_for: Some(b"198.51.100.7, 10.0.0.9"),
            ..PLAIN
        },
        Sent { agent: Some(b"tab\there"), referer: Some(b"-"), ..PLAIN },
        Sent { path: b"/long", agent: Some(&[b'x'; 4000]), ..PLAIN },
    ]
}

/// Sends each on a connection of its own, then the beginning of a TLS handshake.
fn send(address: SocketAddr) -> Vec<Sent> {
    let mut battery = battery();
    for sent in &mut battery {
        let mut bytes = [sent.method.as_bytes(), b" ", sent.path].concat();
        if let Some(query) = sent.query {
            bytes.extend([b"?", query].concat());
        }
        bytes.extend(b" HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\nContent-Length: 0\r\n");
        let fields =
            [("User-Agent", sent.agent), ("Referer", sent.referer), ("X-Forwarded-For", sent.forwarded_for)];
        for (name, value) in fields {
            if let Some(value) = value {
                bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
            }
        }
        bytes.extend(b"\r\n");
        let mut raw = Raw::connect(address);
        raw.send(&bytes);
        sent.status = raw.read_to_end().status().expect("an answer");
    }
    let mut raw = Raw::connect(address);
    raw.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n");
    raw.read_to_end();
    battery
}

/// What a format cannot tell, or tells otherwise.
#[derive(Clone, Copy)]
struct Limits {
    /// Bytes that are no UTF-8 are replaced.
    is_utf8: bool,
    /// A handshake is not logged.
    hides_garbage: bool,
    /// Bytes of a captured field.
    cut: usize,
}

const EXACT: Limits = Limits { is_utf8: false, hides_garbage: false, cut: usize::MAX };

#[track_caller]
fn compare(formats: &Formats, log: &[u8], battery: &[Sent], limits: Limits) {
    let name = formats.iter().next().unwrap().name().to_owned();
    let as_logged = |value: &'static [u8]| -> Vec<u8> {
        let value = &value[..value.len().min(limits.cut)];
        if limits.is_utf8 { String::from_utf8_lossy(value).into_owned().into_bytes() } else { value.to_vec() }
    };
    // A field that is a dash is logged as one that is not there.
    let field = |value: Option<&'static [u8]>| value.filter(|value| *value != b"-").map(as_logged);
    let mut at = 0;
    let tally = formats.read(log, |line, record| {
        let text = String::from_utf8_lossy(line.bytes);
        let Some(sent) = battery.get(at) else {
            assert_eq!((record.request, record.status), (RequestForm::Garbled, Some(400)), "{name}: {text}");
            at += 1;
            return;
        };
        at += 1;
        assert_eq!(record.client.unwrap().expose(), Ipv4Addr::LOCALHOST, "{name}: {text}");
        assert_eq!(record.status, Some(sent.status), "{name}: {text}");
        assert_eq!(record.method.as_deref(), Some(sent.method.as_bytes()), "{name}: {text}");
        assert_eq!(record.path.as_deref(), Some(sent.path), "{name}: {text}");
        assert_eq!(record.query.as_deref(), sent.query, "{name}: {text}");
        assert!(record.time.unwrap().as_secs() > 1_700_000_000, "{name}: {text}");
        for (fact, told, value) in [
            (Fact::UserAgent, &record.user_agent, sent.agent),
            (Fact::Referer, &record.referer, sent.referer),
            (Fact::ForwardedFor, &record.forwarded_for, sent.forwarded_for),
        ] {
            if record.shows(fact) {
                let told = told.as_deref().map(<[u8]>::to_vec).filter(|told| told != b"-");
                assert_eq!(told, field(value), "{name}: {text}");
            }
        }
    });
    assert_eq!(tally.rejected_total(), 0, "{name}: {:#?}", tally.examples);
    assert_eq!(at, battery.len() + usize::from(!limits.hides_garbage), "{name}");
}

fn named(name: &str) -> Formats {
    Formats::from(Format::named(name).unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn recognised(log: &[u8], name: &str) -> Formats {
    let Detection { formats, guesses, .. } = detect(log).expect("a format");
    assert_eq!(guesses[0].format.name(), name);
    formats
}

#[test]
fn what_nginx_logs_is_what_was_sent() {
    let main = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for""#;
    let own = r#"$msec|$remote_addr|$request_method|$request_uri|$status|$http_user_agent|$request_time"#;
    let mut nginx = Nginx::builder()
        .http(&format!("log_format main '{main}'; log_format own '{own}';"))
        .server("access_log @DIR@/main.log main; access_log @DIR@/own.log own;")
        .server("access_log @DIR@/combined.log combined;")
        .start();
    let battery = send(nginx.address());
    nginx.stop();
    let log = |name: &str| fs::read(nginx.dir().join(name)).unwrap();
    compare(&recognised(&log("combined.log"), "combined"), &log("combined.log"), &battery, EXACT);
    compare(&recognised(&log("main.log"), "main"), &log("main.log"), &battery, EXACT);
    compare(&named(&format!("nginx:{main}")), &log("main.log"), &battery, EXACT);
    let own_log = log("own.log");
    let mut told = Vec::new();
    let tally = named(&format!("nginx:{own}")).read(&own_log, |_, record| {
        told.push((record.request, record.user_agent.as_deref().map(<[u8]>::to_vec)));
    });
    assert_eq!(tally.rejected_total(), 0, "{:#?}", tally.examples);
    let mut sent: Vec<_> =
        battery.iter().map(|sent| (RequestForm::Http, sent.agent.map(<[u8]>::to_vec))).collect();
    // The handshake has no method.
    sent.push((RequestForm::Empty, None));
    assert_eq!(told, sent);
}

#[test]
fn what_nginx_logs_as_json_is_known_by_its_names() {
    let json = r#"{"@timestamp":"$time_iso8601","remote_addr":"$remote_addr","request":"$request","status":$status,"http_user_agent":"$http_user_agent","body_bytes_sent":"$body_bytes_sent"}"#;
    let mut nginx = Nginx::builder()
        .http(&format!("log_format json escape=json '{json}';"))
        .server("access_log @DIR@/json.log json;")
        .start();
    let mut battery = send(nginx.address());
    nginx.stop();
    let log = fs::read(nginx.dir().join("json.log")).unwrap();
    // Nothing is logged where there is no field.
    battery.iter_mut().for_each(|sent| sent.agent = sent.agent.or(Some(b"")));
    compare(&recognised(&log, "json"), &log, &battery, EXACT);
    compare(&named(&format!("nginx:escape=json {json}")), &log, &battery, EXACT);
}

#[test]
fn what_apache_logs_is_what_was_sent() {
    let own = r#"%v:%p %a [%{%d/%b/%Y:%T}t.%{msec_frac}t %{%z}t] %m \"%U%q\" %>s %D %I %O \"%{User-Agent}i\" \"%{X-Forwarded-For}i\""#;
    let mut apache = Apache::builder()
        .directive(r#"CustomLog "@DIR@/combined.log" "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"""#)
        .directive(&format!("CustomLog \"@DIR@/own.log\" \"{}\"", own.replace(" %I %O", "")))
        .start();
    let battery = send(apache.address());
    apache.stop();
    let log = |name: &str| fs::read(apache.dir().join(name)).unwrap();
    compare(&recognised(&log("combined.log"), "combined"), &log("combined.log"), &battery, EXACT);
    let format = format!("apache:LogFormat \"{}\" own", own.replace(" %I %O", ""));
    let mut agents = Vec::new();
    let tally = named(&format).read(&log("own.log"), |_, record| {
        assert!(record.request_time.is_some());
        agents.push(record.user_agent.clone().map(|agent| agent.into_owned()));
    });
    assert_eq!(tally.rejected_total(), 0, "{:#?}", tally.examples);
    let sent: Vec<Option<Vec<u8>>> = battery.iter().map(|sent| sent.agent.map(<[u8]>::to_vec)).collect();
    assert_eq!(agents[..battery.len()], sent);
}

#[test]
fn what_haproxy_logs_is_what_was_sent() {
    let dir = Dir::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    // As a syslog server: what goes to its standard output is dropped when a reader is slow.
    let syslog = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let configuration = format!(
        "global\n    nbthread 1\n    log {} len 8192 format rfc5424 local0\ndefaults\n    mode http\n    log global\n    option httplog\n    \
         timeout client 10s\n    timeout server 10s\n    timeout connect 10s\nfrontend web\n    bind {address}\n    \
         capture request header User-Agent len 200\n    capture request header X-Forwarded-For len 100\n    \
         default_backend site\nbackend site\n    http-request return status 200\n",
        syslog.local_addr().unwrap()
    );
    let file = dir.write("haproxy.cfg", configuration);
    let mut command = Command::new(find_program("haproxy"));
    command.args(["-db", "-f"]).arg(file);
    let mut process = Process::spawn("haproxy", &command);
    process.wait_until_listening(address);
    let battery = send(address);
    process.stop();
    syslog.set_nonblocking(true).unwrap();
    let mut log = String::new();
    let mut datagram = [0; 16 * 1024];
    while let Ok(length) = syslog.recv(&mut datagram) {
        let line = String::from_utf8(datagram[..length].to_vec()).unwrap();
        // The test's own question whether it listens is a connection too (CR: the client left), and its messages are no
        // requests.
        if line.contains(" web ") && !line.contains(" CR-- ") {
            log += &format!("{}\n", line.trim_end());
        }
    }
    let limits = Limits { cut: 200, ..EXACT };
    compare(&named("haproxy:User-Agent|X-Forwarded-For"), log.as_bytes(), &battery, limits);
    recognised(log.as_bytes(), "haproxy");
}

#[test]
fn what_caddy_logs_is_what_was_sent() {
    let dir = Dir::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let text = format!(
        "{{\n\tadmin off\n\tauto_https off\n}}\nhttp://:{} {{\n\tbind 127.0.0.1\n\tlog {{\n\t\toutput file {}\n\t}}\n\trespond passed 200\n}}\n",
        address.port(),
        dir.join("access.log").display(),
    );
    let file = dir.write("Caddyfile", text);
    let mut command = Command::new(find_program("caddy"));
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file).env("HOME", dir.path());
    let mut process = Process::spawn("caddy", &command);
    process.wait_until_listening(address);
    let battery = send(address);
    process.stop();
    let log = fs::read(dir.join("access.log")).unwrap();
    let limits = Limits { is_utf8: true, hides_garbage: true, ..EXACT };
    compare(&recognised(&log, "caddy"), &log, &battery, limits);
}
