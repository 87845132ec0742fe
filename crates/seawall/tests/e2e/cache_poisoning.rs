//! Cache poisoning and deception, as published: what one request does to the cache, nobody else is shown.
//!
//! Kettle, "Practical Web Cache Poisoning" (2018) and "Web Cache Entanglement" (2020); Nguyen and others, "Your Cache Has
//! Fallen: Cache-Poisoned Denial-of-Service Attack" (2019); Gil, "Web Cache Deception Attack" (2017); Mirheidari and others,
//! "Cached and Confused" (2020). The origin is as careless as they found it: it says `max-age` on whatever it is asked.

use seawall_testkit::{Curl, Nginx, Raw, Reply, Seawall};

use crate::support::{seawall, until};

/// Fields that frameworks and servers let change what they answer.
const FIELDS: [&str; 35] = [
    "X-Forwarded-Host",
    "X-Forwarded-Server",
    "X-Forwarded-Scheme",
    "X-Forwarded-Proto",
    "X-Forwarded-Protocol",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Path",
    "X-Forwarded-Uri",
    "X-Forwarded-Ssl",
    "X-Forwarded-By",
    "X-Forwarded",
    "Forwarded-For",
    "Forwarded",
    "Front-End-Https",
    "X-Url-Scheme",
    "X-Scheme",
    "X-Host",
    "X-Original-Host",
    "X-HTTP-Host-Override",
    "X-Original-URL",
    "X-Original-URI",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "X-Wap-Profile",
    "X-Middleware-Subrequest",
    "X-Backend-Host",
    "Proxy",
    "Base-Url",
    "X-Host-Override",
];

/// Says back whatever it is told, and that everybody may see it.
fn origin() -> Nginx {
    let variables: String =
        FIELDS.iter().map(|field| format!("$http_{}|", field.to_lowercase().replace('-', "_"))).collect();
    Nginx::builder()
        .server("large_client_header_buffers 4 2k;")
        .server("add_header Cache-Control max-age=600 always;")
        .server(&format!("location / {{ return 200 \"{variables}$request_method $host $request_uri\"; }}"))
        .start()
}

fn edge(origin: &Nginx) -> Seawall {
    seawall().origin(&origin.url("")).start()
}

fn ask(edge: &Seawall, path: &str) -> Curl {
    Curl::get(edge.url(path)).header("Host", "site.example").arg("--path-as-is")
}

fn is_hit(reply: &Reply) -> bool {
    reply.field("cache-status").is_some_and(|status| status.contains("hit"))
}

/// As [`edge`], with more in `[site.cache]`.
fn edge_with(origin: &Nginx, cache: &str) -> Seawall {
    let text = "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n[[site]]\n";
    seawall()
        .configuration(&format!("{text}origin = \"{}\"\n[site.cache]\n{cache}\n", origin.url("")))
        .start()
}

#[test]
fn field_that_no_key_holds_does_not_change_what_others_get() {
    let origin = origin();
    let edge = edge(&origin);
    let clean = ask(&edge, "/clean").run().text().replace("/clean", "/x");
    for (index, field) in FIELDS.iter().enumerate() {
        let path = format!("/{index}");
        let attack = ask(&edge, &path).header(field, "evil.example").run();
        assert_eq!(attack.status, 200, "{field}");
        let victim = ask(&edge, &path).run();
        assert_eq!(victim.text().replace(&path, "/x"), clean, "{field}");
    }
}

/// What a CDN passes on of a reader's request: everything that it does not write itself.
#[test]
fn field_that_came_through_a_trusted_hop_is_no_more_believed() {
    let origin = origin();
    let top = "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n";
    let hops = "[client]\ntrusted-hops = [\"127.0.0.0/8\"]\n";
    let edge =
        seawall().configuration(&format!("{top}{hops}[[site]]\norigin = \"{}\"\n", origin.url(""))).start();
    // Who the client is, the hop says in a field of its own; what an origin makes of that, it says in `Vary`.
    let says_client = ["X-Real-IP", "X-Client-IP", "True-Client-IP", "Forwarded-For"];
    let clean = ask(&edge, "/clean").run().text().replace("/clean", "/x");
    for (index, field) in FIELDS.iter().enumerate().filter(|(_, field)| !says_client.contains(field)) {
        let path = format!("/{index}");
        let attack = ask(&edge, &path).header(field, "evil.example").run();
        assert_eq!(attack.status, 200, "{field}");
        let victim = ask(&edge, &path).run();
        assert_eq!(victim.text().replace(&path, "/x"), clean, "{field}");
    }
}

