//! Names in OpenSSL's two forms: `C = BE, O = A + OU = B` and `/C=BE/O=A`.

use super::der::{Decoded, Element, Reader, Undecodable, tag};
use super::object;
use super::out::Out;

/// A name from its `SEQUENCE`, in one line with spaces (`XN_FLAG_ONELINE`).
pub(super) fn print(name: &Element<'_>, out: &mut Out) -> Decoded<()> {
    for (index, set) in name.inside().each(tag::SET)?.iter().enumerate() {
        if index > 0 {
            out.text(", ");
        }
        print_relative(set.inside(), out)?;
    }
    Ok(())
}

/// The attributes of one relative name.
pub(super) fn print_relative(set: Reader<'_>, out: &mut Out) -> Decoded<()> {
    for (index, attribute) in set.each(tag::SEQUENCE)?.iter().enumerate() {
        if index > 0 {
            out.text(" + ");
        }
        let (oid, value) = parts(attribute)?;
        out.text(object::short(&oid).unwrap_or(&oid));
        out.text(" = ");
        escaped(&value, out)?;
    }
    Ok(())
}

/// With slashes (`X509_NAME_oneline`), as long as `room` lets it grow by whole attributes.
pub(super) fn slashes(name: &Element<'_>, room: usize) -> Decoded<Vec<u8>> {
    let mut line = Out::default();
    for set in name.inside().each(tag::SET)? {
        for (index, attribute) in set.inside().each(tag::SEQUENCE)?.iter().enumerate() {
            let (oid, value) = parts(attribute)?;
            let before = line.0.len();
            let separator = if index == 0 { '/' } else { '+' };
            line.put(format_args!("{separator}{}=", object::short(&oid).unwrap_or(&oid)));
            let skip = general_string_step(&value);
            for (_, &octet) in value
                .content
                .iter()
                .enumerate()
                .filter(|(at, _)| skip.is_none_or(|step| at % step == step - 1))
            {
                match octet {
                    b'/' | b'+' => line.octets(&[b'\\', octet]),
                    b' '..=b'~' => line.0.push(octet),
                    _ => line.put(format_args!("\\x{octet:02X}")),
                }
            }
            if line.0.len() > room {
                line.0.truncate(before);
                return Ok(line.0);
            }
        }
    }
    Ok(line.0)
}

/// A GeneralString whose octets come in fours with three zeros is read as four octets a character.
fn general_string_step(value: &Element<'_>) -> Option<usize> {
    let wide = value.tag == 0x1b
        && value.content.len().is_multiple_of(4)
        && value.content.chunks(4).all(|four| four[..3] == [0, 0, 0]);
    wide.then_some(4)
}

fn parts<'a>(attribute: &Element<'a>) -> Decoded<(String, Element<'a>)> {
    let mut inside = attribute.inside();
    let oid = inside.expect(tag::OID)?.oid()?;
    let value = inside.next()?.filter(|value| ALLOWED.contains(&value.tag)).ok_or(Undecodable)?;
    inside.end()?;
    // OpenSSL makes a canonical form of each name, in which such a string has none.
    if value.tag == tag::UTF8 && std::str::from_utf8(value.content).is_err() {
        return Err(Undecodable);
    }
    Ok((oid, value))
}

/// A value with the escapes of RFC 2253, or in quotes where one of its characters needs an escape.
fn escaped(value: &Element<'_>, out: &mut Out) -> Decoded<()> {
    let characters: Vec<u32> = match value.tag {
        // UTF8String goes octet by octet.
        tag::UTF8 => value.content.iter().map(|&octet| u32::from(octet)).collect(),
        // Numeric, printable, teletex, IA5 and visible strings, and times: one octet a character, made UTF-8.
        0x12..=0x14 | 0x16..=0x18 | 0x1a => utf8(value.content.iter().map(|&octet| u32::from(octet))),
        0x1c if value.content.len().is_multiple_of(4) => utf8(wide(value.content, 4)),
        tag::BMP if value.content.len().is_multiple_of(2) => utf8(wide(value.content, 2)),
        0x1c | tag::BMP => return Err(Undecodable),
        _ => {
            out.text("#");
            value.raw.iter().for_each(|octet| out.put(format_args!("{octet:02X}")));
            return Ok(());
        }
    };
    let mut text = Vec::new();
    let mut quotes = false;
    for (index, &character) in characters.iter().enumerate() {
        // OpenSSL forgets the first when it is the last, too.
        let (first, last) = (index == 0, index + 1 == characters.len());
        match u8::try_from(character).unwrap_or(u8::MAX) {
            octet @ (b',' | b'+' | b';' | b'<' | b'>') => {
                quotes = true;
                text.push(octet);
            }
            b'#' if first && !last => {
                quotes = true;
                text.push(b'#');
            }
            b' ' if first || last => {
                quotes = true;
                text.push(b' ');
            }
            octet @ (b'"' | b'\\') => text.extend([b'\\', octet]),
            octet @ b' '..=b'~' => text.push(octet),
            octet => text.extend(format!("\\{octet:02X}").bytes()),
        }
    }
    let quote = if quotes { "\"" } else { "" };
    out.text(quote);
    out.octets(&text);
    out.text(quote);
    Ok(())
}

fn wide(content: &[u8], width: usize) -> impl Iterator<Item = u32> {
    content.chunks(width).map(|chunk| chunk.iter().fold(0, |value, &octet| value << 8 | u32::from(octet)))
}

/// The octets of characters in UTF-8; what is no character, a surrogate say, is left out.
fn utf8(characters: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut octets = Vec::new();
    for character in characters.filter_map(char::from_u32) {
        octets.extend(character.encode_utf8(&mut [0; 4]).bytes().map(u32::from));
    }
    octets
}

/// Types that OpenSSL lets a value have: strings, and some that it has no use for.
const ALLOWED: [u8; 18] = [
    0x03, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x12, 0x13, 0x14, 0x16, 0x1c, 0x1d, 0x1e,
    0x30,
];
