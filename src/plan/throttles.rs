//! One throttle for each device, whoever reads from it: who looks what a file is, who reads its
//! pages, streams and records, and who looks something up after the last page. What the user
//! allowed is allowed once.

use super::pace::{Pace, Throttle};
use crate::backup::source::Turns;
use crate::discover::device::Device;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The throttles of a scan, which are made when they are asked for. Clones are the same ones.
#[derive(Clone, Default)]
pub struct Throttles {
    pace: Pace,
    made: Arc<Mutex<Made>>,
}

#[derive(Default)]
struct Made {
    /// By the number of a device: its throttle. Volumes on the same disks share one.
    by_device: BTreeMap<u64, usize>,
    all: Vec<Disks>,
}

/// Disks that are read as one device.
#[derive(Clone)]
pub struct Disks {
    /// They are told from others by this number.
    pub index: usize,
    /// What the kernel says of them.
    pub device: Device,
    /// What they are held to.
    pub throttle: Arc<Throttle>,
}

impl Throttles {
    /// Each device is held to `pace`.
    pub fn new(pace: Pace) -> Self {
        Self { pace, made: Arc::default() }
    }

    /// The disks of device number `id`.
    pub fn disks_of(&self, id: u64) -> Disks {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = made.by_device.get(&id) {
            return made.all[*index].clone();
        }
        let device = Device::of(id);
        let shared = made.all.iter().position(|disks| disks.device.is_on_disks_of(&device));
        let index = shared.unwrap_or(made.all.len());
        made.by_device.insert(id, index);
        if shared.is_none() {
            let throttle = Arc::new(Throttle::new(&self.pace, &device));
            made.all.push(Disks { index, device, throttle });
        }
        made.all[index].clone()
    }

    /// The throttle of device number `id`.
    pub fn of(&self, id: u64) -> Arc<Throttle> {
        self.disks_of(id).throttle
    }

    /// When device number `id` may be read by who reads once at a time; `None` if the user has
    /// set no limits.
    pub fn turns_of(&self, id: u64) -> Option<Arc<dyn Turns>> {
        self.pace.is_limited().then(|| self.of(id) as Arc<dyn Turns>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Devices that the kernel does not know, so that each is its own.
    #[test]
    fn who_reads_from_the_same_device_has_the_same_throttle() {
        let pace = Pace { rate_bytes_per_second: Some(8192), ..Pace::default() };
        let throttles = Throttles::new(pace);
        let of = |id| throttles.of(id);
        assert!(Arc::ptr_eq(&of(1), &of(1)) && !Arc::ptr_eq(&of(1), &of(2)));
        assert!(Arc::ptr_eq(&throttles.clone().of(3), &of(3)), "a clone has others");
        // One has taken all that there is: the other one waits, on this device only.
        of(1).admit(64 << 20).expect("nothing was read before");
        assert!(of(1).admit(1).is_err() && of(2).admit(1).is_ok());
        assert!(throttles.turns_of(1).is_some() && Throttles::default().turns_of(1).is_none());
    }
}
