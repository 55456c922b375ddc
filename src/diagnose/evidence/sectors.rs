//! What each sector of a page holds: zeros, a fill pattern or text, noise, or anything else.

use crate::page::{PAGE_BYTES, PAGE_SECTORS, Page, SECTOR_BYTES};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// Pairs of equal bytes, each counted twice, that a sector of random bytes has: 1,022 on average,
/// with a standard deviation of 45. Five of them above that, and it is no noise. Of 20,224 sectors
/// of healthy pages in use one has as few.
const NOISE_EQUAL_PAIRS_MAX: u32 = 1250;

/// Bytes of the longest text that a fill repeats: those of recovery tools have 8 to 30.
pub(super) const FILL_TEXT_BYTES_MAX: usize = 64;
const WORD_BYTES: usize = 4;

/// One letter for each sector: `.` anything, `0` zeros, `p` one byte or word repeated, `r` up to 64
/// bytes repeated, `n` noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SectorMap([Sector; PAGE_SECTORS]);

/// What a sector holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sector {
    /// Nothing remarkable.
    #[default]
    Other,
    /// Zeros.
    Zero,
    /// One byte or word repeated.
    Pattern,
    /// A text, or any other 3 to 64 bytes, repeated: what recovery tools write for what they could
    /// not read.
    Repeat,
    /// Bytes as random as encrypted or compressed ones.
    Noise,
}

impl SectorMap {
    /// Looks at every sector of `page`.
    pub fn of(page: &Page) -> Self {
        Self::and_entropy(page).0
    }

    /// The same with the entropy of the bytes of `page`, in thousandths of a bit per byte: 7,977
    /// if they are random. Both count the same bytes.
    pub(super) fn and_entropy(page: &Page) -> (Self, u16) {
        let (mut map, mut counts) = (Self::default(), ByteCounts::default());
        for (is, sector) in map.0.iter_mut().zip(page.bytes().as_chunks().0) {
            *is = Sector::of(sector, counts.add(sector));
        }
        (map, entropy_millibits(&counts.all))
    }

    /// The same with sector `k` (below 16) as one of nothing remarkable.
    pub(super) fn without(mut self, k: usize) -> Self {
        self.0[k] = Sector::Other;
        self
    }

    /// The sectors in their order.
    pub fn sectors(&self) -> &[Sector; PAGE_SECTORS] {
        &self.0
    }

    /// How many sectors are `kind`.
    pub fn count(&self, kind: Sector) -> usize {
        self.0.iter().filter(|sector| **sector == kind).count()
    }

    /// How many sectors of zeros or of a fill pattern there are.
    pub fn fills(&self) -> usize {
        self.0.iter().filter(|sector| sector.is_fill()).count()
    }

    /// True if one of `sectors` is a byte or word repeated. Only such a fill leaves a syndrome of
    /// one bit more often than chance does.
    pub fn has_word_fill(&self, sectors: SectorSet) -> bool {
        sectors.iter().any(|k| self.0[k].is_word_fill())
    }

    /// The half (0 or 1) that is all of one `kind` where the other has none of it.
    pub fn half_of(&self, kind: Sector) -> Option<usize> {
        let (first, second) = self.0.split_at(PAGE_SECTORS / 2);
        let all = |half: &[Sector]| half.iter().all(|sector| *sector == kind);
        let none = |half: &[Sector]| half.iter().all(|sector| *sector != kind);
        match (all(first) && none(second), all(second) && none(first)) {
            (true, _) => Some(0),
            (_, true) => Some(1),
            _ => None,
        }
    }
}

/// How often each byte stands in the sectors of a page so far.
struct ByteCounts {
    /// Two tables that take bytes in turn: adding to a number that was just written waits for it.
    halves: [[u16; 256]; 2],
    /// Their sum.
    all: [u16; 256],
}

impl Default for ByteCounts {
    fn default() -> Self {
        Self { halves: [[0; 256]; 2], all: [0; 256] }
    }
}

impl ByteCounts {
    /// Counts the bytes of one more sector, and returns how many pairs of equal bytes it has, each
    /// counted twice. Nothing here can overflow, the bytes of a page being [`PAGE_BYTES`]; half of
    /// the time of judging a damaged page is spent here, a third more with checks.
    fn add(&mut self, sector: &[u8; SECTOR_BYTES]) -> u32 {
        for eight in sector.as_chunks::<8>().0 {
            // One load instead of eight.
            let bytes = u64::from_le_bytes(*eight);
            for k in 0..8 {
                let count = &mut self.halves[k % 2][usize::from((bytes >> (8 * k)) as u8)];
                *count = count.wrapping_add(1);
            }
        }
        let [one, other] = &self.halves;
        let mut squares = 0_i32;
        for ((all, one), other) in self.all.iter_mut().zip(one).zip(other) {
            let sum = one.wrapping_add(*other);
            let of_sector = i32::from(sum.wrapping_sub(*all).cast_signed());
            squares = squares.wrapping_add(of_sector.wrapping_mul(of_sector));
            *all = sum;
        }
        squares as u32 - SECTOR_BYTES as u32
    }
}

