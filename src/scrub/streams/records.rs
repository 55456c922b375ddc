//! The records of compressed backups, verified by their own checksums; and what they unpack to.

use super::Looked;
use crate::backup::compressed::{self, Decompressed, Verified};
use crate::backup::source::SizedFile;
use crate::backup::{Fault, Media};
use crate::discover::device::Device;
use crate::discover::paths::explain;
use crate::discover::{DataFile, Discovery, FileKind};
use crate::page::address::{PageId, PageRange};
use crate::page::{PAGE_BYTES, Page};
use crate::plan::pace::Throttle;
use crate::read::{PageSource, aligned};
use crate::scrub::file::open_unchanged;
use crate::scrub::{Progress, Settings, pool_or_own_thread};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Verifies all records of the compressed backup `file`; says why if it cannot be opened.
pub(super) fn verify(
    file: &DataFile,
    settings: &Settings<'_>,
    progress: &dyn Progress,
    must_stop: &dyn Fn() -> bool,
) -> Result<Verified, String> {
    let mut reader = Reader::open(file, settings)
        .map_err(|error| format!("could not be opened: {}", explain(&error)))?;
    let told = AtomicU64::new(0);
    let mut read = |offset: u64, bytes: &mut [u8]| reader.read(offset, bytes);
    let mut tell = |at: u64| {
        progress.advance(at.saturating_sub(told.swap(at, Ordering::Relaxed)));
        !must_stop()
    };
    Ok(compressed::verify(&mut read, file.bytes, &mut tell))
}

/// A file that is read from its beginning to its end, in the way of the scan.
struct Reader {
    source: Box<dyn PageSource>,
    plain: File,
    throttle: Throttle,
    whole_bytes: u64,
    room: Vec<Page>,
}

impl Reader {
    fn open(file: &DataFile, settings: &Settings<'_>) -> io::Result<Self> {
        Ok(Self {
            source: open_unchanged(file, settings.open)?,
            plain: File::open(&file.path)?,
            throttle: Throttle::new(&settings.pace, &Device::of(file.device)),
            whole_bytes: file.bytes / PAGE_BYTES as u64 * PAGE_BYTES as u64,
            room: Vec::new(),
        })
    }

    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        while let Err(wait) = self.throttle.admit(bytes.len() as u64) {
            std::thread::sleep(wait);
        }
        let is_aligned = offset.is_multiple_of(PAGE_BYTES as u64);
        let end = (offset + bytes.len() as u64).min(self.whole_bytes);
        let pages = end.saturating_sub(offset) / PAGE_BYTES as u64;
        if !is_aligned || pages == 0 || offset / PAGE_BYTES as u64 + pages > u64::from(u32::MAX) {
            return self.read_plain(offset, bytes);
        }
        let (whole, tail) = bytes.split_at_mut(pages as usize * PAGE_BYTES);
        self.read_pages(offset, whole)?;
        self.read_plain(offset + whole.len() as u64, tail)
    }

    fn read_pages(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let first = (offset / PAGE_BYTES as u64) as u32;
        let range = PageRange::between(first, first + (bytes.len() / PAGE_BYTES) as u32);
        let copied = self.source.lend_mapped(range, &mut |at, pages| {
            let at = (at.0 - first) as usize * PAGE_BYTES;
            let pages: &[u8] = bytemuck::cast_slice(pages);
            bytes[at..at + pages.len()].copy_from_slice(pages);
        });
        if copied {
            return Ok(());
        }
        let room = aligned(&mut self.room, range.pages as usize);
        let read = self.source.fill(PageId(first), room);
        read.map_err(|error| io::Error::other(error.to_string()))?;
        bytes.copy_from_slice(bytemuck::cast_slice(room));
        Ok(())
    }

    /// What is no whole page.
    fn read_plain(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        if bytes.is_empty() {
            return Ok(());
        }
        self.plain.seek(SeekFrom::Start(offset))?;
        self.plain.read_exact(bytes)
    }
}

/// Adds what was found of the records of `file`, and what the backup says of itself. Says why if it
/// could not be read again for that.
pub(super) fn note(
    file: &DataFile,
    verified: &Verified,
    looked: &mut Looked,
) -> Result<(), String> {
    looked.tally.records = verified.records;
    looked.bytes_read += file.bytes;
    for fault in &verified.faults {
        looked.fault(fault.kind, fault.offset_bytes, fault.bytes, fault.text.clone());
    }
    looked.tally.faults_not_listed += verified.faults_not_listed;
    if file.backup.as_ref().is_some_and(|backup| backup.records.is_none()) {
        let media = media(file, verified).map_err(|error| explain(&error))?;
        looked.tally.faults_not_listed += media.as_ref().map_or(0, |m| m.faults_not_listed);
        for fault in media.iter().flat_map(|media| &media.faults) {
            // Where it is in the file cannot be told: it is an offset of what it unpacks to.
            let text = format!("{} (byte {} unpacked)", fault.text, fault.offset_bytes);
            looked.fault(fault.kind, 0, 0, text);
        }
        looked.tally.media = media;
        if looked.tally.media.is_none() {
            let Fault { kind, text, .. } = Fault::no_description();
            looked.fault(kind, 0, 0, text);
        }
    }
    Ok(())
}

/// What the backup says of itself; `None` if the record that would tell is damaged.
fn media(file: &DataFile, verified: &Verified) -> io::Result<Option<Media>> {
    let source = SizedFile::new(File::open(&file.path)?, file.bytes);
    let stream = Decompressed::new(&source, &verified.index);
    let media = match Media::read_unpacked(&stream) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
        read => read?,
    };
    Ok(media.map(|media| Media { classes: Vec::new(), not_protected: BTreeMap::new(), ..media }))
}

/// `discovery` with compressed backups as what they unpack to, and what was found of their
/// records.
pub(in crate::scrub) fn unpack(
    discovery: &Discovery,
    settings: &Settings<'_>,
    progress: &dyn Progress,
) -> Discovery {
    use rayon::prelude::*;
    let must_stop = || settings.stop.is_asked();
    let is_packed =
        |file: &&DataFile| file.kind == FileKind::CompressedBackup && file.backup.is_some();
    let packed: Vec<&DataFile> = discovery.files.iter().filter(is_packed).collect();
    progress.begin(packed.iter().map(|file| file.bytes).sum());
    let verify =
        |file: &&DataFile| (file.path.clone(), verify(file, settings, progress, &must_stop));
    let verified: Vec<_> = match pool_or_own_thread(settings.threads) {
        Some(pool) => pool.install(|| packed.par_iter().map(verify).collect()),
        None => packed.iter().map(verify).collect(),
    };
    progress.end();
    let mut unpacked = discovery.clone();
    for (path, verified) in verified {
        match verified {
            Ok(verified) if verified.stopped => {}
            Ok(verified) => {
                unpacked.unpack(&path, &verified);
                unpacked.verified.push((path, Arc::new(verified)));
            }
            Err(why) => unpacked.not_unpacked.push((path, why)),
        }
    }
    unpacked
}
