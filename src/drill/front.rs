//! The two pages that introduce a file: file header and boot page
//! (docs/page-format.md, sections 5.1 and 5.2).

use super::chance::{Purpose, draw};
use super::database_files::logical_name;
use super::fields::{put_page, put_slot, put_u16, put_u32, record};
use super::identity;
use super::layout::Layout;
use super::units::{SYSALLOCUNITS, UNITS};
use crate::page::boot::PageVerify;
use crate::page::file_header::BindingId;
use crate::page::header::{HEADER_BYTES, Lsn, PageHeader};
use crate::page::{PAGE_BYTES, Page};

/// The first half of the `BindingID` of every file made here.
pub(super) const BINDING_MARK: [u8; 8] = *b"pgscrub\x01";
/// SQL Server 2019.
pub(super) const INTERNAL_VERSION: u16 = 904;
pub(super) const DATABASE: &str = "Drill";
pub(super) const DATABASE_ID: u16 = 7;
const FILEGROUP_PRIMARY: u16 = 1;
pub(super) const GROWTH_PAGES: u32 = 8192;
const DISK_SECTOR_BYTES: u32 = 512;
pub(super) const SIZE_UNLIMITED: u32 = u32::MAX;
/// No page has a newer one.
pub(super) const CHECKPOINT_LSN: Lsn = Lsn { vlf: 41, block: 338, slot: 23 };

const COLUMNS: u16 = 49;
/// Bytes of the variable columns of the file header in SQL Server 2012 and later; the logical
/// name, column 27, is as long as it is.
const COLUMN_BYTES: [usize; 46] = [
    16, 0, 2, 2, 4, 4, 4, 4, 10, 10, 10, 0, 4, 4, 4, 4, 10, 28, 10, 10, 10, 16, 10, 16, 4, 10, 0,
    0, 16, 0, 0, 0, 0, 0, 0, 16, 10, 10, 28, 10, 16, 28, 8, 0, 0, 0,
];
const FILE_GUID: usize = 23;
const LOGICAL_NAME: usize = 27;
const FIXED_BYTES: usize = 4;

const BOOT_FIXED_END: u16 = 0x05e0;
const STATUS_TORN: u32 = 0x10;
const STATUS_CHECKSUM: u32 = 0x1_0000;
const STATUS_CLEAN_SHUTDOWN: u32 = 0x4000_0000;
pub(super) const COMPATIBILITY_LEVEL: u8 = 150;
const NAME_UNITS: usize = 128;
const NAME_PADDING: u16 = 0x2020;

/// The GUID of the database that `seed` stands for.
pub(super) fn binding_id(seed: u64) -> BindingId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&BINDING_MARK);
    id[8..].copy_from_slice(&draw(seed, Purpose::Binding, 0).to_le_bytes());
    id
}

/// Fills page 0.
pub(super) fn fill_file_header(layout: &Layout, page: &mut Page) {
    let nulls = vec![0; usize::from(COLUMNS).div_ceil(8)];
    let record = record(&[0; FIXED_BYTES], COLUMNS, &nulls, &columns(layout));
    write_record(page, &record);
}

fn columns(layout: &Layout) -> Vec<Vec<u8>> {
    let recipe = &layout.recipe;
    let mut columns: Vec<Vec<u8>> = COLUMN_BYTES.iter().map(|&bytes| vec![0; bytes]).collect();
    columns[0] = binding_id(recipe.seed).to_vec();
    columns[2] = recipe.file_id.0.to_le_bytes().to_vec();
    columns[3] = FILEGROUP_PRIMARY.to_le_bytes().to_vec();
    columns[4] = layout.pages().to_le_bytes().to_vec();
    columns[5] = SIZE_UNLIMITED.to_le_bytes().to_vec();
    columns[6] = GROWTH_PAGES.to_le_bytes().to_vec();
    columns[12] = layout.pages().to_le_bytes().to_vec();
    columns[15] = DISK_SECTOR_BYTES.to_le_bytes().to_vec();
    columns[FILE_GUID] = identity::file(recipe.seed, recipe.file_id).to_vec();
    columns[LOGICAL_NAME] =
        logical_name(recipe.file_id).encode_utf16().flat_map(u16::to_le_bytes).collect();
    columns
}

/// Fills page 9 of the primary file.
pub(super) fn fill_boot(layout: &Layout, page: &mut Page) {
    let mut record = vec![0; usize::from(BOOT_FIXED_END)];
    record[2..4].copy_from_slice(&BOOT_FIXED_END.to_le_bytes());
    write_record(page, &record);
    put_u16(page, 100, INTERNAL_VERSION);
    put_u16(page, 102, INTERNAL_VERSION);
    put_u32(page, 132, STATUS_CLEAN_SHUTDOWN | verify_status(layout.recipe.page_verify));
    let name = DATABASE.encode_utf16().chain(std::iter::repeat(NAME_PADDING));
    for (i, unit) in name.take(NAME_UNITS).enumerate() {
        put_u16(page, 148 + 2 * i, unit);
    }
    put_u32(page, 404, 2 * DATABASE.encode_utf16().count() as u32);
    put_u16(page, 408, DATABASE_ID);
    put_u16(page, 410, COMPATIBILITY_LEVEL.into());
    let seed = layout.recipe.seed;
    for (at, guid) in [
        (504, identity::family(seed)),
        (552, identity::family(seed)),
        (788, identity::broker(seed)),
    ] {
        page.bytes_mut()[at..at + guid.len()].copy_from_slice(&guid);
    }
    // Of the last checkpoint, and where the chain of log backups may begin.
    for at in [444, 468, 736] {
        put_u32(page, at, CHECKPOINT_LSN.vlf);
        put_u32(page, at + 4, CHECKPOINT_LSN.block);
        put_u16(page, at + 8, CHECKPOINT_LSN.slot);
    }
    put_page(page, 612, UNITS[SYSALLOCUNITS].single_page, layout.recipe.file_id.0);
}

/// The bits that say so in the status of a database.
pub(super) fn verify_status(page_verify: PageVerify) -> u32 {
    match page_verify {
        PageVerify::Checksum => STATUS_CHECKSUM,
        PageVerify::Torn => STATUS_TORN,
        PageVerify::None => 0,
    }
}

/// Makes `record` the only one of the page.
fn write_record(page: &mut Page, record: &[u8]) {
    page.bytes_mut()[HEADER_BYTES..][..record.len()].copy_from_slice(record);
    put_slot(page, 0, HEADER_BYTES as u16);
    let header = PageHeader::of_mut(page);
    header.slot_count = 1;
    header.free_data = (HEADER_BYTES + record.len()) as u16;
    header.free_count = (PAGE_BYTES - HEADER_BYTES - record.len() - 2) as u16;
}
