//! Follows what a library writes, frame by frame: where something may go in between, and what it says.

use super::frame::{FrameHead, HEAD_BYTES, flag, kind};

/// Where in its frames a writer is.
#[derive(Debug)]
pub struct Output {
    place: Place,
    /// Whether a header section goes on in CONTINUATION frames, which nothing may come between (RFC 9113 §6.10).
    amid_block: bool,
    /// Whether the first frame is out, which must be SETTINGS (§3.4).
    has_begun: bool,
    content_bytes: usize,
    resets: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Head { have: usize, bytes: [u8; HEAD_BYTES] },
    Payload { left: usize },
}

const BOUNDARY: Place = Place::Head { have: 0, bytes: [0; HEAD_BYTES] };

impl Default for Output {
    fn default() -> Self {
        Self { place: BOUNDARY, amid_block: false, has_begun: false, content_bytes: 0, resets: Vec::new() }
    }
}

impl Output {
    /// Whether frames of others may go here.
    pub fn is_open(&self) -> bool {
        self.has_begun && self.is_at_boundary() && !self.amid_block
    }

    /// Whether the next byte begins a frame.
    pub fn is_at_boundary(&self) -> bool {
        matches!(self.place, Place::Head { have: 0, .. })
    }

    /// How many of these bytes can be written as they are: those before a GOAWAY frame that begins in them.
    pub fn run(&self, bytes: &[u8]) -> usize {
        let mut at = match self.place {
            Place::Head { have: 0, .. } => 0,
            // Cut within a header: it has begun, so it goes on.
            Place::Head { have, .. } => return bytes.len().min(HEAD_BYTES - have),
            Place::Payload { left } => left,
        };
        while let Some(head) = head_at(bytes, at)
            && head.kind != kind::GOAWAY
        {
            at += HEAD_BYTES + head.length;
        }
        match head_at(bytes, at) {
            Some(_) => at,
            None => bytes.len(),
        }
    }

    /// Follows bytes that were written.
    pub fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.place {
                Place::Head { have, bytes: head } => {
                    let taken = bytes.len().min(HEAD_BYTES - *have);
                    head[*have..*have + taken].copy_from_slice(&bytes[..taken]);
                    *have += taken;
                    bytes = &bytes[taken..];
                    if *have == HEAD_BYTES {
                        let head = FrameHead::parse(head);
                        self.note(head);
                        self.place = Place::Payload { left: head.length };
                    }
                }
                Place::Payload { left } => {
                    let taken = bytes.len().min(*left);
                    *left -= taken;
                    bytes = &bytes[taken..];
                }
            }
            if let Place::Payload { left: 0 } = self.place {
                self.place = BOUNDARY;
                self.has_begun = true;
            }
        }
    }

    /// Content written since the last call, padding included, as flow control counts it.
    pub fn take_content_bytes(&mut self) -> usize {
        std::mem::take(&mut self.content_bytes)
    }

    /// Streams reset since the last call.
    pub fn take_resets(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.resets)
    }

    fn note(&mut self, head: FrameHead) {
        match head.kind {
            kind::DATA => self.content_bytes += head.length,
            kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION => {
                self.amid_block = !head.has(flag::END_HEADERS);
            }
            kind::RST_STREAM => self.resets.push(head.stream),
            _ => {}
        }
    }
}

fn head_at(bytes: &[u8], at: usize) -> Option<FrameHead> {
    bytes.get(at..)?.first_chunk().map(FrameHead::parse)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::frame::{ErrorCode, begin, end, write_block, write_goaway, write_reset};
    use super::*;

    fn frame(kind: u8, flags: u8, length: usize, out: &mut Vec<u8>) {
        let start = begin(kind, flags, 1, out);
        out.resize(start + HEAD_BYTES + length, 7);
        end(start, out);
    }

    #[test]
    fn nothing_goes_before_settings_or_into_a_header_section() {
        let mut output = Output::default();
        assert!(!output.is_open());
        let mut bytes = Vec::new();
        frame(kind::SETTINGS, 0, 6, &mut bytes);
        output.follow(&bytes[..14]);
        assert!(!output.is_open());
        output.follow(&bytes[14..]);
        assert!(output.is_open());
        let mut block = Vec::new();
        write_block(3, true, &[0; 20_000], &mut block);
        output.follow(&block[..HEAD_BYTES + (16 << 10)]);
        assert!(output.is_at_boundary() && !output.is_open());
        output.follow(&block[HEAD_BYTES + (16 << 10)..]);
        assert!(output.is_open());
    }

    #[test]
    fn run_ends_before_goaway() {
        let mut bytes = Vec::new();
        frame(kind::DATA, 0, 30, &mut bytes);
        write_reset(5, ErrorCode::Cancel, &mut bytes);
        let before = bytes.len();
        write_goaway(5, ErrorCode::Protocol, &mut bytes);
        let mut output = Output::default();
        assert_eq!(output.run(&bytes), before);
        output.follow(&bytes[..20]);
        assert_eq!(output.run(&bytes[20..]), before - 20);
        output.follow(&bytes[20..before]);
        assert_eq!(output.run(&bytes[before..]), 0);
        assert_eq!((output.take_content_bytes(), output.take_resets()), (30, vec![5]));
    }

    proptest! {
        #[test]
        fn slicing_changes_nothing(
            frames in proptest::collection::vec((0u8..10, any::<u8>(), 0usize..40), 0..20),
            step in 1usize..50,
        ) {
            let mut bytes = Vec::new();
            for (kind, flags, length) in frames {
                frame(kind, flags, length, &mut bytes);
            }
            let (mut whole, mut sliced) = (Output::default(), Output::default());
            whole.follow(&bytes);
            bytes.chunks(step).for_each(|piece| sliced.follow(piece));
            prop_assert_eq!(whole.is_open(), sliced.is_open());
            prop_assert_eq!(whole.take_content_bytes(), sliced.take_content_bytes());
            prop_assert_eq!(whole.take_resets(), sliced.take_resets());
        }
    }
}
