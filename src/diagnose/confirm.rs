//! The second opinion: no page is called bad on one look.
//!
//! A page that looked bad is read again past the cache and judged by the plain reference. The same
//! bytes in two reads decide, and the first look is one of them: bytes that came wrong out of a
//! cable, a cache or memory do not come wrong in the same way from the device. Where the two differ
//! or fail, it is read on until two agree: good now, it was transient (Msg 825) or just being
//! written; bad, it is suspect. SQL Server itself reads a page four times before it gives up.

use super::judge::judge;
use super::verdict::{Allocation, SuspectReason, Verdict};
use crate::page::Page;
use crate::page::address::PageAddress;
use crate::page::checksum::Checksum;
use crate::read::{PageSource, ReadError};
use std::time::Duration;

/// Times a page is read again, at most.
const REREADS_MAX: usize = 4;
/// Times a page is read again that could not be read twice.
const REREADS_OF_LOST_MAX: usize = 2;
/// Before a third read, and a fourth, it waits.
const READS_AT_ONCE: usize = 2;
const PAUSE_BETWEEN_REREADS: Duration = Duration::from_millis(20);

/// What a page looked like before it is looked at again.
pub struct FirstLook<'a> {
    /// What was wrong first.
    pub reason: SuspectReason,
    /// The bytes that were read last; `None` if there were none, in two reads.
    pub seen: Option<&'a Page>,
    /// The page once more, past the cache, if it has been read with others around it.
    pub again: Option<&'a Page>,
}

impl FirstLook<'_> {
    /// The bytes that are one of two equal reads. Those of a page whose first read failed are not:
    /// they are a second try already, of a medium that fails.
    fn bytes(&self) -> Option<&Page> {
        self.seen.filter(|_| !matches!(self.reason, SuspectReason::Unreadable(_)))
    }

    /// The bytes of two looks, if nothing more has to be read.
    fn twice(&self) -> Option<&Page> {
        let is_it = |seen: &&Page| {
            self.again
                .is_some_and(|again| std::ptr::eq(*seen, again) || seen.bytes() == again.bytes())
        };
        self.bytes().filter(is_it)
    }
}

/// The outcome of a second look.
#[derive(Debug)]
pub enum Confirmed {
    /// Judged. A suspect comes with the bytes it was judged by.
    Judged {
        /// Transient or suspect.
        verdict: Verdict,
        /// The bytes that it was judged by; `None` if there never were any.
        page: Option<Box<Page>>,
        /// True if no two looks saw the same bytes: someone may be writing the file.
        unsettled: bool,
        /// How often it was looked at.
        looks: Looks,
    },
    /// The file has become shorter; the page was not reached.
    Gone,
}

/// How often a page was looked at, and how that went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looks {
    /// Reads that gave bytes.
    pub seen: u8,
    /// Reads that failed, or gave bytes that are not right.
    pub failures: u8,
    /// All reads.
    pub tries: u8,
    /// Those of them that were of this page alone, and made now.
    pub reads_apart: u8,
    /// Not all of them gave the same bytes.
    pub differ: bool,
}

/// Looks again at the page at `place`.
pub fn confirm(
    source: &dyn PageSource,
    place: PageAddress,
    allocation: Allocation,
    first: &FirstLook<'_>,
) -> Confirmed {
    if let Some(page) = first.twice() {
        return settled_at_once(page, judge_by_reference(page, place, allocation));
    }
    let rereads_max = if first.seen.is_some() { REREADS_MAX } else { REREADS_OF_LOST_MAX };
    let mut reads: Vec<Result<Page, ReadError>> = Vec::with_capacity(rereads_max);
    reads.extend(first.again.map(|page| Ok(*page)));
    while reads.len() < rereads_max && agreed(first, &reads).is_none() {
        if reads.len() >= READS_AT_ONCE {
            std::thread::sleep(PAUSE_BETWEEN_REREADS);
        }
        match source.fill_uncached(place.page) {
            Err(ReadError::Ended) => return Confirmed::Gone,
            read => reads.push(read),
        }
    }
    let judged = |page: &Page| judge_by_reference(page, place, allocation);
    let is_good = |page: &&Page| !matches!(judged(page), Verdict::Suspect(_));
    let seen = || reads.iter().filter_map(|read| read.as_ref().ok());
    let agreed = agreed(first, &reads);
    // A page that is right once is on the disk: no other bytes come out right by chance.
    let page = agreed.or_else(|| seen().rev().find(is_good)).or_else(|| seen().next_back());
    let page = page.or(first.seen);
    let error = reads.iter().rev().find_map(|read| read.as_ref().err());
    let verdict = match (page, error) {
        (Some(page), _) if seen().next().is_some() && is_good(&page) => Verdict::Transient,
        // Bad bytes now and none then: the medium is failing, and that is what to act on.
        (_, Some(error)) if agreed.is_none() => {
            Verdict::Suspect(SuspectReason::Unreadable(error.clone()))
        }
        (Some(page), _) => judged(page),
        (None, _) => Verdict::Suspect(first.reason.clone()),
    };
    let is_unreadable = matches!(&verdict, Verdict::Suspect(SuspectReason::Unreadable(_)));
    let is_suspect = matches!(&verdict, Verdict::Suspect(_));
    Confirmed::Judged {
        unsettled: is_suspect && !is_unreadable && agreed.is_none(),
        looks: looks(first, &reads, &is_good),
        page: page.map(|page| Box::new(*page)),
        verdict,
    }
}

