//! The header of the PROXY protocol, versions 1 and 2 (HAProxy's `proxy-protocol.txt`, revision of 2020/03/05
//! and later), by which a load balancer says who is at the other end of the connection that it passes on.
//!
//! [`parse`] looks at what has arrived so far. Strict: what the text rules out is an error, and the
//! connection is to be closed without an answer. What a byte string begins with decides: more bytes never turn
//! a header that is complete, or wrong, into another. Bounds: 107 bytes in version 1, as the text says;
//! [`V2_BYTES_MAX`] in version 2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest version 1 header, its CRLF included (§2.1).
pub const V1_BYTES_MAX: usize = 107;

/// The longest version 2 header that is accepted. The format would allow 65,551; addresses and checksum take 59, and
/// what load balancers add about TLS some hundreds, so nginx takes 4,096 too.
pub const V2_BYTES_MAX: usize = 4096;

/// What the bytes are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Parsed {
    /// The beginning of a header.
    Incomplete {
        /// At most so many bytes are missing.
        needed_at_most: usize,
    },
    /// A whole header. What follows it belongs to the connection's own protocol.
    Complete {
        /// Its length in bytes.
        len: usize,
        /// The two ends of the connection that is passed on. `None` if the sender speaks for itself (`LOCAL`), or
        /// does not say or know (`UNKNOWN`, `AF_UNSPEC`, UNIX sockets, datagrams): the real ends of this one count.
        ends: Option<Ends>,
    },
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ends {
    /// The client.
    pub source: SocketAddr,
    /// Where it connected to.
    pub destination: SocketAddr,
}

/// Why the bytes are no header.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProxyProtocolError {
    /// Neither signature; most likely the peer speaks HTTP or TLS.
    #[error("no PROXY protocol header: does the load balancer send one?")]
    Signature,
    /// Version 1: no line end within the bound.
    #[error("PROXY protocol v1 header longer than {V1_BYTES_MAX} bytes")]
    LineTooLong,
    /// Version 1: not `PROXY`, protocol, two addresses and two ports with one space between each.
    #[error("malformed PROXY protocol v1 header")]
    Line,
    /// Version 2: a version other than 2, with its number.
    #[error("unknown PROXY protocol version {0}")]
    Version(u8),
    /// Version 2: neither LOCAL nor PROXY.
    #[error("unknown PROXY protocol command {0}")]
    Command(u8),
    /// Version 2: an address family or transport that is not defined.
    #[error("unknown PROXY protocol address family {0:#04x}")]
    Family(u8),
    /// Version 2: longer than accepted.
    #[error("PROXY protocol v2 header of {0} bytes, longer than {V2_BYTES_MAX}")]
    HeaderTooLong(usize),
    /// Version 2: too short for its addresses.
    #[error("PROXY protocol v2 header too short for its addresses")]
    Addresses,
    /// Version 2: an extension does not fit, or a checksum has not 4 bytes or comes twice.
    #[error("malformed extension in PROXY protocol v2 header")]
    Tlv,
    /// Version 2: the CRC32c does not match (§2.2.4).
    #[error("checksum of PROXY protocol v2 header does not match")]
    Checksum,
}

/// Reads the header that `bytes` begin with.
///
/// # Errors
/// If they cannot be the beginning of one.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ProxyProtocolError> {
    let begins = |signature: &[u8]| bytes.iter().zip(signature).all(|(byte, expected)| byte == expected);
    if begins(V2_SIGNATURE) {
        parse_v2(bytes)
    } else if begins(V1_SIGNATURE) {
        parse_v1(bytes)
    } else {
        Err(ProxyProtocolError::Signature)
    }
}

const V1_SIGNATURE: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

// === Version 1 ===

