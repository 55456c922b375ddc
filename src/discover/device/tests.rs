//! Devices in a made-up sysfs.

use super::sysfs::{BlockDevice, MOUNT_POINT};
use super::{Device, numa_nodes, numa_nodes_under, with_cpus};
use rustix::fs::makedev;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const NVME: u32 = 259;
const MD: u32 = 9;
const DM: u32 = 253;
const SD: u32 = 8;

/// A sysfs that holds what a test puts in.
struct Sysfs(TempDir);

impl Sysfs {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, file: impl AsRef<Path>, text: &str) {
        let file = self.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// A device at `devices/{place}`, linked from dev/block as the kernel does it.
    fn add(&self, place: &str, major: u32, minor: u32) -> PathBuf {
        let directory = self.path().join("devices").join(place);
        fs::create_dir_all(&directory).unwrap();
        fs::create_dir_all(self.path().join("dev/block")).unwrap();
        let link = self.path().join(format!("dev/block/{major}:{minor}"));
        symlink(Path::new("../../devices").join(place), link).unwrap();
        directory
    }

    /// NVMe disk `n` with one partition (minor numbers 2n and 2n + 1), attached to `node`.
    fn nvme(&self, n: u32, node: i32) -> PathBuf {
        let controller = format!("pci0000:{n:02}/0000:{n:02}:00.0");
        let disk = format!("{controller}/nvme/nvme{n}/nvme{n}n1");
        self.write(format!("devices/{controller}/numa_node"), &format!("{node}\n"));
        self.add(&disk, NVME, 2 * n);
        self.write(format!("devices/{disk}/queue/rotational"), "0\n");
        let partition = self.add(&format!("{disk}/nvme{n}n1p1"), NVME, 2 * n + 1);
        self.write(partition.join("partition"), "1\n");
        partition
    }

    /// An array of `slaves`.
    fn array(&self, name: &str, major: u32, minor: u32, slaves: &[PathBuf]) -> PathBuf {
        let directory = self.add(&format!("virtual/block/{name}"), major, minor);
        fs::create_dir_all(directory.join("slaves")).unwrap();
        for slave in slaves {
            let place = slave.strip_prefix(self.path()).unwrap();
            let target = Path::new("../../../../..").join(place);
            symlink(target, directory.join("slaves").join(slave.file_name().unwrap())).unwrap();
        }
        directory
    }

    fn device(&self, major: u32, minor: u32) -> Device {
        Device::under(self.path(), makedev(major, minor))
    }
}

#[test]
fn a_disk_and_its_partition_have_one_member_near_the_same_cpus() {
    let sysfs = Sysfs::new();
    sysfs.nvme(0, 1);
    for (minor, name) in [(0, "nvme0n1"), (1, "nvme0n1p1")] {
        let expected = Device {
            id: makedev(NVME, minor),
            name: Some(name.to_owned()),
            members: vec!["nvme0n1".to_owned()],
            numa_node: Some(1),
            rotational: false,
        };
        assert_eq!(sysfs.device(NVME, minor), expected);
        assert_eq!(expected.queues(), 1);
    }
}

#[test]
fn arrays_have_the_disks_under_all_their_layers() {
    let sysfs = Sysfs::new();
    let partitions: Vec<_> = (0..4).map(|n| sysfs.nvme(n, 0)).collect();
    let md = sysfs.array("md0", MD, 0, &partitions);
    sysfs.array("dm-3", DM, 3, &[md]);
    for (device, name) in [(sysfs.device(MD, 0), "md0"), (sysfs.device(DM, 3), "dm-3")] {
        assert_eq!(device.name.as_deref(), Some(name));
        assert_eq!(device.members, ["nvme0n1", "nvme1n1", "nvme2n1", "nvme3n1"]);
        assert_eq!((device.numa_node, device.rotational), (Some(0), false));
        assert_eq!(device.queues(), 4);
    }
}

