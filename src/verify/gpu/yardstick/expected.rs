//! What a device must find out about the pages of an arena, by the plain reference.

use super::NotMeasured;
use crate::page::Page;
use crate::page::checksum::Checksum;
use crate::read::arena::{BUFFER_PAGES, PageBuffer};
use crate::verify::gpu::word::GROUP_PAGES;

/// Checksums and sums of every buffer of an arena.
pub struct Expected {
    checksums: Vec<Checksum>,
    /// XOR of all words of each group.
    sums: Vec<u32>,
}

impl Expected {
    /// What is true of `pages`, all buffers of an arena.
    pub fn of(pages: &[PageBuffer]) -> Self {
        let checksums = pages.iter().flat_map(|buffer| buffer.iter().map(Checksum::of)).collect();
        let groups = pages.iter().flat_map(|buffer| buffer.chunks(GROUP_PAGES as usize));
        Self { checksums, sums: groups.map(sum).collect() }
    }

    /// Checksums of buffer `number`.
    pub fn checksums(&self, number: usize) -> &[Checksum] {
        &self.checksums[number * BUFFER_PAGES as usize..][..BUFFER_PAGES as usize]
    }

    /// Holds `said` against the checksums of buffer `number`.
    ///
    /// # Errors
    /// If they differ: which page it is.
    pub fn check(&self, number: usize, said: &[Checksum]) -> Result<(), NotMeasured> {
        let expected = self.checksums(number);
        let wrong = said.iter().zip(expected).position(|(said, right)| said != right);
        match wrong.or((said.len() < expected.len()).then_some(said.len())) {
            None => Ok(()),
            Some(page) => {
                let said = said.get(page).map_or("nothing".to_owned(), Checksum::to_string);
                let (id, right) = (number * BUFFER_PAGES as usize + page, expected[page]);
                let what = format!("{said} for page {id} in memory; the reference says {right}");
                Err(NotMeasured::Wrong(what))
            }
        }
    }

    /// The sum of group `group` of buffer `number`.
    pub(super) fn sum(&self, number: usize, group: usize) -> u32 {
        self.sums[number * (BUFFER_PAGES / GROUP_PAGES) as usize + group]
    }
}

fn sum(group: &[Page]) -> u32 {
    group.iter().flat_map(Page::words).fold(0, |sum, word| sum ^ word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::arena::Arena;

    #[test]
    fn a_checksum_that_is_wrong_or_missing_is_noticed() {
        let mut pages = Arena::new(2).unwrap().take(2).unwrap();
        pages[1][3].bytes_mut()[100] = 7;
        let expected = Expected::of(&pages);
        assert_eq!((expected.sum(1, 0), expected.sum(1, 1)), (7, 0));
        let mut sums = expected.checksums(1).to_vec();
        assert_eq!(expected.check(1, &sums), Ok(()));
        assert!(expected.check(0, &sums).is_err());
        assert!(expected.check(1, &sums[..63]).is_err());
        sums[3].0 ^= 1;
        let wrong = expected.check(1, &sums).unwrap_err().to_string();
        assert!(wrong.contains("page 67"), "{wrong}");
    }
}
