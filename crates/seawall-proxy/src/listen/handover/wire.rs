//! Messages of the handover: a header of 12 bytes, a body of text, and descriptors beside them.
//!
//! `SWHO`, version, kind, two zero bytes, length of the body (32 bits, big-endian). Later versions keep the first five bytes.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::HandoverError;

/// What a message says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Kind {
    Hello = 1,
    Sockets = 2,
    End = 3,
    Ready = 4,
    Stopped = 5,
}

/// One message.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) body: Vec<u8>,
    pub(super) descriptors: Vec<OwnedFd>,
}

/// Where a socket listens: as configured, if known, and in fact.
pub(super) type Addresses = (Option<SocketAddr>, SocketAddr);

pub(super) async fn write(
    stream: &UnixStream,
    kind: Kind,
    body: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), HandoverError> {
    let length = u32::try_from(body.len()).map_err(|_| HandoverError::Malformed("a message too long"))?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[VERSION, kind as u8, 0, 0]);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    // Descriptors travel with the first byte.
    let mut sent = 0;
    while sent < bytes.len() {
        let beside = if sent == 0 { descriptors } else { &[] };
        sent += stream.async_io(Interest::WRITABLE, || send(stream, &bytes[sent..], beside)).await?;
    }
    Ok(())
}

/// Reads a message, and only that: what follows stays in the socket.
pub(super) async fn read(stream: &UnixStream) -> Result<Frame, HandoverError> {
    let mut descriptors = Vec::new();
    let mut header = [0; HEADER_BYTES];
    fill(stream, &mut header, &mut descriptors).await?;
    let (kind, length) = parse_header(&header)?;
    let mut body = vec![0; length];
    fill(stream, &mut body, &mut descriptors).await?;
    Ok(Frame { kind, body, descriptors })
}

/// Reads a message that must be of this kind, without content.
pub(super) async fn expect(stream: &UnixStream, kind: Kind) -> Result<(), HandoverError> {
    let frame = read(stream).await?;
    if frame.kind == kind && frame.body.is_empty() && frame.descriptors.is_empty() {
        Ok(())
    } else {
        Err(HandoverError::Malformed("a message out of turn"))
    }
}

pub(super) fn print_addresses(addresses: &[Addresses]) -> Vec<u8> {
    let line = |(configured, local): &Addresses| match configured {
        Some(configured) => format!("{configured} {local}\n"),
        None => format!("- {local}\n"),
    };
    addresses.iter().map(line).collect::<String>().into_bytes()
}

pub(super) fn parse_addresses(body: &[u8]) -> Result<Vec<Addresses>, HandoverError> {
    let malformed = || HandoverError::Malformed("an address that cannot be read");
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    let line = |line: &str| {
        let (configured, local) = line.split_once(' ')?;
        let configured = match configured {
            "-" => None,
            configured => Some(configured.parse().ok()?),
        };
        Some((configured, local.parse().ok()?))
    };
    text.lines().map(|text| line(text).ok_or_else(malformed)).collect()
}

/// For a fuzz target: bytes that are read as addresses can be printed and read again.
pub fn check_addresses(bytes: &[u8]) {
    if let Ok(addresses) = parse_addresses(bytes) {
        let again = parse_addresses(&print_addresses(&addresses)).ok();
        assert_eq!(again, Some(addresses));
    }
}

fn parse_header(header: &[u8; HEADER_BYTES]) -> Result<(Kind, usize), HandoverError> {
    let [magic @ .., version, kind, _, _, l0, l1, l2, l3] = header;
    if magic != MAGIC {
        return Err(HandoverError::Malformed("something that is no handover message"));
    }
    if *version != VERSION {
        return Err(HandoverError::Version { ours: VERSION, theirs: *version });
    }
    let kind = match kind {
        1 => Kind::Hello,
        2 => Kind::Sockets,
        3 => Kind::End,
        4 => Kind::Ready,
        5 => Kind::Stopped,
        _ => return Err(HandoverError::Malformed("a message of unknown kind")),
    };
    let length = u32::from_be_bytes([*l0, *l1, *l2, *l3]) as usize;
    if length > BODY_BYTES_MAX {
        return Err(HandoverError::Malformed("a message too long"));
    }
    Ok((kind, length))
}

async fn fill(
    stream: &UnixStream,
    mut buf: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> Result<(), HandoverError> {
    while !buf.is_empty() {
        let received = stream.async_io(Interest::READABLE, || receive(stream, buf, descriptors)).await?;
        if received == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        buf = &mut buf[received..];
    }
    Ok(())
}

fn send(stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors for one message"));
    }
    Ok(sendmsg(stream, &[IoSlice::new(bytes)], &mut beside, SendFlags::NOSIGNAL)?)
}

fn receive(stream: &UnixStream, buf: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(stream, &mut [IoSliceMut::new(buf)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    // The kernel has closed what did not fit; what did is closed with `descriptors`.
    if received.flags.contains(ReturnFlags::CTRUNC) || descriptors.len() > DESCRIPTORS_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too many descriptors in one message"));
    }
    Ok(received.bytes)
}

const MAGIC: &[u8; 4] = b"SWHO";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 12;
/// 64 descriptors with two addresses of at most 60 characters each.
const BODY_BYTES_MAX: usize = 16 << 10;
/// Linux allows 253 in one message (`SCM_MAX_FD`).
pub(super) const DESCRIPTORS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::{check_addresses, parse_addresses, parse_header, print_addresses};

    proptest! {
        #[test]
        fn addresses_are_read_as_they_were_printed(
            addresses in proptest::collection::vec(
                (proptest::option::of(any::<SocketAddr>()), any::<SocketAddr>()), 0..20)
        ) {
            // A flow label has no text form, so the printed text is compared.
            let printed = print_addresses(&addresses);
            let read = parse_addresses(&printed).unwrap();
            prop_assert_eq!(print_addresses(&read), printed);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), header in any::<[u8; 12]>()) {
            check_addresses(&bytes);
            drop(parse_header(&header));
        }
    }

    #[test]
    fn a_message_longer_than_the_bound_is_refused() {
        assert!(parse_header(b"SWHO\x01\x02\0\0\0\0\x40\0").is_ok());
        assert!(parse_header(b"SWHO\x01\x02\0\0\0\0\x40\x01").is_err());
    }
}
