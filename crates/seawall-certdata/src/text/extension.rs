//! Extensions of a certificate: each as OpenSSL's method for it prints it, or its octets where it has none.

use super::der::{Decoded, Element, Reader, Undecodable, tag};
use super::general::{self, Pair};
use super::object;
use super::out::Out;
use super::points;
use super::policy;
use super::time;

/// One extension. The answer is its name when OpenSSL decodes it and this crate does not.
pub(super) fn print(oid: &str, critical: bool, value: &[u8], out: &mut Out) -> Option<String> {
    out.indent(12);
    out.put(format_args!("{}: {}\n", object::long(oid), if critical { "critical" } else { "" }));
    let begin = out.0.len();
    if decoded(oid, Reader(value), out).is_err() {
        out.0.truncate(begin);
        out.indent(INDENT);
        out.dots(value);
    }
    out.text("\n");
    ELSEWHERE.contains(&oid).then(|| format!("extension {}", object::long(oid)))
}

fn decoded(oid: &str, mut value: Reader<'_>, out: &mut Out) -> Decoded<()> {
    match oid.strip_prefix("2.5.29.").unwrap_or(oid) {
        "14" => {
            out.indent(INDENT);
            out.colons(value.expect(tag::OCTET_STRING)?.content);
            Ok(())
        }
        "15" => list(&bits(value, &KEY_USAGES)?, out),
        "16" => usage_period(value, out),
        "17" | "18" | "29" => list(&names(value)?, out),
        "19" => list(&basic_constraints(value)?, out),
        "20" | "27" | "54" => {
            out.indent(INDENT);
            out.text(&value.expect(tag::INTEGER)?.integer()?.text());
            Ok(())
        }
        "28" => points::issuing(value, INDENT, out),
        "30" => points::constraints(value, INDENT, out),
        "31" | "46" => points::distribution(value, INDENT, out),
        "32" => policy::policies(value, INDENT, out),
        "33" => list(&some(policy::mappings(value)?)?, out),
        "35" => lines(&authority_key(value)?, out),
        "36" => list(&some(policy::constraints(value)?)?, out),
        "37" => list(&some(extended_usages(value)?)?, out),
        "1.3.6.1.5.5.7.1.1" | "1.3.6.1.5.5.7.1.11" => lines(&access(value)?, out),
        "1.3.6.1.5.5.7.1.24" => list(&some(tls_features(value)?)?, out),
        "1.3.6.1.5.5.7.48.1.5" => {
            value.expect(tag::NULL)?;
            Ok(())
        }
        "2.16.840.1.113730.1.1" => list(&bits(value, &NETSCAPE_TYPES)?, out),
        netscape if NETSCAPE_TEXTS.contains(&netscape) => {
            let text = value.expect(tag::IA5)?.content;
            if text.is_empty() {
                return Err(Undecodable);
            }
            out.indent(INDENT);
            out.c_string(text);
            Ok(())
        }
        _ => Err(Undecodable),
    }
}

/// The names of the bits that are set, the first bit being the highest of the first octet.
pub(super) fn names_of_bits<'a>(bits: &[u8], names: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let set = move |at: usize| bits.get(at / 8).is_some_and(|octet| octet & (0x80 >> (at % 8)) != 0);
    let chosen: Vec<&str> =
        names.iter().enumerate().filter(|&(at, _)| set(at)).map(|(_, name)| *name).collect();
    chosen.into_iter()
}

/// `A:b, C`; a pair without a value is its name.
fn list(pairs: &[Pair], out: &mut Out) -> Decoded<()> {
    out.indent(INDENT);
    if pairs.is_empty() {
        out.text("<EMPTY>\n");
    }
    for (index, pair) in pairs.iter().enumerate() {
        if index > 0 {
            out.text(", ");
        }
        print_pair(pair, out);
    }
    Ok(())
}

/// A pair in each line.
fn lines(pairs: &[Pair], out: &mut Out) -> Decoded<()> {
    if pairs.is_empty() {
        out.indent(INDENT);
        out.text("<EMPTY>\n");
    }
    for (index, pair) in pairs.iter().enumerate() {
        if index > 0 {
            out.text("\n");
        }
        out.indent(INDENT);
        print_pair(pair, out);
    }
    Ok(())
}

fn print_pair(pair: &Pair, out: &mut Out) {
    out.octets(&pair.name);
    if !pair.name.is_empty() && !pair.value.is_empty() {
        out.text(":");
    }
    out.octets(&pair.value);
}

/// A list that OpenSSL takes for a failure when there is nothing in it.
fn some(pairs: Vec<Pair>) -> Decoded<Vec<Pair>> {
    if pairs.is_empty() { Err(Undecodable) } else { Ok(pairs) }
}

fn named(name: impl Into<Vec<u8>>) -> Pair {
    Pair { name: name.into(), value: Vec::new() }
}

fn bits(mut value: Reader<'_>, names: &[&str]) -> Decoded<Vec<Pair>> {
    let bits = value.expect(tag::BIT_STRING)?.bits()?;
    let pairs: Vec<Pair> = names_of_bits(&bits, names).map(named).collect();
    some(pairs)
}

fn names(mut value: Reader<'_>) -> Decoded<Vec<Pair>> {
    value.list(tag::SEQUENCE)?.all()?.iter().map(general::pair).collect()
}

