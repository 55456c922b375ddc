//! What the bytes of a damaged page tell about the cause. The drill knows what was there before; a
//! scan does not. So a cause is called decidable only if what is left differs from what any other
//! cause leaves, or from what a healthy page of that kind may hold.

use super::answer_key::Reason;
use super::blocks::{BLOCK_BYTES, row_area, slot_at};
use super::fault::Fault;
use crate::diagnose::cause::Cause;
use crate::page::header::{FLAG_CHECKSUM, PageHeader, Protection};
use crate::page::{PAGE_BYTES, PAGE_SECTORS, Page, SECTOR_BYTES};
use std::ops::Range;

/// Why a write that is missing at home is not seen.
pub(super) const HOME_WAS_STRUCK: &str = "the page's own place was struck as well";
const WAS_DAMAGED: &str = "the page was damaged before";
const NO_SUM: &str = "without a checksum nothing tells a few changed bits from many";
const NO_MARK: &str = "where there is a checksum, older sectors carry no mark of their own";
const ANY_CONTENT: &str = "old disk content may be anything";
const LITTLE_LOST: &str = "hardly anything was there";
const LOST_TO_THE_END: &str =
    "the first write of a page leaves the same if its last sectors never arrive";
const USUAL: &str = "pages of this kind hold long runs of one byte when healthy";
const BEGINS_ELSEWHERE: &str = "what lies beside the block looks the same, so its ends do not show";
const PAGE_LIKE: &str = "half of another page looks like an older version of this one's";
const HEADER_LIKE: &str = "the noise happens to look like a header";
const ROWS_AND_SECTORS: &str = "the rows that are missing left a sector of zeros";

/// Less than this many bytes of rows and slots lost are no sign.
const LOST_BYTES_MIN: usize = 64;
/// A run of one byte that rows of text and numbers do not have.
const RUN_BYTES_MAX: usize = 256;
/// Different bytes in a sector of noise: 221 on average, hardly ever fewer than this.
const NOISE_VALUES_MIN: usize = 190;

/// The cause that a scan must name, and whether it can.
#[derive(Clone, Copy)]
pub(super) struct Signature {
    pub(super) cause: Cause,
    /// A second name that is as right.
    pub(super) also: Option<Cause>,
    /// Why the bytes do not show it; `None` if they do.
    pub(super) silent_because: Option<&'static str>,
}

impl Signature {
    /// A cause that shows.
    pub(super) fn clear(cause: Cause) -> Self {
        Self { cause, also: None, silent_because: None }
    }

    fn silent(cause: Cause, because: &'static str) -> Self {
        Self { silent_because: Some(because), ..Self::clear(cause) }
    }

    fn shown_unless(cause: Cause, silent_because: Option<&'static str>) -> Self {
        Self { silent_because, ..Self::clear(cause) }
    }

    fn or(self, also: Cause) -> Self {
        Self { also: Some(also), ..self }
    }
}

/// A suspect page, before and after.
pub(super) struct Facts<'a> {
    pub(super) fault: Fault,
    pub(super) before: &'a Page,
    pub(super) after: &'a Page,
    /// Why it is suspect.
    pub(super) reason: Reason,
}

/// What `facts` show of the cause.
pub(super) fn of(facts: &Facts<'_>, was_healthy: bool) -> Signature {
    let signature = of_healthy(facts);
    // Content that replaces the whole page leaves no older damage.
    let is_replaced = matches!(signature.cause, Cause::Zeroed | Cause::Foreign | Cause::Encrypted);
    let moved = matches!(signature.cause, Cause::Misplaced | Cause::StaleHome);
    if was_healthy || is_replaced || moved {
        return signature;
    }
    Signature { silent_because: Some(WAS_DAMAGED), ..signature }
}

fn of_healthy(facts: &Facts<'_>) -> Signature {
    let had = PageHeader::of(facts.before).protection();
    match facts.fault {
        _ if facts.reason == Reason::Zeroed => Signature::clear(Cause::Zeroed),
        Fault::BitFlip | Fault::MultiBitFlip => flipped_bits(facts),
        Fault::LostFlag => Signature::clear(Cause::FlagLost).or(Cause::BitFlip),
        Fault::ZeroSector | Fault::PatternSectors => {
            Signature::shown_unless(Cause::LostSectors, hides_lost_sectors(facts))
        }
        Fault::LostBlock => lost_block(facts),
        Fault::TornWrite | Fault::StaleChecksum if had == Protection::Torn => {
            Signature::clear(Cause::TornWrite)
        }
        Fault::TornWrite => Signature::silent(Cause::TornWrite, NO_MARK),
        Fault::TornInsert => torn_insert(facts),
        Fault::StaleChecksum => Signature::clear(Cause::UnknownChange),
        Fault::MisdirectedWrite => Signature::clear(Cause::Misplaced),
        Fault::StaleHome => Signature::clear(Cause::StaleHome),
        Fault::GarbageHeader => {
            let is_sane = PageHeader::of(facts.after).is_sane();
            Signature::shown_unless(Cause::Garbage, is_sane.then_some(HEADER_LIKE))
        }
        // On one page it is a header of noise; that it is encryption shows in the period.
        Fault::RansomwareStripe => Signature::clear(Cause::Garbage).or(Cause::Encrypted),
        Fault::ForeignContent => Signature::clear(Cause::Foreign),
        Fault::ZeroPage => Signature::clear(Cause::Zeroed),
        Fault::EncryptedPage | Fault::DeadMember | Fault::DeadZone => {
            Signature::clear(Cause::Encrypted)
        }
        Fault::JunkOnFreePage => {
            Signature::silent(Cause::Encrypted, ANY_CONTENT).or(Cause::Garbage)
        }
    }
}

