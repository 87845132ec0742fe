use super::super::frame::{self, begin, end};
use super::*;

const BOUNDS: Bounds = Bounds { header_bytes: 1000 };

/// Answers whatever it may, with ten bytes; passes the rest.
#[derive(Default)]
struct Eager {
    given: Vec<u32>,
    passed: Vec<(u32, bool, bool)>,
    rooms: Vec<Option<u32>>,
}

impl Requests for Eager {
    fn has_room(&self) -> bool {
        true
    }

    fn frame(&mut self, _: FrameHead) -> bool {
        true
    }

    fn request(&mut self, request: Request<'_>) -> Answer {
        self.rooms.push(request.room);
        if request.room.is_some_and(|room| room >= 10) {
            self.given.push(request.stream);
            return Answer::Given(10);
        }
        self.passed.push((request.stream, request.ends_stream, request.depends_on_itself));
        Answer::Passed { key: self.passed.len() as u64, method: "GET".to_owned(), content_length: None }
    }
}

struct Client {
    input: Input,
    eager: Eager,
    passed: Passed,
}

impl Client {
    fn new() -> Self {
        let mut client = Self { input: Input::default(), eager: Eager::default(), passed: Passed::default() };
        assert_eq!(client.send(PREFACE), Ok(()));
        client.window(0, 2 << 20);
        client.take();
        client
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), ErrorCode> {
        let mut list = FieldList::default();
        let taken = self.input.take(bytes, BOUNDS, &mut list, &mut self.passed, &mut self.eager);
        taken.map(|taken| assert_eq!(taken, bytes.len())).map_err(|fault| fault.code)
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<(), ErrorCode> {
        let mut bytes = Vec::new();
        let start = begin(kind, flags, stream, &mut bytes);
        bytes.extend_from_slice(payload);
        assert!(end(start, &mut bytes));
        self.send(&bytes)
    }

    fn get(&mut self, stream: u32) {
        assert_eq!(self.frame(kind::HEADERS, flag::END_STREAM | flag::END_HEADERS, stream, GET), Ok(()));
    }

    fn post(&mut self, stream: u32) {
        assert_eq!(self.frame(kind::HEADERS, flag::END_HEADERS, stream, GET), Ok(()));
    }

    fn window(&mut self, stream: u32, increment: u32) {
        assert_eq!(self.frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes()), Ok(()));
    }

    /// Kinds and streams of the frames that were passed since the last call.
    fn take(&mut self) -> Vec<(u8, u32)> {
        let bytes = std::mem::take(&mut self.passed.bytes);
        let mut rest = bytes.strip_prefix(PREFACE).unwrap_or(&bytes);
        let mut frames = Vec::new();
        while let Some(head) = rest.first_chunk().map(FrameHead::parse) {
            frames.push((head.kind, head.stream));
            rest = &rest[HEAD_BYTES + head.length..];
        }
        frames
    }
}

const GET: &[u8] = &[0x82, 0x86, 0x84, 0x41, 1, b'a'];

#[test]
fn what_comes_for_an_answered_stream_is_not_passed() {
    let mut client = Client::new();
    client.post(1);
    client.get(3);
    client.get(5);
    assert_eq!(client.take(), [(kind::HEADERS, 1)]);
    assert_eq!(client.eager.given, [3, 5]);
    client.window(5, 100);
    assert_eq!(client.frame(kind::RST_STREAM, 0, 3, &[0; 4]), Ok(()));
    assert_eq!(client.frame(kind::PRIORITY, 0, 5, &[0; 5]), Ok(()));
    assert_eq!(client.take(), []);
    assert_eq!(client.frame(kind::DATA, 0, 1, b"x"), Ok(()));
    assert_eq!(client.frame(kind::RST_STREAM, 0, 1, &[0; 4]), Ok(()));
    assert_eq!(client.take(), [(kind::DATA, 1), (kind::RST_STREAM, 1)]);
    // A later one of the library's makes the earlier ones old to it.
    client.post(7);
    client.window(5, 100);
    assert_eq!(client.take(), [(kind::HEADERS, 7), (kind::WINDOW_UPDATE, 5)]);
    assert_eq!(client.frame(kind::DATA, 0, 9, b"x"), Err(ErrorCode::Protocol));
}

#[test]
fn content_for_an_answered_stream_is_an_error() {
    for kind in [kind::DATA, kind::HEADERS] {
        let mut client = Client::new();
        client.get(1);
        assert_eq!(client.frame(kind, flag::END_HEADERS, 1, GET), Err(ErrorCode::StreamClosed));
    }
}

