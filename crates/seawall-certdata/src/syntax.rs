//! Lines to objects: the syntax of certdata.txt, whatever the objects mean.
//!
//! An object is a run of attributes that begins with `CKA_CLASS` and ends at a blank line or the next `CKA_CLASS`.
//! Lines may end in CRLF. Memory is bounded by the size of the input.

use std::ops::Range;

use crate::fault::{Fault, FaultKind};

/// The whole file.
#[derive(Debug, Default)]
pub(crate) struct File<'a> {
    /// The lines of licence blocks, markers included.
    pub(crate) licence: Vec<&'a str>,
    pub(crate) objects: Vec<Object<'a>>,
    /// All values in octets, one behind the other: one allocation instead of thousands.
    octets: Vec<u8>,
    /// The comments of all objects.
    comments: Vec<&'a str>,
}

/// One object.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    /// The line of its `CKA_CLASS`.
    pub(crate) line: usize,
    pub(crate) class: &'a str,
    /// Where its comments are in [`File::comments`].
    comments: Range<usize>,
    attributes: Vec<Attribute<'a>>,
}

#[derive(Debug)]
pub(crate) struct Attribute<'a> {
    pub(crate) line: usize,
    pub(crate) name: &'a str,
    pub(crate) value: Value<'a>,
}

#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// `UTF8 "…"`.
    Text(&'a str),
    /// `MULTILINE_OCTAL … END`: where it is in [`File::octets`].
    Octets(Range<usize>),
    /// Another type, and its word.
    Word(&'a str, &'a str),
}

impl<'a> File<'a> {
    /// What the comments among and right before the attributes of an object say, `#` included; not the heading, nor
    /// empty ones.
    pub(crate) fn comments(&self, object: &Object<'a>) -> &[&'a str] {
        self.comments.get(object.comments.clone()).unwrap_or_default()
    }

    /// A value in octets that must be there.
    pub(crate) fn octets(&self, object: &Object<'a>, name: &'static str) -> Result<&[u8], Fault> {
        let octets = object.attribute(name).and_then(|attribute| self.value(&attribute.value));
        octets.ok_or_else(|| object.fault(object.line, FaultKind::MissingAttribute(name)))
    }

    /// A value, when it is one in octets.
    pub(crate) fn value(&self, value: &Value<'a>) -> Option<&[u8]> {
        match value {
            Value::Octets(range) => self.octets.get(range.clone()),
            Value::Text(_) | Value::Word(..) => None,
        }
    }
}

impl<'a> Object<'a> {
    pub(crate) fn attributes(&self) -> &[Attribute<'a>] {
        &self.attributes
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The label, when it has one.
    pub(crate) fn label(&self) -> Option<&'a str> {
        match self.attribute("CKA_LABEL")?.value {
            Value::Text(text) => Some(text),
            Value::Octets(_) | Value::Word(..) => None,
        }
    }

    /// A text that must be there.
    pub(crate) fn text(&self, name: &'static str) -> Result<&'a str, Fault> {
        match self.attribute(name) {
            Some(Attribute { value: Value::Text(text), .. }) => Ok(text),
            _ => Err(self.fault(self.line, FaultKind::MissingAttribute(name))),
        }
    }

    pub(crate) fn fault(&self, line: usize, kind: FaultKind) -> Fault {
        Fault { line, object: self.label().map(str::to_owned), kind }
    }
}

/// Reads the whole file.
pub(crate) fn read(bytes: &[u8]) -> Result<File<'_>, Fault> {
    let mut reader = Reader {
        lines: Lines::new(bytes),
        // An octet takes four characters.
        file: File { octets: Vec::with_capacity(bytes.len() / 4), ..File::default() },
        open: false,
        pending: 0,
    };
    let mut begun = false;
    while let Some(line) = reader.lines.next()? {
        if line.starts_with(ATTRIBUTE) {
            reader.attribute(line)?;
        } else if memchr::memchr(b'*', line.as_bytes()).is_some() && line.contains(LICENCE_BEGIN) {
            reader.licence(line)?;
        } else if line.starts_with('#') {
            reader.comment(line);
        } else if line.trim_ascii().is_empty() {
            reader.close();
            reader.file.comments.truncate(reader.pending);
        } else if line.trim_ascii_end() == "BEGINDATA" {
            begun = true;
            reader.close();
        } else if !line.starts_with("CVS_ID ") {
            return Err(reader.fault(reader.lines.line, FaultKind::NotAttribute(excerpt(line))));
        }
    }
    reader.close();
    if !begun {
        return Err(Fault::at(reader.lines.line, FaultKind::NoData));
    }
    Ok(reader.file)
}

struct Reader<'a> {
    lines: Lines<'a>,
    file: File<'a>,
    /// Whether attributes and comments still belong to the last object.
    open: bool,
    /// Where in [`File::comments`] those begin that belong to the last object, if it is open, and else to the next.
    pending: usize,
}

