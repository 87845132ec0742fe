//! Counts an HTTP/2 client's frames as they are read, and ends a connection that sends too many of those that cost
//! it nothing and us something: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, empty DATA, CONTINUATION
//! (RFC 9113 §10.5; CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316).

use std::cell::Cell;

use seawall_http::h2::frame::flag::END_STREAM;
use seawall_http::h2::frame::kind::{DATA, HEADERS, WINDOW_UPDATE};
use tokio::time::Instant;

/// What was counted on one connection.
///
/// A token bucket: control frames cost; requests, content in either direction, and time earn.
#[derive(Debug)]
pub(crate) struct Frames {
    credit: Cell<u32>,
    /// When time was last turned into credit.
    refilled: Cell<Instant>,
    /// Bytes written that have not earned yet.
    written: Cell<usize>,
    is_flooded: Cell<bool>,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self {
            credit: Cell::new(CREDIT_MAX),
            refilled: Cell::new(Instant::now()),
            written: Cell::new(0),
            is_flooded: Cell::new(false),
        }
    }

    /// Counts one frame; false if it was one too many.
    pub(crate) fn count(&self, kind: u8, flags: u8, length: u32) -> bool {
        match kind {
            // A request earns more than its window updates, its priority and its reset cost.
            HEADERS => self.earn(HEADERS_EARN),
            DATA if length > 0 => self.earn(1 + length / BYTES_PER_CREDIT),
            // The end of content whose length was not known; a stream has one.
            DATA if flags & END_STREAM != 0 => {}
            WINDOW_UPDATE => return self.pay(1),
            _ => return self.pay(CONTROL_COST),
        }
        true
    }

    /// Content that is sent earns what the client's window updates for it cost: some clients send two for every 4 KiB.
    pub(crate) fn count_written(&self, bytes: usize) {
        let written = self.written.get() + bytes;
        self.earn(u32::try_from(written / BYTES_PER_CREDIT as usize).unwrap_or(CREDIT_MAX));
        self.written.set(written % BYTES_PER_CREDIT as usize);
    }

    fn earn(&self, credit: u32) {
        self.credit.set(self.credit.get().saturating_add(credit).min(CREDIT_MAX));
    }

    fn pay(&self, cost: u32) -> bool {
        if self.credit.get() < cost {
            // The clock is read only here: a connection may stay for days, and PING every few seconds.
            let now = Instant::now();
            let seconds = now.duration_since(self.refilled.replace(now)).as_secs_f32();
            self.earn((seconds * CREDIT_PER_SECOND) as u32);
        }
        match self.credit.get().checked_sub(cost) {
            Some(rest) => self.credit.set(rest),
            None => self.is_flooded.set(true),
        }
        !self.is_flooded.get()
    }
}

/// A connection may begin with this much: some 1,000 control frames.
const CREDIT_MAX: u32 = 10_000;
/// A control frame without a request beside it.
const CONTROL_COST: u32 = 10;
/// What a request earns: a browser sends one or two control frames with each. A client that opens a stream and
/// resets it at once runs out after some 2,000 of them.
const HEADERS_EARN: u32 = 5;
/// Content in either direction earns about what the window updates for it cost.
const BYTES_PER_CREDIT: u32 = 1024;
/// Two control frames a second may go on for ever.
const CREDIT_PER_SECOND: f32 = 20.0;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Kind, flags, length.
    type Frame = (u8, u8, u32);

    fn frame(kind: u8, length: u32) -> Frame {
        (kind, 0, length)
    }

    fn passes(frames: &[Frame]) -> bool {
        let counted = Frames::new();
        frames.iter().all(|(kind, flags, length)| counted.count(*kind, *flags, *length))
    }

    #[test]
    fn browsing_never_runs_out() {
        let mut frames = Vec::new();
        for _ in 0..5000 {
            frames.extend([frame(HEADERS, 40), frame(WINDOW_UPDATE, 4), frame(WINDOW_UPDATE, 4)]);
        }
        assert!(passes(&frames));
        let mut frames = vec![frame(6, 8); 500];
        frames.extend(vec![frame(DATA, 16_000); 500]);
        frames.extend(vec![frame(6, 8); 500]);
        assert!(passes(&frames));
    }

    #[test]
    fn uploads_of_unknown_length_may_end_with_an_empty_frame() {
        let call: Vec<_> =
            (0..5000).flat_map(|_| [frame(HEADERS, 20), frame(DATA, 5), (DATA, END_STREAM, 0)]).collect();
        assert!(passes(&call));
    }

    #[test]
    fn downloads_pay_for_their_window_updates() {
        let frames = Frames::new();
        for _ in 0..1_000_000 {
            frames.count_written(4 << 10);
            assert!(frames.count(WINDOW_UPDATE, 0, 4) && frames.count(WINDOW_UPDATE, 0, 4));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pings_now_and_then_may_go_on_for_ever() {
        let frames = Frames::new();
        for _ in 0..20_000 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(frames.count(6, 0, 8));
        }
        let burst = (0..2000).take_while(|_| frames.count(6, 0, 8)).count();
        assert!((900..1100).contains(&burst), "{burst}");
    }

    #[test]
    fn floods_run_out() {
        for kind in [2, 3, 4, 6, 9] {
            assert!(!passes(&vec![frame(kind, 8); 2000]), "{kind}");
        }
        assert!(!passes(&vec![frame(DATA, 0); 2000]));
        assert!(!passes(&vec![frame(WINDOW_UPDATE, 4); 20_000]));
        let rapid_reset: Vec<_> = (0..3000).flat_map(|_| [frame(HEADERS, 20), frame(3, 4)]).collect();
        assert!(!passes(&rapid_reset));
    }
}
