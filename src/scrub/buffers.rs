//! The buffers of one thread, into which its queued reads go.

use crate::read::arena::{Arena, PageBuffer};
use crate::read::direct::queue::SPARE_BUFFERS;
use std::io;
use std::sync::Arc;

/// Buffers of all threads together, as far as each can have its spare ones: 128 MiB.
const BUFFERS_MAX: usize = 256;

/// None at first.
#[derive(Default)]
pub(super) struct Buffers {
    free: Vec<PageBuffer>,
    /// Those in use as well.
    count: usize,
    /// They have been asked for.
    are_taken: bool,
}

impl Buffers {
    /// How many each of `threads` has, if all devices together take `depth` reads at a time.
    pub(super) fn share(depth: u32, threads: usize) -> usize {
        let most = (BUFFERS_MAX / threads).max(SPARE_BUFFERS + 1);
        ((depth as usize).div_ceil(threads) + SPARE_BUFFERS).min(most)
    }

    /// `count` in memory of their own.
    pub(super) fn of_own(count: usize) -> io::Result<Self> {
        Self::of(&Arena::new(count)?, count)
    }

    /// What one of `threads` has of a shared `arena`.
    pub(super) fn part_of(arena: &Arc<Arena>, threads: usize) -> io::Result<Self> {
        Self::of(arena, arena.buffers() / threads)
    }

    fn of(arena: &Arc<Arena>, count: usize) -> io::Result<Self> {
        let free = arena.take(count).filter(|free| !free.is_empty());
        let free = free.ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { free, count, are_taken: true })
    }

    /// True if they have not been asked for yet.
    pub(super) fn are_untaken(&self) -> bool {
        !self.are_taken
    }

    /// True if there are any, whoever uses them.
    pub(super) fn has_any(&self) -> bool {
        self.count > 0
    }

    /// How many there are, whoever uses them.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// `count` of those in use will not come back.
    pub(super) fn lose(&mut self, count: usize) {
        self.count = self.count.saturating_sub(count);
    }

    /// Those that nobody uses.
    pub(super) fn free(&self) -> &[PageBuffer] {
        &self.free
    }

    /// True if there is one for a read of a device that has `in_flight`. One that is stuck must
    /// not get them all: some are kept for the `others`.
    pub(super) fn has_room_for(&self, in_flight: usize, others: usize) -> bool {
        let kept = others.min(self.count / 2);
        !self.free.is_empty() && in_flight + kept < self.count
    }

    /// One for the next read.
    pub(super) fn next(&mut self) -> Option<PageBuffer> {
        self.free.pop()
    }

    /// `buffer` has been looked at.
    pub(super) fn give_back(&mut self, buffer: PageBuffer) {
        self.free.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_its_share_and_its_spare_ones_within_the_bound() {
        assert_eq!(Buffers::share(16, 1), 18);
        assert_eq!(Buffers::share(16, 3), 8);
        assert_eq!(Buffers::share(10_000, 4), 64);
        assert_eq!(Buffers::share(10_000, 1000), 3);
    }

    #[test]
    fn a_stuck_device_leaves_some_for_the_others() {
        let mut buffers = Buffers::of_own(4).unwrap();
        assert!(buffers.has_room_for(2, 1) && !buffers.has_room_for(3, 1));
        assert!(buffers.has_room_for(1, 9) && !buffers.has_room_for(2, 9));
        let taken: Vec<_> = std::iter::from_fn(|| buffers.next()).collect();
        assert!(taken.len() == 4 && !buffers.has_room_for(0, 0));
        for buffer in taken {
            buffers.give_back(buffer);
        }
        assert!(buffers.has_room_for(3, 0) && !buffers.has_room_for(4, 0));
    }

    #[test]
    fn threads_share_an_arena_as_long_as_it_has_some() {
        let arena = Arena::new(5).unwrap();
        let first = Buffers::part_of(&arena, 2).unwrap();
        assert!(first.free().iter().all(|buffer| Arc::ptr_eq(buffer.arena(), &arena)));
        let second = Buffers::part_of(&arena, 2).unwrap();
        assert_eq!((first.free().len(), second.free().len()), (2, 2));
        assert!(Buffers::part_of(&arena, 2).is_err() && Buffers::part_of(&arena, 9).is_err());
    }
}
