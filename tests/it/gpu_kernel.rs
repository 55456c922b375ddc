//! Every shader equals the plain reference, bit for bit, on the adapters of this machine.

#![cfg(feature = "gpu")]

use crate::harness::adapters::{GPUS, Gpu, UNTOUCHED};
use pagescrub::page::header::{FLAG_CHECKSUM, FLAG_TORN, HEADER_BYTES, PageHeader};
use pagescrub::page::{PAGE_BYTES, PAGE_SECTORS, Page, SECTOR_BYTES, checksum, torn};
use pagescrub::verify::gpu::pipeline::{Pipeline, Shader};
use pagescrub::verify::gpu::word::{GROUP_PAGES, Group, Word};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const NONCE: u16 = 0xc3a5;

/// What a test does to a healthy page.
type Edit = Box<dyn Fn(&mut Page)>;

fn edits<T: Copy + 'static>(
    values: impl IntoIterator<Item = T>,
    edit: fn(&mut Page, T),
) -> Vec<Edit> {
    let bound = values.into_iter().map(|value| Box::new(move |page: &mut Page| edit(page, value)));
    bound.map(|edit| edit as Edit).collect()
}

fn header_edits<T: Copy + 'static>(
    values: impl IntoIterator<Item = T>,
    edit: fn(&mut PageHeader, T),
) -> Vec<Edit> {
    let edit_page = move |value| move |page: &mut Page| edit(PageHeader::of_mut(page), value);
    values.into_iter().map(|value| Box::new(edit_page(value)) as Edit).collect()
}

fn random_pages(count: u32, seed: u64) -> Vec<Page> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut pages = vec![Page::ZERO; count as usize];
    for page in &mut pages {
        rng.fill_bytes(page.bytes_mut());
    }
    pages
}

/// A page of random rows that is in use, sealed with a checksum.
fn healthy(page_id: u32) -> Page {
    let mut page = random_pages(1, page_id.into())[0];
    *PageHeader::of_mut(&mut page) = PageHeader {
        header_version: 1,
        page_type: 1,
        flag_bits: FLAG_CHECKSUM | 0x8000,
        page_id,
        file_id: 3,
        free_data: 5000,
        slot_count: 10,
        free_count: 3000,
        ..bytemuck::Zeroable::zeroed()
    };
    checksum::seal(&mut page);
    page
}

fn edited(edits: &[Edit]) -> Vec<Page> {
    let mut pages: Vec<_> = (70_001..).take(edits.len()).map(healthy).collect();
    edits.iter().zip(&mut pages).for_each(|(edit, page)| edit(page));
    pages
}

/// Some pages of an arena that are neighbours.
#[derive(Clone, Copy)]
struct Stretch {
    first_page: u32,
    pages: u32,
}

impl Stretch {
    fn groups(self) -> impl Iterator<Item = Group> {
        Group::of_pages(self.first_page, self.pages, NONCE)
    }

    /// What its groups should make of `arena`; words without a page stay as they are.
    fn expected(self, arena: &[Page]) -> Vec<Word> {
        let pages = &arena[self.first_page as usize..][..self.pages as usize];
        let mut words: Vec<_> = pages.iter().map(|page| Word::of(page, NONCE)).collect();
        words.resize(words.len().next_multiple_of(GROUP_PAGES as usize), UNTOUCHED);
        words
    }
}

fn whole(arena: &[Page]) -> Stretch {
    Stretch { first_page: 0, pages: arena.len() as u32 }
}

/// The first word in which a kernel differs from the reference.
fn difference(
    (gpu, pipeline): (&Gpu, &Pipeline),
    arena: &[Page],
    stretches: &[Stretch],
) -> Option<String> {
    let groups: Vec<_> = stretches.iter().flat_map(|stretch| stretch.groups()).collect();
    let mut expected: Vec<_> = stretches.iter().flat_map(|s| s.expected(arena)).collect();
    expected.extend([UNTOUCHED; GROUP_PAGES as usize]);
    let words = gpu.words(pipeline, arena, &groups);
    assert_eq!(words.len(), expected.len());
    let differs = words.iter().zip(&expected).position(|(word, expected)| word != expected)?;
    Some(format!("word {differs}: {:?}, not {:?}", words[differs], expected[differs]))
}

