//! The LSNs of the pages of files that have relatives, while a scan reads them: 16 bytes a page in
//! a file without a name, so that memory does not grow with the files. Written a batch at a time,
//! read in order at the end.

use super::kin::Relatives;
use crate::catalog::rewritten::{is_rewritten_by_attach, is_without_lsn};
use crate::discover::DataFile;
use crate::discover::paths::explain;
use crate::page::Page;
use crate::page::address::{PageAddress, PageId};
use crate::page::header::{Lsn, PageHeader, Protection};
use crate::scrub::lock;
use bytemuck::{Pod, Zeroable};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The share of what is free on its file system that the file may take: one in so many bytes.
#[cfg(target_os = "linux")]
const OF_FREE: u64 = 4;
/// The most that it may take of a file system that is memory.
#[cfg(target_os = "linux")]
const IN_MEMORY_BYTES_MAX: u64 = 64 << 20;

/// A page in use that passed its check: its LSN, and what tells its content. Zeros where there is
/// none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(in crate::scrub) struct Seen {
    vlf: u32,
    block: u32,
    slot: u16,
    marks: u16,
    checksum: u32,
}

impl Seen {
    const IS_THERE: u16 = 1;
    /// Attaching a data file rewrites it.
    const IS_REWRITTEN: u16 = 2;
    const HAS_CHECKSUM: u16 = 4;
    pub(super) const BYTES: u64 = size_of::<Self>() as u64;

    /// Of `page` in its place; `None` for pages that SQL Server rewrites under an old LSN, and for
    /// those that it wrote without logging, which carry (0:0:1).
    pub(in crate::scrub) fn of(page: &Page, place: PageAddress) -> Option<Self> {
        let header = PageHeader::of(page);
        if is_without_lsn(header, place) {
            return None;
        }
        let is_rewritten = is_rewritten_by_attach(header, place);
        let has_checksum = header.protection() == Protection::Checksum;
        let mark = |mark: u16, is_set: bool| if is_set { mark } else { 0 };
        Some(Self {
            vlf: header.lsn_vlf,
            block: header.lsn_block,
            slot: header.lsn_slot,
            marks: Self::IS_THERE
                | mark(Self::IS_REWRITTEN, is_rewritten)
                | mark(Self::HAS_CHECKSUM, has_checksum),
            checksum: header.torn_bits,
        })
    }

    pub(super) fn is_there(self) -> bool {
        self.marks & Self::IS_THERE != 0
    }

    pub(super) fn is_rewritten(self) -> bool {
        self.marks & Self::IS_REWRITTEN != 0
    }

    pub(super) fn lsn(self) -> Lsn {
        Lsn { vlf: self.vlf, block: self.block, slot: self.slot }
    }

    /// The bytes of the two pages differ for certain.
    pub(super) fn differs(self, other: Self) -> bool {
        self.marks & other.marks & Self::HAS_CHECKSUM != 0 && self.checksum != other.checksum
    }
}

/// Where the LSNs are kept.
pub(super) struct PageLsns {
    file: Mutex<File>,
    /// By file: where those of its copy begin.
    begins: Vec<Option<u64>>,
    /// Why not all could be written.
    failed: Mutex<Option<io::Error>>,
}

impl PageLsns {
    /// Room for those of `relatives` among `files`.
    ///
    /// # Errors
    /// If there is none, or too little.
    pub(super) fn new(files: &[DataFile], relatives: &[Relatives]) -> io::Result<Self> {
        let (mut begins, mut end) = (vec![None; files.len()], 0_u64);
        let mut pages = 0;
        for copy in relatives.iter().flat_map(|relatives| &relatives.copies) {
            for &file in copy {
                begins[file] = Some(end);
                pages += files[file].stored.iter().map(|range| u64::from(range.pages)).sum::<u64>();
            }
            end += u64::from(end_page(files, copy)) * Seen::BYTES;
        }
        let folder = folder();
        check_room(&folder, pages * Seen::BYTES)?;
        let file = Mutex::new(tempfile::tempfile_in(folder)?);
        Ok(Self { file, begins, failed: Mutex::new(None) })
    }

    /// Those of the file with this index are kept.
    pub(super) fn has(&self, file: usize) -> bool {
        self.begins.get(file).is_some_and(Option::is_some)
    }

    /// Writes down what was seen of the pages of one range, which ascend. After a write that failed
    /// nothing more is written.
    pub(super) fn write(&self, file: usize, seen: &[(PageId, Seen)]) {
        let (Some(begin), Some((first, _)), Some((last, _))) =
            (self.begins[file], seen.first(), seen.last())
        else {
            return;
        };
        let mut dense = vec![Seen::zeroed(); (last.0 - first.0) as usize + 1];
        for (page, seen) in seen {
            dense[(page.0 - first.0) as usize] = *seen;
        }
        let mut failed = lock(&self.failed);
        if failed.is_none() {
            let at = begin + u64::from(first.0) * Seen::BYTES;
            let mut file = lock(&self.file);
            let written = file.seek(SeekFrom::Start(at));
            let written = written.and_then(|_| file.write_all(bytemuck::cast_slice(&dense)));
            *failed = written.err();
        }
    }

    /// Why not all could be written, if that is so.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.failed).as_ref().map(explain)
    }

    /// Reads those of the pages from `first` on of the copy that has `file`.
    pub(super) fn read(&self, file: usize, first: u32, into: &mut [Seen]) -> io::Result<()> {
        into.fill(Seen::zeroed());
        let Some(begin) = self.begins[file] else { return Ok(()) };
        let mut from = lock(&self.file);
        from.seek(SeekFrom::Start(begin + u64::from(first) * Seen::BYTES))?;
        let mut bytes: &mut [u8] = bytemuck::cast_slice_mut(into);
        while !bytes.is_empty() {
            match from.read(bytes) {
                // Nothing was written of the last pages.
                Ok(0) => return Ok(()),
                Ok(count) => bytes = &mut bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The page after the last one of `copy`.
pub(super) fn end_page(files: &[DataFile], copy: &[usize]) -> u32 {
    copy.iter().map(|file| files[*file].end_page()).max().unwrap_or_default()
}

/// Where large temporary files go: as TMPDIR says; `/tmp` is often memory.
fn folder() -> PathBuf {
    let large = Path::new("/var/tmp");
    let is_free = cfg!(unix) && std::env::var_os("TMPDIR").is_none() && large.is_dir();
    if is_free { large.to_owned() } else { std::env::temp_dir() }
}

/// Refuses what would fill the file system of `folder`, or memory.
#[cfg(target_os = "linux")]
fn check_room(folder: &Path, bytes: u64) -> io::Result<()> {
    let system = rustix::fs::statfs(folder)?;
    let free = (system.f_bavail as u64).saturating_mul(system.f_bsize as u64);
    let is_memory = [0x0102_1994, 0x8584_58f6].contains(&(system.f_type as u64));
    let most = if is_memory { IN_MEMORY_BYTES_MAX.min(free / OF_FREE) } else { free / OF_FREE };
    if bytes <= most {
        return Ok(());
    }
    let folder = crate::discover::paths::text(folder);
    Err(io::Error::other(format!(
        "{bytes} bytes are needed in {folder}, and it has {most} to spare"
    )))
}

/// What would not fit fails when it is written.
#[cfg(not(target_os = "linux"))]
fn check_room(_: &Path, _: u64) -> io::Result<()> {
    Ok(())
}
