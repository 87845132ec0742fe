//! Parts of the target URI as rules, limits and events see them: normalised path and host, and the query's shape.
//!
//! For matching only: what goes to the origin is the target as received. All but the shape borrow where nothing
//! changes.

use std::borrow::Cow;

use memchr::memchr;

/// The path as [`crate::facts::RequestFacts::path`] has it.
///
/// Percent-encoded octets are decoded once, where the result is printable (`%20` is; a control character, or half
/// a UTF-8 sequence, is not). `%25` stays, and so does a digit that would complete a broken `%`, so that decoding
/// twice gives the same. What stays encoded has upper-case hex digits (RFC 3986 §6.2.2.1). Then runs of
/// slashes become one, as nginx and Apache do, and dot segments go (RFC 3986 §5.2.4), `%2F` and `%2e` included: a rule
/// for `/admin` sees every spelling of it. `*` stays as it is; a path without leading slash gets one.
pub fn normalise_path(path: &str) -> Cow<'_, str> {
    if is_normal(path.as_bytes()) {
        return Cow::Borrowed(path);
    }
    let decoded = decode(path);
    let normal = remove_dot_segments(&decoded);
    if normal == path { Cow::Borrowed(path) } else { Cow::Owned(normal) }
}

/// A host without port and trailing dots, in lower case. An IPv6 literal keeps its brackets. For valid hosts
/// (RFC 9110 §7.2); of others something comes back that no valid host gives, or their beginning.
pub fn normalise_host(host: &str) -> Cow<'_, str> {
    let end = match host.strip_prefix('[') {
        Some(literal) => literal.find(']').map_or(host.len(), |end| end + 2),
        None => memchr(b':', host.as_bytes()).unwrap_or(host.len()),
    };
    let name = host[..end].trim_end_matches('.');
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Names in a query's shape; further ones become one `…`.
pub const SHAPE_NAMES_MAX: usize = 16;

/// Bytes of names and `&` in a query's shape; what goes beyond becomes one `…`.
pub const SHAPE_BYTES_MAX: usize = 128;

/// Appends the query's shape: the names of its parameters as sent, in order, joined by `&`, without their values.
///
/// What has no `=` could be a name or a value (`?alice@site.example`, `?1732431600`), and values must not
/// enter a shape: it counts as a name if it looks like one (a letter or `_`, then up to 31 letters, digits, `_`, `-`, `.`),
/// and becomes `…` otherwise.
pub fn query_shape(query: &str, shape: &mut String) {
    let start = shape.len();
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    for (index, parameter) in parameters.enumerate() {
        let name = match memchr(b'=', parameter.as_bytes()) {
            Some(equals) => &parameter[..equals],
            None if looks_like_name(parameter) => parameter,
            None => ELLIPSIS,
        };
        let separator = if index == 0 { "" } else { "&" };
        shape.push_str(separator);
        if index == SHAPE_NAMES_MAX || shape.len() - start + name.len() > SHAPE_BYTES_MAX {
            shape.push_str(ELLIPSIS);
            return;
        }
        shape.push_str(name);
    }
}

/// The host of a `Referer` field (RFC 9110 §10.1.3) that holds an absolute URI, normalised.
pub fn referer_host(referer: &[u8]) -> Option<Cow<'_, str>> {
    let scheme_end = memchr::memmem::find(referer, b"://")?;
    let scheme = &referer[..scheme_end];
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    let rest = &referer[scheme_end + 3..];
    let authority = &rest[..rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len())];
    let host = &authority[memchr::memrchr(b'@', authority).map_or(0, |at| at + 1)..];
    let host = normalise_host(std::str::from_utf8(host).ok()?);
    (is_scheme && !host.is_empty()).then_some(host)
}

const ELLIPSIS: &str = "…";

