//! HTTP/2 frames written by hand (RFC 9113 §4.1).

use crate::client::Client;
use crate::edge::Edge;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// `GET http://a/`, from the static table (RFC 7541 appendix A).
pub(crate) const GET: &[u8] = b"\x82\x86\x84\x41\x01a";
/// `POST http://a/`.
pub(crate) const POST: &[u8] = b"\x83\x86\x84\x41\x01a";

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A field line that is in no table, without compression (RFC 7541 §6.2.2).
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0, u8::try_from(name.len()).unwrap()];
    bytes.extend(name.bytes());
    bytes.push(u8::try_from(value.len()).unwrap());
    bytes.extend(value.bytes());
    bytes
}

/// A connection with its preface and settings sent.
pub(crate) struct Wire(pub(crate) Client);

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Wire {
    pub(crate) fn connect(edge: &Edge) -> Self {
        let mut client = edge.connect();
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").send(frame(SETTINGS, 0, 0, b""));
        Self(client)
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> &mut Self {
        self.0.send(frame(kind, flags, stream, payload));
        self
    }

    /// The next frame, or none at the end. Settings and PINGs are acknowledged on the way.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let header = self.0.try_exactly(9)?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        let payload = self.0.try_exactly(length)?;
        let frame = Frame { kind: header[3], flags: header[4], stream, payload };
        if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
            let payload = if frame.kind == PING { frame.payload.clone() } else { Vec::new() };
            self.send(frame.kind, ACK, 0, &payload);
        }
        Some(frame)
    }

    /// The next frame of that kind; fails if the connection ends before.
    #[track_caller]
    pub(crate) fn expect(&mut self, kind: u8) -> Frame {
        while let Some(frame) = self.next() {
            if frame.kind == kind {
                return frame;
            }
        }
        panic!("the connection ended without a frame of kind {kind}");
    }

    /// Sends these bytes again and again until the connection ends; gives how often that was.
    pub(crate) fn flood(mut self, bytes: &[u8]) -> usize {
        let mut reader = Wire(self.0.duplicate());
        // Somebody who floods need not read; but what it is told last, it shall find.
        let reading = std::thread::spawn(move || {
            while let Some(header) = reader.0.try_exactly(9) {
                let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
                if reader.0.try_exactly(length).is_none() {
                    break;
                }
            }
        });
        let mut sent = 0;
        while sent < FLOOD_MAX && self.0.try_send(bytes) {
            sent += 1;
        }
        reading.join().unwrap();
        sent
    }
}

impl Frame {
    /// The error code of a RST_STREAM or GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The status of a HEADERS frame, whether indexed or literal with an indexed name.
    pub(crate) fn status(&self) -> u16 {
        let indexed =
            [(0x88, 200), (0x89, 204), (0x8a, 206), (0x8b, 304), (0x8c, 400), (0x8d, 404), (0x8e, 500)];
        let first = self.payload[0];
        indexed.iter().find(|(octet, _)| *octet == first).map_or(0, |(_, status)| *status)
    }
}

/// More than any flood may need to be noticed.
pub(crate) const FLOOD_MAX: usize = 200_000;
