//! The client's connection window (RFC 9113 §6.9), divided between the library and answers of our own.
//!
//! The library believes that it has the window for itself. It is told of less than the client gives: half of what goes
//! beyond the initial window is kept for answers that the library does not know of. Both parts together are the client's
//! window at any time.

use super::frame::WINDOW_MAX;

/// Both parts.
#[derive(Debug)]
pub struct Windows {
    /// Negative if the library sends more than it may.
    library: i64,
    reserve: u32,
}

/// What to do with an increment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Update {
    /// Tell the library of that much; of nothing if it is 0.
    Pass(u32),
    /// The window would be larger than a window may be.
    Overflow,
}

impl Default for Windows {
    fn default() -> Self {
        Self { library: INITIAL, reserve: 0 }
    }
}

impl Windows {
    /// The client gives more.
    pub fn grow(&mut self, increment: u32) -> Update {
        if self.library + i64::from(self.reserve) + i64::from(increment) > i64::from(WINDOW_MAX) {
            return Update::Overflow;
        }
        // The library comes first, up to what a client gives that knows of no windows.
        let first = (INITIAL - self.library).clamp(0, i64::from(increment)) as u32;
        let kept = (increment - first) / 2;
        self.reserve += kept;
        self.library += i64::from(increment - kept);
        Update::Pass(increment - kept)
    }

    /// How much an answer of our own may have.
    pub fn reserve(&self) -> u32 {
        self.reserve
    }

    /// An answer of our own was written; it had no more content than [`Windows::reserve`].
    pub fn take(&mut self, bytes: u32) {
        self.reserve = self.reserve.saturating_sub(bytes);
    }

    /// The library has written content. Gives what it is to be told of now: when little is left to it, it gets the
    /// reserve, for the client may give more only when it was sent most of what it gave.
    pub fn wrote(&mut self, bytes: usize) -> Option<u32> {
        self.library -= bytes as i64;
        if self.library >= LOW || self.reserve == 0 {
            return None;
        }
        self.library += i64::from(self.reserve);
        Some(std::mem::take(&mut self.reserve))
    }
}

/// §6.9.2.
const INITIAL: i64 = 65_535;
/// A frame.
const LOW: i64 = 16 << 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn library_is_never_left_without_what_there_is() {
        let mut windows = Windows::default();
        assert_eq!((windows.wrote(60_000), windows.reserve()), (None, 0));
        assert_eq!((windows.grow(60_000 + 500), windows.reserve()), (Update::Pass(60_250), 250));
        assert_eq!(windows.grow(2 << 20), Update::Pass(1 << 20));
        assert_eq!(windows.reserve(), (1 << 20) + 250);
        let all = (1 << 20) + 250 + 65_535;
        assert_eq!(windows.wrote(all), Some((1 << 20) + 250));
        assert_eq!(windows.wrote(1 << 20), None);
    }

    // RFC 9113 §6.9.1
    #[test]
    fn window_has_a_largest_size() {
        let mut windows = Windows::default();
        assert_eq!(windows.grow(WINDOW_MAX), Update::Overflow);
        assert!(matches!(windows.grow(WINDOW_MAX - 65_535), Update::Pass(_)));
        assert_eq!(windows.grow(1), Update::Overflow);
    }

    proptest! {
        #[test]
        fn both_parts_are_the_clients_window(steps in proptest::collection::vec((0u8..3, 1u32..3 << 20), 0..200)) {
            let mut windows = Windows::default();
            // What the client has given and not been sent, and what the library believes.
            let (mut client, mut library) = (65_535i64, 65_535i64);
            for (what, bytes) in steps {
                match what {
                    0 => if let Update::Pass(passed) = windows.grow(bytes) {
                        client += i64::from(bytes);
                        library += i64::from(passed);
                    },
                    1 => {
                        let bytes = i64::from(bytes).min(library);
                        client -= bytes;
                        library -= bytes;
                        library += windows.wrote(bytes as usize).map_or(0, i64::from);
                    }
                    _ => {
                        let bytes = bytes.min(windows.reserve());
                        windows.take(bytes);
                        client -= i64::from(bytes);
                    }
                }
                prop_assert_eq!(client, library + i64::from(windows.reserve()));
                prop_assert!(library > 0 || windows.reserve() == 0);
            }
        }
    }
}
