//! The requests: by hand, and made from the rules, each so that it matches, and so that it nearly does.

use seawall_rules::rule::{Condition, Fact, Rule, Test};

use crate::random::Random;
use crate::request::Request;

pub(crate) fn by_hand() -> Vec<Request> {
    let get = Request::get;
    let long = "long/".repeat(1600);
    let mut all = vec![
        get("/"),
        get("/open").from(9),
        get("/admin").from(7),
        get("/lan/x"),
        get("/home/x").from(6),
        get("/home/x").from(8),
        get("/home/x").from(20),
        Request::new("POST", "/ca/cacert.pem").agent("QQGameHall/1.0").content(5),
        Request::new("POST", "/ca/cacert.pem").agent("qqgamehall/1.0").content(5),
        Request::new("POST", "/ca//x/../cacert.pem?a=b").agent("QQGameHall").content(5),
        Request::new("GET", "/ca/cacert.pem").agent("QQGameHall"),
        Request::new("HEAD", "/admin"),
        Request::new("DELETE", "/x/other.pem"),
        Request::new("get", "/"),
        Request::new("BASELINE-CONTROL", "/"),
        Request::new("OPTIONS", "*"),
        get("http://old.example/x"),
        get("http://site.example/admin/x?y"),
        get("/x").host("OLD.example.:8080"),
        get("/x").host("a.bad.example"),
        get("/x").host("bad.example"),
        get("/no-host").version("HTTP/1.0").host("x"),
        get("/only/x"),
        get("/only/x").host("www.site.example:81"),
        get("/only/x").host("third.example"),
        get("/only/x").host("localhost"),
        get("/old/x").version("HTTP/1.0"),
        get("/old/x"),
        get("/cookie").field("Cookie", "a=b; session=bad"),
        get("/token").field("X-Token", "abcd"),
        get("/token").field("X-Token", "abcdg"),
        get("/token").field("X-Token", "123456789"),
        get("/token").field("X-Token", ""),
        get("/token").field("X_Token", "a"),
        get("/language"),
        get("/language").field("Accept-Language", "de"),
        get("/length/"),
        get("/watched"),
        get("/expired"),
        get("/until"),
        get("/said"),
        get("/tarpit"),
        get("/late/open/x"),
        get("/late/x"),
        get("/LATE/x"),
        get("/many"),
        get("/many").agent("default "),
        Request::new("POST", "/length/").content(0),
        Request::new("POST", "/length/").also("Transfer-Encoding", "chunked"),
    ];
    // An HTTP/1.0 request without Host.
    let mut bare = get("/no-host").version("HTTP/1.0");
    bare.fields.clear();
    all.push(bare);
    for size in [0, 9, 10, 11, 99, 100, 129, 130, 999, 1000, 1001, 5000] {
        all.push(Request::new("POST", "/upload/x").content(size));
        all.push(Request::new("PUT", "/upload/x").content(size).field("Content-Length", format!("00{size}")));
    }
    for path in PATHS {
        all.push(get(path));
        all.push(get(&format!("{path}?a=b&c")));
    }
    for query in QUERIES {
        all.extend([
            get(&format!("/q/{query}")),
            get(&format!("/q/empty{query}")),
            get(&format!("/q/none{query}")),
        ]);
    }
    for agent in AGENTS {
        for path in ["/", "/browser/", "/agent/none", "/agent/empty", "/agent/any", "/many"] {
            all.push(get(path).agent(agent));
        }
    }
    for agent in [long.as_str(), &long[1..], &format!("{long}x")] {
        all.push(get("/").agent(agent));
    }
    for octets in [
        b"\xfc\xfe]".as_slice(),
        b"\xc3\xbc\xc3\xbc]",
        b"first \xff second 123third",
        b"\xffword\xff",
        b"gr\xf6\xdfe",
        b"tab\there",
    ] {
        all.push(get("/").agent(octets));
    }
    for referer in REFERERS {
        all.extend([get("/").field("Referer", referer), get("/hot/").field("Referer", referer)]);
    }
    all.push(get("/hot/"));
    // Several lines of one field.
    all.push(get("/").agent("x").also("User-Agent", "QQ"));
    all.push(get("/").field("X-Token", "zz").also("X-Token", "abcd"));
    all.push(get("/").field("Cookie", "a=b").also("Cookie", "session=bad"));
    all
}

