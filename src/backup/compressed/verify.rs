//! Verifies every record of a container by its own checksum, from beginning to end.

use super::index::{Place, Read, Wanted};
use super::item::{Item, LOOKAHEAD_BYTES};
use super::record::RecordHeader;
use super::walk::{Event, Fate, Walk, Window};
use super::{Lost, RecordIndex, Version, stated_version, version_of_records};
use crate::backup::{Fault, FaultKind};
use std::collections::VecDeque;
use std::io;
use std::ops::Range;

/// What is read at a time.
pub const CHUNK_BYTES: usize = 4 << 20;
/// Faults that are listed; more are counted.
pub const FAULTS_MAX: usize = 10_000;
/// Where reading fails, this much is given up.
const UNREADABLE_BYTES: usize = 4096;
/// Entries of the backup's own indices that are compared with where records are.
const CLAIMS_MAX: usize = 4096;

/// What the walk through a container found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Records whose payload agrees with its checksum.
    pub records: u64,
    /// Their bytes in the file.
    pub bytes_verified: u64,
    /// What all records unpack to.
    pub uncompressed_bytes: u64,
    /// File marks: one behind the description of the medium, two for each backup set.
    pub file_marks: u64,
    /// Bytes that pad blocks, which nothing protects and nobody needs.
    pub padding_bytes: u64,
    /// What is wrong, in the order of the file; at most [`FAULTS_MAX`].
    pub faults: Vec<Fault>,
    /// Faults beyond that.
    pub faults_not_listed: u64,
    /// Where the records are.
    pub index: RecordIndex,
    /// True if it was stopped before the end.
    pub stopped: bool,
}

impl Verified {
    /// Something is wrong with it.
    pub fn has_faults(&self) -> bool {
        !self.faults.is_empty() || self.faults_not_listed > 0
    }
}

