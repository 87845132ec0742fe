//! Message bodies as they pass through an exchange.
//!
//! Everything runs on one thread per core, so bodies need not be `Send`.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use seawall_http::hop_fields::strip_trailers;

use crate::cache::StoredBody;
use crate::files::FileBody;
use crate::origin::OriginBody;

/// Why a body ended before its end.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A request's content on its way to the origin.
pub enum RequestBody {
    /// No content: the request can be sent again.
    Empty,
    /// Content that had come with its head, whole: it can be sent again.
    Buffered(Bytes),
    /// Content that is read from the client as it is sent on, once.
    Streamed(Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>),
}

/// A response's content on its way to the client.
pub enum ResponseBody {
    /// No content.
    Empty,
    /// All of it, in memory: refusals, and most stored responses.
    Whole(Option<Bytes>),
    /// From an origin, as it arrives.
    Origin(OriginBody),
    /// From a file.
    File(FileBody),
    /// From the store, or on its way into it; boxed, so that other exchanges carry no room for it.
    Stored(Box<StoredBody>),
}

impl RequestBody {
    /// The same content again, if it can be sent a second time.
    pub fn replay(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Buffered(bytes) => Some(Self::Buffered(bytes.clone())),
            Self::Streamed(_) => None,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Buffered(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Buffered(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streamed(body) => body.as_mut().poll_frame(cx).map_ok(clean),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Buffered(bytes) => bytes.is_empty(),
            Self::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Buffered(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(body) => body.size_hint(),
        }
    }
}

/// Takes out of a trailer section what may not stand there (RFC 9110 §6.5.1).
fn clean(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            strip_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

impl ResponseBody {
    /// Content that is in memory.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::Empty } else { Self::Whole(Some(bytes)) }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Origin(body) => Pin::new(body).poll_frame(cx).map_ok(clean),
            Self::File(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Stored(body) => Pin::new(&mut **body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Whole(None) => true,
            Self::Whole(Some(_)) => false,
            Self::Origin(body) => body.is_end_stream(),
            Self::File(body) => body.is_end_stream(),
            Self::Stored(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Whole(None) => SizeHint::with_exact(0),
            Self::Whole(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Self::Origin(body) => body.size_hint(),
            Self::File(body) => body.size_hint(),
            Self::Stored(body) => body.size_hint(),
        }
    }
}
