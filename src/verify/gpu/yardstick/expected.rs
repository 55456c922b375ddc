//! What a device must find out about the pages of an arena, by the plain reference.

use super::NotMeasured;
use crate::page::Page;
use crate::page::address::{FileId, PageAddress, PageId, PageRange};
use crate::read::arena::{BUFFER_PAGES, PageBuffer};
use crate::verify::gpu::word::{GROUP_PAGES, Word};

/// The file that the pages are of; page 0 is the first of buffer 0.
const FILE: FileId = FileId(1);
/// What is not compared: it differs from submission to submission.
const MARK: u32 = Word::DONE | Word::NONCE;

/// Words and sums of every buffer of an arena.
pub struct Expected {
    words: Vec<Word>,
    /// XOR of all words of each group.
    sums: Vec<u32>,
}

impl Expected {
    /// What is true of `pages`, all buffers of an arena.
    pub fn of(pages: &[PageBuffer]) -> Self {
        let (mut words, mut sums) = (Vec::new(), Vec::new());
        for (number, buffer) in pages.iter().enumerate() {
            let ids = Self::range(number).ids();
            words.extend(buffer.iter().zip(ids).map(|(page, id)| word(page, id)));
            sums.extend(buffer.chunks(GROUP_PAGES as usize).map(sum));
        }
        Self { words, sums }
    }

    /// The file that the pages are of.
    pub fn file() -> FileId {
        FILE
    }

    /// The pages of buffer `number`.
    pub fn range(number: usize) -> PageRange {
        let first = number as u32 * BUFFER_PAGES;
        PageRange::between(first, first + BUFFER_PAGES)
    }

    /// Words of buffer `number`, marks aside.
    pub fn words(&self, number: usize) -> &[Word] {
        &self.words[number * BUFFER_PAGES as usize..][..BUFFER_PAGES as usize]
    }

    /// Holds `words`, all of them marked, against those of buffer `number`.
    ///
    /// # Errors
    /// If they differ: which page it is.
    pub fn check(&self, number: usize, words: &[Word]) -> Result<(), NotMeasured> {
        let expected = self.words(number);
        let is_right = |(word, right): (&Word, &Word)| {
            word.checksum == right.checksum && word.meta & !MARK == right.meta & !MARK
        };
        let mut pairs = words.iter().zip(expected);
        let wrong = pairs.position(|pair| !is_right(pair));
        match wrong.or((words.len() < expected.len()).then_some(words.len())) {
            None => Ok(()),
            Some(page) => {
                let said = words.get(page).map_or("nothing".to_owned(), |word| format!("{word:?}"));
                let (id, right) = (Self::range(number).first.0 as usize + page, expected[page]);
                let what = format!("{said} for page {id} in memory; the reference says {right:?}");
                Err(NotMeasured::Wrong(what))
            }
        }
    }

    /// The sum of group `group` of buffer `number`.
    pub(super) fn sum(&self, number: usize, group: usize) -> u32 {
        self.sums[number * (BUFFER_PAGES / GROUP_PAGES) as usize + group]
    }
}

fn word(page: &Page, id: PageId) -> Word {
    Word::of(page, PageAddress::new(FILE, id), 0)
}

fn sum(group: &[Page]) -> u32 {
    group.iter().flat_map(Page::words).fold(0, |sum, word| sum ^ word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::arena::Arena;

    #[test]
    fn a_word_that_is_wrong_or_missing_is_noticed_and_a_mark_makes_no_difference() {
        let mut pages = Arena::new(2).unwrap().take(2).unwrap();
        pages[1][3].bytes_mut()[100] = 7;
        let expected = Expected::of(&pages);
        assert_eq!((expected.sum(1, 0), expected.sum(1, 1)), (7, 0));
        let mut words = expected.words(1).to_vec();
        for word in &mut words {
            word.meta |= 0xabcd << 16;
        }
        assert_eq!(expected.check(1, &words), Ok(()));
        assert!(expected.check(0, &words).is_err());
        assert!(expected.check(1, &words[..63]).is_err());
        words[3].checksum ^= 1;
        let wrong = expected.check(1, &words).unwrap_err().to_string();
        assert!(wrong.contains("page 67"), "{wrong}");
    }
}
