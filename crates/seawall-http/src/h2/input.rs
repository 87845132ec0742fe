//! Follows a client's frames (RFC 9113 §4 to §6): judges what concerns the connection, decodes header sections, has
//! requests decided about, and writes what a library is to go on with.
//!
//! The library knows only the streams of requests that were passed to it, under their own numbers. Of those it gets
//! what concerns streams as it came, except header sections: a request's stands for a key under which the decision is
//! found, trailers are written anew. Nothing that the library gets changes its decoder's dynamic table.
//!
//! Streams that were answered without it have ended in both directions when they are answered, so nothing that comes
//! for them later means anything. As numbers only rise (§5.1.1), two of them tell whose a stream is.

use super::frame::{
    ErrorCode, Fragment, FrameHead, HEAD_BYTES, PAYLOAD_BYTES_MAX, PREFACE, SETTING_BYTES, WINDOW_MAX, flag,
    kind, setting, settings, write_block, write_window_update,
};
use super::hpack::decode::Room;
use super::hpack::encode::{self, Name};
use super::hpack::{Decoder, FieldList, HpackError, TABLE_BYTES};
use super::window::{Update, Windows};

/// Who decides about requests.
pub trait Requests {
    /// Whether there is room for the answer to another one.
    fn has_room(&self) -> bool;

    /// A frame has come; false ends the connection, because there are too many of its kind.
    fn frame(&mut self, head: FrameHead) -> bool;

    /// A request has come.
    fn request(&mut self, request: Request<'_>) -> Answer;
}

/// A request whose header section decodes; whether it is one, is not judged yet.
#[derive(Debug)]
pub struct Request<'a> {
    /// Its stream.
    pub stream: u32,
    /// Its header section.
    pub list: &'a FieldList,
    /// Whether no content follows.
    pub ends_stream: bool,
    /// RFC 7540 §5.3.1: its stream depends on itself.
    pub depends_on_itself: bool,
    /// How much content an answer may have that is written at once; `None` if there must be none.
    pub room: Option<u32>,
}

/// What was decided about a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It is answered, with this much content.
    Given(u32),
    /// The library is to go on with it: its service finds the decision under this number.
    Passed {
        /// Of the decision.
        key: u64,
        /// The method, as it matters to framing.
        method: String,
        /// What it announces.
        content_length: Option<u64>,
    },
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the client is in error: {code:?}")]
pub struct Fault {
    /// What it is told.
    pub code: ErrorCode,
}

/// Bounds on header sections.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of one, as HTTP/1.1 would write its lines. Beyond it, fields are missing in the list.
    pub header_bytes: usize,
}

/// A client's side of one connection.
#[derive(Debug)]
pub struct Input {
    place: Place,
    decoder: Decoder,
    /// A header section that goes on in CONTINUATION frames.
    block: Option<Box<Block>>,
    /// The newest stream.
    newest: u32,
    /// The newest stream that the library knows.
    passed: u32,
    /// The newest one that it does not know.
    given: u32,
    /// The newest stream that is still served, once the library has said so.
    last: Option<u32>,
    /// Whether all answers are left to the library.
    is_passive: bool,
    initial_window: u32,
    /// The connection's.
    pub windows: Windows,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Preface,
    Frames,
    /// No HTTP/2: the library says so.
    Foreign,
}

/// The beginning of a header section.
#[derive(Debug)]
struct Block {
    stream: u32,
    ends_stream: bool,
    depends_on_itself: bool,
    bytes: Vec<u8>,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            place: Place::Preface,
            decoder: Decoder::default(),
            block: None,
            newest: 0,
            passed: 0,
            given: 0,
            last: None,
            is_passive: false,
            initial_window: WINDOW_INITIAL,
            windows: Windows::default(),
        }
    }
}

