//! What a backup file holds: the data files whose pages are in it, as files of their own, and all
//! else that is in its streams.

pub(crate) mod missing;
mod recognise;

use super::FileKind;
use super::sample::passes_its_check;
use crate::backup::ReadAt;
use crate::backup::compressed::{RecordIndex, Refused};
use crate::backup::extents::{EXTENT_BYTES, Holds, Look, Map, Stretch, is_as_told, stretches};
use crate::backup::layout::{Layout, PageRun, PageRuns, Sibling};
use crate::backup::media;
use crate::backup::{BackupKind, BackupSet, Fault, Media, StreamPiece};
use crate::page::Page;
use crate::page::address::{FileId, PageId};
use crate::page::allocation::BOOT_PAGE;
use crate::page::boot::BootPage;
use crate::page::file_header::FileHeader;
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
pub(super) use recognise::begins_soundly;
use recognise::{Kind, Patched};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A backup file.
#[derive(Debug)]
pub struct BackupFile {
    /// Its size.
    pub bytes: u64,
    /// [`FileKind::Backup`] or [`FileKind::CompressedBackup`].
    pub kind: FileKind,
    /// What it says of itself; of a compressed backup nothing until its records are known.
    pub media: Media,
    /// Its data and log streams, in the order of their offsets.
    pub streams: Vec<Stream>,
    /// Extents that are of no page of a data file.
    pub rest: Vec<Rest>,
    /// If it is compressed, and to be read as what it unpacks to: where its records are.
    pub records: Option<Arc<RecordIndex>>,
}

/// A data or log stream.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Index of its set in [`Media::sets`].
    pub set: usize,
    /// Log blocks, not pages.
    pub is_log: bool,
    /// Where it is, and its checksum.
    pub piece: StreamPiece,
}

/// Extents of a data stream that are of no page that RESTORE would keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Where the first of them begins.
    pub offset_bytes: u64,
    /// How many bytes; whole pages.
    pub bytes: u64,
    /// Why.
    pub what: RestKind,
}

/// Why an extent is of no page that RESTORE would keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestKind {
    /// Room that BACKUP did not need.
    Padding,
    /// A later block of pages has a later copy.
    Superseded,
    /// The same block of pages has a later copy, which no healthy one has.
    Twice,
    /// Nothing tells its place.
    Unplaced,
}

/// The pages of one data file in one backup set of a backup file.
#[derive(Clone, Debug)]
pub struct Part {
    /// The backup file.
    pub backup: Arc<BackupFile>,
    /// Index of the set in [`Media::sets`].
    pub set: usize,
    /// Where the pages are.
    pub layout: Layout,
    /// The same as a list.
    pub runs: Arc<PageRuns>,
    /// What the other members of a striped backup have of the same data file.
    pub siblings: Arc<[Sibling]>,
}

/// Tells backup sets apart. The members of a striped one share it; all others are known by their
/// file, since `WITH INIT` gives a backup the media set and the position of the one before it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetKey {
    media: Result<([u8; 16], [u8; 16]), PathBuf>,
    position: u32,
}

impl SetKey {
    /// Of `set` in the backup at `path`, which says `media` of itself.
    pub fn of(media: &Media, set: &BackupSet, path: &Path) -> Self {
        let family = media.family.as_ref().filter(|family| family.family_count > 1);
        let id = family.and_then(|family| family.media_set_id).zip(set.set_id);
        Self { media: id.ok_or_else(|| path.to_owned()), position: set.position }
    }
}

/// What was found of one data file in a backup set.
pub(super) struct FoundPart {
    pub(super) file_id: FileId,
    pub(super) set: usize,
    pub(super) runs: Arc<PageRuns>,
    pub(super) header: Option<FileHeader>,
    pub(super) boot: Option<BootPage>,
}

impl Part {
    /// What the backup says of the set.
    pub fn set(&self) -> &BackupSet {
        &self.backup.media.sets[self.set]
    }

    /// What the other stripes of the set have of the file is known, if there are any.
    pub fn has_all_stripes(&self) -> bool {
        let family = self.backup.media.family.as_ref();
        let stripes = family.map_or(1, |family| usize::from(family.family_count));
        self.siblings.len() + 1 >= stripes
    }

    /// The pages that stand in the first block of pages, where healthy sets have each once.
    pub fn first_copies(&self) -> impl Iterator<Item = &PageRun> {
        self.runs.runs().iter().filter(|run| {
            let stream = self.backup.stream_at(run.offset_bytes);
            stream.is_some_and(|stream| self.backup.streams[stream].piece.block == 0)
        })
    }

