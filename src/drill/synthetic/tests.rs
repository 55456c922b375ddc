//! Synthetic files obey the page format.

use super::super::junk;
use super::super::layout::{Owner, iam_page};
use super::super::units::SYSTEM_UNITS;
use super::super::witness::{Testimony, testify};
use super::*;
use crate::page::address::{ExtentId, FileId, PageAddress};
use crate::page::allocation::{
    BOOT_PAGE, GAM_INTERVAL_EXTENTS, GAM_INTERVAL_PAGES, PFS_INTERVAL_PAGES, PfsByte, extent_bit,
    fixed_page_type, gam_page_of, pfs_page_of,
};
use crate::page::boot::BootPage;
use crate::page::file_header::FileHeader;
use crate::page::header::Protection;
use std::collections::BTreeSet;

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
const PROTECTIONS: [PageVerify; 3] = [PageVerify::Checksum, PageVerify::Torn, PageVerify::None];

fn small(size_bytes: u64, page_verify: PageVerify) -> SyntheticFile {
    SyntheticFile::new(Recipe { page_verify, ..Recipe::new(size_bytes, 7) }).unwrap()
}

fn huge(sparse: bool) -> SyntheticFile {
    SyntheticFile::new(Recipe { sparse, ..Recipe::new(15 * TIB, 7) }).unwrap()
}

fn small_files() -> impl Iterator<Item = SyntheticFile> {
    let sizes = [MIB, 4 * MIB].into_iter();
    sizes.flat_map(|size| PROTECTIONS.map(|page_verify| small(size, page_verify)))
}

fn all_pages(file: &SyntheticFile) -> impl Iterator<Item = PageId> + use<> {
    (0..file.pages()).map(PageId)
}

fn allocated(file: &SyntheticFile) -> impl Iterator<Item = PageId> {
    all_pages(file).filter(|&page| file.is_allocated(page))
}

fn testimony(file: &SyntheticFile, page: PageId) -> Testimony {
    testify(&file.page(page), PageAddress::new(file.recipe().file_id, page), true)
}

/// A spread of pages around everything that recurs.
fn landmarks() -> Vec<PageId> {
    let around = |center: u32| (center.saturating_sub(9)..center + 24).map(PageId);
    let pfs = [1, 2, 63, 64, 1010, 1011, 1012, 248_000].map(|k| k * PFS_INTERVAL_PAGES);
    let gam = [1, 2, 3, 4, 5, 600, 1010, 1011, 1012, 3900].map(|k| k * GAM_INTERVAL_PAGES);
    pfs.into_iter().chain(gam).flat_map(around).collect()
}

#[test]
fn every_allocated_page_is_intact() {
    for file in small_files() {
        for page in allocated(&file) {
            let unprotected =
                file.recipe().page_verify == PageVerify::None || matches!(page, PageId(7 | 12));
            let wanted = if unprotected { Testimony::Unprotected } else { Testimony::Intact };
            assert_eq!(testimony(&file, page), wanted, "{page} of {:?}", file.recipe());
        }
    }
}

#[test]
fn every_protected_page_carries_the_protection_asked_for() {
    let file = small(4 * MIB, PageVerify::Torn);
    let mut signatures = [0; 4];
    for page in allocated(&file).filter(|page| !matches!(page, PageId(7 | 12))) {
        let page = file.page(page);
        assert_eq!(PageHeader::of(&page).protection(), Protection::Torn);
        signatures[PageHeader::of(&page).torn_bits as usize & 3] += 1;
    }
    assert_eq!((signatures[0], signatures[3]), (0, 0));
    assert!(signatures[1] > signatures[2] && signatures[2] > 0);
}

#[test]
fn reserved_header_bytes_are_zero_and_no_page_is_newer_than_the_checkpoint() {
    let file = small(4 * MIB, PageVerify::Checksum);
    for page in allocated(&file).map(|page| file.page(page)) {
        let header = PageHeader::of(&page);
        assert_eq!(header.reserved, [0; 32]);
        assert!(header.lsn() <= front::CHECKPOINT_LSN);
    }
}

#[test]
fn the_pfs_says_what_is_allocated() {
    let files = small_files().map(|file| (all_pages(&file).collect::<Vec<_>>(), file));
    let huge = [false, true].map(|sparse| (landmarks(), huge(sparse)));
    for (pages, file) in files.chain(huge) {
        let mut pfs = (PageId(u32::MAX), Page::ZERO);
        for page in pages {
            if pfs.0 != pfs_page_of(page) {
                pfs = (pfs_page_of(page), torn::restored(&file.page(pfs_page_of(page))));
            }
            let byte = PfsByte::of(&pfs.1, page);
            assert_eq!(byte, maps::pfs_byte(&file.layout, page), "{page}");
            assert_eq!(byte.is_allocated(), file.is_allocated(page), "{page}");
        }
    }
}

