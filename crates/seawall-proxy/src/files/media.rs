//! Media types by the ending of a name, and which of them are worth a compressed variant.

use std::borrow::Cow;

/// The `Content-Type` of a file.
pub(super) fn content_type(name: &str) -> Cow<'static, str> {
    let Some(essence) = mime_guess::from_path(name).first_raw() else {
        return Cow::Borrowed("application/octet-stream");
    };
    match essence {
        // The commonest, without allocation.
        "text/html" => Cow::Borrowed("text/html; charset=utf-8"),
        "text/css" => Cow::Borrowed("text/css; charset=utf-8"),
        // RFC 9239 §6: the other names of the type are obsolete.
        "text/javascript" | "application/javascript" => Cow::Borrowed("text/javascript; charset=utf-8"),
        "text/plain" => Cow::Borrowed("text/plain; charset=utf-8"),
        // A text type without a charset is read as whatever the client guesses.
        text if text.starts_with("text/") => Cow::Owned(format!("{text}; charset=utf-8")),
        // RFC 8259 §11 and RFC 7303 §3.6 give the others no parameter, or one that they can do without.
        other => Cow::Borrowed(other),
    }
}

/// Whether a file of this type may stand for its uncompressed self in a precompressed copy beside it.
///
/// Media that are compressed by nature are not looked for. Nor are archives: `x.tar.gz` beside
/// `x.tar` may well be something else.
pub(super) fn may_be_precompressed(content_type: &str) -> bool {
    let (kind, rest) = content_type.split_once('/').unwrap_or((content_type, ""));
    match kind {
        "audio" | "video" => false,
        "image" => matches!(rest, "svg+xml" | "bmp" | "x-icon"),
        "font" => !rest.starts_with("woff"),
        "application" => !ARCHIVES.contains(&rest) && !rest.starts_with("font-woff"),
        _ => true,
    }
}

const ARCHIVES: [&str; 18] = [
    "gzip",
    "java-archive",
    "vnd.android.package-archive",
    "vnd.ms-cab-compressed",
    "vnd.rar",
    "x-7z-compressed",
    "x-apple-diskimage",
    "x-brotli",
    "x-bzip",
    "x-bzip2",
    "x-cpio",
    "x-lzma",
    "x-rar-compressed",
    "x-redhat-package-manager",
    "x-tar",
    "x-xz",
    "zip",
    "zstd",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_follow_the_ending() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("A.HTML", "text/html; charset=utf-8"),
            ("a/b.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.md", "text/markdown; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.wasm", "application/wasm"),
            ("a.woff2", "font/woff2"),
            ("a.tar.gz", "application/gzip"),
            ("cacert.pem", "application/x-x509-ca-cert"),
            ("LICENSE", "application/octet-stream"),
            ("a.unheard-of", "application/octet-stream"),
            ("html", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }

    #[test]
    fn variants_are_sought_where_compression_helps() {
        for name in
            ["a.html", "a.js", "a.json", "a.svg", "a.wasm", "a.ttf", "cacert.pem", "data", "a.xml", "a.ico"]
        {
            assert!(may_be_precompressed(&content_type(name)), "{name}");
        }
        for name in
            ["a.png", "a.mp4", "a.ogg", "a.woff2", "a.woff", "a.tar", "a.gz", "a.zip", "a.xz", "a.bz2"]
        {
            assert!(!may_be_precompressed(&content_type(name)), "{name}");
        }
    }
}
