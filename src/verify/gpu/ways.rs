//! The way that pages take to a GPU with memory of its own: the faster one, by measurement.
//!
//! Its shader may read our memory over the bus while it computes, or it copies pages into its own
//! memory first. Which of the two comes nearer to what the bus can do differs from device to
//! device, and nothing that a driver says tells.

use super::BUSY_JOBS;
use super::calibration;
use super::pool::Gpus;

/// Has the GPU `index` of `gpus` try every way that it is open for, and take the fastest from now
/// on. Nobody must have any of their buffers. One on which it fails is left out; where it is lost
/// or wrong, it is not used any more, and says why.
pub fn choose(gpus: &mut Gpus, index: usize) {
    let ways = gpus.gpu(index).ways().count();
    if ways < 2 {
        return;
    }
    let speeds: Vec<_> = (0..ways).map(|way| speed(gpus, index, way)).collect();
    for (way, speed) in speeds.iter().enumerate() {
        if let Some(speed) = *speed {
            gpus.gpu_mut(index).was_measured(way, speed);
        }
    }
    gpus.gpu(index).take_way(fastest(&speeds));
}

/// In 10^9 bytes per second.
fn speed(gpus: &Gpus, index: usize, way: usize) -> Option<f64> {
    let arena = gpus.arena();
    let buffers = arena.take(arena.buffers().min(BUSY_JOBS))?;
    gpus.gpu(index).take_way(way);
    Some(calibration::gpu(gpus, index, buffers).ok()?.gb_per_second)
}

/// The first of the fastest; the first of all where none was measured.
fn fastest(speeds: &[Option<f64>]) -> usize {
    let faster = |best: usize, way| if speeds[way] > speeds[best] { way } else { best };
    (0..speeds.len()).reduce(faster).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_of_those_that_work_is_taken_and_in_doubt_the_first() {
        assert_eq!(fastest(&[Some(14.0), Some(20.0)]), 1);
        assert_eq!(fastest(&[Some(20.0), Some(20.0)]), 0);
        assert_eq!(fastest(&[Some(20.0), None]), 0);
        assert_eq!(fastest(&[None, Some(1.0)]), 1);
        assert_eq!(fastest(&[None, None]), 0);
    }
}
