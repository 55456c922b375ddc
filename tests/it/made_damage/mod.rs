//! Damage made on pages that keep their checksums, and what must be said of it.

pub mod maps;
pub mod pages;
pub mod system_tables;
pub mod trees;

use crate::harness::database::Database;
use pagescrub::catalog::owners::Claim;
use pagescrub::check::rule::Rule;
use pagescrub::check::units::Units;
use pagescrub::check::{File, Pages, allocation};
use pagescrub::page::Page;
use pagescrub::page::address::{ExtentId, FileId, PageAddress, PageId};
use pagescrub::page::allocation::{PfsByte, extent_bit, gam_page_of, pfs_page_of};
use pagescrub::page::header::PageHeader;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// What must be told: one of these, of a page.
pub type Expected = Vec<(Rule, PageAddress)>;

/// A kind of damage: its name, and what makes it, if the database has something to damage so.
pub type Kind = (&'static str, fn(&mut Scene<'_>) -> Option<Expected>);

/// A sound database, and what it has.
pub struct Anatomy {
    pub database: Database,
    pub units: Units,
    /// Pages in mixed extents, each with the first IAM page of their unit.
    pub singles: Vec<(PageAddress, PageAddress)>,
    /// IAM pages.
    pub iam_pages: Vec<PageAddress>,
    /// First pages of extents that units claim, each with the IAM page.
    pub uniform: Vec<(PageAddress, PageAddress)>,
    /// First pages of mixed extents, and of free ones.
    pub mixed: Vec<PageAddress>,
    pub free: Vec<PageAddress>,
    /// Pages in use that units claim, but those of the tables that lead to all others.
    pub owned: Vec<PageAddress>,
}

/// Of sysallocunits, sysrowsets, sysidxstats: without one of them nothing of owners is known.
pub const LEADING_UNITS: [u64; 3] = [7 << 16, 5 << 16, 1 << 48 | 54 << 16];

impl Anatomy {
    pub fn of(database: Database) -> Self {
        let units = allocation::check(&database, true, &mut |breach| panic!("{breach:?}"));
        let units = units.expect("it is sound");
        let (mut singles, mut iam_pages, mut uniform) = (Vec::new(), Vec::new(), Vec::new());
        for (_, chain) in units.iter() {
            iam_pages.extend(chain.pages.iter().copied());
            singles.extend(chain.singles.iter().map(|single| (*single, chain.pages[0])));
            let extents =
                chain.extents.iter().flat_map(|(file, run)| run.clone().map(|e| (*file, e)));
            let first = |(file, extent)| PageAddress::new(file, ExtentId(extent).first_page());
            uniform.extend(extents.map(first).map(|place| (place, chain.pages[0])));
        }
        let is_ordinary = |place: &PageAddress| match units.owner_of(*place) {
            Claim::Unit(unit) => !LEADING_UNITS.contains(&unit),
            Claim::Nobody | Claim::Several => false,
        };
        let owned = database.places().filter(is_ordinary);
        let owned = owned.filter(|place| database.pfs_byte(*place).is_allocated()).collect();
        let extents: Vec<PageAddress> =
            database.places().filter(|p| p.page.0 % 8 == 0 && p.page.0 % 8088 != 0).collect();
        let is_mixed =
            |place: &&PageAddress| pages_of(**place).any(|page| database.pfs_byte(page).is_mixed());
        let mixed = extents.iter().filter(is_mixed).copied().collect();
        let free = extents.iter().filter(|place| gam_bit(&database, **place, 0)).copied().collect();
        Self { database, units, singles, iam_pages, uniform, mixed, free, owned }
    }
}

/// A database to be damaged.
pub struct Scene<'a> {
    pub sound: &'a Anatomy,
    pub database: Database,
    dice: Xoshiro256PlusPlus,
}

