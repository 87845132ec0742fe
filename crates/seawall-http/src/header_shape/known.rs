//! The field names that [`HeaderShape`](super::HeaderShape) leaves out, and how they are found.
//!
//! One look-up a field: a hash of its first and last eight octets, with one name in each slot at most (checked when
//! this is compiled), and a comparison of those sixteen octets with the name in the slot.

use crate::field_presence::FieldPresence;

/// What is known of a field name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Lower-case.
    name: &'static str,
    /// Of the name.
    ends: Ends,
    /// Its bit, if it has one.
    pub(crate) presence: FieldPresence,
    /// Whether the shape leaves it out.
    pub(crate) is_left_out: bool,
}

impl Known {
    #[inline]
    pub(crate) fn is_host(&self) -> bool {
        self.name == "host"
    }
}

/// The entry of a name, whatever its case.
#[inline]
pub(crate) fn find(name: &[u8]) -> Option<&'static Known> {
    let ends = Ends::of(name);
    let known = &KNOWN[TABLE[ends.slot()] as usize];
    let is_found = known.ends == ends
        && known.name.len() == name.len()
        && (name.len() <= 16 || known.name.as_bytes().eq_ignore_ascii_case(name));
    is_found.then_some(known)
}

/// The first and last octets of a name, without regard to case: all of it, up to sixteen octets of a known length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Ends(u64, u64);

impl Ends {
    #[inline]
    const fn of(name: &[u8]) -> Self {
        let (first, last) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
                (Some(first), Some(last)) => {
                    (u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64)
                }
                _ => match name {
                    [] => (0, 0),
                    // Of three octets at most, these are all.
                    [first, ..] => {
                        (*first as u64, (name[name.len() / 2] as u64) << 8 | name[name.len() - 1] as u64)
                    }
                },
            },
        };
        Self(first | CASES, last | CASES)
    }

    /// Where a name with these ends would be.
    #[inline]
    const fn slot(self) -> usize {
        let mixed = (self.0 ^ self.1.rotate_left(29)).wrapping_mul(MULTIPLIER);
        (mixed >> (64 - SLOTS.trailing_zeros())) as usize
    }
}

/// Whether the shape leaves out a name that [`find`] does not know: it belongs to a family.
#[inline]
pub(crate) fn is_of_family(name: &[u8]) -> bool {
    // Most unknown names begin with none of these.
    if !matches!(name.first().map(|first| first | CASE), Some(b'a' | b'c' | b'f' | b's' | b'x')) {
        return false;
    }
    FAMILIES.iter().any(|family| {
        name.get(..family.len()).is_some_and(|start| family.as_bytes().eq_ignore_ascii_case(start))
    })
}

/// Left out because one client sends them with some requests and not with others: what it asks for and what it has
/// (conditions, ranges, content, credentials, where it comes from), what it was asked for (client hints), and
/// what upgrades the connection.
const OF_THE_REQUEST: [&str; 46] = [
    // State and provenance: the second request of a visit has them, the first has not.
    "cookie",
    "referer",
    "origin",
    "authorization",
    "proxy-authorization",
    // What the client's cache holds, and what a reload asks of caches on the way.
    "if-none-match",
    "if-modified-since",
    "if-match",
    "if-unmodified-since",
    "if-range",
    "range",
    "cache-control",
    "pragma",
    // The content of a POST.
    "content-length",
    "content-type",
    "content-encoding",
    "content-language",
    "content-disposition",
    "content-md5",
    "content-digest",
    "repr-digest",
    "transfer-encoding",
    "trailer",
    "expect",
    // What a browser adds to a navigation, to a fetch by a script, or to speculation.
    "upgrade-insecure-requests",
    "x-requested-with",
    "sec-fetch-user",
    "sec-fetch-storage-access",
    "sec-purpose",
    "purpose",
    "priority",
    "access-control-request-method",
    "access-control-request-headers",
    // Client hints, sent once a response has asked for them (RFC 8942); `sec-ch-` is a family.
    "device-memory",
    "dpr",
    "viewport-width",
    "width",
    "downlink",
    "ect",
    "rtt",
    "save-data",
    // WebSocket and h2c; `sec-websocket-` is a family.
    "upgrade",
    "http2-settings",
    // What monitoring scripts of a page add to some requests.
    "sentry-trace",
    "newrelic",
    "baggage",
];

/// Left out because hops in front add them: the shape is the client's, whichever way it came.
const OF_HOPS: [&str; 27] = [
    "via",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "client-ip",
    "incap-client-ip",
    "x-proxyuser-ip",
    "x-request-id",
    "x-correlation-id",
    "x-trace-id",
    "traceparent",
    "tracestate",
    "b3",
    "uber-trace-id",
    "x-cloud-trace-context",
    "elastic-apm-traceparent",
    "x-varnish",
    "x-timer",
    "surrogate-capability",
    "early-data",
    "max-forwards",
    "client-cert",
    "client-cert-chain",
    "ssl-client-cert",
    "front-end-https",
];

/// Beginnings of names that are left out: hops' own families, hints and handshakes.
const FAMILIES: [&str; 18] = [
    "x-forwarded-",
    "x-original-",
    "x-b3-",
    "x-amzn-",
    "x-amz-cf-",
    "x-azure-",
    "x-appengine-",
    "x-akamai-",
    "x-envoy-",
    "x-arr-",
    "x-datadog-",
    "akamai-",
    "cf-",
    "cdn-",
    "cloudfront-",
    "fastly-",
    "sec-ch-",
    "sec-websocket-",
];

