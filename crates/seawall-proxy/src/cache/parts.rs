//! Parts of large responses: a 206 is passed on as it comes, and joined with what is stored (RFC 9111 §3.3, §3.4).
//!
//! A part is collected on its way and stored when it has come whole; a client that leaves before leaves nothing behind.
//! Bounds: [`PART_BYTES_MAX`] for one part, [`COLLECTED_BYTES_MAX`] for those on their way in one worker.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use seawall_cache::StoredResponse;
use seawall_cache::combine::Combination;
use seawall_cache::partial::{Copy, Source};
use seawall_store::{Lookup, Moment, Variant};

use super::fetch::Context;
use super::stats::NotStored;
use crate::body::BodyError;
use crate::origin::OriginBody;

/// A 206 that will be stored.
pub(crate) struct Part {
    pub(crate) response: Response<OriginBody>,
    pub(crate) keeper: Keeper,
}

/// What is to be stored of a part when it has come.
pub(crate) struct Keeper {
    context: Context,
    response: StoredResponse,
    asked: Moment,
    length: u64,
}

/// The content of a part, collected on its way to the client.
pub(crate) struct Collector {
    body: OriginBody,
    collected: Vec<Bytes>,
    left: u64,
    keeper: Option<Keeper>,
}

impl Keeper {
    /// Of a part whose content is so long.
    pub(crate) fn new(
        context: Context,
        response: StoredResponse,
        asked: Moment,
        length: u64,
    ) -> Result<Self, NotStored> {
        if length > PART_BYTES_MAX {
            return Err(NotStored::TooLarge);
        }
        let gauge = &context.worker.stats.cache.collected_bytes;
        if gauge.get() + length > COLLECTED_BYTES_MAX {
            return Err(NotStored::Busy);
        }
        gauge.add(length);
        Ok(Self { context, response, asked, length })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.context.worker.stats.cache.collected_bytes.sub(self.length);
    }
}

impl Collector {
    pub(crate) fn new(body: OriginBody, keeper: Keeper) -> Self {
        Self { body, collected: Vec::new(), left: keeper.length, keeper: Some(keeper) }
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.left
    }

    pub(crate) fn poll_next(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                return Poll::Ready(None);
            };
            // Trailers speak of the part alone.
            let Ok(bytes) = frame?.into_data() else { continue };
            self.left = self.left.saturating_sub(bytes.len() as u64);
            if let Some(keeper) = &self.keeper {
                keeper.context.count_origin_bytes(bytes.len() as u64);
                self.collected.push(bytes.clone());
            }
            if self.left == 0
                && let Some(keeper) = self.keeper.take()
            {
                let worker = std::rc::Rc::clone(&keeper.context.worker);
                worker.spawn(keep(keeper, std::mem::take(&mut self.collected)));
            }
            return Poll::Ready(Some(Ok(bytes)));
        }
    }
}

/// Stores a part that has come, together with what there is of the same representation.
async fn keep(keeper: Keeper, collected: Vec<Bytes>) {
    let Keeper { context, response: new, asked, length } = &keeper;
    let (store, key) = (&context.cache().store, &context.asked.key);
    let resource = match store.get(key) {
        Lookup::Ready(resource) => resource,
        Lookup::Pending(looking) => looking.await,
    };
    let policy = &context.settings().policy;
    let stored =
        context.asked.with_facts(|facts| StoredResponse::select(resource.variants(), facts, policy).cloned());
    let all = || (new.clone(), vec![Copy { source: Source::New, start: 0, length: *length }]);
    let (response, copies) = match stored.as_ref().map(|stored| stored.response().combine(new)) {
        Some(Combination::Freshened(response)) => {
            if let Some(stored) = &stored {
                store.replace(key, stored, response, *asked);
            }
            return;
        }
        Some(Combination::Joined(response, copies)) => (response, copies),
        Some(Combination::Distinct) | None => all(),
    };
    let held_bytes = copies.iter().map(|copy| copy.length).sum();
    let Ok(mut fill) = store.fill(key, response, Some(held_bytes), *asked) else { return };
    for copy in copies {
        poll_fn(|cx| fill.poll_room(cx)).await;
        match (copy.source, &stored) {
            (Source::New, _) => {
                slices(&collected, copy.start, copy.length).for_each(|bytes| fill.push(bytes))
            }
            (Source::Stored, Some(stored)) => {
                for bytes in read(stored, copy).await {
                    fill.push(bytes);
                }
            }
            (Source::Stored, None) => return,
        }
    }
    context.worker.stats.cache.stores.add(1);
    fill.finish();
}

/// Some of the stored content; less than was asked for if it cannot be read, and then the fill does not finish.
async fn read(stored: &Variant, copy: Copy) -> Vec<Bytes> {
    let mut reader = stored.content().reader(copy.start, copy.start + copy.length);
    let mut pieces = Vec::new();
    while let Some(Ok(bytes)) = poll_fn(|cx| reader.poll_next(cx)).await {
        pieces.push(bytes);
    }
    pieces
}

/// So many bytes of the pieces, from `start` on.
fn slices(pieces: &[Bytes], start: u64, length: u64) -> impl Iterator<Item = Bytes> {
    let (mut skip, mut left) = (start as usize, length as usize);
    pieces.iter().filter_map(move |piece| {
        let from = skip.min(piece.len());
        let to = piece.len().min(from.saturating_add(left));
        skip -= from;
        left -= to - from;
        (from < to).then(|| piece.slice(from..to))
    })
}

/// What browsers and players ask for at a time is smaller; what is larger is a download, which comes whole another time.
const PART_BYTES_MAX: u64 = 8 << 20;
/// Some dozens of players at once.
const COLLECTED_BYTES_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slices_are_those_of_the_whole(lengths in proptest::collection::vec(0_usize..9, 0..6), start in 0_u64..60, length in 0_u64..60) {
            let whole: Vec<u8> = (0..lengths.iter().sum::<usize>() as u8).collect();
            let mut rest = Bytes::from(whole.clone());
            let pieces: Vec<Bytes> = lengths.iter().map(|length| rest.split_to(*length)).collect();
            let start = start.min(whole.len() as u64);
            let length = length.min(whole.len() as u64 - start);
            let sliced: Vec<u8> = slices(&pieces, start, length).flatten().collect();
            prop_assert_eq!(sliced, &whole[start as usize..(start + length) as usize]);
        }
    }
}
