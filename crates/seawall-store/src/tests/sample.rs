//! Keys, responses and readers for tests.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use seawall_cache::{CacheKey, Policy, QueryPolicy, Received, StoredResponse, Target};
use seawall_http::{
    ClientAddr, ClientIdentity, ClientSource, ContentLength, Field, Protocol, RequestFacts, Scheme, UnixTime,
};

use crate::{ContentReader, Lookup, ReadError, Resource, Store, Variant};

pub(crate) fn key(path: &str) -> CacheKey {
    let target = Target { scheme: Scheme::Https, authority: "a.example", path, query: None };
    CacheKey::new(&target, &QueryPolicy::default()).unwrap()
}

pub(crate) fn response(lines: &[(&str, &str)]) -> StoredResponse {
    response_to(&[], lines)
}

/// The response to a request with these fields, which the response may say that it varies by.
pub(crate) fn response_to(request: &[(&str, &str)], lines: &[(&str, &str)]) -> StoredResponse {
    let request: Vec<_> =
        request.iter().map(|(name, value)| Field { name, value: value.as_bytes() }).collect();
    let addr = ClientAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let facts = RequestFacts {
        protocol: Protocol::Http11,
        scheme: Scheme::Https,
        method: "GET",
        host: "a.example",
        path: "/",
        query: None,
        fields: &request,
        content: ContentLength::Absent,
        client: ClientIdentity { addr, source: ClientSource::Peer, peer: addr },
        tls: None,
    };
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        fields
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let time = UnixTime::from_secs(1_000_000_000);
    fields.entry("cache-control").or_insert(HeaderValue::from_static("max-age=60"));
    let received =
        Received { status: StatusCode::OK, fields: &fields, request_time: time, response_time: time };
    StoredResponse::new(&facts, &received, &Policy::default()).unwrap()
}

/// Bytes that differ at every position, and from one `seed` to another.
pub(crate) fn content(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

pub(crate) fn put(store: &dyn Store, path: &str, content: Bytes) -> Option<Variant> {
    put_response(store, path, response(&[]), content)
}

pub(crate) fn put_response(
    store: &dyn Store,
    path: &str,
    response: StoredResponse,
    content: Bytes,
) -> Option<Variant> {
    let mut fill = store.fill(&key(path), response, Some(content.len() as u64), store.moment()).ok()?;
    fill.push(content);
    fill.finish()
}

pub(crate) fn look(store: &dyn Store, path: &str) -> Resource {
    match store.get(&key(path)) {
        Lookup::Ready(resource) => resource,
        Lookup::Pending(future) => wait(future),
    }
}

/// Drives a future to its end on this thread.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    let (waker, _) = unparker();
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Reads to the end.
pub(crate) fn drain(mut reader: ContentReader) -> Result<Bytes, ReadError> {
    let mut bytes = Vec::new();
    while let Some(piece) = wait(std::future::poll_fn(|cx| reader.poll_next(cx))) {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes.into())
}

/// Reads what is there by now.
pub(crate) fn read_ready(
    reader: &mut ContentReader,
    waker: &Waker,
) -> Poll<Option<Result<Bytes, ReadError>>> {
    reader.poll_next(&mut Context::from_waker(waker))
}

/// A waker that wakes this thread, and how often it did.
pub(crate) fn unparker() -> (Waker, Arc<Unparker>) {
    let unparker = Arc::new(Unparker { thread: std::thread::current(), woken: AtomicU32::new(0) });
    (unparker.clone().into(), unparker)
}

pub(crate) struct Unparker {
    thread: std::thread::Thread,
    woken: AtomicU32,
}

impl Unparker {
    pub(crate) fn woken(&self) -> u32 {
        self.woken.load(Ordering::SeqCst)
    }
}

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}
