//! A close look at each root: does its own signature hold, is it valid now, how strong is its key?
//!
//! What [`Certdata::parse`](crate::Certdata::parse) refuses is not looked at again: that certificates parse, and have
//! the hashes that their trust objects name.

use std::fmt;

use x509_parser::error::X509Error;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::date;
use crate::root::Root;
use crate::text;
use crate::trust::TrustLevel;

/// What was found about a root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Examination {
    /// Whose signature it bears.
    pub signature: Signature,
    /// The algorithm of that signature, by OpenSSL's name.
    pub signature_algorithm: String,
    /// Its public key.
    pub key: Key,
    /// Whether it is valid at the time of the look.
    pub validity: Validity,
    /// What is wrong or odd, gravest first.
    pub findings: Vec<Finding>,
}

/// A root's signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signature {
    /// By its own key, and right.
    OwnVerified,
    /// Said to be by its own key, and wrong.
    OwnBroken,
    /// Said to be by its own key, with an algorithm that is not verified here, MD5 say, or with too small a key.
    OwnUnverified,
    /// By another: subject and issuer differ.
    Foreign,
}

impl Signature {
    /// A word for programs.
    pub const fn token(self) -> &'static str {
        match self {
            Self::OwnVerified => "verified",
            Self::OwnBroken => "broken",
            Self::OwnUnverified => "unverified",
            Self::Foreign => "foreign",
        }
    }
}

/// A public key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    /// Its algorithm, by OpenSSL's name.
    pub algorithm: String,
    /// Its size in bits, where that can be told.
    pub bits: Option<usize>,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bits {
            Some(bits) => write!(f, "{}, {bits} bits", self.algorithm),
            None => f.write_str(&self.algorithm),
        }
    }
}

/// Where in its validity a root is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Validity {
    /// Before it.
    NotYet,
    /// In it.
    Now,
    /// After it.
    Expired,
}

impl Validity {
    /// A word for programs.
    pub const fn token(self) -> &'static str {
        match self {
            Self::NotYet => "not-yet",
            Self::Now => "valid",
            Self::Expired => "expired",
        }
    }
}

/// How grave a finding is. The gravest comes first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Gravity {
    /// The root should not be in a bundle.
    Problem,
    /// Worth knowing.
    Remark,
}

/// Something wrong or odd.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// How grave.
    pub gravity: Gravity,
    /// What.
    pub text: String,
}

/// Examines a root at `now`, in seconds since 1970.
pub fn examine(root: &Root, now: i64) -> Option<Examination> {
    let (_, certificate) = X509Certificate::from_der(&root.der).ok()?;
    let key = key(&certificate);
    let validity = match (now < root.not_before, now > root.not_after) {
        (true, _) => Validity::NotYet,
        (_, true) => Validity::Expired,
        _ => Validity::Now,
    };
    let mut examination = Examination {
        signature: signature(&certificate),
        signature_algorithm: text::algorithm(certificate.signature_algorithm.algorithm.as_bytes()),
        key,
        validity,
        findings: Vec::new(),
    };
    examination.findings = findings(root, &certificate, &examination);
    examination.findings.sort_by_key(|finding| finding.gravity);
    Some(examination)
}

fn signature(certificate: &X509Certificate<'_>) -> Signature {
    if certificate.subject().as_raw() != certificate.issuer().as_raw() {
        return Signature::Foreign;
    }
    // Keys below 2048 bits are not verified by the library; that they are small is a finding of its own.
    let small = text::key_bits(certificate.public_key())
        .is_some_and(|bits| bits > CURVE_BITS_MAX && bits < RSA_BITS_MIN);
    match certificate.verify_signature(None) {
        Ok(()) => Signature::OwnVerified,
        Err(X509Error::SignatureVerificationError) if !small => Signature::OwnBroken,
        Err(_) => Signature::OwnUnverified,
    }
}

fn key(certificate: &X509Certificate<'_>) -> Key {
    let info = certificate.public_key();
    let algorithm = text::algorithm(info.algorithm.algorithm.as_bytes());
    Key { algorithm, bits: text::key_bits(info) }
}

fn findings(root: &Root, certificate: &X509Certificate<'_>, found: &Examination) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |gravity: Gravity, text: String| findings.push(Finding { gravity, text });
    // What nobody trusts may be as weak as it likes.
    let trusted = root.trust.iter().any(|&(_, level)| level == TrustLevel::TrustedDelegator);
    let weak = if trusted { Gravity::Problem } else { Gravity::Remark };
    match found.signature {
        Signature::OwnVerified => {}
        Signature::OwnBroken => add(weak, "its own signature is wrong".to_owned()),
        Signature::OwnUnverified => {
            let text = format!(
                "its own signature cannot be verified: {} with {}",
                found.signature_algorithm, found.key
            );
            add(Gravity::Remark, text);
        }
        Signature::Foreign => add(Gravity::Remark, "it is signed by another, not by itself".to_owned()),
    }
    if let Some(bits) = found.key.bits {
        let least = if found.key.algorithm == "rsaEncryption" { RSA_BITS_MIN } else { CURVE_BITS_MIN };
        if bits < least {
            add(weak, format!("its key is too small: {}, less than {least}", found.key));
        }
    }
    if root.not_before > root.not_after {
        add(Gravity::Problem, "its validity ends before it begins".to_owned());
    }
    match found.validity {
        Validity::Now => {}
        Validity::NotYet => {
            add(Gravity::Problem, format!("it is not valid before {}", date::day(root.not_before)))
        }
        Validity::Expired => add(Gravity::Remark, format!("it expired on {}", date::day(root.not_after))),
    }
    if certificate.version().0 == 2 && !certificate.is_ca() {
        add(weak, "it does not say that it is a certificate authority's".to_owned());
    }
    if !root.hashed {
        add(Gravity::Remark, "its trust object names no hashes to compare it with".to_owned());
    }
    for (what, after) in [("servers", root.server_distrust_after), ("e-mail", root.email_distrust_after)] {
        if let Some(after) = after {
            let text = format!("what it issues for {what} after {} is not trusted", date::day(after));
            add(Gravity::Remark, text);
        }
    }
    findings
}

/// The Baseline Requirements of the CA/Browser Forum (§6.1.5).
const RSA_BITS_MIN: usize = 2048;
const CURVE_BITS_MIN: usize = 256;
/// What is larger is an RSA key.
const CURVE_BITS_MAX: usize = 571;
