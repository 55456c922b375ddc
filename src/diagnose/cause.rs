//! Evidence in, the likely cause out: the first signature that fits (docs/causes.md).
//!
//! A cause is never more than its evidence: `certain` is said only where nothing else leaves the
//! same traces.

use super::evidence::{Evidence, Home, Sector, Slots};
use super::verdict::SuspectReason;
use crate::page::PAGE_SECTORS;
use crate::page::address::PageAddress;
use crate::page::torn::TornCheck;
use crate::read::ReadError;
use serde::{Deserialize, Serialize};

/// Sectors of noise that make a page look encrypted; a page's last ones may be free space.
const NOISE_SECTORS_MIN: usize = 14;
/// Random pages have 7,977 thousandths of a bit per byte, and hardly ever as few as this.
const RANDOM_MILLIBITS: u16 = 7_970;
/// Syndromes of so many bits: a few flips, or a small change.
const FEW_BITS: std::ops::RangeInclusive<u8> = 2..=3;
/// Bits of a syndrome that are as close together as this may come from one changed byte.
const BYTE_BITS: u32 = 8;
/// Bytes of the header.
const HEADER_BYTES: u16 = crate::page::header::HEADER_BYTES as u16;

/// What probably happened to a suspect page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The operating system could not read it.
    IoError,
    /// No two looks saw the same bytes.
    InFlux,
    /// In use, and nothing but zeros.
    Zeroed,
    /// A page of another place.
    Misplaced,
    /// What should be here lies further on or further back: bytes were inserted, or are missing.
    Shifted,
    /// A page of another place, where an older version of it stands.
    StaleHome,
    /// The first sectors are those of another page.
    PartOfAnotherPage,
    /// A write that the server was told had succeeded, and that never reached the disk.
    LostWrite,
    /// Only a part of the last write arrived.
    TornWrite,
    /// One bit, or a few, inverted.
    BitFlip,
    /// Some sectors, or all, hold zeros or a fill pattern or text.
    LostSectors,
    /// One block of 4 KiB is not this page's.
    LostBlock,
    /// Content of something that is no data file.
    Foreign,
    /// As random as encrypted bytes.
    Encrypted,
    /// Its protection flag is gone.
    FlagLost,
    /// No page header.
    Garbage,
    /// Changed in a way that leaves no signature.
    UnknownChange,
}

/// How sure a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Nothing else leaves this evidence.
    Certain,
    /// Little else does.
    Likely,
    /// Other causes are as good.
    Possible,
}

impl Cause {
    /// Its code, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::IoError => "io_error",
            Self::InFlux => "in_flux",
            Self::Zeroed => "zeroed",
            Self::Misplaced => "misplaced",
            Self::Shifted => "shifted",
            Self::StaleHome => "stale_home",
            Self::PartOfAnotherPage => "part_of_another_page",
            Self::LostWrite => "lost_write",
            Self::TornWrite => "torn_write",
            Self::BitFlip => "bit_flip",
            Self::LostSectors => "lost_sectors",
            Self::LostBlock => "lost_block",
            Self::Foreign => "foreign",
            Self::Encrypted => "encrypted",
            Self::FlagLost => "flag_lost",
            Self::Garbage => "garbage",
            Self::UnknownChange => "unknown_change",
        }
    }
}