#[test]
fn the_gam_frees_exactly_the_extents_without_an_allocated_or_control_page() {
    for file in small_files() {
        let gam = torn::restored(&file.page(PageId(2)));
        for extent in 0..GAM_INTERVAL_EXTENTS {
            let first = ExtentId(extent).first_page();
            let in_use = (first.0..first.0 + 8).any(|page| file.is_allocated(PageId(page)));
            assert_eq!(extent_bit(&gam, first), !in_use, "extent {extent}");
        }
    }
}

#[test]
fn the_sgam_names_mixed_extents_with_a_free_page() {
    let file = small(4 * MIB, PageVerify::Checksum);
    let (gam, sgam) = (file.page(PageId(2)), file.page(PageId(3)));
    for page in (0..file.pages()).step_by(8).map(PageId) {
        assert!(!extent_bit(&sgam, page) || !extent_bit(&gam, page), "extent at {page}");
    }
    assert!(extent_bit(&sgam, PageId(32)) && !extent_bit(&sgam, PageId(24)));
}

#[test]
fn the_iam_pages_share_out_the_extents_that_the_gam_gives_away() {
    for file in [small(4 * MIB, PageVerify::Torn), huge(true)] {
        let gam = torn::restored(&file.page(PageId(2)));
        let iams: Vec<_> = (SYSTEM_UNITS..UNITS.len())
            .map(|unit| torn::restored(&file.page(iam_page(unit, 0))))
            .collect();
        for extent in 0..GAM_INTERVAL_EXTENTS {
            let first = ExtentId(extent).first_page();
            let owners = iams.iter().filter(|iam| extent_bit(iam, first)).count();
            let is_units = matches!(file.layout.owner(extent), Owner::Unit(_));
            assert_eq!(owners, usize::from(is_units), "extent {extent}");
            assert!(!(is_units && extent_bit(&gam, first)));
        }
    }
}

#[test]
fn pages_of_a_unit_lie_in_extents_of_its_iam() {
    let file = small(4 * MIB, PageVerify::None);
    for page in allocated(&file).filter(|&page| file.layout.owner(page.extent().0) != Owner::Mixed)
    {
        let content = file.page(page);
        let header = PageHeader::of(&content);
        let Some(unit) = (SYSTEM_UNITS..UNITS.len())
            .find(|&unit| UNITS[unit].allocation_unit_id() == header.allocation_unit_id())
        else {
            assert_eq!(header.object_id, CONTROL_OBJECT);
            continue;
        };
        assert!(extent_bit(&file.page(iam_page(unit, 0)), page), "{page}");
    }
}

#[test]
fn four_mebibytes_hold_every_kind_of_page() {
    let file = small(4 * MIB, PageVerify::Checksum);
    let kinds: BTreeSet<_> =
        allocated(&file).map(|page| PageHeader::of(&file.page(page)).page_type).collect();
    assert_eq!(Vec::from_iter(kinds), [1, 2, 3, 4, 8, 9, 10, 11, 13, 15, 16, 17]);
    let levels: BTreeSet<_> =
        allocated(&file).map(|page| PageHeader::of(&file.page(page)).level).collect();
    assert_eq!(Vec::from_iter(levels), [0, 1, 2]);
}

#[test]
fn free_pages_hold_zeros_stale_pages_and_junk() {
    for size_bytes in [MIB, 4 * MIB] {
        let file = small(size_bytes, PageVerify::Checksum);
        let (mut zero, mut stale, mut junk) = (0, 0, 0);
        for page in all_pages(&file).filter(|&page| !file.is_allocated(page)) {
            match testimony(&file, page) {
                _ if file.page(page).is_zero() => zero += 1,
                Testimony::Intact => stale += 1,
                _ => junk += 1,
            }
        }
        assert!(zero > stale && stale > 0 && junk > 0, "{zero} {stale} {junk}");
    }
}

#[test]
fn rows_and_slots_fit_their_page_and_rows_do_not_overlap() {
    let file = small(4 * MIB, PageVerify::Torn);
    for id in allocated(&file) {
        let page = torn::restored(&file.page(id));
        let header = PageHeader::of(&page);
        let slots = usize::from(header.slot_count);
        let offsets: Vec<_> = (0..slots).map(|slot| page.u16_at(8190 - 2 * slot)).collect();
        assert!(offsets.is_sorted_by(|a, b| a < b), "{id}");
        assert!(offsets.iter().all(|&at| (96..header.free_data).contains(&at)), "{id}");
        let used = usize::from(header.free_data) - 96 + 2 * slots;
        assert_eq!(usize::from(header.free_count), 8096 - used, "{id}");
    }
}

