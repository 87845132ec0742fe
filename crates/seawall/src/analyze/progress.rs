//! How far the reading is: a bar on standard error with rate and time left, where that is a terminal.

use std::io::{IsTerminal as _, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::input::Input;
use super::log::Log;

/// The bar, if there is one.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    /// Nothing is drawn before then: most logs are read by that time.
    from: Instant,
    /// Bytes of the logs before this one.
    before: u64,
    consumed: Arc<AtomicU64>,
    lines: u64,
}

impl Progress {
    /// Of these logs. Compressed ones are measured as they are on disk; of a pipe, the rate alone is known.
    pub(crate) fn new<'a>(logs: impl IntoIterator<Item = &'a Log>, is_quiet: bool) -> Self {
        let size: Option<u64> = logs.into_iter().map(Log::size).sum();
        let bar = (!is_quiet && stderr().is_terminal()).then(|| bar(size));
        let from = Instant::now() + PATIENCE;
        Self { bar, from, before: 0, consumed: Arc::default(), lines: 0 }
    }

    /// A log begins.
    pub(crate) fn log(&mut self, input: &Input) {
        self.before += self.consumed.load(Ordering::Relaxed);
        self.consumed = input.consumed();
    }

    /// So many lines more are read.
    pub(crate) fn lines(&mut self, lines: u64) {
        self.lines += lines;
        let Some(bar) = &self.bar else { return };
        if Instant::now() < self.from {
            return;
        }
        if bar.is_hidden() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        // Before the text, which draws at once.
        bar.set_position(self.before + self.consumed.load(Ordering::Relaxed));
        bar.set_message(format!("{} lines", crate::storms::figure::number(self.lines as f64)));
    }

    /// Something is to be printed meanwhile.
    pub(crate) fn aside(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// All is read: the bar goes.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(size: Option<u64>) -> ProgressBar {
    let (bar, template) = match size {
        Some(size) => (
            ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::hidden()),
            "{bar:30.cyan} {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left  {msg}",
        ),
        None => (
            ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
            "{decimal_bytes} read, {decimal_bytes_per_sec}, {elapsed}  {msg}",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("█▉▊▋▌▍▎▏ ")),
        Err(_) => bar,
    }
}

const PATIENCE: Duration = Duration::from_millis(500);
