//! The walk over the blocks and streams of a backup, from its first byte to its last: what they
//! say goes into [`Media`], what is wrong becomes a [`Fault`]. Each step moves forward, so it ends
//! whatever the bytes are.

use super::block::{
    BLOCK_ALIGNMENT_BYTES, BLOCK_HEADER_BYTES, BlockHeader, STREAM_ALIGNMENT_BYTES,
    STREAM_HEADER_BYTES, StreamHeader, Tag,
};
use super::class::{ByteClass, ClassMap};
use super::contents::Contents;
use super::media::{FAULTS_MAX, Media};
use super::order::Order;
use super::recover::{Found, Probe, aligned};
use super::{Fault, FaultKind, NotRead, ReadAt};

/// The most bytes that one search for a valid header looks through, and all of them together.
const SEARCH_BYTES_MAX: u64 = 64 << 20;
const SEARCHES_BYTES_MAX: u64 = 1 << 30;
/// The most extents, of all pages without a header, whose end is looked for: 64 GiB.
const LOST_EXTENTS_MAX: u64 = 1 << 20;
/// The most bytes of a block, up to its first stream, that are read: all its names fit.
const DESCRIPTOR_BYTES_MAX: u64 = 4096;
const BLOCK_HEADER: u64 = BLOCK_HEADER_BYTES as u64;
const STREAM_HEADER: u64 = STREAM_HEADER_BYTES as u64;

/// Where the walk stands.
pub(super) struct Walk<'a> {
    pub(super) source: &'a dyn ReadAt,
    probe: Probe<'a>,
    pub(super) file_bytes: u64,
    pub(super) at: u64,
    /// The block whose streams are walked; `None` where a block must begin.
    inside: Option<Tag>,
    pub(super) media: Media,
    pub(super) contents: Contents,
    pub(super) map: ClassMap,
    pub(super) order: Order,
    /// File marks stand between its blocks; what a compressed backup unpacks to has none.
    pub(super) has_marks: bool,
    search_bytes_left: u64,
    lost_extents_left: u64,
    /// A limit was reached.
    pub(super) is_stopped: bool,
}

impl<'a> Walk<'a> {
    /// A walk over `source`, which begins with `TAPE`.
    pub(super) fn new(source: &'a dyn ReadAt, has_marks: bool) -> Self {
        let file_bytes = source.bytes();
        Self {
            source,
            probe: Probe::new(source),
            file_bytes,
            at: 0,
            inside: None,
            media: Media { block_bytes: BLOCK_ALIGNMENT_BYTES as u32, ..Media::default() },
            contents: Contents::default(),
            map: ClassMap::new(file_bytes),
            order: Order::default(),
            has_marks,
            search_bytes_left: SEARCHES_BYTES_MAX,
            lost_extents_left: LOST_EXTENTS_MAX,
            is_stopped: false,
        }
    }

    /// Walks to the end.
    pub(super) fn run(mut self) -> Media {
        while self.at < self.file_bytes && !self.is_stopped {
            match self.inside {
                None => self.block(),
                Some(block) => self.stream(block),
            }
        }
        self.check_end();
        (self.media.classes, self.media.not_protected) = self.map.finish();
        self.media
    }

    fn block(&mut self) {
        let at = self.at;
        let Some(bytes) = self.array(at) else {
            return self.rest(at);
        };
        let sound = BlockHeader::checked(&bytes);
        let Some(header) = sound.or_else(|| self.repaired_block(bytes)) else {
            return self.resynchronise(at + 1, "no descriptor block stands where one must be");
        };
        self.map.mark(at + BLOCK_HEADER, ByteClass::BlockHeader);
        self.check_order(&header, sound.is_some());
        self.contents.count(&mut self.media.blocks, header.tag);
        match &header.tag {
            b"SFMB" => self.filemark(header),
            _ => self.descriptor(header),
        }
    }

    /// Fewer bytes than a block has: part of one, or something behind the end.
    fn rest(&mut self, at: u64) {
        if self.contents.has_ended(&self.media.blocks) {
            self.resynchronise(at, "something that is no descriptor block follows the last one");
        } else {
            self.truncated(at + BLOCK_HEADER, "the file ends inside a descriptor block");
        }
    }

    fn repaired_block(&mut self, bytes: [u8; BLOCK_HEADER_BYTES]) -> Option<BlockHeader> {
        let block_bytes = u64::from(self.media.block_bytes);
        let header = self.probe.repaired_block(self.at, bytes, block_bytes)?;
        let text = "a descriptor block fails its check; what follows shows what it was";
        self.fault(FaultKind::DescriptorCheck, self.at, BLOCK_HEADER, text);
        Some(header)
    }

