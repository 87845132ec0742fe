//! Frames (RFC 9113 §4.1, §6).

/// Bytes of a frame's header.
pub const HEAD_BYTES: usize = 9;
/// Bytes of a frame's payload, unless the recipient allows more (§4.2).
pub const PAYLOAD_BYTES_MAX: usize = 16 << 10;
/// What a client's connection begins with (§3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest window (§6.9.1).
pub const WINDOW_MAX: u32 = (1 << 31) - 1;

/// A type of frame.
pub mod kind {
    /// Content.
    pub const DATA: u8 = 0;
    /// A header section, or its beginning.
    pub const HEADERS: u8 = 1;
    /// Says nothing any more.
    pub const PRIORITY: u8 = 2;
    /// Ends a stream.
    pub const RST_STREAM: u8 = 3;
    /// Settings.
    pub const SETTINGS: u8 = 4;
    /// Of a server alone.
    pub const PUSH_PROMISE: u8 = 5;
    /// Wants to be sent back.
    pub const PING: u8 = 6;
    /// Ends a connection.
    pub const GOAWAY: u8 = 7;
    /// More content may come.
    pub const WINDOW_UPDATE: u8 = 8;
    /// The rest of a header section.
    pub const CONTINUATION: u8 = 9;
}

/// A flag of a frame.
pub mod flag {
    /// Of DATA and HEADERS.
    pub const END_STREAM: u8 = 1;
    /// Of SETTINGS and PING.
    pub const ACK: u8 = 1;
    /// Of HEADERS and CONTINUATION.
    pub const END_HEADERS: u8 = 4;
    /// Of DATA and HEADERS.
    pub const PADDED: u8 = 8;
    /// Of HEADERS.
    pub const PRIORITY: u8 = 0x20;
}

/// A parameter of SETTINGS (§6.5.2).
pub mod setting {
    /// Bytes of the dynamic table that the sender decodes with.
    pub const HEADER_TABLE_SIZE: u16 = 1;
    /// Whether the sender wants to be pushed at.
    pub const ENABLE_PUSH: u16 = 2;
    /// A new stream's window.
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    /// Bytes of a frame's payload that the sender takes.
    pub const MAX_FRAME_SIZE: u16 = 5;
}

/// An error code (§7), of those that are sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum ErrorCode {
    /// What was sent may not be.
    Protocol = 1,
    /// More content than there was a window for.
    FlowControl = 3,
    /// On a stream that has ended.
    StreamClosed = 5,
    /// A length that this type of frame may not have.
    FrameSize = 6,
    /// Nobody wants it any more.
    Cancel = 8,
    /// A header section that does not decode.
    Compression = 9,
    /// Too much of something.
    EnhanceYourCalm = 11,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FrameHead {
    /// Bytes of its payload.
    pub length: usize,
    /// See [`kind`].
    pub kind: u8,
    /// See [`flag`].
    pub flags: u8,
    /// Its stream; 0 is the connection.
    pub stream: u32,
}

impl FrameHead {
    /// Reads one.
    pub fn parse(bytes: &[u8; HEAD_BYTES]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes;
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        // The first bit is reserved, and ignored.
        Self { length, kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]) & WINDOW_MAX }
    }

    /// Appends it.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }

    /// As it is sent.
    pub fn to_bytes(self) -> [u8; HEAD_BYTES] {
        let [_, l0, l1, l2] = (self.length as u32).to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [l0, l1, l2, self.kind, self.flags, s0, s1, s2, s3]
    }

    /// Whether a flag is set.
    pub fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A HEADERS frame's payload without padding and priority (§6.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fragment<'a> {
    /// The header section, or its beginning.
    pub block: &'a [u8],
    /// RFC 7540 §5.3.1: an error of the stream.
    pub depends_on_itself: bool,
}

impl<'a> Fragment<'a> {
    /// Takes a payload apart; `None` if it has not the room for what its flags say.
    pub fn parse(head: FrameHead, mut payload: &'a [u8]) -> Option<Self> {
        let mut padding = 0;
        if head.has(flag::PADDED) {
            let (length, rest) = payload.split_first()?;
            (padding, payload) = (*length as usize, rest);
        }
        let mut depends_on_itself = false;
        if head.has(flag::PRIORITY) {
            let (priority, rest) = payload.split_first_chunk::<5>()?;
            let [d0, d1, d2, d3, _weight] = *priority;
            depends_on_itself = u32::from_be_bytes([d0, d1, d2, d3]) & WINDOW_MAX == head.stream;
            payload = rest;
        }
        let block = payload.get(..payload.len().checked_sub(padding)?)?;
        Some(Self { block, depends_on_itself })
    }
}

/// The parameters of a SETTINGS frame.
pub fn settings(payload: &[u8]) -> impl Iterator<Item = (u16, u32)> {
    payload.chunks_exact(SETTING_BYTES).map(|setting| {
        let [i0, i1, v0, v1, v2, v3] = setting else { unreachable!("chunks are exact") };
        (u16::from_be_bytes([*i0, *i1]), u32::from_be_bytes([*v0, *v1, *v2, *v3]))
    })
}

/// Bytes of one parameter.
pub const SETTING_BYTES: usize = 6;

/// Begins a frame whose length is not known yet; gives where, for [`end`].
pub fn begin(kind: u8, flags: u8, stream: u32, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    FrameHead { length: 0, kind, flags, stream }.write(out);
    start
}

/// Ends it: writes its length. Gives whether a frame may be so long; if not, it is taken back.
pub fn end(start: usize, out: &mut Vec<u8>) -> bool {
    let length = out.len() - start - HEAD_BYTES;
    if length > PAYLOAD_BYTES_MAX {
        out.truncate(start);
        return false;
    }
    let [_, l0, l1, l2] = (length as u32).to_be_bytes();
    out[start..start + 3].copy_from_slice(&[l0, l1, l2]);
    true
}

/// Appends a header section as HEADERS and CONTINUATION frames.
pub fn write_block(stream: u32, ends_stream: bool, block: &[u8], out: &mut Vec<u8>) {
    let mut flags = if ends_stream { flag::END_STREAM } else { 0 };
    let mut kind = kind::HEADERS;
    let mut rest = block;
    loop {
        let (piece, after) = rest.split_at(rest.len().min(PAYLOAD_BYTES_MAX));
        if after.is_empty() {
            flags |= flag::END_HEADERS;
        }
        FrameHead { length: piece.len(), kind, flags, stream }.write(out);
        out.extend_from_slice(piece);
        if after.is_empty() {
            return;
        }
        (rest, kind, flags) = (after, kind::CONTINUATION, 0);
    }
}

/// Appends RST_STREAM.
pub fn write_reset(stream: u32, code: ErrorCode, out: &mut Vec<u8>) {
    FrameHead { length: 4, kind: kind::RST_STREAM, flags: 0, stream }.write(out);
    out.extend_from_slice(&(code as u32).to_be_bytes());
}

/// Appends GOAWAY.
pub fn write_goaway(last_stream: u32, code: ErrorCode, out: &mut Vec<u8>) {
    FrameHead { length: 8, kind: kind::GOAWAY, flags: 0, stream: 0 }.write(out);
    out.extend_from_slice(&last_stream.to_be_bytes());
    out.extend_from_slice(&(code as u32).to_be_bytes());
}

/// Appends WINDOW_UPDATE.
pub fn write_window_update(stream: u32, increment: u32, out: &mut Vec<u8>) {
    FrameHead { length: 4, kind: kind::WINDOW_UPDATE, flags: 0, stream }.write(out);
    out.extend_from_slice(&increment.to_be_bytes());
}