/// The outcome of most looks where much is damaged: two reads gave `page`, which is `verdict`.
fn settled_at_once(page: &Page, verdict: Verdict) -> Confirmed {
    let is_bad = matches!(verdict, Verdict::Suspect(_));
    let failures = 1 + u8::from(is_bad);
    Confirmed::Judged {
        verdict: if is_bad { verdict } else { Verdict::Transient },
        page: Some(Box::new(*page)),
        unsettled: false,
        looks: Looks { seen: 2, failures, tries: 2, reads_apart: 0, differ: false },
    }
}

/// The bytes that two reads gave, `first` among them.
fn agreed<'a>(first: &FirstLook<'_>, reads: &'a [Result<Page, ReadError>]) -> Option<&'a Page> {
    let (last, before) = reads.split_last()?;
    let last = last.as_ref().ok()?;
    let before = before.iter().filter_map(|read| read.as_ref().ok());
    let is_it = |page: &Page| page.bytes() == last.bytes();
    first.bytes().into_iter().chain(before).any(is_it).then_some(last)
}

fn looks(
    first: &FirstLook<'_>,
    reads: &[Result<Page, ReadError>],
    is_good: &impl Fn(&&Page) -> bool,
) -> Looks {
    let seen = || first.seen.into_iter().chain(reads.iter().filter_map(|read| read.as_ref().ok()));
    // Whose first read failed was read a second time before this.
    let failed_first = match (&first.reason, first.seen) {
        (SuspectReason::Unreadable(_), Some(_)) => 1,
        (_, Some(_)) => 0,
        (_, None) => 2,
    };
    let failed = failed_first + reads.iter().filter(|read| read.is_err()).count();
    // What looked bad to an engine was bad, whatever the reference says.
    let looked_bad = usize::from(failed_first == 0);
    let again = seen().skip(usize::from(looked_bad > 0));
    let bad = looked_bad + again.filter(|page| !is_good(page)).count();
    let count = seen().count();
    Looks {
        seen: count as u8,
        failures: (failed + bad) as u8,
        tries: (failed + count) as u8,
        reads_apart: (reads.len() - usize::from(first.again.is_some())) as u8,
        differ: seen().zip(seen().skip(1)).any(|(a, b)| a.bytes() != b.bytes()),
    }
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
    struct Answers(Mutex<Vec<Result<Page, ReadError>>>);

    impl PageSource for Answers {
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
        let seen = bad(1);
        let (stored, computed) = (Checksum::stored_in(&seen), Checksum::of(&seen));
        let reason = SuspectReason::BadChecksum { stored, computed };
        let first = FirstLook { reason, seen: Some(&seen), again: None };
        confirm(&Answers(Mutex::new(looks)), PLACE, Allocation::Allocated, &first)
    }

    fn failed() -> ReadError {
        ReadError::Os { code: Some(5), text: "EIO".to_owned() }
    }

    /// The verdict, whether it is unsettled, and how many of how many reads failed.
    fn said(confirmed: Confirmed) -> (Verdict, bool, u8, u8) {
        let Confirmed::Judged { verdict, unsettled, looks, .. } = confirmed else {
            panic!("{confirmed:?}")
        };
        (verdict, unsettled, looks.failures, looks.tries)
    }

    fn is_suspect(confirmed: Confirmed, expect_unsettled: bool) -> bool {
        let (verdict, unsettled, ..) = said(confirmed);
        matches!(verdict, Verdict::Suspect(_)) && unsettled == expect_unsettled
    }

    #[test]
    fn two_reads_with_the_same_bad_bytes_are_a_suspect() {
        // Those that were seen first, or others that come twice.
        for (byte, reads) in [(1, 2), (2, 3)] {
            let (verdict, unsettled, failures, tries) = said(outcome(vec![Ok(bad(byte))]));
            assert!(matches!(verdict, Verdict::Suspect(SuspectReason::BadChecksum { .. })));
            assert_eq!((unsettled, failures, tries), (false, reads, reads));
        }
    }

    /// The same as if it were read now: it is not read once more.
    #[test]
    fn what_was_read_again_with_others_around_it_is_the_first_of_the_reads() {
        for (is_same, tries) in [(true, 2), (false, 3)] {
            let (again, then) = if is_same { (bad(1), vec![]) } else { (good(), vec![Ok(good())]) };
            let seen = bad(1);
            let reason = SuspectReason::Zeroed;
            let first = FirstLook { reason, seen: Some(&seen), again: Some(&again) };
            let asked_first = then.iter().cloned().chain([Err(failed())]).collect();
            let confirmed =
                confirm(&Answers(Mutex::new(asked_first)), PLACE, Allocation::Allocated, &first);
            let (verdict, unsettled, _, all) = said(confirmed);
            assert_eq!(verdict == Verdict::Transient, !then.is_empty());
            assert_eq!((unsettled, all), (false, tries));
        }
    }

    #[test]
    fn a_page_that_heals_is_transient_and_its_failures_are_counted() {
        let healed = |looks| said(outcome(looks));
        assert_eq!(healed(vec![Ok(good())]), (Verdict::Transient, false, 1, 3));
        let at_last = vec![Ok(bad(2)), Ok(bad(3)), Ok(good())];
        assert_eq!(healed(at_last), (Verdict::Transient, false, 3, 5));
        let failed_once = vec![Err(failed()), Ok(good())];
        assert_eq!(healed(failed_once), (Verdict::Transient, false, 2, 4));
        // Other bytes each time, until they are right.
        let wrong_twice = vec![Ok(bad(2)), Ok(good())];
        assert_eq!(healed(wrong_twice), (Verdict::Transient, false, 2, 4));
    }

    /// Somebody writes the file: each read is another version, and good.
    #[test]
    fn a_page_that_is_good_and_other_each_time_is_transient() {
        let version = |lsn| {
            let mut page = good();
            PageHeader::of_mut(&mut page).lsn_vlf = lsn;
            checksum::seal(&mut page);
            Ok(page)
        };
        let looks = vec![version(1), version(2), version(3), version(4), Ok(bad(9))];
        assert_eq!(said(outcome(looks)), (Verdict::Transient, false, 1, 5));
    }

    #[test]
    fn a_page_that_never_settles_is_a_suspect_that_says_so() {
        let looks = (2..10).map(|byte| Ok(bad(byte))).collect();
        assert!(is_suspect(outcome(looks), true));
    }

    #[test]
    fn a_page_that_cannot_be_read_again_is_unreadable() {
        let unreadable = Verdict::Suspect(SuspectReason::Unreadable(failed()));
        assert_eq!(said(outcome(vec![Err(failed())])), (unreadable.clone(), false, 5, 5));
        let at_times = vec![Ok(bad(2)), Err(failed()), Ok(bad(3)), Err(failed())];
        assert_eq!(said(outcome(at_times)), (unreadable, false, 5, 5));
        assert!(is_suspect(outcome(vec![Err(failed()), Ok(bad(1))]), false));
        assert!(matches!(outcome(vec![Err(ReadError::Ended)]), Confirmed::Gone));
    }

    #[test]
    fn a_page_that_failed_twice_gets_two_more_reads() {
        let lost = |looks| {
            let reason = SuspectReason::Unreadable(failed());
            let first = FirstLook { reason, seen: None, again: None };
            said(confirm(&Answers(Mutex::new(looks)), PLACE, Allocation::Allocated, &first))
        };
        let unreadable = Verdict::Suspect(SuspectReason::Unreadable(failed()));
        assert_eq!(lost(vec![Err(failed())]), (unreadable, false, 4, 4));
        assert_eq!(lost(vec![Ok(good())]), (Verdict::Transient, false, 2, 4));
        let at_last = vec![Err(failed()), Ok(good())];
        assert_eq!(lost(at_last), (Verdict::Transient, false, 3, 4));
        let (verdict, ..) = lost(vec![Ok(bad(1))]);
        assert!(matches!(verdict, Verdict::Suspect(SuspectReason::BadChecksum { .. })));
    }

    #[test]
    fn looks_differ_only_if_their_bytes_do() {
        let looks_of = |confirmed| match confirmed {
            Confirmed::Judged { looks, .. } => looks,
            Confirmed::Gone => panic!("it is there"),
        };
        let looks = |count, reads_apart, differ| Looks {
            seen: count,
            failures: count,
            tries: count,
            reads_apart,
            differ,
        };
        assert_eq!(looks_of(outcome(vec![Ok(bad(1))])), looks(2, 1, false));
        assert_eq!(looks_of(outcome(vec![Ok(bad(2))])), looks(3, 2, true));
        // The same bytes in another place of memory need no read.
        let (seen, again) = (bad(1), bad(1));
        let first = |again| FirstLook { reason: SuspectReason::Zeroed, seen: Some(&seen), again };
        let nothing = Answers(Mutex::new(vec![Err(failed())]));
        for again in [&again, &seen] {
            let confirmed = confirm(&nothing, PLACE, Allocation::Allocated, &first(Some(again)));
            assert_eq!(looks_of(confirmed), looks(2, 0, false));
        }
    }
}
