//! What the kernel says of a storage device: which disks are behind it, and near which CPUs.

pub mod extent_map;
pub mod placement;
#[cfg(target_os = "linux")]
mod sysfs;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

use std::collections::BTreeMap;
#[cfg(target_os = "linux")]
use std::path::Path;

/// A storage device as the kernel describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// As the operating system numbers it: the `st_dev` of the files on it; for a block device
    /// itself, its `st_rdev`.
    pub id: u64,
    /// The kernel's name: `nvme0n1`, `nvme0n1p2`, `md0`, `dm-3`. `None` for what is no block
    /// device: network, stacked and memory file systems, btrfs, ZFS, and everything not on Linux.
    pub name: Option<String>,
    /// The whole disks behind it, by name: one for a disk or a partition, several behind an md or
    /// dm array of any RAID level. Empty if unknown.
    pub members: Vec<String>,
    /// The NUMA node that all members are attached to; `None` if unknown or if they differ.
    pub numa_node: Option<u32>,
    /// True if a member has moving heads.
    pub rotational: bool,
}

impl Device {
    /// The device with this number. What the kernel does not tell stays unknown.
    pub fn of(id: u64) -> Self {
        #[cfg(target_os = "linux")]
        return Self::under(Path::new(sysfs::MOUNT_POINT), id);
        #[cfg(not(target_os = "linux"))]
        return Self { id, ..Self::default() };
    }

    /// True if both are parts of the same disks, or the same.
    pub fn is_on_disks_of(&self, other: &Self) -> bool {
        self.id == other.id || (!self.members.is_empty() && self.members == other.members)
    }

    /// How many reads it can serve independently of each other: one per member, at least 1.
    pub fn queues(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX).max(1)
    }
}

/// The CPUs of each NUMA node that this thread may run on, for nodes that have any: a container or
/// `taskset` may have been given a part of the machine. Empty where the kernel does not tell.
pub fn numa_nodes() -> BTreeMap<u32, Vec<usize>> {
    #[cfg(target_os = "linux")]
    return match rustix::thread::sched_getaffinity(None) {
        Ok(ours) => {
            let is_ours = |cpu| cpu < rustix::thread::CpuSet::MAX_CPU && ours.is_set(cpu);
            with_cpus(numa_nodes_under(Path::new(sysfs::MOUNT_POINT)), is_ours)
        }
        Err(_) => BTreeMap::new(),
    };
    #[cfg(not(target_os = "linux"))]
    return BTreeMap::new();
}

/// `nodes` with the CPUs that `may_be_used`; one without any is none.
#[cfg(target_os = "linux")]
fn with_cpus(
    mut nodes: BTreeMap<u32, Vec<usize>>,
    may_be_used: impl Fn(usize) -> bool,
) -> BTreeMap<u32, Vec<usize>> {
    for cpus in nodes.values_mut() {
        cpus.retain(|cpu| may_be_used(*cpu));
    }
    nodes.retain(|_, cpus| !cpus.is_empty());
    nodes
}

#[cfg(target_os = "linux")]
pub use sysfs::numa_nodes_under;