    /// A soft filemark is one physical block. Its header has no room for 65,536 bytes; what it says
    /// then is not known.
    fn filemark(&mut self, header: BlockHeader) {
        let block_bytes = u64::from(self.media.block_bytes);
        let said = u64::from(header.first_stream_bytes);
        if said != block_bytes && u16::try_from(block_bytes).is_ok() {
            let text = "a soft filemark has not the length of a physical block";
            self.fault(FaultKind::Structure, self.at, BLOCK_HEADER, text);
        }
        let end = self.at.saturating_add(block_bytes);
        self.map.mark(end, ByteClass::Description);
        if end > self.file_bytes {
            return self.truncated(end, "the file ends inside a soft filemark");
        }
        self.at = end;
    }

    fn descriptor(&mut self, header: BlockHeader) {
        let (at, first) = (self.at, u64::from(header.first_stream_bytes));
        let is_place = first >= BLOCK_HEADER && first.is_multiple_of(STREAM_ALIGNMENT_BYTES);
        let length = if is_place { first } else { BLOCK_ALIGNMENT_BYTES };
        let length = length.min(DESCRIPTOR_BYTES_MAX).min(self.file_bytes - at);
        let block = self.vec(at, length).unwrap_or_default();
        self.begin(&header, &block);
        if is_place && self.has_stream(at + first) {
            self.map.mark(at + first, ByteClass::Description);
            (self.at, self.inside) = (at + first, Some(header.tag));
        } else if is_place && self.ends_before(at + first + STREAM_HEADER) {
            self.truncated(at + first + STREAM_HEADER, "the file ends inside a descriptor block");
        } else {
            let text = "a descriptor block says that its streams begin where none does";
            self.inside = Some(header.tag);
            self.resynchronise(at + BLOCK_HEADER, text);
        }
    }

    /// True if a stream begins at `at`, by a header that is valid or can be repaired.
    fn has_stream(&self, at: u64) -> bool {
        let repaired = || self.probe.repaired_stream(at, self.probe.array(at)?);
        self.probe.stream(at).or_else(repaired).is_some()
    }

    /// True if the file ends before `end`, and nothing that can be recognised is in between.
    fn ends_before(&self, end: u64) -> bool {
        let rest = || self.probe.search(self.at + BLOCK_HEADER, SEARCH_BYTES_MAX);
        end > self.file_bytes && rest().found.is_none()
    }

    fn stream(&mut self, block: Tag) {
        let Some(bytes) = self.array(self.at) else {
            let end = self.at + STREAM_HEADER;
            return self.truncated(end, "the file ends inside the header of a stream");
        };
        let header = StreamHeader::checked(&bytes).map(|header| (self.at, header));
        let header = header.or_else(|| self.repaired_stream(bytes, block));
        let Some((at, header)) = header else {
            return self.resynchronise(self.at, "no stream begins where one must");
        };
        self.map.mark(at, ByteClass::Unaccounted);
        self.walk_stream(at, &header, block);
    }

