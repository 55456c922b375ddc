//! The pages of a synthetic file, one at a time: header, content by role, protection.

use super::chance::{Dice, Purpose, below, dice, draw};
use super::layout::{Layout, Role};
use super::recipe::{Recipe, RecipeError};
use super::units::{SPECIAL_UNIT, SYSALLOCUNITS, SYSPRUFILES, UNITS, UnitIndex};
use super::{catalog, content, front, junk, maps};
use crate::page::address::{FileId, PageId};
use crate::page::boot::PageVerify;
use crate::page::header::{FLAG_CHECKSUM, FLAG_TORN, HEADER_VERSION, Lsn, PageHeader};
use crate::page::{Page, checksum, kind::PageType, torn};

/// `m_objId` of pages that belong to no allocation unit.
const CONTROL_OBJECT: u32 = 99;
/// `m_flagBits` of page 12.
const SPECIAL_IAM_FLAGS: u16 = 0x2;
/// Pages that nothing protects were never written since the file was made.
const FIRST_LSN: Lsn = Lsn { vlf: 0, block: 0, slot: 1 };

/// A data file that exists as a rule, not as bytes: any page can be asked for, in any order.
#[derive(Clone, Debug)]
pub struct SyntheticFile {
    pub(super) layout: Layout,
}

impl SyntheticFile {
    /// Plans the file that `recipe` describes.
    ///
    /// # Errors
    /// If no SQL Server data file has the recipe's size or file id.
    pub fn new(recipe: Recipe) -> Result<Self, RecipeError> {
        Ok(Self { layout: Layout::new(recipe)? })
    }

    /// What the file is made from.
    pub fn recipe(&self) -> Recipe {
        self.layout.recipe
    }

    /// Length of the file in pages, a multiple of 8.
    pub fn pages(&self) -> u32 {
        self.layout.pages()
    }

    /// True if `page` is in use, as its PFS byte says (docs/page-format.md, section 4.2).
    pub fn is_allocated(&self, page: PageId) -> bool {
        self.layout.is_allocated(page)
    }

    /// The bytes of `page`; zeros past the end of the file.
    pub fn page(&self, page: PageId) -> Page {
        match self.layout.role(page) {
            Role::Unused => Page::ZERO,
            Role::Free if self.layout.is_hole(page) => Page::ZERO,
            Role::Free => self.free_page(page),
            role => self.allocated_page(page, role),
        }
    }

    fn allocated_page(&self, id: PageId, role: Role) -> Page {
        let layout = &self.layout;
        let mut page = self.blank(id);
        let unprotected = matches!(role, Role::Control(PageType::MlMap) | Role::SpecialIam);
        match role {
            Role::Control(kind) => self.fill_control(&mut page, id, kind),
            Role::Iam { unit, interval } => {
                assign(&mut page, unit, PageType::Iam);
                maps::fill_iam(layout, &mut page, unit, interval);
            }
            Role::SpecialIam => fill_special_iam(&mut page, layout.recipe.file_id),
            Role::Single(unit @ SYSALLOCUNITS..=SYSPRUFILES) => {
                assign(&mut page, unit, PageType::Data);
                catalog::fill(layout, &mut page, unit);
            }
            Role::Single(unit) | Role::Content { unit, .. } => {
                assign(&mut page, unit, PageType::Data);
                content::fill(layout, &mut page, id, unit, role);
            }
            Role::Free | Role::Unused => {}
        }
        if unprotected {
            set_lsn(&mut page, FIRST_LSN);
        } else {
            self.protect(&mut page, id);
        }
        page
    }

    /// A header that says where the page is and when it was written.
    fn blank(&self, id: PageId) -> Page {
        let mut page = Page::ZERO;
        let header = PageHeader::of_mut(&mut page);
        header.header_version = HEADER_VERSION;
        header.page_id = id.0;
        header.file_id = self.layout.recipe.file_id.0;
        let chance = draw(self.layout.recipe.seed, Purpose::Lsn, id.0.into());
        // Always older than the checkpoint, whose log file has a higher number.
        let vlf = 20 + (chance % 20) as u32;
        let block = 16 + (chance >> 8) as u32 % 480;
        set_lsn(&mut page, Lsn { vlf, block, slot: 1 + (chance >> 40) as u16 % 300 });
        page
    }

    fn fill_control(&self, page: &mut Page, id: PageId, kind: PageType) {
        let header = PageHeader::of_mut(page);
        header.page_type = kind.m_type();
        header.object_id = CONTROL_OBJECT;
        match kind {
            PageType::FileHeader => front::fill_file_header(&self.layout, page),
            PageType::Boot => front::fill_boot(&self.layout, page),
            PageType::Pfs => maps::fill_pfs(&self.layout, page, id),
            _ => maps::fill_map(&self.layout, page, id, kind),
        }
    }

    /// Zeros mostly; else a page of former times, or junk.
    fn free_page(&self, id: PageId) -> Page {
        let mut dice = dice(self.layout.recipe.seed, Purpose::FreeContent, id.0.into());
        match below(&mut dice, 16) {
            0..=10 => Page::ZERO,
            11..=13 => self.stale_page(id, &mut dice),
            _ => junk::page(id, &mut dice),
        }
    }

    fn stale_page(&self, id: PageId, dice: &mut Dice) -> Page {
        let mut page = self.blank(id);
        let unit = content::former_unit(dice);
        assign(&mut page, unit, PageType::Data);
        content::fill(&self.layout, &mut page, id, unit, Role::Free);
        self.protect(&mut page, id);
        page
    }

    fn protect(&self, page: &mut Page, id: PageId) {
        match self.layout.recipe.page_verify {
            PageVerify::Checksum => {
                PageHeader::of_mut(page).flag_bits |= FLAG_CHECKSUM;
                checksum::seal(page);
            }
            PageVerify::Torn => {
                PageHeader::of_mut(page).flag_bits |= FLAG_TORN;
                let chance = draw(self.layout.recipe.seed, Purpose::Signature, id.0.into());
                // In real files seven pages of ten carry signature 1.
                torn::seal(page, if chance % 10 < 7 { 1 } else { 2 });
            }
            PageVerify::None => {}
        }
    }
}

/// Makes `page` belong to `unit`.
fn assign(page: &mut Page, unit: UnitIndex, kind: PageType) {
    let header = PageHeader::of_mut(page);
    header.page_type = kind.m_type();
    header.object_id = UNITS[unit].header_object_id;
    header.index_id = UNITS[unit].header_index_id;
}

fn set_lsn(page: &mut Page, lsn: Lsn) {
    let header = PageHeader::of_mut(page);
    (header.lsn_vlf, header.lsn_block, header.lsn_slot) = (lsn.vlf, lsn.block, lsn.slot);
}

fn fill_special_iam(page: &mut Page, file_id: FileId) {
    maps::frame_special_iam(page);
    maps::start_interval(page, 0, file_id);
    let header = PageHeader::of_mut(page);
    header.page_type = PageType::Iam.m_type();
    header.object_id = SPECIAL_UNIT.header_object_id;
    header.flag_bits = SPECIAL_IAM_FLAGS;
}

#[cfg(test)]
mod tests;
