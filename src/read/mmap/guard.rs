//! Answers SIGBUS inside a guarded mapping with a page of zeros, and remembers that it did.
//!
//! The mark is set before the zeros are there: what another thread reads of them must never be
//! older than the mark, or it would take them for the file's.

#![allow(unsafe_code)]

use libc::{c_int, c_void, sigaction, siginfo_t};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// Mappings guarded at a time; a file beyond that is read with positioned reads.
const GUARDS_MAX: usize = 1024;

/// Guards one mapping for as long as it lives.
pub(super) struct Guard {
    slot: &'static Slot,
}

struct Slot {
    taken: AtomicBool,
    /// First address; 0 while the slot guards nothing.
    start: AtomicUsize,
    bytes: AtomicUsize,
    hit: AtomicBool,
}

static SLOTS: [Slot; GUARDS_MAX] = [const {
    Slot {
        taken: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        bytes: AtomicUsize::new(0),
        hit: AtomicBool::new(false),
    }
}; GUARDS_MAX];

impl Slot {
    /// True if `address` is guarded by this slot. The slot may be given to another mapping between
    /// the two loads; then its start has changed.
    fn holds(&self, address: usize) -> bool {
        let start = self.start.load(Ordering::Acquire);
        let bytes = self.bytes.load(Ordering::Acquire);
        start != 0
            && (start..start + bytes).contains(&address)
            && self.start.load(Ordering::Acquire) == start
    }

    /// Marks the mapping, and then puts zeros where it has failed. A mark without zeros costs speed
    /// only.
    fn answer(&self, put_zeros: impl FnOnce() -> bool) -> bool {
        self.hit.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        put_zeros()
    }

    /// True if what was read before may have been zeros that are not in the file.
    fn was_hit(&self) -> bool {
        // Bytes are read in no order that an atomic load alone would keep.
        fence(Ordering::SeqCst);
        self.hit.load(Ordering::SeqCst)
    }
}

/// `si_code`: the address does not exist (the file has become shorter, or the medium failed).
const BUS_ADRERR: c_int = 2;
/// `si_code`: the memory behind the address is broken.
const BUS_MCEERR_AR: c_int = 4;

static MEMORY_PAGE_BYTES: AtomicUsize = AtomicUsize::new(4096);
static INSTALL: Once = Once::new();
static INSTALLED: AtomicBool = AtomicBool::new(false);
/// What handled SIGBUS before; written once, before the handler that reads it is installed.
static mut PREVIOUS: MaybeUninit<sigaction> = MaybeUninit::uninit();

impl Guard {
    /// Guards the addresses of `mapping`; `None` if no slot is free or no handler can be set.
    pub(super) fn over(mapping: &[u8]) -> Option<Self> {
        INSTALL.call_once(install);
        if !INSTALLED.load(Ordering::Acquire) {
            return None;
        }
        let slot = SLOTS.iter().find(|slot| !slot.taken.swap(true, Ordering::AcqRel))?;
        slot.hit.store(false, Ordering::Relaxed);
        slot.bytes.store(mapping.len(), Ordering::Relaxed);
        slot.start.store(mapping.as_ptr() as usize, Ordering::Release);
        Some(Self { slot })
    }

    /// True once any page of the mapping could not be delivered. From then on the mapping holds
    /// zeros that are not in the file and must not be used. To be asked after bytes were read, too.
    pub(super) fn was_hit(&self) -> bool {
        self.slot.was_hit()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.slot.start.store(0, Ordering::Release);
        self.slot.taken.store(false, Ordering::Release);
    }
}

fn install() {
    // SAFETY: sysconf only reads a constant of the system.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    if let Ok(page_bytes) = usize::try_from(page_bytes) {
        MEMORY_PAGE_BYTES.store(page_bytes, Ordering::Relaxed);
    }
    // SAFETY: all-zero bytes are a valid `sigaction` (empty mask, default action).
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_sigbus as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    let previous = ptr::addr_of_mut!(PREVIOUS).cast::<sigaction>();
    // SAFETY: only asks; `previous` points to a static that nothing reads before the handler is
    // installed by the next call.
    let asked = unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), previous) };
    if asked != 0 {
        return;
    }
    // SAFETY: `action` is initialised above, and so is PREVIOUS, which its handler reads.
    let outcome = unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) };
    INSTALLED.store(outcome == 0, Ordering::Release);
}

/// Uses atomics and system calls only, as a signal handler must.
extern "C" fn on_sigbus(_: c_int, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands a valid `siginfo_t` to an SA_SIGINFO handler.
    let info = unsafe { &*info };
    // SAFETY: for SIGBUS the kernel fills the address field.
    let address = unsafe { info.si_addr() } as usize;
    // Only these codes mean that an access has failed and will be tried again.
    let is_access = matches!(info.si_code, BUS_ADRERR | BUS_MCEERR_AR);
    let guarding = SLOTS.iter().find(|slot| is_access && slot.holds(address));
    match guarding {
        Some(slot) if slot.answer(|| put_zeros_at(address)) => {}
        // Sent by someone, or reported without an access: it has to come again by itself.
        _ if !is_access => {
            hand_back();
            // SAFETY: raise may be called in a signal handler; the signal is blocked until this
            // handler returns and then meets the previous one.
            unsafe { libc::raise(libc::SIGBUS) };
        }
        // Not ours: hand the signal back. The faulting instruction runs again and meets the
        // previous handler.
        _ => hand_back(),
    }
}