const PATHS: &[&str] = &[
    "/admin",
    "/admin/",
    "/adminx",
    "/Admin",
    "/%61dmin",
    "/%61%64%6Din",
    "//admin",
    "///admin//x",
    "/./admin",
    "/x/../admin",
    "/x/y/../../admin",
    "/x/%2e%2e/admin",
    "/x/%2E./admin",
    "/x%2f..%2fadmin",
    "/%2fadmin",
    "/admin%2fx",
    "/x/..//admin",
    "/admin/..",
    "/admin/../",
    "/x/admin",
    "/a%20b/%C3%BC+%25",
    "/a%20b/%c3%bc+%25",
    "/a+b/%C3%BC+%25",
    "/a%20b/%C3%BC+%2525",
    "/line%0aend",
    "/line%0Aend",
    "/line%0Dend",
    "/lineend",
    "/line%250Aend",
    "/.env",
    "/.git/config",
    "/x/.hidden",
    "/x/.",
    "/x/..",
    "/x/./y",
    "/wp-login.php",
    "/wp-login%2Ephp",
    "/wp-loginxphp",
    "/wp-admin",
    "/x'$;y",
    "/x%27%24%3By",
    "/x%2527",
    "/never%6",
    "/%ff%fe",
    "/%c3",
    "/%e2%80%ae",
    "/x%00y",
    "/x%7fy",
    "/x%3Fy",
    "/admin%3Fy",
    "/admin%23",
    "/%3Fadmin",
    "/x;y=z",
    "/late/open/../x",
    "/late/open/%2e%2e/x",
    "/a/b/c/../../../late/x",
    "/a/b/c/../../../../late/x",
    "/..",
    "/../admin",
    "/x/../../admin",
    "/ca/cacert.pem%0a",
    "/admin%0a",
    "/x/...",
    "/late/y/..",
    "/late/.",
    "/late/y/%2e%2E",
    "/late/y/z/../..",
    "/a/../late",
    "/x/..y",
    "/x/.y/../admin",
    "/[admin]",
    "/{admin}",
    "/x|y^z",
    "/*",
    "/x*",
    "/~x",
    "/x:y@z",
];

const QUERIES: &[&str] = &[
    "",
    "?",
    "?&",
    "?&&",
    "?=",
    "?=x",
    "?a=1&b=2",
    "?a&b",
    "?a=&b",
    "?&a=1&&b=2&",
    "?b=2&a=1",
    "?a=1&b=2&c=3",
    "?a=1",
    "?id=5",
    "?id",
    "?id=5?id=6",
    "?%61=1",
    "?%61",
    "?a",
    "?x.y=1&x.y=2",
    "?x.y&x.y",
    "?x%2Ey&x.y",
    "?a=1?b=2",
    "?1732431600",
    "?a=%26b=1&b",
    "?A=1&b=2",
    "?a=1;b=2",
];

const AGENTS: &[&str] = &[
    "",
    "x",
    "Mozilla/5.0 (X11)",
    "mozilla/5.0 (X11)",
    "Mozilla/5.0",
    "QQGameHall",
    r#"a"b'c\d$e%f`g{h}i#j"#,
    r#"a"b'c\d$e%f`g{h}i#"#,
    "}}{{%{x}${y}$z",
    "\"; } return 200; # x",
    "\"; } return 200;",
    "x\\",
    "\\",
    "x\\x",
    "die größe日本!",
    "die Größe日本",
    "one",
    "two",
    "three three",
    "three  three",
    "*",
    "~",
    "default",
    "0",
    "1",
    "-i",
    "\"",
    "a.b",
    "aXb",
    "one,two",
    "Bot/1.2",
    "spider 10.20.30\"",
    "spider 10.20.30'",
    "SPIDER/1\\",
    "bot/x",
    "bot/1.",
    "abot/1",
    "first x secondabcthird",
    "first x secondab\u{e9}third",
    "firstsecond\u{65e5}\u{672c}\u{8a9e}third",
    "first second abthird",
    "a word here",
    "swordfish",
    "word",
    "wordüx",
    "üü]",
    "üü[",
    "üü^",
    "üü\\",
    "üü-",
    "üüx",
    "curl/8.0",
    "${jndi:ldap://x}",
    "%{User-Agent}i",
    "$http_user_agent",
    "a\tb",
];

