//! The second opinion: no page is called bad on one look.
//!
//! A page that looked bad is read again past the cache and judged by the plain reference. Good
//! now: it was transient (Msg 825), or just being written. The same bytes again: suspect. Other
//! bytes, still bad: read again after a pause, a few times, because someone may be writing it.

use super::judge::judge;
use super::verdict::{Allocation, SuspectReason, Verdict};
use crate::page::Page;
use crate::page::address::PageAddress;
use crate::page::checksum::Checksum;
use crate::read::{PageSource, ReadError};
use std::time::Duration;

/// Times a page that keeps changing is read again; SQL Server itself retries four times.
const REREADS_MAX: usize = 4;
const PAUSE_BETWEEN_REREADS: Duration = Duration::from_millis(20);

/// The outcome of a second look.
#[derive(Debug)]
pub enum Confirmed {
    /// Judged. A suspect comes with the bytes it was judged by.
    Judged {
        /// Transient or suspect.
        verdict: Verdict,
        /// The bytes of the last look.
        page: Box<Page>,
        /// True if no two looks saw the same bytes: someone may be writing the file.
        unsettled: bool,
        /// How often it was read, the first look included.
        looks: u8,
        /// These did not all see the same bytes.
        looks_differ: bool,
    },
    /// The file has become shorter; the page was not reached.
    Gone,
}

/// Looks again at the page at `place`, which looked bad as `first_look`.
pub fn confirm(
    source: &dyn PageSource,
    place: PageAddress,
    allocation: Allocation,
    first_look: &Page,
) -> Confirmed {
    let mut seen = Box::new(*first_look);
    let judged = |verdict, page, unsettled, looks, looks_differ| Confirmed::Judged {
        verdict,
        page,
        unsettled,
        looks: looks as u8,
        looks_differ,
    };
    for reread in 0..REREADS_MAX {
        let again = match source.fill_uncached(place.page) {
            Ok(again) => again,
            Err(ReadError::Ended) => return Confirmed::Gone,
            // Bad bytes first and none now: the medium is failing, and that is what to act on.
            Err(error) => {
                let verdict = Verdict::Suspect(SuspectReason::Unreadable(error));
                return judged(verdict, seen, false, reread + 1, reread > 0);
            }
        };
        let verdict = judge_by_reference(&again, place, allocation);
        if !matches!(verdict, Verdict::Suspect(_)) {
            return judged(Verdict::Transient, Box::new(again), false, reread + 2, true);
        }
        if again.bytes() == seen.bytes() {
            return judged(verdict, seen, false, reread + 2, reread > 0);
        }
        *seen = again;
        if reread + 1 < REREADS_MAX {
            std::thread::sleep(PAUSE_BETWEEN_REREADS);
        }
    }
    let verdict = judge_by_reference(&seen, place, allocation);
    judged(verdict, seen, true, REREADS_MAX + 1, true)
}

/// Judges by the plain reference, not by the engine that raised the suspicion.
pub fn judge_by_reference(page: &Page, place: PageAddress, allocation: Allocation) -> Verdict {
    judge(page, Checksum::of(page), place, allocation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::{FileId, PageId};
    use crate::page::checksum;
    use crate::page::header::{FLAG_CHECKSUM, PageHeader};
    use std::sync::Mutex;

    const PLACE: PageAddress = PageAddress { file: FileId(1), page: PageId(77) };

    /// Answers each re-read with the next of its looks, the last one for ever.
    struct Looks(Mutex<Vec<Result<Page, ReadError>>>);

    impl PageSource for Looks {
        fn fill(&self, _: PageId, _: &mut [Page]) -> Result<(), ReadError> {
            unreachable!("confirming reads past the cache")
        }

        fn fill_uncached(&self, _: PageId) -> Result<Page, ReadError> {
            let mut looks = self.0.lock().unwrap();
            if looks.len() > 1 { looks.remove(0) } else { looks[0].clone() }
        }
    }

    fn good() -> Page {
        let mut page = Page::ZERO;
        *PageHeader::of_mut(&mut page) = PageHeader {
            header_version: 1,
            flag_bits: FLAG_CHECKSUM,
            page_id: 77,
            file_id: 1,
            free_data: 96,
            ..bytemuck::Zeroable::zeroed()
        };
        checksum::seal(&mut page);
        page
    }

    fn bad(byte: u8) -> Page {
        let mut page = good();
        page.bytes_mut()[5000] = byte;
        page
    }

    fn outcome(looks: Vec<Result<Page, ReadError>>) -> Confirmed {
        confirm(&Looks(Mutex::new(looks)), PLACE, Allocation::Allocated, &bad(1))
    }

    fn is_suspect(confirmed: &Confirmed, expect_unsettled: bool) -> bool {
        matches!(confirmed, Confirmed::Judged { verdict: Verdict::Suspect(_), unsettled, .. }
            if *unsettled == expect_unsettled)
    }

    #[test]
    fn the_same_bad_bytes_again_are_a_suspect() {
        assert!(is_suspect(&outcome(vec![Ok(bad(1))]), false));
    }

    #[test]
    fn a_page_that_heals_is_transient() {
        for looks in [vec![Ok(good())], vec![Ok(bad(2)), Ok(bad(3)), Ok(good())]] {
            let confirmed = outcome(looks);
            let transient =
                matches!(confirmed, Confirmed::Judged { verdict: Verdict::Transient, .. });
            assert!(transient, "{confirmed:?}");
        }
    }

    #[test]
    fn a_page_that_never_settles_is_a_suspect_that_says_so() {
        let looks = (2..10).map(|byte| Ok(bad(byte))).collect();
        assert!(is_suspect(&outcome(looks), true));
    }

    #[test]
    fn a_page_that_cannot_be_read_again_is_unreadable() {
        let failed = ReadError::Os { code: Some(5), text: "EIO".to_owned() };
        let confirmed = outcome(vec![Err(failed.clone())]);
        let is_unreadable = matches!(&confirmed, Confirmed::Judged {
            verdict: Verdict::Suspect(SuspectReason::Unreadable(error)), unsettled: false, ..
        } if *error == failed);
        assert!(is_unreadable, "{confirmed:?}");
        assert!(matches!(outcome(vec![Err(ReadError::Ended)]), Confirmed::Gone));
    }
}
