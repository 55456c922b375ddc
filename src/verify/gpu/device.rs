//! An open device: what it was asked for, and what has befallen it.

use super::adapter::Adapter;
use super::host_memory;
use super::job::GpuError;
use super::pipeline::watch;
use super::upload::Upload;
use std::sync::{Arc, Mutex, PoisonError};
use wgpu::{Features, Limits};

/// A device and its queue; one thread owns both.
pub(super) struct OpenDevice {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    trouble: Arc<Mutex<Trouble>>,
}

/// What the driver complained of, outside of any call.
#[derive(Default)]
struct Trouble {
    lost: Option<String>,
    uncaptured: Option<GpuError>,
}

impl OpenDevice {
    /// Opens `adapter` for `upload`, with `features`, which it has.
    pub(super) fn open(
        adapter: &Adapter,
        upload: Upload,
        mut features: Features,
    ) -> Result<Self, GpuError> {
        let raw = &adapter.wgpu;
        features.set(Features::MAPPABLE_PRIMARY_BUFFERS, upload == Upload::Mappable);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("pagescrub"),
            required_features: features,
            required_limits: limits(&adapter.facts.limits),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        };
        let opened = if upload.is_import() {
            host_memory::open(raw, &descriptor)
        } else {
            pollster::block_on(raw.request_device(&descriptor)).map_err(|e| e.to_string())
        };
        let (device, queue) = opened.map_err(GpuError::Refused)?;
        let trouble = Arc::default();
        listen(&device, &trouble);
        Ok(Self { device, queue, trouble })
    }

    /// Does `work`, and says what went wrong in it.
    pub(super) fn watch<T>(&self, work: impl FnOnce() -> T) -> Result<T, GpuError> {
        let done = watch(&self.device, work).map_err(error_of)?;
        self.trouble().map_or(Ok(done), Err)
    }

    /// What has befallen it since last asked. A device that is lost stays lost.
    pub(super) fn trouble(&self) -> Option<GpuError> {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = trouble.lost.clone().map(GpuError::Lost);
        lost.or_else(|| trouble.uncaptured.take())
    }
}

/// Without these, wgpu panics.
fn listen(device: &wgpu::Device, trouble: &Arc<Mutex<Trouble>>) {
    let told = Arc::clone(trouble);
    device.set_device_lost_callback(move |reason, text| {
        let mut trouble = told.lock().unwrap_or_else(PoisonError::into_inner);
        let why = if text.is_empty() { format!("{reason:?}") } else { text };
        trouble.lost.get_or_insert(why);
    });
    let told = Arc::clone(trouble);
    device.on_uncaptured_error(Arc::new(move |error| {
        let mut trouble = told.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.uncaptured.get_or_insert_with(|| error_of(error));
    }));
}

fn error_of(error: wgpu::Error) -> GpuError {
    match error {
        wgpu::Error::OutOfMemory { source } => GpuError::OutOfMemory(source.to_string()),
        wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
            GpuError::Refused(description)
        }
    }
}

/// What every adapter has, and as much memory in one buffer as this one takes.
fn limits(adapter: &Limits) -> Limits {
    Limits {
        max_buffer_size: adapter.max_buffer_size,
        max_storage_buffer_binding_size: adapter.max_storage_buffer_binding_size,
        ..Limits::downlevel_defaults()
    }
}