fn check(arena: &[Page], stretches: &[Stretch]) {
    for gpu in GPUS.iter() {
        for shader in &gpu.shaders {
            let pipeline = Pipeline::new(&gpu.device, shader).expect("our own shader");
            let difference = difference((gpu, &pipeline), arena, stretches);
            assert_eq!(difference, None, "{} on {}", shader.name(), gpu.name);
        }
    }
}

fn check_edited(edits: &[Edit]) {
    let pages = edited(edits);
    check(&pages, &[whole(&pages)]);
}

fn protected() -> Vec<Edit> {
    let flags = [0, FLAG_TORN, FLAG_CHECKSUM, FLAG_TORN | FLAG_CHECKSUM];
    let others = flags.into_iter().chain((0..16).map(|bit| 1 << bit));
    let mut all = header_edits(others, |header, flags| header.flag_bits = flags);
    let spoilt = (0..PAGE_SECTORS).flat_map(|sector| (0..4).map(move |bits| (sector, bits)));
    for signature in [1, 2] {
        let spoilt = spoilt.clone().map(move |(sector, bits)| (signature, sector, bits));
        all.extend(edits(spoilt, |page, (signature, sector, bits)| {
            PageHeader::of_mut(page).flag_bits = FLAG_TORN;
            torn::seal(page, signature);
            match sector {
                0 => PageHeader::of_mut(page).torn_bits ^= u32::from(bits),
                _ => page.bytes_mut()[sector * SECTOR_BYTES + SECTOR_BYTES - 1] ^= bits,
            }
        }));
    }
    // The same illegal signature everywhere.
    all.extend(edits([0, 3], |page, signature: u8| {
        *page = Page::new(&[signature; PAGE_BYTES]);
    }));
    all
}

fn zeroed() -> Vec<Edit> {
    let zeros = edits([()], |page, ()| *page = Page::ZERO);
    let headless = edits([()], |page, ()| page.bytes_mut()[..HEADER_BYTES].fill(0));
    let nearly = (0..PAGE_BYTES).step_by(4).map(|at| at + at / 4 % 4);
    let nearly = edits(nearly, |page, at| {
        *page = Page::ZERO;
        page.bytes_mut()[at] = 0x10;
    });
    zeros.into_iter().chain(headless).chain(nearly).collect()
}

/// In such a number that the last group is not full.
fn everything() -> Vec<Edit> {
    let as_it_is = edits([()], |_, ()| {});
    protected().into_iter().chain(zeroed()).chain(as_it_is).collect()
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "PAGESCRUB_GPU_TESTS or REQUIRE_GPU is not 1")]
fn pages_of_every_protection_whole_and_torn() {
    check_edited(&protected());
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "PAGESCRUB_GPU_TESTS or REQUIRE_GPU is not 1")]
fn pages_of_zeros_and_nearly_so() {
    check_edited(&zeroed());
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "PAGESCRUB_GPU_TESTS or REQUIRE_GPU is not 1")]
fn random_pages_in_any_number() {
    for count in [1, 7, 8, 9, 63, 64, 65, 1000] {
        let pages = random_pages(count, count.into());
        check(&pages, &[whole(&pages)]);
    }
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "PAGESCRUB_GPU_TESTS or REQUIRE_GPU is not 1")]
fn every_single_bit_flip_of_a_sealed_page() {
    const AT_ONCE: u32 = 8192;
    for first_bit in (0..8 * PAGE_BYTES as u32).step_by(AT_ONCE as usize) {
        check_edited(&edits(first_bit..first_bit + AT_ONCE, |page, bit| {
            page.bytes_mut()[bit as usize / 8] ^= 1 << (bit % 8);
        }));
    }
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "PAGESCRUB_GPU_TESTS or REQUIRE_GPU is not 1")]
fn stretches_all_over_an_arena() {
    let arena = random_pages(300, 1);
    let stretches = [(290, 10), (0, 8), (64, 64), (64, 3), (299, 1)];
    check(&arena, &stretches.map(|(first_page, pages)| Stretch { first_page, pages }));
}