impl<'a> Scene<'a> {
    pub fn new(sound: &'a Anatomy, seed: u64) -> Self {
        let dice = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { sound, database: sound.database.clone(), dice }
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.dice.next_u64() % end as u64) as usize
    }

    pub fn random_bytes(&mut self) -> [u8; 8] {
        self.dice.next_u64().to_le_bytes()
    }

    /// One of `all`, if there is one.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        if all.is_empty() { None } else { Some(all[self.below(all.len())]) }
    }

    /// One of `all` of which `fits` holds.
    pub fn pick_of<T: Copy>(&mut self, all: &[T], fits: impl Fn(&Self, T) -> bool) -> Option<T> {
        let fitting: Vec<T> = all.iter().copied().filter(|one| fits(self, *one)).collect();
        self.pick(&fitting)
    }

    pub fn pfs_byte(&self, place: PageAddress) -> u8 {
        self.database.pfs_byte(place).0
    }

    pub fn set_pfs_byte(&mut self, place: PageAddress, byte: u8) {
        let pfs = PageAddress::new(place.file, pfs_page_of(place.page));
        self.database
            .change(pfs, |page| page.bytes_mut()[100 + (place.page.0 % 8088) as usize] = byte);
    }

    pub fn is_in_use(&self, place: PageAddress) -> bool {
        self.database.pfs_byte(place).is_allocated()
    }

    /// The first page in use of the extent at `place`.
    pub fn first_in_use(&self, place: PageAddress) -> Option<PageAddress> {
        pages_of(place).find(|page| self.is_in_use(*page))
    }

    /// Sets the bit of the extent at `place` in the GAM page, or that in the SGAM page behind it.
    pub fn set_map_bit(&mut self, place: PageAddress, map: u32, value: bool) {
        let at = map_page(place, map);
        self.database.change(at, |page| set_bit(page, 194, place.page, value));
    }

    /// Sets the bit of the extent at `place` in the IAM page `iam`.
    pub fn set_iam_bit(&mut self, iam: PageAddress, place: PageAddress, value: bool) {
        self.database.change(iam, |page| {
            let bitmap = usize::from(page.u16_at(8188)) + 4;
            set_bit(page, bitmap, place.page, value);
        });
    }

    pub fn file(&self) -> File {
        self.database.files()[0]
    }

    pub fn header(&self, place: PageAddress) -> PageHeader {
        *PageHeader::of(&self.database.page(place))
    }

    /// Changes the header of the page at `place`.
    pub fn change_header(&mut self, place: PageAddress, change: impl FnOnce(&mut PageHeader)) {
        self.database.change(place, |page| change(PageHeader::of_mut(page)));
    }
}

/// The pages of the extent that begins at `place`.
pub fn pages_of(place: PageAddress) -> impl Iterator<Item = PageAddress> {
    (place.page.0..place.page.0 + 8).map(move |page| at(place.file, page))
}

pub fn at(file: FileId, page: u32) -> PageAddress {
    PageAddress::new(file, PageId(page))
}

fn map_page(place: PageAddress, map: u32) -> PageAddress {
    at(place.file, gam_page_of(place.page).0 + map)
}

/// The bit of the extent at `place` in the GAM page (0) or the SGAM page (1).
pub fn gam_bit(database: &Database, place: PageAddress, map: u32) -> bool {
    extent_bit(&database.page(map_page(place, map)), place.page)
}

fn set_bit(page: &mut Page, bitmap: usize, of: PageId, value: bool) {
    let extent = (of.extent().0 % 63_904) as usize;
    let byte = &mut page.bytes_mut()[bitmap + extent / 8];
    *byte = *byte & !(1 << (extent % 8)) | u8::from(value) << (extent % 8);
}

pub fn put_u16(page: &mut Page, at: usize, value: u16) {
    page.bytes_mut()[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

/// Writes page and file id of `place`; (0:0) for none.
pub fn put_address(page: &mut Page, at: usize, place: Option<PageAddress>) {
    let place = place.unwrap_or(self::at(FileId(0), 0));
    page.bytes_mut()[at..at + 4].copy_from_slice(&place.page.0.to_le_bytes());
    put_u16(page, at + 4, place.file.0);
}

pub const ALLOCATED: u8 = PfsByte::ALLOCATED;
pub const MIXED: u8 = PfsByte::MIXED;
pub const IAM: u8 = PfsByte::IAM;
