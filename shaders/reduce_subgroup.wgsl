// Where a subgroup has at least 32 threads: the lanes of a page exchange their shares directly.
//
// A subgroup of 64 threads has two pages, one of 128 has four. So lanes join with the lane whose
// number differs in one bit, five times; subgroupXor would join the pages as well. Threads are
// counted by subgroup, because how local_invocation_index maps to subgroups is not promised.

fn joined_across(sum: u32, apart: u32) -> u32 {
    return sum ^ subgroupShuffleXor(sum, apart);
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
    var sum = share(group, thread);
    sum = joined_across(sum, 16u);
    sum = joined_across(sum, 8u);
    sum = joined_across(sum, 4u);
    sum = joined_across(sum, 2u);
    sum = joined_across(sum, 1u);
    write_word(workgroup.x, group, thread, sum);
}