    /// A stream whose header, at the place of the walk, fails its check: where its header stands,
    /// or must have stood, and what it said.
    fn repaired_stream(
        &mut self,
        bytes: [u8; STREAM_HEADER_BYTES],
        block: Tag,
    ) -> Option<(u64, StreamHeader)> {
        let at = self.at;
        let lost = |probe: &Probe<'_>, left: &mut u64| {
            let mark = probe.lost_mark(at).map(|header| (at, header));
            mark.or_else(|| probe.lost_pages(at, left).filter(|_| &block == b"MSDA"))
        };
        let repaired = self.probe.repaired_stream(at, bytes).map(|header| (at, header));
        let found = repaired.or_else(|| lost(&self.probe, &mut self.lost_extents_left))?;
        let text = "the header of a stream fails its check; what follows shows what it was";
        self.fault(FaultKind::DescriptorCheck, at, STREAM_HEADER, text);
        Some(found)
    }

    fn walk_stream(&mut self, at: u64, header: &StreamHeader, block: Tag) {
        let data = at + STREAM_HEADER;
        self.map.mark(data, ByteClass::StreamHeader);
        let end = data.saturating_add(header.data_bytes);
        self.take(header, data, end.min(self.file_bytes));
        if end > self.file_bytes {
            return self.truncated(end, "the file ends inside a stream");
        }
        let closes = &header.tag == b"SPAD";
        if closes && !end.is_multiple_of(BLOCK_ALIGNMENT_BYTES) {
            let text = "a descriptor block ends where none can";
            self.fault(FaultKind::Structure, at, STREAM_HEADER, text);
        }
        let alignment = if closes { BLOCK_ALIGNMENT_BYTES } else { STREAM_ALIGNMENT_BYTES };
        let next = aligned(end, alignment).unwrap_or(u64::MAX);
        self.map.mark(next, ByteClass::Padding);
        self.at = next;
        self.inside = (!closes).then_some(block);
        if !closes && next >= self.file_bytes {
            self.truncated(next + STREAM_HEADER, "the file ends inside a descriptor block");
        }
    }

    /// Skips to the next valid header at or behind `from`.
    fn resynchronise(&mut self, from: u64, text: &str) {
        let start = self.at;
        let search = self.probe.search(from, SEARCH_BYTES_MAX.min(self.search_bytes_left));
        self.search_bytes_left = self.search_bytes_left.saturating_sub(search.searched_bytes);
        let next = match search.found {
            Some(Found::Block(at) | Found::Data(at, _)) => at,
            None => self.file_bytes,
        };
        let is_tail = search.found.is_none() && self.is_tail(from, search.searched_bytes);
        if !(is_tail && search.only_zeros) {
            self.fault(FaultKind::Structure, start, next - start, text);
            self.mark_gap();
        }
        let searched = from.saturating_add(search.searched_bytes);
        if search.found.is_none() && searched < self.file_bytes {
            self.not_read(searched, "nothing was recognised for so long that no more was searched");
        }
        self.order.lose();
        self.map.mark(next, ByteClass::Unaccounted);
        self.at = next;
        self.inside = match search.found {
            Some(Found::Data(_, header)) => Some(self.block_of(&header)),
            _ => None,
        };
    }

    /// True if nothing is open and all up to the end of the file was searched.
    fn is_tail(&self, from: u64, searched_bytes: u64) -> bool {
        let is_all = from.saturating_add(searched_bytes) >= self.file_bytes;
        is_all && self.inside.is_none() && self.contents.has_ended(&self.media.blocks)
    }

    /// The block that data without one belong to: the one that is walked, or one that is lost.
    fn block_of(&mut self, header: &StreamHeader) -> Tag {
        let block = if &header.tag == b"MQTL" { *b"MSTL" } else { *b"MSDA" };
        if self.inside != Some(block) {
            self.begin(&BlockHeader::lost(block), &[]);
        }
        block
    }

    fn check_end(&mut self) {
        let is_told = self.media.faults.iter().any(|fault| fault.kind == FaultKind::Truncated);
        if !is_told && self.media.not_read.is_none() && !self.contents.has_ended(&self.media.blocks)
        {
            let text = "the file ends before the end of its last backup set";
            self.fault(FaultKind::Truncated, self.file_bytes, 0, text);
        }
    }

    /// The file ends and must reach at least to `end`.
    fn truncated(&mut self, end: u64, text: &str) {
        let bytes = end.saturating_sub(self.file_bytes);
        self.fault(FaultKind::Truncated, self.file_bytes, bytes, text);
        self.at = self.file_bytes;
    }

    /// Ends the walk because a limit of ours is reached, which is no damage.
    pub(super) fn stop(&mut self, why: &str) {
        self.not_read(self.at, why);
        self.is_stopped = true;
    }

    fn not_read(&mut self, offset_bytes: u64, why: &str) {
        let why = why.to_owned();
        self.media.not_read.get_or_insert(NotRead { offset_bytes, why });
    }

    /// Notes a fault; one that there is no room for is counted.
    pub(super) fn fault(&mut self, kind: FaultKind, offset_bytes: u64, bytes: u64, text: &str) {
        let fault = Fault { kind, offset_bytes, bytes, text: text.to_owned() };
        if self.media.faults.len() >= FAULTS_MAX {
            self.media.faults_not_listed += 1;
        } else if self.media.faults.last() != Some(&fault) {
            self.media.faults.push(fault);
        }
    }

    /// How many faults there are so far.
    pub(super) fn fault_count(&self) -> u64 {
        self.media.faults.len() as u64 + self.media.faults_not_listed
    }

    fn array<const N: usize>(&mut self, at: u64) -> Option<[u8; N]> {
        self.vec(at, N as u64)?.try_into().ok()
    }

    /// `count` bytes at `at`, at most [`super::configuration::CONFIGURATION_BYTES_MAX`]; `None` if
    /// the file is shorter. What cannot be read is a fault, and zeros.
    pub(super) fn vec(&mut self, at: u64, count: u64) -> Option<Vec<u8>> {
        if at.checked_add(count)? > self.file_bytes {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(count).ok()?];
        if let Err(error) = self.source.read_exact_at(at, &mut bytes) {
            bytes.fill(0);
            self.fault(FaultKind::Unreadable, at, count, &error.to_string());
        }
        Some(bytes)
    }
}
