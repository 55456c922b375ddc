//! Pages of another owner that prove nothing.

use crate::page::address::PageAddress;

/// Pages that a note names.
const NAMED_MAX: usize = 10;

/// Pages of another owner that prove no damage, and what was not looked at.
#[derive(Clone, Debug, Default)]
pub(in crate::scrub) struct Unproven {
    pub(super) pages: u64,
    /// The first of them.
    pub(super) first: Vec<PageAddress>,
    pub(super) why: &'static str,
    /// Intervals that were not looked at.
    pub(super) intervals_left: usize,
}

impl Unproven {
    pub(super) fn add(&mut self, place: PageAddress, why: &'static str) {
        self.pages += 1;
        self.why = why;
        if self.first.len() < NAMED_MAX {
            self.first.push(place);
        }
    }

    /// What is said of it.
    pub(in crate::scrub) fn notes(&self) -> impl Iterator<Item = String> {
        let named: Vec<String> = self.first.iter().map(PageAddress::to_string).collect();
        let more = if self.pages as usize > named.len() { ", ..." } else { "" };
        let pages = (self.pages > 0).then(|| {
            format!(
                "{} pages in use say that they belong to other allocation units than the ones that \
                 own their extents ({}{more}): {}; DBCC CHECKDB can tell",
                self.pages,
                named.join(", "),
                self.why,
            )
        });
        let left = (self.intervals_left > 0).then(|| {
            format!(
                "{} stretches of 64 MB, in which perhaps not all pages belong to who owns their \
                 extents, were not looked at again; DBCC CHECKDB can tell",
                self.intervals_left
            )
        });
        pages.into_iter().chain(left)
    }
}
