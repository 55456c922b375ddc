//! Every engine equals the plain reference, bit for bit.

use super::*;
use crate::page::checksum;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

fn random_pages(count: usize, seed: u64) -> Vec<Page> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut pages = vec![Page::ZERO; count];
    for page in &mut pages {
        rng.fill_bytes(page.bytes_mut());
    }
    pages
}

fn engines() -> impl Iterator<Item = (String, Engine)> {
    let ordered = supported().flat_map(|kernel| {
        PageOrder::ALL
            .map(|order| (format!("{} {order:?}", kernel.name), Engine::with_order(kernel, order)))
    });
    let named = supported().map(|kernel| kernel.name).chain(["cycle", "auto", "cpu"]).map(|name| {
        (name.to_owned(), Engine::named(name).expect("a supported kernel can be had by name"))
    });
    ordered.chain(named)
}

fn sums_of(engine: &Engine, pages: &[Page]) -> Vec<Checksum> {
    let mut sums = vec![Checksum(0xdead_beef); pages.len()];
    engine.checksums(pages, &mut sums);
    sums
}

#[test]
fn every_engine_equals_the_reference_at_odd_batch_sizes() {
    for count in [0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 129] {
        let pages = random_pages(count, 7 + count as u64);
        let expected: Vec<_> = pages.iter().map(Checksum::of).collect();
        for (name, engine) in engines() {
            for _ in 0..2 * supported().count() {
                assert_eq!(sums_of(&engine, &pages), expected, "{name}, {count} pages");
            }
        }
    }
}

/// A single flipped bit always changes the difference between stored and computed: none of the
/// 65,536 can hide, and each shows as exactly one bit.
#[test]
fn every_single_bit_flip_is_seen_by_every_engine() {
    let mut clean = random_pages(1, 11)[0];
    checksum::seal(&mut clean);
    let syndrome = |page: &Page, sum: Checksum| sum.0 ^ Checksum::stored_in(page).0;
    for first_bit in (0..65_536).step_by(512) {
        let pages: Vec<Page> = (first_bit..first_bit + 512)
            .map(|bit: usize| {
                let mut page = clean;
                page.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
                page
            })
            .collect();
        for (name, engine) in engines() {
            for (i, (page, sum)) in pages.iter().zip(sums_of(&engine, &pages)).enumerate() {
                let ones = syndrome(page, sum).count_ones();
                assert_eq!(ones, 1, "{name}, bit {}", first_bit + i);
            }
        }
    }
}

#[test]
fn pages_inside_a_larger_buffer_are_summed_in_place() {
    let pages = random_pages(40, 5);
    let expected: Vec<_> = pages.iter().map(Checksum::of).collect();
    for (name, engine) in engines() {
        for start in 0..9 {
            let got = sums_of(&engine, &pages[start..40 - start]);
            assert_eq!(got, expected[start..40 - start], "{name} from {start}");
        }
    }
}

#[test]
fn an_unknown_engine_names_what_there_is() {
    let message = Engine::named("sse9").err().expect("no such kernel").to_string();
    assert!(message.contains("sse9") && message.contains("scalar"), "{message}");
}