fn parse_v1(bytes: &[u8]) -> Result<Parsed, ProxyProtocolError> {
    let seen = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let Some(newline) = memchr::memchr(b'\n', seen) else {
        return match V1_BYTES_MAX - seen.len() {
            0 => Err(ProxyProtocolError::LineTooLong),
            needed_at_most => Ok(Parsed::Incomplete { needed_at_most }),
        };
    };
    let line = seen[..newline].strip_suffix(b"\r").ok_or(ProxyProtocolError::Line)?;
    let text = std::str::from_utf8(line).map_err(|_| ProxyProtocolError::Line)?;
    Ok(Parsed::Complete { len: newline + 1, ends: parse_line(text).ok_or(ProxyProtocolError::Line)? })
}

/// `None` is malformed; `Some(None)` is `UNKNOWN`.
fn parse_line(line: &str) -> Option<Option<Ends>> {
    let mut words = line.split(' ').skip(1);
    let ipv4 = match words.next()? {
        "TCP4" => true,
        "TCP6" => false,
        // §2.1: what follows UNKNOWN is to be ignored.
        "UNKNOWN" => return Some(None),
        _ => return None,
    };
    let mut addr = || {
        let word = words.next()?;
        if ipv4 { word.parse().ok().map(IpAddr::V4) } else { word.parse().ok().map(IpAddr::V6) }
    };
    let (source, destination) = (addr()?, addr()?);
    let (source_port, destination_port) = (parse_port(words.next()?)?, parse_port(words.next()?)?);
    words.next().is_none().then_some(Some(Ends {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    }))
}

/// §2.1: decimal, no sign, no leading zero.
fn parse_port(word: &str) -> Option<u16> {
    let canonical = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    canonical.then(|| word.parse().ok()).flatten()
}

// === Version 2 ===

/// Signature, version and command, family and transport, length.
const V2_FIXED_BYTES: usize = 16;

fn parse_v2(bytes: &[u8]) -> Result<Parsed, ProxyProtocolError> {
    if let Some(version_command) = bytes.get(12) {
        check_version_command(*version_command)?;
    }
    let Some(fixed) = bytes.first_chunk::<V2_FIXED_BYTES>() else {
        return Ok(Parsed::Incomplete { needed_at_most: V2_BYTES_MAX - bytes.len() });
    };
    let len = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if len > V2_BYTES_MAX {
        return Err(ProxyProtocolError::HeaderTooLong(len));
    }
    let Some(header) = bytes.get(..len) else {
        return Ok(Parsed::Incomplete { needed_at_most: len - bytes.len() });
    };
    let is_local = fixed[12] & 0x0f == 0;
    let ends = if is_local { None } else { parse_addresses(header, fixed[13])? };
    Ok(Parsed::Complete { len, ends })
}

fn check_version_command(byte: u8) -> Result<(), ProxyProtocolError> {
    match (byte >> 4, byte & 0x0f) {
        (2, 0 | 1) => Ok(()),
        (2, command) => Err(ProxyProtocolError::Command(command)),
        (version, _) => Err(ProxyProtocolError::Version(version)),
    }
}

fn parse_addresses(header: &[u8], family: u8) -> Result<Option<Ends>, ProxyProtocolError> {
    let block = &header[V2_FIXED_BYTES..];
    let address_bytes = match family {
        // §2.2: nothing in the block counts, and what it holds is not said.
        0x00 => return Ok(None),
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        family => return Err(ProxyProtocolError::Family(family)),
    };
    let (addresses, tlvs) = block.split_at_checked(address_bytes).ok_or(ProxyProtocolError::Addresses)?;
    check_tlvs(header, tlvs)?;
    Ok(match family {
        0x11 => ends::<4>(addresses, |octets| IpAddr::V4(Ipv4Addr::from(octets))),
        0x21 => ends::<16>(addresses, |octets| IpAddr::V6(Ipv6Addr::from(octets))),
        _ => None,
    })
}

