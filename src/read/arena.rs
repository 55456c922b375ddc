//! Memory for reads that a device fills itself: one piece, aligned to huge pages, handed out in
//! buffers of [`BUFFER_PAGES`] pages.
//!
//! A [`PageBuffer`] is owned by whoever works with it: the kernel while it fills it, a worker, a
//! GPU while it reads it. Being moved from one to the next is what keeps them apart.

use crate::page::{PAGE_BYTES, Page};
use memmap2::MmapMut;
use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

/// Pages of one buffer: 512 KiB, beyond which devices get no faster.
pub const BUFFER_PAGES: u32 = 64;
/// Bytes of one buffer.
pub const BUFFER_BYTES: usize = BUFFER_PAGES as usize * PAGE_BYTES;
const HUGE_PAGE_BYTES: usize = 2 << 20;
#[cfg(target_os = "linux")]
const HUGE_PAGE_BITS: u8 = 21;

/// The piece of memory.
pub struct Arena {
    /// Unmapped when the arena goes, which is after the last of its buffers.
    _memory: MmapMut,
    /// The first buffer; the others follow.
    first: NonNull<u8>,
    /// By buffer: whether somebody has it.
    taken: Mutex<Vec<bool>>,
}

// SAFETY: `first` is only an address. The memory behind it is reached through `PageBuffer`s, and
// `take` gives each part of it to one owner at a time.
#[allow(unsafe_code)]
unsafe impl Send for Arena {}
// SAFETY: as above; everything else that is shared is behind a mutex.
#[allow(unsafe_code)]
unsafe impl Sync for Arena {}

/// One buffer of an arena; whoever owns it owns its pages. Goes back to the arena when dropped.
pub struct PageBuffer {
    arena: Arc<Arena>,
    index: usize,
}

impl Arena {
    /// An arena of `buffers` buffers (at least 1), of zeros.
    ///
    /// # Errors
    /// If the system has not enough memory.
    pub fn new(buffers: usize) -> io::Result<Arc<Self>> {
        let mut memory = mapped((buffers * BUFFER_BYTES).next_multiple_of(HUGE_PAGE_BYTES))?;
        let start = memory.as_ptr().align_offset(HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
        let first = NonNull::from(&mut memory[start..start + buffers * BUFFER_BYTES]).cast();
        let taken = Mutex::new(vec![false; buffers]);
        Ok(Arc::new(Self { _memory: memory, first, taken }))
    }

    /// `count` neighbouring buffers, with memory behind them; `None` if there are none left.
    pub fn take(self: &Arc<Self>, count: usize) -> Option<Vec<PageBuffer>> {
        let range = self.reserve(count)?;
        let mut buffers: Vec<_> =
            range.map(|index| PageBuffer { arena: Arc::clone(self), index }).collect();
        // The thread that touches memory first gets it close to its CPU.
        for buffer in &mut buffers {
            buffer.fill(Page::ZERO);
        }
        Some(buffers)
    }

    fn reserve(&self, count: usize) -> Option<Range<usize>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let first = taken.windows(count.max(1)).position(|window| !window.contains(&true))?;
        taken[first..first + count].fill(true);
        Some(first..first + count)
    }

    /// Where the first buffer begins: a multiple of 2 MiB.
    pub fn address(&self) -> NonNull<u8> {
        self.first
    }

    /// How many buffers it has, whoever has them.
    pub fn buffers(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Bytes of all buffers.
    pub fn bytes(&self) -> usize {
        self.buffers() * BUFFER_BYTES
    }
}

impl PageBuffer {
    /// The how manieth buffer of its arena it is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The arena it belongs to.
    pub fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }

    #[allow(unsafe_code)]
    fn start(&self) -> NonNull<Page> {
        // SAFETY: `reserve` gives only indices below the number of buffers, for which `Arena::new`
        // made room.
        unsafe { self.arena.first.add(self.index * BUFFER_BYTES) }.cast()
    }
}

impl Deref for PageBuffer {
    type Target = [Page];

    #[allow(unsafe_code)]
    fn deref(&self) -> &[Page] {
        // SAFETY: the memory is mapped as long as the arena, which `self` keeps; it was zeros at
        // first and any bytes are a `Page`; `reserve` gave it to no one else.
        unsafe { std::slice::from_raw_parts(self.start().as_ptr(), BUFFER_PAGES as usize) }
    }
}

impl DerefMut for PageBuffer {
    #[allow(unsafe_code)]
    fn deref_mut(&mut self) -> &mut [Page] {
        // SAFETY: as in `deref`; and `self` is borrowed for writing.
        unsafe { std::slice::from_raw_parts_mut(self.start().as_ptr(), BUFFER_PAGES as usize) }
    }
}

impl Drop for PageBuffer {
    fn drop(&mut self) {
        self.arena.taken.lock().unwrap_or_else(PoisonError::into_inner)[self.index] = false;
    }
}

impl std::fmt::Debug for PageBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PageBuffer({})", self.index)
    }
}

/// Memory in which `bytes` that start on a huge page have room.
#[cfg(target_os = "linux")]
fn mapped(bytes: usize) -> io::Result<MmapMut> {
    if let Ok(huge) = memmap2::MmapOptions::new().len(bytes).huge(Some(HUGE_PAGE_BITS)).map_anon() {
        return Ok(huge);
    }
    let memory = MmapMut::map_anon(bytes + HUGE_PAGE_BYTES)?;
    // A hint: with ordinary pages reads are only slower.
    let _ = memory.advise(memmap2::Advice::HugePage);
    Ok(memory)
}

#[cfg(not(target_os = "linux"))]
fn mapped(bytes: usize) -> io::Result<MmapMut> {
    MmapMut::map_anon(bytes + HUGE_PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_neighbours_and_nobody_elses() {
        let arena = Arena::new(6).unwrap();
        assert_eq!(arena.address().as_ptr().align_offset(HUGE_PAGE_BYTES), 0);
        let mut first = arena.take(2).unwrap();
        let second = arena.take(4).unwrap();
        assert!(arena.take(1).is_none());
        first[1].fill(Page::new(&[7; PAGE_BYTES]));
        assert!(second.iter().all(|buffer| buffer.iter().all(Page::is_zero)));
        let indices = |buffers: &[PageBuffer]| buffers.iter().map(PageBuffer::index).collect();
        let (of_first, of_second): (Vec<_>, Vec<_>) = (indices(&first), indices(&second));
        assert_eq!((of_first, of_second), (vec![0, 1], vec![2, 3, 4, 5]));
        assert_eq!(first[1].as_ptr_range().start, first[0].as_ptr_range().end);
    }

    #[test]
    fn a_buffer_that_is_dropped_can_be_taken_again_and_is_zero_then() {
        let arena = Arena::new(2).unwrap();
        let mut both = arena.take(2).unwrap();
        both[0][63].bytes_mut()[8191] = 1;
        drop(both.remove(0));
        assert!(arena.take(2).is_none());
        let again = arena.take(1).unwrap();
        assert_eq!(again[0].index(), 0);
        assert!(again[0].iter().all(Page::is_zero));
    }
}
