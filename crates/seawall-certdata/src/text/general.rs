//! General names (RFC 5280 §4.2.1.6), in the two forms that OpenSSL has for them.

use super::der::{Decoded, Element, Undecodable, dotted, tag};
use super::name;
use super::object;
use super::out::Out;

/// What stands before and after the colon, for lists such as alternative names.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// The name as a pair (`i2v_GENERAL_NAME`).
pub(super) fn pair(general: &Element<'_>) -> Decoded<Pair> {
    check(general)?;
    let pair = |name: &str, value: Vec<u8>| Ok(Pair { name: name.into(), value });
    match general.tag {
        OTHER => other(general),
        X400 => pair("X400Name", UNSUPPORTED.into()),
        EDI_PARTY => pair("EdiPartyName", UNSUPPORTED.into()),
        EMAIL => pair("email", whole(general.content)?),
        DNS => pair("DNS", whole(general.content)?),
        URI => pair("URI", whole(general.content)?),
        DIRECTORY => pair("DirName", name::slashes(&general.inside().expect(tag::SEQUENCE)?, 255)?),
        IP => pair("IP Address", address(general.content).into()),
        _ => pair("Registered ID", object::long(&general.oid()?).into()),
    }
}

/// The name after its kind (`GENERAL_NAME_print`).
pub(super) fn print(general: &Element<'_>, out: &mut Out) -> Decoded<()> {
    check(general)?;
    match general.tag {
        OTHER => print_other(general, out)?,
        X400 => out.text("X400Name:<unsupported>"),
        EDI_PARTY => out.text("EdiPartyName:<unsupported>"),
        EMAIL | DNS | URI => {
            out.text(match general.tag {
                EMAIL => "email:",
                DNS => "DNS:",
                _ => "URI:",
            });
            out.dots(general.content);
        }
        DIRECTORY => {
            out.text("DirName:");
            name::print(&general.inside().expect(tag::SEQUENCE)?, out)?;
        }
        IP => {
            out.put(format_args!("IP Address:{}", address(general.content)));
        }
        _ => out.put(format_args!("Registered ID:{}", object::long(&general.oid()?))),
    }
    Ok(())
}

/// `192.0.2.1`, or eight groups of hexadecimal digits.
pub(super) fn address(octets: &[u8]) -> String {
    match octets.len() {
        4 => octets.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
        16 => {
            let groups = octets.chunks(2).map(|two| format!("{:X}", u16::from_be_bytes([two[0], two[1]])));
            groups.collect::<Vec<_>>().join(":")
        }
        length => format!("<invalid length={length}>"),
    }
}

/// What OpenSSL's decoder would not let pass.
fn check(general: &Element<'_>) -> Decoded<()> {
    match general.tag {
        OTHER => other_parts(general).map(drop),
        X400 => Ok(()),
        // Of its two parts, the second must be there.
        EDI_PARTY if general.inside().all()?.last().is_some_and(|part| part.tag == tag::constructed(1)) => {
            Ok(())
        }
        EMAIL | DNS | URI | IP => Ok(()),
        DIRECTORY => {
            let mut inside = general.inside();
            inside.expect(tag::SEQUENCE)?;
            inside.end()
        }
        REGISTERED => dotted(general.content).map(drop).ok_or(Undecodable),
        _ => Err(Undecodable),
    }
}

/// A text that holds no zero octet, which OpenSSL refuses to show.
fn whole(content: &[u8]) -> Decoded<Vec<u8>> {
    if content.contains(&0) { Err(Undecodable) } else { Ok(content.to_vec()) }
}

fn other_parts<'a>(general: &Element<'a>) -> Decoded<(String, Element<'a>)> {
    let mut inside = general.inside();
    let oid = inside.expect(tag::OID)?.oid()?;
    let value = inside.expect(tag::constructed(0))?;
    inside.end()?;
    let mut value = value.inside();
    let element = value.next()?.ok_or(Undecodable)?;
    value.end()?;
    Ok((oid, element))
}

fn other(general: &Element<'_>) -> Decoded<Pair> {
    let (oid, value) = other_parts(general)?;
    if let Some(&(_, kind, wanted)) = OTHER_NAMES.iter().find(|(known, ..)| *known == oid) {
        if value.tag != wanted {
            return Err(Undecodable);
        }
        // With two colons, one of the name and one of the pair.
        return Ok(Pair { name: format!("othername: {kind}:").into(), value: whole(value.content)? });
    }
    let name = format!("othername: {}:", object::long(&oid));
    let value = match value.tag {
        tag::IA5 | tag::UTF8 => whole(value.content)?,
        _ => UNSUPPORTED.into(),
    };
    Ok(Pair { name: name.into(), value })
}

fn print_other(general: &Element<'_>, out: &mut Out) -> Decoded<()> {
    let (oid, value) = other_parts(general)?;
    match OTHER_NAMES.iter().find(|(known, ..)| *known == oid) {
        Some(&(_, kind, wanted)) if value.tag == wanted => {
            out.put(format_args!("othername:{kind}:"));
            out.c_string(value.content);
        }
        _ => out.text("othername:<unsupported>"),
    }
    Ok(())
}

/// Kinds of other names that OpenSSL knows, and the type that each must have.
const OTHER_NAMES: [(&str, &str, u8); 5] = [
    ("1.3.6.1.5.5.7.8.9", "SmtpUTF8Mailbox", tag::UTF8),
    ("1.3.6.1.5.5.7.8.5", "XmppAddr", tag::UTF8),
    ("1.3.6.1.5.5.7.8.7", "SRVName", tag::IA5),
    ("1.3.6.1.4.1.311.20.2.3", "UPN", tag::UTF8),
    ("1.3.6.1.5.5.7.8.8", "NAIRealm", tag::UTF8),
];
const UNSUPPORTED: &str = "<unsupported>";
const OTHER: u8 = tag::constructed(0);
const EMAIL: u8 = tag::context(1);
const DNS: u8 = tag::context(2);
const X400: u8 = tag::constructed(3);
const DIRECTORY: u8 = tag::constructed(4);
const EDI_PARTY: u8 = tag::constructed(5);
const URI: u8 = tag::context(6);
pub(super) const IP: u8 = tag::context(7);
const REGISTERED: u8 = tag::context(8);
