//! Which content coding a request prefers (RFC 9110 §12.5.3).

/// A content coding that Seawall can choose.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Coding {
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
    /// RFC 9110 §8.4.1.3.
    Gzip,
}

/// How much a request wants each coding, in thousandths; 0 is not at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Preference {
    codings: [u16; 3],
    identity: u16,
    refuses_identity: bool,
}

impl Coding {
    /// Those looked for, the one that compresses best first.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// The token of `Content-Encoding`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

impl Preference {
    /// Reads the lines of `Accept-Encoding`. Without one no coding is wanted: a client that does not say that it decodes mostly
    /// does not.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut listed, mut any, mut identity) = ([None; 3], None, None);
        let elements = lines.into_iter().flat_map(|line| line.split(|&byte| byte == b','));
        for element in elements.take(ELEMENTS_MAX) {
            let (name, weight) = match element.iter().position(|&byte| byte == b';') {
                Some(at) => (&element[..at], quality(&element[at + 1..])),
                None => (element, Some(1000)),
            };
            let Some(weight) = weight else { continue };
            match name.trim_ascii() {
                name if name.eq_ignore_ascii_case(b"br") => listed[0] = Some(weight),
                name if name.eq_ignore_ascii_case(b"zstd") => listed[1] = Some(weight),
                name if name.eq_ignore_ascii_case(b"gzip") => listed[2] = Some(weight),
                // §8.4.1.3: the old name means the same.
                name if name.eq_ignore_ascii_case(b"x-gzip") => listed[2] = listed[2].or(Some(weight)),
                name if name.eq_ignore_ascii_case(b"identity") => identity = Some(weight),
                b"*" => any = Some(weight),
                _ => {}
            }
        }
        Self {
            codings: listed.map(|weight| weight.or(any).unwrap_or(0)),
            // Unless told otherwise the identity is fine, but any coding asked for is better.
            identity: identity.unwrap_or(0),
            refuses_identity: identity.or(any) == Some(0),
        }
    }

    /// One `Accept-Encoding` for all that take the same codings, without weights, `identity` for none of them; `None` for a
    /// request that refuses the identity, for which no list of codings stands.
    pub fn canonical(&self) -> Option<&'static str> {
        let takes = |coding| self.of(coding).is_some();
        let list = match Coding::ALL.map(takes) {
            [true, true, true] => "br, zstd, gzip",
            [true, true, false] => "br, zstd",
            [true, false, true] => "br, gzip",
            [true, false, false] => "br",
            [false, true, true] => "zstd, gzip",
            [false, true, false] => "zstd",
            [false, false, true] => "gzip",
            [false, false, false] => "identity",
        };
        (!self.refuses_identity).then_some(list)
    }

    /// How much the request wants a coding; `None` if less than no coding, or not at all.
    pub fn of(&self, coding: Coding) -> Option<u16> {
        let weight = match coding {
            Coding::Brotli => self.codings[0],
            Coding::Zstd => self.codings[1],
            Coding::Gzip => self.codings[2],
        };
        (weight > 0 && weight >= self.identity).then_some(weight)
    }

    /// The coding wanted most; of those wanted as much, the first. `None` for none of them, which is also right where
    /// nothing would be acceptable (§12.5.3).
    pub fn best_of(&self, codings: &[Coding]) -> Option<Coding> {
        let wanted = codings.iter().rev().filter_map(|coding| Some((self.of(*coding)?, *coding)));
        wanted.max_by_key(|(weight, _)| *weight).map(|(_, coding)| coding)
    }
}

/// `q=0.5` to 500; what is not a weight (§12.4.2) makes the element count for nothing.
fn quality(parameter: &[u8]) -> Option<u16> {
    let parameter = parameter.trim_ascii();
    let value = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, fraction) = match value {
        [whole] => (*whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (*whole, fraction),
        _ => return None,
    };
    if !matches!(whole, b'0' | b'1') || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |index: usize| fraction.get(index).map_or(0, |digit| u16::from(digit - b'0'));
    let weight = u16::from(whole - b'0') * 1000 + digit(0) * 100 + digit(1) * 10 + digit(2);
    (weight <= 1000).then_some(weight)
}

