//! The story's storm, told.

use seawall_report::{
    Account, Action, Bound, Collateral, Costs, Effect, Interval, Network, Point, Top, TopValue, Week, Zone,
    document, html, markdown, note,
};

const DAY: u64 = 86_400;
const ONSET: u64 = 1_790_000_000;

fn costs(requests: f64) -> Costs {
    Costs {
        requests,
        bytes: requests * 225_000.0,
        origin_bytes: requests * 225_000.0,
        origin_seconds: requests * 0.004,
    }
}

fn value(value: &str, share: f64) -> TopValue {
    TopValue { value: Some(String::from(value)), share }
}

fn story() -> Account {
    let hours = 0..9 * 24;
    let curve = hours
        .filter(|hour| !(100..106).contains(hour))
        .map(|hour| {
            let angle = f64::from(hour as u32 % 24) / 24.0 * std::f64::consts::TAU;
            let requests = ((27.0 + 20.0 * angle.sin()) * 3_600.0).round();
            let passed = if hour > 30 { 0.0 } else { requests };
            let cost = Costs {
                requests,
                bytes: passed * 225_000.0,
                origin_bytes: passed * 225_000.0,
                origin_seconds: passed,
            };
            let refused = requests - passed;
            Point { at: ONSET + hour * 3_600, seconds: 3_600, cost, refused }
        })
        .collect();
    Account {
        id: String::from("s4KQ7ZP"),
        site: String::from("curl.example"),
        made: ONSET + 9 * DAY,
        program: String::from("seawall 0.1.0"),
        nature: String::from("storm"),
        signature: vec![
            String::from("method = POST"),
            String::from("path = /ca/cacert.pem"),
            String::from("user-agent = QQGameHall"),
        ],
        described: vec![
            String::from("method = POST"),
            String::from("path = /ca/cacert.pem"),
            String::from("user-agent = QQGameHall"),
            String::from("protocol = HTTP/1.1"),
            String::from("referer absent"),
        ],
        phase: String::from("steady"),
        onset: ONSET,
        named: ONSET + 4,
        last: ONSET + 9 * DAY,
        rate: costs(27.0),
        peak: costs(52.0),
        total: costs(16_512_004.0),
        usual: Some(costs(31.0)),
        clients: Bound { value: 412_000.0, upper: 431_000.0 },
        curve,
        tops: vec![
            Top { fact: String::from("user-agent"), values: vec![value("QQGameHall", 1.0)] },
            Top {
                fact: String::from("header-shape"),
                values: vec![value("1:5:9f3a0c77d1", 0.97), TopValue { value: None, share: 0.03 }],
            },
            Top {
                fact: String::from("path"),
                values: vec![value("/ca/<script>alert(1)</script>|`x`", 0.0002)],
            },
        ],
        networks: vec![Network { network: String::from("198.51.100.0/24"), share: 0.021, clients: 84 }],
        least_clients: 10,
        zone: Some(Zone { offset_hours: 8, uncertainty_hours: 1, days: 9 }),
        week: Some(Week {
            rest: String::from("Saturday and Sunday"),
            ratio: 1.22,
            holidays: vec![ONSET + 2 * DAY],
        }),
        interval: Some(Interval { seconds: 3_600.0, share: 0.91, gaps: 8_211 }),
        collateral: Some(Collateral {
            requests: Bound { value: 0.0, upper: 0.000_36 },
            clients: Bound { value: 0.0, upper: 0.0006 },
            sample: 8_192,
        }),
        rule: Some(String::from(
            "[[rule]]\nname   = \"storm-qqgamehall-cacert\"\nmatch  = { method = \"POST\", path = \"/ca/cacert.pem\", user-agent = \"QQGameHall\" }\naction = \"deny\"",
        )),
        reasons: vec![String::from("Nothing else in three days of traffic matches it.")],
        actions: vec![Action {
            at: ONSET + 30 * 3_600,
            what: String::from("rule storm-qqgamehall-cacert was accepted and enforced"),
        }],
        effect: Some(Effect {
            before: costs(27.0),
            after: Costs { requests: 27.0, bytes: 12_555.0, ..Costs::default() },
        }),
        unknown: vec![
            String::from("What the requests contained: no evidence was opened."),
            String::from("Which TLS library they use: they came through a CDN that does not say."),
        ],
    }
}

#[test]
fn markdown_tells_the_story() {
    insta::assert_snapshot!(markdown(&document(&story())));
}

#[test]
fn a_note_asks_the_maker() {
    insta::assert_snapshot!(note(&story()));
}

#[test]
fn html_needs_nothing_else_and_quotes_what_strangers_chose() {
    let page = html(&document(&story()));
    assert!(!page.contains("<script") && !page.contains("http://curl") && !page.contains("src="), "{page}");
    // The namespace of SVG is a name, not an address.
    assert_eq!(
        page.matches("http").count(),
        page.matches("http-equiv").count() + page.matches("http://www.w3.org/2000/svg").count()
    );
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;|`x`"));
    if let Some(path) = std::env::var_os("WRITE_REPORT") {
        std::fs::write(path, page).unwrap();
    }
}

#[test]
fn an_account_travels() {
    let json = serde_json::to_value(story()).unwrap();
    let back: Account = serde_json::from_value(json).unwrap();
    assert_eq!(back, story());
}
