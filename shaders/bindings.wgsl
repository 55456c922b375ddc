// What every shader is given and gives back; README.md has the contract.

const GROUP_THREADS: u32 = 256u;
const GROUP_PAGES: u32 = 8u;
const PAGE_VECTORS: u32 = 512u;

// Of a word's mark, as in src/verify/gpu/word.rs: it was written, and for which submission.
const DONE: u32 = 0x001u;
const NONCE: u32 = 0xffff0000u;

struct Group {
    first_page: u32,
    pages_and_nonce: u32,
}

@group(0) @binding(0) var<storage, read> pages: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> groups: array<Group>;
@group(0) @binding(2) var<storage, read_write> words: array<vec2<u32>>;

// The mark of each word of `group`.
fn mark(group: Group) -> u32 {
    return DONE | (group.pages_and_nonce & NONCE);
}

