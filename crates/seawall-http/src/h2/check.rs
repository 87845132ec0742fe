//! Laws of the parsers in this module, on any bytes: for fuzz targets and for the seeds that replay them.

use super::frame::{FrameHead, HEAD_BYTES, PREFACE, flag, kind};
use super::hpack::decode::Room;
use super::hpack::{Decoder, FieldList, encode};
use super::input::{Answer, Bounds, Fault, Input, Passed, Request, Requests};
use super::request::parse;
use crate::h1::{FieldStorage, HeadBounds};

const BOUNDS: Bounds = Bounds { header_bytes: 4096 };

/// A header section: it ends in a verdict, and what comes out, encoded, comes out again; a request that is accepted is
/// accepted again.
///
/// # Panics
///
/// If a law does not hold.
pub fn section(bytes: &[u8]) {
    let mut list = FieldList::default();
    let room = Room { kept_bytes: BOUNDS.header_bytes, abuse_bytes: 1 << 16 };
    if Decoder::default().decode(bytes, &mut list, room).is_err() {
        return;
    }
    let mut block = Vec::new();
    list.iter().for_each(|(name, value)| encode::field(name, value, &mut block));
    let mut again = FieldList::default();
    Decoder::default().decode(&block, &mut again, room).expect("what was decoded is decoded again");
    assert!(list.iter().eq(again.iter()));
    let bounds = HeadBounds { target_bytes: 1000, fields: 50 };
    let (mut first, mut second) = (FieldStorage::new(), FieldStorage::new());
    let verdicts = [parse(&list, true, &mut first, bounds), parse(&again, true, &mut second, bounds)];
    let [head, again] =
        verdicts.map(|verdict| verdict.map(|head| (head.method, head.authority, head.fields)));
    assert_eq!(head, again);
}

/// A client's bytes behind its preface: what is decided and passed on does not depend on how they arrive, and what is
/// passed on is whole frames that a library without a dynamic table understands.
///
/// # Panics
///
/// If a law does not hold.
pub fn connection(bytes: &[u8]) {
    let whole = run(bytes, usize::MAX);
    for step in [1, 7, 100] {
        assert_eq!(run(bytes, step), whole, "the outcome depends on slicing");
    }
    check_passed(&whole.passed);
}

/// A request: its stream, its fields, and whether it ends the stream.
type Seen = (u32, Vec<(Vec<u8>, Vec<u8>)>, bool);

/// What came of a connection.
#[derive(Debug, Eq, PartialEq)]
struct Outcome {
    passed: Vec<u8>,
    requests: Vec<Seen>,
    fault: Option<Fault>,
    newest: u32,
}

/// Answers every second request that may be answered.
#[derive(Default)]
struct Half(Vec<Seen>);

impl Requests for Half {
    fn has_room(&self) -> bool {
        true
    }

    fn frame(&mut self, _: FrameHead) -> bool {
        true
    }

    fn request(&mut self, request: Request<'_>) -> Answer {
        let fields = request.list.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        self.0.push((request.stream, fields, request.ends_stream));
        match request.room {
            Some(room) if self.0.len().is_multiple_of(2) => Answer::Given(room.min(100)),
            _ => Answer::Passed {
                key: self.0.len() as u64,
                method: "PUT".to_owned(),
                content_length: (!request.ends_stream).then_some(7),
            },
        }
    }
}

fn run(bytes: &[u8], step: usize) -> Outcome {
    let mut input = Input::default();
    let (mut half, mut list, mut passed) = (Half::default(), FieldList::default(), Passed::default());
    let mut all = Vec::new();
    let mut held = PREFACE.to_vec();
    let mut fault = None;
    let mut pieces = bytes.chunks(step.min(bytes.len().max(1)));
    'pieces: loop {
        loop {
            match input.take(&held, BOUNDS, &mut list, &mut passed, &mut half) {
                Ok(taken) => held.drain(..taken),
                Err(error) => {
                    all.append(&mut passed.bytes);
                    fault = Some(error);
                    break 'pieces;
                }
            };
            passed.weight = 0;
            let was_full = !passed.bytes.is_empty();
            all.append(&mut passed.bytes);
            if !was_full {
                break;
            }
        }
        let Some(piece) = pieces.next() else { break };
        held.extend_from_slice(piece);
    }
    Outcome { passed: all, requests: half.0, fault, newest: input.newest() }
}

fn check_passed(passed: &[u8]) {
    let Some(mut rest) = passed.strip_prefix(PREFACE) else {
        assert!(passed.is_empty());
        return;
    };
    let mut newest = 0;
    let mut block: Option<Vec<u8>> = None;
    while let Some(head) = rest.first_chunk::<HEAD_BYTES>().map(FrameHead::parse) {
        let payload = &rest[HEAD_BYTES..HEAD_BYTES + head.length];
        rest = &rest[HEAD_BYTES + head.length..];
        match head.kind {
            kind::HEADERS => {
                assert!(block.is_none() && !head.has(flag::PADDED) && !head.has(flag::PRIORITY));
                newest = newest.max(head.stream);
                block = Some(payload.to_vec());
            }
            kind::CONTINUATION => {
                block.as_mut().expect("a header section goes on").extend_from_slice(payload)
            }
            kind::DATA | kind::RST_STREAM => {
                assert!(head.stream <= newest, "of a stream that it does not know")
            }
            _ => {}
        }
        if block.is_some() && head.has(flag::END_HEADERS) {
            let block = block.take().unwrap_or_default();
            // No instruction that changes the table.
            assert!(block.first().is_none_or(|first| first & 0xc0 != 0x40 && first & 0xe0 != 0x20));
            let room = Room { kept_bytes: 1 << 20, abuse_bytes: 1 << 20 };
            Decoder::default().decode(&block, &mut FieldList::default(), room).expect("it stands for itself");
        }
    }
    assert!(rest.is_empty(), "a frame is cut off");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn laws_hold_on_any_section(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            super::section(&bytes);
        }

        #[test]
        fn laws_hold_on_any_frames(
            frames in proptest::collection::vec(
                (0u8..11, any::<u8>(), 0u32..12, proptest::collection::vec(any::<u8>(), 0..30)), 0..30,
            ),
            tidy in any::<bool>(),
        ) {
            let mut bytes = Vec::new();
            for (number, (kind, flags, stream, payload)) in frames.into_iter().enumerate() {
                // Mostly well-formed, so that it comes further than the first frame.
                let (flags, stream, payload) = match kind {
                    1 if tidy => (flags & 1 | 4, number as u32 * 2 + 1, vec![0x82, 0x86, 0x84, 0x41, 1, b'a']),
                    8 if tidy => (0, stream & 1, vec![0, 1, 0, 0]),
                    _ => (flags, stream, payload),
                };
                super::FrameHead { length: payload.len(), kind, flags, stream }.write(&mut bytes);
                bytes.extend(payload);
            }
            super::connection(&bytes);
        }
    }
}
