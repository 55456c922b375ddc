//! How the bytes of a batch reach a GPU.

/// A way for pages to where a shader reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// It reads the memory that the disk wrote to.
    HostImport,
    /// It copies that memory into its own.
    ImportCopy,
    /// The CPU writes into memory that the GPU reads.
    Mappable,
    /// The CPU writes into memory from which the GPU copies into its own.
    Copy,
}

impl Upload {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::HostImport => "host import (zero copy)",
            Self::ImportCopy => "import copy (one copy, by the GPU)",
            Self::Mappable => "mappable (one copy)",
            Self::Copy => "copy (two copies)",
        }
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::HostImport => "host_import",
            Self::ImportCopy => "import_copy",
            Self::Mappable => "mappable",
            Self::Copy => "copy",
        }
    }

    /// True if the device must have imported the memory that disks write to.
    pub fn is_import(self) -> bool {
        matches!(self, Self::HostImport | Self::ImportCopy)
    }
}
