// What is computed; README.md has the contract. How the lanes of a page put their shares together,
// and the entry point, is in the file that follows this one: reduce_workgroup.wgsl or
// reduce_subgroup.wgsl.

// A sector is 32 vectors of four words: one for each lane, side by side, so that one load of all
// lanes is one stretch of memory.
const LANES: u32 = 32u;
const PAGE_SECTORS: u32 = 16u;
// The lane whose first vector ends with the stored checksum, which counts as zero.
const STORED_LANE: u32 = 3u;

fn folded(v: vec4<u32>) -> u32 {
    return v.x ^ v.y ^ v.z ^ v.w;
}

fn is_in(group: Group, page: u32) -> bool {
    return page < min(group.pages_and_nonce & 0xffffu, GROUP_PAGES);
}

// What thread `thread` of a workgroup adds to the checksum of its page; nothing if that is not in
// the group.
fn share(group: Group, thread: u32) -> u32 {
    let page = thread / LANES;
    let lane = thread % LANES;
    if !is_in(group, page) {
        return 0u;
    }
    let start = (group.first_page + page) * PAGE_VECTORS + lane;
    let first = pages[start];
    // Rotation distributes over XOR. So the sum is turned by one bit for each further sector, which
    // turns sector 0 by 15 bits and the last one not at all.
    var sum = folded(first) ^ select(0u, first.w, lane == STORED_LANE);
    for (var sector = 1u; sector < PAGE_SECTORS; sector++) {
        sum = ((sum << 1u) | (sum >> 31u)) ^ folded(pages[start + sector * LANES]);
    }
    return sum;
}

// Writes the word of a page, of which `sum` is the checksum.
fn write_word(index: u32, group: Group, thread: u32, sum: u32) {
    let page = thread / LANES;
    if thread % LANES != 0u || !is_in(group, page) {
        return;
    }
    words[index * GROUP_PAGES + page] = vec2(sum, mark(group));
}