#[test]
fn neighbours_in_a_chain_point_to_each_other() {
    let file = small(4 * MIB, PageVerify::Checksum);
    let mut links = 0;
    for id in allocated(&file) {
        let next = PageHeader::of(&file.page(id)).next_page;
        if next != 0 {
            links += 1;
            let neighbour = file.page(PageId(next));
            assert_eq!(PageHeader::of(&neighbour).prev_page, id.0);
            assert!(file.is_allocated(PageId(next)));
        }
    }
    assert!(links > 20, "{links}");
}

#[test]
fn header_and_boot_page_read_back() {
    for page_verify in PROTECTIONS {
        let file = small(4 * MIB, page_verify);
        let header = FileHeader::of(&file.page(PageId(0))).unwrap();
        assert_eq!(header.binding_id, front::binding_id(7));
        assert_eq!((header.file_id, header.filegroup_id), (FileId(1), 1));
        assert_eq!(header.size_pages, 512);
        assert_eq!(header.logical_name.as_deref(), Some("Drill"));
        let boot = BootPage::of(&file.page(BOOT_PAGE));
        assert_eq!((boot.internal_version, &*boot.database), (904, "Drill"));
        assert_eq!((boot.page_verify, boot.database_id), (page_verify, 7));
        assert!(boot.clean_shutdown && !boot.simple_recovery);
        assert_eq!(boot.checkpoint_lsn, front::CHECKPOINT_LSN);
    }
}

#[test]
fn a_secondary_file_has_no_boot_page_and_no_system_tables() {
    let recipe = Recipe { file_id: FileId(3), ..Recipe::new(4 * MIB, 7) };
    let file = SyntheticFile::new(recipe).unwrap();
    let header = FileHeader::of(&file.page(PageId(0))).unwrap();
    assert_eq!((header.file_id, header.logical_name.as_deref()), (FileId(3), Some("Drill_3")));
    assert_eq!(header.binding_id, front::binding_id(7));
    for page in allocated(&file) {
        assert!(testimony(&file, page).is_healthy(), "{page}");
        assert_ne!(PageHeader::of(&file.page(page)).page_type, PageType::Boot.m_type());
    }
}

#[test]
fn beyond_every_interval_border_pages_are_what_their_place_says() {
    for file in [huge(false), huge(true)] {
        for page in landmarks() {
            let content = file.page(page);
            let kind = fixed_page_type(FileId(1), page);
            assert!(kind.is_none() || file.is_allocated(page), "{page}");
            if file.is_allocated(page) {
                assert!(testimony(&file, page).is_healthy(), "{page}");
                let m_type = PageHeader::of(&content).page_type;
                assert!(kind.is_none_or(|kind| kind.m_type() == m_type), "{page}");
            }
        }
    }
}

#[test]
fn later_intervals_have_iam_pages_chained_to_the_first() {
    let file = huge(true);
    for unit in SYSTEM_UNITS..UNITS.len() {
        for interval in 0..3 {
            let (here, next) = (iam_page(unit, interval), iam_page(unit, interval + 1));
            let page = file.page(next);
            assert_eq!(PageHeader::of(&page).page_type, PageType::Iam.m_type());
            assert_eq!(PageHeader::of(&page).prev_page, here.0);
            assert_eq!(PageHeader::of(&file.page(here)).next_page, next.0);
        }
    }
}

#[test]
fn in_the_empty_part_of_a_sparse_file_only_control_extents_are_taken() {
    let file = huge(true);
    let interval = 1000 * GAM_INTERVAL_PAGES;
    let gam = file.page(gam_page_of(PageId(interval)));
    for first in (interval..interval + GAM_INTERVAL_PAGES).step_by(8).map(PageId) {
        let in_use = first.0 == interval || first.0 % PFS_INTERVAL_PAGES == 0;
        assert_eq!(extent_bit(&gam, first), !in_use, "{first}");
    }
}

#[test]
fn junk_claims_protection_and_names_another_page() {
    let mut dice = dice(3, Purpose::FreeContent, 0);
    for id in (0..2000).map(PageId) {
        let page = junk::page(id, &mut dice);
        assert_ne!(PageHeader::of(&page).page_id, id.0);
        assert_ne!(PageHeader::of(&page).protection(), Protection::None);
    }
}