/// Far more codings than are registered.
const ELEMENTS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&str], expected: [Option<u16>; 3]) {
        let preference = Preference::parse(lines.iter().map(|line| line.as_bytes()));
        assert_eq!(Coding::ALL.map(|coding| preference.of(coding)), expected, "{lines:?}");
    }

    #[test]
    fn codings_are_weighed() {
        check(&[], [None, None, None]);
        check(&[""], [None, None, None]);
        check(&["gzip"], [None, None, Some(1000)]);
        check(&["gzip, deflate, br, zstd"], [Some(1000), Some(1000), Some(1000)]);
        check(&["GZip;Q=0.5 , br ; q=0.8"], [Some(800), None, Some(500)]);
        check(&["gzip", "br"], [Some(1000), None, Some(1000)]);
        check(&["x-gzip"], [None, None, Some(1000)]);
        check(&["*"], [Some(1000), Some(1000), Some(1000)]);
        check(&["*;q=0.1, br;q=0"], [None, Some(100), Some(100)]);
        check(&["br;q=0.001"], [Some(1), None, None]);
    }

    #[test]
    fn identity_wins_where_it_is_wanted_more() {
        check(&["identity, gzip;q=0.5"], [None, None, None]);
        check(&["identity;q=0.5, gzip"], [None, None, Some(1000)]);
        check(&["identity;q=0, gzip;q=0.1"], [None, None, Some(100)]);
        check(&["identity;q=1, gzip;q=1"], [None, None, Some(1000)]);
    }

    #[test]
    fn spellings_of_the_same_codings_have_one_canonical_list() {
        let canonical = |line: &str| Preference::parse([line.as_bytes()]).canonical();
        for (line, expected) in [
            ("gzip, deflate, br, zstd", "br, zstd, gzip"),
            ("zstd;q=0.9,br;q=0.8, GZIP;q=0.1", "br, zstd, gzip"),
            ("*", "br, zstd, gzip"),
            ("*;q=0.5, br;q=0", "zstd, gzip"),
            ("gzip, deflate", "gzip"),
            ("x-gzip", "gzip"),
            ("deflate", "identity"),
            ("", "identity"),
            ("identity;q=1, *;q=0", "identity"),
            ("identity, gzip;q=0.5", "identity"),
        ] {
            assert_eq!(canonical(line), Some(expected), "{line}");
            assert_eq!(canonical(expected), Some(expected), "of {expected}");
        }
        for line in ["identity;q=0", "gzip, *;q=0", "gzip, identity;q=0.0"] {
            assert_eq!(canonical(line), None, "{line}");
        }
    }

    #[test]
    fn an_element_with_a_broken_weight_counts_for_nothing() {
        for line in
            ["br;q=2", "br;q=1.001", "br;q=0.1234", "br;q=", "br;q=.5", "br;x=1", "br;q=0.5;x", "br;q=-1"]
        {
            check(&[line], [None, None, None]);
        }
    }

    #[test]
    fn best_is_the_one_wanted_most_and_then_the_first() {
        let best = |line: &str, codings: &[Coding]| Preference::parse([line.as_bytes()]).best_of(codings);
        let both = [Coding::Gzip, Coding::Brotli];
        assert_eq!(best("br, gzip", &both), Some(Coding::Gzip));
        assert_eq!(best("gzip;q=0.5, br", &both), Some(Coding::Brotli));
        assert_eq!(best("zstd", &both), None);
        assert_eq!(best("*;q=0.2", &both), Some(Coding::Gzip));
        assert_eq!(best("br", &[]), None);
        assert_eq!(best("identity;q=0", &both), None);
    }
}
