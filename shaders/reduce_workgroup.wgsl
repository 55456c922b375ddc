// The portable way: the lanes of a page join their shares in workgroup memory.

var<workgroup> known: array<vec2<u32>, GROUP_THREADS>;

@compute @workgroup_size(GROUP_THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let group = groups[workgroup.x];
    let mine = share(group, thread);
    known[thread] = mine.known;
    let lane = thread % LANES;
    for (var apart = LANES / 2u; apart > 0u; apart >>= 1u) {
        workgroupBarrier();
        if lane < apart {
            known[thread] = joined(known[thread], known[thread + apart]);
        }
    }
    workgroupBarrier();
    write_word(workgroup.x, group, thread, known[thread - lane], mine.stored);
}
