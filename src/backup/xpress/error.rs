//! What can be wrong with packed bytes.

use std::fmt;

/// Why bytes could not be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecompressError {
    /// The input ends too early.
    Truncated,
    /// The code lengths of a block are not those of a Huffman code.
    Table,
    /// A match begins before the output does.
    Offset,
    /// A match is longer than what is due, or its length is written in a way that cannot be.
    Length,
    /// The output is full, and the input does not end there.
    NoEnd,
}

impl fmt::Display for DecompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the packed bytes end too early",
            Self::Table => "the code lengths are those of no Huffman code",
            Self::Offset => "a match begins before the first byte",
            Self::Length => "a match is longer than it can be",
            Self::NoEnd => "the packed bytes hold more than they should",
        })
    }
}

impl std::error::Error for DecompressError {}
