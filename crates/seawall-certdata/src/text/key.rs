//! Public keys.

use x509_parser::x509::SubjectPublicKeyInfo;

use super::der::{Decoded, Element, Integer, Reader, Undecodable, tag};
use super::object;
use super::out::Out;
use super::signature::PssParameters;

/// The key's algorithm and numbers. The answer names the algorithm when OpenSSL may print more.
pub(super) fn print(info: &SubjectPublicKeyInfo<'_>, out: &mut Out) -> Option<String> {
    let oid = super::der::dotted(info.algorithm.algorithm.as_bytes()).unwrap_or_default();
    out.put(format_args!("            Public Key Algorithm: {}\n", object::long(&oid)));
    let parameters = info.algorithm.parameters.as_ref().map(|any| (any.tag().0, any.data));
    let key: &[u8] = &info.subject_public_key.data;
    let begin = out.0.len();
    let printed = match oid.as_str() {
        "1.2.840.113549.1.1.1" => rsa(key, out),
        "1.2.840.113549.1.1.10" => rsa(key, out).and_then(|()| restrictions(parameters, out)),
        "1.2.840.10045.2.1" => curve(key, parameters, out),
        "1.2.840.10040.4.1" => dsa(key, parameters, out),
        "1.3.101.110" => edwards("X25519", 32, key, out),
        "1.3.101.111" => edwards("X448", 56, key, out),
        "1.3.101.112" => edwards("ED25519", 32, key, out),
        "1.3.101.113" => edwards("ED448", 57, key, out),
        _ => Err(Undecodable),
    };
    printed.is_err().then(|| {
        out.0.truncate(begin);
        out.text("            Unable to load Public Key\n");
        format!("public key of algorithm {}", object::long(&oid))
    })
}

/// The size of a key.
pub(super) fn bits(info: &SubjectPublicKeyInfo<'_>) -> Option<usize> {
    let oid = super::der::dotted(info.algorithm.algorithm.as_bytes())?;
    match oid.as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => {
            let mut inside = Reader(&info.subject_public_key.data).expect(tag::SEQUENCE).ok()?.inside();
            Some(length(&inside.expect(tag::INTEGER).ok()?.integer().ok()?))
        }
        "1.2.840.10045.2.1" => {
            let parameters = info.algorithm.parameters.as_ref()?;
            let name = object::short(&super::der::dotted(parameters.data)?)?;
            BITS.iter().find(|(known, _)| *known == name).map(|&(_, bits)| bits)
        }
        _ => None,
    }
}

fn rsa(key: &[u8], out: &mut Out) -> Decoded<()> {
    let mut inside = Reader(key).expect(tag::SEQUENCE)?.inside();
    let (modulus, exponent) =
        (inside.expect(tag::INTEGER)?.integer()?, inside.expect(tag::INTEGER)?.integer()?);
    inside.end()?;
    out.put(format_args!("{INDENT}Public-Key: ({} bit)\n", length(&modulus)));
    number("Modulus:", &modulus, out);
    number("Exponent:", &exponent, out);
    Ok(())
}

/// What a key for RSASSA-PSS may be used with.
fn restrictions(parameters: Option<(u32, &[u8])>, out: &mut Out) -> Decoded<()> {
    let Some((_, content)) = parameters else {
        out.put(format_args!("{INDENT}No PSS parameter restrictions\n"));
        return Ok(());
    };
    let pss = PssParameters::read(Reader(content))?;
    let default = |given: bool| if given { " (default)" } else { "" };
    let hash = hash_name(pss.hash.as_deref())?;
    let mask = hash_name(pss.mask_hash.as_ref().map(|hash| hash.as_deref().unwrap_or("")))?;
    let salt = pss.salt.as_ref().map_or(Some(20), Integer::small).ok_or(Undecodable)?;
    let trailer = pss.trailer.as_ref().map_or(Some(1), Integer::small).ok_or(Undecodable)?;
    out.put(format_args!("{INDENT}PSS parameter restrictions:\n"));
    out.put(format_args!("{INDENT}  Hash Algorithm: {hash}{}\n", default(hash == "SHA1")));
    out.put(format_args!("{INDENT}  Mask Algorithm: MGF1 with {mask}{}\n", default(mask == "SHA1")));
    out.put(format_args!("{INDENT}  Minimum Salt Length: {salt}{}\n", default(salt == 20)));
    out.put(format_args!("{INDENT}  Trailer Field: 0x{trailer:x}{}\n", default(trailer == 1)));
    Ok(())
}

