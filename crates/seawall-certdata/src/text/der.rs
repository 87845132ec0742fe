//! DER elements one after the other: what extensions and names are made of.
//!
//! Headers are read by `asn1-rs`. Only the nesting is judged here; what an element means is its reader's business.

use x509_parser::asn1_rs::{FromBer, Header, Length};

/// OpenSSL cannot decode it either, and shows the octets instead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Undecodable;

pub(super) type Decoded<T> = Result<T, Undecodable>;

/// One element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    /// The identifier octet: class, form and number in one.
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// The element with its header.
    pub(super) raw: &'a [u8],
}

impl<'a> Element<'a> {
    /// What it is made of.
    pub(super) fn inside(&self) -> Reader<'a> {
        Reader(self.content)
    }

    /// Its content as an object identifier in dots.
    pub(super) fn oid(&self) -> Decoded<String> {
        dotted(self.content).ok_or(Undecodable)
    }

    /// Its content as a bit string: the octets, with unused bits cleared.
    pub(super) fn bits(&self) -> Decoded<Vec<u8>> {
        let (&unused, octets) = self.content.split_first().ok_or(Undecodable)?;
        if unused > 7 || (octets.is_empty() && unused > 0) {
            return Err(Undecodable);
        }
        let mut octets = octets.to_vec();
        if let Some(last) = octets.last_mut() {
            *last &= 0xff << unused;
        }
        Ok(octets)
    }

    /// Its content as an integer, which must be as short as it can be.
    pub(super) fn integer(&self) -> Decoded<Integer> {
        Integer::read(self.content).ok_or(Undecodable)
    }
}

/// Elements that follow one another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn next(&mut self) -> Decoded<Option<Element<'a>>> {
        let Some(&tag) = self.0.first() else { return Ok(None) };
        let (content, header) = Header::from_ber(self.0).map_err(|_| Undecodable)?;
        let Length::Definite(length) = header.length() else { return Err(Undecodable) };
        if tag & 0x1f == 0x1f || content.len() < length {
            return Err(Undecodable);
        }
        let (content, rest) = content.split_at(length);
        let raw = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        Ok(Some(Element { tag, content, raw }))
    }

    /// The next element, which must be there with this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Decoded<Element<'a>> {
        self.next()?.filter(|element| element.tag == tag).ok_or(Undecodable)
    }

    /// The next element, a list with this tag. OpenSSL does not mind when its form is said to be primitive.
    pub(super) fn list(&mut self, tag: u8) -> Decoded<Reader<'a>> {
        Ok(self.optional_list(tag)?.ok_or(Undecodable)?.inside())
    }

    /// The next element, if it is a list with this tag.
    pub(super) fn optional_list(&mut self, tag: u8) -> Decoded<Option<Element<'a>>> {
        match self.0.first() {
            Some(&first) if first | 0x20 == tag => self.next(),
            _ => Ok(None),
        }
    }

    /// The next element, if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Decoded<Option<Element<'a>>> {
        if self.0.first() == Some(&tag) { self.next() } else { Ok(None) }
    }

    /// Nothing must be left.
    pub(super) fn end(&self) -> Decoded<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Undecodable) }
    }

    /// All that are left.
    pub(super) fn all(mut self) -> Decoded<Vec<Element<'a>>> {
        let mut all = Vec::new();
        while let Some(element) = self.next()? {
            all.push(element);
        }
        Ok(all)
    }

    /// All that are left, each with this tag.
    pub(super) fn each(self, tag: u8) -> Decoded<Vec<Element<'a>>> {
        let all = self.all()?;
        if all.iter().all(|element| element.tag == tag) { Ok(all) } else { Err(Undecodable) }
    }
}

/// A number of any size.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Integer {
    pub(super) negative: bool,
    /// Without leading zeros, but for one when it is zero.
    pub(super) magnitude: Vec<u8>,
}

impl Integer {
    /// From two's complement.
    pub(super) fn read(content: &[u8]) -> Option<Self> {
        let (&first, more) = content.split_first()?;
        let padded = more.first().is_some_and(|second| first == (if second & 0x80 == 0 { 0 } else { 0xff }));
        if padded {
            return None;
        }
        let negative = first & 0x80 != 0;
        let mut octets = content.to_vec();
        if negative {
            let mut carry = true;
            for octet in octets.iter_mut().rev() {
                (*octet, carry) = (!*octet).overflowing_add(u8::from(carry));
            }
        }
        Some(Self { negative, ..Self::unsigned(&octets) })
    }

    /// From its magnitude.
    pub(super) fn unsigned(octets: &[u8]) -> Self {
        let zeros =
            octets.iter().take_while(|&&octet| octet == 0).count().min(octets.len().saturating_sub(1));
        Self { negative: false, magnitude: octets[zeros..].to_vec() }
    }

    /// The magnitude, when it has no more than 64 bits.
    pub(super) fn small(&self) -> Option<u64> {
        let fits = self.magnitude.len() <= 8;
        fits.then(|| self.magnitude.iter().fold(0, |value, &octet| value << 8 | u64::from(octet)))
    }

    /// `12`, or `0x` and hexadecimal digits from 128 bits on.
    pub(super) fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        if self.magnitude.len() < 16 || (self.magnitude.len() == 16 && self.magnitude[0] < 0x80) {
            let value = self.magnitude.iter().fold(0_u128, |value, &octet| value << 8 | u128::from(octet));
            return format!("{sign}{value}");
        }
        let digits: String = self.magnitude.iter().map(|octet| format!("{octet:02X}")).collect();
        format!("{sign}0x{digits}")
    }
}

/// An object identifier in dots.
pub(super) fn dotted(content: &[u8]) -> Option<String> {
    if content.is_empty() || content.last()? & 0x80 != 0 {
        return None;
    }
    let mut text = String::new();
    let (mut arc, mut begun) = (0_u128, false);
    for &octet in content {
        // An arc does not begin with zeros; more than 128 bits are in no certificate.
        if (!begun && octet == 0x80) || arc >> 120 != 0 {
            return None;
        }
        arc = arc << 7 | u128::from(octet & 0x7f);
        begun = true;
        if octet & 0x80 == 0 {
            if text.is_empty() {
                let first = (arc / 40).min(2);
                text = format!("{first}.{}", arc - first * 40);
            } else {
                text.push('.');
                text += &arc.to_string();
            }
            (arc, begun) = (0, false);
        }
    }
    Some(text)
}

/// Tags: class, form and number.
pub(super) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTF8: u8 = 0x0c;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    pub(crate) const IA5: u8 = 0x16;
    pub(crate) const VISIBLE: u8 = 0x1a;
    pub(crate) const BMP: u8 = 0x1e;
    /// `[n]`, primitive.
    pub(crate) const fn context(number: u8) -> u8 {
        0x80 | number
    }
    /// `[n]`, constructed.
    pub(crate) const fn constructed(number: u8) -> u8 {
        0xa0 | number
    }
}
