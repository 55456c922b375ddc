// Where a subgroup has at least 32 threads: the lanes of a page exchange their shares directly.
//
// A subgroup of 64 threads has two pages, one of 128 has four. So lanes join with the lane whose
// number differs in one bit, five times; subgroupXor would join the pages as well. Threads are
// counted by subgroup, because how local_invocation_index maps to subgroups is not promised.

fn joined_across(known: vec2<u32>, apart: u32) -> vec2<u32> {
    return joined(known, subgroupShuffleXor(known, apart));
}

@compute @workgroup_size(GROUP_THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_size) subgroup_threads: u32,
    @builtin(subgroup_invocation_id) invocation: u32,
) {
    let group = groups[workgroup.x];
    let thread = subgroup * subgroup_threads + invocation;
    let mine = share(group, thread);
    var known = mine.known;
    known = joined_across(known, 16u);
    known = joined_across(known, 8u);
    known = joined_across(known, 4u);
    known = joined_across(known, 2u);
    known = joined_across(known, 1u);
    write_word(workgroup.x, group, thread, known, mine.stored);
}
