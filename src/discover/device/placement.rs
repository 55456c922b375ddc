//! On which device a file is, and where on it.

use super::extent_map::ExtentMap;
#[cfg(target_os = "linux")]
use super::sysfs;
use crate::discover::DataFile;
use std::sync::Arc;

/// Where a file is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The block device that holds its file system, or that it is: `/dev/md0`, `/dev/sda2`.
    pub device: Arc<str>,
    /// The device that this one is a partition of; otherwise the same.
    pub disk: Arc<str>,
    /// Where the partition begins on the disk; otherwise 0.
    pub start_bytes: u64,
    /// Which of its bytes are where on `device`.
    pub map: ExtentMap,
}

impl Placement {
    /// Asks the kernel. `None` where it does not tell: network, stacked and memory file systems,
    /// btrfs, ZFS, everything not on Linux, and files that are not what they were.
    pub fn of(file: &DataFile) -> Option<Self> {
        #[cfg(target_os = "linux")]
        return Self::told(file);
        #[cfg(not(target_os = "linux"))]
        return nowhere(file);
    }

    /// Where the byte at `file_offset` is on `device`.
    pub fn device_offset(&self, file_offset: u64) -> Option<u64> {
        self.map.device_offset(file_offset)
    }

    /// Where it is on `disk`: what array members and neighbours are told by.
    pub fn disk_offset(&self, file_offset: u64) -> Option<u64> {
        self.device_offset(file_offset)?.checked_add(self.start_bytes)
    }

    /// True if offsets on `device` are not those on `disk`.
    pub fn is_on_partition(&self) -> bool {
        self.device != self.disk
    }

    #[cfg(target_os = "linux")]
    fn told(file: &DataFile) -> Option<Self> {
        let names = sysfs::BlockDevice::of(file.device)?;
        Some(Self {
            device: names.path().into(),
            disk: names.disk_path().into(),
            start_bytes: names.start_bytes,
            map: extent_map(file)?,
        })
    }
}

#[cfg(not(target_os = "linux"))]
fn nowhere(_: &DataFile) -> Option<Placement> {
    None
}

/// The map of `file` as its file system tells it. What is not yet written has no place, so it is
/// written first: the answer does not depend on when one asks.
#[cfg(target_os = "linux")]
fn extent_map(file: &DataFile) -> Option<ExtentMap> {
    use fiemap::{Fiemap, FiemapFlags};
    use rustix::fs::{FileType, Mode, OFlags, fstat, open};
    // A path that now leads to a pipe must not be waited for.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened = open(&file.path, flags, Mode::empty()).ok()?;
    let stat = fstat(&opened).ok()?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::BlockDevice if stat.st_rdev == file.device => Some(ExtentMap::identity()),
        FileType::RegularFile if stat.st_dev == file.device => {
            // What was told before an error is true.
            let extents = Fiemap::with_flags(opened, FiemapFlags::SYNC).map_while(Result::ok);
            let map = ExtentMap::new(extents.take(ASKED_MAX).filter_map(placed));
            (map != ExtentMap::default()).then_some(map)
        }
        _ => None,
    }
}

/// Extents asked for at most, also of those that have no place.
#[cfg(target_os = "linux")]
const ASKED_MAX: usize = 2 * super::extent_map::EXTENTS_MAX;

#[cfg(target_os = "linux")]
fn placed(extent: fiemap::FiemapExtent) -> Option<super::extent_map::Extent> {
    has_place(extent.fe_flags).then_some(super::extent_map::Extent {
        file_offset: extent.fe_logical,
        device_offset: extent.fe_physical,
        bytes: extent.fe_length,
    })
}

/// True of bytes that are stored as they are, at a place that is known. What is allocated and was
/// never written reads as zeros, whatever the device holds there.
#[cfg(target_os = "linux")]
fn has_place(flags: fiemap::FiemapExtentFlags) -> bool {
    use fiemap::FiemapExtentFlags as Flags;
    let elsewhere = Flags::UNKNOWN
        | Flags::DELALLOC
        | Flags::ENCODED
        | Flags::DATA_INLINE
        | Flags::DATA_TAIL
        | Flags::UNWRITTEN;
    !flags.intersects(elsewhere)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use fiemap::FiemapExtentFlags as Flags;

    #[test]
    fn what_is_not_stored_as_it_is_has_no_place() {
        let told = [Flags::empty(), Flags::LAST, Flags::SHARED, Flags::MERGED];
        assert_eq!(told.map(has_place), [true; 4]);
        let untold = [Flags::UNKNOWN | Flags::DELALLOC, Flags::ENCODED, Flags::DATA_INLINE];
        assert_eq!(untold.map(has_place), [false; 3]);
        assert!(!has_place(Flags::UNWRITTEN) && !has_place(Flags::DATA_TAIL | Flags::LAST));
    }

    #[test]
    fn a_place_on_the_disk_is_counted_from_where_the_partition_begins() {
        let map = ExtentMap::identity();
        let (device, disk) = ("/dev/sda2".into(), "/dev/sda".into());
        let mut placement = Placement { device, disk, start_bytes: 1 << 20, map };
        assert_eq!(placement.device_offset(8192), Some(8192));
        assert_eq!(placement.disk_offset(8192), Some((1 << 20) + 8192));
        assert!(placement.is_on_partition());
        placement.start_bytes = u64::MAX;
        assert_eq!(placement.disk_offset(8192), None);
    }
}
