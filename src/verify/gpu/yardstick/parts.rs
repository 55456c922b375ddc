//! A device with its shaders, the way to it, and room for pages in its memory.

use super::clock::Clock;
use super::region::Region;
use crate::read::arena::{Arena, BUFFER_BYTES, PageBuffer};
use crate::verify::gpu::adapter::Adapter;
use crate::verify::gpu::device::OpenDevice;
use crate::verify::gpu::host_memory;
use crate::verify::gpu::job::GpuError;
use crate::verify::gpu::pipeline::{Pipeline, Shader};
use crate::verify::gpu::upload::Upload;
use wgpu::BufferUsages;

/// The largest part of the resident pages: less than any binding may have.
const PART_BYTES_MAX: u64 = 1 << 30;

/// A device before there are pages on it.
pub(super) struct Parts {
    pub(super) device: OpenDevice,
    pub(super) source: wgpu::Buffer,
    pub(super) is_imported: bool,
    pub(super) shaders: Vec<Shader>,
    pub(super) kernels: Vec<Pipeline>,
    pub(super) reader: Pipeline,
}

impl Parts {
    /// As a scan opens it: the arena imported, or else copied by hand.
    pub(super) fn open(adapter: &Adapter, pages: &[PageBuffer]) -> Result<Self, GpuError> {
        if adapter.facts.upload() == Upload::HostImport
            && let Ok(parts) = Self::with(adapter, Upload::HostImport, pages)
        {
            return Ok(parts);
        }
        Self::with(adapter, Upload::Copy, pages)
    }

    fn with(adapter: &Adapter, upload: Upload, pages: &[PageBuffer]) -> Result<Self, GpuError> {
        let offered = adapter.facts.features;
        let shaders = Shader::all_for_adapter(offered, &adapter.wgpu.get_info());
        let needed = shaders.iter().map(|shader| shader.features(offered));
        let features = needed.fold(offered & Clock::FEATURES, |all, features| all | features);
        let device = OpenDevice::open(adapter, upload, features)?;
        let compiled = |shader| Pipeline::new(&device.device, shader).map_err(GpuError::Refused);
        let kernels = shaders.iter().map(compiled).collect::<Result<_, _>>()?;
        let reader = compiled(&Shader::Yardstick)?;
        let is_imported = upload == Upload::HostImport;
        let source = if is_imported {
            let arena: &Arena = pages.first().ok_or(GpuError::Silent)?.arena();
            host_memory::import(&device.device, arena).map_err(GpuError::Refused)?
        } else {
            staging(&device, pages)?
        };
        Ok(Self { device, source, is_imported, shaders, kernels, reader })
    }

    /// Room for `bytes` of pages, or for half of it, and so on.
    pub(super) fn resident(
        &self,
        adapter: &Adapter,
        pages: &[PageBuffer],
        mut bytes: u64,
    ) -> Result<Vec<Region>, GpuError> {
        let limits = &adapter.facts.limits;
        let of_limits = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let arena_bytes = (pages.len() * BUFFER_BYTES) as u64;
        loop {
            let copies = (bytes / arena_bytes).max(1);
            let copies_in_part = (of_limits.min(PART_BYTES_MAX) / arena_bytes).max(1);
            let part = |first| {
                let copies = first..copies.min(first + copies_in_part);
                let origins = copies.flat_map(|copy| rotated(pages.len(), copy as usize));
                let origins: Vec<_> = origins.collect();
                let bytes = (origins.len() * BUFFER_BYTES) as u64;
                Region::on_device(&self.device, &self.reader, bytes, origins)
            };
            let parts = (0..copies).step_by(copies_in_part as usize);
            match self.device.watch(|| parts.map(part).collect()) {
                Err(GpuError::OutOfMemory(_)) if copies > 1 => bytes /= 2,
                outcome => return outcome,
            }
        }
    }
}

/// The buffers of a copy of the arena: each copy begins with another, so that no two parts of the
/// device's memory can be taken for each other.
fn rotated(buffers: usize, copy: usize) -> impl Iterator<Item = usize> {
    (0..buffers).map(move |buffer| (buffer + copy) % buffers)
}

/// `pages` in memory from which the device copies.
fn staging(device: &OpenDevice, pages: &[PageBuffer]) -> Result<wgpu::Buffer, GpuError> {
    let staging = device.watch(|| {
        device.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size: (pages.len() * BUFFER_BYTES) as u64,
            usage: BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC,
            mapped_at_creation: true,
        })
    })?;
    let mut view =
        staging.get_mapped_range_mut(..).map_err(|error| GpuError::Refused(error.to_string()))?;
    for (i, buffer) in pages.iter().enumerate() {
        view.slice(i * BUFFER_BYTES..(i + 1) * BUFFER_BYTES)
            .copy_from_slice(bytemuck::cast_slice(buffer));
    }
    drop(view);
    staging.unmap();
    Ok(staging)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_copy_has_every_buffer_and_begins_with_another() {
        let copies: Vec<Vec<_>> = (0..4).map(|copy| rotated(3, copy).collect()).collect();
        assert_eq!(copies, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }
}
