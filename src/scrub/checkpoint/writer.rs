//! When checkpoints are written: every few seconds beside the scan, and once when it is stopped.

use super::{Checkpoint, Checkpointing, stored};
use crate::discover::Discovery;
use crate::scrub::{Shared, lock};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The pause after a checkpoint is at least so many times as long as writing it took: that is 2 %.
const PAUSE_PER_WRITING: u32 = 49;

/// Writes the checkpoints of one scan.
struct Writer<'a> {
    to: &'a Checkpointing<'a>,
    shared: &'a Shared<'a>,
    discovery: &'a Discovery,
    /// There is one to go on from.
    exists: AtomicBool,
    failed: AtomicBool,
}

/// Runs `scan` and writes checkpoints meanwhile, and one at its end: what follows may be stopped as
/// well. The file to go on from, if there is one.
pub(in crate::scrub) fn while_checkpointing(
    shared: &Shared<'_>,
    discovery: &Discovery,
    scan: impl FnOnce(),
) -> Option<PathBuf> {
    let Some(to) = &shared.settings.checkpoint else {
        scan();
        return None;
    };
    let exists = AtomicBool::new(to.resume.is_some());
    let writer = Writer { to, shared, discovery, exists, failed: AtomicBool::new(false) };
    if !lock(&shared.host_findings).is_empty() {
        // What the one that is there has counted may be wrong: it must not outlive that insight.
        writer.write();
    }
    writer.beside(scan);
    if shared.is_in_vain() {
        writer.forget();
    }
    writer.write();
    writer.exists.load(Ordering::Relaxed).then(|| to.path.to_owned())
}

impl Writer<'_> {
    fn beside(&self, scan: impl FnOnce()) {
        let (scanning, over) = channel::<()>();
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("checkpoint".into());
            if let Err(error) = thread.spawn_scoped(scope, move || self.write_until(&over)) {
                self.tell(&error);
            }
            scan();
            // Wakes the writer; so does a panic.
            drop(scanning);
        });
    }

    fn write_until(&self, over: &Receiver<()>) {
        let mut pause = self.to.interval;
        while over.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            pause = pause_after(self.write(), self.to.interval);
        }
    }

    /// Writes one; how long that took.
    fn write(&self) -> Duration {
        let started = Instant::now();
        let checkpoint = Checkpoint::of(self.shared, self.discovery);
        match stored::write(&checkpoint, self.to.path) {
            Ok(()) => self.exists.store(true, Ordering::Relaxed),
            Err(error) => self.tell(&error),
        }
        if self.shared.is_in_vain() {
            self.forget();
        }
        started.elapsed()
    }

    /// What has been counted counts for nothing; better no checkpoint than that.
    fn forget(&self) {
        if stored::remove(self.to.path).is_ok() {
            self.exists.store(false, Ordering::Relaxed);
        }
    }

    fn tell(&self, error: &io::Error) {
        if !self.failed.swap(true, Ordering::Relaxed) {
            (self.to.failed)(error);
        }
    }
}

fn pause_after(writing: Duration, interval: Duration) -> Duration {
    interval.max(writing.saturating_mul(PAUSE_PER_WRITING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_takes_at_most_two_percent_of_the_time() {
        let [ms, s] = [Duration::from_millis, Duration::from_secs];
        assert_eq!(pause_after(ms(3), s(5)), s(5));
        assert_eq!(pause_after(s(2), s(5)), s(98));
        assert_eq!(pause_after(Duration::MAX, s(5)), Duration::MAX);
    }
}
