// What is computed, and what each bit says; README.md has the contract. How the lanes of a page
// put their shares together, and the entry point, is in the file that follows this one:
// reduce_workgroup.wgsl or reduce_subgroup.wgsl.

// A sector is 32 vectors of four words: one for each lane, side by side, so that one load of all
// lanes is one stretch of memory.
const LANES: u32 = 32u;
const PAGE_SECTORS: u32 = 16u;

// The other bits of a word's `meta`.
const CHECKSUM: u32 = 0x002u;
const TORN: u32 = 0x004u;
const MISMATCH: u32 = 0x008u;
const TORN_BROKEN: u32 = 0x010u;
const ZERO: u32 = 0x020u;
const HEADER_ZERO: u32 = 0x040u;
const SANE: u32 = 0x080u;
const PLAUSIBLE: u32 = 0x100u;
const WRONG_ID: u32 = 0x200u;

// What lanes find is joined by OR. So a lane reports what it knows against these, and no report
// means that they hold.
const DENIED: u32 = ZERO | HEADER_ZERO | SANE | PLAUSIBLE;
// These a lane reports as they are.
const AFFIRMED: u32 = CHECKSUM | TORN | WRONG_ID;
// Lanes report a torn-page signature n as bit n above here.
const SIGNATURES_SHIFT: u32 = 16u;
// Nothing but the one or the other legal signature, 1 and 2.
const ALL_ONE: u32 = 2u;
const ALL_TWO: u32 = 4u;

// The page header, as in src/page/header.rs and src/page/kind.rs.
const PAGE_BYTES: u32 = 8192u;
const HEADER_BYTES: u32 = 96u;
const HEADER_LANES: u32 = 6u;
const HEADER_VERSION: u32 = 1u;
const FLAG_TORN: u32 = 0x100u;
const FLAG_CHECKSUM: u32 = 0x200u;
const FREE_COUNT_MAX: u32 = 8096u;
// Bit n: pages in use may have type n.
const TYPES_IN_USE: u32 = 0x0003af9eu;
// The lane whose first vector ends with m_tornBits. It also writes the word of its page.
const STORED_LANE: u32 = 3u;
// The lane that has the last byte of each sector.
const LAST_LANE: u32 = 31u;

// What one lane, or several together, know of a page.
struct Share {
    // x: part of the checksum, joined by XOR. y: findings, joined by OR.
    known: vec2<u32>,
    // Not joined: the stored checksum, in STORED_LANE.
    stored: u32,
}

fn joined(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2(a.x ^ b.x, a.y | b.y);
}

fn folded(v: vec4<u32>) -> u32 {
    return v.x ^ v.y ^ v.z ^ v.w;
}

fn is_in(group: Group, page: u32) -> bool {
    return page < min(group.pages_and_nonce & 0xffffu, GROUP_PAGES);
}

// What thread `thread` of a workgroup knows; nothing if its page is not in the group.
fn share(group: Group, thread: u32) -> Share {
    let page = thread / LANES;
    let lane = thread % LANES;
    if !is_in(group, page) {
        return Share();
    }
    let start = (group.first_page + page) * PAGE_VECTORS + lane;
    let first = pages[start];
    // Rotation distributes over XOR. So the sum is turned by one bit for each further sector, which
    // turns sector 0 by 15 bits and the last one not at all.
    var sum = folded(first) ^ select(0u, first.w, lane == STORED_LANE);
    var ones = first;
    var signatures = 0u;
    for (var sector = 1u; sector < PAGE_SECTORS; sector++) {
        let vector = pages[start + sector * LANES];
        sum = ((sum << 1u) | (sum >> 31u)) ^ folded(vector);
        ones |= vector;
        signatures |= signature(vector.w >> 24u);
    }
    let found = in_header(lane, first, group.page_id + page, group.file_id)
        | select(0u, signatures, lane == LAST_LANE)
        | select(0u, ZERO, any(ones != vec4(0u)));
    return Share(vec2(sum, found), first.w);
}

fn signature(byte: u32) -> u32 {
    return 1u << ((byte & 3u) + SIGNATURES_SHIFT);
}

// What vector `v` of the header, the one of lane `lane`, says.
fn in_header(lane: u32, v: vec4<u32>, page_id: u32, file_id: u32) -> u32 {
    if lane >= HEADER_LANES {
        return 0u;
    }
    var found = select(0u, HEADER_ZERO, any(v != vec4(0u)));
    switch lane {
        case 0u: { found |= of_kind(v.x) | of_flags(v.y); }
        case 1u: { found |= of_space(v.y >> 16u, v.w & 0xffffu, v.w >> 16u); }
        case 2u: { found |= select(WRONG_ID, 0u, v.x == page_id && (v.y & 0xffffu) == file_id); }
        case STORED_LANE: { found |= signature(v.w); }
        // The reserved bytes.
        default: { found |= select(0u, PLAUSIBLE, any(v != vec4(0u))); }
    }
    return found;
}

// The header's first word: m_headerVersion, m_type.
fn of_kind(word: u32) -> u32 {
    let page_type = (word >> 8u) & 0xffu;
    let is_in_use = page_type < 32u && ((TYPES_IN_USE >> (page_type & 31u)) & 1u) == 1u;
    return select(SANE | PLAUSIBLE, 0u, (word & 0xffu) == HEADER_VERSION)
        | select(PLAUSIBLE, 0u, is_in_use);
}

// The header's second word: m_flagBits.
fn of_flags(word: u32) -> u32 {
    return select(0u, CHECKSUM, (word & FLAG_CHECKSUM) != 0u)
        | select(0u, TORN, (word & FLAG_TORN) != 0u);
}

fn of_space(slot_count: u32, free_count: u32, free_data: u32) -> u32 {
    let is_sane = free_data >= HEADER_BYTES
        && free_data + 2u * slot_count <= PAGE_BYTES
        && free_count <= FREE_COUNT_MAX;
    return select(SANE | PLAUSIBLE, 0u, is_sane);
}

// Writes the word of a page, of which all lanes together know `whole`.
fn write_word(index: u32, group: Group, thread: u32, whole: vec2<u32>, stored: u32) {
    let page = thread / LANES;
    if thread % LANES != STORED_LANE || !is_in(group, page) {
        return;
    }
    let signatures = whole.y >> SIGNATURES_SHIFT;
    let bits = DONE
        | (whole.y & AFFIRMED)
        | (~whole.y & DENIED)
        | select(0u, MISMATCH, whole.x != stored)
        | select(TORN_BROKEN, 0u, signatures == ALL_ONE || signatures == ALL_TWO)
        | (group.pages_and_nonce & NONCE);
    words[index * GROUP_PAGES + page] = vec2(whole.x, bits);
}
