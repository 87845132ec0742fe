//! Certificate policies, policy mappings and policy constraints (RFC 5280 §4.2.1.4, 5, 11).

use super::der::{Decoded, Element, Reader, Undecodable, tag};
use super::general::Pair;
use super::object;
use super::out::Out;

/// Certificate policies.
pub(super) fn policies(value: Reader<'_>, indent: usize, out: &mut Out) -> Decoded<()> {
    for (index, policy) in list(value)?.each(tag::SEQUENCE)?.iter().enumerate() {
        if index > 0 {
            out.text("\n");
        }
        let mut inside = policy.inside();
        let oid = inside.expect(tag::OID)?.oid()?;
        let qualifiers = inside.optional_list(tag::SEQUENCE)?;
        inside.end()?;
        out.indent(indent);
        out.put(format_args!("Policy: {}", object::long(&oid)));
        if let Some(qualifiers) = qualifiers {
            out.text("\n");
            print_qualifiers(&qualifiers, indent + 2, out)?;
        }
    }
    Ok(())
}

/// Policy mappings, as pairs.
pub(super) fn mappings(value: Reader<'_>) -> Decoded<Vec<Pair>> {
    let mut pairs = Vec::new();
    for mapping in list(value)?.each(tag::SEQUENCE)? {
        let mut inside = mapping.inside();
        let (issuer, subject) = (inside.expect(tag::OID)?.oid()?, inside.expect(tag::OID)?.oid()?);
        inside.end()?;
        pairs.push(Pair { name: object::long(&issuer).into(), value: object::long(&subject).into() });
    }
    Ok(pairs)
}

/// Policy constraints, as pairs.
pub(super) fn constraints(value: Reader<'_>) -> Decoded<Vec<Pair>> {
    let mut inside = sequence(value)?;
    let mut pairs = Vec::new();
    for (number, name) in [(0, "Require Explicit Policy"), (1, "Inhibit Policy Mapping")] {
        if let Some(skip) = inside.optional(tag::context(number))? {
            pairs.push(Pair { name: name.into(), value: skip.integer()?.text().into() });
        }
    }
    inside.end()?;
    Ok(pairs)
}

fn list(mut value: Reader<'_>) -> Decoded<Reader<'_>> {
    value.list(tag::SEQUENCE)
}

fn sequence(mut value: Reader<'_>) -> Decoded<Reader<'_>> {
    Ok(value.expect(tag::SEQUENCE)?.inside())
}

fn print_qualifiers(qualifiers: &Element<'_>, indent: usize, out: &mut Out) -> Decoded<()> {
    for (index, qualifier) in qualifiers.inside().each(tag::SEQUENCE)?.iter().enumerate() {
        if index > 0 {
            out.text("\n");
        }
        let mut inside = qualifier.inside();
        let oid = inside.expect(tag::OID)?.oid()?;
        out.indent(indent);
        match oid.as_str() {
            CPS => {
                out.text("CPS: ");
                out.c_string(inside.expect(tag::IA5)?.content);
            }
            USER_NOTICE => {
                out.text("User Notice:\n");
                print_notice(inside.expect(tag::SEQUENCE)?.inside(), indent + 2, out)?;
            }
            other => {
                inside.next()?.ok_or(Undecodable)?;
                out.put(format_args!("  Unknown Qualifier: {}", object::long(other)));
            }
        }
        inside.end()?;
    }
    Ok(())
}

fn print_notice(mut notice: Reader<'_>, indent: usize, out: &mut Out) -> Decoded<()> {
    let reference = notice.optional(tag::SEQUENCE)?;
    let text = notice.next()?.map(display_text).transpose()?;
    notice.end()?;
    if let Some(reference) = reference {
        let mut inside = reference.inside();
        let organization = inside.next()?.ok_or(Undecodable).and_then(display_text)?;
        let numbers = inside.list(tag::SEQUENCE)?.each(tag::INTEGER)?;
        inside.end()?;
        out.indent(indent);
        out.text("Organization: ");
        out.c_string(organization);
        out.text("\n");
        out.indent(indent);
        out.put(format_args!("Number{}: ", if numbers.len() > 1 { "s" } else { "" }));
        for (index, number) in numbers.iter().enumerate() {
            out.put(format_args!("{}{}", if index > 0 { ", " } else { "" }, number.integer()?.text()));
        }
        if text.is_some() {
            out.text("\n");
        }
    }
    if let Some(text) = text {
        out.indent(indent);
        out.text("Explicit Text: ");
        out.c_string(text);
    }
    Ok(())
}

/// A DisplayText: its octets, whatever their encoding.
fn display_text(element: Element<'_>) -> Decoded<&[u8]> {
    match element.tag {
        tag::BMP if !element.content.len().is_multiple_of(2) => Err(Undecodable),
        tag::IA5 | tag::VISIBLE | tag::BMP | tag::UTF8 => Ok(element.content),
        _ => Err(Undecodable),
    }
}

const CPS: &str = "1.3.6.1.5.5.7.2.1";
const USER_NOTICE: &str = "1.3.6.1.5.5.7.2.2";