impl<'a> Reader<'a> {
    /// Ends the last object: what comments follow are the next one's.
    fn close(&mut self) {
        if self.open {
            self.open = false;
            let end = self.file.comments.len();
            if let Some(object) = self.file.objects.last_mut() {
                object.comments = self.pending..end;
            }
            self.pending = end;
        }
    }

    fn licence(&mut self, first: &'a str) -> Result<(), Fault> {
        self.file.licence.push(first);
        while let Some(line) = self.lines.next()? {
            self.file.licence.push(line);
            if line.contains(LICENCE_END) {
                break;
            }
        }
        Ok(())
    }

    fn comment(&mut self, line: &'a str) {
        if HEADINGS.iter().any(|heading| line.starts_with(heading)) {
            self.file.comments.truncate(self.pending);
        } else if line != "#" {
            self.file.comments.push(line);
        }
    }

    fn attribute(&mut self, line: &'a str) -> Result<(), Fault> {
        let number = self.lines.line;
        let not_attribute = || FaultKind::NotAttribute(excerpt(line));
        let Some((name, rest)) = words(line) else { return Err(self.fault(number, not_attribute())) };
        let rest = rest.trim_ascii();
        let (kind, rest) = words(rest).unwrap_or((rest, ""));
        if name == "CKA_CLASS" {
            self.close();
            self.file.objects.push(Object {
                line: number,
                class: rest.trim_ascii(),
                comments: 0..0,
                attributes: Vec::with_capacity(OBJECT_ATTRIBUTES_USUAL),
            });
            self.open = true;
            return Ok(());
        }
        if !self.open {
            return Err(Fault::at(number, FaultKind::OutsideObject(excerpt(name))));
        }
        let value = match kind {
            "MULTILINE_OCTAL" => Value::Octets(self.octets(name)?),
            "UTF8" => {
                Value::Text(quoted(rest).ok_or_else(|| self.fault(number, FaultKind::Text(excerpt(name))))?)
            }
            "" => return Err(self.fault(number, not_attribute())),
            kind => Value::Word(kind, rest.trim_ascii()),
        };
        self.push(Attribute { line: number, name, value })
    }

    fn push(&mut self, attribute: Attribute<'a>) -> Result<(), Fault> {
        let Some(object) = self.file.objects.last_mut() else {
            return Err(Fault::at(attribute.line, FaultKind::OutsideObject(excerpt(attribute.name))));
        };
        if let Some(first) = object.attribute(attribute.name) {
            let kind = FaultKind::DuplicateAttribute { name: excerpt(attribute.name), first: first.line };
            return Err(object.fault(attribute.line, kind));
        }
        if object.attributes.len() == OBJECT_ATTRIBUTES_MAX {
            return Err(object.fault(attribute.line, FaultKind::TooManyAttributes(OBJECT_ATTRIBUTES_MAX)));
        }
        object.attributes.push(attribute);
        Ok(())
    }

    fn octets(&mut self, name: &str) -> Result<Range<usize>, Fault> {
        let (line_of_begin, begin) = (self.lines.line, self.file.octets.len());
        loop {
            self.lines.whole_octal_lines(&mut self.file.octets);
            let line = match self.lines.octets() {
                Ok(Some(line)) => line.trim_ascii_end(),
                // A file cut here may be cut inside a line: what is missing is the END all the same.
                Ok(None) => return Err(self.fault(line_of_begin, FaultKind::NoEnd(excerpt(name)))),
                Err(fault) => return Err(self.fault(fault.line, fault.kind)),
            };
            if line == b"END" {
                return Ok(begin..self.file.octets.len());
            }
            if octal(line, &mut self.file.octets).is_none() {
                let line = String::from_utf8_lossy(line);
                return Err(self.fault(self.lines.line, FaultKind::Octal(excerpt(&line))));
            }
        }
    }

    fn fault(&self, line: usize, kind: FaultKind) -> Fault {
        match self.file.objects.last() {
            Some(object) if self.open => object.fault(line, kind),
            _ => Fault::at(line, kind),
        }
    }
}

struct Lines<'a> {
    bytes: &'a [u8],
    /// As much of it, from its beginning, as is UTF-8: to look at all of it at once is faster than line by line.
    text: &'a str,
    /// Where the next line begins.
    at: usize,
    /// The number of the last line given out.
    line: usize,
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let text = std::str::from_utf8(bytes)
            .or_else(|error| std::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default()))
            .unwrap_or_default();
        Self { bytes, text, at: 0, line: 0 }
    }

    /// The next line without its end, which it must have.
    fn next(&mut self) -> Result<Option<&'a str>, Fault> {
        let begin = self.at;
        let Some(line) = self.octets()? else { return Ok(None) };
        match self.text.get(begin..begin + line.len()) {
            Some(line) => Ok(Some(line)),
            None => std::str::from_utf8(line).map(Some).map_err(|_| Fault::at(self.line, FaultKind::NotUtf8)),
        }
    }

    /// As [`Lines::next`], whatever its encoding.
    fn octets(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        let Some(end) = memchr::memchr(b'\n', rest) else {
            return Err(Fault::at(self.line, FaultKind::NoLineEnd));
        };
        let line = &rest[..end];
        self.at += end + 1;
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Adds the bytes of the lines to come, as long as these are like most: sixteen escapes of three digits.
    fn whole_octal_lines(&mut self, octets: &mut Vec<u8>) {
        let (lines, _) =
            self.bytes.get(self.at..).unwrap_or_default().as_chunks::<{ WHOLE_LINE_BYTES + 1 }>();
        for line in lines {
            let (escapes, _) = line.as_chunks();
            let Some(whole) = escapes.first_chunk().and_then(whole_escapes::<{ WHOLE_LINE_BYTES / 4 }>)
            else {
                break;
            };
            if line[WHOLE_LINE_BYTES] != b'\n' {
                break;
            }
            octets.extend_from_slice(&whole);
            self.at += line.len();
            self.line += 1;
        }
    }
}

