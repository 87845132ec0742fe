//! Which representation of a refusal the client wants (RFC 9110 §12.5.1).
//!
//! Of the three, the one with the greatest weight; among equals the one named most exactly; among those the one
//! named first, which RFC 9110 leaves open and senders mean. Without the field, with a malformed one, or when
//! nothing offered is acceptable: plain text, which everybody can read. Media type parameters but `q` are ignored.

/// How a refusal is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
pub enum Representation {
    /// `text/plain`, for terminals and everything that does not say.
    #[default]
    Text,
    /// `text/html`, for browsers.
    Html,
    /// `application/problem+json` (RFC 9457), for programs.
    Problem,
}

/// How well a media range fits a representation; greater is better.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
enum Fit {
    Anything,
    Type,
    Exact,
}

/// What the ranges seen so far say about one representation.
#[derive(Clone, Copy)]
struct Offer {
    representation: Representation,
    fit: Fit,
    /// In thousandths.
    weight: u16,
    /// Where it was named.
    place: usize,
}

impl Representation {
    /// All of them, in the order of preference among equals.
    pub const ALL: [Self; 3] = [Self::Text, Self::Html, Self::Problem];

    /// The value of `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Problem => "application/problem+json",
        }
    }

    /// What the `Accept` field asks for; several lines are joined by `, ` beforehand.
    pub fn choose(accept: Option<&[u8]>) -> Self {
        let Some(accept) = accept else { return Self::default() };
        let mut best: Option<Offer> = None;
        for representation in Self::ALL {
            let Some(offer) = representation.weigh(accept) else { continue };
            if best.is_none_or(|best| offer.beats(&best)) {
                best = Some(offer);
            }
        }
        best.map_or(Self::default(), |best| best.representation)
    }

    /// The most exact range decides (RFC 9110 §12.5.1), whatever its weight.
    fn weigh(self, accept: &[u8]) -> Option<Offer> {
        let mut offer: Option<Offer> = None;
        for (place, range) in split_unquoted(accept, b',').enumerate() {
            let mut parts = split_unquoted(range, b';');
            let Some(fit) = parts.next().and_then(|range| self.fit(range.trim_ascii())) else { continue };
            if offer.is_some_and(|offer| offer.fit >= fit) {
                continue;
            }
            let Some(weight) = weight(parts) else { continue };
            offer = Some(Offer { representation: self, fit, weight, place });
        }
        offer.filter(|offer| offer.weight > 0)
    }

    fn fit(self, range: &[u8]) -> Option<Fit> {
        let is = |name: &str| range.eq_ignore_ascii_case(name.as_bytes());
        let (exact, kind) = match self {
            Self::Text => (is("text/plain"), is("text/*")),
            Self::Html => (is("text/html") || is("application/xhtml+xml"), is("text/*")),
            // Who reads JSON reads a problem document; RFC 9457 §3 expects it of generic JSON software.
            Self::Problem => (is("application/problem+json") || is("application/json"), is("application/*")),
        };
        if exact {
            Some(Fit::Exact)
        } else if kind {
            Some(Fit::Type)
        } else {
            is("*/*").then_some(Fit::Anything)
        }
    }
}

impl Offer {
    fn beats(&self, other: &Self) -> bool {
        (self.weight, self.fit, other.place) > (other.weight, other.fit, self.place)
    }
}

/// The `q` parameter in thousandths, 1000 without one; `None` when it is malformed (RFC 9110 §12.4.2).
fn weight<'a>(parameters: impl Iterator<Item = &'a [u8]>) -> Option<u16> {
    for parameter in parameters {
        if let [b'q' | b'Q', b'=', value @ ..] = parameter.trim_ascii() {
            return thousandths(value);
        }
    }
    Some(1000)
}

fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match value {
        [whole] | [whole, b'.'] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    let mut sum = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    for (digit, scale) in fraction.iter().zip([100, 10, 1]) {
        sum += u16::from(char::from(*digit).to_digit(10)? as u8) * scale;
    }
    (sum <= 1000).then_some(sum)
}

/// Splits at a separator outside quoted strings (RFC 9110 §5.6.4).
fn split_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |&octet| {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => return octet == separator && !quoted,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::Representation::{Html, Problem, Text};
    use super::*;

    #[track_caller]
    fn check(accept: &str, expected: Representation) {
        assert_eq!(Representation::choose(Some(accept.as_bytes())), expected, "{accept}");
    }

    #[test]
    fn what_common_clients_send_gets_what_they_show() {
        assert_eq!(Representation::choose(None), Text);
        check("*/*", Text); // curl, fetch()
        check("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", Html);
        check(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
            Html,
        );
        check("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", Text);
        check("application/json, text/plain, */*", Problem); // axios
        check("application/json", Problem);
        check("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", Html); // Java
    }

    #[test]
    fn the_greatest_weight_wins() {
        check("text/html;q=0.5, application/problem+json;q=0.6", Problem);
        check("text/html;q=0.9, text/plain", Text);
        check("text/plain;q=0.1, text/html ; Q=0.2", Html);
        check("text/plain;q=0.123, text/html;q=0.124", Html);
    }

    #[test]
    fn the_most_exact_range_sets_the_weight() {
        check("text/*, text/plain;q=0", Html);
        check("text/plain;q=0.1, */*;q=0.5, text/*;q=0.3, application/problem+json;q=0.2", Html);
        check("*/*, text/html", Html);
        check("application/*", Problem);
    }

    #[test]
    fn nothing_acceptable_and_malformed_fields_get_text() {
        check("image/png", Text);
        check("text/html;q=0, application/json;q=0", Text);
        check("text/html;q=2, application/json;q=0.1234", Text);
        check("text/html;q=", Text);
        check("", Text);
        check(",;,;;\"", Text);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_choose_something_that_they_name(accept in "[a-z*/;=,q.0-9\"\\\\ ]{0,60}|.*") {
            crate::render::check_accept(accept.as_bytes());
        }
    }

    #[test]
    fn quoted_parameters_hide_their_commas() {
        check(r#"text/html;a="x,application/json;q=1,";q=0.5, text/plain;q=0.1"#, Html);
        check(r#"text/html;a="\",";q=0.1, text/plain;q=0.5"#, Text);
    }
}
