//! `sysprufiles`, the system table that names every file of the database: one row a file, laid out
//! as SQL Server 2008 and later write it (docs/page-format.md, section 6.4).

use super::fields::record;
use super::front::{DATABASE, GROWTH_PAGES, SIZE_UNLIMITED};
use super::identity;
use super::layout::Layout;
use super::recipe::LOG_FILE_ID;
use crate::page::PAGE_BYTES;
use crate::page::address::FileId;

/// The log of a database made here.
pub(super) const LOG_FILE_BYTES: u64 = 8 << 20;
const FIXED_BYTES: usize = 244;
const COLUMNS: u16 = 31;
/// No LSN of creation or removal, no full backup, no fork: as in a file that was never backed up.
const NULLS: [u8; 4] = [0x00, 0x98, 0x7f, 0x5f];
const FILE_STATUS: u32 = 0x200;
const KIND_DATA: u8 = 0;
const KIND_LOG: u8 = 1;
const LOG_PAGES_MAX: u32 = 268_435_456;

/// A file of the database.
struct Member {
    id: FileId,
    kind: u8,
    filegroup: u32,
    pages: u32,
    pages_max: u32,
}

/// Bytes of the fixed part, and the rows, by file id.
pub(super) fn rows(layout: &Layout) -> (usize, Vec<Vec<u8>>) {
    let own = [(layout.recipe.file_id, layout.pages())];
    let mut files: Vec<Member> =
        own.into_iter().chain(layout.recipe.others.pages()).map(data).collect();
    files.push(Member {
        id: LOG_FILE_ID,
        kind: KIND_LOG,
        filegroup: 0,
        pages: (LOG_FILE_BYTES / PAGE_BYTES as u64) as u32,
        pages_max: LOG_PAGES_MAX,
    });
    files.sort_by_key(|file| file.id);
    (FIXED_BYTES, files.iter().map(|file| row(layout.recipe.seed, file)).collect())
}

fn data((id, pages): (FileId, u32)) -> Member {
    Member { id, kind: KIND_DATA, filegroup: 1, pages, pages_max: SIZE_UNLIMITED }
}

/// The logical name of a file.
pub(super) fn logical_name(file: FileId) -> String {
    match file {
        FileId(1) => DATABASE.to_owned(),
        LOG_FILE_ID => format!("{DATABASE}_log"),
        other => format!("{DATABASE}_{other}"),
    }
}

/// Where the file stands on the server.
pub(super) fn physical_name(file: FileId) -> String {
    let ending = match file {
        FileId(1) => "mdf",
        LOG_FILE_ID => "ldf",
        _ => "ndf",
    };
    format!("C:\\Drill\\{}.{ending}", logical_name(file))
}

fn row(seed: u64, file: &Member) -> Vec<u8> {
    let mut fixed = [0; FIXED_BYTES];
    let mut put = |at: usize, field: &[u8]| fixed[at..at + field.len()].copy_from_slice(field);
    put(0, &1_u32.to_le_bytes());
    put(4, &u32::from(file.id.0).to_le_bytes());
    put(8, &file.filegroup.to_le_bytes());
    put(12, &FILE_STATUS.to_le_bytes());
    put(16, &[file.kind]);
    put(18, &file.pages.to_le_bytes());
    put(22, &file.pages_max.to_le_bytes());
    put(26, &GROWTH_PAGES.to_le_bytes());
    put(50, &identity::file(seed, file.id));
    let names = [logical_name(file.id), physical_name(file.id)];
    let names = names.map(|name| name.encode_utf16().flat_map(u16::to_le_bytes).collect());
    record(&fixed, COLUMNS, &NULLS, &names)
}
