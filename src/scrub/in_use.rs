//! Which extents around a page are in use: asked at the end of a scan of what is damaged, for where
//! chance puts damage.

use super::Open;
use super::context::Opened;
use crate::discover::DataFile;
use crate::page::address::PageId;
use std::cell::RefCell;

/// The extents in use of some files, one of which is open at a time.
pub(super) struct InUse<'a> {
    files: &'a [DataFile],
    open: Open<'a>,
    opened: RefCell<Option<(usize, Opened<'a>)>>,
}

impl<'a> InUse<'a> {
    pub(super) fn new(files: &'a [DataFile], open: Open<'a>) -> Self {
        Self { files, open, opened: RefCell::new(None) }
    }

    /// The first pages of those around `page` of the file at this index; `None` if that is not
    /// known.
    pub(super) fn around(&self, file: usize, page: PageId) -> Option<Vec<PageId>> {
        let mut opened = self.opened.borrow_mut();
        if opened.as_ref().is_none_or(|(of, _)| *of != file) {
            *opened = Some((file, Opened::new(self.files.get(file)?, self.open)?));
        }
        opened.as_ref().and_then(|(_, opened)| opened.extents_in_use(page))
    }
}