impl Input {
    /// Takes whole frames off the beginning of `bytes`, for as long as there is room for what they lead to; gives how
    /// many bytes are done with. What the library is to read is appended to `passed`.
    ///
    /// # Errors
    /// The connection must end; nothing more may be taken.
    pub fn take(
        &mut self,
        bytes: &[u8],
        bounds: Bounds,
        list: &mut FieldList,
        passed: &mut Passed,
        requests: &mut impl Requests,
    ) -> Result<usize, Fault> {
        let mut at = 0;
        while at < bytes.len() && passed.has_room() && requests.has_room() {
            let rest = &bytes[at..];
            match self.place {
                Place::Preface => {
                    let have = rest.len().min(PREFACE.len());
                    if rest[..have] != PREFACE[..have] {
                        self.place = Place::Foreign;
                        continue;
                    }
                    if have < PREFACE.len() {
                        break;
                    }
                    passed.bytes.extend_from_slice(PREFACE);
                    at += have;
                    self.place = Place::Frames;
                }
                Place::Foreign => {
                    passed.bytes.extend_from_slice(rest);
                    at = bytes.len();
                }
                Place::Frames => {
                    let Some(head) = rest.first_chunk::<HEAD_BYTES>().map(FrameHead::parse) else { break };
                    if head.length > PAYLOAD_BYTES_MAX {
                        return Err(ErrorCode::FrameSize.into());
                    }
                    let Some(frame) = rest.get(..HEAD_BYTES + head.length) else { break };
                    if !requests.frame(head) {
                        return Err(ErrorCode::EnhanceYourCalm.into());
                    }
                    self.frame(head, frame, bounds, list, passed, requests)?;
                    at += frame.len();
                }
            }
        }
        Ok(at)
    }

    /// The newest stream, for GOAWAY.
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// The newest stream that was answered without the library, whose GOAWAY must not say that it was not.
    pub fn newest_given(&self) -> u32 {
        self.given
    }

    /// The library has said GOAWAY: from now on it answers all, and nothing beyond `last`.
    pub fn end(&mut self, last: u32) {
        self.is_passive = true;
        self.last = (last < WINDOW_MAX).then_some(last);
    }

    /// The library has written content.
    pub fn wrote(&mut self, bytes: usize, passed: &mut Passed) -> bool {
        let Some(increment) = self.windows.wrote(bytes) else { return false };
        write_window_update(0, increment, &mut passed.bytes);
        true
    }

    fn frame(
        &mut self,
        head: FrameHead,
        frame: &[u8],
        bounds: Bounds,
        list: &mut FieldList,
        passed: &mut Passed,
        requests: &mut impl Requests,
    ) -> Result<(), Fault> {
        let payload = &frame[HEAD_BYTES..];
        if self.block.is_some() != (head.kind == kind::CONTINUATION) {
            return Err(ErrorCode::Protocol.into());
        }
        match head.kind {
            kind::HEADERS => {
                let fragment = Fragment::parse(head, payload).ok_or(ErrorCode::Protocol)?;
                // §5.1.1: clients' streams are odd.
                if head.stream.is_multiple_of(2) {
                    return Err(ErrorCode::Protocol.into());
                }
                let (stream, ends_stream) = (head.stream, head.has(flag::END_STREAM));
                let depends_on_itself = fragment.depends_on_itself;
                let block = Section { stream, ends_stream, depends_on_itself, bytes: fragment.block };
                if head.has(flag::END_HEADERS) {
                    return self.section(block, bounds, list, passed, requests);
                }
                let bytes = block.bytes.to_vec();
                self.block = Some(Box::new(Block { stream, ends_stream, depends_on_itself, bytes }));
            }
            kind::CONTINUATION => return self.continuation(head, payload, bounds, list, passed, requests),
            kind::DATA => match self.owner(head.stream) {
                Owner::Library => passed.bytes.extend_from_slice(frame),
                Owner::Nobody => return Err(ErrorCode::Protocol.into()),
                Owner::Us => return Err(ErrorCode::StreamClosed.into()),
            },
            kind::SETTINGS => {
                self.settings(head, payload)?;
                passed.bytes.extend_from_slice(frame);
            }
            kind::WINDOW_UPDATE => self.window_update(head, payload, frame, passed)?,
            kind::RST_STREAM => {
                let owner = self.stream_frame(head, 4)?;
                self.pass(owner, frame, passed)?;
            }
            // It may come for a stream that has not begun, and says nothing any more (§5.3.2).
            kind::PRIORITY => drop(self.stream_frame(head, 5)?),
            kind::PING => {
                connection_frame(head, head.length == 8)?;
                passed.bytes.extend_from_slice(frame);
            }
            kind::GOAWAY => {
                connection_frame(head, head.length >= 8)?;
                passed.bytes.extend_from_slice(frame);
            }
            // §8.4: a client cannot push.
            kind::PUSH_PROMISE => return Err(ErrorCode::Protocol.into()),
            // §5.5: unknown ones are ignored.
            _ => {}
        }
        Ok(())
    }

