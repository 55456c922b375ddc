// The portable way: the lanes of a page join their shares in workgroup memory.

var<workgroup> sums: array<u32, GROUP_THREADS>;

@compute @workgroup_size(GROUP_THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let group = groups[workgroup.x];
    sums[thread] = share(group, thread);
    let lane = thread % LANES;
    for (var apart = LANES / 2u; apart > 0u; apart >>= 1u) {
        workgroupBarrier();
        if lane < apart {
            sums[thread] ^= sums[thread + apart];
        }
    }
    // The lane that writes is the one that has added up the last of them.
    write_word(workgroup.x, group, thread, sums[thread]);
}
