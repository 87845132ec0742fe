//! For what NSS trusts a certificate, and how far.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A closed set of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word in certdata.txt and in options.
            pub const fn token(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.token())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            /// Reads the word, in any case.
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|one| one.token().eq_ignore_ascii_case(text)).ok_or_else(|| {
                    UnknownWord { what: $what, word: text.to_owned(), known: vec![$($word),*] }
                })
            }
        }
    };
}

words! {
    /// What a certificate may be trusted for: the attributes `CKA_TRUST_*` of type `CK_TRUST`.
    TrustPurpose, "trust purpose", {
        /// `DIGITAL_SIGNATURE`.
        DigitalSignature = "DIGITAL_SIGNATURE",
        /// `NON_REPUDIATION`.
        NonRepudiation = "NON_REPUDIATION",
        /// `KEY_ENCIPHERMENT`.
        KeyEncipherment = "KEY_ENCIPHERMENT",
        /// `DATA_ENCIPHERMENT`.
        DataEncipherment = "DATA_ENCIPHERMENT",
        /// `KEY_AGREEMENT`.
        KeyAgreement = "KEY_AGREEMENT",
        /// `KEY_CERT_SIGN`.
        KeyCertSign = "KEY_CERT_SIGN",
        /// `CRL_SIGN`.
        CrlSign = "CRL_SIGN",
        /// TLS servers.
        ServerAuth = "SERVER_AUTH",
        /// TLS clients.
        ClientAuth = "CLIENT_AUTH",
        /// Programs.
        CodeSigning = "CODE_SIGNING",
        /// S/MIME.
        EmailProtection = "EMAIL_PROTECTION",
        /// `IPSEC_END_SYSTEM`.
        IpsecEndSystem = "IPSEC_END_SYSTEM",
        /// `IPSEC_TUNNEL`.
        IpsecTunnel = "IPSEC_TUNNEL",
        /// `IPSEC_USER`.
        IpsecUser = "IPSEC_USER",
        /// `TIME_STAMPING`.
        TimeStamping = "TIME_STAMPING",
        /// `STEP_UP_APPROVED`.
        StepUpApproved = "STEP_UP_APPROVED",
    }
}

words! {
    /// How far a certificate is trusted: the values `CKT_NSS_*`.
    TrustLevel, "trust level", {
        /// A trust anchor: it and what it issues.
        TrustedDelegator = "TRUSTED_DELEGATOR",
        /// Never to be trusted.
        NotTrusted = "NOT_TRUSTED",
        /// No trust anchor; to be verified like any other.
        MustVerifyTrust = "MUST_VERIFY_TRUST",
        /// Itself, not what it issues.
        Trusted = "TRUSTED",
    }
}

/// A word that is not in its set.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("unknown {what} {word:?}; known are ALL, {}", known.join(", "))]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    known: Vec<&'static str>,
}

impl UnknownWord {
    pub(crate) fn new(what: &'static str, word: &str, known: Vec<&'static str>) -> Self {
        Self { what, word: word.to_owned(), known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case_and_unknown_ones_are_named() {
        assert_eq!("server_auth".parse(), Ok(TrustPurpose::ServerAuth));
        assert_eq!("TRUSTED".parse(), Ok(TrustLevel::Trusted));
        let error = "SERVER".parse::<TrustPurpose>().unwrap_err().to_string();
        assert!(
            error.starts_with("unknown trust purpose \"SERVER\"; known are ALL, DIGITAL_SIGNATURE,"),
            "{error}"
        );
    }
}
