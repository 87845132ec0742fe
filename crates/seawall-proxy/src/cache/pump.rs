//! Brings content into the store, and to whoever reads it meanwhile, to its end.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use seawall_store::{Fill, Filling};
use tokio::time::timeout;

use super::compression::Compression;
use super::encoder::SLICE_BYTES;
use super::fetch::Context;
use super::flight::Flight;
use crate::body::BodyError;
use crate::origin::OriginBody;

/// Moves all of it. Where it breaks off, so it does for all who read it, and nothing is stored.
pub(crate) async fn pump(context: &Context, body: OriginBody, sink: Sink, flight: &Flight) {
    if let Err(error) = try_pump(context, body, sink, flight).await {
        context.worker.stats.cache.broken.add(1);
        tracing::debug!(%error, "a response broke off while it was stored");
    }
}

async fn try_pump(
    context: &Context,
    mut body: OriginBody,
    mut sink: Sink,
    flight: &Flight,
) -> Result<(), BodyError> {
    while sink.has_room(flight).await {
        let Some(frame) = sink.next(&mut body).await? else {
            return Ok(sink.finish()?);
        };
        // Trailers are not stored (RFC 9111 §3).
        let Ok(bytes) = frame?.into_data() else { continue };
        context.count_origin_bytes(bytes.len() as u64);
        sink.push(bytes).await?;
    }
    Ok(())
}

/// Where content goes.
pub(crate) struct Sink {
    fill: Fill,
    compression: Option<Compression>,
}

impl Sink {
    pub(crate) fn new(fill: Fill, compression: Option<Compression>) -> Self {
        Self { fill, compression }
    }

    /// What reads it.
    pub(crate) fn filling(&self) -> Filling {
        self.fill.filling()
    }

    /// Waits until more may be pushed. False if nobody wants it: it is too large to be stored, and nobody reads.
    async fn has_room(&mut self, flight: &Flight) -> bool {
        let filling = self.fill.filling();
        let is_in_vain = async {
            flight.unwanted().await;
            if filling.is_open() {
                // It is worth storing.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = poll_fn(|cx| self.fill.poll_room(cx)) => {}
            () = is_in_vain => return false,
        }
        filling.is_open() || flight.is_wanted()
    }

    /// The next piece. If the origin pauses, those who read get what came so far.
    async fn next(&mut self, body: &mut OriginBody) -> io::Result<Received> {
        if let Some(compression) = self.compression.as_mut().filter(|compression| compression.is_holding()) {
            match timeout(PAUSE, next_frame(body)).await {
                Ok(frame) => return Ok(frame),
                Err(_) => push_some(&mut self.fill, compression.flush()?),
            }
        }
        Ok(next_frame(body).await)
    }

    /// Compresses slice by slice: other tasks of the worker have their turn in between.
    async fn push(&mut self, bytes: Bytes) -> io::Result<()> {
        let Some(compression) = &mut self.compression else {
            self.fill.push(bytes);
            return Ok(());
        };
        for slice in bytes.chunks(SLICE_BYTES) {
            push_some(&mut self.fill, compression.push(slice)?);
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if let Some(compression) = self.compression.take() {
            push_some(&mut self.fill, compression.finish()?);
        }
        self.fill.finish();
        Ok(())
    }
}

type Received = Option<Result<Frame<Bytes>, <OriginBody as Body>::Error>>;

async fn next_frame(body: &mut OriginBody) -> Received {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

fn push_some(fill: &mut Fill, bytes: Bytes) {
    if !bytes.is_empty() {
        fill.push(bytes);
    }
}

/// An origin that sends nothing for so long writes as it thinks, and not as fast as the network takes it.
const PAUSE: Duration = Duration::from_millis(20);
