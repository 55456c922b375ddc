//! What is kept of the pages of a file while they are read: what each of them breaks by itself, and
//! what all of them add to sums.

use super::sums::{PageSums, Sums};
use super::{Breach, in_page};
use crate::page::address::PageAddress;
use crate::page::allocation::PfsByte;
use crate::page::header::{PageHeader, Protection};
use crate::page::{Page, torn};

/// Pages that break rules by themselves and are kept: as many as there are suspects at most.
const KEPT_MAX: usize = 1 << 20;

/// The pages of a file, or some of them.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// What adds up.
    pub sums: Sums,
    /// What is broken by one page alone.
    pub broken: Vec<Breach>,
    /// More of that than is kept.
    pub left_out: u64,
    /// Pages of compressed rows, which are not looked into.
    pub compressed_pages: u64,
}

impl Collected {
    /// Adds `page`, as it was read, which is in use at `place` and passes its own check; `pfs` is
    /// what its PFS page says of it.
    pub fn add(&mut self, page: &Page, place: PageAddress, pfs: PfsByte) {
        if PageHeader::of(page).protection() == Protection::Torn {
            self.add_restored(&torn::restored(page), place, pfs);
        } else {
            self.add_restored(page, place, pfs);
        }
    }

    fn add_restored(&mut self, page: &Page, place: PageAddress, pfs: PfsByte) {
        let header = PageHeader::of(page);
        let mut of_rows = PageSums::default();
        let checked = in_page::check(page, place, pfs, |slot, columns| {
            of_rows.add(header, place, slot, columns);
        });
        match checked {
            Ok(rows) if rows.are_compressed => {
                self.compressed_pages += 1;
                self.sums.add_compressed(header);
            }
            Ok(rows) => self.sums.add(page, place, of_rows, rows.records),
            Err(breach) => self.broken.push(breach),
        }
    }

    /// Adds those of `other`.
    pub fn merge(&mut self, other: Self) {
        self.sums.merge(other.sums);
        self.broken.extend(other.broken);
        self.left_out += other.left_out;
        self.compressed_pages += other.compressed_pages;
        if self.broken.len() > KEPT_MAX {
            // Which ones are kept must not depend on who comes first.
            self.broken.sort_unstable();
            self.left_out += (self.broken.len() - KEPT_MAX) as u64;
            self.broken.truncate(KEPT_MAX);
        }
    }
}
