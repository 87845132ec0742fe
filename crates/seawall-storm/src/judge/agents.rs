//! Agents that are known by name: search engines, and programs that people fetch files with.

/// Search engines' crawlers, by the word in their agent. Those that crawl for an index which sends readers, and say how
/// they are to be recognised; not those that scrape, count links or feed models.
const SEARCH_ENGINES: [&str; 19] = [
    "Googlebot",
    "bingbot",
    "YandexBot",
    "Baiduspider",
    "DuckDuckBot",
    "Applebot",
    "Yahoo! Slurp",
    "SeznamBot",
    "PetalBot",
    "Sogou web spider",
    "Yeti/",
    "Qwantify",
    "Qwantbot",
    "MojeekBot",
    "coccocbot",
    "YisouSpider",
    "360Spider",
    "archive.org_bot",
    "Google-InspectionTool",
];

/// Programs that people, build machines and package managers fetch files with, by how their agent begins.
const DOWNLOADERS: [&str; 46] = [
    "curl/",
    "Wget/",
    "Wget2/",
    "aria2/",
    "Axel/",
    "libcurl/",
    "lftp/",
    "fetch libfetch/",
    "libfetch/",
    "Debian APT-",
    "apt-cacher",
    "dnf/",
    "libdnf",
    "yum/",
    "urlgrabber/",
    "ZYpp ",
    "pacman/",
    "Homebrew/",
    "MacPorts/",
    "pip/",
    "uv/",
    "poetry/",
    "conda/",
    "mamba/",
    "npm/",
    "pnpm/",
    "yarn/",
    "bun/",
    "node",
    "cargo/",
    "cargo ",
    "Go-http-client/",
    "go-get/",
    "GoModuleMirror",
    "Apache-Maven/",
    "Gradle/",
    "Composer/",
    "RubyGems/",
    "Bundler/",
    "git/",
    "Ansible",
    "python-requests/",
    "Python-urllib/",
    "PowerShell",
    "Nix/",
    "vcpkg/",
];

/// The search engine that an agent says it is.
pub(crate) fn search_engine(agent: &str) -> Option<&'static str> {
    SEARCH_ENGINES.into_iter().find(|name| agent.contains(name)).map(|name| name.trim_end_matches('/'))
}

/// Whether the agent is a program that people fetch files with.
pub(crate) fn is_downloader(agent: &str) -> bool {
    DOWNLOADERS.iter().any(|begin| agent.starts_with(begin)) || agent.contains("WindowsPowerShell")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_known_by_name() {
        for (agent, expected) in [
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Some("Googlebot")),
            (
                "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
                Some("Yahoo! Slurp"),
            ),
            ("Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)", Some("Yeti")),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", None),
            ("curl/8.5.0", None),
        ] {
            assert_eq!(search_engine(agent), expected, "{agent}");
        }
        assert!(is_downloader("curl/8.5.0") && is_downloader("Debian APT-HTTP/1.3 (2.4.9)"));
        assert!(!is_downloader("QQGameHall") && !is_downloader("Mozilla/5.0 curl/8"));
    }
}