    fn continuation(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        bounds: Bounds,
        list: &mut FieldList,
        passed: &mut Passed,
        requests: &mut impl Requests,
    ) -> Result<(), Fault> {
        let mut block = self.block.take().ok_or(ErrorCode::Protocol)?;
        if head.stream != block.stream {
            return Err(ErrorCode::Protocol.into());
        }
        // A string that is Huffman-coded may be up to four times as long as what it stands for.
        if block.bytes.len() + payload.len() > bounds.header_bytes * 4 + PAYLOAD_BYTES_MAX {
            return Err(ErrorCode::EnhanceYourCalm.into());
        }
        block.bytes.extend_from_slice(payload);
        if !head.has(flag::END_HEADERS) {
            self.block = Some(block);
            return Ok(());
        }
        let Block { stream, ends_stream, depends_on_itself, bytes } = *block;
        let section = Section { stream, ends_stream, depends_on_itself, bytes: &bytes };
        self.section(section, bounds, list, passed, requests)
    }

    /// A whole header section has come.
    fn section(
        &mut self,
        section: Section<'_>,
        bounds: Bounds,
        list: &mut FieldList,
        passed: &mut Passed,
        requests: &mut impl Requests,
    ) -> Result<(), Fault> {
        let Section { stream, ends_stream, depends_on_itself, bytes } = section;
        let room = Room { kept_bytes: bounds.header_bytes, abuse_bytes: bounds.header_bytes * ABUSE };
        self.decoder.decode(bytes, list, room)?;
        match self.owner(stream) {
            Owner::Us => return Err(ErrorCode::StreamClosed.into()),
            Owner::Library => {
                // Trailers; or else the library says what is wrong.
                if list.is_cut() {
                    return Err(ErrorCode::EnhanceYourCalm.into());
                }
                passed.block.clear();
                list.iter().for_each(|(name, value)| encode::field(name, value, &mut passed.block));
                write_block(stream, ends_stream, &passed.block, &mut passed.bytes);
                return Ok(());
            }
            Owner::Nobody => self.newest = stream,
        }
        passed.block.clear();
        if self.last.is_some_and(|last| stream > last) {
            // §6.8: ignored, by the library as well.
            self.passed = stream;
            encode::method("GET", &mut passed.block);
            write_block(stream, ends_stream, &passed.block, &mut passed.bytes);
            return Ok(());
        }
        let can_answer = ends_stream && !self.is_passive;
        let room = can_answer.then(|| self.windows.reserve().min(self.initial_window).min(WINDOW_INITIAL));
        let request = Request { stream, list, ends_stream, depends_on_itself, room };
        match requests.request(request) {
            Answer::Given(content_bytes) => {
                debug_assert!(room.is_some_and(|room| content_bytes <= room), "{content_bytes} of {room:?}");
                self.given = stream;
                self.windows.take(content_bytes);
            }
            Answer::Passed { key, method, content_length } => {
                self.passed = stream;
                passed.weight += list.bytes().len();
                write_request(key, &method, content_length, &mut passed.block);
                write_block(stream, ends_stream, &passed.block, &mut passed.bytes);
            }
        }
        Ok(())
    }

