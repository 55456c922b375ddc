//! Reads sysfs. Whatever is missing or odd in there is unknown, never an error.

use super::Device;
use rustix::fs::{major, minor};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where Linux mounts sysfs.
pub(super) const MOUNT_POINT: &str = "/sys";
/// The most CPUs that Linux can be built for; what claims more is no list of CPUs.
const CPUS_MAX: usize = 8192;

impl Device {
    /// [`Device::of`], told by the sysfs mounted at `sysfs`.
    pub fn under(sysfs: &Path, id: u64) -> Self {
        let Some(directory) = directory(sysfs, id) else { return Self { id, ..Self::default() } };
        let disks = disks_behind(directory.clone());
        Self {
            id,
            name: name(&directory),
            numa_node: common_node(disks.iter().map(|disk| numa_node(disk))),
            rotational: disks.iter().any(|disk| read(&disk.join("queue/rotational")) == Some(1)),
            members: disks.iter().filter_map(|disk| name(disk)).collect(),
        }
    }
}

/// A block device and, if it is a partition, the disk that it is a part of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BlockDevice {
    name: String,
    disk: String,
    /// Where it begins on the disk; 0 if it is no partition.
    pub(super) start_bytes: u64,
}

/// Sysfs counts sectors of this size, whatever those of the disk.
const SECTOR_BYTES: u64 = 512;

impl BlockDevice {
    /// The block device with this number; `None` if there is none.
    pub(super) fn of(id: u64) -> Option<Self> {
        Self::under(Path::new(MOUNT_POINT), id)
    }

    /// [`BlockDevice::of`], told by the sysfs mounted at `sysfs`.
    pub(super) fn under(sysfs: &Path, id: u64) -> Option<Self> {
        let directory = directory(sysfs, id)?;
        let start: Option<u64> = read(&directory.join("start"));
        let start_bytes = start.and_then(|sectors| sectors.checked_mul(SECTOR_BYTES));
        let name = name(&directory)?;
        let whole = without_partition(directory.clone());
        let disk = whole
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .filter(|_| whole != directory);
        Some(match (disk, start_bytes) {
            (Some(disk), Some(start_bytes)) => Self { name, disk, start_bytes },
            _ => Self { disk: name.clone(), name, start_bytes: 0 },
        })
    }

    /// As in `/dev`.
    pub(super) fn path(&self) -> String {
        path(&self.name)
    }

    /// That of the disk.
    pub(super) fn disk_path(&self) -> String {
        path(&self.disk)
    }
}

/// The kernel writes `!` where a name has a slash.
fn path(name: &str) -> String {
    format!("/dev/{}", name.replace('!', "/"))
}

fn directory(sysfs: &Path, id: u64) -> Option<PathBuf> {
    sysfs.join(format!("dev/block/{}:{}", major(id), minor(id))).canonicalize().ok()
}

/// [`numa_nodes`](super::numa_nodes), told by the sysfs mounted at `sysfs`.
pub fn numa_nodes_under(sysfs: &Path) -> BTreeMap<u32, Vec<usize>> {
    let node = |directory: PathBuf| {
        let number = name(&directory)?.strip_prefix("node")?.parse().ok()?;
        let cpus = cpus(&std::fs::read_to_string(directory.join("cpulist")).ok()?);
        (!cpus.is_empty()).then_some((number, cpus))
    };
    entries(&sysfs.join("devices/system/node")).filter_map(node).collect()
}

/// The disks that the device at `directory` is made of. Each device is looked at once, so that
/// devices made of themselves come to an end.
fn disks_behind(directory: PathBuf) -> BTreeSet<PathBuf> {
    let mut disks = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut unseen = vec![directory];
    while let Some(directory) = unseen.pop() {
        let whole = without_partition(directory);
        if !seen.insert(whole.clone()) {
            continue;
        }
        let slaves = slaves(&whole);
        if slaves.is_empty() {
            disks.insert(whole);
        }
        unseen.extend(slaves);
    }
    disks
}

fn without_partition(directory: PathBuf) -> PathBuf {
    match directory.parent() {
        Some(disk) if directory.join("partition").exists() => disk.to_owned(),
        _ => directory,
    }
}

/// What md or device-mapper put the device together from. The slaves of a multipath device are
/// ways to one and the same disk, which is the device itself.
fn slaves(directory: &Path) -> Vec<PathBuf> {
    let uuid = std::fs::read_to_string(directory.join("dm/uuid")).unwrap_or_default();
    if uuid.starts_with("mpath-") {
        return Vec::new();
    }
    entries(&directory.join("slaves")).filter_map(|slave| slave.canonicalize().ok()).collect()
}

/// The node that everything is on; `None` if one is unknown or they differ.
fn common_node(mut nodes: impl Iterator<Item = Option<u32>>) -> Option<u32> {
    let first = nodes.next()??;
    nodes.all(|node| node == Some(first)).then_some(first)
}

/// A disk sits on the node of its nearest parent that has one, or on that of its controllers: an
/// NVMe disk with several paths is a child of none of them.
fn numa_node(disk: &Path) -> Option<u32> {
    let controllers = disk.join("device");
    let of_controllers = || common_node(entries(&controllers).filter_map(own_node).map(Some));
    disk.ancestors().find_map(own_node).or_else(of_controllers)
}

fn own_node(directory: impl AsRef<Path>) -> Option<u32> {
    let node = read::<i32>(&directory.as_ref().join("numa_node"))?;
    u32::try_from(node).ok() // -1: the firmware does not say
}

/// CPU numbers of a list such as `0-3,8-11`; parts that are none are left out.
fn cpus(list: &str) -> Vec<usize> {
    list.trim().split(',').filter_map(cpu_range).flatten().collect()
}

fn cpu_range(text: &str) -> Option<RangeInclusive<usize>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (last < CPUS_MAX).then_some(first..=last)
}

fn name(directory: &Path) -> Option<String> {
    Some(directory.file_name()?.to_string_lossy().into_owned())
}

fn read<T: FromStr>(file: &Path) -> Option<T> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}