fn looks_like_name(parameter: &str) -> bool {
    let begins = parameter.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins
        && parameter.len() <= 32
        && parameter.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

// === Paths ===

/// One pass, no `%`, no `//`, no segment `.` or `..`. Never wrong; `false` where it takes decoding to know.
fn is_normal(path: &[u8]) -> bool {
    if path.first() != Some(&b'/') {
        return path == b"*";
    }
    let mut after_slash = false;
    for (at, byte) in path.iter().enumerate() {
        match byte {
            b'%' => return false,
            b'/' if after_slash => return false,
            b'.' if after_slash && matches!(path[at + 1..], [] | [b'/', ..] | [b'.'] | [b'.', b'/', ..]) => {
                return false;
            }
            _ => {}
        }
        after_slash = *byte == b'/';
    }
    true
}

fn decode(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = String::with_capacity(path.len());
    let mut at = 0;
    while at < bytes.len() {
        let plain = memchr(b'%', &bytes[at..]).unwrap_or(bytes.len() - at);
        out.push_str(&path[at..at + plain]);
        at += plain;
        let Some(octet) = octet_at(bytes, at) else {
            if at < bytes.len() {
                out.push('%');
                at += 1;
            }
            continue;
        };
        match char_at(bytes, at, octet) {
            Some(c) if !completes_escape(&out, c) => {
                out.push(c);
                at += 3 * c.len_utf8();
            }
            _ => {
                out.extend(bytes[at..at + 3].iter().map(|byte| char::from(byte.to_ascii_uppercase())));
                at += 3;
            }
        }
    }
    out
}

/// The octet of a percent-encoding at that place.
fn octet_at(bytes: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low, ..] = bytes.get(at..)? else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// The printable character whose encoding begins at that place with `first`, every octet of it percent-encoded.
fn char_at(bytes: &[u8], at: usize, first: u8) -> Option<char> {
    let len = match first {
        b'%' => return None,
        b' '..=b'~' => return Some(char::from(first)),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    // An `a` before it: alone, a combining character would count as unprintable.
    let mut text = [b'a', first, 0, 0, 0];
    for index in 1..len {
        text[index + 1] = octet_at(bytes, at + 3 * index)?;
    }
    let text = std::str::from_utf8(&text[..=len]).ok()?;
    let c = text.chars().nth(1)?;
    (text.escape_debug().count() == 2).then_some(c)
}

/// Whether `c` would become a digit of a `%` that stands in `out` without two digits.
fn completes_escape(out: &str, c: char) -> bool {
    let last_two = &out.as_bytes()[out.len().saturating_sub(2)..];
    c.is_ascii_hexdigit() && last_two.contains(&b'%')
}

fn remove_dot_segments(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 1);
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "" | "." => {}
            ".." => out.truncate(out.rfind('/').unwrap_or(0)),
            segment => {
                out.push('/');
                out.push_str(segment);
                continue;
            }
        }
        if is_last {
            out.push('/');
        }
    }
    if out.is_empty() {
        out.push('/');
    }
    out
}

