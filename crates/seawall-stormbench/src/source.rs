//! [`Source`]: exchanges in the order of time, and several of them merged into one.

use seawall_http::UnixTime;

use crate::exchange::Exchange;

/// Exchanges in the order of time. Endless, or up to where it ends by itself.
pub trait Source {
    /// The next one; none when there are no more.
    fn next(&mut self) -> Option<Exchange>;
}

/// Several sources as one, up to an end.
pub struct Merged {
    sources: Vec<(Option<Exchange>, Box<dyn Source>)>,
    until: UnixTime,
}

impl Merged {
    /// What all of them send before `until`.
    pub fn new(sources: Vec<Box<dyn Source>>, until: UnixTime) -> Self {
        let sources = sources.into_iter().map(|mut source| (source.next(), source)).collect();
        Self { sources, until }
    }
}

impl Source for Merged {
    fn next(&mut self) -> Option<Exchange> {
        // A handful of sources: looking at each is quicker than a heap.
        let earliest = |(at, (head, _)): (usize, &(Option<Exchange>, _))| Some((head.as_ref()?.at, at));
        let (at, source) = self.sources.iter().enumerate().filter_map(earliest).min()?;
        if at >= self.until {
            return None;
        }
        let (head, source) = &mut self.sources[source];
        std::mem::replace(head, source.next())
    }
}
