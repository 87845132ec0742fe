//! Reads a ClientHello (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2) as far as its fingerprint needs it.
//!
//! [`HelloReader`] takes the bytes of a connection as they arrive, in TLS records of any size, and gives the
//! fingerprint as soon as the message is whole. A message that lies in the first bytes as one record, as nearly all
//! do, is read where it lies; another is put together in memory of its own, at most
//! [`HELLO_BYTES_MAX`]. Every byte is looked at once, however small the pieces are.
//!
//! Lists and lengths are held to their bounds, and nothing may be left over; what the TLS library will judge anyway
//! (extensions that come twice, the compression method) is left to it.

mod message;

use thiserror::Error;

use crate::ja4::Ja4;

pub(crate) use message::ClientHello;

/// Bytes of a ClientHello, its header of four included. Those of browsers have some 1,800, most of it the key share of
/// a post-quantum group; nothing known comes near.
pub const HELLO_BYTES_MAX: usize = 16 << 10;

/// Why a connection has no fingerprint.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Error)]
pub enum HelloError {
    /// The first record is no handshake: no TLS at all, or an alert.
    #[error("the first record is of type {0}, which is no handshake")]
    NotHandshake(u8),
    /// The first message of the handshake is another.
    #[error("the first message is of type {0}, which is no ClientHello")]
    NotClientHello(u8),
    /// Longer than [`HELLO_BYTES_MAX`]: how long it says it is.
    #[error("a ClientHello of {0} bytes is too long")]
    TooLong(usize),
    /// A length or list is wrong.
    #[error("the ClientHello is malformed")]
    Malformed,
}

/// Reads the beginning of a connection, piece by piece.
#[derive(Debug, Default)]
pub struct HelloReader {
    /// Of a record's header.
    header: [u8; RECORD_HEADER],
    header_len: usize,
    /// Of the record's content, still to come.
    record_left: usize,
    message: Vec<u8>,
}

impl HelloReader {
    /// Takes the next bytes. Gives the result once it is known; nothing more is to be read then.
    ///
    /// # Errors
    /// If there is no well-formed ClientHello of at most [`HELLO_BYTES_MAX`].
    pub fn read(&mut self, bytes: &[u8]) -> Option<Result<Ja4, HelloError>> {
        if self.header_len == 0
            && self.message.is_empty()
            && let Some(message) = only_record(bytes)
        {
            return Some(fingerprint(message));
        }
        match self.gather(bytes) {
            Ok(false) => None,
            Ok(true) => Some(fingerprint(&self.message)),
            Err(error) => Some(Err(error)),
        }
    }

    /// Puts the message together; whether it is whole.
    fn gather(&mut self, mut bytes: &[u8]) -> Result<bool, HelloError> {
        while !bytes.is_empty() {
            if self.record_left == 0 {
                let more = (RECORD_HEADER - self.header_len).min(bytes.len());
                let (header, rest) = bytes.split_at(more);
                self.header[self.header_len..][..more].copy_from_slice(header);
                (self.header_len, bytes) = (self.header_len + more, rest);
                if self.header_len == RECORD_HEADER {
                    self.record_left = record_len(&self.header)?;
                    self.header_len = 0;
                }
                continue;
            }
            // Not a byte beyond the message: what follows is not ours.
            let missing =
                message_len(&self.message)?.map_or(MESSAGE_HEADER, |whole| whole) - self.message.len();
            let more = self.record_left.min(bytes.len()).min(missing);
            let (content, rest) = bytes.split_at(more);
            self.message.extend_from_slice(content);
            (self.record_left, bytes) = (self.record_left - more, rest);
            if message_len(&self.message)? == Some(self.message.len()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The message, if the bytes begin with a record that holds all of it.
fn only_record(bytes: &[u8]) -> Option<&[u8]> {
    let (header, rest) = bytes.split_first_chunk::<RECORD_HEADER>()?;
    let content = rest.get(..record_len(header).ok()?)?;
    let len = message_len(content).ok()??;
    content.get(..len)
}

/// RFC 8446 §5.1: the type, a version that is not to be looked at, the length. A record of a handshake is not empty.
fn record_len(header: &[u8; RECORD_HEADER]) -> Result<usize, HelloError> {
    let [kind, _, _, high, low] = *header;
    if kind != HANDSHAKE {
        return Err(HelloError::NotHandshake(kind));
    }
    match usize::from(u16::from_be_bytes([high, low])) {
        len @ 1..=RECORD_BYTES_MAX => Ok(len),
        _ => Err(HelloError::Malformed),
    }
}

/// RFC 8446 §4: the length of a message, header included, once that is there.
fn message_len(message: &[u8]) -> Result<Option<usize>, HelloError> {
    let Some(&kind) = message.first() else { return Ok(None) };
    if kind != CLIENT_HELLO {
        return Err(HelloError::NotClientHello(kind));
    }
    let Some(&[_, a, b, c]) = message.first_chunk::<MESSAGE_HEADER>() else { return Ok(None) };
    let len = MESSAGE_HEADER + u32::from_be_bytes([0, a, b, c]) as usize;
    if len > HELLO_BYTES_MAX { Err(HelloError::TooLong(len)) } else { Ok(Some(len)) }
}

fn fingerprint(message: &[u8]) -> Result<Ja4, HelloError> {
    let hello = ClientHello::parse(&message[MESSAGE_HEADER..]).ok_or(HelloError::Malformed)?;
    Ok(Ja4::of(&hello))
}

/// For fuzzing: whatever arrives, reading does not panic, and how it is cut into pieces changes nothing.
pub fn check_foreign_bytes(bytes: &[u8]) {
    let Some((&width, bytes)) = bytes.split_first() else { return };
    let whole = HelloReader::default().read(bytes);
    let mut reader = HelloReader::default();
    let pieces = bytes.chunks(usize::from(width) + 1).find_map(|piece| reader.read(piece));
    assert_eq!(whole, pieces);
    if let Some(Ok(ja4)) = whole {
        assert_eq!(Ja4::parse(ja4.as_bytes()), Some(ja4));
    }
}

const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;
/// RFC 8446 §5.1.
const RECORD_BYTES_MAX: usize = 1 << 14;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

#[cfg(test)]
mod tests;
