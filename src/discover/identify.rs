//! What a file is, from its bytes (docs/page-format.md, section 5.4).
//!
//! A data file whose first pages are damaged is still a data file, and it is the one that most
//! needs to be scanned: the fixed pages vote, then pages sampled through the file.

use super::backup::{self, BackupFile, FoundPart};
use super::content::Content;
use super::head::Headed;
use super::names::promises_pages;
use super::paths::{Candidate, explain};
use super::promised::{self, Promise};
use super::sample::{self, passes_its_check};
use super::{FileKind, holes};
use crate::backup::ReadAt;
use crate::backup::extents::Look as ExtentLook;
use crate::backup::source::{SizedFile, TurnsOf};
use crate::page::address::{FileId, PageId, PageRange};
use crate::page::allocation::{BOOT_PAGE, PFS_INTERVAL_PAGES, fixed_page_type};
use crate::page::boot::BootPage;
use crate::page::file_header::FileHeader;
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use crate::page::{EXTENT_PAGES, PAGE_BYTES, Page};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};

/// Fixed pages that must agree before a file with a damaged first page counts as a data file.
const VOTES_MIN: usize = 2;
/// Pages sampled through a file whose first pages say nothing.
const SAMPLES: u32 = 64;
/// Sampled pages that must carry their own id.
const SAMPLE_VOTES_MIN: usize = 4;
/// Bytes that such pages are searched for in if they are not in their places.
const MOVED_BYTES: u64 = 256 << 10;
/// First byte of a log's first block.
const LOG_BLOCK_MARK: u8 = 0xab;

/// What a look into a file found.
pub(super) enum Look {
    /// Pages to verify.
    Scannable(Box<Identity>),
    /// A backup, and the data files of which it has pages.
    Backup(Box<BackupFile>, Vec<FoundPart>),
    /// Not scanned, and why.
    Declined {
        /// What it is instead.
        kind: FileKind,
        /// In words.
        why: String,
    },
    /// Nothing of SQL Server.
    Foreign {
        /// What it holds instead.
        content: Content,
        /// Its size.
        bytes: u64,
    },
    /// Could not be looked into.
    Failed {
        /// The operating system's words.
        why: String,
    },
}

impl Look {
    /// A snapshot has the pages of a data file that have changed since, and else nothing.
    pub(super) fn may_be_snapshot(&self) -> bool {
        match self {
            Self::Scannable(identity) => identity.kind == FileKind::Data,
            Self::Foreign { content, .. } => matches!(content, Content::Zeros | Content::Unknown),
            Self::Backup(..) | Self::Declined { .. } | Self::Failed { .. } => false,
        }
    }
}

/// What is known of a scannable file.
pub(super) struct Identity {
    /// Data or log.
    pub kind: FileKind,
    /// Bytes to scan.
    pub bytes: u64,
    /// By page 0, else by majority of the fixed pages.
    pub file_id: FileId,
    /// If page 0 passes its check.
    pub header: Option<FileHeader>,
    /// If this is a primary file with a recognisable boot page.
    pub boot: Option<BootPage>,
    /// Pages that the file header, PFS or GAM say there are.
    pub promise: Promise,
    /// Pages beyond its end that are in use.
    pub lost: Vec<PageRange>,
    /// Stored parts.
    pub stored: Vec<PageRange>,
}

