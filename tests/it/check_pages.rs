//! Rules of single pages and sums of units on real files.

use crate::harness::real;
use pagescrub::check::in_page;
use pagescrub::check::sums::{PageSums, Sums};
use pagescrub::diagnose::judge::judge;
use pagescrub::diagnose::verdict::{Allocation, Verdict};
use pagescrub::page::address::{FileId, PageAddress, PageId};
use pagescrub::page::allocation::{PfsByte, pfs_page_of};
use pagescrub::page::checksum::Checksum;
use pagescrub::page::header::PageHeader;
use pagescrub::page::{Page, torn};

/// The pages in use, torn bits restored, each with its PFS byte.
fn in_use(pages: &[Page]) -> impl Iterator<Item = (PageAddress, Page, PfsByte)> {
    let file = FileId(PageHeader::of(&pages[0]).file_id);
    let sound = |page: &Page, place| {
        let verdict = judge(page, Checksum::of(page), place, Allocation::Allocated);
        !matches!(verdict, Verdict::Suspect(_))
    };
    (0..pages.len() as u32).map(PageId).filter_map(move |id| {
        let pfs = torn::restored(pages.get(pfs_page_of(id).0 as usize)?);
        let byte = PfsByte::of(&pfs, id);
        let (page, place) = (&pages[id.0 as usize], PageAddress::new(file, id));
        (byte.is_allocated() && sound(page, place)).then(|| (place, torn::restored(page), byte))
    })
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn no_page_of_a_real_file_breaks_a_rule_and_no_sum_of_forwarded_rows_is_left() {
    let mut records = 0;
    for path in real::real_files() {
        let (mut sums, name) = (Sums::default(), path.display());
        for (place, page, byte) in in_use(&real::pages(&path)) {
            let mut of_rows = PageSums::default();
            let header = PageHeader::of(&page);
            let rows = in_page::check(&page, place, byte, |slot, columns| {
                of_rows.add(header, place, slot, columns);
            });
            let rows = rows.unwrap_or_else(|breach| panic!("{name}: {breach:?}"));
            records += rows.records;
            if rows.are_compressed {
                sums.add_compressed(header);
            } else {
                sums.add(&page, place, of_rows, rows.records);
            }
        }
        assert!(sums.pages > 20, "{name}");
    }
    assert!(records > 30_000, "{records}");
}
