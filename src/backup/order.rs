//! Whether descriptor blocks stand where they were written, and whether all are there that must
//! be: what was cut out of a backup at the boundaries of blocks, or put in, leaves every header
//! and every stream as it was, and shows here only (docs/page-format.md, section 9.2.1).

use super::block::{BlockHeader, Tag};
use super::contents::ENDS_OF_SET;
use super::walk::Walk;
use super::{FaultKind, fields};

/// Addresses count in these.
const LOGICAL_BLOCK_BYTES: u64 = 1024;
/// Where the start of a set, `SSET`, says in which byte of the file it stands.
const SET_OFFSET: usize = 80;
/// Blocks whose order is known; among others anything may stand.
const ORDERED: [&Tag; 9] =
    [b"TAPE", b"SFMB", b"SSET", b"VOLB", b"MSCI", b"MSDA", b"MSTL", b"MSLS", b"ESET"];
/// Blocks that know how far they are from the start of their set.
const PLACED: [&Tag; 5] = [b"VOLB", b"MSCI", b"MSDA", b"MSTL", b"MSLS"];

/// What is known of the order of blocks.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The block before, unless something was lost since.
    before: Option<Tag>,
    /// Where the set begins, and the address that its start has.
    set: Option<(u64, u64)>,
    /// How much further on blocks of this set were written than they stand.
    moved_in_set: i128,
    /// The same of the starts of sets.
    moved_sets: i128,
    /// Faults that were known when the set began.
    faults_before: u64,
}

impl Order {
    /// Bytes were passed over that are of no block.
    pub(super) fn lose(&mut self) {
        self.before = None;
    }
}

impl Walk<'_> {
    /// A block with this header begins; `is_sound` if its header needed no repair.
    pub(super) fn check_order(&mut self, header: &BlockHeader, is_sound: bool) {
        let follows: &[&Tag] = match &header.tag {
            b"SFMB" => &[b"TAPE", b"MSLS", b"ESET"],
            b"SSET" if self.has_marks => &[b"SFMB"],
            b"ESET" if self.has_marks => &[b"SFMB", b"ESET"],
            _ => &[],
        };
        let before = self.order.before.replace(header.tag);
        let is_free = |before: &Tag| follows.is_empty() || !ORDERED.contains(&before);
        let fits = |before: Tag| is_free(&before) || follows.contains(&&before);
        if let Some(before) = before.filter(|before| !fits(*before)) {
            let [before, tag] = [before, header.tag].map(letters);
            self.gap(&format!(
                "a block {tag} follows upon {before}, which it never does: what stood between \
                 them is missing, or one of them is there twice"
            ));
        }
        if is_sound && PLACED.contains(&&header.tag) {
            self.check_address(header.address);
        }
    }

    /// The start of a set, with this address; `block` is empty if its bytes are lost.
    pub(super) fn begin_order(&mut self, address: u64, block: &[u8]) {
        let at = self.at;
        self.order.set = (!block.is_empty()).then_some((at, address));
        self.order.moved_in_set = 0;
        self.order.faults_before = self.fault_count();
        let said = fields::u64_at(block, SET_OFFSET).filter(|said| *said > 0 && self.has_marks);
        let Some(said) = said else { return };
        let moved = i128::from(said) - i128::from(at);
        let by = moved - std::mem::replace(&mut self.order.moved_sets, moved);
        if by != 0 {
            self.gap(&format!("{} before this backup set", moved_words(by)));
        }
    }

    fn check_address(&mut self, address: u64) {
        let Some((set_at, base)) = self.order.set else { return };
        let said = (i128::from(address) - i128::from(base)) * i128::from(LOGICAL_BLOCK_BYTES);
        let moved = said - i128::from(self.at - set_at);
        let by = moved - std::mem::replace(&mut self.order.moved_in_set, moved);
        if by != 0 {
            self.gap(&format!("{} before this block of the backup set", moved_words(by)));
            self.mark_gap();
        }
    }

    /// The set that is open ends: it must have had both of its descriptions, or something else is
    /// known to be wrong with it.
    pub(super) fn check_descriptions(&mut self, has: [bool; 2]) {
        if self.fault_count() > self.order.faults_before {
            return;
        }
        for (_, block) in has.into_iter().zip(["MSCI", "MSLS"]).filter(|(has, _)| !has) {
            self.gap(&format!("the description of the backup set in its block {block} is missing"));
        }
    }

    /// A set has another number of blocks that end it than all have.
    pub(super) fn wrong_ends(&mut self, ends: u32) {
        let text = format!("a backup set has {ENDS_OF_SET} blocks ESET at its end, not {ends}");
        self.gap(&text);
    }

    fn gap(&mut self, text: &str) {
        self.fault(FaultKind::Structure, self.at, 0, text);
    }
}

/// What it means that a block was written `by` bytes further on, compared with the one before it.
fn moved_words(by: i128) -> String {
    let bytes = by.unsigned_abs();
    if by > 0 {
        format!("{bytes} bytes are missing")
    } else {
        format!("{bytes} bytes too many stand")
    }
}

fn letters(tag: Tag) -> String {
    tag.map(char::from).iter().collect()
}
