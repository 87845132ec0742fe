//! Entity tags and their comparison (RFC 9110 §8.8.3).

/// One entity tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EntityTag<'a> {
    /// What stands between the quotes.
    pub opaque: &'a [u8],
    /// Its strength.
    pub strength: Strength,
}

/// What two representations of the same tag have in common (RFC 9110 §8.8.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strength {
    /// Their meaning.
    Weak,
    /// Every byte.
    Strong,
}

impl<'a> EntityTag<'a> {
    /// A field value that is one entity tag.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        Self::parse_first(value).filter(|(_, rest)| rest.is_empty()).map(|(tag, _)| tag)
    }

    fn parse_first(value: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (strength, quoted) = match value {
            [b'W', b'/', quoted @ ..] => (Strength::Weak, quoted),
            quoted => (Strength::Strong, quoted),
        };
        let [b'"', inner @ ..] = quoted else { return None };
        let end = inner.iter().position(|&byte| byte == b'"')?;
        let opaque = &inner[..end];
        // No controls, no spaces (etagc).
        let valid = opaque.iter().all(|&byte| byte > b' ' && byte != 0x7f);
        valid.then_some((Self { opaque, strength }, &inner[end + 1..]))
    }

    /// §8.8.3.2: whether both are strong and the same.
    pub fn is_strongly(&self, other: &EntityTag<'_>) -> bool {
        self.strength == Strength::Strong && other.strength == Strength::Strong && self.opaque == other.opaque
    }

    /// §8.8.3.2: whether they are the same, strong or weak.
    pub fn is_weakly(&self, other: &EntityTag<'_>) -> bool {
        self.opaque == other.opaque
    }
}

/// Whether a line of `If-None-Match` names the tag, by weak comparison (RFC 9110 §13.1.2). What follows something that is
/// no tag is not read.
pub fn list_names(line: &[u8], tag: &EntityTag<'_>) -> bool {
    let mut rest = line.trim_ascii_start();
    loop {
        while let [b',' | b' ' | b'\t', after @ ..] = rest {
            rest = after;
        }
        match EntityTag::parse_first(rest) {
            Some((listed, _)) if listed.is_weakly(tag) => return true,
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tag(value: &str) -> Option<EntityTag<'_>> {
        EntityTag::parse(value.as_bytes())
    }

    #[test]
    fn tags_are_quoted() {
        // RFC 9110 §8.8.3.
        assert_eq!(tag("\"a,b\"").unwrap().opaque, b"a,b");
        assert_eq!(tag("W/\"\"").unwrap().strength, Strength::Weak);
        for value in ["", "a", "\"a", "a\"", "w/\"a\"", "\"a\"b", "\"a b\"", "W/a", "\"a\", \"b\""] {
            assert_eq!(tag(value), None, "{value}");
        }
    }

    #[test]
    fn comparison_is_that_of_the_table() {
        // RFC 9110 §8.8.3.2, table 3.
        let rows = [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
        ];
        for (first, second, strongly, weakly) in rows {
            let (first, second) = (tag(first).unwrap(), tag(second).unwrap());
            assert_eq!((first.is_strongly(&second), first.is_weakly(&second)), (strongly, weakly));
        }
    }

    #[test]
    fn lists_are_searched() {
        let stored = tag("\"b,\"").unwrap();
        for line in ["\"b,\"", "\"a\", W/\"b,\"", ",, \"a\"\t,\"b,\"", "\"a\" \"b,\""] {
            assert!(list_names(line.as_bytes(), &stored), "{line}");
        }
        for line in ["", "\"b\"", "b,", "a, \"b,\"", "\"a\", \"b"] {
            assert!(!list_names(line.as_bytes(), &stored), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_searched(line in prop::collection::vec(any::<u8>(), 0..80)) {
            list_names(&line, &EntityTag { opaque: b"a", strength: Strength::Weak });
        }
    }
}
