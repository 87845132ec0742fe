//! Objects to roots: certificates paired with what NSS trusts them for.

use std::collections::BTreeMap;
use std::fmt;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509CertificateParser;
use x509_parser::nom::Parser as _;

use crate::date;
use crate::fault::{Fault, FaultKind};
use crate::syntax::{self, File, Object, Value};
use crate::trust::{TrustLevel, TrustPurpose};

/// What a certdata.txt says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certdata {
    /// The certificates, in the order of the file.
    pub roots: Vec<Root>,
    /// What is odd, but no damage.
    pub remarks: Vec<Remark>,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// The lines of a licence block, if the file has one.
    pub licence: Vec<String>,
}

/// A certificate with its trust.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Root {
    /// `CKA_LABEL`: the name that Mozilla gives it. Several roots may share one.
    pub label: String,
    /// The line of the certificate object, from 1.
    pub line: usize,
    /// The comments of the object: issuer, dates, fingerprints as NSS writes them; each line ends in LF.
    pub comments: String,
    /// The certificate.
    pub der: Vec<u8>,
    /// Its validity begins, in seconds since 1970.
    pub not_before: i64,
    /// The last second of its validity, in seconds since 1970.
    pub not_after: i64,
    /// Whether its trust object names it by SHA-1 and MD5 hashes, which are right then.
    pub hashed: bool,
    /// What it is trusted for and how far, in the order of the file.
    pub trust: Vec<(TrustPurpose, TrustLevel)>,
    /// Certificates for servers issued later are not trusted (`CKA_NSS_SERVER_DISTRUST_AFTER`).
    pub server_distrust_after: Option<i64>,
    /// Certificates for e-mail issued later are not trusted (`CKA_NSS_EMAIL_DISTRUST_AFTER`).
    pub email_distrust_after: Option<i64>,
}

/// Something odd that is no damage.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remark {
    /// The line, from 1.
    pub line: usize,
    /// The label of the object.
    pub object: String,
    /// What is odd.
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: object \"{}\": {}", self.line, self.object.escape_debug(), self.text)
    }
}

impl Certdata {
    /// Reads a certdata.txt.
    ///
    /// # Errors
    ///
    /// The first damage found: a syntax error, a missing, doubled or contradicting attribute, a certificate that cannot
    /// be parsed or has other hashes than its trust object says, a certificate without trust object, a trust object
    /// that trusts a certificate that is not there, or a file without certificates.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let file = syntax::read(bytes)?;
        let mut trusts = trusts(&file)?;
        let (mut roots, mut remarks) = (Vec::with_capacity(trusts.len()), Vec::new());
        let mut lines = BTreeMap::new();
        for object in file.objects.iter().filter(|object| object.class == "CKO_CERTIFICATE") {
            let key = Key::of(object, &file)?;
            if let Some(first) = lines.insert(key, object.line) {
                return Err(object.fault(object.line, FaultKind::DuplicateObject(first)));
            }
            let trust = trusts.remove(&key).ok_or_else(|| object.fault(object.line, FaultKind::NoTrust))?;
            roots.push(root(object, trust, &file, &mut remarks)?);
        }
        if roots.is_empty() {
            return Err(Fault::at(1, FaultKind::NoCertificates));
        }
        // Reported in the order of the file.
        let mut alone: Vec<&Object<'_>> = trusts.into_values().collect();
        alone.sort_by_key(|object| object.line);
        for object in alone {
            remarks.push(without_certificate(object)?);
        }
        let licence = file.licence.iter().map(|&line| line.to_owned()).collect();
        Ok(Self { roots, remarks, sha256: Sha256::digest(bytes).into(), licence })
    }
}

impl Root {
    /// How far it is trusted for a purpose.
    pub fn level(&self, purpose: TrustPurpose) -> Option<TrustLevel> {
        self.trust.iter().find(|&&(one, _)| one == purpose).map(|&(_, level)| level)
    }

    /// The subject as text.
    pub fn subject(&self) -> String {
        parser()
            .parse(&self.der)
            .map(|(_, certificate)| certificate.subject().to_string())
            .unwrap_or_default()
    }

    /// SHA-256 of the certificate.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }
}

/// What names a certificate (RFC 5280 §4.1.2.2). The serial number comes first, for it tells most of them apart.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Key<'a> {
    serial: &'a [u8],
    issuer: &'a [u8],
}

impl<'a> Key<'a> {
    fn of(object: &Object<'a>, file: &'a File<'a>) -> Result<Self, Fault> {
        let issuer = file.octets(object, "CKA_ISSUER")?;
        Ok(Self { serial: file.octets(object, "CKA_SERIAL_NUMBER")?, issuer })
    }
}

/// The trust objects. The map is one that no choice of keys makes slow.
fn trusts<'a>(file: &'a File<'a>) -> Result<BTreeMap<Key<'a>, &'a Object<'a>>, Fault> {
    let mut trusts: BTreeMap<Key<'a>, &'a Object<'a>> = BTreeMap::new();
    for object in file.objects.iter().filter(|object| object.class == "CKO_NSS_TRUST") {
        object.text("CKA_LABEL")?;
        // Every release has these three; without one, the file was cut.
        for name in ["CKA_TRUST_SERVER_AUTH", "CKA_TRUST_EMAIL_PROTECTION", "CKA_TRUST_CODE_SIGNING"] {
            if !matches!(object.attribute(name).map(|one| &one.value), Some(Value::Word("CK_TRUST", _))) {
                return Err(object.fault(object.line, FaultKind::MissingAttribute(name)));
            }
        }
        if let Some(first) = trusts.insert(Key::of(object, file)?, object) {
            return Err(object.fault(object.line, FaultKind::DuplicateObject(first.line)));
        }
    }
    Ok(trusts)
}