    /// Which set it is of, given the backup's path.
    pub fn key(&self, path: &Path) -> SetKey {
        SetKey::of(&self.backup.media, self.set(), path)
    }
}

impl BackupFile {
    /// The stream that holds byte `offset_bytes`, by its index.
    pub fn stream_at(&self, offset_bytes: u64) -> Option<usize> {
        let after = self.streams.partition_point(|s| s.piece.offset_bytes <= offset_bytes);
        let index = after.checked_sub(1)?;
        let piece = &self.streams[index].piece;
        (offset_bytes - piece.offset_bytes < piece.bytes).then_some(index)
    }
}

/// A backup, and the data files of which it has pages.
pub(super) type Found = (BackupFile, Vec<FoundPart>);

/// Looks into the backup that `source` is; `None` if it is none, and words if it is one that
/// cannot be verified.
pub(super) fn look(
    source: &dyn ReadAt,
    look: Look,
) -> io::Result<Option<Result<Found, (FileKind, String)>>> {
    let Some((kind, fault)) = recognise::kind_of(source)? else { return Ok(None) };
    match kind {
        Kind::Tape => {
            let tape = Patched { source, magic: &media::MAGIC };
            let mut media = Media::read(&tape)?.unwrap_or_default();
            if media.is_blank() {
                let why = "a media header and no backup set in it: BACKUP made the file and wrote \
                           no backup to it, or it was cut behind its beginning";
                return Ok(Some(Err((FileKind::Backup, why.to_owned()))));
            }
            if media.sets.is_empty() && media.family.is_none() {
                let why = "a backup by its first bytes, of which nothing else can be read: it is \
                           overwritten, or not a backup of SQL Server";
                return Ok(Some(Err((FileKind::Backup, why.to_owned()))));
            }
            media.faults.extend(fault);
            Ok(Some(Ok(look_into(source, media, None, look)?)))
        }
        Kind::Compressed(Err(Refused(seen))) => {
            let why = format!("a compressed backup of a kind that is not known: {seen}");
            Ok(Some(Err((FileKind::CompressedBackup, why))))
        }
        Kind::Compressed(Ok(_)) => {
            let media = Media { faults: fault.into_iter().collect(), ..Media::default() };
            let packed = BackupFile {
                bytes: source.bytes(),
                kind: FileKind::CompressedBackup,
                media,
                streams: Vec::new(),
                rest: Vec::new(),
                records: None,
            };
            Ok(Some(Ok((packed, Vec::new()))))
        }
    }
}

/// Looks into what a compressed backup unpacks to, `source`, whose records `index` knows.
pub(super) fn look_unpacked(
    source: &dyn ReadAt,
    packed: &BackupFile,
    index: Arc<RecordIndex>,
    look: Look,
) -> io::Result<Found> {
    let mut media = Media::read_unpacked(source)?
        .unwrap_or_else(|| Media { faults: vec![Fault::no_description()], ..Media::default() });
    media.faults.extend(packed.media.faults.iter().cloned());
    let (mut found, parts) = look_into(source, media, Some(index), look)?;
    found.bytes = packed.bytes;
    Ok((found, parts))
}

fn look_into(
    source: &dyn ReadAt,
    media: Media,
    records: Option<Arc<RecordIndex>>,
    look: Look,
) -> io::Result<Found> {
    let (mut rest, mut parts) = (Vec::new(), Vec::new());
    for (index, set) in media.sets.iter().enumerate() {
        for (file_id, runs) in files_of(source, set, look, &mut rest)? {
            parts.push(found_part(source, index, file_id, runs));
        }
    }
    rest.sort_by_key(|rest| rest.offset_bytes);
    let mut streams: Vec<Stream> = media.sets.iter().enumerate().flat_map(streams_of).collect();
    streams.sort_by_key(|stream| stream.piece.offset_bytes);
    let kind = match records {
        Some(_) => FileKind::CompressedBackup,
        None => FileKind::Backup,
    };
    let bytes = source.bytes();
    Ok((BackupFile { bytes, kind, media, streams, rest, records }, parts))
}

fn streams_of((set, of): (usize, &BackupSet)) -> impl Iterator<Item = Stream> {
    let stream =
        move |is_log| move |piece: &StreamPiece| Stream { set, is_log, piece: piece.clone() };
    of.data.iter().map(stream(false)).chain(of.logs.iter().map(stream(true)))
}

