//! Transaction logs (section 9.1): page 0 is one, the rest is none.

use super::{Say, id, of_page, seal, u16_at, u32_at};

/// A log of what is a secondary file: the same page 0 but for id and filegroup, and log blocks.
pub fn from_secondary(mut bytes: Vec<u8>) -> Vec<u8> {
    let page = &mut bytes[..super::PAGE];
    page[36..38].copy_from_slice(&2_u16.to_le_bytes());
    for (column, value) in [(2, 2_u16), (3, 0)] {
        let at = variable(page, column);
        page[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    seal(page, 1);
    for (n, sector) in bytes[super::PAGE..].chunks_mut(super::SECTOR).enumerate() {
        let filling = (n * 37 + 11) as u8;
        sector.fill(filling);
        sector[0] = if n == 0 { 0xab } else { 0x40 | (n as u8 % 4) << 3 };
    }
    bytes
}

/// Where variable column `column` of the record of a file header begins, section 5.1.
fn variable(page: &[u8], column: usize) -> usize {
    let record = 96;
    let columns = usize::from(u16_at(page, record + 8));
    let count = record + 10 + columns.div_ceil(8);
    let ends = count + 2;
    match column {
        0 => ends + 2 * usize::from(u16_at(page, count)),
        _ => record + usize::from(u16_at(page, ends + 2 * (column - 1))),
    }
}

/// Pages that the record of a file header asks for; `None` where the record is none: whether it is
/// one, the lengths of its columns tell.
pub fn asked_for(page: &[u8]) -> Option<usize> {
    let record = &page[96..];
    let word = |at: usize| Some(usize::from(u16_at(record.get(at..at + 2)?, 0)));
    let columns = word(2)?;
    let count = columns + 2 + word(columns)?.div_ceil(8);
    let varying = word(count)?;
    let end = |n: usize| match n.checked_sub(1) {
        None => Some(count + 2 + 2 * varying),
        Some(before) => Some(word(count + 2 + 2 * before)? & 0x7fff),
    };
    let column = |n: usize| (n < varying).then(|| record.get(end(n)?..end(n + 1)?)).flatten();
    let lengths = [(0, 16), (2, 2), (3, 2), (4, 4)];
    let is_record = record[0] & 0x20 != 0
        && lengths.iter().all(|(n, bytes)| column(*n).is_some_and(|found| found.len() == *bytes));
    is_record.then(|| u32_at(column(4).unwrap_or(&[0; 4]), 0) as usize)
}

/// Page 0 of a log that was `healthy` is not right, or not of this log.
pub fn is_bad(page: &[u8], healthy: &[u8]) -> bool {
    let say = of_page(page, id(healthy), true);
    !matches!(say, Say::Checksum | Say::Torn)
}