/// NSS distrusts certificates that it does not hold; but it cannot trust one.
fn without_certificate(object: &Object<'_>) -> Result<Remark, Fault> {
    let mut unread = Vec::new();
    let trust = levels(object, &mut unread);
    if trust.iter().any(|&(_, level)| matches!(level, TrustLevel::TrustedDelegator | TrustLevel::Trusted)) {
        return Err(object.fault(object.line, FaultKind::NoCertificate));
    }
    let text = "distrusts a certificate that the file does not hold; a bundle cannot say so".to_owned();
    Ok(Remark { line: object.line, object: object.text("CKA_LABEL")?.to_owned(), text })
}

fn root(
    object: &Object<'_>,
    trust: &Object<'_>,
    file: &File<'_>,
    remarks: &mut Vec<Remark>,
) -> Result<Root, Fault> {
    let label = object.text("CKA_LABEL")?;
    let der = file.octets(object, "CKA_VALUE")?;
    let value_line = object.attribute("CKA_VALUE").map_or(object.line, |attribute| attribute.line);
    let broken = |what: String| Fault::of(value_line, label, FaultKind::Certificate(what));
    let (rest, certificate) = parser().parse(der).map_err(|error| broken(error.to_string()))?;
    if !rest.is_empty() {
        return Err(broken(format!("{} bytes follow it", rest.len())));
    }
    let hashed = compare_hashes(der, trust, file, object.line)?;
    let levels = levels(trust, remarks);
    if [label, trust.text("CKA_LABEL")?].into_iter().any(called_distrusted)
        && levels.iter().any(|&(_, level)| level != TrustLevel::NotTrusted)
    {
        return Err(trust.fault(trust.line, FaultKind::NotDistrusted));
    }
    Ok(Root {
        label: label.to_owned(),
        line: object.line,
        comments: file.comments(object).iter().flat_map(|&line| [line, "\n"]).collect(),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        hashed,
        trust: levels,
        server_distrust_after: distrust_after(object, file, "CKA_NSS_SERVER_DISTRUST_AFTER")?,
        email_distrust_after: distrust_after(object, file, "CKA_NSS_EMAIL_DISTRUST_AFTER")?,
        der: der.to_vec(),
    })
}

fn called_distrusted(label: &str) -> bool {
    label.as_bytes().windows(DISTRUST.len()).any(|window| window.eq_ignore_ascii_case(DISTRUST))
}

/// What extensions say plays no part here.
fn parser() -> X509CertificateParser {
    X509CertificateParser::new().with_deep_parse_extensions(false)
}

/// The trust object names its certificate by hashes, too. Some distrust without: the answer is whether there is one.
fn compare_hashes(
    der: &[u8],
    trust: &Object<'_>,
    file: &File<'_>,
    certificate: usize,
) -> Result<bool, Fault> {
    let sha1 = compare_hash::<Sha1>(der, trust, file, ("CKA_CERT_SHA1_HASH", certificate))?;
    let md5 = compare_hash::<Md5>(der, trust, file, ("CKA_CERT_MD5_HASH", certificate))?;
    Ok(sha1 || md5)
}

fn compare_hash<D: Digest>(
    der: &[u8],
    trust: &Object<'_>,
    file: &File<'_>,
    (name, certificate): (&'static str, usize),
) -> Result<bool, Fault> {
    let Some(attribute) = trust.attribute(name) else { return Ok(false) };
    if file.octets(trust, name)? != D::digest(der).as_slice() {
        return Err(trust.fault(attribute.line, FaultKind::Hash { name, certificate }));
    }
    Ok(true)
}

fn levels(trust: &Object<'_>, remarks: &mut Vec<Remark>) -> Vec<(TrustPurpose, TrustLevel)> {
    let mut levels = Vec::new();
    for attribute in trust.attributes() {
        let (Some(purpose), Value::Word("CK_TRUST", level)) =
            (attribute.name.strip_prefix("CKA_TRUST_"), &attribute.value)
        else {
            continue;
        };
        let known =
            purpose.parse().ok().zip(level.strip_prefix("CKT_NSS_").and_then(|level| level.parse().ok()));
        match known {
            Some(pair) => levels.push(pair),
            None => remarks.push(Remark {
                line: attribute.line,
                object: trust.label().unwrap_or_default().to_owned(),
                text: format!("trust of an unknown kind left out: {} {level}", attribute.name),
            }),
        }
    }
    levels
}

/// A date, or `CK_FALSE` for none.
fn distrust_after(object: &Object<'_>, file: &File<'_>, name: &'static str) -> Result<Option<i64>, Fault> {
    let Some(attribute) = object.attribute(name) else { return Ok(None) };
    if matches!(attribute.value, Value::Word("CK_BBOOL", "CK_FALSE")) {
        return Ok(None);
    }
    let date = file.value(&attribute.value).and_then(date::utc_time);
    date.map(Some).ok_or_else(|| object.fault(attribute.line, FaultKind::Date(name)))
}

/// In any case.
const DISTRUST: &[u8] = b"distrust";
