//! Headers of descriptor blocks and of streams, each with its own 16-bit check
//! (docs/page-format.md, section 9.2). What stands behind them is not read here.

use super::extents::EXTENT_BYTES;

/// Bytes of the header that every descriptor block begins with.
pub const BLOCK_HEADER_BYTES: usize = 52;
/// Bytes of the header of a stream; its data follow at once.
pub const STREAM_HEADER_BYTES: usize = 22;
/// Descriptor blocks begin at multiples of this.
pub const BLOCK_ALIGNMENT_BYTES: u64 = 512;
/// Streams begin at multiples of this.
pub const STREAM_ALIGNMENT_BYTES: u64 = 4;
/// Media attribute of a stream: a `CSUM` stream follows.
pub const HAS_CHECKSUM: u16 = 0x100;
/// Bytes in front of page and log data that belong to neither.
pub const PAD_BYTES: u64 = 2;

/// Four letters that name a block or a stream.
pub type Tag = [u8; 4];

/// Types of descriptor blocks that are looked for where the chain of blocks is broken.
const BLOCK_TAGS: [&Tag; 14] = [
    b"TAPE", b"SFMB", b"SSET", b"VOLB", b"MSCI", b"MSDA", b"MSTL", b"MSLS", b"ESET", b"ESPB",
    b"EOTM", b"DIRB", b"FILE", b"CFIL",
];
const STREAM_TAGS: [&Tag; 9] =
    [b"RAID", b"SPAD", b"APAD", b"MQCI", b"MQDA", b"MQTL", b"CSUM", b"OTCP", b"TSMP"];

/// The header of a descriptor block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Type of the block.
    pub tag: Tag,
    /// From the beginning of the block to its first stream, in bytes.
    pub first_stream_bytes: u16,
    /// How far it stands behind the beginning of its set, in logical blocks.
    pub address: u64,
}

impl BlockHeader {
    /// What the bytes say, whether their check agrees or not.
    pub fn of(bytes: &[u8; BLOCK_HEADER_BYTES]) -> Self {
        let mut address = [0; 8];
        address.copy_from_slice(&bytes[20..28]);
        Self {
            tag: tag_at(bytes),
            first_stream_bytes: u16::from_le_bytes([bytes[8], bytes[9]]),
            address: u64::from_le_bytes(address),
        }
    }

    /// That of a block of which nothing is left.
    pub(super) fn lost(tag: Tag) -> Self {
        Self { tag, first_stream_bytes: 0, address: 0 }
    }

    /// The header, if its check agrees.
    pub fn checked(bytes: &[u8; BLOCK_HEADER_BYTES]) -> Option<Self> {
        let header = Self::of(bytes);
        (excess(bytes) == 0 && is_tag(header.tag)).then_some(header)
    }

    /// Of a type that backups are known to have.
    pub fn is_known(&self) -> bool {
        BLOCK_TAGS.contains(&&self.tag)
    }
}

/// The header of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHeader {
    /// What the stream holds.
    pub tag: Tag,
    /// Media attributes, see [`HAS_CHECKSUM`].
    pub media_attributes: u16,
    /// Bytes of data that follow.
    pub data_bytes: u64,
}

impl StreamHeader {
    /// What the bytes say, whether their check agrees or not.
    pub fn of(bytes: &[u8; STREAM_HEADER_BYTES]) -> Self {
        let mut data_bytes = [0; 8];
        data_bytes.copy_from_slice(&bytes[8..16]);
        Self {
            tag: tag_at(bytes),
            media_attributes: u16::from_le_bytes([bytes[6], bytes[7]]),
            data_bytes: u64::from_le_bytes(data_bytes),
        }
    }

    /// The header, if its check agrees.
    pub fn checked(bytes: &[u8; STREAM_HEADER_BYTES]) -> Option<Self> {
        let header = Self::of(bytes);
        (excess(bytes) == 0 && is_tag(header.tag)).then_some(header)
    }

    /// Page or log data.
    pub fn is_data(&self) -> bool {
        matches!(&self.tag, b"MQDA" | b"MQTL")
    }

    /// Of a known kind and with a length that SQL Server writes for it: whole extents, whole
    /// sectors of log, four bytes of checksum.
    pub fn is_plausible(&self) -> bool {
        let behind_pad = self.data_bytes.wrapping_sub(PAD_BYTES);
        match &self.tag {
            b"MQDA" => self.data_bytes == 0 || behind_pad.is_multiple_of(EXTENT_BYTES),
            b"MQTL" => self.data_bytes == 0 || behind_pad.is_multiple_of(BLOCK_ALIGNMENT_BYTES),
            b"CSUM" => self.data_bytes == 4,
            tag => STREAM_TAGS.contains(&tag),
        }
    }
}

/// The XOR of all 16-bit words of a header, its check included: 0 if the check agrees.
pub fn excess(header: &[u8]) -> u16 {
    header.chunks_exact(2).fold(0, |sum, word| sum ^ u16::from_le_bytes([word[0], word[1]]))
}

/// A damaged header as it is, then with each of its words changed so that the check agrees: the
/// true one is among them if the damage is inside one 16-bit word.
pub fn repairs<const N: usize>(header: [u8; N]) -> impl Iterator<Item = [u8; N]> {
    let [low, high] = excess(&header).to_le_bytes();
    let changed = move |word: usize| {
        let mut repaired = header;
        repaired[2 * word] ^= low;
        repaired[2 * word + 1] ^= high;
        repaired
    };
    std::iter::once(header).chain((0..N / 2).map(changed))
}

fn tag_at(bytes: &[u8]) -> Tag {
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

fn is_tag(tag: Tag) -> bool {
    tag.iter().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A real stream header: 56 extents of pages.
    const PAGES: [u8; STREAM_HEADER_BYTES] =
        [0x4d, 0x51, 0x44, 0x41, 0, 0, 2, 0, 2, 0, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x31, 0x10];

    #[test]
    fn a_header_is_what_it_says_if_its_check_agrees() {
        let header = StreamHeader::checked(&PAGES).unwrap();
        assert_eq!((&header.tag, header.data_bytes), (b"MQDA", 56 * EXTENT_BYTES + 2));
        assert!(header.is_data() && header.is_plausible());
        assert_eq!(StreamHeader::checked(&[0; STREAM_HEADER_BYTES]), None);
        assert_eq!(BlockHeader::checked(&[0; BLOCK_HEADER_BYTES]), None);
    }

    #[test]
    fn every_flipped_bit_is_seen_and_the_true_header_is_among_the_repairs() {
        for bit in 0..8 * STREAM_HEADER_BYTES {
            let mut damaged = PAGES;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(StreamHeader::checked(&damaged), None);
            assert!(repairs(damaged).any(|repaired| repaired == PAGES));
        }
    }
}
