//! Reads past the page cache, with `O_DIRECT`: what is read once must not push out of memory what
//! a production server needs, and huge buffers filled by the device itself cost a fifth of the CPU
//! time that a copy out of the cache costs.
//!
//! A [`DirectFile`] can be read in two ways: many reads at a time on a [`queue::ReadQueue`], or one
//! at a time, which is what is left where io_uring is forbidden. Where a file system refuses
//! O_DIRECT, positioned reads through the cache remain, and what they brought into the cache is
//! dropped from it again.

pub mod queue;

use super::aligned;
#[cfg(target_os = "linux")]
use super::cached::cached_bytes;
use crate::backup::layout::Layout;
use crate::backup::source::read_exact_at;
use crate::page::ranges::PageRanges;
use crate::page::{PAGE_BYTES, Page};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a refused read answers.
const EINVAL: i32 = 22;
/// Bytes of a range in the cache before it is read; nothing where that does not matter or is not
/// told.
pub(super) struct Witness(Option<u64>);

/// What every block device is content with, in memory and in the file.
pub const ALIGNMENT_BYTES: usize = 4096;

/// A file opened past the page cache.
pub struct DirectFile {
    file: File,
    /// The file system took the flag, and then refused a read for it or read through the cache.
    is_refused: AtomicBool,
    /// The kernel vouches for reads past the cache of this file.
    is_vouched_for: bool,
    layout: Layout,
    /// Its reads may keep waiting who asks for them, even when they are queued.
    #[cfg(all(target_os = "linux", feature = "uring"))]
    may_block: bool,
}

impl DirectFile {
    /// Opens `path`; `None` where the system or the file system has no such thing. An error means
    /// that this process has too many files open.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let Some(file) = open_direct(path)? else { return Ok(None) };
        let alignment = goes_past_the_cache(&file);
        Ok(Some(Self {
            #[cfg(all(target_os = "linux", feature = "uring"))]
            may_block: may_block(&file),
            is_vouched_for: alignment == Some(true),
            layout: Layout::Whole,
            file,
            is_refused: AtomicBool::new(alignment == Some(false)),
        }))
    }

    /// The same file with its pages where `layout` has them.
    pub(super) fn with_layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// The bytes of `ranges`, whose pages follow each other in the file.
    pub(super) fn span(&self, ranges: &PageRanges) -> Range<u64> {
        let start = self.layout.offset_of_all(ranges);
        assert!(start.is_some(), "a read is of pages that follow each other");
        let start = start.unwrap_or_default();
        start..start + ranges.bytes()
    }

    /// True if queueing a read may take as long as the read itself.
    #[cfg(all(target_os = "linux", feature = "uring"))]
    pub(super) fn may_block(&self) -> bool {
        self.may_block
    }

    /// The file itself.
    #[cfg(all(target_os = "linux", feature = "uring"))]
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// True once a read past the cache has been refused, or was seen to go through the cache.
    pub fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    /// Remembers that reads past the cache are refused: they are read through the cache from now.
    pub fn refuse(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    /// Fills `pages` with those of `ranges`, which follow each other, past the cache; fails with
    /// EINVAL where that is refused.
    pub fn fill(&self, ranges: &PageRanges, pages: &mut [Page]) -> io::Result<()> {
        let witness = self.witness(ranges);
        self.fill_unwatched(ranges, pages)?;
        self.hear(&witness, ranges)
    }

    /// What the cache holds of `ranges` before a read. Some file systems take the flag and use the
    /// cache all the same, for compressed extents for example. Where the kernel does not vouch for
    /// the file, the cache is asked to let go of them first: what is in it again afterwards
    /// came through it.
    pub(super) fn witness(&self, ranges: &PageRanges) -> Witness {
        if self.is_vouched_for {
            return Witness(None);
        }
        forget_cached(&self.file, self.span(ranges));
        Witness(cached_bytes(&self.file, self.span(ranges)))
    }

    /// Whether something tells if a read of `ranges` went past the cache.
    pub fn can_tell(&self, ranges: &PageRanges) -> bool {
        self.is_vouched_for || cached_bytes(&self.file, self.span(ranges)).is_some()
    }

    /// Whether a read of `ranges`, which has ended, went past the cache.
    pub(super) fn hear(&self, witness: &Witness, ranges: &PageRanges) -> io::Result<()> {
        // What could not be let go of may have been what was read.
        let is_proof =
            |before: u64| cached_bytes(&self.file, self.span(ranges)) == Some(0) && before == 0;
        if witness.0.is_none_or(is_proof) {
            return Ok(());
        }
        self.refuse();
        Err(io::Error::from_raw_os_error(EINVAL))
    }

    fn fill_unwatched(&self, ranges: &PageRanges, pages: &mut [Page]) -> io::Result<()> {
        let read = |bytes: &mut [u8]| {
            let outcome = read_exact_at(&self.file, self.span(ranges).start, bytes);
            outcome.inspect_err(|error| self.note(error))
        };
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(pages);
        if bytes.as_ptr().align_offset(ALIGNMENT_BYTES) == 0 {
            return read(bytes);
        }
        let mut room = Vec::new();
        let room = aligned(&mut room, bytes.len() / PAGE_BYTES);
        read(bytemuck::cast_slice_mut(room))?;
        bytes.copy_from_slice(bytemuck::cast_slice(room));
        Ok(())
    }

    /// Remembers what `error` says of reads past the cache.
    pub(super) fn note(&self, error: &io::Error) {
        // What file systems answer that took the flag and cannot serve the read.
        if error.kind() == io::ErrorKind::InvalidInput {
            self.refuse();
        }
    }
}

