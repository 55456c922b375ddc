//! Chance that can be repeated: every draw is a pure function of seed, purpose and a number.
//!
//! Files and answer keys are compared bit by bit years later, so only generators with a published,
//! frozen stream are used: `SplitMix64` for single draws, xoshiro256++ for long ones.

use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rand_xoshiro::{SplitMix64, Xoshiro256PlusPlus};

/// A stream of random numbers.
pub(super) type Dice = Xoshiro256PlusPlus;

/// What a draw is for; draws for different purposes are independent. The numbers are part of the
/// file format of the drill: changing one changes every generated file.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Binding = 1,
    RunOwner = 2,
    PageInUse = 3,
    StalePfsBits = 4,
    FreeContent = 5,
    Fill = 6,
    Content = 7,
    Lsn = 8,
    Signature = 9,
    DiffMap = 10,
    Target = 11,
    Damage = 12,
    Source = 13,
    MediaSet = 14,
    Log = 15,
    BackupFault = 16,
    Identity = 17,
}

/// One number for (seed, purpose, n).
pub(super) fn draw(seed: u64, purpose: Purpose, n: u64) -> u64 {
    let key = SplitMix64::seed_from_u64(seed ^ (purpose as u64) << 56).next_u64();
    SplitMix64::seed_from_u64(key ^ n).next_u64()
}

/// A stream for (seed, purpose, n).
pub(super) fn dice(seed: u64, purpose: Purpose, n: u64) -> Dice {
    Dice::seed_from_u64(draw(seed, purpose, n))
}

/// A number in `0..end`.
pub(super) fn below(dice: &mut Dice, end: u64) -> u64 {
    ((u128::from(dice.next_u64()) * u128::from(end)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_never_change() {
        assert_eq!(draw(7, Purpose::RunOwner, 3), 328_713_926_082_318_947);
        assert_eq!(dice(7, Purpose::Content, 3).next_u64(), 3_799_626_035_013_284_608);
    }

    #[test]
    fn numbers_stay_below_their_end() {
        let mut dice = dice(1, Purpose::Target, 0);
        assert!((0..1000).all(|_| below(&mut dice, 3) < 3));
    }
}