fn basic_constraints(mut value: Reader<'_>) -> Decoded<Vec<Pair>> {
    let mut inside = value.expect(tag::SEQUENCE)?.inside();
    let authority = match inside.optional(tag::BOOLEAN)? {
        Some(flag) if flag.content.len() == 1 => flag.content[0] != 0,
        Some(_) => return Err(Undecodable),
        None => false,
    };
    let mut pairs = vec![Pair { name: "CA".into(), value: if authority { "TRUE" } else { "FALSE" }.into() }];
    if let Some(length) = inside.optional(tag::INTEGER)? {
        pairs.push(Pair { name: "pathlen".into(), value: length.integer()?.text().into() });
    }
    inside.end()?;
    Ok(pairs)
}

fn authority_key(mut value: Reader<'_>) -> Decoded<Vec<Pair>> {
    let mut inside = value.expect(tag::SEQUENCE)?.inside();
    let key = inside.optional(tag::context(0))?;
    let issuer = inside.optional_list(tag::constructed(1))?;
    let serial = inside.optional(tag::context(2))?;
    inside.end()?;
    let colons = |octets: &[u8]| {
        let mut text = Out::default();
        text.colons(octets);
        text.0
    };
    let mut pairs = Vec::new();
    if let Some(key) = key {
        let name = if issuer.is_some() || serial.is_some() { "keyid" } else { "" };
        pairs.push(Pair { name: name.into(), value: colons(key.content) });
    }
    if let Some(issuer) = issuer {
        for name in issuer.inside().all()? {
            pairs.push(general::pair(&name)?);
        }
    }
    if let Some(serial) = serial {
        pairs.push(Pair { name: "serial".into(), value: colons(&serial.integer()?.magnitude) });
    }
    Ok(pairs)
}

fn extended_usages(mut value: Reader<'_>) -> Decoded<Vec<Pair>> {
    let usages = value.list(tag::SEQUENCE)?.each(tag::OID)?;
    usages.iter().map(|usage| Ok(named(object::long(&usage.oid()?)))).collect()
}

/// Authority and subject information access.
fn access(mut value: Reader<'_>) -> Decoded<Vec<Pair>> {
    let described = |description: &Element<'_>| {
        let mut inside = description.inside();
        let method = inside.expect(tag::OID)?.oid()?;
        let pair = general::pair(&inside.next()?.ok_or(Undecodable)?)?;
        inside.end()?;
        let mut name = format!("{} - ", object::long(&method)).into_bytes();
        name.extend(pair.name);
        Ok(Pair { name, value: pair.value })
    };
    value.list(tag::SEQUENCE)?.each(tag::SEQUENCE)?.iter().map(described).collect()
}

fn tls_features(mut value: Reader<'_>) -> Decoded<Vec<Pair>> {
    let features = value.list(tag::SEQUENCE)?.each(tag::INTEGER)?;
    let feature = |element: &Element<'_>| {
        Ok(match element.integer()?.text().as_str() {
            "5" => named("status_request"),
            "17" => named("status_request_v2"),
            // OpenSSL has no name for them, and gives the number as value.
            number => named(number),
        })
    };
    features.iter().map(feature).collect()
}

fn usage_period(mut value: Reader<'_>, out: &mut Out) -> Decoded<()> {
    let mut inside = value.expect(tag::SEQUENCE)?.inside();
    let (begin, end) = (inside.optional(tag::context(0))?, inside.optional(tag::context(1))?);
    inside.end()?;
    out.indent(INDENT);
    if let Some(begin) = &begin {
        out.put(format_args!("Not Before: {}", time::generalized(begin.content)?));
    }
    if begin.is_some() && end.is_some() {
        out.text(", ");
    }
    if let Some(end) = end {
        out.put(format_args!("Not After: {}", time::generalized(end.content)?));
    }
    Ok(())
}

const INDENT: usize = 16;
const KEY_USAGES: [&str; 9] = [
    "Digital Signature",
    "Non Repudiation",
    "Key Encipherment",
    "Data Encipherment",
    "Key Agreement",
    "Certificate Sign",
    "CRL Sign",
    "Encipher Only",
    "Decipher Only",
];
const NETSCAPE_TYPES: [&str; 8] = [
    "SSL Client",
    "SSL Server",
    "S/MIME",
    "Object Signing",
    "Unused",
    "SSL CA",
    "S/MIME CA",
    "Object Signing CA",
];
const NETSCAPE_TEXTS: [&str; 7] = [
    "2.16.840.1.113730.1.2",
    "2.16.840.1.113730.1.3",
    "2.16.840.1.113730.1.4",
    "2.16.840.1.113730.1.7",
    "2.16.840.1.113730.1.8",
    "2.16.840.1.113730.1.12",
    "2.16.840.1.113730.1.13",
];
/// What OpenSSL has a method for, and no root has been seen with: networks and numbers of routers (RFC 3779), proxy
/// certificates (RFC 3820), SXNet, admissions, certificate transparency, extensions of lists and of OCSP.
const ELSEWHERE: [&str; 17] = [
    "1.3.6.1.5.5.7.1.7",
    "1.3.6.1.5.5.7.1.8",
    "1.3.6.1.5.5.7.1.14",
    "1.3.101.1.4.1",
    "1.3.36.8.3.3",
    "1.3.6.1.4.1.11129.2.4.2",
    "1.3.6.1.4.1.11129.2.4.3",
    "1.3.6.1.4.1.11129.2.4.5",
    "2.5.29.21",
    "2.5.29.24",
    "2.5.29.23",
    "1.3.6.1.5.5.7.48.1.2",
    "1.3.6.1.5.5.7.48.1.3",
    "1.3.6.1.5.5.7.48.1.4",
    "1.3.6.1.5.5.7.48.1.6",
    "1.3.6.1.5.5.7.48.1.7",
    "1.2.643.100.112",
];
