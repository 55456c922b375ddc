//! What each fault does to the bytes of one page.

use super::chance::{Dice, below};
use super::fault::Fault;
use super::{blocks, foreign, junk, zone};
use crate::page::address::PageId;
use crate::page::checksum::Checksum;
use crate::page::header::{FLAG_CHECKSUM, HEADER_BYTES, PageHeader, Protection, TORN_BITS_OFFSET};
use crate::page::{PAGE_BYTES, PAGE_SECTORS, Page, SECTOR_BYTES, checksum, torn};
use rand_xoshiro::rand_core::Rng;
use std::ops::Range;

/// Bytes that ransomware encrypts in each stripe.
const STRIPE_BYTES: usize = 128;
const SIGNATURE_BITS: u8 = 0b11;
/// The bytes of `m_flagBits`.
const FLAG_BYTES: Range<usize> = 4..6;

/// A damaged page, and what was done to it.
pub(super) struct Damage {
    pub(super) page: Box<Page>,
    pub(super) detail: String,
}

/// The page that a misdirected write brings here.
pub(super) type Source = (PageId, Box<Page>);

/// What decides the damage besides the fault and the dice.
#[derive(Clone, Copy)]
pub(super) struct Conditions<'a> {
    /// Asks for a place that the page's protection can see.
    pub(super) aimed: bool,
    /// The other page, for faults that bring one here.
    pub(super) source: Option<&'a Source>,
    /// What a dead disk reads as: zeros, or noise.
    pub(super) reads_as_zeros: bool,
}

/// Damages `page`, which stands at `id`.
pub(super) fn damage(
    fault: Fault,
    page: &Page,
    id: PageId,
    dice: &mut Dice,
    conditions: Conditions<'_>,
) -> Damage {
    let Conditions { aimed, source, reads_as_zeros } = conditions;
    let mut after = Box::new(*page);
    let detail = match fault {
        Fault::BitFlip => flip_bit(&mut after, dice, aimed),
        Fault::ZeroPage => zero_page(&mut after),
        Fault::ZeroSector => zero_sector(&mut after, dice),
        Fault::TornWrite => tear(&mut after, dice),
        Fault::MisdirectedWrite => misdirect(&mut after, source),
        Fault::StaleChecksum => age_checksum(&mut after, dice),
        Fault::GarbageHeader => scramble_header(&mut after, dice),
        Fault::RansomwareStripe => encrypt(&mut after, dice),
        Fault::JunkOnFreePage => spill_junk(&mut after, id, dice),
        Fault::MultiBitFlip => flip_bits(&mut after, dice),
        Fault::PatternSectors => blocks::fill_sectors(&mut after, dice),
        Fault::LostBlock => blocks::lose_block(&mut after, dice, source),
        Fault::ForeignContent => foreign::overwrite(&mut after, dice),
        Fault::EncryptedPage => encrypt_all(&mut after, dice),
        Fault::LostFlag => clear_flag(&mut after),
        Fault::StaleHome => misdirect_newer(&mut after, dice, source),
        Fault::TornInsert => blocks::tear_insert(&mut after, dice),
        Fault::DeadMember | Fault::DeadZone => {
            let bytes =
                if reads_as_zeros { zero_page(&mut after) } else { encrypt_all(&mut after, dice) };
            format!("{bytes}; {}", zone::place_of(fault, id))
        }
    };
    Damage { page: after, detail }
}

/// Torn-page detection sees two bits of sectors 1 to 15 and nothing else, so an aimed flip of
/// such a page takes one of those.
fn flip_bit(page: &mut Page, dice: &mut Dice, aimed: bool) -> String {
    let torn = PageHeader::of(page).protection() == Protection::Torn;
    let (byte, bit) = if aimed && torn {
        let sector = 1 + below(dice, PAGE_SECTORS as u64 - 1) as usize;
        (signature_byte(sector), below(dice, 2))
    } else {
        (below(dice, PAGE_BYTES as u64) as usize, below(dice, 8))
    };
    page.bytes_mut()[byte] ^= 1 << bit;
    format!("bit {bit} of byte {byte} (sector {}) inverted", byte / SECTOR_BYTES)
}

/// The bits are in different columns, so that each shows in the checksum; never in the flags, which
/// say that there is one. On a torn-protected page they are in the signatures of different sectors.
fn flip_bits(page: &mut Page, dice: &mut Dice) -> String {
    let wanted = 2 + below(dice, 2) as usize;
    let torn = PageHeader::of(page).protection() == Protection::Torn;
    let mut bits: Vec<(usize, u32)> = Vec::new();
    while bits.len() < wanted {
        let bit = if torn { signature_bit(dice) } else { any_bit(dice) };
        let place = |&bit: &(usize, u32)| if torn { bit.0 } else { column(bit) };
        let is_apart = bits.iter().all(|other| place(other) != place(&bit));
        if is_apart && !FLAG_BYTES.contains(&bit.0) {
            bits.push(bit);
        }
    }
    bits.sort_unstable();
    for &(byte, bit) in &bits {
        page.bytes_mut()[byte] ^= 1 << bit;
    }
    let names: Vec<_> =
        bits.iter().map(|(byte, bit)| format!("bit {bit} of byte {byte}")).collect();
    format!("{} inverted", names.join(", "))
}

fn any_bit(dice: &mut Dice) -> (usize, u32) {
    (below(dice, PAGE_BYTES as u64) as usize, below(dice, 8) as u32)
}

fn signature_bit(dice: &mut Dice) -> (usize, u32) {
    let sector = 1 + below(dice, PAGE_SECTORS as u64 - 1) as usize;
    (signature_byte(sector), below(dice, 2) as u32)
}

