//! The message itself: lists within lists, each with its length before it.

/// What a client offers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientHello<'a> {
    /// `legacy_version`, which was the highest version offered until TLS 1.3.
    pub(crate) version: u16,
    pub(crate) cipher_suites: Numbers<'a>,
    extensions: &'a [u8],
    /// Of `supported_versions` (RFC 8446 §4.2.1).
    pub(crate) supported_versions: Option<Numbers<'a>>,
    /// Of `signature_algorithms` (RFC 8446 §4.2.3).
    pub(crate) signature_algorithms: Numbers<'a>,
    /// The first of `application_layer_protocol_negotiation` (RFC 7301 §3.1).
    pub(crate) first_protocol: Option<&'a [u8]>,
}

/// Numbers of two octets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers<'a>(&'a [u8]);

impl<'a> ClientHello<'a> {
    /// Reads the message without its header; none if it is malformed.
    pub(crate) fn parse(message: &'a [u8]) -> Option<Self> {
        let mut rest = Bytes(message);
        let version = rest.number()?;
        let _random = rest.take(32)?;
        let session_id = rest.list_8()?;
        let cipher_suites = Numbers::new(rest.list_16()?)?;
        let compression_methods = rest.list_8()?;
        // RFC 5246 §7.4.1.2: extensions are there if bytes are left.
        let extensions = if rest.0.is_empty() { &[][..] } else { rest.list_16()? };
        if !rest.0.is_empty() || session_id.len() > 32 || compression_methods.is_empty() {
            return None;
        }
        let mut hello = Self {
            version,
            cipher_suites,
            extensions,
            supported_versions: None,
            signature_algorithms: Numbers::default(),
            first_protocol: None,
        };
        let mut rest = Bytes(extensions);
        while !rest.0.is_empty() {
            let (kind, content) = (rest.number()?, rest.list_16()?);
            hello.note(kind, Bytes(content))?;
        }
        Some(hello)
    }

    fn note(&mut self, kind: u16, mut content: Bytes<'a>) -> Option<()> {
        match kind {
            SUPPORTED_VERSIONS => self.supported_versions = Some(Numbers::new(content.list_8()?)?),
            SIGNATURE_ALGORITHMS => self.signature_algorithms = Numbers::new(content.list_16()?)?,
            ALPN => {
                let mut protocols = Bytes(content.list_16()?);
                self.first_protocol = Some(protocols.list_8()?);
                while !protocols.0.is_empty() {
                    protocols.list_8()?;
                }
            }
            _ => return Some(()),
        }
        content.0.is_empty().then_some(())
    }

    /// The types of the extensions, in order.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = u16> {
        let mut rest = Bytes(self.extensions);
        std::iter::from_fn(move || {
            let kind = rest.number()?;
            rest.list_16()?;
            Some(kind)
        })
    }
}

impl<'a> Numbers<'a> {
    fn new(octets: &'a [u8]) -> Option<Self> {
        octets.len().is_multiple_of(2).then_some(Self(octets))
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u16> + use<'a> {
        self.0.as_chunks::<2>().0.iter().map(|octets| u16::from_be_bytes(*octets))
    }
}

/// What is still to be read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let (octets, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*octets))
    }

    /// What has its length before it, in one octet.
    fn list_8(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first()?;
        self.0 = rest;
        self.take(usize::from(*len))
    }

    /// What has its length before it, in two octets.
    fn list_16(&mut self) -> Option<&'a [u8]> {
        let len = self.number()?;
        self.take(usize::from(len))
    }
}

const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
