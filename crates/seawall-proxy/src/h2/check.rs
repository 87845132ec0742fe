//! Two readings of one client: ours and the library's alone. For fuzz targets, and for the seeds that replay them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::server;
use http::Request;
use seawall_http::h1::{FieldStorage, HeadBounds};
use seawall_http::h2::frame::{FrameHead, HEAD_BYTES, PREFACE};
use seawall_http::h2::hpack::FieldList;
use seawall_http::h2::input::{self, Answer, Bounds, Input, Passed, Requests};
use seawall_http::h2::request::parse;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client's frames, behind its preface and settings: each request that we would decide about is read by the library
/// alone as the same one.
///
/// # Panics
///
/// If it is read as another one, or not at all.
pub fn readings_agree(frames: &[u8]) {
    let ours = read_by_us(frames);
    if ours.is_empty() {
        return;
    }
    let (theirs, has_failed) = read_by_library(frames);
    for (stream, request) in &ours {
        match theirs.get(stream) {
            Some(same) => assert_eq!(request, same, "stream {stream}"),
            // What the library takes for an error of the connection ends it behind the filter as well.
            None => assert!(has_failed, "stream {stream}: only we read {request:?}"),
        }
    }
}

/// What a request says: method, authority, path, and fields in any order.
#[derive(Debug, Eq, PartialEq)]
struct Said {
    method: String,
    authority: String,
    target: String,
    fields: Vec<(String, Vec<u8>)>,
}

struct Reader(BTreeMap<u32, Said>);

impl Requests for Reader {
    fn has_room(&self) -> bool {
        true
    }

    fn frame(&mut self, _: FrameHead) -> bool {
        true
    }

    fn request(&mut self, request: input::Request<'_>) -> Answer {
        let mut storage = FieldStorage::new();
        let bounds = HeadBounds { target_bytes: 4096, fields: 100 };
        if !request.list.is_cut()
            && !request.depends_on_itself
            && let Ok(head) = parse(request.list, request.ends_stream, &mut storage, bounds)
        {
            let mut fields: Vec<_> = head
                .fields
                .iter()
                .filter(|field| field.name != "host")
                .map(|field| (field.name.to_owned(), field.value.to_vec()))
                .collect();
            fields.sort();
            let said = Said {
                method: head.method.to_owned(),
                authority: head.authority.to_owned(),
                target: head.target.origin_form().to_owned(),
                fields,
            };
            self.0.insert(request.stream, said);
        }
        Answer::Passed { key: 0, method: "GET".to_owned(), content_length: None }
    }
}

fn read_by_us(frames: &[u8]) -> BTreeMap<u32, Said> {
    let mut reader = Reader(BTreeMap::new());
    let (mut input, mut list) = (Input::default(), FieldList::default());
    let bounds = Bounds { header_bytes: 16 << 10 };
    let mut rest = &[PREFACE, frames].concat()[..];
    loop {
        let mut passed = Passed::default();
        match input.take(rest, bounds, &mut list, &mut passed, &mut reader) {
            Ok(0) | Err(_) => return reader.0,
            Ok(taken) => rest = &rest[taken..],
        }
    }
}

