//! One throttle for each device, whoever reads from it: the pages of files, the streams and records
//! of backups, and what is looked up after the last page. What the user allowed is allowed once.

use crate::discover::device::Device;
use crate::plan::pace::{Pace, Throttle};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The throttles of a scan. Clones are the same throttles.
#[derive(Clone)]
pub(super) struct Throttles {
    pace: Pace,
    /// By the number of a device: its throttle. Volumes on the same disks share one.
    by_device: BTreeMap<u64, usize>,
    all: Vec<(Device, Arc<Throttle>)>,
}

impl Throttles {
    /// For the devices with these numbers, each held to `pace`.
    pub(super) fn new(devices: impl IntoIterator<Item = u64>, pace: &Pace) -> Self {
        Self { pace: pace.clone(), by_device: BTreeMap::new(), all: Vec::new() }.and(devices)
    }

    /// The same, and those of other devices that are among `devices`.
    pub(super) fn and(&self, devices: impl IntoIterator<Item = u64>) -> Self {
        let mut throttles = self.clone();
        for id in devices {
            if throttles.by_device.contains_key(&id) {
                continue;
            }
            let device = Device::of(id);
            let shared = throttles.all.iter().position(|(of, _)| of.is_on_disks_of(&device));
            throttles.by_device.insert(id, shared.unwrap_or(throttles.all.len()));
            if shared.is_none() {
                let throttle = Arc::new(Throttle::new(&self.pace, &device));
                throttles.all.push((device, throttle));
            }
        }
        throttles
    }

    /// The disks of device number `id` by their index, what the kernel says of them, and their
    /// throttle.
    pub(super) fn disks_of(&self, id: u64) -> Option<(usize, &Device, &Arc<Throttle>)> {
        let index = *self.by_device.get(&id)?;
        let (device, throttle) = &self.all[index];
        Some((index, device, throttle))
    }

    /// The throttle of device number `id`; `None` for one that is not part of the scan.
    pub(super) fn of(&self, id: u64) -> Option<&Arc<Throttle>> {
        self.by_device.get(&id).map(|index| &self.all[*index].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Devices that the kernel does not know, so that each is its own.
    #[test]
    fn who_reads_from_the_same_device_has_the_same_throttle() {
        let pace = Pace { rate_bytes_per_second: Some(8192), ..Pace::default() };
        let throttles = Throttles::new([1, 2, 1], &pace);
        let of = |id| throttles.of(id).expect("it is one of them");
        assert!(Arc::ptr_eq(of(1), of(1)) && !Arc::ptr_eq(of(1), of(2)));
        assert!(throttles.of(3).is_none());
        let more = throttles.and([2, 3]);
        assert!(Arc::ptr_eq(more.of(2).expect("as before"), of(2)) && more.of(3).is_some());
        // One has taken all that there is: the other one waits, on this device only.
        of(1).admit(64 << 20).expect("nothing was read before");
        assert!(of(1).admit(1).is_err() && of(2).admit(1).is_ok());
    }
}
