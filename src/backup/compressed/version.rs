//! The two versions of the container, which differ in their tags and in how much room headers have.

/// A version of the container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// SQL Server 2008.
    One,
    /// All later ones that were seen.
    #[default]
    Two,
}

/// What an item begins with: a byte for what it is, one for what it unpacks to, and its length.
pub(super) const TAG_BYTES: usize = 4;

impl Version {
    /// Both.
    pub const ALL: [Self; 2] = [Self::One, Self::Two];

    /// The version that calls itself `number`.
    pub fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.number() == number)
    }

    /// What it calls itself.
    pub fn number(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// The header of the container; the first record follows.
    pub fn header_bytes(self) -> usize {
        match self {
            Self::One => 16,
            Self::Two => 480,
        }
    }

    /// The first byte of a record that is packed with LZ77 and Huffman codes.
    pub fn record_tag(self) -> u8 {
        self.tag(1)
    }

    /// The first byte of padding.
    pub(super) fn padding_tag(self) -> u8 {
        self.tag(4)
    }

    /// The first byte of an index.
    pub(super) fn index_tag(self) -> u8 {
        self.tag(12)
    }

    fn tag(self, kind: u8) -> u8 {
        match self {
            Self::One => 0x80 | kind,
            Self::Two => 0x20 | kind,
        }
    }

    /// Bytes without sense between a tag and what belongs to it.
    pub(super) fn gap_bytes(self) -> usize {
        match self {
            Self::One => 0,
            Self::Two => 20,
        }
    }

    /// So many headers of records in a row are no chance. Those of version 1 have no word that must
    /// be zero: one byte in 256 can begin one.
    pub(super) fn records_that_convince(self) -> u32 {
        match self {
            Self::One => 2,
            Self::Two => 1,
        }
    }

    /// The header of what carries no packed bytes.
    pub(super) fn bare_header_bytes(self) -> usize {
        TAG_BYTES + self.gap_bytes()
    }

    /// The header of a record, with the checksum of its payload.
    pub fn record_header_bytes(self) -> usize {
        self.bare_header_bytes() + super::WORD_BYTES
    }
}