/// Looks into `candidate`.
pub(super) fn look(candidate: &Candidate, how: (ExtentLook, TurnsOf<'_>)) -> Look {
    match File::open(&candidate.path).and_then(|file| look_into(file, candidate, how)) {
        Ok(look) => look,
        Err(error) => Look::Failed { why: explain(&error) },
    }
}

fn look_into(
    mut file: File,
    candidate: &Candidate,
    (extents, turns_of): (ExtentLook, TurnsOf<'_>),
) -> io::Result<Look> {
    sample::read_nothing_ahead(&file);
    let bytes = file.seek(SeekFrom::End(0))?;
    let source = SizedFile::new(file.try_clone()?, bytes).in_turns(turns_of(candidate.device));
    let source = Headed::new(source);
    let (kind, file_id) = match recognise(&source, candidate, extents)? {
        Ok(pages) => pages,
        Err(look) => return Ok(look),
    };
    if bytes / PAGE_BYTES as u64 > u64::from(u32::MAX) {
        let why = "larger than 2^32 pages, more than a data file can have".to_owned();
        return Ok(Look::Declined { kind, why });
    }
    let identity = identity(&source, &file, candidate, kind, file_id);
    Ok(match lost_log(&source, &identity) {
        Some(why) => Look::Declined { kind, why },
        None => Look::Scannable(Box::new(identity)),
    })
}

/// Whose pages they are if `file` has pages of its own, else what it is.
fn recognise(
    file: &dyn ReadAt,
    candidate: &Candidate,
    extents: ExtentLook,
) -> io::Result<Result<(FileKind, FileId), Look>> {
    let pages = u32::try_from(file.bytes() / PAGE_BYTES as u64).unwrap_or(u32::MAX);
    let beginning = sample::piece(file, 0, PAGE_BYTES as u64);
    let as_backup = || beginning.as_ref().map_or(Ok(None), |_| look_at_backup(file, extents));
    // First bytes may be damage; a data file under them must not be taken for something else. But
    // pages of a backup may happen to be where their ids say, so a first block that passes its own
    // check comes before samples.
    let mut voted = fixed_file_id(file, pages);
    if voted.is_none()
        && backup::begins_soundly(file)
        && let Some(Look::Backup(backup, parts)) = as_backup()?
        && (backup.kind == FileKind::CompressedBackup || !backup.media.sets.is_empty())
    {
        return Ok(Err(Look::Backup(backup, parts)));
    }
    voted = voted.or_else(|| sampled_file_id(file, pages));
    if voted.is_none()
        && let Some(look) = as_backup()?
    {
        return Ok(Err(look));
    }
    let of_data = |file_id| (FileKind::Data, file_id);
    let moved = || moved_file_id(file, candidate).map(of_data);
    let found = voted.map(of_data).or_else(|| by_first_page(file)).or_else(moved);
    let Some(found) = found else {
        // A medium that cannot even be read is not "something else".
        beginning?;
        return Ok(Err(Look::Foreign { content: Content::of(file)?, bytes: file.bytes() }));
    };
    Ok(Ok(found))
}

/// A backup, or one that cannot be verified; `None` if it is none.
fn look_at_backup(source: &dyn ReadAt, extents: ExtentLook) -> io::Result<Option<Look>> {
    Ok(backup::look(source, extents)?.map(|found| match found {
        Ok((backup, parts)) => Look::Backup(Box::new(backup), parts),
        Err((kind, why)) => Look::Declined { kind, why },
    }))
}

fn identity(
    source: &dyn ReadAt,
    file: &File,
    candidate: &Candidate,
    kind: FileKind,
    file_id: FileId,
) -> Identity {
    let bytes = source.bytes();
    let bytes = if candidate.is_block_device { database_bytes(source, bytes) } else { bytes };
    let pages = (bytes / PAGE_BYTES as u64) as u32;
    let stored = match kind {
        FileKind::Log => vec![PageRange::between(0, 1)],
        // A block device has no holes, and answers the question for them wrongly.
        _ if candidate.is_block_device => vec![PageRange::between(0, pages)],
        _ => holes::stored_ranges(file, pages),
    };
    let header = file_header(source);
    let (promise, lost) = promised::pages(source, file_id, pages, header.as_ref());
    let boot = boot(source, file_id);
    let lost = if kind == FileKind::Data { lost } else { Vec::new() };
    Identity { kind, bytes, file_id, header, boot, promise, lost, stored }
}

/// A data file's id by the fixed pages of its first extent.
fn fixed_file_id(file: &dyn ReadAt, pages: u32) -> Option<FileId> {
    let ids = fixed_page_votes(file, pages);
    if ids.len() >= VOTES_MIN { majority(&ids).map(FileId) } else { None }
}

/// Kind and file id by page 0 alone, as in a log or a file of one page.
fn by_first_page(file: &dyn ReadAt) -> Option<(FileKind, FileId)> {
    let first = sample::page(file, PageId(0)).ok()?;
    let header = PageHeader::of(&first);
    if header.page_type != PageType::FileHeader.m_type() || header.page_id != 0 {
        return None;
    }
    let kind = if is_log(file) { FileKind::Log } else { FileKind::Data };
    Some((kind, FileId(header.file_id)))
}

/// The file ids on the pages of the first extent that are what stands in their place.
fn fixed_page_votes(file: &dyn ReadAt, pages: u32) -> Vec<u16> {
    let vote = |page| typed_file_id(file, page);
    (0..pages.min(EXTENT_PAGES)).map(PageId).filter_map(vote).collect()
}

/// The file id on `page`, if it carries its own id and the type that its place asks for.
fn typed_file_id(file: &dyn ReadAt, page: PageId) -> Option<u16> {
    let content = sample::page(file, page).ok()?;
    let header = PageHeader::of(&content);
    let expected = fixed_page_type(FileId(header.file_id), page)?;
    let is_expected = PageType::of(header.page_type) == expected;
    (header.header_version == 1 && header.page_id == page.0 && is_expected)
        .then_some(header.file_id)
}

/// By an intact header; without one, by the mark that a log's first block begins with.
fn is_log(file: &dyn ReadAt) -> bool {
    let starts_a_block = |page: Page| page.bytes()[0] == LOG_BLOCK_MARK;
    match file_header(file) {
        Some(header) => header.is_log(),
        None => sample::page(file, PageId(1)).is_ok_and(starts_a_block),
    }
}

/// Of a log that has a file header and not what belongs behind it: what is missing. No more than
/// that is known of a log.
fn lost_log(file: &dyn ReadAt, identity: &Identity) -> Option<String> {
    if identity.kind != FileKind::Log {
        return None;
    }
    let (pages, promised) = (identity.bytes / PAGE_BYTES as u64, identity.promise.pages);
    if pages < u64::from(promised) {
        return Some(format!(
            "a log file that holds {pages} of {promised} pages that its own file header asks for: \
             it was cut"
        ));
    }
    let first = sample::page(file, PageId(1)).ok()?;
    (first.bytes()[0] != LOG_BLOCK_MARK).then(|| {
        "a log file by its file header, and no log block behind that: zeroed, encrypted or \
         overwritten"
            .to_owned()
    })
}

/// The file id on which pages beyond the first extent agree: PFS pages at their places, else most
/// of the pages sampled through the file that hold anything.
fn sampled_file_id(file: &dyn ReadAt, pages: u32) -> Option<FileId> {
    let intervals = (1..=pages / PFS_INTERVAL_PAGES).take(SAMPLES as usize);
    let is_there = |page: &PageId| page.0 < pages;
    let pfs_pages = intervals.map(|k| PageId(k * PFS_INTERVAL_PAGES)).filter(is_there);
    let typed: Vec<u16> = pfs_pages.filter_map(|page| typed_file_id(file, page)).collect();
    if typed.len() >= VOTES_MIN {
        return majority(&typed).map(FileId);
    }
    let step = (pages / SAMPLES).max(1);
    let mut samples = (EXTENT_PAGES..pages).step_by(step as usize).map(PageId);
    let mut ids = Vec::new();
    let mut written = 0;
    // Some ransomware leaves every second piece of a file as it is, and not every page is in use.
    let is_convincing = |ids: usize, written: usize| ids >= SAMPLE_VOTES_MIN && 4 * ids >= written;
    // Read no further than that can still come.
    while is_convincing(ids.len() + samples.len(), written)
        && let Some(page) = samples.next()
    {
        let Ok(content) = sample::page(file, page) else { continue };
        let header = PageHeader::of(&content);
        written += usize::from(!content.is_zero());
        if header.is_sane() && header.page_id == page.0 {
            ids.push(header.file_id);
        }
    }
    is_convincing(ids.len(), written).then(|| majority(&ids)).flatten().map(FileId)
}

/// The file id of a data file by its name whose content lies behind a few bytes that are not its
/// own, or lacks its first bytes: pages of its first extent, of the types that stand there, are all
/// equally far from their places.
fn moved_file_id(file: &dyn ReadAt, candidate: &Candidate) -> Option<FileId> {
    if !promises_pages(&candidate.path) {
        return None;
    }
    let beginning = sample::piece(file, 0, MOVED_BYTES).ok()?;
    let mut votes: BTreeMap<(i64, u16), usize> = BTreeMap::new();
    for (at, header) in PageHeader::search(&beginning) {
        let is_of_place = |page: PageType| page == PageType::of(header.page_type);
        let fixed = fixed_page_type(FileId(header.file_id), PageId(header.page_id));
        if header.page_id < EXTENT_PAGES && fixed.is_some_and(is_of_place) {
            let own = PageId(header.page_id).offset_bytes();
            let distance = (at as u64).checked_signed_diff(own)?;
            *votes.entry((distance, header.file_id)).or_default() += 1;
        }
    }
    let (votes, (_, file_id)) = votes.into_iter().map(|(of, votes)| (votes, of)).max()?;
    (votes >= VOTES_MIN).then_some(FileId(file_id))
}

/// The most frequent value; of equals, the smallest.
fn majority(ids: &[u16]) -> Option<u16> {
    let votes = |id: &u16| ids.iter().filter(|other| *other == id).count();
    ids.iter().copied().max_by_key(|id| (votes(id), std::cmp::Reverse(*id)))
}

fn file_header(file: &dyn ReadAt) -> Option<FileHeader> {
    let page = sample::page(file, PageId(0)).ok()?;
    passes_its_check(&page).then(|| FileHeader::of(&page)).flatten()
}

/// A damaged boot page may still speak if it is recognisable: it gives the report its words, and
/// whether PAGE_VERIFY is on, which no verdict rests on alone.
fn boot(file: &dyn ReadAt, file_id: FileId) -> Option<BootPage> {
    let page = (file_id == FileId(1)).then(|| sample::page(file, BOOT_PAGE).ok()).flatten()?;
    let header = PageHeader::of(&page);
    let is_boot = header.page_type == PageType::Boot.m_type() && header.page_id == BOOT_PAGE.0;
    is_boot.then(|| BootPage::of(&page))
}

/// How much of a block device a database covers, since a device is usually larger than what was
/// put on it: up to its last PFS page's interval, or the size in its file header if that is more.
/// Gaps between are damage and are scanned.
fn database_bytes(file: &dyn ReadAt, device_bytes: u64) -> u64 {
    let device_pages = device_bytes / PAGE_BYTES as u64;
    let promised = file_header(file).map_or(0, |header| u64::from(header.size_pages));
    let intervals = (device_pages / u64::from(PFS_INTERVAL_PAGES)) as u32;
    let last = (1..=intervals).rev().find(|k| is_pfs(file, PageId(k * PFS_INTERVAL_PAGES)));
    let covered = (u64::from(last.unwrap_or(0)) + 1) * u64::from(PFS_INTERVAL_PAGES);
    covered.max(promised).min(device_pages) * PAGE_BYTES as u64
}

fn is_pfs(file: &dyn ReadAt, page: PageId) -> bool {
    sample::page(file, page).is_ok_and(|content| {
        let header = PageHeader::of(&content);
        header.page_id == page.0 && header.page_type == PageType::Pfs.m_type()
    })
}

#[cfg(test)]
mod tests {
    use super::super::exclude::Excluded;
    use super::super::paths::walk;
    use super::super::sample::tests::Sparse;
    use super::*;
    use crate::page::allocation::tests::pfs;
    use crate::page::file_header;
    use rand_xoshiro::SplitMix64;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// How often a file was read.
    struct Counted {
        bytes: Vec<u8>,
        reads: AtomicUsize,
    }

    impl ReadAt for &Counted {
        fn bytes(&self) -> u64 {
            self.bytes.len() as u64
        }

        fn read_exact_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> io::Result<()> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.bytes.read_exact_at(offset_bytes, buffer)
        }
    }

    /// Whether a file of a name that promises pages is a data file, and the reads that it took to
    /// know it.
    fn recognised(bytes: Vec<u8>) -> (bool, usize) {
        let file = tempfile::Builder::new().suffix(".mdf").tempfile().unwrap();
        let candidate = walk(&[file.path().to_owned()], &Excluded::default()).candidates.remove(0);
        let counted = Counted { bytes, reads: AtomicUsize::new(0) };
        let found = recognise(&Headed::new(&counted), &candidate, ExtentLook::Ends).unwrap();
        (found.is_ok(), counted.reads.load(Ordering::Relaxed))
    }

    fn noise(bytes: usize) -> Vec<u8> {
        let mut noise = vec![0; bytes];
        SplitMix64::seed_from_u64(7).fill_bytes(&mut noise);
        noise
    }

    /// The first extent of a data file, as far as its own ids tell.
    fn with_head(mut bytes: Vec<u8>) -> Vec<u8> {
        for (page, kind) in [PageType::FileHeader, PageType::Pfs, PageType::Gam].iter().enumerate()
        {
            let mut content = Page::ZERO;
            let header = PageHeader::of_mut(&mut content);
            (header.header_version, header.page_id, header.file_id) = (1, page as u32, 1);
            header.page_type = kind.m_type();
            bytes[page * PAGE_BYTES..][..PAGE_BYTES].copy_from_slice(content.bytes());
        }
        bytes
    }

    #[test]
    fn what_a_file_is_costs_one_read_of_its_head_and_samples_only_where_that_does_not_tell() {
        assert_eq!(recognised(with_head(noise(4 << 20))), (true, 1));
        assert_eq!(recognised(noise(100 << 10)), (false, 1), "all of it is its head");
        assert_eq!(recognised(vec![b' '; 128 << 10]), (false, 1));
        // 51 of 63 samples, by when too few are left, and one of them is in the head; what may be
        // moved, the end, and 15 for its content.
        assert_eq!(recognised(noise(4 << 20)), (false, 1 + 50 + 1 + 1 + 15));
    }

    #[test]
    fn the_majority_is_the_most_frequent() {
        assert_eq!(majority(&[1, 3, 3]), Some(3));
        assert_eq!(majority(&[4, 1]), Some(1));
        assert_eq!(majority(&[]), None);
    }

    #[test]
    fn a_database_on_a_device_ends_with_its_last_pfs_page_or_where_its_header_says() {
        let covered = |size_pages: u32, pfs_pages: [u32; 2]| {
            let header = file_header::tests::sealed(1, size_pages);
            let [one, other] = pfs_pages.map(|at| pfs(at, &[0]));
            let device = Sparse::new(30_000, vec![header, one, other]);
            database_bytes(&device, device.bytes) / PAGE_BYTES as u64
        };
        assert_eq!(covered(100, [8088, 16_176]), 3 * 8088);
        assert_eq!(covered(28_000, [8088, 16_176]), 28_000);
        assert_eq!(covered(100, [8088, 24_264]), 30_000, "no further than the device");
        assert_eq!(covered(100, [1, 16]), 8088, "the first one is taken for granted");
    }

    #[test]
    fn two_pfs_pages_far_inside_tell_whose_pages_they_are() {
        let pages = 2 * PFS_INTERVAL_PAGES + 1;
        let (one, other) = (pfs(8088, &[0]), pfs(16_176, &[0]));
        let sampled = |file: &Sparse| sampled_file_id(file, pages);
        assert_eq!(sampled(&Sparse::new(pages.into(), vec![one, other])), Some(FileId(1)));
        assert_eq!(sampled(&Sparse::new(pages.into(), vec![one])), None);
    }
}