fn put_zeros_at(address: usize) -> bool {
    let page_bytes = MEMORY_PAGE_BYTES.load(Ordering::Relaxed);
    let page = (address & !(page_bytes - 1)) as *mut c_void;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: `page` lies inside a mapping that a live `Guard` owns (checked in `on_sigbus`), so
    // only that read-only mapping is replaced, by memory that reads as zeros.
    let mapped = unsafe { libc::mmap(page, page_bytes, libc::PROT_READ, flags, -1, 0) };
    mapped != libc::MAP_FAILED
}

fn hand_back() {
    let previous = ptr::addr_of!(PREVIOUS).cast::<sigaction>();
    // SAFETY: `install` filled PREVIOUS before this handler could run.
    unsafe { libc::sigaction(libc::SIGBUS, previous, ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::{AtomicBool, AtomicUsize, Slot};
    use crate::page::Page;
    use crate::page::address::{PageId, PageRange};
    use crate::read::mmap::Mapped;
    use crate::read::pread::Pread;
    use crate::read::{PageSource, ReadError};
    use std::io::Write;

    fn mapped(pages: usize) -> (tempfile::NamedTempFile, Mapped) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; pages * 8192]).unwrap();
        let source = Mapped::over(Pread::open(file.path()).unwrap());
        (file, source)
    }

    /// Mapped if that can be, read if not, as a scan does.
    fn visit_pieces(
        source: &Mapped,
        range: PageRange,
        visit: &mut dyn FnMut(PageId, &[Page]),
    ) -> Result<(), ReadError> {
        if source.visit_mapped(&range.into(), visit) {
            return Ok(());
        }
        source.visit_pieces(range, &mut Vec::new(), visit)
    }

    #[test]
    fn a_file_cut_while_its_pages_are_looked_at_is_an_error_and_not_a_crash() {
        let (file, source) = mapped(64);
        let mut seen = 0;
        let outcome = visit_pieces(&source, PageRange::between(0, 64), &mut |_, pages| {
            file.as_file().set_len(8192).unwrap();
            seen += pages.iter().filter(|page| page.bytes()[4096] == 7).count();
        });
        assert!(outcome.is_err(), "looked at {seen} pages");
        assert!(seen < 64);
    }

    #[test]
    fn after_a_hit_the_mapping_is_left_and_the_rest_is_still_read() {
        let (file, source) = mapped(64);
        let cut = &mut |_: PageId, pages: &[Page]| {
            file.as_file().set_len(32 * 8192).unwrap();
            let sum: u32 = pages.iter().map(|page| u32::from(page.bytes()[0])).sum();
            assert!(sum <= 32 * 7);
        };
        assert!(visit_pieces(&source, PageRange::between(0, 64), cut).is_err());
        let mut pages = vec![Page::ZERO; 32];
        source.fill(PageId(0), &mut pages).unwrap();
        let whole = |pages: &[Page]| pages.iter().all(|page| page.bytes() == &[7; 8192]);
        assert!(whole(&pages));
        let mut again = 0;
        let range = PageRange::between(0, 32);
        visit_pieces(&source, range, &mut |_, pages| {
            assert!(whole(pages));
            again += pages.len();
        })
        .unwrap();
        assert_eq!(again, 32);
    }

    #[test]
    fn no_thread_can_see_zeros_before_the_mark() {
        let slot = Slot {
            taken: AtomicBool::new(true),
            start: AtomicUsize::new(4096),
            bytes: AtomicUsize::new(4096),
            hit: AtomicBool::new(false),
        };
        let mut marked = None;
        assert!(!slot.was_hit());
        assert!(slot.answer(|| {
            marked = Some(slot.was_hit());
            true
        }));
        assert_eq!(marked, Some(true));
    }

    /// All threads look at the same pages while the file is cut: who has seen one that is not the
    /// file's is told.
    #[test]
    fn every_thread_that_has_seen_zeros_is_told() {
        const THREADS: usize = 4;
        for round in 0..100 {
            let (file, source) = mapped(64);
            let ready = std::sync::Barrier::new(THREADS);
            std::thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (file, source, ready) = (&file, &source, &ready);
                    scope.spawn(move || {
                        let (mut zeros, all) = (0, PageRange::between(0, 64));
                        let is_lent = source.visit_mapped(&all.into(), &mut |first, pages| {
                            if first == PageId(0) {
                                ready.wait();
                                if thread == 0 {
                                    file.as_file().set_len(8192).unwrap();
                                }
                            }
                            zeros += pages.iter().filter(|page| page.bytes()[0] != 7).count();
                        });
                        assert!(zeros == 0 || !is_lent, "{round}: {zeros}");
                    });
                }
            });
        }
    }

    #[test]
    fn a_range_past_the_end_is_the_end() {
        let (_file, source) = mapped(8);
        let outcome = visit_pieces(&source, PageRange::between(0, 9), &mut |_, _| ());
        assert_eq!(outcome, Err(ReadError::Ended));
    }
}