#[test]
fn two_partitions_of_one_disk_are_one_member() {
    let sysfs = Sysfs::new();
    let first = sysfs.nvme(0, 0);
    let second = sysfs.add("pci0000:00/0000:00:00.0/nvme/nvme0/nvme0n1/nvme0n1p2", NVME, 100);
    sysfs.write(second.join("partition"), "2\n");
    sysfs.array("md0", MD, 0, &[first, second]);
    assert_eq!(sysfs.device(MD, 0).members, ["nvme0n1"]);
    let [first, second, array] = [(NVME, 1), (NVME, 100), (MD, 0)].map(|(a, b)| sysfs.device(a, b));
    assert!(first.is_on_disks_of(&second) && array.is_on_disks_of(&first));
    assert!(!Device::default().is_on_disks_of(&first));
}

#[test]
fn members_on_different_or_unknown_nodes_have_no_common_one() {
    for nodes in [[0, 1], [0, -1], [-1, 0], [-1, -1]] {
        let sysfs = Sysfs::new();
        let partitions = [sysfs.nvme(0, nodes[0]), sysfs.nvme(1, nodes[1])];
        sysfs.array("md0", MD, 0, &partitions);
        assert_eq!(sysfs.device(MD, 0).numa_node, None, "{nodes:?}");
    }
}

#[test]
fn one_member_that_turns_makes_a_rotational_device() {
    let sysfs = Sysfs::new();
    let disk = sysfs.add("pci0000:07/ata1/host0/target0:0:0/0:0:0:0/block/sda", SD, 0);
    sysfs.write(disk.join("queue/rotational"), "1\n");
    sysfs.array("md0", MD, 0, &[sysfs.nvme(0, 0), disk]);
    assert!(sysfs.device(SD, 0).rotational && sysfs.device(MD, 0).rotational);
}

#[test]
fn a_disk_with_several_paths_is_one_member() {
    let sysfs = Sysfs::new();
    let paths = [sysfs.nvme(0, 0), sysfs.nvme(1, 0)];
    let multipath = sysfs.array("dm-0", DM, 0, &paths);
    sysfs.write(multipath.join("dm/uuid"), "mpath-36001405\n");
    assert_eq!(sysfs.device(DM, 0).members, ["dm-0"]);
}

#[test]
fn an_nvme_disk_with_several_controllers_is_where_they_are() {
    for (nodes, expected) in [([1, 1], Some(1)), ([0, 1], None)] {
        let sysfs = Sysfs::new();
        let subsystem = "virtual/nvme-subsystem/nvme-subsys0";
        let disk = sysfs.add(&format!("{subsystem}/nvme0n1"), NVME, 0);
        symlink("../../nvme-subsys0", disk.join("device")).unwrap();
        for (n, node) in nodes.iter().enumerate() {
            let controller = format!("pci0000:{n:02}/nvme/nvme{n}");
            sysfs.write(format!("devices/{controller}/numa_node"), &format!("{node}\n"));
            let link = sysfs.path().join(format!("devices/{subsystem}/nvme{n}"));
            symlink(Path::new("../../..").join(controller), link).unwrap();
        }
        let device = sysfs.device(NVME, 0);
        assert_eq!((device.numa_node, device.queues()), (expected, 1));
    }
}

#[test]
fn a_device_made_of_itself_has_no_known_members() {
    let sysfs = Sysfs::new();
    let first = sysfs.array("dm-0", DM, 0, &[sysfs.path().join("devices/virtual/block/dm-1")]);
    sysfs.array("dm-1", DM, 1, &[first]);
    let device = sysfs.device(DM, 0);
    assert_eq!((device.members.len(), device.queues()), (0, 1));
    assert_eq!(device.name.as_deref(), Some("dm-0"));
}

#[test]
fn what_is_missing_is_unknown() {
    let sysfs = Sysfs::new();
    let id = makedev(0, 46);
    assert_eq!(Device::under(sysfs.path(), id), Device { id, ..Device::default() });
    sysfs.add("virtual/block/loop0", 7, 0);
    let bare = sysfs.device(7, 0);
    assert_eq!(bare.members, ["loop0"]);
    assert_eq!((bare.numa_node, bare.rotational), (None, false));
}