/// The data files in a set; what is of none of them goes to `rest`.
fn files_of(
    source: &dyn ReadAt,
    set: &BackupSet,
    look: Look,
    rest: &mut Vec<Rest>,
) -> io::Result<BTreeMap<FileId, PageRuns>> {
    let (by_file, mut of_none) = extents_of(source, set, look)?;
    let mut files = BTreeMap::new();
    for (file, blocks) in by_file {
        let (mut once, mut others) = (Vec::new(), Vec::new());
        for runs in blocks.values() {
            let (kept, twice) = PageRuns::last_copies(runs);
            once.extend_from_slice(kept.runs());
            others.extend(twice.into_iter().map(|run| (run, RestKind::Twice)));
        }
        let (kept, superseded) = PageRuns::last_copies(&once);
        others.extend(superseded.into_iter().map(|run| (run, RestKind::Superseded)));
        // What does not count is not verified page by page: that it is what it was taken for is
        // seen here or never.
        if look == Look::Ends && !others.iter().all(|(run, _)| is_as_told(source, file, run)) {
            return files_of(source, set, Look::Each, rest);
        }
        let no_page = |(run, what): (PageRun, RestKind)| Rest {
            offset_bytes: run.offset_bytes,
            bytes: run.bytes(),
            what,
        };
        of_none.extend(others.into_iter().map(no_page));
        files.insert(file, kept);
    }
    rest.extend(of_none);
    Ok(files)
}

/// Runs of extents by the block of the set that they are in.
type Blocks = BTreeMap<u32, Vec<PageRun>>;

/// The extents of a set by file, and what is of no file.
fn extents_of(
    source: &dyn ReadAt,
    set: &BackupSet,
    look: Look,
) -> io::Result<(BTreeMap<FileId, Blocks>, Vec<Rest>)> {
    let map = if set.kind == BackupKind::Differential { Map::Diff } else { Map::Gam };
    let (mut by_file, mut rest) = (BTreeMap::<FileId, Blocks>::new(), Vec::new());
    for piece in &set.data {
        let whole = piece.bytes / EXTENT_BYTES * EXTENT_BYTES;
        for stretch in stretches(source, (piece.offset_bytes, whole), look, map)? {
            match stretch.run() {
                Some((file, run)) => {
                    by_file.entry(file).or_default().entry(piece.block).or_default().push(run);
                }
                None => rest.push(rest_of(&stretch)),
            }
        }
    }
    Ok((by_file, rest))
}

fn rest_of(stretch: &Stretch) -> Rest {
    let what = match stretch.holds {
        Holds::Padding => RestKind::Padding,
        Holds::Unplaced | Holds::Extent(..) => RestKind::Unplaced,
    };
    Rest { offset_bytes: stretch.offset_bytes, bytes: stretch.bytes(), what }
}

fn found_part(source: &dyn ReadAt, set: usize, file_id: FileId, runs: PageRuns) -> FoundPart {
    let runs = Arc::new(runs);
    let layout = Layout::Runs(Arc::clone(&runs));
    let page = |id: PageId| page_of(source, &layout, id);
    let header = page(PageId(0)).filter(passes_its_check);
    let header = header.and_then(|page| FileHeader::of(&page));
    let boot = (file_id == FileId(1)).then(|| page(BOOT_PAGE)).flatten().filter(is_boot);
    FoundPart { file_id, set, header, boot: boot.map(|page| BootPage::of(&page)), runs }
}

fn is_boot(page: &Page) -> bool {
    let header = PageHeader::of(page);
    header.page_type == PageType::Boot.m_type() && header.page_id == BOOT_PAGE.0
}

/// A page; `None` if it is absent or cannot be read.
fn page_of(source: &dyn ReadAt, layout: &Layout, id: PageId) -> Option<Page> {
    let mut page = Page::ZERO;
    let offset = layout.page_offset_bytes(id)?;
    source.read_exact_at(offset, page.bytes_mut()).ok().map(|()| page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::PageRange;

    #[test]
    fn only_the_first_file_of_a_database_has_a_boot_page() {
        let backup = include_bytes!("../../datasets/healthy.mdf").to_vec();
        let run = PageRun { range: PageRange::between(0, 256), offset_bytes: 0 };
        let found = |file| found_part(&backup, 0, FileId(file), PageRuns::last_copies(&[run]).0);
        assert!(found(1).boot.is_some_and(|boot| !boot.database.is_empty()));
        assert!(found(3).boot.is_none());
        assert_eq!(found(1).header.map(|header| header.file_id), Some(FileId(1)));
        let without = PageRuns::default();
        assert!(found_part(&backup, 0, FileId(1), without).header.is_none());
    }
}