impl Sector {
    fn of(bytes: &[u8], equal_pairs: u32) -> Self {
        match period_bytes(bytes) {
            Some(1) if bytes.first() == Some(&0) => return Self::Zero,
            Some(period) if WORD_BYTES.is_multiple_of(period) => return Self::Pattern,
            Some(_) => return Self::Repeat,
            None => {}
        }
        if equal_pairs <= NOISE_EQUAL_PAIRS_MAX { Self::Noise } else { Self::Other }
    }

    /// Zeros, or a byte or word repeated.
    pub fn is_word_fill(self) -> bool {
        matches!(self, Self::Zero | Self::Pattern)
    }

    /// Zeros, a pattern, or a text repeated.
    pub fn is_fill(self) -> bool {
        matches!(self, Self::Zero | Self::Pattern | Self::Repeat)
    }
}

/// After how many bytes all of `sector` repeats itself, in whatever phase it begins.
pub(super) fn period_bytes(sector: &[u8]) -> Option<usize> {
    // Nearly always the first bytes tell that it does not: no comparison of memory for these.
    let word = |at: usize| sector.get(at..at + 8);
    let first = word(0);
    let repeats = |period: &usize| {
        let may_repeat = first.zip(word(*period)).is_none_or(|(a, b)| a == b);
        may_repeat && sector[..sector.len() - period] == sector[*period..]
    };
    (1..=FILL_TEXT_BYTES_MAX.min(sector.len())).find(repeats)
}

/// The entropy of a page that has each byte so often.
fn entropy_millibits(counts: &[u16; 256]) -> u16 {
    let counts = counts.iter().filter(|n| **n > 0).map(|n| usize::from(*n));
    let bits: f64 = counts.map(|n| n as f64 * BITS_OF_COUNT[n]).sum();
    (bits * 1000.0 / PAGE_BYTES as f64).round() as u16
}

/// By how often a byte stands on a page: the bits that each of them is worth. 256 logarithms for
/// each page would be most of its entropy's price.
static BITS_OF_COUNT: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let bits = |n: u32| (PAGE_BYTES as f64 / f64::from(n.max(1))).log2();
    (0..=PAGE_BYTES as u32).map(bits).collect()
});

/// Some of the sectors of a page; in JSON the list of their numbers, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<u8>", try_from = "Vec<u8>")]
pub struct SectorSet(u16);

impl SectorSet {
    /// Adds sector `k` (below 16).
    pub fn add(&mut self, k: usize) {
        self.0 |= 1_u16.checked_shl(k as u32).unwrap_or_default();
    }

    /// True if sector `k` is one of them.
    pub fn has(self, k: usize) -> bool {
        self.0.checked_shr(k as u32).is_some_and(|rest| rest & 1 == 1)
    }

    /// None.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Their numbers, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..PAGE_SECTORS).filter(move |k| self.has(*k))
    }

    /// Both ends of the half `half` (0 or 1), and nothing in the other half.
    pub fn spans_half(self, half: usize) -> bool {
        let first = half * PAGE_SECTORS / 2;
        let last = first + PAGE_SECTORS / 2 - 1;
        self.has(first) && self.has(last) && self.iter().all(|k| (first..=last).contains(&k))
    }
}

impl From<SectorSet> for Vec<u8> {
    fn from(set: SectorSet) -> Self {
        set.iter().map(|k| k as u8).collect()
    }
}

impl TryFrom<Vec<u8>> for SectorSet {
    type Error = String;

    fn try_from(numbers: Vec<u8>) -> Result<Self, String> {
        let mut set = Self::default();
        for number in numbers {
            if usize::from(number) >= PAGE_SECTORS {
                return Err(format!("a page has no sector {number}"));
            }
            set.add(usize::from(number));
        }
        Ok(set)
    }
}

impl From<SectorMap> for String {
    fn from(map: SectorMap) -> Self {
        let letter = |sector: &Sector| match sector {
            Sector::Other => '.',
            Sector::Zero => '0',
            Sector::Pattern => 'p',
            Sector::Repeat => 'r',
            Sector::Noise => 'n',
        };
        map.0.iter().map(letter).collect()
    }
}

impl TryFrom<String> for SectorMap {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let sector = |letter: u8| match letter {
            b'0' => Sector::Zero,
            b'p' => Sector::Pattern,
            b'r' => Sector::Repeat,
            b'n' => Sector::Noise,
            _ => Sector::Other,
        };
        let letters: [u8; PAGE_SECTORS] =
            text.as_bytes().try_into().map_err(|_| format!("{text:?} is no map of 16 sectors"))?;
        Ok(Self(letters.map(sector)))
    }
}
