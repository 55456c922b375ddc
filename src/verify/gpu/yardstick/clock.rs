//! The device's own clock: how long it worked, without the way there and back.

use crate::verify::gpu::device::OpenDevice;
use crate::verify::gpu::job::GpuError;
use std::time::Duration;
use wgpu::{Buffer, BufferUsages, CommandEncoder, Features, PollType, QuerySet, QueryType};

/// How long the device may take for what is measured.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// Before and after.
const STAMPS: u32 = 2;
const STAMPS_BYTES: u64 = STAMPS as u64 * size_of::<u64>() as u64;

pub(super) struct Clock {
    stamps: QuerySet,
    resolved: Buffer,
    readback: Buffer,
    seconds_per_tick: f64,
}

impl Clock {
    /// What a device must have for it to take the time of copies as well.
    pub(super) const FEATURES: Features =
        Features::TIMESTAMP_QUERY.union(Features::TIMESTAMP_QUERY_INSIDE_ENCODERS);

    /// The clock of `device`, which has `features`, if that has one.
    pub(super) fn new(device: &OpenDevice, features: Features) -> Result<Option<Self>, GpuError> {
        if !features.contains(Self::FEATURES) {
            return Ok(None);
        }
        let buffer = |usage| {
            device.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("time"),
                size: STAMPS_BYTES,
                usage,
                mapped_at_creation: false,
            })
        };
        let clock = device.watch(|| Self {
            stamps: device.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: QueryType::Timestamp,
                count: STAMPS,
            }),
            resolved: buffer(BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC),
            readback: buffer(BufferUsages::MAP_READ | BufferUsages::COPY_DST),
            seconds_per_tick: f64::from(device.queue.get_timestamp_period()) * 1e-9,
        })?;
        Ok(Some(clock))
    }

    pub(super) fn start(&self, encoder: &mut CommandEncoder) {
        encoder.write_timestamp(&self.stamps, 0);
    }

    pub(super) fn stop(&self, encoder: &mut CommandEncoder) {
        encoder.write_timestamp(&self.stamps, 1);
        encoder.resolve_query_set(&self.stamps, 0..STAMPS, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readback, 0, Some(STAMPS_BYTES));
    }

    /// What went by between start and stop, which the device has reached.
    pub(super) fn seconds(&self, device: &OpenDevice) -> Result<f64, GpuError> {
        let stamps: Vec<u64> = contents(device, &self.readback)?;
        let [start, stop] = stamps[..] else { return Err(GpuError::Silent) };
        Ok(stop.saturating_sub(start) as f64 * self.seconds_per_tick)
    }
}

/// What is in `buffer`, which can be mapped.
pub(super) fn contents<T: bytemuck::Pod>(
    device: &OpenDevice,
    buffer: &Buffer,
) -> Result<Vec<T>, GpuError> {
    let wait = PollType::Wait { submission_index: None, timeout: Some(PATIENCE) };
    let waited = device.watch(|| {
        // Whether it went well is seen in what is there.
        buffer.map_async(wgpu::MapMode::Read, .., |_| ());
        device.device.poll(wait)
    })?;
    waited.map_err(|_| GpuError::TimedOut)?;
    let view = buffer.get_mapped_range(..).map_err(|e| GpuError::Refused(e.to_string()))?;
    let contents = bytemuck::pod_collect_to_vec(&view);
    drop(view);
    buffer.unmap();
    Ok(contents)
}
