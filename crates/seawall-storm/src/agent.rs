//! The product that a `User-Agent` field names (RFC 9110 §10.1.5): the token that tells what sends it.
//!
//! Programs name themselves first: `QQGameHall/5.1`, `curl/8.5.0`. What begins with `Mozilla/` is a browser or wants
//! to be served as one, and names itself later: crawlers in a comment after `compatible;`, browsers among the
//! products, of which most are there for compatibility alone.
//!
//! A product stands in the field as a word, so a rule can look for that word ([`holds_word`]). The rule matches what
//! names the product anywhere, which can be more than the fact does (`Chrome` stands in most browsers' agents), so
//! what a signature with a product matches is told by the word too ([`crate::signature::Matcher`]).

use memchr::memmem::Finder;

/// The product, without its version. `None` if the field names none.
pub fn product(agent: &str) -> Option<&str> {
    let first = token_at(agent.trim_ascii_start());
    match first {
        "" => None,
        "Mozilla" => Some(compatible(agent).unwrap_or_else(|| of_browser(agent))),
        first => Some(first),
    }
}

/// Whether the word stands in the field: no octet of a token (RFC 9110 §5.6.2) right before it, nor right after.
/// It is what the rule of [`crate::FactKind::AgentProduct`] asks.
pub fn holds_word(agent: &[u8], word: &str) -> bool {
    Word::new(word).is_in(agent)
}

/// A word made ready to be looked for in many fields, as [`holds_word`] does.
#[derive(Clone, Debug)]
pub(crate) struct Word(Finder<'static>);

impl Word {
    pub(crate) fn new(word: &str) -> Self {
        Self(Finder::new(word).into_owned())
    }

    pub(crate) fn is_in(&self, agent: &[u8]) -> bool {
        self.0.find_iter(agent).any(|at| {
            let before = at.checked_sub(1).and_then(|before| agent.get(before));
            let after = agent.get(at + self.0.needle().len());
            !before.is_some_and(is_token_octet) && !after.is_some_and(is_token_octet)
        })
    }
}

/// What stands after `compatible;`, as in `Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)`.
fn compatible(agent: &str) -> Option<&str> {
    const MARK: &str = "compatible;";
    let after = &agent[agent.find(MARK)? + MARK.len()..];
    Some(token_at(after.trim_ascii_start())).filter(|token| !token.is_empty())
}

/// The last product outside comments that is not there for compatibility; else the best known of those that are.
fn of_browser(agent: &str) -> &str {
    const FOR_COMPATIBILITY: [&str; 6] = ["Mozilla", "AppleWebKit", "KHTML", "Gecko", "Version", "Mobile"];
    let (mut named, mut fallback) = (None, "Mozilla");
    let mut depth = 0usize;
    for word in agent.split(' ') {
        let begins = token_at(word);
        if depth == 0 && !begins.is_empty() {
            match begins {
                "Chrome" => fallback = begins,
                "Safari" if fallback == "Mozilla" => fallback = begins,
                "Safari" => {}
                _ if FOR_COMPATIBILITY.contains(&begins) => {}
                _ => named = Some(begins),
            }
        }
        for byte in word.bytes() {
            match byte {
                b'(' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
    named.unwrap_or(fallback)
}

/// The token that the text begins with; empty if it does not begin with one.
fn token_at(text: &str) -> &str {
    let end = text.bytes().position(|byte| !is_token_octet(&byte)).unwrap_or(text.len());
    &text[..end]
}

const fn is_token_octet(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+'
        | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn product_tells_what_sends_it() {
        for (agent, expected) in [
            ("QQGameHall/5.1", Some("QQGameHall")),
            ("curl/8.5.0", Some("curl")),
            ("curl", Some("curl")),
            (" Wget 1.21", Some("Wget")),
            ("python-requests/2.31 (x)", Some("python-requests")),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Some("Googlebot")),
            (
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://x)",
                Some("GPTBot"),
            ),
            ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)", Some("MSIE")),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", Some("Firefox")),
            (
                "Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
                Some("Chrome"),
            ),
            (
                "Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edg/120.0",
                Some("Edg"),
            ),
            (
                "Mozilla/5.0 (Mac (x)) AppleWebKit/605 (KHTML, like Gecko) Version/17.1 Safari/605.1",
                Some("Safari"),
            ),
            (
                "Mozilla/5.0 (Linux) AppleWebKit/537 (KHTML, like Gecko) SamsungBrowser/23 Chrome/115 Mobile Safari/537",
                Some("SamsungBrowser"),
            ),
            ("Mozilla/5.0", Some("Mozilla")),
            ("", None),
            ("() { :;}; echo", None),
        ] {
            assert_eq!(product(agent), expected, "{agent}");
        }
    }

    proptest! {
        #[test]
        fn product_stands_as_a_word(agent in "(Mozilla/5.0 )?[ -~é]{0,40}( \\(compatible; [a-zA-Z/]{0,8})?") {
            if let Some(product) = product(&agent) {
                prop_assert!(holds_word(agent.as_bytes(), product));
            }
        }
    }
}
