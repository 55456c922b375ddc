//! Which bytes of a file are where on the device of its file system.

/// Extents told apart at most for one file: half a gigabyte of file in single blocks of 8 KiB.
pub const EXTENTS_MAX: usize = 65_536;

/// Consecutive bytes of a file that are consecutive on the device, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins in the file.
    pub file_offset: u64,
    /// Where it begins on the device.
    pub device_offset: u64,
    /// Its length.
    pub bytes: u64,
}

/// Where the bytes of a file are on its device. Extents that are shared with other files count as
/// any others; what has no place of its own (holes, compressed or inline data) is not in the map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtentMap {
    /// By offset in the file.
    extents: Vec<Extent>,
    is_cut: bool,
}

impl ExtentMap {
    /// The map of these extents, in any order; of those after the first [`EXTENTS_MAX`] nothing is
    /// known.
    pub fn new(extents: impl IntoIterator<Item = Extent>) -> Self {
        let mut all = extents.into_iter();
        let mut extents: Vec<Extent> = all.by_ref().take(EXTENTS_MAX).collect();
        extents.sort_by_key(|extent| extent.file_offset);
        Self { extents, is_cut: all.next().is_some() }
    }

    /// The map of a block device, whose offsets are its own.
    pub fn identity() -> Self {
        Self::new([Extent { file_offset: 0, device_offset: 0, bytes: u64::MAX }])
    }

    /// Where the byte at `file_offset` is on the device, if that is known.
    pub fn device_offset(&self, file_offset: u64) -> Option<u64> {
        let after = self.extents.partition_point(|extent| extent.file_offset <= file_offset);
        let extent = self.extents.get(after.checked_sub(1)?)?;
        let inside = file_offset - extent.file_offset;
        (inside < extent.bytes).then_some(())?;
        extent.device_offset.checked_add(inside)
    }

    /// There are more extents than are told apart.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(file_offset: u64, device_offset: u64, bytes: u64) -> Extent {
        Extent { file_offset, device_offset, bytes }
    }

    #[test]
    fn offsets_are_found_in_their_extent_and_nowhere_else() {
        let map = ExtentMap::new([extent(8192, 4096, 100), extent(0, 1 << 40, 4096)]);
        assert_eq!(
            [0, 4095].map(|at| map.device_offset(at)),
            [Some(1 << 40), Some((1 << 40) + 4095)]
        );
        assert_eq!([4096, 8191, 8292, u64::MAX].map(|at| map.device_offset(at)), [None; 4]);
        assert_eq!([8192, 8291].map(|at| map.device_offset(at)), [Some(4096), Some(4195)]);
        assert_eq!(ExtentMap::default().device_offset(0), None);
    }

    #[test]
    fn extents_that_make_no_sense_lead_nowhere() {
        let map = ExtentMap::new([extent(0, u64::MAX, 8192), extent(0, 5, 0), extent(9000, 0, 0)]);
        assert_eq!([1, 9000, u64::MAX].map(|at| map.device_offset(at)), [None; 3]);
    }

    #[test]
    fn a_block_device_is_its_own_map() {
        let map = ExtentMap::identity();
        assert_eq!([0, 1 << 45].map(|at| map.device_offset(at)), [Some(0), Some(1 << 45)]);
    }

    #[test]
    fn a_file_in_too_many_parts_is_known_as_far_as_its_first_ones_reach() {
        let parts = |count: usize| {
            ExtentMap::new((0..count as u64).map(|i| extent(i * 4096, i * 8192, 4096)))
        };
        let (whole, cut) = (parts(EXTENTS_MAX), parts(EXTENTS_MAX + 1));
        assert_eq!([whole.is_cut(), cut.is_cut()], [false, true]);
        let last = EXTENTS_MAX as u64;
        assert_eq!(
            [last - 1, last].map(|i| cut.device_offset(i * 4096)),
            [Some((last - 1) * 8192), None]
        );
    }
}
