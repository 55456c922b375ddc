//! What must be said of a compressed backup (section 9.4): a sum covers every record, but for some
//! bytes that nobody wrote.

use super::dice::Dice;
use super::u32_at;
use std::ops::Range;

const FIRST: usize = 480;
const HEADER: usize = 28;

/// The records of a healthy one.
pub struct Packed {
    records: Vec<Range<usize>>,
}

/// The record at `at`, if its sum is right.
fn record(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let header = bytes.get(at..at + HEADER)?;
    let tag = u32_at(header, 0);
    let end = at + HEADER + (tag >> 16) as usize;
    let payload = bytes.get(at + HEADER..end)?;
    let mut sum = 0_u32;
    for word in payload.chunks(4) {
        let mut whole = [0; 4];
        whole[..word.len()].copy_from_slice(word);
        sum = sum.rotate_left(1) ^ u32::from_le_bytes(whole);
    }
    (tag & 0xff == 0x21 && sum == u32_at(header, 24)).then_some(at..end)
}

impl Packed {
    /// Of `bytes`: records follow each other, or begin anew with a block.
    pub fn of(bytes: &[u8]) -> Self {
        let (mut at, mut records) = (FIRST, Vec::new());
        while at < bytes.len() {
            at = match record(bytes, at) {
                Some(record) => {
                    records.push(record.clone());
                    record.end
                }
                None => (at + 1).next_multiple_of(super::SECTOR),
            };
        }
        let covered: usize = records.iter().map(Range::len).sum();
        assert!(covered * 100 > bytes.len() * 95, "{covered} bytes of {} in records", bytes.len());
        Self { records }
    }

    /// Where a change would be met by a reader.
    pub fn spot(&self, dice: &mut Dice) -> usize {
        let record = &self.records[dice.below(self.records.len())];
        match dice.below(3) {
            0 => dice.below(8 * super::PAGE),
            1 => record.start + dice.below(HEADER),
            _ => record.start + dice.below(record.len()),
        }
    }

    /// Exit codes that are right for `is`, a damaged copy of `was`.
    pub fn exit_codes(&self, was: &[u8], is: &[u8]) -> Vec<u8> {
        let last = self.records.last().map_or(0, |record| record.end);
        if is.len() < last {
            return vec![1, 3];
        }
        let changed = |range: &Range<usize>| was[range.clone()] != is[range.clone()];
        let is_broken = |at: &Range<usize>| {
            changed(&(at.start..at.start + 4))
                || changed(&(at.start + 24..at.start + HEADER))
                || record(is, at.start).as_ref() != Some(at)
        };
        if was[..8] != is[..8] || self.records.iter().any(is_broken) {
            return vec![1, 3];
        }
        // The record after it goes into its reserved bytes; all else is of no record.
        let mut loose: Vec<Range<usize>> =
            self.records.iter().map(|at| at.start + 20..at.start + 24).collect();
        let ends = self.records.iter().map(|at| at.end);
        let starts = self.records.iter().skip(1).map(|at| at.start);
        loose.extend(ends.zip(starts).map(|(end, start)| end..start));
        loose.push(8..FIRST);
        let is_loose = loose.iter().any(changed) || was[last..] != is[last..];
        if is_loose { vec![0, 1, 3] } else { vec![0] }
    }
}
