//! A certificate as `openssl x509 -text` of OpenSSL 3.0 prints it, byte for byte.
//!
//! OpenSSL prints what it cannot decode as octets, and so does this module. What OpenSSL decodes and this module does
//! not, is printed the same way and named, so that whoever wants identity knows where there is none.

mod der;
mod extension;
mod general;
mod key;
mod name;
mod object;
mod out;
mod points;
mod policy;
mod signature;
mod time;

use x509_parser::certificate::X509CertificateParser;
use x509_parser::nom::Parser as _;
use x509_parser::prelude::X509Certificate;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

use self::der::{Decoded, Integer, Reader, Undecodable, tag};
use self::out::Out;

/// A certificate's text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Text {
    /// The lines from `Certificate:` on. Texts in certificates may have any encoding.
    pub octets: Vec<u8>,
    /// What OpenSSL prints otherwise.
    pub different: Vec<String>,
}

/// The text of a certificate in DER, without the PEM block that OpenSSL writes after it; nothing when it is no
/// certificate.
pub fn certificate(der: &[u8]) -> Option<Text> {
    let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
    let (_, certificate) = parser.parse(der).ok()?;
    let mut out = Out::default();
    out.0.reserve(der.len() * 4);
    let different = print(&certificate, &mut out).ok()?;
    Some(Text { octets: out.0, different })
}

/// The name that OpenSSL has for an object identifier in DER, or the identifier in dots.
pub fn algorithm(oid: &[u8]) -> String {
    let dotted = der::dotted(oid).unwrap_or_default();
    object::long(&dotted).to_owned()
}

/// The size of a public key in bits: an RSA modulus, or the order of a curve's group.
pub fn key_bits(info: &SubjectPublicKeyInfo<'_>) -> Option<usize> {
    key::bits(info)
}

fn print(certificate: &X509Certificate<'_>, out: &mut Out) -> Decoded<Vec<String>> {
    let mut different = Vec::new();
    out.text("Certificate:\n    Data:\n");
    match certificate.version().0 {
        version @ 0..=2 => out.put(format_args!("        Version: {} (0x{version:x})\n", version + 1)),
        version => out.put(format_args!("        Version: Unknown ({version})\n")),
    }
    serial(certificate.raw_serial(), out)?;
    out.text("    ");
    signature::print(&certificate.tbs_certificate.signature, None, out);
    out.text("        Issuer: ");
    full_name(certificate.issuer(), out)?;
    let validity = certificate.validity();
    let (begin, end) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    out.put(format_args!("\n        Validity\n            Not Before: {}\n", time::seconds(begin)));
    out.put(format_args!("            Not After : {}\n        Subject: ", time::seconds(end)));
    full_name(certificate.subject(), out)?;
    out.text("\n        Subject Public Key Info:\n");
    different.extend(key::print(certificate.public_key(), out));
    let identifiers = [("Issuer", &certificate.issuer_uid), ("Subject", &certificate.subject_uid)];
    for (whose, identifier) in identifiers {
        if let Some(identifier) = identifier {
            out.put(format_args!("        {whose} Unique ID: \n"));
            out.block(&identifier.0.data, 18, 12);
        }
    }
    if !certificate.extensions().is_empty() {
        out.text("        X509v3 extensions:\n");
    }
    for one in certificate.extensions() {
        let oid = der::dotted(one.oid.as_bytes()).ok_or(Undecodable)?;
        different.extend(extension::print(&oid, one.critical, one.value, out));
    }
    signature::print(&certificate.signature_algorithm, Some(&certificate.signature_value.data), out);
    Ok(different)
}

/// Up to 63 bits in decimal and hexadecimal, more of them as octets.
fn serial(raw: &[u8], out: &mut Out) -> Decoded<()> {
    let serial = Integer::read(raw).ok_or(Undecodable)?;
    let sign = if serial.negative { "-" } else { "" };
    let limit = if serial.negative { 1 << 63 } else { i64::MAX as u64 };
    // OpenSSL takes -1 for a failure.
    let small = serial.small().filter(|&value| value <= limit && !(serial.negative && value == 1));
    out.text("        Serial Number:");
    if let Some(value) = small {
        out.put(format_args!(" {sign}{value} ({sign}0x{value:x})\n"));
        return Ok(());
    }
    out.put(format_args!("\n            {}", if serial.negative { " (Negative)" } else { "" }));
    out.block(&serial.magnitude, usize::MAX, 0);
    Ok(())
}

fn full_name(name: &X509Name<'_>, out: &mut Out) -> Decoded<()> {
    name::print(&Reader(name.as_raw()).expect(tag::SEQUENCE)?, out)
}
