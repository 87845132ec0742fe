//! The PEM bundle: what curl's `mk-ca-bundle.pl` 1.33 writes, byte for byte, but for the lines of the header that
//! state source and tool.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::date;
use crate::root::{Certdata, Root};
use crate::selection::Selection;

/// How a bundle looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Style {
    /// Characters of base64 in a line, at least 1. OpenSSL before 1.1.0 reads no more than 76; RFC 7468 §2 wants 64.
    pub width: usize,
    /// Whether the comments of each certificate stand above it.
    pub meta: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { width: 76, meta: false }
    }
}

/// What the header says of where the bundle comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Origin<'a> {
    /// Where the certdata.txt is.
    pub source: &'a str,
    /// When it was last changed, in seconds since 1970.
    pub date: i64,
    /// Name and version of the program that writes the bundle.
    pub tool: &'a str,
}

/// Writes the bundle of the selected roots at `now`, in seconds since 1970.
pub fn write(
    certdata: &Certdata,
    selection: &Selection,
    style: Style,
    origin: Origin<'_>,
    now: i64,
) -> String {
    let mut out = header(&certdata.sha256, origin);
    for line in &certdata.licence {
        out += line;
        out.push('\n');
    }
    for root in selection.take(&certdata.roots, now) {
        section(root, style, &mut out);
    }
    out
}

/// The certificates in a bundle: how many times a PEM block begins.
pub fn count(bundle: &[u8]) -> usize {
    bundle
        .split(|&byte| byte == b'\n')
        .filter(|line| line.trim_ascii_end() == BEGIN.trim_ascii_end().as_bytes())
        .count()
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn header(sha256: &[u8; 32], origin: Origin<'_>) -> String {
    // What the header says of a source must not end its comment.
    let source: String = origin.source.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    format!(
        "##
## Bundle of CA Root Certificates
##
## Certificate data from Mozilla as of: {} GMT
##
## Find updated versions here: https://curl.se/docs/caextract.html
##
## This is a bundle of X.509 certificates of public Certificate Authorities
## (CA). These were automatically extracted from Mozilla's root certificates
## file (certdata.txt).  This file can be found in the mozilla source tree:
## {source}
##
## It contains the certificates in PEM format and therefore
## can be directly used with curl / libcurl / php_curl, or with
## an Apache+mod_ssl webserver for SSL client authentication.
## Configure this file as the SSLCACertificateFile.
##
## Conversion done with {}.
## SHA256: {}
##

",
        date::asctime(origin.date),
        origin.tool,
        hex(sha256)
    )
}

fn section(root: &Root, style: Style, out: &mut String) {
    out.push('\n');
    out.push_str(&root.label);
    out.push('\n');
    // As long as the label in code points, which need not be columns.
    out.extend(root.label.chars().map(|_| '='));
    out.push('\n');
    if style.meta {
        for line in &root.comments {
            out.push_str(line);
            out.push('\n');
        }
    }
    pem(&root.der, style.width, out);
}

/// One PEM block (RFC 7468), in lines of `width` characters.
fn pem(der: &[u8], width: usize, out: &mut String) {
    out.push_str(BEGIN);
    let encoded = STANDARD.encode(der);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(width.clamp(1, rest.len()));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str("-----END CERTIFICATE-----\n");
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----\n";
