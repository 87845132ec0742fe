//! The PEM bundle: what curl's `mk-ca-bundle.pl` 1.33 writes, byte for byte, but for the lines of the header that
//! state source and tool.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::date;
use crate::fingerprint::Fingerprint;
use crate::root::{Certdata, Remark, Root};
use crate::selection::Selection;
use crate::text;
use crate::trust::TrustLevel;

/// How a bundle looks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Style {
    /// Characters of base64 in a line, at least 1. OpenSSL before 1.1.0 reads no more than 76; RFC 7468 §2 wants 64.
    /// With texts it is 64, since OpenSSL writes those blocks.
    pub width: usize,
    /// Whether the comments of each certificate stand above it.
    pub meta: bool,
    /// Whether the trust, these fingerprints and the text of each certificate stand above it.
    pub text: Option<Vec<Fingerprint>>,
}

impl Default for Style {
    fn default() -> Self {
        Self { width: 76, meta: false, text: None }
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

/// A bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bundle {
    /// The file. Texts of certificates may have any encoding; all else is UTF-8.
    pub octets: Vec<u8>,
    /// How many certificates it has.
    pub taken: usize,
    /// What in the texts OpenSSL would print otherwise.
    pub remarks: Vec<Remark>,
}

/// Writes the bundle of the selected roots at `now`, in seconds since 1970.
pub fn write(
    certdata: &Certdata,
    selection: &Selection,
    style: &Style,
    origin: Origin<'_>,
    now: i64,
) -> Bundle {
    // Room for all of it but the texts: growing step by step, it would be copied each time.
    let room = certdata.roots.iter().map(|root| root.der.len() * 3 / 2 + root.comments.len() + SECTION_BYTES);
    let mut octets = Vec::with_capacity(room.sum::<usize>() + HEADER_BYTES);
    octets.extend_from_slice(header(&certdata.sha256, style, origin).as_bytes());
    let mut bundle = Bundle { octets, taken: 0, remarks: Vec::new() };
    for line in &certdata.licence {
        bundle.octets.extend_from_slice(line.as_bytes());
        bundle.octets.push(b'\n');
    }
    for root in selection.take(&certdata.roots, now) {
        section(root, style, &mut bundle);
        bundle.taken += 1;
    }
    bundle
}

/// The certificates in a bundle: how many times a PEM block begins.
pub fn count(bundle: &[u8]) -> usize {
    let whole_line = |&at: &usize| {
        let begins = at == 0 || bundle.get(at - 1) == Some(&b'\n');
        let rest = bundle.get(at + BEGIN.len() - 1..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        begins && rest[..end].trim_ascii().is_empty()
    };
    memchr::memmem::find_iter(bundle, BEGIN.trim_ascii_end()).filter(whole_line).count()
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn header(sha256: &[u8; 32], style: &Style, origin: Origin<'_>) -> String {
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
## It contains the certificates in {}PEM format and therefore
## can be directly used with curl / libcurl / php_curl, or with
## an Apache+mod_ssl webserver for SSL client authentication.
## Configure this file as the SSLCACertificateFile.
##
## Conversion done with {}.
## SHA256: {}
##

",
        date::asctime(origin.date),
        if style.text.is_some() { "plain text and " } else { "" },
        origin.tool,
        hex(sha256)
    )
}

fn section(root: &Root, style: &Style, bundle: &mut Bundle) {
    let out = &mut bundle.octets;
    // The underline is as long as the label in code points, which need not be columns.
    let underline: String = root.label.chars().map(|_| '=').collect();
    lines(["", &root.label, &underline], out);
    if style.text.is_some() {
        lines(trust(root).iter().map(String::as_str), out);
    }
    if style.meta {
        out.extend_from_slice(root.comments.as_bytes());
    }
    let Some(fingerprints) = &style.text else { return pem(&root.der, style.width, out) };
    for fingerprint in fingerprints {
        lines([fingerprint.line(&root.der).as_str()], out);
    }
    let mut remark = |what: &str| {
        let text = format!("the text of its {what} is not what OpenSSL prints");
        bundle.remarks.push(Remark { line: root.line, object: root.label.clone(), text });
    };
    match text::certificate(&root.der) {
        Some(text) => {
            out.extend_from_slice(&text.octets);
            text.different.iter().for_each(|what| remark(what));
        }
        None => remark("certificate"),
    }
    pem(&root.der, OPENSSL_WIDTH, out);
}

/// `LEVEL: PURPOSE, PURPOSE`, levels in the order of the alphabet, purposes in that of the file.
fn trust(root: &Root) -> Vec<String> {
    let mut levels = TrustLevel::ALL.to_vec();
    levels.sort_by_key(|level| level.token());
    let purposes = |level: TrustLevel| {
        let given = root.trust.iter().filter(move |pair| pair.1 == level);
        given.map(|pair| pair.0.token()).collect::<Vec<_>>().join(", ")
    };
    let line = |level: TrustLevel| {
        Some(purposes(level)).filter(|list| !list.is_empty()).map(|list| format!("{level}: {list}"))
    };
    levels.into_iter().filter_map(line).collect()
}

fn lines<'a>(lines: impl IntoIterator<Item = &'a str>, out: &mut Vec<u8>) {
    for line in lines {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
}

/// One PEM block (RFC 7468), in lines of `width` characters.
fn pem(der: &[u8], width: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(BEGIN.as_bytes());
    let encoded = STANDARD.encode(der);
    for line in encoded.as_bytes().chunks(width.max(1)) {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.extend_from_slice(b"-----END CERTIFICATE-----\n");
}

const OPENSSL_WIDTH: usize = 64;
const BEGIN: &str = "-----BEGIN CERTIFICATE-----\n";
/// More than the header without the name of the source.
const HEADER_BYTES: usize = 2048;
/// More than labels and the lines around a certificate take.
const SECTION_BYTES: usize = 256;
