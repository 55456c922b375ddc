//! The lanes in which backups are read, one for each device.

use crate::plan::throttles::{Disks, Throttles};
use crate::scrub::lane::Lane;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The lanes of all devices.
pub(in crate::scrub) struct Lanes {
    /// By the number of a device.
    by_device: BTreeMap<u64, Arc<Lane>>,
}

impl Lanes {
    /// For the devices with these numbers. Volumes on the same disks share one.
    pub(in crate::scrub) fn new(
        devices: impl IntoIterator<Item = u64>,
        throttles: &Throttles,
    ) -> Self {
        let mut of_disks = BTreeMap::new();
        let lane = |id| {
            let Disks { index, throttle, .. } = throttles.disks_of(id);
            let lane = of_disks.entry(index).or_insert_with(|| Arc::new(Lane::new(throttle)));
            (id, Arc::clone(lane))
        };
        Self { by_device: devices.into_iter().map(lane).collect() }
    }

    /// The lane of device number `id`.
    ///
    /// # Panics
    /// If that is none of those it was made for.
    pub(super) fn of(&self, id: u64) -> &Lane {
        &self.by_device[&id]
    }
}