/// Gives one frame after the other, and takes whatever is written.
struct Script {
    bytes: Vec<u8>,
    read: usize,
    may_read: Rc<Cell<usize>>,
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let end = self.may_read.get().min(self.read + buf.remaining());
        if end == self.read {
            return Poll::Pending;
        }
        buf.put_slice(&self.bytes[self.read..end]);
        self.read = end;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What it reads, and whether it ends the connection.
fn read_by_library(frames: &[u8]) -> (BTreeMap<u32, Said>, bool) {
    let mut said = BTreeMap::new();
    let mut cx = Context::from_waker(Waker::noop());
    let bytes = [PREFACE, frames].concat();
    let may_read = Rc::new(Cell::new(PREFACE.len()));
    let script = Script { bytes: bytes.clone(), read: 0, may_read: Rc::clone(&may_read) };
    let mut handshake = pin!(server::Builder::new().handshake::<_, Bytes>(script));
    let Poll::Ready(Ok(mut connection)) = handshake.as_mut().poll(&mut cx) else { return (said, true) };
    // What was accepted is kept, so that no stream is reset for want of interest.
    let mut kept = Vec::new();
    loop {
        while let Poll::Ready(accepted) = connection.poll_accept(&mut cx) {
            let Some(Ok((request, respond))) = accepted else { return (said, true) };
            said.insert(respond.stream_id().into(), read(&request));
            kept.push((request, respond));
        }
        let at = may_read.get();
        let Some(head) = bytes[at..].first_chunk::<HEAD_BYTES>().map(FrameHead::parse) else {
            return (said, false);
        };
        may_read.set((at + HEAD_BYTES + head.length).min(bytes.len()));
    }
}

fn read<T>(request: &Request<T>) -> Said {
    let host =
        request.headers().get("host").map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let fields = request.headers().iter().filter(|(name, _)| *name != "host");
    let mut fields: Vec<_> =
        fields.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    fields.sort();
    Said {
        method: request.method().as_str().to_owned(),
        authority: authority.or(host).unwrap_or_default(),
        target: request.uri().path_and_query().map_or_else(String::new, |both| both.as_str().to_owned()),
        fields,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use seawall_http::h2::frame::{flag, kind};

    use super::*;

    /// Instructions of a header section: mostly what a client would write, sometimes anything.
    fn instruction() -> impl Strategy<Value = Vec<u8>> {
        let text = |text: &'static str| {
            proptest::string::string_regex(text).expect("a pattern").prop_map(|text| {
                let mut bytes = vec![text.len() as u8];
                bytes.extend(text.into_bytes());
                bytes
            })
        };
        prop_oneof![
            // A field that both tables may have.
            4 => (0x80u8..0xff).prop_map(|byte| vec![byte]),
            4 => (prop_oneof![Just(0x40u8), Just(0), Just(0x10)], text("[a-z:-]{1,12}"), text("[ -~]{0,20}"))
                .prop_map(|(first, name, value)| [vec![first], name, value].concat()),
            2 => (0x41u8..0x7f, text("[!-~]{0,10}")).prop_map(|(first, value)| [vec![first], value].concat()),
            1 => (0u8..15, text("[0-9]{0,3}")).prop_map(|(first, value)| [vec![first], value].concat()),
            1 => proptest::collection::vec(any::<u8>(), 0..6),
        ]
    }

    fn block() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            Just(&b"\x82\x86\x84\x41\x01a"[..]),
            Just(&b"\x83\x87\x04\x04/a?b\x01\x03a:1"[..]),
            Just(&b"\x02\x03PUT\x86\x85\x66\x01a"[..]),
            Just(&b"\x82\x86\x44\x05/%41#\x41\x01a"[..]),
            Just(&b""[..]),
        ];
        (line, proptest::collection::vec(instruction(), 0..5))
            .prop_map(|(line, more)| [vec![line.to_vec()], more].concat().concat())
    }

    proptest! {
        #[test]
        fn readings_of_requests_agree(requests in proptest::collection::vec((block(), any::<u8>(), 0usize..40), 1..8)) {
            let mut bytes = Vec::new();
            FrameHead { length: 0, kind: kind::SETTINGS, flags: 0, stream: 0 }.write(&mut bytes);
            for (number, (block, flags, cut)) in requests.into_iter().enumerate() {
                let stream = 2 * number as u32 + 1;
                let ends = flags & flag::END_STREAM;
                let (first, rest) = block.split_at(cut.min(block.len()));
                let whole = if rest.is_empty() { flag::END_HEADERS } else { 0 };
                FrameHead { length: first.len(), kind: kind::HEADERS, flags: ends | whole, stream }.write(&mut bytes);
                bytes.extend(first);
                if !rest.is_empty() {
                    let flags = flag::END_HEADERS;
                    FrameHead { length: rest.len(), kind: kind::CONTINUATION, flags, stream }.write(&mut bytes);
                    bytes.extend(rest);
                }
            }
            readings_agree(&bytes);
        }
    }
}