/// The bit of the checksum that a bit of the page goes into.
fn column((byte, bit): (usize, u32)) -> usize {
    let is_stored = (TORN_BITS_OFFSET..TORN_BITS_OFFSET + 4).contains(&byte);
    let rotation = if is_stored { 0 } else { PAGE_SECTORS - 1 - byte / SECTOR_BYTES };
    (byte % 4 * 8 + bit as usize + rotation) % u32::BITS as usize
}

fn zero_page(page: &mut Page) -> String {
    *page = Page::ZERO;
    "all 8192 bytes set to zero".to_owned()
}

fn zero_sector(page: &mut Page, dice: &mut Dice) -> String {
    let sector = below(dice, PAGE_SECTORS as u64) as usize;
    page.bytes_mut()[sector * SECTOR_BYTES..][..SECTOR_BYTES].fill(0);
    format!("sector {sector} (bytes {} on) set to zero", sector * SECTOR_BYTES)
}

/// On a torn-protected page the old sectors carry the other signature; elsewhere they hold other
/// text.
fn tear(page: &mut Page, dice: &mut Dice) -> String {
    let first_old = 1 + below(dice, PAGE_SECTORS as u64 - 1) as usize;
    let torn = PageHeader::of(page).protection() == Protection::Torn;
    for sector in first_old..PAGE_SECTORS {
        if torn {
            page.bytes_mut()[signature_byte(sector)] ^= SIGNATURE_BITS;
        } else {
            rewrite_text(&mut page.bytes_mut()[sector * SECTOR_BYTES..][..SECTOR_BYTES], dice);
        }
    }
    format!("sectors {first_old} to {} hold an older version", PAGE_SECTORS - 1)
}

/// Changes the low bits of every byte, so that text stays text.
fn rewrite_text(bytes: &mut [u8], dice: &mut Dice) {
    for chunk in bytes.chunks_exact_mut(8) {
        let noise = (dice.next_u64() & 0x0f0f_0f0f_0f0f_0f0f).to_le_bytes();
        chunk.iter_mut().zip(noise).for_each(|(byte, noise)| *byte ^= noise);
    }
}

fn misdirect(page: &mut Page, source: Option<&Source>) -> String {
    match source {
        Some((id, content)) => {
            page.clone_from(content);
            format!("overwritten with page {id}")
        }
        None => "no other valid page to write here".to_owned(),
    }
}

/// Brings a version of the source here that is newer than the one that stands in its place.
fn misdirect_newer(page: &mut Page, dice: &mut Dice, source: Option<&Source>) -> String {
    let Some((id, content)) = source else { return misdirect(page, source) };
    let mut newer = torn::restored(content);
    let header = PageHeader::of_mut(&mut newer);
    header.lsn_block = header.lsn_block.saturating_add(1 + below(dice, 64) as u32);
    match header.protection() {
        Protection::Checksum => checksum::seal(&mut newer),
        // Every write takes the other signature.
        Protection::Torn => torn::seal(&mut newer, 3 - signature(content)),
        Protection::None => {}
    }
    page.clone_from(&newer);
    format!("overwritten with a newer version of page {id}, which was not written there")
}

/// The signature of a sound torn-protected page; 1 for others.
fn signature(page: &Page) -> u32 {
    if PageHeader::of(page).torn_bits & u32::from(SIGNATURE_BITS) == 2 { 2 } else { 1 }
}

fn clear_flag(page: &mut Page) -> String {
    let header = PageHeader::of_mut(page);
    if header.flag_bits & FLAG_CHECKSUM == 0 {
        return "it has no checksum flag".to_owned();
    }
    header.flag_bits &= !FLAG_CHECKSUM;
    "the checksum flag in m_flagBits is cleared".to_owned()
}

fn encrypt_all(page: &mut Page, dice: &mut Dice) -> String {
    *page = junk::noise(dice);
    "all 8192 bytes are noise".to_owned()
}

fn age_checksum(page: &mut Page, dice: &mut Dice) -> String {
    let mut older = *page;
    rewrite_text(&mut older.bytes_mut()[SECTOR_BYTES..], dice);
    let torn = PageHeader::of(page).protection() == Protection::Torn;
    let header = PageHeader::of_mut(page);
    if torn {
        header.torn_bits ^= u32::from(SIGNATURE_BITS);
        "the signature in m_tornBits is that of the write before".to_owned()
    } else {
        header.torn_bits = Checksum::of(&older).0;
        "m_tornBits is the checksum of an older version".to_owned()
    }
}

fn scramble_header(page: &mut Page, dice: &mut Dice) -> String {
    let noise = junk::noise(dice);
    page.bytes_mut()[..HEADER_BYTES].copy_from_slice(&noise.bytes()[..HEADER_BYTES]);
    format!("the first {HEADER_BYTES} bytes are noise")
}

fn encrypt(page: &mut Page, dice: &mut Dice) -> String {
    let keystream = junk::noise(dice);
    let bytes = page.bytes_mut()[..STRIPE_BYTES].iter_mut();
    bytes.zip(keystream.bytes()).for_each(|(byte, key)| *byte ^= key);
    format!("the first {STRIPE_BYTES} bytes are encrypted")
}

fn spill_junk(page: &mut Page, id: PageId, dice: &mut Dice) -> String {
    *page = junk::page(id, dice);
    "old disk content that looks like a damaged page".to_owned()
}

/// Offset of the byte of `sector` that carries the torn-page signature.
fn signature_byte(sector: usize) -> usize {
    sector * SECTOR_BYTES + SECTOR_BYTES - 1
}
