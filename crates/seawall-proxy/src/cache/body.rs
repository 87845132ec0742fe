//! Content from the store on its way to the client.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use seawall_store::{Content, ContentReader};

use super::flight::Interest;
use super::parts::Collector;
use crate::body::BodyError;

/// Content from the store, or on its way into it.
pub struct StoredBody {
    pieces: VecDeque<Piece>,
    /// Says that somebody reads what is still being fetched.
    _interest: Option<Interest>,
}

pub(crate) enum Piece {
    Bytes(Bytes),
    Stored(ContentReader),
    /// Of what still comes: so much is left out first, and then no more than this is taken.
    Arriving {
        reader: ContentReader,
        skip: u64,
        take: Option<u64>,
    },
    /// A part that is stored when it has come.
    Collected(Box<Collector>),
}

impl StoredBody {
    /// One piece after the other.
    pub(crate) fn new(pieces: impl IntoIterator<Item = Piece>, interest: Option<Interest>) -> Self {
        Self { pieces: pieces.into_iter().collect(), _interest: interest }
    }

    /// All of some content.
    pub(crate) fn whole(content: &Content) -> Self {
        Self::new([Piece::Stored(content.reader(0, content.length()))], None)
    }
}

impl Piece {
    /// `None` if nobody knows yet.
    fn remaining(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Stored(reader) => reader.remaining(),
            Self::Arriving { take: Some(bytes), .. } => Some(*bytes),
            Self::Collected(collector) => Some(collector.remaining()),
            Self::Arriving { reader, skip, take: None } => Some(reader.remaining()?.saturating_sub(*skip)),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match self {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Self::Stored(reader) => reader.poll_next(cx).map_err(Into::into),
            Self::Collected(collector) => collector.poll_next(cx),
            Self::Arriving { take: Some(0), .. } => Poll::Ready(None),
            Self::Arriving { reader, skip, take } => loop {
                let Some(bytes) = ready!(reader.poll_next(cx)) else { return Poll::Ready(None) };
                let mut bytes = bytes?;
                let skipped = usize::try_from(*skip).unwrap_or(usize::MAX).min(bytes.len());
                *skip -= skipped as u64;
                bytes = bytes.split_off(skipped);
                if let Some(left) = take {
                    bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= bytes.len() as u64;
                }
                if !bytes.is_empty() {
                    return Poll::Ready(Some(Ok(bytes)));
                }
            },
        }
    }
}

impl Body for StoredBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        while let Some(piece) = this.pieces.front_mut() {
            match ready!(piece.poll_next(cx)) {
                Some(bytes) => return Poll::Ready(Some(bytes.map(Frame::data))),
                None => drop(this.pieces.pop_front()),
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.iter().all(|piece| piece.remaining() == Some(0))
    }

    fn size_hint(&self) -> SizeHint {
        let total: Option<u64> = self.pieces.iter().map(Piece::remaining).sum();
        total.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
