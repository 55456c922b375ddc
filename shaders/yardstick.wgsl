// The kernel's yardstick: reads what the kernel reads, and computes nothing but one XOR of each
// group's bytes. No kernel can be faster. README.md has the contract.
//
// The loads are written out, so that all of them can be on their way at once, and each is one
// stretch of 4 KiB for the whole workgroup. The kernel's are stretches of 512 bytes in a loop: what
// that costs is part of what is measured.

var<workgroup> sums: array<u32, GROUP_THREADS>;

// The n-th load of a thread that starts at vector `start`.
fn vector(start: u32, n: u32) -> vec4<u32> {
    return pages[start + n * GROUP_THREADS];
}

@compute @workgroup_size(GROUP_THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let group = groups[workgroup.x];
    let start = group.first_page * PAGE_VECTORS + thread;
    let sum = vector(start, 0u) ^ vector(start, 1u) ^ vector(start, 2u) ^ vector(start, 3u)
        ^ vector(start, 4u) ^ vector(start, 5u) ^ vector(start, 6u) ^ vector(start, 7u)
        ^ vector(start, 8u) ^ vector(start, 9u) ^ vector(start, 10u) ^ vector(start, 11u)
        ^ vector(start, 12u) ^ vector(start, 13u) ^ vector(start, 14u) ^ vector(start, 15u);
    sums[thread] = sum.x ^ sum.y ^ sum.z ^ sum.w;
    for (var apart = GROUP_THREADS / 2u; apart > 0u; apart >>= 1u) {
        workgroupBarrier();
        if thread < apart {
            sums[thread] ^= sums[thread + apart];
        }
    }
    if thread == 0u {
        words[workgroup.x * GROUP_PAGES] = vec2(sums[0], mark(group));
    }
}