#[test]
fn garbage_is_unknown() {
    let sysfs = Sysfs::new();
    let disk = sysfs.add("virtual/block/odd", 7, 0);
    sysfs.write(disk.join("numa_node"), "99999999999999999999");
    sysfs.write(disk.join("queue/rotational"), "\u{0}yes");
    sysfs.write(disk.join("slaves"), "not a directory");
    fs::create_dir_all(disk.join("dm/uuid")).unwrap();
    fs::write(sysfs.path().join("dev/block/7:1"), "not a link").unwrap();
    symlink("nowhere", sysfs.path().join("dev/block/7:2")).unwrap();
    let device = sysfs.device(7, 0);
    assert_eq!(device.members, ["odd"]);
    assert_eq!((device.numa_node, device.rotational), (None, false));
    assert_eq!(sysfs.device(7, 1).queues(), 1);
    assert_eq!(sysfs.device(7, 2).name, None);
}

#[test]
fn numa_nodes_are_those_with_cpus() {
    let sysfs = Sysfs::new();
    let lists = [
        ("node0", "0-3,8-11\n"),
        ("node1", "4\n"),
        ("node2", "\n"),
        ("node3", "5-6,zebra,7-,0-18446744073709551615,9-8\n"),
        ("node4", "8191-8192"),
        ("nodes", "12\n"),
        ("power", "13\n"),
    ];
    for (node, cpus) in lists {
        sysfs.write(format!("devices/system/node/{node}/cpulist"), cpus);
    }
    let nodes = numa_nodes_under(sysfs.path());
    assert_eq!(nodes.keys().copied().collect::<Vec<_>>(), [0, 1, 3]);
    assert_eq!(nodes[&0], [0, 1, 2, 3, 8, 9, 10, 11]);
    assert_eq!((&nodes[&1][..], &nodes[&3][..]), (&[4][..], &[5, 6][..]));
    assert!(numa_nodes_under(Path::new("/nowhere")).is_empty());
    let ours = with_cpus(nodes, |cpu| (2..5).contains(&cpu) || cpu == 9);
    assert_eq!(ours.into_iter().collect::<Vec<_>>(), [(0, vec![2, 3, 9]), (1, vec![4])]);
}

/// A thread that was given one CPU is told of no other.
#[test]
fn a_thread_keeps_to_the_cpus_that_it_was_given() {
    let all = rustix::thread::sched_getaffinity(None).unwrap();
    let one = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap();
    let told = std::thread::spawn(move || {
        let mut only = rustix::thread::CpuSet::new();
        only.set(one);
        rustix::thread::sched_setaffinity(None, &only).unwrap();
        numa_nodes()
    });
    let told: Vec<usize> = told.join().unwrap().into_values().flatten().collect();
    let is_told = !numa_nodes_under(Path::new(MOUNT_POINT)).is_empty();
    assert_eq!(told, if is_told { vec![one] } else { vec![] });
}

#[test]
fn this_machine_can_be_asked() {
    let id = fs::metadata("/").unwrap().dev();
    let device = Device::of(id);
    assert!(device.id == id && device.queues() >= 1, "{device:?}");
    assert!(numa_nodes().values().all(|cpus| !cpus.is_empty()));
}

#[test]
fn a_partition_tells_its_disk_and_where_it_begins_on_it() {
    let sysfs = Sysfs::new();
    let partition = sysfs.nvme(0, 0);
    sysfs.write(partition.join("start"), "2048\n");
    let array = sysfs.array("md0", MD, 0, std::slice::from_ref(&partition));
    sysfs.write(array.join("size"), "1\n");
    sysfs.add("virtual/block/cciss!c0d0", SD, 9);
    let told = |major, minor| {
        let device = BlockDevice::under(sysfs.path(), makedev(major, minor))?;
        Some((device.path(), device.disk_path(), device.start_bytes))
    };
    let is = |path: &str, disk: &str, start| Some((path.to_owned(), disk.to_owned(), start));
    assert_eq!(told(NVME, 1), is("/dev/nvme0n1p1", "/dev/nvme0n1", 1 << 20));
    assert_eq!(told(NVME, 0), is("/dev/nvme0n1", "/dev/nvme0n1", 0));
    assert_eq!(told(MD, 0), is("/dev/md0", "/dev/md0", 0));
    assert_eq!(told(SD, 9), is("/dev/cciss/c0d0", "/dev/cciss/c0d0", 0));
    assert_eq!(told(0, 47), None, "an anonymous device");
    sysfs.write(partition.join("start"), "many\n");
    assert_eq!(told(NVME, 1), is("/dev/nvme0n1p1", "/dev/nvme0n1p1", 0));
}