#[test]
fn host_with_another_port_is_another_resource() {
    let origin = Nginx::builder()
        .server(
            "location / { add_header Cache-Control max-age=600; return 200 \"https://$http_host/login\"; }",
        )
        .start();
    let edge = edge(&origin);
    for host in ["site.example:1337", "SITE.example", "site.example."] {
        let attack = Curl::get(edge.url("/")).header("Host", host).run();
        assert!(attack.status == 200 || attack.status == 421, "{host}: {}", attack.status);
    }
    let victim = ask(&edge, "/").run().text();
    // Names are the same in any case (RFC 3986 §3.2.2), and so is where they lead.
    assert_eq!(victim.to_lowercase(), "https://site.example/login");
}

#[test]
fn content_of_a_get_is_not_part_of_what_is_stored() {
    let origin = origin();
    let edge = edge(&origin);
    let attack = ask(&edge, "/fat?id=1").arg("--data").arg("id=evil").method("GET").run();
    assert!(
        !is_hit(&attack) && attack.field("cache-status").unwrap_or_default().contains("bypass"),
        "{}",
        attack.head
    );
    let victim = ask(&edge, "/fat?id=1").run();
    assert!(!is_hit(&victim), "{}", victim.head);
    assert!(victim.text().ends_with("/fat?id=1"), "{}", victim.text());
}

#[test]
fn parameter_that_is_not_keyed_never_reaches_the_origin() {
    let origin = origin();
    let edge = edge_with(&origin, "query = { except = [\"utm_content\"] }");
    for (number, cloak) in [
        "utm_content=1;callback=evil",
        "utm_content=evil",
        "utm_content=1%26callback=evil",
        "utm_content[callback]=evil",
        "utm_content=1&utm_content=evil",
        "utm%5Fcontent=evil",
        "utm_content=1?callback=evil",
        "Utm_content=evil",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{number}");
        ask(&edge, &format!("{path}?callback=good&{cloak}")).run();
        let victim = ask(&edge, &format!("{path}?callback=good&utm_content=mine")).run();
        assert!(!victim.text().contains("evil"), "{cloak}: {}", victim.text());
    }
    // Of one that is keyed, the order counts: which of two an origin takes is its own affair.
    ask(&edge, "/twice?id=1&id=evil").run();
    assert!(!ask(&edge, "/twice?id=evil&id=1").run().text().ends_with("id=1&id=evil"));
}

/// Ways to make a page look like a file that caches like to keep.
const CONFUSIONS: [&str; 12] = [
    "/private/x.css",
    "/private%2fx.css",
    "/private%2Fx.css",
    "/private;x.css",
    "/private%3bx.css",
    "/private%00.css",
    "/private%23x.css",
    "/private%3fx.css",
    "/private%0ax.css",
    "/private/..%2fstatic/x.css",
    "/private/%2e%2e/static/x.css",
    "/private?/static/x.css",
];

#[test]
fn page_of_a_reader_is_not_stored_for_looking_like_a_file() {
    let origin = Nginx::builder()
        .server("location / { if ($request_uri ~ ^/private) { add_header Cache-Control private; return 200 \"page of $cookie_user\"; } return 200 file; }")
        .start();
    let edge = edge(&origin);
    for path in CONFUSIONS {
        let victim = ask(&edge, path).header("Cookie", "user=alice").run();
        let attacker = ask(&edge, path).run();
        assert!(!attacker.text().contains("alice"), "{path}: {}", attacker.text());
        assert!(!is_hit(&victim) && !is_hit(&attacker), "{path}: {}", attacker.head);
    }
}

