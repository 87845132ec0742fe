//! Who visits: browsers with a realistic spread of versions, crawlers, feed readers, tools, by their agent strings.

use std::sync::Arc;

use crate::headers::Software;
use crate::rng::{Rng, Weights};

/// One program at one version.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The `User-Agent` field.
    pub text: Arc<str>,
    /// What sends it.
    pub software: Software,
    /// Which build, as far as TLS shows it.
    pub variant: u8,
}

/// Browsers by their share. The strings are made once, so that equal ones share their memory.
#[derive(Debug)]
pub struct Browsers {
    agents: Vec<Agent>,
    weights: Weights,
}

impl Browsers {
    /// The spread of late 2024 by public statistics (desktop and mobile, current versions first and a long tail), with
    /// `rng` deciding how far the site's readers lag behind.
    pub fn new(rng: &mut Rng) -> Self {
        let lag = rng.between(0.45, 0.65);
        let (mut agents, mut shares) = (Vec::new(), Vec::new());
        for family in FAMILIES {
            for age in 0..family.versions {
                let version = family.newest - age * family.step;
                // Most run the newest version, then fewer and fewer; the last stands for everything older.
                let share = family.share * lag * (1.0_f64 - lag).powi(i32::try_from(age).unwrap_or(0));
                for (at, system) in family.systems.iter().enumerate() {
                    let text = family.pattern.replace("{v}", &version.to_string()).replace("{s}", system);
                    let variant = u8::try_from(age / 4).unwrap_or(0);
                    agents.push(Agent { text: text.into(), software: family.software, variant });
                    shares.push(share / (at + 1) as f64);
                }
            }
        }
        Self { agents, weights: Weights::new(shares) }
    }

    /// Those of a log, by how often each is seen.
    pub fn of_counts(counts: &[(Arc<str>, usize)]) -> Self {
        let agent = |(text, _): &(Arc<str>, usize)| Agent {
            text: Arc::clone(text),
            software: Software::OldBrowser,
            variant: 0,
        };
        let weights = Weights::new(counts.iter().map(|(_, count)| *count as f64));
        Self { agents: counts.iter().map(agent).collect(), weights }
    }

    /// A reader's browser.
    pub fn draw(&self, rng: &mut Rng) -> &Agent {
        &self.agents[self.weights.draw(rng)]
    }

    /// The most common one.
    pub fn first(&self) -> &Agent {
        &self.agents[0]
    }

    /// All of them.
    pub fn all(&self) -> &[Agent] {
        &self.agents
    }
}

struct Family {
    share: f64,
    software: Software,
    newest: u32,
    versions: u32,
    step: u32,
    pattern: &'static str,
    systems: &'static [&'static str],
}

const DESKTOPS: &[&str] =
    &["Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64"];
const IPHONES: &[&str] = &["18_1_1", "18_1", "17_6_1", "17_5_1", "16_7_10", "15_8_3"];
const PHONES: &[&str] = &["K", "SM-S911B", "Pixel 8", "22101316G", "SM-A546E", "M2101K6G", "CPH2449"];

const FAMILIES: &[Family] = &[
    Family {
        share: 30.0,
        software: Software::Chrome,
        newest: 131,
        versions: 24,
        step: 1,
        pattern: "Mozilla/5.0 ({s}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36",
        systems: DESKTOPS,
    },
    Family {
        share: 25.0,
        software: Software::ChromeMobile,
        newest: 131,
        versions: 20,
        step: 1,
        pattern: "Mozilla/5.0 (Linux; Android 10; {s}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Mobile Safari/537.36",
        systems: PHONES,
    },
    Family {
        share: 22.0,
        software: Software::Safari,
        newest: 18,
        versions: 4,
        step: 1,
        pattern: "Mozilla/5.0 (iPhone; CPU iPhone OS {s} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{v}.1 Mobile/15E148 Safari/604.1",
        systems: IPHONES,
    },
    Family {
        share: 6.0,
        software: Software::Safari,
        newest: 18,
        versions: 4,
        step: 1,
        pattern: "Mozilla/5.0 (Macintosh; Intel Mac OS X {s}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{v}.1 Safari/605.1.15",
        systems: &["10_15_7"],
    },
    Family {
        share: 6.0,
        software: Software::Firefox,
        newest: 133,
        versions: 20,
        step: 1,
        pattern: "Mozilla/5.0 ({s}; rv:{v}.0) Gecko/20100101 Firefox/{v}.0",
        systems: &[
            "Windows NT 10.0; Win64; x64",
            "X11; Linux x86_64",
            "X11; Ubuntu; Linux x86_64",
            "Macintosh; Intel Mac OS X 10.15",
        ],
    },
    Family {
        share: 5.0,
        software: Software::Chrome,
        newest: 131,
        versions: 12,
        step: 1,
        pattern: "Mozilla/5.0 ({s}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36 Edg/{v}.0.0.0",
        systems: DESKTOPS,
    },
    Family {
        share: 2.5,
        software: Software::ChromeMobile,
        newest: 27,
        versions: 6,
        step: 1,
        pattern: "Mozilla/5.0 (Linux; Android 10; {s}) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/{v}.0 Chrome/125.0.0.0 Mobile Safari/537.36",
        systems: PHONES,
    },
    Family {
        share: 1.5,
        software: Software::Safari,
        newest: 485,
        versions: 12,
        step: 2,
        pattern: "Mozilla/5.0 (iPhone; CPU iPhone OS {s} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/{v}.0.0.32.115]",
        systems: IPHONES,
    },
    Family {
        share: 1.0,
        software: Software::Chrome,
        newest: 114,
        versions: 6,
        step: 1,
        pattern: "Mozilla/5.0 ({s}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36 OPR/100.0.0.0",
        systems: DESKTOPS,
    },
    Family {
        share: 0.7,
        software: Software::OldBrowser,
        newest: 11,
        versions: 4,
        step: 1,
        pattern: "Mozilla/5.0 ({s}; Trident/7.0; rv:{v}.0) like Gecko",
        systems: &["Windows NT 6.1; WOW64", "Windows NT 10.0; WOW64", "Windows NT 6.3; Win64; x64"],
    },
];

