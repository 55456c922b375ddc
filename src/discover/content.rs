//! What a file holds that is neither a data file nor a log nor a backup: nothing, zeros, noise,
//! text, or something that may hold databases itself. Judged by its first bytes and by samples.

use super::sample::piece;
use crate::backup::ReadAt;
use crate::page::PAGE_BYTES;
use std::io;

/// Samples taken of a file, the first at its beginning and the last at its end.
const SAMPLES: u64 = 16;
/// Bytes of each.
const SAMPLE_BYTES: u64 = 16 << 10;
/// Bytes looked at for the mark of a format: to the superblock of Btrfs.
const BEGINNING_BYTES: u64 = 72 << 10;
/// Where a fixed VHD says what it is: in its last sector.
const FOOTER_BYTES: u64 = 512;

/// Fewer bytes are not called noise.
const NOISE_BYTES_MIN: usize = 256;
/// The chi-square statistic of random bytes (255 degrees of freedom) is above this once in 10^9.
const NOISE_CHI_SQUARE_MAX: f64 = 410.0;
/// Bytes of text that is not UTF-8 are mostly letters of ASCII where there are few of them, ...
const FEW_TEXT_BYTES: usize = 256;
/// ... in this many of a hundred.
const LETTERS_PERCENT_MIN: usize = 70;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Not a byte.
    Empty,
    /// Zeros wherever it was looked at.
    Zeros,
    /// As random as encrypted bytes.
    Noise,
    /// Text.
    Text,
    /// The text that Git LFS keeps in place of a large file.
    GitLfsPointer,
    /// A web page.
    Html,
    /// What may hold databases itself: an archive, an encrypted file, a disk.
    MayHold(&'static str),
    /// What stands beside databases and holds none.
    Beside(&'static str),
    /// Something else that is known.
    Other(&'static str),
    /// Nothing that is known.
    Unknown,
}

use Content::{Beside, MayHold, Other};

/// Bytes at an offset, and what they are the mark of. Marks of two bytes would be found in noise.
const MAGIC: [(usize, &[u8], Content); 49] = [
    (0, b"PAR2\0PKT", Beside("recovery data (PAR2)")),
    (0, b"\x1f\x8b\x08", MayHold("a gzip archive")),
    (0, b"PK\x03\x04", MayHold("a ZIP archive")),
    (0, b"PK\x05\x06", MayHold("a ZIP archive")),
    (0, b"PK\x07\x08", MayHold("a ZIP archive")),
    (0, b"7z\xbc\xaf\x27\x1c", MayHold("a 7-Zip archive")),
    (0, b"Rar!\x1a\x07", MayHold("a RAR archive")),
    (0, b"\x28\xb5\x2f\xfd", MayHold("a Zstandard archive")),
    (0, b"\xfd7zXZ\0", MayHold("an XZ archive")),
    (4, b"1AY&SY", MayHold("a bzip2 archive")),
    (0, b"\x04\x22\x4d\x18", MayHold("an LZ4 archive")),
    (0, b"LZIP\x01", MayHold("an lzip archive")),
    (0, b"\x5d\0\0", MayHold("an LZMA archive")),
    (0, b"\x1f\x9d\x90", MayHold("a compressed file (compress)")),
    (0, b"MSCF\0\0\0\0", MayHold("a cabinet")),
    (257, b"ustar", MayHold("a tar archive")),
    (0, b"age-encryption.org/", MayHold("a file encrypted with age")),
    (0, b"-----BEGIN AGE ENCRYPTED FILE", MayHold("a file encrypted with age")),
    (0, b"-----BEGIN PGP MESSAGE", MayHold("a file encrypted with OpenPGP")),
    (0, b"Salted__", MayHold("a file encrypted with OpenSSL")),
    (0, b"LUKS\xba\xbe", MayHold("an encrypted disk (LUKS)")),
    (3, b"-FVE-FS-", MayHold("an encrypted volume (BitLocker)")),
    (3, b"NTFS    ", MayHold("an NTFS volume")),
    (3, b"ReFS\0\0\0\0", MayHold("a ReFS volume")),
    (3, b"EXFAT   ", MayHold("an exFAT volume")),
    (0x52, b"FAT32   ", MayHold("a FAT volume")),
    (0, b"XFSB\0\0", MayHold("an XFS volume")),
    (512, b"LABELONE", MayHold("a physical volume (LVM)")),
    (0x1_0040, b"_BHRfS_M", MayHold("a Btrfs volume")),
    (0x8001, b"CD001", MayHold("a disk image (ISO 9660)")),
    (512, b"EFI PART", MayHold("a disk image with partitions (GPT)")),
    (4096, b"EFI PART", MayHold("a disk image with partitions (GPT)")),
    (0, b"vhdxfile", MayHold("a virtual disk (VHDX)")),
    (0, b"conectix", MayHold("a virtual disk (VHD)")),
    (0, b"QFI\xfb", MayHold("a virtual disk (qcow2)")),
    (0, b"KDMV", MayHold("a virtual disk (VMDK)")),
    (0, b"COWD", MayHold("a virtual disk (VMDK)")),
    (0, b"# Disk DescriptorFile", MayHold("the description of a virtual disk (VMDK)")),
    (0x40, b"\x7f\x10\xda\xbe", MayHold("a virtual disk (VDI)")),
    (0, b"%PDF-", Other("a PDF document")),
    (0, b"\x89PNG\r\n\x1a\n", Other("a PNG image")),
    (0, b"\xff\xd8\xff", Other("a JPEG image")),
    (0, b"GIF8", Other("a GIF image")),
    (0, b"\x7fELF", Other("a Linux program")),
    (0, b"MZ\x90\0", Other("a Windows program")),
    (0, b"SQLite format 3\0", Other("a SQLite database")),
    (4, b"Standard Jet DB", Other("an Access database")),
    (4, b"Standard ACE DB", Other("an Access database")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Other("an Office document")),
];

impl Content {
    /// What `file` holds. Where it cannot be read, nothing is seen; an error is one of reading its
    /// first bytes.
    pub(super) fn of(file: &dyn ReadAt) -> io::Result<Self> {
        let bytes = file.bytes();
        if bytes == 0 {
            return Ok(Self::Empty);
        }
        let beginning = piece(file, 0, BEGINNING_BYTES)?;
        let footer = piece(file, bytes.saturating_sub(FOOTER_BYTES), FOOTER_BYTES);
        Ok(by_mark(&beginning, &footer.unwrap_or_default())
            .unwrap_or_else(|| by_samples(&samples(file))))
    }

    /// What stands in place of pages where it is nothing that anybody would have put there.
    pub(super) fn lost(self) -> Option<&'static str> {
        match self {
            Self::Empty => Some("empty"),
            Self::Zeros => Some("zeros"),
            Self::Noise => Some("noise"),
            Self::Unknown => Some("unknown"),
            _ => None,
        }
    }

    /// Why a file that holds this is not scanned.
    pub(super) fn why(self, bytes: u64) -> String {
        let what = match self {
            Self::Empty => return "empty: not a single byte".to_owned(),
            Self::GitLfsPointer => {
                "a Git LFS pointer, not the file itself; fetch it with: git lfs pull"
            }
            Self::Html => "an HTML page, not a database file; was the download an error page?",
            Self::MayHold(what) | Self::Beside(what) | Self::Other(what) => {
                return format!("not a database file: {what}");
            }
            Self::Text => "not a database file: text",
            Self::Zeros => {
                "not a database file: nothing but zeros wherever it was looked at (if it should \
                 be one, all of it is lost: zeroed, or never written)"
            }
            Self::Noise => {
                "not a database file: noise, of which nothing is a page, a backup or text (if it \
                 should be one, all of it is lost: encrypted or overwritten)"
            }
            Self::Unknown => {
                "not a database file: neither its start nor most samples of it are pages (if it \
                 should be one, its beginning is lost, and perhaps not all of the rest: keep it)"
            }
        };
        let is_small = bytes < PAGE_BYTES as u64;
        let small = if is_small { "; smaller than one page of 8192 bytes" } else { "" };
        format!("{what}{small}")
    }
}

/// By marks of formats.
fn by_mark(beginning: &[u8], footer: &[u8]) -> Option<Content> {
    let is_here = |at: usize, mark: &[u8]| beginning.get(at..).is_some_and(|b| b.starts_with(mark));
    let known = MAGIC.iter().find(|(at, mark, _)| is_here(*at, mark));
    known
        .map(|(.., content)| *content)
        .or_else(|| footer.starts_with(b"conectix").then_some(MayHold("a virtual disk (VHD)")))
        .or_else(|| is_ext(beginning).then_some(MayHold("an ext volume")))
        .or_else(|| is_mbr(beginning).then_some(MayHold("a disk image with partitions (MBR)")))
        .or_else(|| by_first_words(beginning))
}

/// Texts that stand in place of something else.
fn by_first_words(beginning: &[u8]) -> Option<Content> {
    let text = String::from_utf8_lossy(&beginning[..beginning.len().min(256)]).to_lowercase();
    let words = text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']);
    if text.starts_with("version https://git-lfs") {
        Some(Content::GitLfsPointer)
    } else {
        let is_html = words.starts_with("<!doctype html") || words.starts_with("<html");
        is_html.then_some(Content::Html)
    }
}

/// The superblock of ext2, ext3 or ext4: its mark has two bytes only, so its neighbours count.
fn is_ext(beginning: &[u8]) -> bool {
    let Some(block) = beginning.get(1024..1024 + 104) else { return false };
    let u16_at = |at: usize| u16::from_le_bytes([block[at], block[at + 1]]);
    let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
    let (block_size, errors, revision) = (u32_at(24), u16_at(60), u32_at(76));
    u16_at(56) == 0xef53 && block_size <= 6 && (1..=3).contains(&errors) && revision <= 1
}

/// A partition table: its mark has two bytes only, so the entries count.
fn is_mbr(beginning: &[u8]) -> bool {
    let Some(table) = beginning.get(446..512) else { return false };
    let entries = table[..64].chunks_exact(16);
    let is_used = |entry: &[u8]| entry[4] != 0 && entry[8..].iter().any(|byte| *byte != 0);
    table[64..] == [0x55, 0xaa]
        && entries.clone().all(|entry| matches!(entry[0], 0 | 0x80))
        && entries.clone().all(|entry| is_used(entry) || entry.iter().all(|byte| *byte == 0))
        && entries.clone().any(is_used)
}

fn by_samples(samples: &[Vec<u8>]) -> Content {
    if samples.iter().all(Vec::is_empty) {
        Content::Unknown
    } else if samples.iter().flatten().all(|byte| *byte == 0) {
        Content::Zeros
    } else if are_text(samples) {
        Content::Text
    } else if is_noise(samples) {
        Content::Noise
    } else {
        Content::Unknown
    }
}

/// Pieces of `file`, the first at its beginning and the last at its end; all of a small file.
fn samples(file: &dyn ReadAt) -> Vec<Vec<u8>> {
    let bytes = file.bytes();
    if bytes <= SAMPLES * SAMPLE_BYTES {
        return piece(file, 0, bytes).into_iter().collect();
    }
    let last = u128::from(bytes - SAMPLE_BYTES);
    // UTF-16 must not be cut in the middle of a letter.
    let offset = |i: u64| (last * u128::from(i) / u128::from(SAMPLES - 1)) as u64 & !1;
    let pieces = (0..SAMPLES).map(|i| piece(file, offset(i), SAMPLE_BYTES));
    pieces.filter_map(Result::ok).collect()
}

/// In UTF-8, UTF-16 or letters of eight bits.
fn are_text(samples: &[Vec<u8>]) -> bool {
    let has_mark = |mark: [u8; 2]| samples.first().is_some_and(|first| first.starts_with(&mark));
    let is_marked = has_mark([0xff, 0xfe]) || has_mark([0xfe, 0xff]);
    let is_text = |sample: &Vec<u8>| {
        is_utf8(sample) || is_utf16(sample, is_marked) || is_eight_bit_text(sample)
    };
    !samples.is_empty() && samples.iter().all(is_text)
}

/// Letters may be cut at both ends.
fn is_utf8(sample: &[u8]) -> bool {
    let cut = sample.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    let text = match std::str::from_utf8(&sample[cut..]) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&sample[cut..cut + error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && !text.bytes().any(is_control)
}

/// In either order of bytes, without controls. Any pairs of bytes could be Chinese: where no mark
/// says that it is UTF-16, most letters must be western ones. Pairs may be cut at both ends.
fn is_utf16(sample: &[u8], is_marked: bool) -> bool {
    let is_so = |unit: fn([u8; 2]) -> u16| {
        let units = || sample.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let western = units().filter(|unit| *unit < 0x250).count();
        let is_fine = |unit: u16| u8::try_from(unit).map_or(unit != 0xfffe, |b| !is_control(b));
        let broken = char::decode_utf16(units()).filter(Result::is_err).count();
        let is_enough = is_marked || 2 * western > units().count();
        units().all(is_fine) && broken <= 2 && is_enough
    };
    is_so(u16::from_le_bytes) || is_so(u16::from_be_bytes)
}

/// No control at all, which 256 random bytes never have.
fn is_eight_bit_text(sample: &[u8]) -> bool {
    let letters = sample.iter().filter(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r'));
    let is_enough = sample.len() >= FEW_TEXT_BYTES
        || letters.count() * 100 >= sample.len() * LETTERS_PERCENT_MIN;
    is_enough && !sample.iter().copied().any(is_control)
}

/// A control that texts do not have: neither white space nor what terminals are told in logs.
fn is_control(byte: u8) -> bool {
    matches!(byte, 0..=6 | 14..=25 | 28..=31 | 127)
}

/// Every byte as often as in random ones.
fn is_noise(samples: &[Vec<u8>]) -> bool {
    let mut counts = [0_u64; 256];
    samples.iter().flatten().for_each(|byte| counts[usize::from(*byte)] += 1);
    let bytes: usize = samples.iter().map(Vec::len).sum();
    let expected = bytes as f64 / 256.0;
    let excess = |count: &u64| (*count as f64 - expected).powi(2) / expected;
    bytes >= NOISE_BYTES_MIN && counts.iter().map(excess).sum::<f64>() <= NOISE_CHI_SQUARE_MAX
}

#[cfg(test)]
mod tests;