const REFERERS: &[&str] = &[
    "",
    "spam.example",
    "http://spam.example",
    "http://spam.example/",
    "https://SPAM.example:8080/x",
    "https://spam.example./x",
    "https://spam.example..:1",
    "https://user@spam.example/x",
    "https://user:pw@a.spam.example?x",
    "https://spam.example@good.example/",
    "https://good.example/spam.example",
    "https://good.example/?http://spam.example/",
    "https://notspam.example/",
    "https://a.spam.example#x",
    "https://the-CASINO.example/",
    "https://good.example/casino",
    "android-app://spam.example/",
    "1http://spam.example/",
    "http://",
    "http:///x",
    "://spam.example/",
    "http://.",
    "http:/spam.example/",
    "ftp+x.y-z://spam.example",
    "http://:80/",
    "http://@/",
    "http://x@/",
    "https://spam.example:80:90/",
];

/// Requests made from the conditions: matching, and one change away from it.
pub(crate) fn from_rules(rules: &[Rule], random: &mut Random) -> Vec<Request> {
    let mut all = Vec::new();
    for rule in rules {
        for change in 0..CHANGES {
            let mut request = Request::get("/some/path");
            for condition in &rule.conditions {
                if let Some(text) = texts(condition, random) {
                    let text = changed(&text, change, random);
                    request = with(request, &condition.fact, &text);
                }
            }
            all.push(request);
        }
    }
    all
}

const CHANGES: usize = 7;

/// A text that passes, as far as it can be told.
fn texts(condition: &Condition, random: &mut Random) -> Option<String> {
    match &condition.test {
        Test::Exact(text) | Test::Prefix(text) | Test::Suffix(text) | Test::Contains(text) => {
            Some(text.clone())
        }
        Test::OneOf(texts) => Some(random.pick(texts)),
        // Those made at random are one text, escaped.
        Test::Regex(text) => Some(unescaped(text)),
        _ => None,
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\\x{") {
        out.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}') else { break };
        let digits = &rest[at + 3..at + end];
        out.extend(u32::from_str_radix(digits, 16).ok().and_then(char::from_u32));
        rest = &rest[at + end + 1..];
    }
    out.push_str(rest);
    out
}

fn changed(text: &str, change: usize, random: &mut Random) -> String {
    match change {
        0 | 1 => text.to_owned(),
        2 => format!("{text}q"),
        3 => format!("/q{text}"),
        4 => text.to_uppercase(),
        5 => text.chars().rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect(),
        _ => {
            let mut chars: Vec<char> = text.chars().collect();
            let at = random.below(chars.len().max(1));
            if let Some(c) = chars.get_mut(at) {
                *c = if *c == '.' { '-' } else { '.' };
            }
            chars.into_iter().collect()
        }
    }
}

fn with(mut request: Request, fact: &Fact, text: &str) -> Request {
    match fact {
        Fact::Path => {
            let mut target = String::new();
            for octet in text.trim_start_matches('/').bytes() {
                match octet {
                    b'a'..=b'y'
                    | b'A'..=b'Z'
                    | b'/'
                    | b'$'
                    | b';'
                    | b'\''
                    | b'('
                    | b'*'
                    | b'+'
                    | b'['
                    | b'{'
                    | b'|'
                    | b'~'
                    | b'.' => target.push(char::from(octet)),
                    octet => target.push_str(&format!("%{octet:02x}")),
                }
            }
            request.target = format!("/{target}");
            request
        }
        Fact::UserAgent => request.agent(text),
        Fact::Field(name) => request.field(name.as_str(), text),
        Fact::Method => {
            text.clone_into(&mut request.method);
            request
        }
        _ => request,
    }
}
