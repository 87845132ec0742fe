//! What is wrong with a certdata file.

use thiserror::Error;

/// Damage: where it is, and what.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("line {line}: {}{kind}", object.as_ref().map(|label| format!("object \"{}\": ", label.escape_debug())).unwrap_or_default())]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The label of the object that holds the line, once the label has been read.
    pub object: Option<String>,
    /// What is wrong.
    #[source]
    pub kind: FaultKind,
}

impl Fault {
    pub(crate) fn at(line: usize, kind: FaultKind) -> Self {
        Self { line, object: None, kind }
    }

    pub(crate) fn of(line: usize, label: &str, kind: FaultKind) -> Self {
        Self { line, object: Some(label.to_owned()), kind }
    }
}

/// What is wrong.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// There is no `BEGINDATA`.
    #[error("the file ends without BEGINDATA: not a certdata.txt, or a truncated one")]
    NoData,
    /// The last line has no line end.
    #[error("the file is truncated: its last line has no end")]
    NoLineEnd,
    /// The file ends inside an octal value.
    #[error("the file is truncated: {0} has no END")]
    NoEnd(String),
    /// A line that is no attribute, comment or blank.
    #[error("not an attribute: {0}")]
    NotAttribute(String),
    /// An attribute that no `CKA_CLASS` precedes.
    #[error("{0} stands outside an object: CKA_CLASS comes first")]
    OutsideObject(String),
    /// An attribute given twice.
    #[error("{name} is given twice, first in line {first}")]
    DuplicateAttribute {
        /// The attribute.
        name: String,
        /// The line of the first.
        first: usize,
    },
    /// More attributes than any object has.
    #[error("the object has more than {0} attributes")]
    TooManyAttributes(usize),
    /// An attribute that the object must have.
    #[error("{0} is missing, or of another type")]
    MissingAttribute(&'static str),
    /// Not `\ooo` with values up to 377.
    #[error("not octal escapes from \\000 to \\377: {0}")]
    Octal(String),
    /// A text without quotes, or not in UTF-8.
    #[error("{0} is not a quoted text in UTF-8")]
    Text(String),
    /// A comment that is not UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// A certificate that cannot be parsed.
    #[error("CKA_VALUE is not a certificate: {0}")]
    Certificate(String),
    /// A date that cannot be read.
    #[error("{0} is not a date such as 241130235959Z")]
    Date(&'static str),
    /// A hash that is not the certificate's.
    #[error("{name} is not the hash of the certificate in line {certificate}")]
    Hash {
        /// The attribute.
        name: &'static str,
        /// The line of the certificate.
        certificate: usize,
    },
    /// Two objects of one class for one issuer and serial number.
    #[error("the same issuer and serial number as in line {0}")]
    DuplicateObject(usize),
    /// A certificate without its trust object.
    #[error("the certificate has no trust object: the file is truncated or damaged")]
    NoTrust,
    /// A trust object that trusts a certificate that is not there.
    #[error("the trust object has no certificate, yet trusts it: the file is damaged")]
    NoCertificate,
    /// Called distrusted, yet trusted.
    #[error("the label says that it is distrusted, but a trust purpose says otherwise")]
    NotDistrusted,
    /// No certificate at all.
    #[error("the file holds no certificate")]
    NoCertificates,
}