/// A crawler: its agent, its share among crawlers, a network that it lives in, and how many addresses it uses there.
#[derive(Clone, Copy, Debug)]
pub struct Robot {
    /// The agent.
    pub agent: &'static str,
    /// Among its kind.
    pub share: f64,
    /// The first three octets of its network.
    pub network: [u8; 3],
    /// Addresses there.
    pub addresses: u8,
}

/// Crawlers of search engines and others, by what sites see of them.
pub const CRAWLERS: &[Robot] = &[
    Robot {
        agent: "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.6723.116 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        share: 26.0,
        network: [66, 249, 66],
        addresses: 40,
    },
    Robot {
        agent: "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        share: 6.0,
        network: [66, 249, 66],
        addresses: 40,
    },
    Robot {
        agent: "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
        share: 18.0,
        network: [40, 77, 167],
        addresses: 60,
    },
    Robot {
        agent: "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
        share: 12.0,
        network: [54, 36, 148],
        addresses: 120,
    },
    Robot {
        agent: "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
        share: 10.0,
        network: [185, 191, 171],
        addresses: 20,
    },
    Robot {
        agent: "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        share: 7.0,
        network: [52, 230, 152],
        addresses: 30,
    },
    Robot {
        agent: "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
        share: 5.0,
        network: [3, 144, 10],
        addresses: 30,
    },
    Robot {
        agent: "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
        share: 5.0,
        network: [5, 255, 231],
        addresses: 40,
    },
    Robot {
        agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
        share: 4.0,
        network: [17, 241, 75],
        addresses: 30,
    },
    Robot {
        agent: "Mozilla/5.0 (compatible; MJ12bot/v1.4.8; http://mj12bot.com/)",
        share: 3.0,
        network: [95, 91, 8],
        addresses: 5,
    },
    Robot {
        agent: "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
        share: 2.0,
        network: [20, 191, 45],
        addresses: 5,
    },
    Robot {
        agent: "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        share: 2.0,
        network: [69, 171, 249],
        addresses: 60,
    },
];

/// Feed readers that poll from many people's own machines or for many of them at once.
pub const FEED_READERS: &[&str] = &[
    "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 182 subscribers; like FeedFetcher-Google)",
    "FreshRSS/1.24.3 (Linux; https://freshrss.org)",
    "Tiny Tiny RSS/23.05 (https://tt-rss.org/)",
    "NewsBlur Feed Fetcher - 34 subscribers - https://www.newsblur.com",
    "Miniflux/2.2.3; (+https://miniflux.app)",
    "NetNewsWire (RSS Reader; https://netnewswire.com/)",
    "Inoreader/1.0 (+http://www.inoreader.com/feed-fetcher; 51 subscribers; )",
    "Thunderbird/128.4.3",
    "Newsboat/2.33 (Linux x86_64)",
    "Reeder/5050100 CFNetwork/1568.200.51 Darwin/24.1.0",
];

/// Programs that people and scripts fetch single files with.
pub const TOOLS: &[(&str, Software)] = &[
    ("curl/8.5.0", Software::Curl),
    ("curl/7.88.1", Software::Curl),
    ("curl/7.81.0", Software::Curl),
    ("curl/8.11.0", Software::Curl),
    ("Wget/1.21.4", Software::Wget),
    ("Wget/1.21.2", Software::Wget),
    ("python-requests/2.32.3", Software::Python),
    ("python-requests/2.31.0", Software::Python),
    ("Go-http-client/2.0", Software::Go),
    ("okhttp/4.12.0", Software::OkHttp),
    ("node", Software::Node),
    ("Java/17.0.12", Software::Java),
];