/// The first word of a text, and what stands behind the space or tab after it.
fn words(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| matches!(byte, b' ' | b'\t'))?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// What stands between the first quote, which comes first, and the last, which comes last.
fn quoted(text: &str) -> Option<&str> {
    text.trim_ascii().strip_prefix('"')?.strip_suffix('"')
}

/// Adds the bytes of one line of escapes, each of one to three octal digits.
fn octal(line: &[u8], octets: &mut Vec<u8>) -> Option<()> {
    if let (escapes @ [_, ..], []) = line.as_chunks() {
        let begin = octets.len();
        if escapes.iter().all(|&escape| {
            whole_escapes(&[escape]).is_some_and(|[octet]| {
                octets.push(octet);
                true
            })
        }) {
            return Some(());
        }
        octets.truncate(begin);
    }
    let mut escapes = std::str::from_utf8(line).ok()?.strip_prefix('\\')?.split('\\');
    escapes.try_for_each(|digits| {
        let octal = matches!(digits.len(), 1..=3) && digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        octets.push(octal.then(|| u8::from_str_radix(digits, 8).ok()).flatten()?);
        Some(())
    })
}

/// Reads escapes of three digits each, if all are.
///
/// In words of 32 bits and without a branch before the end, so that the compiler reads several at once.
#[inline]
fn whole_escapes<const N: usize>(escapes: &[[u8; 4]; N]) -> Option<[u8; N]> {
    // From the lowest octet: nothing, two bits, three and three.
    let bits = escapes.map(|escape| u32::from_le_bytes(escape) ^ u32::from_le_bytes(*br"\000"));
    let wrong = bits.iter().fold(0, |wrong, bits| wrong | bits & !0x0707_0300);
    let octets =
        bits.map(|bits| (bits >> 2 & 0o300 | bits >> 13 & 0o070 | bits >> 24 & 0o007).to_le_bytes()[0]);
    (wrong == 0).then_some(octets)
}

/// Enough of a foreign line to recognise it, safe to print.
fn excerpt(line: &str) -> String {
    let mut shown: String = line
        .chars()
        .take(EXCERPT_CHARS_MAX)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if line.chars().nth(EXCERPT_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Objects of NSS have up to 15; looking for doubled ones among a few takes no time.
const OBJECT_ATTRIBUTES_MAX: usize = 64;
const OBJECT_ATTRIBUTES_USUAL: usize = 16;
/// Sixteen escapes of four characters.
const WHOLE_LINE_BYTES: usize = 64;
const ATTRIBUTE: &str = "CKA_";
const EXCERPT_CHARS_MAX: usize = 60;
const LICENCE_BEGIN: &str = "***** BEGIN LICENSE BLOCK *****";
const LICENCE_END: &str = "***** END LICENSE BLOCK *****";
const HEADINGS: [&str; 2] = ["# Certificate \"", "# Trust for "];

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(line: &str) -> Option<Vec<u8>> {
        let mut octets = Vec::new();
        octal(line.as_bytes(), &mut octets).map(|()| octets)
    }

    #[test]
    fn octal_escapes_go_from_000_to_377() {
        assert_eq!(octets(r"\000\377\12\7"), Some(vec![0, 255, 10, 7]));
        for wrong in ["", r"\", r"\400", r"\777", r"\08", r"\0000", r"000\001", r"\001 ", r"\+1", r"\001\"] {
            assert_eq!(octets(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn comments_of_a_block_belong_to_its_object() {
        let text = "#\n# gone\n\nBEGINDATA\n#\n# Certificate \"A\"\n#\n# Issuer: A\nCKA_CLASS CK_OBJECT_CLASS X\n\
                    CKA_LABEL UTF8 \"A \"\"B\"\n# among\nCKA_TOKEN CK_BBOOL CK_TRUE\n\n# stray\n";
        let file = read(text.as_bytes()).unwrap();
        assert_eq!(file.objects.len(), 1);
        assert_eq!(file.comments(&file.objects[0]), ["# Issuer: A", "# among"]);
        assert_eq!(file.objects[0].label(), Some("A \"\"B"));
        assert_eq!((file.objects[0].line, file.objects[0].class), (9, "X"));
    }
}
