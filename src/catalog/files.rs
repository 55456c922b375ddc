//! The files of a database, by its own table of them, `sysprufiles` (docs/page-format.md, section
//! 6.4): one row a file, on leaf pages that only the primary file has.

use super::lookup::Pages;
use super::{SYSPRUFILES_2005, SystemTable};
use crate::page::header::{Lsn, PageHeader};
use crate::page::line::{Guid, told};
use crate::page::record::{Record, utf16};
use std::collections::BTreeMap;

/// The most files that a database has.
const FILES_MAX: usize = 32_767;
const FILE_ID: usize = 4;
const FILEGROUP_ID: usize = 8;
const GUID: usize = 50;
const LOGICAL_NAME: usize = 0;
const PHYSICAL_NAME: usize = 1;
/// Column numbers, for the null bitmap: what it calls NULL holds anything.
const DROPPED_COLUMN: usize = 12;
const GUID_COLUMN: usize = 13;
const KIND_LOG: u8 = 1;

/// A file of a database, as its catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogFile {
    /// 0 for a log.
    pub filegroup_id: u32,
    /// 0 data, 1 log, 2 FILESTREAM or memory-optimized container, 4 full-text.
    pub kind: u8,
    /// 0 online, 6 offline, 7 defunct, others on the way.
    pub state: u8,
    /// Its true size, if the database was shut down cleanly.
    pub pages: u32,
    /// As on its page 0; none in databases made by SQL Server 2000.
    pub guid: Option<Guid>,
    /// Logical name.
    pub logical_name: String,
    /// Path on the server.
    pub physical_name: String,
}

impl CatalogFile {
    /// A transaction log.
    pub fn is_log(&self) -> bool {
        self.kind == KIND_LOG
    }
}

/// The files by id, as the rows on `pages` name them. Where several name one, because a page is old
/// content that nobody can tell to be free, the row of the page written last counts.
pub fn files(pages: Pages<'_>) -> BTreeMap<u16, CatalogFile> {
    let mut found: BTreeMap<u16, (Lsn, CatalogFile)> = BTreeMap::new();
    pages(SystemTable::SysPruFiles, &mut |page| {
        let header = PageHeader::of(page);
        let layout = if header.object_id == SYSPRUFILES_2005 { &SQL_2005 } else { &SQL_2008 };
        for record in Record::primaries_of(page) {
            let Some((id, file)) = layout.file(&record) else { continue };
            let is_newer = found.get(&id).is_none_or(|(lsn, _)| *lsn <= header.lsn());
            if is_newer && (found.len() < FILES_MAX || found.contains_key(&id)) {
                found.insert(id, (header.lsn(), file));
            }
        }
    });
    found.into_iter().map(|(id, (_, file))| (id, file)).collect()
}

/// Where versions differ.
struct Layout {
    kind: usize,
    state: usize,
    pages: usize,
    /// The LSN at which it was removed.
    dropped: usize,
}

const SQL_2005: Layout = Layout { kind: 48, state: 49, pages: 16, dropped: 38 };
const SQL_2008: Layout = Layout { kind: 16, state: 17, pages: 18, dropped: 40 };

impl Layout {
    /// The file that `record` is of, unless that was removed.
    fn file(&self, record: &Record<'_>) -> Option<(u16, CatalogFile)> {
        let id = u16::try_from(u32::from_le_bytes(record.fixed(FILE_ID)?)).ok()?;
        let [kind] = record.fixed(self.kind)?;
        let [state] = record.fixed(self.state)?;
        let dropped: [u8; 10] = record.fixed(self.dropped)?;
        let was_dropped = dropped != [0; 10] && !record.is_null(DROPPED_COLUMN);
        let guid = record.fixed(GUID).filter(|_| !record.is_null(GUID_COLUMN));
        let name = |column| record.variable(column).map(utf16);
        let file = CatalogFile {
            filegroup_id: u32::from_le_bytes(record.fixed(FILEGROUP_ID)?),
            kind,
            state,
            pages: u32::from_le_bytes(record.fixed(self.pages)?),
            guid: guid.and_then(told),
            logical_name: name(LOGICAL_NAME)?,
            physical_name: name(PHYSICAL_NAME)?,
        };
        (id > 0 && !was_dropped).then_some((id, file))
    }
}