#[test]
fn override_for_files_does_not_store_a_page_that_is_spelt_as_one() {
    // This origin looks at the path as it was sent, and says nothing of caches.
    let origin = Nginx::builder()
        .server("location / { if ($request_uri ~ ^/private) { return 200 \"page of $cookie_user\"; } return 200 file; }")
        .start();
    let edge = edge_with(&origin, "override = [{ path = { prefix = \"/static/\" }, lifetime = \"1h\" }]");
    ask(&edge, "/static/x.css").run();
    until("the file is stored", || is_hit(&ask(&edge, "/static/x.css").run()).then_some(()));
    for path in CONFUSIONS {
        ask(&edge, path).header("Cookie", "user=alice").run();
        let attacker = ask(&edge, path).run();
        assert!(!attacker.text().contains("alice"), "{path}: {}", attacker.text());
    }
}

#[test]
fn two_spellings_of_a_path_are_two_resources() {
    let origin = origin();
    let edge = edge(&origin);
    let spellings =
        ["/a/b", "/a%2fb", "/a%2Fb", "/a//b", "/a/./b", "/a/c/../b", "/%61/b", "/a/b;", "/a/b%00", "/A/b"];
    for path in spellings {
        let reply = ask(&edge, path).run();
        assert!(reply.status == 400 || reply.text().ends_with(path), "{path}: {}", reply.text());
    }
    for path in spellings {
        let reply = ask(&edge, path).run();
        assert!(reply.status == 400 || reply.text().ends_with(path), "{path}: {}", reply.text());
    }
}

#[test]
fn error_that_a_request_provoked_is_not_shown_to_others() {
    let origin = origin();
    let edge = edge(&origin);
    // Header oversize: more than the origin reads, less than the edge does.
    let attack = ask(&edge, "/oversize").header("X-Filler", &"x".repeat(10_000)).run();
    assert_eq!(attack.status, 400, "{}", attack.head);
    assert_eq!(ask(&edge, "/oversize").run().status, 200);
    // Meta character: what may not stand in a field does not pass.
    for meta in [&b"\x07"[..], b"\x00", b"\x1b", b"\r", b"\x7f"] {
        let request = [b"GET /meta HTTP/1.1\r\nHost: site.example\r\nX-Meta: a", meta, b"b\r\n\r\n"].concat();
        let reply = Raw::exchange(edge.address(), request, std::time::Duration::from_secs(5));
        assert_eq!(reply.status(), Some(400), "{meta:?}");
    }
    assert_eq!(ask(&edge, "/meta").run().status, 200);
    // Method override.
    for field in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        ask(&edge, "/method").header(field, "DELETE").run();
        assert!(ask(&edge, "/method").run().text().contains("|GET "), "{field}");
    }
    // An expectation, a range and a condition that fail are answers to one request alone.
    let condition = ask(&edge, "/condition").header("If-Match", "\"none\"").run();
    assert!(matches!(condition.status, 200 | 412), "{}", condition.head);
    ask(&edge, "/condition").header("Range", "bytes=999999-").run();
    ask(&edge, "/condition").header("Expect", "nothing").run();
    assert_eq!(ask(&edge, "/condition").run().status, 200);
}

#[test]
fn variant_is_served_to_those_alone_who_ask_alike() {
    let origin = Nginx::builder()
        .server("location / { add_header Cache-Control max-age=600; add_header Vary X-Lang; return 200 \"[$http_x_lang]\"; }")
        .start();
    let edge = edge(&origin);
    let values = ["evil", "en, evil", "en,evil", "\"en", "en\\", "EN", "*", "", "en;q=0"];
    for value in values {
        // curl leaves a field without a value out, unless it ends with a semicolon.
        let curl = ask(&edge, "/");
        let curl =
            if value.is_empty() { curl.arg("--header").arg("X-Lang;") } else { curl.header("X-Lang", value) };
        curl.run();
    }
    assert_eq!(ask(&edge, "/").header("X-Lang", "en").run().text(), "[en]");
    assert_eq!(ask(&edge, "/").run().text(), "[]");
}
