//! The names that OpenSSL has for object identifiers.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The long name, or the identifier itself when it has none.
pub(super) fn long(oid: &str) -> &str {
    TABLE.get(oid).map_or(oid, |&(_, long)| long)
}

/// The short name, if it has one.
pub(super) fn short(oid: &str) -> Option<&'static str> {
    TABLE.get(oid).map(|&(short, _)| short)
}

static TABLE: LazyLock<HashMap<&'static str, (&'static str, &'static str)>> = LazyLock::new(|| {
    let rows = OBJECTS.lines().filter_map(|line| {
        let mut columns = line.split('\t');
        Some((columns.next()?, (columns.next()?, columns.next()?)))
    });
    rows.collect()
});

/// Identifier, short and long name, as `openssl list -objects` of OpenSSL 3.0 has them.
const OBJECTS: &str = include_str!("objects.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_names_or_stand_for_themselves() {
        assert_eq!((short("2.5.4.3"), long("2.5.4.3")), (Some("CN"), "commonName"));
        assert_eq!((short("1.2.3.4.5"), long("1.2.3.4.5")), (None, "1.2.3.4.5"));
        assert_eq!(long("2.5.29.14"), "X509v3 Subject Key Identifier");
    }
}