/// Walks through a file of `bytes`, whose beginning is a [`super::Container`]'s.
///
/// `read` is asked for all of it, in order and in pieces of [`CHUNK_BYTES`] at most, and for little
/// in the end; what it cannot read is tried again in smaller pieces. `progress` is told up to where
/// the file was walked, and answers whether to go on. Holds two pieces in memory, 16 bytes for each
/// MiB that is unpacked, and the faults.
pub fn verify(
    read: &mut dyn FnMut(u64, &mut [u8]) -> io::Result<()>,
    bytes: u64,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Verified {
    let mut found = Found::default();
    let mut buffer = Vec::new();
    fill(read, bytes, 0, &mut buffer, &mut found);
    let version = found.begin(&buffer, bytes);
    let mut walk = Walk::new(version);
    let mut start = 0;
    loop {
        let window = Window { bytes: &buffer, start, file_bytes: bytes };
        while let Some(event) = walk.next(&window) {
            found.note(&event, &window);
        }
        found.verified.stopped = !progress(walk.at()) && walk.at() < bytes;
        if found.verified.stopped || walk.at() >= bytes {
            break;
        }
        buffer.drain(..((walk.at() - start) as usize).min(buffer.len()));
        start = walk.at();
        fill(read, bytes, start, &mut buffer, &mut found);
    }
    found.end(read, &walk, bytes)
}

/// Reads on behind `buffer`, which begins at `start`.
fn fill(read: &mut Read<'_>, bytes: u64, start: u64, buffer: &mut Vec<u8>, found: &mut Found) {
    let have = buffer.len();
    let more = bytes.saturating_sub(start + have as u64).min(CHUNK_BYTES as u64) as usize;
    buffer.resize(have + more, 0);
    let at = start + have as u64;
    if read(at, &mut buffer[have..]).is_err() {
        salvage(read, at, &mut buffer[have..], found);
    }
}

/// Reads what can be read; the rest is zeros, and a fault.
fn salvage(read: &mut Read<'_>, offset: u64, buffer: &mut [u8], found: &mut Found) {
    for (i, piece) in buffer.chunks_mut(UNREADABLE_BYTES).enumerate() {
        let at = offset + (i * UNREADABLE_BYTES) as u64;
        if let Err(error) = read(at, piece) {
            piece.fill(0);
            found.unreadable(at, piece.len() as u64, &error);
        }
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    verified: Verified,
    /// Stretches that could not be read, as far as the walk has not passed them.
    unreadable: VecDeque<(Range<u64>, String)>,
    claims: Vec<Claim>,
    /// Where the stream was at the last file mark: there a backup set begins.
    set_stream: u64,
}

/// What an index of the backup says: that the record at `offset` begins at `stream`.
struct Claim {
    index_offset: u64,
    stream: u64,
    offset: u64,
}

impl Found {
    /// Decides by `beginning` what the records of the file are those of.
    fn begin(&mut self, beginning: &[u8], file_bytes: u64) -> Version {
        let stated = stated_version(beginning);
        let by_word = stated.and_then(Version::of);
        let version = version_of_records(beginning).or(by_word).unwrap_or_default();
        self.verified.index = RecordIndex::new(version, file_bytes);
        if by_word != Some(version) {
            let number = version.number();
            let text = format!(
                "the container's version is not {number}, and its records are those of version \
                 {number}"
            );
            self.fault(FaultKind::Structure, 8..12, text);
        }
        version
    }

    fn note(&mut self, event: &Event, window: &Window<'_>) {
        match *event {
            Event::Record { offset, stream, stream_bytes, header, fate } => {
                let range = offset..offset + header.bytes() as u64;
                self.record(range, stream, stream_bytes, &header, fate);
            }
            Event::Other { offset, bytes, item, stream } => {
                self.other(offset..offset + bytes, item, stream, window);
            }
            Event::Lost { lost, cut } => self.lost(lost, cut),
        }
    }

    fn record(
        &mut self,
        range: Range<u64>,
        stream: u64,
        stream_bytes: u64,
        header: &RecordHeader,
        fate: Fate,
    ) {
        let lost = Lost { from: range.start, to: range.end, stream, stream_bytes };
        match fate {
            Fate::Right => {
                self.verified.records += 1;
                self.verified.bytes_verified += range.end - range.start;
                self.verified.index.add(stream, range.start, stream_bytes);
            }
            Fate::BadSum => {
                let text = format!(
                    "a record of {} bytes fails its checksum, {:#010x}",
                    header.payload_bytes, header.checksum
                );
                self.verified.index.add(stream, range.start, stream_bytes);
                self.fault(FaultKind::RecordChecksum, range, text);
            }
            Fate::BadSize => {
                let text = format!(
                    "a record agrees with its checksum and does not unpack to the {} bytes that \
                     its header says",
                    header.uncompressed_bytes
                );
                self.verified.index.lose(lost);
                self.fault(FaultKind::Structure, range, text);
            }
        }
    }

    fn other(&mut self, range: Range<u64>, item: Item, stream: u64, window: &Window<'_>) {
        match item {
            Item::FileMark { intact } => {
                self.verified.file_marks += 1;
                self.set_stream = stream;
                if !intact {
                    let text = "a file mark fails its own check".into();
                    self.fault(FaultKind::DescriptorCheck, range, text);
                }
            }
            Item::Index { entries, intact: true, .. } => {
                let room = CLAIMS_MAX.saturating_sub(self.claims.len());
                let version = self.verified.index.version();
                let entries = version.index_entries(window.rest(range.start), entries);
                let claims = entries.take(room);
                let index_offset = range.start;
                let set = self.set_stream;
                self.claims.extend(claims.map(|(stream, offset)| {
                    let stream = set.saturating_add(stream);
                    Claim { index_offset, stream, offset }
                }));
            }
            Item::Index { .. } => {
                let text = "the index of a backup set fails its checksum".into();
                self.fault(FaultKind::RecordChecksum, range, text);
            }
            Item::Padding { .. } => self.verified.padding_bytes += range.end - range.start,
            Item::Record(_) | Item::Header => {}
        }
    }

    fn lost(&mut self, lost: Lost, cut: bool) {
        self.verified.index.lose(lost);
        let (kind, text) = if cut {
            (FaultKind::Truncated, "the file ends inside of what begins here")
        } else {
            (FaultKind::Structure, "no record begins here, and none of the bytes up to the next")
        };
        self.fault(kind, lost.from..lost.to, text.into());
    }

    /// Lists a fault, unless its bytes could not be read, which says more.
    fn fault(&mut self, kind: FaultKind, range: Range<u64>, text: String) {
        self.list_unreadable(range.start);
        let unreadable = self.unreadable.iter();
        let mut overlaps =
            unreadable.map(|(bad, _)| bad.start < range.end && range.start < bad.end);
        if overlaps.any(|overlaps| overlaps) {
            return;
        }
        let bytes = range.end - range.start;
        self.push(Fault { kind, offset_bytes: range.start, bytes, text });
    }

    fn push(&mut self, fault: Fault) {
        if self.verified.faults.len() < FAULTS_MAX {
            self.verified.faults.push(fault);
        } else {
            self.verified.faults_not_listed += 1;
        }
    }

    fn unreadable(&mut self, at: u64, bytes: u64, error: &io::Error) {
        let text = error.to_string();
        match self.unreadable.back_mut() {
            Some((range, said)) if range.end == at && *said == text => range.end += bytes,
            _ => self.unreadable.push_back((at..at + bytes, text)),
        }
    }

    /// Lists the stretches that could not be read and end at `before` or earlier.
    fn list_unreadable(&mut self, before: u64) {
        while self.unreadable.front().is_some_and(|(range, _)| range.end <= before) {
            let Some((range, text)) = self.unreadable.pop_front() else { return };
            let (kind, bytes) = (FaultKind::Unreadable, range.end - range.start);
            self.push(Fault { kind, offset_bytes: range.start, bytes, text });
        }
    }

    fn end(mut self, read: &mut Read<'_>, walk: &Walk, bytes: u64) -> Verified {
        self.list_unreadable(u64::MAX);
        self.verified.uncompressed_bytes = walk.stream();
        self.verified.index.set_block_bytes(walk.block_bytes());
        if !self.verified.stopped {
            self.check_claims(read);
            self.check_end(walk, bytes);
        }
        self.verified.faults.sort_by_key(|fault| (fault.offset_bytes, fault.kind));
        self.verified
    }

    fn check_end(&mut self, walk: &Walk, bytes: u64) {
        let said = self.verified.faults.iter().any(|fault| fault.kind == FaultKind::Truncated);
        if !walk.may_end() && !said {
            let text = "the file ends where no backup set does".into();
            self.fault(FaultKind::Truncated, bytes..bytes, text);
        }
    }

    /// The entries of the backup's indices tell where records begin in the stream. That finds a
    /// header whose size is wrong and looks right, and records that are missing without a trace.
    fn check_claims(&mut self, read: &mut Read<'_>) {
        if !self.verified.index.lost().is_empty() {
            return;
        }
        for claim in std::mem::take(&mut self.claims) {
            let Err(text) = self.check_claim(read, &claim) else { continue };
            self.fault(FaultKind::Structure, claim.index_offset..claim.index_offset, text);
        }
    }

    fn check_claim(&self, read: &mut Read<'_>, claim: &Claim) -> Result<(), String> {
        let place = self.verified.index.find(read, Wanted::Offset(claim.offset));
        let by_index = format!(
            "the index of the backup set has a record at byte {} of the file",
            claim.offset
        );
        match place {
            Err(_) => Err(format!("{by_index}, and none begins there")),
            Ok(Place { stream, .. }) if stream == claim.stream => Ok(()),
            Ok(Place { stream, .. }) => Err(format!(
                "{by_index} and {} of what it unpacks to; its records add up to {stream}",
                claim.stream
            )),
        }
    }
}

const _: () = assert!(CHUNK_BYTES > 2 * LOOKAHEAD_BYTES);