/// Counted names that a family would leave out, and others that most requests have: found at once, they are not held
/// against the families.
const COUNTED: [&str; 3] = ["host", "sec-ch-ua-mobile", "sec-ch-ua-platform"];

const KNOWN: [Known; KNOWN_LEN] = gather();
const TABLE: [u8; SLOTS] = table();

/// Names at most: what is left out has a bit or not, and some names that have a bit are counted.
const KNOWN_LEN: usize = {
    let mut len = FieldPresence::NAMES.len() + OF_HOPS.len() + COUNTED.len();
    let mut index = 0;
    while index < OF_THE_REQUEST.len() {
        len += is_new(OF_THE_REQUEST[index]) as usize;
        index += 1;
    }
    len
};

/// A power of two, six times the names: a multiplier without collision is found after some thousand random ones.
const SLOTS: usize = 512;
const MULTIPLIER: u64 = 0x5079_e1d6_5a8a_ec9f;
/// The bit in which ASCII letters differ by case. Of the octets of tokens (RFC 9110 §5.6.2), it maps no other onto a
/// letter, a digit or `-`.
const CASE: u8 = 0x20;
const CASES: u64 = u64::from_le_bytes([CASE; 8]);

// === made when this is compiled ===

const fn gather() -> [Known; KNOWN_LEN] {
    let mut known = [named(""); KNOWN_LEN];
    let mut len = 0;
    let mut index = 0;
    while index < FieldPresence::NAMES.len() {
        let name = FieldPresence::NAMES[index];
        let presence = FieldPresence::from_bit(index);
        known[len] = Known { presence, is_left_out: is_in(name, &OF_THE_REQUEST), ..named(name) };
        (len, index) = (len + 1, index + 1);
    }
    index = 0;
    while index < OF_THE_REQUEST.len() {
        if is_new(OF_THE_REQUEST[index]) {
            known[len] = Known { is_left_out: true, ..named(OF_THE_REQUEST[index]) };
            len += 1;
        }
        index += 1;
    }
    index = 0;
    while index < OF_HOPS.len() {
        known[len] = Known { is_left_out: true, ..named(OF_HOPS[index]) };
        (len, index) = (len + 1, index + 1);
    }
    index = 0;
    while index < COUNTED.len() {
        known[len] = named(COUNTED[index]);
        (len, index) = (len + 1, index + 1);
    }
    assert!(len == KNOWN_LEN);
    known
}

const fn named(name: &'static str) -> Known {
    let ends = Ends::of(name.as_bytes());
    Known { name, ends, presence: FieldPresence::from_bits(0), is_left_out: false }
}

const fn table() -> [u8; SLOTS] {
    let mut table = [u8::MAX; SLOTS];
    let mut index = 0;
    while index < KNOWN_LEN {
        let slot = KNOWN[index].ends.slot();
        assert!(table[slot] == u8::MAX, "two names share a slot: choose another multiplier");
        table[slot] = index as u8;
        index += 1;
    }
    // Empty slots lead to some name, which the comparison tells from the one looked for.
    index = 0;
    while index < SLOTS {
        if table[index] == u8::MAX {
            table[index] = 0;
        }
        index += 1;
    }
    table
}

/// Whether a name has no bit.
const fn is_new(name: &str) -> bool {
    !is_in(name, &FieldPresence::NAMES)
}

const fn is_in(name: &str, names: &[&str]) -> bool {
    let mut index = 0;
    while index < names.len() {
        if is_same(name.as_bytes(), names[index].as_bytes()) {
            return true;
        }
        index += 1;
    }
    false
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_listed_name_is_found_in_any_case_and_no_other() {
        for known in KNOWN {
            for name in [known.name.to_owned(), known.name.to_ascii_uppercase()] {
                let found = find(name.as_bytes()).unwrap();
                assert_eq!(found.name, known.name);
            }
            let mut other = known.name.as_bytes().to_vec();
            let middle = other.len() / 2;
            other.insert(middle, b'q');
            assert!(find(&other).is_none_or(|found| found.name.as_bytes() == other), "{}", known.name);
        }
    }

    #[test]
    fn families_are_told_by_their_beginning() {
        for name in ["X-Forwarded-Proto", "CF-RAY", "x-amzn-trace-id", "Sec-WebSocket-Key", "sec-ch-ua-arch"]
        {
            assert!(is_of_family(name.as_bytes()), "{name}");
        }
        for name in ["X-Forwarded", "CFO", "X-App", "Accept-Charset", "sec-gpc", ""] {
            assert!(!is_of_family(name.as_bytes()), "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_the_standard_library_finds(
            name in "[!#$%&'*+.^_`|~0-9A-Za-z-]{0,30}", at in 0..KNOWN_LEN, octet in 0..30usize, put in "[!-~]",
        ) {
            let mut near = KNOWN[at].name.to_ascii_uppercase();
            let octet = octet % near.len();
            near.replace_range(octet..=octet, &put);
            for name in [name, near] {
                let listed = KNOWN.iter().any(|known| known.name.eq_ignore_ascii_case(&name));
                prop_assert_eq!(find(name.as_bytes()).is_some(), listed, "{}", name);
            }
        }
    }
}