impl Confidence {
    /// Its word, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

/// The likely cause of a page that is suspect for `reason`: the first signature that fits, in the
/// order of the table in docs/causes.md, so that what is more specific wins. Nothing is said of a
/// page without evidence but what its reason says.
pub fn of(
    reason: &SuspectReason,
    evidence: Option<&Evidence>,
    unsettled: bool,
) -> Option<(Cause, Confidence)> {
    use Confidence::{Certain, Likely, Possible};
    match reason {
        // What has no number is no error of the system's: the record that holds it is bad.
        // Where the file was cut, what did that is not known.
        SuspectReason::Unreadable(ReadError::Os { code: None, .. } | ReadError::Ended) => {
            return None;
        }
        SuspectReason::Unreadable(_) => return Some((Cause::IoError, Certain)),
        _ if unsettled => return Some((Cause::InFlux, Likely)),
        SuspectReason::Zeroed => return Some((Cause::Zeroed, Certain)),
        // Its bytes are as they were summed; a server may have written it so.
        SuspectReason::Inconsistent(_) => return None,
        SuspectReason::StalePage { .. } => return Some((Cause::LostWrite, Likely)),
        // Its former owner's content, or another page's under this id.
        SuspectReason::WrongObject { .. } => return Some((Cause::LostWrite, Possible)),
        _ => {}
    }
    let evidence = evidence?;
    let by_place = || match reason {
        SuspectReason::WrongPageId { found, .. } if found.can_exist() => Some(misplaced(evidence)),
        _ => None,
    };
    let by_torn_bits = || match reason {
        SuspectReason::TornPage(check) => torn(*check, evidence),
        _ => None,
    };
    let by_id = || match reason {
        SuspectReason::WrongPageId { expected, found } => Some(no_address(*expected, *found)),
        _ => None,
    };
    let cause = by_place()
        .or_else(|| one_bit(evidence))
        .or_else(|| head_of_another(evidence))
        .or_else(|| lost(evidence))
        .or_else(|| evidence.foreign.map(|_| (Cause::Foreign, Likely)))
        .or_else(|| noise(evidence))
        .or_else(by_torn_bits)
        .or_else(|| headless(evidence))
        .or_else(|| header_of_another(evidence))
        .or_else(|| broken(evidence))
        .or_else(|| unwritten(evidence))
        .or_else(|| flag_lost(reason, evidence))
        .or_else(|| few_bits(evidence))
        .or_else(by_id);
    Some(cause.unwrap_or((Cause::UnknownChange, Confidence::Possible)))
}

/// Its own check holds, so it is a whole page: that of another place. If that has a copy as well,
/// nothing else can have happened; else its id may have been changed before it was summed. Torn
/// bits hold half the time for a page whose sectors are those of two.
fn misplaced(evidence: &Evidence) -> (Cause, Confidence) {
    if let Some(part) = head_of_another(evidence) {
        return part;
    }
    match evidence.home {
        Some(Home::Older) => (Cause::StaleHome, Confidence::Likely),
        Some(Home::Same) => (Cause::Misplaced, Confidence::Certain),
        _ => (Cause::Misplaced, Confidence::Likely),
    }
}

/// A change of many bits leaves a syndrome of one bit once in 134 million pages. But fill over what
/// repeats itself, as allocation maps and free space do, may leave one more often; and where a
/// write arrived in part, what is missing may have differed in one bit, such as a flag in a row.
fn one_bit(evidence: &Evidence) -> Option<(Cause, Confidence)> {
    if !evidence.has_one_bit_syndrome() || (evidence.has_lost_flag && !is_the_flag(evidence)) {
        return None;
    }
    // No healthy page has fill where records are, so that it explains more than one bit does.
    if evidence.one_bit_explains || is_the_flag(evidence) {
        Some((Cause::BitFlip, Confidence::Likely))
    } else if evidence.sectors.has_word_fill(evidence.lost_sectors) {
        None
    } else {
        Some((Cause::BitFlip, Confidence::Possible))
    }
}

/// What stands in the place that it names begins with the same sectors, id and LSN included, and
/// goes on otherwise. A page that was misdirected as a whole and changed later is left like that,
/// too.
fn head_of_another(evidence: &Evidence) -> Option<(Cause, Confidence)> {
    evidence.foreign_sectors().map(|_| (Cause::PartOfAnotherPage, Confidence::Likely))
}

/// There is nothing to compare it with; but its slots, which stand at the end, are others than its
/// header counts. A header that was overwritten is left like that, too.
fn header_of_another(evidence: &Evidence) -> Option<(Cause, Confidence)> {
    let is_it = evidence.names_another && evidence.slots == Slots::Broken;
    is_it.then_some((Cause::PartOfAnotherPage, Confidence::Possible))
}

/// Its own check holds, and its id is none that a page can have.
fn no_address(expected: PageAddress, found: PageAddress) -> (Cause, Confidence) {
    let page_bits = (expected.page.0 ^ found.page.0).count_ones();
    match page_bits + (expected.file.0 ^ found.file.0).count_ones() {
        1 => (Cause::BitFlip, Confidence::Likely),
        _ => (Cause::Garbage, Confidence::Possible),
    }
}

/// The page would be right with its checksum flag.
fn is_the_flag(evidence: &Evidence) -> bool {
    evidence.has_lost_flag && evidence.candidate_bits == Some(1)
}

/// Where the slot array is sound, all of the fill could be the value of a long column.
fn lost(evidence: &Evidence) -> Option<(Cause, Confidence)> {
    let lost = evidence.lost_sectors;
    if lost.is_empty() {
        return None;
    }
    let is_half = [Sector::Zero, Sector::Pattern, Sector::Repeat].into_iter().any(|fill| {
        match evidence.sectors.half_of(fill) {
            // With the header in it, nobody knows what else there was.
            Some(0) => lost.has(0),
            Some(half) => lost.spans_half(half),
            None => false,
        }
    });
    let cause = if is_half { Cause::LostBlock } else { Cause::LostSectors };
    Some((cause, if is_witnessed(evidence) { Confidence::Likely } else { Confidence::Possible }))
}

/// Some of what fill stands on is known to have been something else.
fn is_witnessed(evidence: &Evidence) -> bool {
    let is_broken = matches!(evidence.slots, Slots::Broken | Slots::Unwritten);
    let is_changed = !evidence.header_is_sane || is_broken;
    is_changed && !evidence.lost_sectors.is_empty()
}

/// LOB pages hold noise where images were stored; their header and slots tell.
fn noise(evidence: &Evidence) -> Option<(Cause, Confidence)> {
    let is_page = evidence.header_is_sane && evidence.slots == Slots::Sound;
    let sectors = evidence.sectors.count(Sector::Noise);
    let is_random = evidence.entropy_millibits >= RANDOM_MILLIBITS && sectors == PAGE_SECTORS;
    if is_page {
        None
    } else if is_random && !evidence.header_is_sane {
        Some((Cause::Encrypted, Confidence::Likely))
    } else if sectors >= NOISE_SECTORS_MIN {
        Some((Cause::Encrypted, Confidence::Possible))
    } else {
        let is_half = evidence.sectors.half_of(Sector::Noise).is_some();
        is_half.then_some((Cause::LostBlock, Confidence::Likely))
    }
}

/// A write that was torn leaves the other of the two legal signatures; a flipped bit leaves none
/// of them. Sectors of fill or noise have any.
fn torn(check: TornCheck, evidence: &Evidence) -> Option<(Cause, Confidence)> {
    let wrong = check.expected ^ check.actual;
    let pairs: Vec<u32> = (0..PAGE_SECTORS).map(|k| wrong >> (2 * k) & 0b11).collect();
    let is_plain = |k: usize| evidence.sectors.sectors()[k] == Sector::Other;
    let changed = || (0..PAGE_SECTORS).filter(|k| pairs[*k] != 0);
    // What a page without the flag carries may be left over from long ago.
    if evidence.has_lost_flag || !evidence.header_is_sane || !changed().all(is_plain) {
        return None;
    }
    let is_legal = matches!(check.expected & 0b11, 1 | 2);
    let is_other_write = is_legal && changed().all(|k| pairs[k] == 0b11);
    match (is_other_write, changed().count(), wrong.count_ones()) {
        // An old sector, or two bits of one; the same the other way round for the header's.
        (true, 1 | 15, _) => Some((Cause::TornWrite, Confidence::Possible)),
        (true, 2.., _) => Some((Cause::TornWrite, Confidence::Likely)),
        (false, _, 1) => Some((Cause::BitFlip, Confidence::Likely)),
        // One bit of the header's own signature makes all others wrong in that bit.
        _ if !is_legal && is_uniform(&pairs[1..]) => Some((Cause::BitFlip, Confidence::Likely)),
        _ => None,
    }
}

/// All the same, and one bit each.
fn is_uniform(pairs: &[u32]) -> bool {
    pairs.iter().all(|pair| *pair == pairs[0] && pair.is_power_of_two())
}

/// Only the beginning is noise, beyond the header: encrypted in stripes, or overwritten.
fn headless(evidence: &Evidence) -> Option<(Cause, Confidence)> {
    match (evidence.header_is_sane, evidence.noise_head_bytes) {
        (true, _) => None,
        (false, Some(HEADER_BYTES) | None) => Some((Cause::Garbage, Confidence::Likely)),
        (false, Some(_)) => Some((Cause::Encrypted, Confidence::Possible)),
    }
}

fn broken(evidence: &Evidence) -> Option<(Cause, Confidence)> {
    let is_half = usize::from(evidence.breaks_at?) == crate::page::PAGE_BYTES / 2;
    Some((if is_half { Cause::LostBlock } else { Cause::TornWrite }, Confidence::Possible))
}

/// The sectors with the header arrived, those with the newest slots did not.
fn unwritten(evidence: &Evidence) -> Option<(Cause, Confidence)> {
    let is_it = evidence.slots == Slots::Unwritten;
    is_it.then_some((Cause::TornWrite, Confidence::Possible))
}

/// Or it was written while PAGE_VERIFY was NONE, and carries an older checksum or torn bits. But
/// these do not fit a page that was written again, unless by chance.
fn flag_lost(reason: &SuspectReason, evidence: &Evidence) -> Option<(Cause, Confidence)> {
    let fits = matches!(reason, SuspectReason::TornPage(check) if check.is_intact());
    let confidence = if fits { Confidence::Likely } else { Confidence::Possible };
    evidence.has_lost_flag.then_some((Cause::FlagLost, confidence))
}

/// Flips far apart are likelier than a change of so few bits; bits of one byte may be a changed
/// byte.
fn few_bits(evidence: &Evidence) -> Option<(Cause, Confidence)> {
    if !FEW_BITS.contains(&evidence.syndrome_bits?) {
        return None;
    }
    let syndrome = evidence.syndrome?.0;
    let fits_a_byte = (0..u32::BITS).any(|by| syndrome.rotate_left(by) < 1 << BYTE_BITS);
    let is_likely = !fits_a_byte && evidence.slots == Slots::Sound;
    Some((Cause::BitFlip, if is_likely { Confidence::Likely } else { Confidence::Possible }))
}

#[cfg(test)]
mod tests;