fn hash_name(oid: Option<&str>) -> Decoded<&'static str> {
    Ok(match oid {
        None | Some("1.3.14.3.2.26") => "SHA1",
        Some("2.16.840.1.101.3.4.2.4") => "SHA2-224",
        Some("2.16.840.1.101.3.4.2.1") => "SHA2-256",
        Some("2.16.840.1.101.3.4.2.2") => "SHA2-384",
        Some("2.16.840.1.101.3.4.2.3") => "SHA2-512",
        Some("2.16.840.1.101.3.4.2.5") => "SHA2-512/224",
        Some("2.16.840.1.101.3.4.2.6") => "SHA2-512/256",
        Some(_) => return Err(Undecodable),
    })
}

fn curve(point: &[u8], parameters: Option<(u32, &[u8])>, out: &mut Out) -> Decoded<()> {
    let oid = match parameters {
        Some((6, oid)) => oid,
        Some((16, parameters)) => return explicit_curve(point, Reader(parameters), out),
        _ => return Err(Undecodable),
    };
    let oid = super::der::dotted(oid).ok_or(Undecodable)?;
    let name = object::short(&oid).ok_or(Undecodable)?;
    let &(_, bits) = BITS.iter().find(|(known, _)| *known == name).ok_or(Undecodable)?;
    if !matches!(point.first(), Some(2..=4 | 6 | 7)) {
        return Err(Undecodable);
    }
    out.put(format_args!("{INDENT}Public-Key: ({bits} bit)\n{INDENT}pub:\n"));
    out.block(point, 15, 20);
    out.put(format_args!("{INDENT}ASN1 OID: {name}\n"));
    if let Some((_, nist)) = NIST.iter().find(|(known, _)| *known == name) {
        out.put(format_args!("{INDENT}NIST CURVE: {nist}\n"));
    }
    Ok(())
}

/// A curve over a prime field, given by all its numbers instead of a name.
fn explicit_curve(point: &[u8], mut inside: Reader<'_>, out: &mut Out) -> Decoded<()> {
    inside.expect(tag::INTEGER)?;
    let mut field = inside.expect(tag::SEQUENCE)?.inside();
    if field.expect(tag::OID)?.oid()? != "1.2.840.10045.1.1" {
        return Err(Undecodable);
    }
    let prime = field.expect(tag::INTEGER)?.integer()?;
    let mut curve = inside.expect(tag::SEQUENCE)?.inside();
    let coefficient = |element: Element<'_>| Integer::unsigned(element.content);
    let (a, b) =
        (coefficient(curve.expect(tag::OCTET_STRING)?), coefficient(curve.expect(tag::OCTET_STRING)?));
    let seed = curve.optional(tag::BIT_STRING)?.map(|seed| seed.bits()).transpose()?;
    let generator = inside.expect(tag::OCTET_STRING)?.content;
    let order = inside.expect(tag::INTEGER)?.integer()?;
    let cofactor = inside.expect(tag::INTEGER)?.integer()?;
    inside.end()?;
    let form = match generator.first() {
        Some(2 | 3) => "compressed",
        Some(4) => "uncompressed",
        Some(6 | 7) => "hybrid",
        _ => return Err(Undecodable),
    };
    out.put(format_args!("{INDENT}Public-Key: ({} bit)\n{INDENT}pub:\n", length(&order)));
    out.block(point, 15, 20);
    out.put(format_args!("{INDENT}Field Type: prime-field\n"));
    number("Prime:", &prime, out);
    number("A:   ", &a, out);
    number("B:   ", &b, out);
    out.put(format_args!("{INDENT}Generator ({form}):\n"));
    out.block(generator, 15, 20);
    number("Order: ", &order, out);
    number("Cofactor: ", &cofactor, out);
    if let Some(seed) = seed {
        out.put(format_args!("{INDENT}Seed:\n"));
        out.block(&seed, 15, 20);
    }
    Ok(())
}

fn dsa(key: &[u8], parameters: Option<(u32, &[u8])>, out: &mut Out) -> Decoded<()> {
    let Some((16, content)) = parameters else { return Err(Undecodable) };
    let key = Reader(key).expect(tag::INTEGER)?.integer()?;
    let mut inside = Reader(content);
    let mut next = || inside.expect(tag::INTEGER)?.integer();
    let (p, q, g) = (next()?, next()?, next()?);
    inside.end()?;
    out.put(format_args!("{INDENT}Public-Key: ({} bit)\n", length(&p)));
    number("pub: ", &key, out);
    number("P:   ", &p, out);
    number("Q:   ", &q, out);
    number("G:   ", &g, out);
    Ok(())
}

fn edwards(name: &str, octets: usize, key: &[u8], out: &mut Out) -> Decoded<()> {
    if key.len() != octets {
        return Err(Undecodable);
    }
    out.put(format_args!("{INDENT}{name} Public-Key:\n{INDENT}pub:\n"));
    out.block(key, 15, 20);
    Ok(())
}