#[test]
fn trailers_are_written_anew() {
    let mut client = Client::new();
    client.post(1);
    client.take();
    // With the dynamic table, padding and a priority.
    let flags = flag::END_STREAM | flag::END_HEADERS | flag::PADDED | flag::PRIORITY;
    let payload = [&[2, 0, 0, 0, 0, 9][..], &[0x40, 1, b'x', 1, b'y'], &[0, 0]].concat();
    assert_eq!(client.frame(kind::HEADERS, flags, 1, &payload), Ok(()));
    let mut expected = Vec::new();
    frame::write_block(1, true, &[0, 1, b'x', 1, b'y'], &mut expected);
    assert_eq!(client.passed.bytes, expected);
    // The table has it all the same.
    let mut block = GET.to_vec();
    block.push(0xbf);
    assert_eq!(client.frame(kind::HEADERS, flag::END_STREAM | flag::END_HEADERS, 3, &block), Ok(()));
}

#[test]
fn header_section_may_come_in_pieces_but_nothing_in_between() {
    let mut client = Client::new();
    assert_eq!(client.frame(kind::HEADERS, flag::END_STREAM, 1, &GET[..3]), Ok(()));
    assert_eq!(client.frame(kind::CONTINUATION, 0, 1, &GET[3..4]), Ok(()));
    assert_eq!(client.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &GET[4..]), Ok(()));
    assert_eq!(client.eager.given, [1]);
    for (kind, stream) in
        [(kind::PING, 0), (kind::CONTINUATION, 5), (kind::DATA, 3), (kind::HEADERS, 3), (99, 3)]
    {
        let mut client = Client::new();
        assert_eq!(client.frame(kind::HEADERS, 0, 3, GET), Ok(()));
        assert_eq!(client.frame(kind, 0, stream, &[0; 8]), Err(ErrorCode::Protocol), "{kind}");
    }
    assert_eq!(Client::new().frame(kind::CONTINUATION, 4, 1, GET), Err(ErrorCode::Protocol));
}

#[test]
fn header_section_without_end_is_broken_off() {
    let mut client = Client::new();
    assert_eq!(client.frame(kind::HEADERS, 0, 1, &[]), Ok(()));
    let ended = (0..100).find_map(|_| client.frame(kind::CONTINUATION, 0, 1, &[0; 1000]).err());
    assert_eq!(ended, Some(ErrorCode::EnhanceYourCalm));
    // One byte for a thousand.
    let mut client = Client::new();
    let mut block = GET.to_vec();
    block.extend([0x40, 1, b'a', 0x7f, 0xe1, 0x06]);
    block.extend([b'x'; 0x7f + 0x361]);
    block.extend([0xbe; 100]);
    let flags = flag::END_STREAM | flag::END_HEADERS;
    assert_eq!(client.frame(kind::HEADERS, flags, 1, &block), Err(ErrorCode::EnhanceYourCalm));
}

#[test]
fn answers_are_held_to_the_clients_windows() {
    let mut client = Client::new();
    client.get(1);
    assert_eq!(client.eager.rooms, [Some(65_535)]);
    let small = [0, 4, 0, 0, 0, 5];
    assert_eq!(client.frame(kind::SETTINGS, 0, 0, &small), Ok(()));
    client.get(3);
    assert_eq!((client.eager.rooms[1], client.eager.passed.len()), (Some(5), 1));
    // A client that gives nothing beyond the initial window has all of it for the library.
    let mut client = Client { input: Input::default(), eager: Eager::default(), passed: Passed::default() };
    assert_eq!(client.send(PREFACE), Ok(()));
    client.get(1);
    client.window(0, 20_000);
    client.get(3);
    assert_eq!(client.eager.rooms, [Some(0), Some(10_000)]);
    for _ in 0..999 {
        client.get(client.input.newest() + 2);
    }
    assert_eq!((client.eager.given.len(), client.input.windows.reserve()), (1000, 0));
}

#[test]
fn library_is_left_alone_once_it_or_the_client_says_so() {
    let mut client = Client::new();
    assert_eq!(client.frame(kind::SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]), Ok(()));
    client.get(1);
    assert_eq!((client.eager.rooms[0], client.take().len()), (None, 2));
    let mut client = Client::new();
    client.input.end(WINDOW_MAX);
    client.get(1);
    assert_eq!(client.eager.passed, [(1, true, false)]);
    client.input.end(1);
    client.get(3);
    assert_eq!(client.frame(kind::DATA, 0, 3, b"x"), Ok(()));
    assert_eq!((client.eager.passed.len(), client.take().len()), (1, 3));
}

