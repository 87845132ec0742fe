//! Where revocation lists are, and which names are permitted (RFC 5280 §4.2.1.10, 13, 5.2.5).

use super::der::{Decoded, Element, Reader, Undecodable, tag};
use super::general;
use super::name;
use super::out::Out;

/// CRL distribution points, and freshest CRL.
pub(super) fn distribution(mut value: Reader<'_>, indent: usize, out: &mut Out) -> Decoded<()> {
    for (index, point) in value.list(tag::SEQUENCE)?.each(tag::SEQUENCE)?.iter().enumerate() {
        if index > 0 {
            out.text("\n");
        }
        let mut inside = point.inside();
        if let Some(name) = inside.optional(tag::constructed(0))? {
            print_point(&name, indent, out)?;
        }
        if let Some(reasons) = inside.optional(tag::context(1))? {
            print_reasons("Reasons", &reasons, indent, out)?;
        }
        if let Some(issuer) = inside.optional_list(tag::constructed(2))? {
            out.indent(indent);
            out.text("CRL Issuer:\n");
            print_generals(issuer.inside(), indent, out)?;
        }
        inside.end()?;
    }
    Ok(())
}

/// Issuing distribution point.
pub(super) fn issuing(mut value: Reader<'_>, indent: usize, out: &mut Out) -> Decoded<()> {
    let mut inside = value.expect(tag::SEQUENCE)?.inside();
    let begin = out.0.len();
    if let Some(name) = inside.optional(tag::constructed(0))? {
        print_point(&name, indent, out)?;
    }
    let mut flag = |number: u8| -> Decoded<bool> {
        Ok(match inside.optional(tag::context(number))? {
            Some(flag) if flag.content.len() == 1 => flag.content[0] != 0,
            Some(_) => return Err(Undecodable),
            None => false,
        })
    };
    let (users, authorities) = (flag(1)?, flag(2)?);
    let reasons = inside.optional(tag::context(3))?;
    let mut flag = |number: u8| -> Decoded<bool> {
        Ok(match inside.optional(tag::context(number))? {
            Some(flag) if flag.content.len() == 1 => flag.content[0] != 0,
            Some(_) => return Err(Undecodable),
            None => false,
        })
    };
    let (indirect, attributes) = (flag(4)?, flag(5)?);
    inside.end()?;
    let mut line = |given: bool, text: &str| {
        if given {
            out.indent(indent);
            out.text(text);
        }
    };
    line(users, "Only User Certificates\n");
    line(authorities, "Only CA Certificates\n");
    line(indirect, "Indirect CRL\n");
    if let Some(reasons) = reasons {
        print_reasons("Only Some Reasons", &reasons, indent, out)?;
    }
    if attributes {
        out.indent(indent);
        out.text("Only Attribute Certificates\n");
    }
    if out.0.len() == begin {
        out.indent(indent);
        out.text("<EMPTY>\n");
    }
    Ok(())
}

/// Name constraints.
pub(super) fn constraints(mut value: Reader<'_>, indent: usize, out: &mut Out) -> Decoded<()> {
    let mut inside = value.expect(tag::SEQUENCE)?.inside();
    let permitted = inside.optional_list(tag::constructed(0))?;
    let excluded = inside.optional_list(tag::constructed(1))?;
    inside.end()?;
    if let Some(permitted) = &permitted {
        print_subtrees("Permitted", permitted, indent, out)?;
    }
    if permitted.is_some() && excluded.is_some() {
        out.text("\n");
    }
    if let Some(excluded) = &excluded {
        print_subtrees("Excluded", excluded, indent, out)?;
    }
    Ok(())
}

fn print_subtrees(what: &str, subtrees: &Element<'_>, indent: usize, out: &mut Out) -> Decoded<()> {
    let subtrees = subtrees.inside().each(tag::SEQUENCE)?;
    if !subtrees.is_empty() {
        out.indent(indent);
        out.put(format_args!("{what}:\n"));
    }
    for (index, subtree) in subtrees.iter().enumerate() {
        if index > 0 {
            out.text("\n");
        }
        let mut inside = subtree.inside();
        let base = inside.next()?.ok_or(Undecodable)?;
        for number in [0, 1] {
            if let Some(distance) = inside.optional(tag::context(number))? {
                distance.integer()?;
            }
        }
        inside.end()?;
        out.indent(indent + 2);
        if base.tag == general::IP {
            print_network(base.content, out);
        } else {
            general::print(&base, out)?;
        }
    }
    Ok(())
}

/// Address and mask.
fn print_network(octets: &[u8], out: &mut Out) {
    let half = match octets.len() {
        16.. => 16,
        4.. => 4,
        length => length,
    };
    let (address, mask) = octets.split_at(half);
    out.put(format_args!("IP:{}/{}", general::address(address), general::address(mask)));
}

fn print_point(point: &Element<'_>, indent: usize, out: &mut Out) -> Decoded<()> {
    let mut inside = point.inside();
    let name = inside.next()?.ok_or(Undecodable)?;
    inside.end()?;
    out.indent(indent);
    if name.tag | 0x20 == tag::constructed(0) {
        out.text("Full Name:\n");
        return print_generals(name.inside(), indent, out);
    }
    if name.tag | 0x20 != tag::constructed(1) {
        return Err(Undecodable);
    }
    out.text("Relative Name:\n");
    out.indent(indent + 2);
    name::print_relative(name.inside(), out)?;
    out.text("\n");
    Ok(())
}

fn print_generals(names: Reader<'_>, indent: usize, out: &mut Out) -> Decoded<()> {
    for (index, name) in names.all()?.iter().enumerate() {
        if index > 0 {
            out.text("\n");
        }
        out.indent(indent + 2);
        general::print(name, out)?;
    }
    Ok(())
}

fn print_reasons(what: &str, reasons: &Element<'_>, indent: usize, out: &mut Out) -> Decoded<()> {
    let bits = reasons.bits()?;
    out.indent(indent);
    out.put(format_args!("{what}:\n"));
    out.indent(indent + 2);
    let named: Vec<&str> = super::extension::names_of_bits(&bits, &REASONS).collect();
    out.put(format_args!("{}\n", if named.is_empty() { "<EMPTY>".to_owned() } else { named.join(", ") }));
    Ok(())
}

const REASONS: [&str; 9] = [
    "Unused",
    "Key Compromise",
    "CA Compromise",
    "Affiliation Changed",
    "Superseded",
    "Cessation Of Operation",
    "Certificate Hold",
    "Privilege Withdrawn",
    "AA Compromise",
];
