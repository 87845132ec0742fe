//! What is stored under one key: some variants, each a response and its content.

use std::borrow::Borrow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use seawall_cache::purge::Extent;
use seawall_cache::{Standing, StoredResponse};

use crate::content::Content;
use crate::moment::Moment;

/// Variants under one key; with one more, the oldest goes. Bounds what a client that invents values of a field that the
/// origin varies by can fill.
pub const VARIANTS_MAX: usize = 32;

/// All that is stored under one key. A lookup hands it out; it does not change.
#[derive(Clone, Debug, Default)]
pub struct Resource {
    /// In the order in which they were stored.
    variants: Option<Arc<[Variant]>>,
    /// Whether there may be more on disk.
    is_partial: bool,
}

/// One stored response and its content; cheap to clone.
#[derive(Clone)]
pub struct Variant(Arc<Inner>);

struct Inner {
    response: Arc<StoredResponse>,
    content: Content,
    stored_at: Moment,
    bytes: u64,
    lines: OnceLock<Box<[u8]>>,
}

// === impl Resource ===

impl Resource {
    pub(crate) fn new(variants: Vec<Variant>, is_partial: bool) -> Self {
        Self { variants: (!variants.is_empty()).then(|| variants.into()), is_partial }
    }

    pub(crate) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// The variants, for [`seawall_cache::plan()`].
    pub fn variants(&self) -> &[Variant] {
        self.variants.as_deref().unwrap_or_default()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.variants.is_none()
    }

    /// With another variant, in place of `old` and of those that the same requests select; and without the oldest, where
    /// they would be too many, or hold more than `bytes_max` in all.
    pub(crate) fn with(&self, old: Option<&Variant>, new: &Variant, bytes_max: u64) -> Self {
        let selected_by = &new.response().selected_by;
        let replaced = |variant: &&Variant| {
            old.is_some_and(|old| old.is(variant)) || variant.response().selected_by == *selected_by
        };
        let mut room = bytes_max.saturating_sub(new.0.bytes);
        let fits = |variant: &&Variant| {
            room.checked_sub(variant.0.bytes).is_some_and(|rest| {
                room = rest;
                true
            })
        };
        let kept = self.variants().iter().rev().filter(|variant| !replaced(variant));
        let mut variants: Vec<_> =
            std::iter::once(new).chain(kept.take(VARIANTS_MAX - 1).take_while(fits)).cloned().collect();
        variants.reverse();
        Self::new(variants, self.is_partial)
    }

    /// What purges leave of it; `None` if that is all, as it is.
    pub(crate) fn purged(&self, extent: impl Fn(&Variant) -> Option<Extent>) -> Option<Self> {
        if self.variants().iter().all(|variant| extent(variant).is_none()) {
            return None;
        }
        let left: Vec<_> =
            self.variants().iter().filter_map(|variant| variant.purged(extent(variant))).collect();
        let is_same = left.len() == self.variants().len()
            && left.iter().zip(self.variants()).all(|(left, before)| left.is(before));
        (!is_same).then(|| Self::new(left, self.is_partial))
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        match (&self.variants, &other.variants) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    /// With variants that were found on disk, older than those in memory; those here stand in their place where the same
    /// requests select both.
    pub(crate) fn with_loaded(&self, loaded: Vec<Variant>) -> Vec<Variant> {
        let is_here = |other: &Variant| {
            self.variants()
                .iter()
                .any(|variant| variant.response().selected_by == other.response().selected_by)
        };
        let mut variants: Vec<_> = loaded.into_iter().filter(|variant| !is_here(variant)).collect();
        variants.extend_from_slice(self.variants());
        variants.drain(..variants.len().saturating_sub(VARIANTS_MAX));
        variants
    }

    /// Memory held, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.variants().iter().map(|variant| variant.0.bytes).sum()
    }
}

// === impl Variant ===

impl Variant {
    pub(crate) fn new(response: Arc<StoredResponse>, content: Content, stored_at: Moment) -> Self {
        let bytes = (size_of::<Self>() + size_of::<Inner>() + 2 * size_of::<usize>()) as u64
            + crate::weight::response_bytes(&response)
            + content.memory_bytes();
        Self(Arc::new(Inner { response, content, stored_at, bytes, lines: OnceLock::new() }))
    }

    /// The response.
    pub fn response(&self) -> &Arc<StoredResponse> {
        &self.0.response
    }

    /// Its content.
    pub fn content(&self) -> &Content {
        &self.0.content
    }

    /// What `write` has made of it to be sent, the first time that somebody asked; it lives as long as the response. It has room
    /// for the response's fields as HTTP/1.1 writes them with a status line and a length: so much was set aside for it.
    pub fn lines(&self, write: impl FnOnce(&Self) -> Vec<u8>) -> &[u8] {
        self.0.lines.get_or_init(|| write(self).into_boxed_slice())
    }

    /// The moment before the origin was asked for it, or last vouched for it.
    pub fn stored_at(&self) -> Moment {
        self.0.stored_at
    }

    /// With another header section.
    pub(crate) fn with_response(&self, response: Arc<StoredResponse>, stored_at: Moment) -> Self {
        Self::new(response, self.0.content.clone(), stored_at)
    }

    /// What a purge leaves of it.
    fn purged(&self, extent: Option<Extent>) -> Option<Self> {
        match extent {
            Some(Extent::Hard) => None,
            Some(Extent::Soft) if self.0.response.standing == Standing::Valid => {
                let mut response = StoredResponse::clone(&self.0.response);
                response.standing = Standing::SoftPurged;
                Some(self.with_response(Arc::new(response), self.0.stored_at))
            }
            Some(Extent::Soft) | None => Some(self.clone()),
        }
    }

    /// Memory held, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Borrow<StoredResponse> for Variant {
    fn borrow(&self) -> &StoredResponse {
        &self.0.response
    }
}

impl fmt::Debug for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variant").field("response", &self.0.response).finish_non_exhaustive()
    }
}