fn flipped_bits(facts: &Facts<'_>) -> Signature {
    let flags = |page: &Page| PageHeader::of(page).flag_bits;
    match PageHeader::of(facts.before).protection() {
        Protection::Checksum if flags(facts.after) & FLAG_CHECKSUM == 0 => {
            Signature::clear(Cause::FlagLost).or(Cause::BitFlip)
        }
        Protection::Checksum => Signature::clear(Cause::BitFlip),
        Protection::Torn | Protection::None => Signature::silent(Cause::BitFlip, NO_SUM),
    }
}

/// Why sectors of one repeated byte are no sign on this page.
fn hides_lost_sectors(facts: &Facts<'_>) -> Option<&'static str> {
    let lost = changed_sectors(facts);
    let bytes = lost.start * SECTOR_BYTES..lost.end * SECTOR_BYTES;
    let fill = *facts.after.bytes().get(bytes.start)?;
    if fill == 0 && lost.end == PAGE_SECTORS {
        return Some(LOST_TO_THE_END);
    }
    // Of a page without its header nothing is known but that a header was there.
    if lost.start == 0 {
        return None;
    }
    if used_bytes_in(facts.before, &bytes) < LOST_BYTES_MIN {
        return Some(LITTLE_LOST);
    }
    let signed = PageHeader::of(facts.before).protection() == Protection::Torn;
    (!signed && has_long_run(facts.before)).then_some(USUAL)
}

fn lost_block(facts: &Facts<'_>) -> Signature {
    let lost = changed_sectors(facts).start / (PAGE_SECTORS / 2);
    let half = |page: &Page, n: usize| page.bytes()[n * BLOCK_BYTES..][..BLOCK_BYTES].to_vec();
    let (bytes, other) = (half(facts.after, lost), half(facts.after, 1 - lost));
    let beside = other.chunks_exact(SECTOR_BYTES).nth(if lost == 0 { 0 } else { 7 });
    let adjoins = |is: fn(&[u8]) -> bool| beside.is_none_or(is);
    if is_zero(&bytes) {
        let little = used_bytes_in(facts.before, &(lost * BLOCK_BYTES..(lost + 1) * BLOCK_BYTES));
        let silent = match lost {
            1 => Some(LOST_TO_THE_END),
            _ if adjoins(is_zero) => Some(BEGINS_ELSEWHERE),
            _ if little < LOST_BYTES_MIN || has_long_run(facts.before) => Some(USUAL),
            _ => None,
        };
        Signature::shown_unless(Cause::LostBlock, silent).or(Cause::LostSectors)
    } else if bytes.chunks_exact(SECTOR_BYTES).all(is_noise) {
        let silent = adjoins(is_noise).then_some(BEGINS_ELSEWHERE);
        Signature::shown_unless(Cause::LostBlock, silent)
    } else if PageHeader::of(facts.after).address() != PageHeader::of(facts.before).address() {
        // The header is in it, and names the page whose block it is.
        Signature::clear(Cause::LostBlock).or(Cause::PartOfAnotherPage)
    } else {
        Signature::silent(Cause::LostBlock, PAGE_LIKE)
    }
}

/// Slots of zeros that the header counts show it, or the other signature; but not beside a
/// sector of zeros where rows should be.
fn torn_insert(facts: &Facts<'_>) -> Signature {
    if PageHeader::of(facts.before).protection() == Protection::Torn {
        return Signature::clear(Cause::TornWrite);
    }
    let slots = usize::from(PageHeader::of(facts.after).slot_count).min(PAGE_BYTES / 2);
    let lacks = (0..slots).any(|slot| facts.after.u16_at(slot_at(slot)) == 0);
    let rows = row_area(facts.after);
    let sectors = facts.after.bytes()[..rows.end].chunks_exact(SECTOR_BYTES);
    match (lacks, sectors.into_iter().any(is_zero)) {
        (false, _) => Signature::silent(Cause::TornWrite, NO_MARK),
        (true, true) => {
            Signature::silent(Cause::TornWrite, ROWS_AND_SECTORS).or(Cause::LostSectors)
        }
        (true, false) => Signature::clear(Cause::TornWrite),
    }
}

/// From the first sector that changed to the last.
fn changed_sectors(facts: &Facts<'_>) -> Range<usize> {
    let sector = |page: &Page, n: usize| {
        let mut bytes = [0; SECTOR_BYTES];
        bytes.copy_from_slice(&page.bytes()[n * SECTOR_BYTES..][..SECTOR_BYTES]);
        bytes
    };
    let is_changed = |n: &usize| sector(facts.before, *n) != sector(facts.after, *n);
    let first = (0..PAGE_SECTORS).find(is_changed).unwrap_or(0);
    let last = (0..PAGE_SECTORS).rev().find(is_changed).unwrap_or(0);
    first..last + 1
}

/// Bytes of rows and slots within `bytes`.
fn used_bytes_in(page: &Page, bytes: &Range<usize>) -> usize {
    let slots_bytes = 2 * usize::from(PageHeader::of(page).slot_count).min(PAGE_BYTES / 2);
    let shared =
        |used: Range<usize>| used.end.min(bytes.end).saturating_sub(used.start.max(bytes.start));
    shared(0..row_area(page).end) + shared(PAGE_BYTES - slots_bytes..PAGE_BYTES)
}

fn has_long_run(page: &Page) -> bool {
    let rows = &page.bytes()[row_area(page)];
    rows.chunk_by(|a, b| a == b).any(|run| run.len() > RUN_BYTES_MAX)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

fn is_noise(sector: &[u8]) -> bool {
    let mut seen = [false; 256];
    for &byte in sector {
        seen[usize::from(byte)] = true;
    }
    seen.into_iter().filter(|&seen| seen).count() >= NOISE_VALUES_MIN
}