// RFC 7540 §5.3.1
#[test]
fn stream_that_depends_on_itself_is_noticed() {
    let mut client = Client::new();
    let flags = flag::END_HEADERS | flag::PRIORITY;
    let payload = [&[0, 0, 0, 1, 9][..], GET].concat();
    assert_eq!(client.frame(kind::HEADERS, flags, 1, &payload), Ok(()));
    assert_eq!(client.eager.passed, [(1, false, true)]);
}

#[test]
fn errors_of_the_connection_have_their_codes() {
    use ErrorCode::{Compression, FlowControl, FrameSize, Protocol};
    let end = flag::END_STREAM | flag::END_HEADERS;
    let cases: &[(u8, u8, u32, &[u8], ErrorCode)] = &[
        (kind::HEADERS, end, 0, GET, Protocol),
        (kind::HEADERS, end, 2, GET, Protocol),
        (kind::HEADERS, end, 1, &[0x80], Compression),
        (kind::HEADERS, end | flag::PADDED, 1, &[9, 0x82], Protocol),
        (kind::HEADERS, end | flag::PADDED, 1, &[], Protocol),
        (kind::HEADERS, end | flag::PRIORITY, 1, &[0; 4], Protocol),
        (kind::DATA, 0, 0, b"x", Protocol),
        (kind::DATA, 0, 1, b"x", Protocol),
        (kind::RST_STREAM, 0, 0, &[0; 4], Protocol),
        (kind::RST_STREAM, 0, 1, &[0; 4], Protocol),
        (kind::RST_STREAM, 0, 1, &[0; 5], FrameSize),
        (kind::PRIORITY, 0, 0, &[0; 5], Protocol),
        (kind::PRIORITY, 0, 1, &[0; 4], FrameSize),
        (kind::SETTINGS, 0, 1, &[], Protocol),
        (kind::SETTINGS, 0, 0, &[0; 5], FrameSize),
        (kind::SETTINGS, flag::ACK, 0, &[0; 6], FrameSize),
        (kind::SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2], Protocol),
        (kind::SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0], FlowControl),
        (kind::SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 0], Protocol),
        (kind::PUSH_PROMISE, 4, 1, &[0, 0, 0, 2, 0x82], Protocol),
        (kind::PING, 0, 0, &[0; 7], FrameSize),
        (kind::PING, 0, 1, &[0; 8], Protocol),
        (kind::GOAWAY, 0, 0, &[0; 7], FrameSize),
        (kind::GOAWAY, 0, 1, &[0; 8], Protocol),
        (kind::WINDOW_UPDATE, 0, 0, &[0; 4], Protocol),
        (kind::WINDOW_UPDATE, 0, 0, &[0; 3], FrameSize),
        (kind::WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff], FlowControl),
        (kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1], Protocol),
    ];
    for (kind, flags, stream, payload, code) in cases {
        let sent = Client::new().frame(*kind, *flags, *stream, payload);
        assert_eq!(sent, Err(*code), "kind {kind}, flags {flags}, stream {stream}, {payload:?}");
    }
    let large = FrameHead { length: PAYLOAD_BYTES_MAX + 1, kind: kind::DATA, flags: 0, stream: 1 };
    assert_eq!(Client::new().send(&large.to_bytes()), Err(FrameSize));
    assert_eq!(Client::new().frame(99, 0xff, 7, b"unknown"), Ok(()));
}

#[test]
fn what_is_no_http_2_is_for_the_library_to_judge() {
    let mut client = Client { input: Input::default(), eager: Eager::default(), passed: Passed::default() };
    assert_eq!(client.send(b"GET / HTTP/1.1\r\n\r\n"), Ok(()));
    assert_eq!(client.passed.bytes, b"GET / HTTP/1.1\r\n\r\n");
}

#[test]
fn reading_stops_when_the_library_does_not_read() {
    let mut client = Client::new();
    client.post(1);
    let mut bytes = Vec::new();
    for _ in 0..10 {
        frame::FrameHead { length: 10_000, kind: kind::DATA, flags: 0, stream: 1 }.write(&mut bytes);
        bytes.resize(bytes.len() + 10_000, 0);
    }
    let mut list = FieldList::default();
    let taken = client.input.take(&bytes, BOUNDS, &mut list, &mut client.passed, &mut client.eager).unwrap();
    assert!((64_000..80_000).contains(&taken), "{taken}");
}
