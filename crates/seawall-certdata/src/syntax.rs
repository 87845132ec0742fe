//! Lines to objects: the syntax of certdata.txt, whatever the objects mean.
//!
//! An object is a run of attributes that begins with `CKA_CLASS` and ends at a blank line or the next `CKA_CLASS`.
//! Lines may end in CRLF. Memory is bounded by the size of the input.

use crate::fault::{Fault, FaultKind};

/// The whole file.
#[derive(Debug, Default)]
pub(crate) struct File<'a> {
    /// The lines of licence blocks, markers included.
    pub(crate) licence: Vec<&'a str>,
    pub(crate) objects: Vec<Object<'a>>,
}

/// One object.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    /// The line of its `CKA_CLASS`.
    pub(crate) line: usize,
    pub(crate) class: &'a str,
    /// What the comments among and right before its attributes say, `#` included; not the heading, nor empty ones.
    pub(crate) comments: Vec<&'a str>,
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
    /// `MULTILINE_OCTAL … END`.
    Octets(Vec<u8>),
    /// Another type, and its word.
    Word(&'a str, &'a str),
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

    /// A value in octets that must be there.
    pub(crate) fn octets(&self, name: &'static str) -> Result<&[u8], Fault> {
        match self.attribute(name) {
            Some(Attribute { value: Value::Octets(octets), .. }) => Ok(octets),
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
        lines: Lines { rest: bytes, line: 0 },
        file: File::default(),
        open: false,
        comments: Vec::new(),
    };
    let mut begun = false;
    while let Some(line) = reader.lines.next()? {
        if memchr::memchr(b'*', line.as_bytes()).is_some() && line.contains(LICENCE_BEGIN) {
            reader.licence(line)?;
        } else if line.trim_ascii().is_empty() {
            reader.open = false;
            reader.comments.clear();
        } else if line.starts_with('#') {
            reader.comment(line);
        } else if line.trim_ascii_end() == "BEGINDATA" {
            begun = true;
            reader.open = false;
        } else if !line.starts_with("CVS_ID ") {
            reader.attribute(line)?;
        }
    }
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
    /// The comments since the last blank line, for the object to come.
    comments: Vec<&'a str>,
}

impl<'a> Reader<'a> {
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
        let comments = match self.file.objects.last_mut() {
            Some(object) if self.open => &mut object.comments,
            _ => &mut self.comments,
        };
        if HEADINGS.iter().any(|heading| line.starts_with(heading)) {
            comments.clear();
        } else if line != "#" {
            comments.push(line);
        }
    }

    fn attribute(&mut self, line: &'a str) -> Result<(), Fault> {
        let number = self.lines.line;
        let not_attribute = || FaultKind::NotAttribute(excerpt(line));
        let Some((name, rest)) = line.split_once([' ', '\t']).filter(|(name, _)| name.starts_with("CKA_"))
        else {
            return Err(self.fault(number, not_attribute()));
        };
        let rest = rest.trim_ascii();
        let (kind, rest) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        if name == "CKA_CLASS" {
            let comments = std::mem::take(&mut self.comments);
            self.file.objects.push(Object {
                line: number,
                class: rest.trim_ascii(),
                comments,
                attributes: Vec::new(),
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

    fn octets(&mut self, name: &str) -> Result<Vec<u8>, Fault> {
        let begin = self.lines.line;
        let mut octets = Vec::with_capacity(OCTETS_USUAL);
        loop {
            let line = match self.lines.octets() {
                Ok(Some(line)) => line.trim_ascii_end(),
                // A file cut here may be cut inside a line: what is missing is the END all the same.
                Ok(None) => return Err(self.fault(begin, FaultKind::NoEnd(excerpt(name)))),
                Err(fault) => return Err(self.fault(fault.line, fault.kind)),
            };
            if line == b"END" {
                return Ok(octets);
            }
            if octal(line, &mut octets).is_none() {
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
    rest: &'a [u8],
    /// The number of the last line given out.
    line: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its end, which it must have.
    fn next(&mut self) -> Result<Option<&'a str>, Fault> {
        let Some(line) = self.octets()? else { return Ok(None) };
        std::str::from_utf8(line).map(Some).map_err(|_| Fault::at(self.line, FaultKind::NotUtf8))
    }

    /// As [`Lines::next`], whatever its encoding.
    fn octets(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        let Some(end) = memchr::memchr(b'\n', self.rest) else {
            return Err(Fault::at(self.line, FaultKind::NoLineEnd));
        };
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

/// What stands between the first quote, which comes first, and the last, which comes last.
fn quoted(text: &str) -> Option<&str> {
    text.trim_ascii().strip_prefix('"')?.strip_suffix('"')
}

/// Adds the bytes of one line of escapes, each of one to three octal digits.
fn octal(line: &[u8], octets: &mut Vec<u8>) -> Option<()> {
    if whole_octal(line, octets) {
        return Some(());
    }
    let mut escapes = std::str::from_utf8(line).ok()?.strip_prefix('\\')?.split('\\');
    escapes.try_for_each(|digits| {
        let octal = matches!(digits.len(), 1..=3) && digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        octets.push(octal.then(|| u8::from_str_radix(digits, 8).ok()).flatten()?);
        Some(())
    })
}

/// As [`octal`], for lines of escapes with three digits each, which all are in practice: these lines are most of the
/// file. Adds nothing to other lines.
fn whole_octal(line: &[u8], octets: &mut Vec<u8>) -> bool {
    let begin = octets.len();
    let (escapes, []) = line.as_chunks::<4>() else { return false };
    // Whatever is wrong leaves a bit here.
    let mut wrong = u8::from(escapes.is_empty());
    octets.extend(escapes.iter().map(|&[slash, high, middle, low]| {
        let [high, middle, low] = [high, middle, low].map(|digit| digit ^ b'0');
        wrong |= (slash ^ b'\\') | (high >> 2) | ((middle | low) >> 3);
        high << 6 | middle << 3 | low
    }));
    if wrong != 0 {
        octets.truncate(begin);
    }
    wrong == 0
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
/// Most certificates have less.
const OCTETS_USUAL: usize = 2048;
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
        assert_eq!(file.objects[0].comments, ["# Issuer: A", "# among"]);
        assert_eq!(file.objects[0].label(), Some("A \"\"B"));
        assert_eq!((file.objects[0].line, file.objects[0].class), (9, "X"));
    }
}