/// Two addresses of `N` octets and two ports.
fn ends<const N: usize>(block: &[u8], addr: impl Fn([u8; N]) -> IpAddr) -> Option<Ends> {
    let (source, block) = block.split_first_chunk::<N>()?;
    let (destination, block) = block.split_first_chunk::<N>()?;
    let (source_port, block) = block.split_first_chunk::<2>()?;
    let (destination_port, _) = block.split_first_chunk::<2>()?;
    Some(Ends {
        source: SocketAddr::new(addr(*source), u16::from_be_bytes(*source_port)),
        destination: SocketAddr::new(addr(*destination), u16::from_be_bytes(*destination_port)),
    })
}

/// Extensions are skipped, but must fit, and `PP2_TYPE_CRC32C` must match (§2.2.4).
fn check_tlvs(header: &[u8], tlvs: &[u8]) -> Result<(), ProxyProtocolError> {
    const CRC32C: u8 = 0x03;
    let mut rest = tlvs;
    let mut checksum_at = None;
    while !rest.is_empty() {
        let Some(([kind, high, low], after)) = rest.split_first_chunk::<3>() else {
            return Err(ProxyProtocolError::Tlv);
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (_, next) = after.split_at_checked(len).ok_or(ProxyProtocolError::Tlv)?;
        if *kind == CRC32C && (len != 4 || checksum_at.replace(header.len() - after.len()).is_some()) {
            return Err(ProxyProtocolError::Tlv);
        }
        rest = next;
    }
    match checksum_at {
        Some(at) if header[at..at + 4] != checksum(header, at).to_be_bytes() => {
            Err(ProxyProtocolError::Checksum)
        }
        _ => Ok(()),
    }
}

/// Of the whole header, with the checksum's own 4 bytes, at `zeroed`, taken as zero.
fn checksum(header: &[u8], zeroed: usize) -> u32 {
    let crc = crc32c(!0, &header[..zeroed]);
    let crc = crc32c(crc, &[0; 4]);
    !crc32c(crc, &header[zeroed + 4..])
}

/// RFC 9260 appendix A (reflected polynomial 0x1EDC6F41). Bit by bit: a header has some tens of bytes, and comes
/// once a connection.
fn crc32c(mut crc: u32, bytes: &[u8]) -> u32 {
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    crc
}

/// For the fuzzer and the property tests: feeding the bytes one by one gives the verdict that all at once give, and no
/// verdict takes more bytes than it said.
pub fn check_incremental(bytes: &[u8]) {
    let whole = parse(bytes);
    let mut promised_end = usize::MAX;
    for len in 0..=bytes.len() {
        match parse(&bytes[..len]) {
            Ok(Parsed::Incomplete { needed_at_most }) => {
                assert!(len + needed_at_most <= promised_end, "asks for more than before");
                assert!(needed_at_most > 0 && len < promised_end);
                promised_end = len + needed_at_most;
            }
            verdict => {
                assert_eq!(verdict, whole, "more bytes changed the verdict");
                if let Ok(Parsed::Complete { len: header, .. }) = verdict {
                    assert!(header <= len && header <= promised_end);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn complete(len: usize, ends: Option<(&str, &str)>) -> Result<Parsed, ProxyProtocolError> {
        let ends = ends.map(|(source, destination)| Ends {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        });
        Ok(Parsed::Complete { len, ends })
    }

    fn v2(version_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let len = u16::try_from(block.len()).unwrap().to_be_bytes();
        [V2_SIGNATURE, &[version_command, family], &len, block].concat()
    }

    const TCP4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];

    #[test]
    fn v1_line_gives_both_ends() {
        let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n";
        assert_eq!(parse(line), complete(45, Some(("192.0.2.1:56324", "198.51.100.7:443"))));
        let line = b"PROXY TCP6 2001:db8::1 2001:DB8::2 0 65535\r\n";
        assert_eq!(parse(line), complete(44, Some(("[2001:db8::1]:0", "[2001:db8::2]:65535"))));
    }

    #[test]
    fn v1_unknown_gives_no_ends() {
        assert_eq!(parse(b"PROXY UNKNOWN\r\n"), complete(15, None));
        let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(91));
        assert_eq!(longest.len(), V1_BYTES_MAX);
        assert_eq!(parse(longest.as_bytes()), complete(V1_BYTES_MAX, None));
    }

    #[test]
    fn v1_beyond_its_bound_is_an_error() {
        let long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(92));
        assert_eq!(parse(long.as_bytes()), Err(ProxyProtocolError::LineTooLong));
        assert_eq!(parse(&long.as_bytes()[..106]), Ok(Parsed::Incomplete { needed_at_most: 1 }));
    }

    #[test]
    fn v1_is_read_strictly() {
        for line in [
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n",
            "PROXY  TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
            "PROXY TCP4  192.0.2.1 198.51.100.7 56324 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 056324 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 +1 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7  443\r\n",
            "PROXY TCP4 192.0.2.01 198.51.100.7 1 443\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 443\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.7 1 443\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.7 1 443\r\n",
            "PROXY tcp4 192.0.2.1 198.51.100.7 1 443\r\n",
            "PROXY UNKNOWN\n",
            "PROXY \r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(ProxyProtocolError::Line), "{line:?}");
        }
        for other in ["GET / HTTP/1.1\r\n", "PROXYTCP4 ", "\r\n\r\nGET", "\x16\x03\x01", "proxy TCP4"] {
            assert_eq!(parse(other.as_bytes()), Err(ProxyProtocolError::Signature), "{other:?}");
        }
        assert_eq!(parse(b""), Ok(Parsed::Incomplete { needed_at_most: V2_BYTES_MAX }));
    }

    #[test]
    fn v2_gives_both_ends() {
        assert_eq!(
            parse(&v2(0x21, 0x11, &TCP4)),
            complete(28, Some(("192.0.2.1:56324", "198.51.100.7:443")))
        );
        let [one, two] =
            ["2001:db8::1", "2001:db8::2"].map(|text| text.parse::<Ipv6Addr>().unwrap().octets());
        let header = v2(0x21, 0x21, &[&one[..], &two, &[0, 80, 1, 187]].concat());
        assert_eq!(parse(&header), complete(52, Some(("[2001:db8::1]:80", "[2001:db8::2]:443"))));
    }

    #[test]
    fn v2_local_and_unspecified_give_no_ends() {
        assert_eq!(parse(&v2(0x20, 0x00, b"")), complete(16, None));
        assert_eq!(parse(&v2(0x20, 0xff, b"anything")), complete(24, None));
        assert_eq!(parse(&v2(0x21, 0x00, b"anything")), complete(24, None));
        assert_eq!(parse(&v2(0x21, 0x12, &TCP4)), complete(28, None));
        assert_eq!(parse(&v2(0x21, 0x31, &[0; 216])), complete(232, None));
    }

    #[test]
    fn v2_is_read_strictly() {
        let error = |header: Vec<u8>| parse(&header).unwrap_err();
        assert_eq!(error(v2(0x11, 0x11, &TCP4)), ProxyProtocolError::Version(1));
        assert_eq!(error(v2(0x22, 0x11, &TCP4)), ProxyProtocolError::Command(2));
        assert_eq!(error(v2(0x21, 0x13, &TCP4)), ProxyProtocolError::Family(0x13));
        assert_eq!(error(v2(0x21, 0x41, &TCP4)), ProxyProtocolError::Family(0x41));
        assert_eq!(error(v2(0x21, 0x11, &TCP4[..11])), ProxyProtocolError::Addresses);
        assert_eq!(error(v2(0x21, 0x21, &TCP4)), ProxyProtocolError::Addresses);
        assert_eq!(error(v2(0x21, 0x11, &[&TCP4[..], &[4, 0]].concat())), ProxyProtocolError::Tlv);
        assert_eq!(error(v2(0x21, 0x11, &[&TCP4[..], &[4, 0, 2, 0]].concat())), ProxyProtocolError::Tlv);
        assert_eq!(error(v2(0x21, 0x11, &[&TCP4[..], &[3, 0, 1, 0]].concat())), ProxyProtocolError::Tlv);
        let too_long = v2(0x21, 0x11, &[0; V2_BYTES_MAX]);
        assert_eq!(error(too_long), ProxyProtocolError::HeaderTooLong(V2_BYTES_MAX + V2_FIXED_BYTES));
    }

    #[test]
    fn v2_extensions_are_skipped() {
        let header =
            v2(0x21, 0x11, &[&TCP4[..], &[4, 0, 3, 0, 0, 0], &[2, 0, 2, b'a', b'b'], &[4, 0, 0]].concat());
        assert_eq!(parse(&header), complete(42, Some(("192.0.2.1:56324", "198.51.100.7:443"))));
    }

    #[test]
    fn v2_checksum_is_verified() {
        let mut header = v2(0x21, 0x11, &[&TCP4[..], &[3, 0, 4, 0, 0, 0, 0], &[4, 0, 1, 9]].concat());
        let crc = checksum(&header, 31);
        assert_eq!(parse(&header), Err(ProxyProtocolError::Checksum));
        header[31..35].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(parse(&header), complete(39, Some(("192.0.2.1:56324", "198.51.100.7:443"))));
        // Byte 28 is the extension's type: changed, there is no checksum.
        for at in (14..28).chain(29..39) {
            let mut damaged = header.clone();
            damaged[at] ^= 0x10;
            assert!(!matches!(parse(&damaged), Ok(Parsed::Complete { .. })), "{at}");
        }
    }

    // RFC 3720 appendix B.4, and the customary check value.
    #[test]
    fn crc32c_gives_published_values() {
        assert_eq!(!crc32c(!0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(!crc32c(!0, &[0xff; 32]), 0x62a8_ab43);
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn incomplete_header_says_how_much_is_missing() {
        let header = v2(0x21, 0x11, &TCP4);
        assert_eq!(parse(&header[..12]), Ok(Parsed::Incomplete { needed_at_most: V2_BYTES_MAX - 12 }));
        assert_eq!(parse(&header[..20]), Ok(Parsed::Incomplete { needed_at_most: 8 }));
        assert_eq!(parse(b"PROXY TCP4"), Ok(Parsed::Incomplete { needed_at_most: V1_BYTES_MAX - 10 }));
    }

    proptest! {
        #[test]
        fn any_bytes_fed_one_by_one_give_the_same_verdict(
            start in prop_oneof![Just(b"PROXY ".to_vec()), Just(b"PROXY TCP4 192.0.2.1 ".to_vec()), Just(V2_SIGNATURE.to_vec()), Just(vec![])],
            rest in prop_oneof![prop::collection::vec(any::<u8>(), 0..300), "[TCP46UNKOW0-9.: \r\n]{0,120}".prop_map(String::into_bytes)],
        ) {
            check_incremental(&[start, rest].concat());
        }

        #[test]
        fn v2_fed_one_by_one_gives_the_same_verdict(
            command in 0x20..0x22u8, family in prop::sample::select(vec![0, 0x11, 0x12, 0x21, 0x31, 0x99]),
            block in prop::collection::vec(any::<u8>(), 0..300), after in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            check_incremental(&[v2(command, family, &block), after].concat());
        }

        #[test]
        fn v1_gives_back_what_was_written(source in any::<(u128, u16)>(), destination in any::<(u128, u16)>(), ipv4 in any::<bool>()) {
            let addr = |bits: u128| if ipv4 { IpAddr::V4(Ipv4Addr::from_bits(bits as u32)) } else { IpAddr::V6(Ipv6Addr::from_bits(bits)) };
            let (source, destination) = (SocketAddr::new(addr(source.0), source.1), SocketAddr::new(addr(destination.0), destination.1));
            let protocol = if ipv4 { "TCP4" } else { "TCP6" };
            let line = format!("PROXY {protocol} {} {} {} {}\r\n", source.ip(), destination.ip(), source.port(), destination.port());
            let ends = Some(Ends { source, destination });
            prop_assert_eq!(parse(line.as_bytes()), Ok(Parsed::Complete { len: line.len(), ends }));
        }
    }
}
