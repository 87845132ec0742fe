//! Brings content into the store, and to whoever reads it meanwhile, to its end.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use http_body::Body;
use seawall_cache::encoding::Encoding;
use seawall_store::Fill;

use super::encoder::{Encoder, PIECE_BYTES};
use super::flight::Flight;
use crate::origin::OriginBody;
use crate::worker::Worker;

/// Moves all of it. Where it breaks off, so it does for all who read it, and nothing is stored.
pub(crate) async fn pump(worker: &Worker, mut body: OriginBody, fill: Fill, flight: &Flight) {
    let stats = &worker.stats.cache;
    let encoder = match fill.filling().response().encoding {
        Encoding::Added { coding, .. } => match Encoder::new(coding) {
            Ok(encoder) => {
                stats.encoded.add(1);
                Some(encoder)
            }
            Err(error) => return tracing::warn!(%error, "no encoder for a response; it is not stored"),
        },
        Encoding::AsSent | Encoding::Plain => None,
    };
    let mut sink = Sink { fill, encoder };
    while sink.has_room(flight).await {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(frame)) => {
                // Trailers are not stored (RFC 9111 §3).
                let Ok(bytes) = frame.into_data() else { continue };
                worker.stats.origin_bytes.add(bytes.len() as u64);
                if let Err(error) = sink.push(bytes).await {
                    return tracing::warn!(%error, "a response could not be encoded; it is not stored");
                }
            }
            Some(Err(error)) => {
                stats.broken.add(1);
                return tracing::debug!(%error, "a response broke off while it was stored");
            }
            None => {
                if let Err(error) = sink.finish() {
                    tracing::warn!(%error, "a response could not be encoded; it is not stored");
                }
                return;
            }
        }
    }
}

/// Where content goes.
struct Sink {
    fill: Fill,
    encoder: Option<Encoder>,
}

impl Sink {
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

    /// Encodes piece by piece: other tasks of the worker have their turn in between.
    async fn push(&mut self, bytes: Bytes) -> io::Result<()> {
        let Some(encoder) = &mut self.encoder else {
            self.fill.push(bytes);
            return Ok(());
        };
        for piece in bytes.chunks(PIECE_BYTES) {
            let encoded = encoder.write(piece)?;
            if !encoded.is_empty() {
                self.fill.push(encoded);
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if let Some(encoder) = self.encoder.take() {
            self.fill.push(encoder.finish()?);
        }
        self.fill.finish();
        Ok(())
    }
}
