//! The compression of one response: an encoder, its place among those of the worker, and what is counted of it.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use seawall_http::Coding;

use super::encoder::Encoder;
use crate::stats::WorkerStats;
use crate::worker::Worker;

/// Compresses what a response consists of, on its way into the store.
pub(crate) struct Compression {
    encoder: Encoder,
    stats: Arc<WorkerStats>,
    _place: Place,
}

/// The places of a worker: one more owner for each response that is being compressed.
#[derive(Clone, Default)]
pub(crate) struct Place(Rc<()>);

impl Place {
    /// `None` if all are taken.
    fn take(&self) -> Option<Self> {
        (Rc::strong_count(&self.0) <= COMPRESSIONS_MAX).then(|| self.clone())
    }
}

impl Compression {
    /// `None` if as many responses as may be are being compressed on this worker, or if there is no memory: the response is then
    /// stored as it is.
    pub(crate) fn begin(worker: &Worker, coding: Coding, length: Option<u64>) -> Option<Self> {
        let stats = Arc::clone(&worker.stats);
        let begun =
            worker.compressions.take().and_then(|place| Some((place, Encoder::new(coding, length).ok()?)));
        let Some((place, encoder)) = begun else {
            stats.cache.compressions_full.add(1);
            return None;
        };
        stats.cache.compressed[coding as usize].add(1);
        Some(Self { encoder, stats, _place: place })
    }

    /// See [`Encoder::push`].
    pub(crate) fn push(&mut self, content: &[u8]) -> io::Result<Bytes> {
        self.stats.cache.compression_bytes_in.add(content.len() as u64);
        self.encoder.push(content).inspect(|encoded| count_out(&self.stats, encoded))
    }

    /// See [`Encoder::is_holding`].
    pub(crate) fn is_holding(&self) -> bool {
        self.encoder.is_holding()
    }

    /// See [`Encoder::flush`].
    pub(crate) fn flush(&mut self) -> io::Result<Bytes> {
        self.encoder.flush().inspect(|encoded| count_out(&self.stats, encoded))
    }

    /// See [`Encoder::finish`].
    pub(crate) fn finish(self) -> io::Result<Bytes> {
        self.encoder.finish().inspect(|encoded| count_out(&self.stats, encoded))
    }
}

fn count_out(stats: &WorkerStats, encoded: &Bytes) {
    stats.cache.compression_bytes_out.add(encoded.len() as u64);
}

/// Responses that one worker compresses at a time. An encoder holds up to 8 MiB (`examples/encode_cost.rs`).
const COMPRESSIONS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let places = Place::default();
        let mut taken: Vec<_> = (0..COMPRESSIONS_MAX).map(|_| places.take().unwrap()).collect();
        assert!(places.take().is_none());
        taken.pop();
        assert!(places.take().is_some());
    }
}