    fn settings(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Fault> {
        let is_ack = head.has(flag::ACK);
        connection_frame(
            head,
            payload.len().is_multiple_of(SETTING_BYTES) && (!is_ack || payload.is_empty()),
        )?;
        for (name, value) in settings(payload) {
            match name {
                // §4.3.1: the next header section must begin with a change of the table's size, which is the
                // library's to say, and to know.
                setting::HEADER_TABLE_SIZE if (value as usize) < TABLE_BYTES => self.is_passive = true,
                setting::ENABLE_PUSH if value > 1 => return Err(ErrorCode::Protocol.into()),
                setting::INITIAL_WINDOW_SIZE if value > WINDOW_MAX => {
                    return Err(ErrorCode::FlowControl.into());
                }
                setting::INITIAL_WINDOW_SIZE => self.initial_window = value,
                setting::MAX_FRAME_SIZE if !(PAYLOAD_BYTES_MAX as u32..1 << 24).contains(&value) => {
                    return Err(ErrorCode::Protocol.into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn window_update(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        frame: &[u8],
        passed: &mut Passed,
    ) -> Result<(), Fault> {
        let increment =
            payload.try_into().map(u32::from_be_bytes).map_err(|_| ErrorCode::FrameSize)? & WINDOW_MAX;
        if head.stream != 0 {
            let owner = self.owner(head.stream);
            return self.pass(owner, frame, passed);
        }
        // §6.9: an error of the connection.
        if increment == 0 {
            return Err(ErrorCode::Protocol.into());
        }
        match self.windows.grow(increment) {
            Update::Pass(0) => {}
            Update::Pass(increment) => write_window_update(0, increment, &mut passed.bytes),
            Update::Overflow => return Err(ErrorCode::FlowControl.into()),
        }
        Ok(())
    }

    fn stream_frame(&self, head: FrameHead, length: usize) -> Result<Owner, Fault> {
        if head.stream == 0 {
            return Err(ErrorCode::Protocol.into());
        }
        if head.length != length {
            return Err(ErrorCode::FrameSize.into());
        }
        Ok(self.owner(head.stream))
    }

    fn pass(&self, owner: Owner, frame: &[u8], passed: &mut Passed) -> Result<(), Fault> {
        match owner {
            Owner::Library => passed.bytes.extend_from_slice(frame),
            Owner::Us => {}
            // §5.1: a stream that has not begun.
            Owner::Nobody => return Err(ErrorCode::Protocol.into()),
        }
        Ok(())
    }

    fn owner(&self, stream: u32) -> Owner {
        if stream == 0 || stream > self.newest {
            Owner::Nobody
        } else if stream > self.passed {
            Owner::Us
        } else {
            // Or one of ours, which it takes for one that was never used.
            Owner::Library
        }
    }
}

/// Who knows a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Owner {
    Library,
    Us,
    Nobody,
}

struct Section<'a> {
    stream: u32,
    ends_stream: bool,
    depends_on_itself: bool,
    bytes: &'a [u8],
}

/// What the library is to read.
#[derive(Debug, Default)]
pub struct Passed {
    /// Frames.
    pub bytes: Vec<u8>,
    /// What the decisions hold that wait for it.
    pub weight: usize,
    block: Vec<u8>,
}

impl Passed {
    /// The library has read all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether more may be passed before the library has read.
    pub fn has_room(&self) -> bool {
        self.bytes.len() + self.weight < PASSED_BYTES_MAX
    }
}

/// A request as the library gets it: what framing needs, and where the decision is.
fn write_request(key: u64, method: &str, content_length: Option<u64>, block: &mut Vec<u8>) {
    encode::method(method, block);
    block.push(encode::SCHEME_HTTP);
    let mut path = [b'/'; 21];
    let mut number = itoa::Buffer::new();
    let digits = number.format(key).as_bytes();
    path[1..=digits.len()].copy_from_slice(digits);
    encode::named(Name::Path, &path[..=digits.len()], block);
    if let Some(length) = content_length {
        encode::named(Name::ContentLength, itoa::Buffer::new().format(length).as_bytes(), block);
    }
}

fn connection_frame(head: FrameHead, is_length: bool) -> Result<(), Fault> {
    if head.stream != 0 {
        return Err(ErrorCode::Protocol.into());
    }
    if !is_length {
        return Err(ErrorCode::FrameSize.into());
    }
    Ok(())
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        Self { code }
    }
}

impl From<HpackError> for Fault {
    fn from(error: HpackError) -> Self {
        let code = match error {
            HpackError::TooLarge => ErrorCode::EnhanceYourCalm,
            _ => ErrorCode::Compression,
        };
        Self { code }
    }
}

/// §6.9.2.
const WINDOW_INITIAL: u32 = 65_535;
/// How many times its bound a header section may stand for before it is taken for an attack.
const ABUSE: usize = 8;
/// What is not read by the library yet.
const PASSED_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests;