/// For the fuzzer and the property tests: the laws of this module, on any text.
pub fn check_laws(text: &str) {
    let path = normalise_path(text);
    assert!(path == "*" || path.starts_with('/'), "{path:?}");
    assert!(path.len() <= text.len() + usize::from(!text.starts_with('/')), "{path:?} is longer");
    assert_eq!(normalise_path(&path), path, "twice");
    assert!(is_normal(path.as_bytes()) || path.contains('%'), "{path:?}");
    assert!(
        path == "*" || path.split('/').skip(1).all(|segment| segment != "." && segment != ".."),
        "{path:?}"
    );
    assert!(matches!(path, Cow::Borrowed(_)) == (path == text), "{path:?} not borrowed");

    let host = normalise_host(text);
    assert!(host.len() <= text.len());
    assert_eq!(normalise_host(&host), host, "twice");

    let mut shape = String::from("before");
    query_shape(text, &mut shape);
    let shape = shape.strip_prefix("before").unwrap_or("");
    assert!(shape.len() <= SHAPE_BYTES_MAX + ELLIPSIS.len() + 1, "{shape:?}");
    assert!(shape.split('&').count() <= SHAPE_NAMES_MAX + 1, "{shape:?}");
    assert!(!shape.contains('='), "{shape:?}");

    if let Some(host) = referer_host(text.as_bytes()) {
        assert!(!host.is_empty() && host.len() < text.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn path(text: &str, expected: &str) {
        assert_eq!(normalise_path(text), expected, "{text}");
        check_laws(text);
    }

    #[test]
    fn normal_path_is_borrowed() {
        for text in [
            "/",
            "*",
            "/ca/cacert.pem",
            "/.well-known/acme",
            "/a.b/..c/...",
            "/a/%25/",
            "/%E2%80%8B",
            "/a;b=c",
        ] {
            assert!(matches!(normalise_path(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn dot_segments_and_runs_of_slashes_go() {
        for (text, expected) in [
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/..", "/"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("//", "/"),
            ("//a///b//", "/a/b/"),
            ("/a//../b", "/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e", "/"),
            ("/a%2F..%2fb", "/b"),
            ("", "/"),
            ("a/b", "/a/b"),
            ("**", "/**"),
        ] {
            path(text, expected);
        }
    }

    #[test]
    fn printable_octets_are_decoded_once() {
        for (text, expected) in [
            ("/%61dmin", "/admin"),
            ("/a%20b", "/a b"),
            ("/%7Euser", "/~user"),
            ("/Z%c3%bCrich", "/Zürich"),
            ("/%e6%97%a5%E6%9C%AC", "/日本"),
            ("/%F0%9F%8C%8A", "/🌊"),
            ("/e%CC%81", "/e\u{301}"),
            ("/%3Fa%23b", "/?a#b"),
            ("/%2541", "/%2541"),
            ("/%25%34%31", "/%2541"),
        ] {
            path(text, expected);
        }
    }

    #[test]
    fn what_is_not_printable_stays_encoded() {
        for (text, expected) in [
            ("/%00", "/%00"),
            ("/%0d%0A", "/%0D%0A"),
            ("/%7f", "/%7F"),
            ("/%c3", "/%C3"),
            ("/%c3%28", "/%C3("),
            ("/%c0%af", "/%C0%AF"),
            ("/%ed%a0%80", "/%ED%A0%80"),
            ("/%e2%80%ae", "/%E2%80%AE"),
            ("/%c2%85", "/%C2%85"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz", "/%zz"),
        ] {
            path(text, expected);
        }
    }

    #[test]
    fn broken_escape_is_not_completed() {
        path("/%%34%31", "/%%341");
        path("/%4%31", "/%4%31");
        path("/%%32%35", "/%%325");
        path("/%%zz%41", "/%%zzA");
    }

    #[test]
    fn host_loses_port_and_trailing_dot() {
        for (text, expected) in [
            ("Site.Example", "site.example"),
            ("site.example:8080", "site.example"),
            ("site.example.", "site.example"),
            ("SITE.example.:80", "site.example"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("[2001:DB8::1]:443", "[2001:db8::1]"),
            ("[::1]", "[::1]"),
            ("[::1", "[::1"),
            ("", ""),
            (":80", ""),
        ] {
            assert_eq!(normalise_host(text), expected, "{text}");
        }
        assert!(matches!(normalise_host("site.example:80"), Cow::Borrowed("site.example")));
    }

    #[track_caller]
    fn shape(query: &str, expected: &str) {
        let mut out = String::new();
        query_shape(query, &mut out);
        assert_eq!(out, expected, "{query}");
        check_laws(query);
    }

    #[test]
    fn shape_has_names_without_values() {
        shape("q=secret&page=2&q=other", "q&page&q");
        shape("filter%5Ba%5D=1&b[]=2", "filter%5Ba%5D&b[]");
        shape("a=b=c&&=x&", "a&");
        shape("", "");
    }

    #[test]
    fn bare_value_does_not_enter_the_shape() {
        shape("wsdl", "wsdl");
        shape("1732431600", "…");
        shape("alice@site.example&v=1", "…&v");
        shape("c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0", "…");
    }

    #[test]
    fn shape_is_bounded() {
        shape(&"a=1&".repeat(16), &vec!["a"; 16].join("&"));
        shape(&"a=1&".repeat(17), &format!("{}&…", vec!["a"; 16].join("&")));
        shape(&format!("a=1&{}=1&b=2", "x".repeat(200)), "a&…");
        shape(&format!("{}=1", "x".repeat(200)), "…");
        shape(&format!("{}=1", "x".repeat(128)), &"x".repeat(128));
    }

    #[test]
    fn referer_gives_its_host() {
        for (text, expected) in [
            ("https://Site.Example/a?b", Some("site.example")),
            ("http://user:pass@site.example:80", Some("site.example")),
            ("https://[2001:DB8::1]:8443/", Some("[2001:db8::1]")),
            ("android-app://com.example.app/", Some("com.example.app")),
            ("https://site.example?https://other.example", Some("site.example")),
            ("/relative", None),
            ("https:///a", None),
            ("://site.example", None),
            ("/redirect?to=https://other.example", None),
            ("about:blank", None),
            ("", None),
        ] {
            assert_eq!(referer_host(text.as_bytes()).as_deref(), expected, "{text}");
        }
        assert_eq!(referer_host(b"https://\xff.example/"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn laws_hold_for_any_text(text in any::<String>()) {
            check_laws(&text);
        }

        #[test]
        fn laws_hold_for_likely_paths(text in "(/|%|%2[EF5e]|\\.|%[cC]3|%[89a]c|%[0-9a-f]{2}|[a4%]){0,24}") {
            check_laws(&text);
            check_laws(&format!("/{text}"));
        }

        #[test]
        fn laws_hold_for_likely_queries_and_referers(text in "(https?://)?([a&=@:.\\[\\]/é]|…|[a-z0-9]{30}){0,60}") {
            check_laws(&text);
        }

        #[test]
        fn encoding_of_letters_does_not_change_the_path(segments in prop::collection::vec("[a-z.]{0,4}", 1..6), encode in any::<u64>()) {
            let plain = format!("/{}", segments.join("/"));
            let encoded: String = plain.bytes().enumerate().map(|(at, byte)| {
                if at > 0 && encode >> (at % 64) & 1 == 1 { format!("%{byte:02x}") } else { char::from(byte).to_string() }
            }).collect();
            prop_assert_eq!(normalise_path(&encoded), normalise_path(&plain));
        }
    }
}