/// Up to 64 bits in decimal and hexadecimal, more of them as octets, the first bit always clear.
fn number(label: &str, number: &Integer, out: &mut Out) {
    if let Some(value) = number.small() {
        let sign = if number.negative { "-" } else { "" };
        match value {
            0 => out.put(format_args!("{INDENT}{label} 0\n")),
            _ => out.put(format_args!("{INDENT}{label} {sign}{value} ({sign}0x{value:x})\n")),
        }
        return;
    }
    out.put(format_args!("{INDENT}{label}{}\n", if number.negative { " (Negative)" } else { "" }));
    let mut octets = number.magnitude.clone();
    if octets.first().is_some_and(|&first| first & 0x80 != 0) {
        octets.insert(0, 0);
    }
    out.block(&octets, 15, 20);
}

fn length(number: &Integer) -> usize {
    let magnitude = &number.magnitude;
    magnitude.first().map_or(0, |first| magnitude.len() * 8 - first.leading_zeros() as usize)
}

const INDENT: &str = "                ";
/// The bits of each curve's order.
const BITS: &[(&str, usize)] = &[
    ("secp112r1", 112),
    ("secp112r2", 110),
    ("secp128r1", 128),
    ("secp128r2", 126),
    ("secp160k1", 161),
    ("secp160r1", 161),
    ("secp160r2", 161),
    ("secp192k1", 192),
    ("secp224k1", 225),
    ("secp224r1", 224),
    ("secp256k1", 256),
    ("secp384r1", 384),
    ("secp521r1", 521),
    ("prime192v1", 192),
    ("prime192v2", 192),
    ("prime192v3", 192),
    ("prime239v1", 239),
    ("prime239v2", 239),
    ("prime239v3", 239),
    ("prime256v1", 256),
    ("sect113r1", 113),
    ("sect113r2", 113),
    ("sect131r1", 131),
    ("sect131r2", 131),
    ("sect163k1", 163),
    ("sect163r1", 162),
    ("sect163r2", 163),
    ("sect193r1", 193),
    ("sect193r2", 193),
    ("sect233k1", 232),
    ("sect233r1", 233),
    ("sect239k1", 238),
    ("sect283k1", 281),
    ("sect283r1", 282),
    ("sect409k1", 407),
    ("sect409r1", 409),
    ("sect571k1", 570),
    ("sect571r1", 570),
    ("c2pnb163v1", 163),
    ("c2pnb163v2", 162),
    ("c2pnb163v3", 162),
    ("c2pnb176v1", 161),
    ("c2tnb191v1", 191),
    ("c2tnb191v2", 190),
    ("c2tnb191v3", 189),
    ("c2pnb208w1", 193),
    ("c2tnb239v1", 238),
    ("c2tnb239v2", 237),
    ("c2tnb239v3", 236),
    ("c2pnb272w1", 257),
    ("c2pnb304w1", 289),
    ("c2tnb359v1", 353),
    ("c2pnb368w1", 353),
    ("c2tnb431r1", 418),
    ("wap-wsg-idm-ecid-wtls1", 112),
    ("wap-wsg-idm-ecid-wtls3", 163),
    ("wap-wsg-idm-ecid-wtls4", 113),
    ("wap-wsg-idm-ecid-wtls5", 163),
    ("wap-wsg-idm-ecid-wtls6", 112),
    ("wap-wsg-idm-ecid-wtls7", 161),
    ("wap-wsg-idm-ecid-wtls8", 113),
    ("wap-wsg-idm-ecid-wtls9", 161),
    ("wap-wsg-idm-ecid-wtls10", 232),
    ("wap-wsg-idm-ecid-wtls11", 233),
    ("wap-wsg-idm-ecid-wtls12", 224),
    ("brainpoolP160r1", 160),
    ("brainpoolP160t1", 160),
    ("brainpoolP192r1", 192),
    ("brainpoolP192t1", 192),
    ("brainpoolP224r1", 224),
    ("brainpoolP224t1", 224),
    ("brainpoolP256r1", 256),
    ("brainpoolP256t1", 256),
    ("brainpoolP320r1", 320),
    ("brainpoolP320t1", 320),
    ("brainpoolP384r1", 384),
    ("brainpoolP384t1", 384),
    ("brainpoolP512r1", 512),
    ("brainpoolP512t1", 512),
    ("SM2", 256),
];
const NIST: &[(&str, &str)] = &[
    ("prime192v1", "P-192"),
    ("secp224r1", "P-224"),
    ("prime256v1", "P-256"),
    ("secp384r1", "P-384"),
    ("secp521r1", "P-521"),
    ("sect163k1", "K-163"),
    ("sect163r2", "B-163"),
    ("sect233k1", "K-233"),
    ("sect233r1", "B-233"),
    ("sect283k1", "K-283"),
    ("sect283r1", "B-283"),
    ("sect409k1", "K-409"),
    ("sect409r1", "B-409"),
    ("sect571k1", "K-571"),
    ("sect571r1", "B-571"),
];
