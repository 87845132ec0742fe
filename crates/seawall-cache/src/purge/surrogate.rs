//! The surrogate keys that an origin gives a response.

use http::{HeaderMap, HeaderName};

use super::entry::hash;

/// Keys of one response. As many as fit into the 16 KiB that other edges read, at 16 bytes each.
pub const KEYS_MAX: usize = 1024;

/// Bytes of one response's keys, separators included.
pub const KEY_BYTES_MAX: usize = 16 << 10;

/// The surrogate keys of one stored response: their hashes, sorted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SurrogateKeys {
    hashes: Box<[u64]>,
    overflowed: bool,
}

impl SurrogateKeys {
    /// Reads the field that a site names for it. Members of `Cache-Tag` and `Edge-Cache-Tag` are separated by commas,
    /// those of any other field by white space. Case counts.
    pub fn of(fields: &HeaderMap, name: &HeaderName) -> Self {
        let commas = matches!(name.as_str(), "cache-tag" | "edge-cache-tag");
        let separates = |byte: &u8| if commas { *byte == b',' } else { byte.is_ascii_whitespace() };
        let (mut hashes, mut bytes) = (Vec::new(), 0);
        for line in fields.get_all(name) {
            bytes += line.len();
            if bytes > KEY_BYTES_MAX {
                return Self::overflowed();
            }
            let keys = line.as_bytes().split(separates).map(<[u8]>::trim_ascii);
            hashes.extend(keys.filter(|key| !key.is_empty()).map(hash));
        }
        hashes.sort_unstable();
        hashes.dedup();
        if hashes.len() > KEYS_MAX {
            return Self::overflowed();
        }
        Self { hashes: hashes.into(), overflowed: false }
    }

    /// The keys again, from what [`SurrogateKeys::hashes`] and [`SurrogateKeys::has_overflowed`] gave.
    pub fn restore(mut hashes: Vec<u64>, overflowed: bool) -> Self {
        hashes.sort_unstable();
        hashes.dedup();
        let overflowed = overflowed || hashes.len() > KEYS_MAX;
        if overflowed { Self::overflowed() } else { Self { hashes: hashes.into(), overflowed } }
    }

    fn overflowed() -> Self {
        Self { hashes: Box::default(), overflowed: true }
    }

    /// A stable hash of each key, sorted.
    pub fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// Whether there were more than are kept. Every purge by a surrogate key then takes the response in, so that none
    /// misses it.
    pub fn has_overflowed(&self) -> bool {
        self.overflowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::fields;

    fn read(name: &'static str, lines: &[&str]) -> SurrogateKeys {
        let lines: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
        SurrogateKeys::of(&fields(&lines), &HeaderName::from_static(name))
    }

    #[test]
    fn keys_are_separated_as_their_field_does() {
        assert_eq!(read("surrogate-key", &["a b", "  c\ta "]), read("xkey", &["c b a"]));
        assert_eq!(read("cache-tag", &["a b, c ,,", "d"]), read("cache-tag", &["d,c,a b"]));
        assert_eq!(read("surrogate-key", &["a,b"]).hashes().len(), 1);
        assert_ne!(read("xkey", &["a"]), read("xkey", &["A"]));
        assert_eq!(read("xkey", &[]), SurrogateKeys::default());
    }

    #[test]
    fn too_many_keys_are_said_to_be() {
        let many: Vec<_> = (0..=KEYS_MAX).map(|number| number.to_string()).collect();
        assert!(read("xkey", &[&many.join(" ")]).has_overflowed());
        assert!(!read("xkey", &[&many[1..].join(" ")]).has_overflowed());
        assert!(read("xkey", &[&"a".repeat(KEY_BYTES_MAX), "b"]).has_overflowed());
    }

    #[test]
    fn restored_keys_are_the_same() {
        let keys = read("xkey", &["a b c"]);
        assert_eq!(SurrogateKeys::restore(keys.hashes().to_vec(), false), keys);
        assert!(SurrogateKeys::restore(Vec::new(), true).has_overflowed());
    }
}
