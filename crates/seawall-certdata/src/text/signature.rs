//! Signature algorithms and signatures.

use x509_parser::x509::AlgorithmIdentifier;

use super::der::{Decoded, Integer, Reader, Undecodable, tag};
use super::object;
use super::out::Out;

/// The algorithm, and the signature where it is wanted.
pub(super) fn print(algorithm: &AlgorithmIdentifier<'_>, signature: Option<&[u8]>, out: &mut Out) {
    let oid = super::der::dotted(algorithm.algorithm.as_bytes()).unwrap_or_default();
    out.put(format_args!("    Signature Algorithm: {}", object::long(&oid)));
    if signature.is_some() {
        out.text("\n    Signature Value:");
    }
    if oid == "1.2.840.113549.1.1.10" {
        out.indent(INDENT);
        match algorithm.parameters.as_ref().map(|any| PssParameters::read(Reader(any.data))) {
            Some(Ok(parameters)) => print_pss(&parameters, out),
            _ => out.text("(INVALID PSS PARAMETERS)\n"),
        }
    } else if let (true, Some(signature)) = (DSA.contains(&oid.as_str()), signature) {
        if print_dsa(signature, out).is_ok() {
            return;
        }
        out.text("\n");
    } else {
        out.text("\n");
    }
    if let Some(signature) = signature {
        out.block(signature, 18, INDENT);
    }
}

/// What RSASSA-PSS is done with (RFC 4055 §3.1). What is absent has its default.
#[derive(Debug)]
pub(super) struct PssParameters {
    pub(super) hash: Option<String>,
    /// The mask generation function, and the hash that it uses, if that can be told.
    pub(super) mask: Option<String>,
    pub(super) mask_hash: Option<Option<String>>,
    pub(super) salt: Option<Integer>,
    pub(super) trailer: Option<Integer>,
}

impl PssParameters {
    /// From the elements of the `SEQUENCE`.
    pub(super) fn read(mut inside: Reader<'_>) -> Decoded<Self> {
        let hash = inside.optional(tag::constructed(0))?.map(|hash| algorithm(hash.inside())).transpose()?;
        let mask = inside.optional(tag::constructed(1))?.map(|mask| algorithm(mask.inside())).transpose()?;
        let mut number = |at: u8| {
            let explicit = inside.optional(tag::constructed(at))?;
            explicit.map(|one| one.inside().expect(tag::INTEGER)?.integer()).transpose()
        };
        let (salt, trailer) = (number(2)?, number(3)?);
        inside.end()?;
        let mask_hash = mask.as_ref().map(|(_, rest)| algorithm(Reader(rest)).ok().map(|(oid, _)| oid));
        Ok(Self { hash: hash.map(|(oid, _)| oid), mask: mask.map(|(oid, _)| oid), mask_hash, salt, trailer })
    }
}

/// An algorithm's identifier, and what follows it.
fn algorithm(mut value: Reader<'_>) -> Decoded<(String, &[u8])> {
    let mut inside = value.expect(tag::SEQUENCE)?.inside();
    value.end()?;
    let oid = inside.expect(tag::OID)?.oid()?;
    Ok((oid, inside.0))
}

fn print_pss(pss: &PssParameters, out: &mut Out) {
    let hex = |number: &Integer| {
        let digits: String = number.magnitude.iter().map(|octet| format!("{octet:02X}")).collect();
        format!("{}{digits}", if number.negative { "-" } else { "" })
    };
    out.text("\n");
    out.indent(INDENT);
    out.put(format_args!("Hash Algorithm: {}\n", pss.hash.as_deref().map_or("sha1 (default)", object::long)));
    out.indent(INDENT);
    match (&pss.mask, &pss.mask_hash) {
        (Some(mask), Some(hash)) => {
            let hash = hash.as_deref().map_or("INVALID", object::long);
            out.put(format_args!("Mask Algorithm: {} with {hash}\n", object::long(mask)));
        }
        _ => out.text("Mask Algorithm: mgf1 with sha1 (default)\n"),
    }
    out.indent(INDENT);
    out.put(format_args!(" Salt Length: 0x{}\n", pss.salt.as_ref().map_or("14 (default)".to_owned(), hex)));
    out.indent(INDENT);
    out.put(format_args!(
        "Trailer Field: 0x{}\n",
        pss.trailer.as_ref().map_or("01 (default)".to_owned(), hex)
    ));
}

/// The two numbers of a DSA signature.
fn print_dsa(signature: &[u8], out: &mut Out) -> Decoded<()> {
    let mut value = Reader(signature);
    let mut inside = value.expect(tag::SEQUENCE)?.inside();
    let (r, s) = (inside.expect(tag::INTEGER)?.integer()?, inside.expect(tag::INTEGER)?.integer()?);
    inside.end()?;
    if r.small().is_some() || s.small().is_some() {
        return Err(Undecodable);
    }
    out.text("\n");
    for (label, mut number) in [("r:   ", r), ("s:   ", s)] {
        out.indent(INDENT);
        out.put(format_args!("{label}\n"));
        if number.magnitude.first().is_some_and(|&first| first & 0x80 != 0) {
            number.magnitude.insert(0, 0);
        }
        out.block(&number.magnitude, 15, INDENT + 4);
    }
    Ok(())
}

const DSA: [&str; 4] =
    ["1.2.840.10040.4.3", "2.16.840.1.101.3.4.3.1", "2.16.840.1.101.3.4.3.2", "1.3.14.3.2.27"];
const INDENT: usize = 8;
