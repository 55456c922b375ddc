//! Progress on stderr: bytes, rate, time left, suspects so far. Silent when nobody watches.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pagescrub::scrub::Progress;
use std::sync::atomic::{AtomicU64, Ordering};

const TEMPLATE: &str = "{bar:32} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left  {msg}";

/// A bar on stderr over `bytes`; silent when stderr is no terminal.
pub(crate) fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style);
    }
    bar
}

/// A line on stderr for work without a known end; hidden unless `visible` and stderr is a terminal.
pub(crate) fn spinner(visible: bool) -> ProgressBar {
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let spinner = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        spinner.set_style(style);
    }
    spinner
}

/// A bar that moves with a scan.
pub(crate) struct Bar {
    bar: ProgressBar,
    suspects: AtomicU64,
}

impl Bar {
    /// A bar on stderr; hidden unless `visible` and stderr is a terminal.
    pub(crate) fn new(visible: bool) -> Self {
        let bar = bar(0);
        if !visible {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { bar, suspects: AtomicU64::new(0) }
    }
}

impl Progress for Bar {
    fn begin(&self, bytes: u64) {
        // Also for the second time, when a scan starts again.
        self.bar.reset();
        self.bar.set_length(bytes);
        self.bar.set_message("");
        self.suspects.store(0, Ordering::Relaxed);
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn suspects(&self, count: u64) {
        let total = self.suspects.fetch_add(count, Ordering::Relaxed) + count;
        self.bar.set_message(format!("{total} suspect"));
    }

    fn looking_into(&self, what: &'static str) {
        let suspects = self.suspects.load(Ordering::Relaxed);
        self.bar.set_message(format!("{suspects} suspect, looking into {what}"));
    }

    fn end(&self) {}

    fn finished(&self) {
        self.bar.finish_and_clear();
    }
}
