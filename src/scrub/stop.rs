//! The wish of a user that a scan ends, with its report.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Asked for once, it ends the reading; and once more, the look into what was found. Clones are
/// the same wish.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    /// How often.
    times: AtomicU32,
    /// So often it is when the look into the findings ends; 0 before that has begun.
    looking_ends: AtomicU32,
}

impl Stop {
    /// Asks for it.
    pub fn ask(&self) {
        self.0.times.fetch_add(1, Ordering::Relaxed);
    }

    /// Nothing more is to be read.
    pub fn is_asked(&self) -> bool {
        self.0.times.load(Ordering::Relaxed) > 0
    }

    /// True if another wish would end something and the report would still come.
    pub fn may_be_asked_again(&self) -> bool {
        let ends = self.0.looking_ends.load(Ordering::Relaxed);
        ends > 0 && self.0.times.load(Ordering::Relaxed) < ends
    }

    /// From here on, one more wish ends the look into the findings.
    pub(super) fn looking_begins(&self) {
        let ends = self.0.times.load(Ordering::Relaxed) + 1;
        self.0.looking_ends.store(ends, Ordering::Relaxed);
    }

    /// Nothing more is to be looked into.
    pub(super) fn ends_looking(&self) -> bool {
        let ends = self.0.looking_ends.load(Ordering::Relaxed);
        ends > 0 && self.0.times.load(Ordering::Relaxed) >= ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wish_ends_the_reading_and_the_next_one_what_follows_it() {
        let stop = Stop::default();
        assert!(!stop.is_asked() && !stop.may_be_asked_again());
        stop.clone().ask();
        assert!(stop.is_asked() && !stop.may_be_asked_again());
        stop.looking_begins();
        assert!(stop.may_be_asked_again() && !stop.ends_looking());
        stop.ask();
        assert!(stop.ends_looking() && !stop.may_be_asked_again());
    }
}
