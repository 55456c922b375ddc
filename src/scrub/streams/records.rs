//! The records of compressed backups, verified by their own checksums; and what they unpack to.

use super::FoundBeside;
use super::in_order::{InOrder, Piece};
use super::lanes::Lanes;
use super::requests::Requests;
use crate::backup::ReadAt;
use crate::backup::compressed::{self, Decompressed, Verified};
use crate::backup::source::{SizedFile, Turns, TurnsOf};
use crate::backup::{Fault, Media};
use crate::discover::paths::explain;
use crate::discover::{DataFile, Discovery, FileKind};
use crate::page::PAGE_BYTES;
use crate::page::address::PageRange;
use crate::scrub::file::open_unchanged;
use crate::scrub::{Open, Progress, Settings, pool_or_own_thread};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Verifies all records of the compressed backup `file`; says why if it cannot be opened.
pub(super) fn verify(
    file: &DataFile,
    (open, requests): (Open<'_>, Requests<'_>),
    progress: &dyn Progress,
    must_stop: &dyn Fn() -> bool,
) -> Result<Verified, String> {
    let mut reader = Reader::open(file, open, requests)
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
struct Reader<'a> {
    pages: InOrder<'a>,
    plain: SizedFile,
}

impl<'a> Reader<'a> {
    fn open(file: &DataFile, open: Open<'_>, requests: Requests<'a>) -> io::Result<Self> {
        let source = open_unchanged(file, open)?;
        let whole = (file.bytes / PAGE_BYTES as u64).min(u64::from(u32::MAX)) as u32;
        let pages = InOrder::new(source, [PageRange::between(0, whole)], requests)?;
        Ok(Self { pages, plain: SizedFile::new(File::open(&file.path)?, file.bytes) })
    }

    /// Fills `bytes` from `offset` on.
    fn read(&mut self, mut offset: u64, mut bytes: &mut [u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let Some(copied) = self.copy(offset, bytes) else {
                return self.read_plain(offset, bytes);
            };
            offset += copied as u64;
            bytes = &mut bytes[copied..];
        }
        Ok(())
    }

    /// Copies what the piece around `offset` has; how much that is. `None` if there is none, if it
    /// was passed already or could not be read.
    fn copy(&mut self, offset: u64, bytes: &mut [u8]) -> Option<usize> {
        let end = |piece: &Piece| piece.range.offset_bytes() + piece.range.bytes();
        while self.pages.here().is_none_or(|piece| end(piece) <= offset) {
            if !self.pages.go_on() {
                return None;
            }
        }
        let piece = self.pages.here()?;
        let read: &[u8] = bytemuck::cast_slice(piece.pages().ok()?);
        let from = usize::try_from(offset.checked_sub(piece.range.offset_bytes())?).ok()?;
        let count = bytes.len().min(read.len() - from);
        bytes[..count].copy_from_slice(&read[from..from + count]);
        Some(count)
    }

    /// What is no whole page, is read again, or comes after the user wanted the scan to stop.
    fn read_plain(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.pages.lane().owe(bytes.len() as u64);
        self.plain.read_exact_at(offset, bytes)
    }
}

/// Adds what was found of the records of `file`, and what the backup says of itself. Says why if it
/// could not be read again for that.
pub(super) fn note(
    file: &DataFile,
    verified: &Verified,
    turns: Option<Arc<dyn Turns>>,
    looked: &mut FoundBeside,
) -> Result<(), String> {
    looked.tally.records = verified.records;
    looked.bytes_read += file.bytes;
    for fault in &verified.faults {
        looked.fault(fault.kind, fault.offset_bytes, fault.bytes, fault.text.clone());
    }
    looked.tally.faults_not_listed += verified.faults_not_listed;
    if file.backup.as_ref().is_some_and(|backup| backup.records.is_none()) {
        let media = media(file, verified, turns).map_err(|error| explain(&error))?;
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
fn media(
    file: &DataFile,
    verified: &Verified,
    turns: Option<Arc<dyn Turns>>,
) -> io::Result<Option<Media>> {
    let source = SizedFile::new(File::open(&file.path)?, file.bytes).in_turns(turns);
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
    let lanes = Lanes::new(packed.iter().map(|file| file.device), &settings.throttles);
    let sharers = settings.threads.max(1).min(packed.len());
    let verify = |file: &&DataFile| {
        let requests = Requests::new(lanes.of(file.device), sharers, must_stop);
        (file.path.clone(), verify(file, (settings.open, requests), progress, &must_stop))
    };
    let verified: Vec<_> = match pool_or_own_thread(settings.threads) {
        Some(pool) => pool.install(|| packed.par_iter().map(verify).collect()),
        None => packed.iter().map(verify).collect(),
    };
    progress.end();
    let turns_of: TurnsOf<'_> = &|device| settings.throttles.turns_of(device);
    let mut unpacked = discovery.clone();
    for (path, verified) in verified {
        match verified {
            Ok(verified) if verified.stopped => {}
            Ok(verified) => {
                unpacked.unpack(&path, &verified, turns_of);
                unpacked.verified.push((path, Arc::new(verified)));
            }
            Err(why) => unpacked.not_unpacked.push((path, why)),
        }
    }
    unpacked
}