/// Asks the system to forget what it caches of `bytes`. A hint only, so its outcome does not
/// matter.
#[cfg(target_os = "linux")]
pub(super) fn forget_cached(file: &File, bytes: Range<u64>) {
    let length = std::num::NonZeroU64::new(bytes.end - bytes.start);
    let advice = rustix::fs::Advice::DontNeed;
    let _ = rustix::fs::fadvise(file, bytes.start, length, advice);
}

#[cfg(not(target_os = "linux"))]
pub(super) fn forget_cached(_: &File, _: Range<u64>) {}

#[cfg(target_os = "linux")]
fn open_direct(path: &Path) -> io::Result<Option<File>> {
    use rustix::io::Errno;
    use std::os::unix::fs::OpenOptionsExt;
    let direct = rustix::fs::OFlags::DIRECT.bits().cast_signed();
    match File::options().read(true).custom_flags(direct).open(path) {
        Ok(file) => Ok(Some(file)),
        // The file system is not to blame for these.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::MFILE | Errno::NFILE)) => {
            Err(error)
        }
        Err(_) => Ok(None),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn cached_bytes(_: &File, _: Range<u64>) -> Option<u64> {
    None
}

/// What the kernel (6.1) says of reads of `file` past the cache, if it says anything.
#[cfg(target_os = "linux")]
fn goes_past_the_cache(file: &File) -> Option<bool> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let told = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN).ok()?;
    let is_told = told.stx_mask & StatxFlags::DIOALIGN.bits() != 0;
    is_told.then_some(told.stx_dio_offset_align != 0)
}

#[cfg(not(target_os = "linux"))]
fn goes_past_the_cache(_: &File) -> Option<bool> {
    None
}

/// In user space, a file system answers queued reads one after another unless it says otherwise.
#[cfg(all(target_os = "linux", feature = "uring"))]
fn may_block(file: &File) -> bool {
    const FUSE_SUPER_MAGIC: i64 = 0x6573_5546;
    #[allow(clippy::unnecessary_cast, reason = "its type differs between architectures")]
    rustix::fs::fstatfs(file).is_ok_and(|system| system.f_type as i64 == FUSE_SUPER_MAGIC)
}