/// The subgroup shader, with its subgroups acted out in workgroup memory, so that adapters with
/// small ones can run it: `threads` in each, numbered in `order` by `local_invocation_index`.
fn acted_out(threads: u32, order: &str) -> Shader {
    let mut source = Shader::Subgroups.source().into_owned();
    let mut replace = |from: &str, to: &str| {
        assert_eq!(source.matches(from).count(), 1, "{from}");
        source = source.replace(from, to);
    };
    replace("@builtin(subgroup_id) subgroup: u32,", "@builtin(local_invocation_index) i: u32,");
    replace("@builtin(subgroup_size) subgroup_threads: u32,", "");
    replace("@builtin(subgroup_invocation_id) invocation: u32,", "");
    replace("let thread = subgroup * subgroup_threads + invocation;", "let thread = me;");
    replace("    let group = groups", &format!("    me = {order};\n    let group = groups"));
    replace("subgroupShuffleXor(sum, apart)", "shuffled(sum, apart)");
    let shuffled = format!(
        "var<private> me: u32;
        var<workgroup> exchanged: array<u32, GROUP_THREADS>;
        fn shuffled(sum: u32, apart: u32) -> u32 {{
            workgroupBarrier();
            exchanged[me] = sum;
            workgroupBarrier();
            let first = me - me % {threads}u;
            return exchanged[first + (me ^ apart) % {threads}u];
        }}"
    );
    Shader::Custom((source + &shuffled).into())
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "PAGESCRUB_GPU_TESTS or REQUIRE_GPU is not 1")]
fn the_subgroup_shader_acted_out_with_subgroups_of_every_size_with_room() {
    let pages = edited(&everything());
    let gpu = &GPUS[0];
    for threads in [32, 64, 128] {
        for order in ["i", "255u - i", "(i * 77u) % 256u"] {
            let shader = acted_out(threads, order);
            let pipeline = Pipeline::new(&gpu.device, &shader).expect("a valid shader");
            let difference = difference((gpu, &pipeline), &pages, &[whole(&pages)]);
            assert_eq!(difference, None, "{threads} threads, {order}");
        }
    }
    let too_small = Pipeline::new(&gpu.device, &acted_out(16, "i")).expect("a valid shader");
    assert!(difference((gpu, &too_small), &pages, &[whole(&pages)]).is_some());
}

/// One thing wrong with the shader, and a word shows it.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "PAGESCRUB_GPU_TESTS or REQUIRE_GPU is not 1")]
fn no_fault_in_a_shader_goes_unseen_by_these_tests() {
    let faults = [
        ("sum << 1u", "sum << 2u"),
        ("sum >> 31u", "sum >> 30u"),
        ("select(0u, first.w, lane == STORED_LANE)", "0u"),
        ("STORED_LANE: u32 = 3u", "STORED_LANE: u32 = 4u"),
        ("sector = 1u;", "sector = 2u;"),
        ("PAGE_SECTORS: u32 = 16u", "PAGE_SECTORS: u32 = 15u"),
        ("start + sector * LANES", "start + sector * LANES - LANES"),
        ("PAGE_VECTORS + lane", "PAGE_VECTORS"),
        ("v.x ^ v.y", "v.x ^ v.x"),
        ("^ v.z ^ v.w", "^ v.z"),
        ("group.first_page + page", "group.first_page"),
        ("(group.pages_and_nonce & NONCE)", "0u"),
        ("DONE | (", "("),
        ("apart > 0u", "apart > 1u"),
        ("sums[thread] ^= sums", "sums[thread] |= sums"),
        ("if lane < apart", "if lane < apart - 1u"),
        ("!= 0u || !is_in(group, page)", "!= 0u"),
        ("index * GROUP_PAGES + page", "index * GROUP_PAGES"),
    ];
    let pages = edited(&everything());
    assert!(!pages.len().is_multiple_of(GROUP_PAGES as usize), "the last group is not full");
    let gpu = &GPUS[0];
    let right = Shader::Portable.source();
    for (text, fault) in faults {
        assert_eq!(right.matches(text).count(), 1, "{text}");
        let spoilt = Shader::Custom(right.replace(text, fault).into());
        let pipeline = Pipeline::new(&gpu.device, &spoilt).expect(text);
        let difference = difference((gpu, &pipeline), &pages, &[whole(&pages)]);
        assert!(difference.is_some(), "{text} -> {fault} goes unseen");
    }
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "PAGESCRUB_GPU_TESTS or REQUIRE_GPU is not 1")]
fn a_shader_that_cannot_be_compiled_says_why() {
    let broken = ["fn main( {", "@compute @workgroup_size(1) fn other() {}"];
    for gpu in GPUS.iter() {
        for source in broken {
            let shader = Shader::Custom(source.into());
            let message = Pipeline::new(&gpu.device, &shader).expect_err("no such kernel");
            assert!(message.contains("main"), "{message}");
        }
    }
}
