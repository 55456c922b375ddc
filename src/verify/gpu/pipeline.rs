//! The kernel on a device: which shader, compiled, with its bindings.
//!
//! Buffers, submissions and their failures belong to whoever owns the device.

use std::borrow::Cow;
use wgpu::{BindGroupLayoutEntry, BindingType, Buffer, BufferBindingType, ComputePassDescriptor};

/// The entry point of every shader.
const ENTRY_POINT: &str = "main";
const BINDINGS: &str = include_str!("../../../shaders/bindings.wgsl");
const PAGE_CHECKSUM: &str = include_str!("../../../shaders/page_checksum.wgsl");
const REDUCE_WORKGROUP: &str = include_str!("../../../shaders/reduce_workgroup.wgsl");
const REDUCE_SUBGROUP: &str = include_str!("../../../shaders/reduce_subgroup.wgsl");
const YARDSTICK: &str = include_str!("../../../shaders/yardstick.wgsl");
/// Threads that look at a page together, and so must share a subgroup to be of use to each other.
const LANES: u32 = 32;

/// Which shader computes; all keep the contract in `shaders/README.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shader {
    /// Runs everywhere.
    Portable,
    /// Needs [`wgpu::Features::SUBGROUP`], and subgroups that have room for a page's lanes.
    Subgroups,
    /// Computes nothing: reads the pages and says the XOR of each whole group.
    Yardstick,
    /// Somebody else's WGSL.
    Custom(Cow<'static, str>),
}

impl Shader {
    /// Ours that run on an adapter that has `features`, the best first.
    pub fn all_for_adapter(features: wgpu::Features, info: &wgpu::AdapterInfo) -> Vec<Self> {
        let mut all = vec![Self::for_adapter(features, info), Self::Portable];
        all.dedup();
        all
    }

    /// The best of ours for an adapter that has `features`.
    ///
    /// Metal gives its smallest subgroup as 4, whatever the device, and so gets the portable one.
    pub fn for_adapter(features: wgpu::Features, info: &wgpu::AdapterInfo) -> Self {
        let has_room = info.subgroup_min_size >= LANES;
        if features.contains(wgpu::Features::SUBGROUP) && has_room {
            Self::Subgroups
        } else {
            Self::Portable
        }
    }

    /// What its device must be made with, out of what its adapter has: `of_adapter`.
    pub fn features(&self, of_adapter: wgpu::Features) -> wgpu::Features {
        match self {
            Self::Portable | Self::Yardstick => wgpu::Features::empty(),
            Self::Subgroups | Self::Custom(_) => of_adapter & wgpu::Features::SUBGROUP,
        }
    }

    /// For reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Subgroups => "subgroups",
            Self::Yardstick => "yardstick",
            Self::Custom(_) => "custom",
        }
    }

    /// The WGSL.
    pub fn source(&self) -> Cow<'static, str> {
        match self {
            Self::Portable => [BINDINGS, PAGE_CHECKSUM, REDUCE_WORKGROUP].concat().into(),
            Self::Subgroups => [BINDINGS, PAGE_CHECKSUM, REDUCE_SUBGROUP].concat().into(),
            Self::Yardstick => [BINDINGS, YARDSTICK].concat().into(),
            Self::Custom(source) => source.clone(),
        }
    }
}

/// A compiled shader.
#[derive(Clone, Debug)]
pub struct Pipeline {
    layout: wgpu::BindGroupLayout,
    pipeline: wgpu::ComputePipeline,
}

impl Pipeline {
    /// Compiles `shader` for `device`.
    ///
    /// # Errors
    /// What wgpu or the driver has against the shader.
    pub fn new(device: &wgpu::Device, shader: &Shader) -> Result<Self, String> {
        watch(device, || Self::compiled(device, shader)).map_err(|error| error.to_string())
    }

    fn compiled(device: &wgpu::Device, shader: &Shader) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(shader.name()),
            source: wgpu::ShaderSource::Wgsl(shader.source()),
        });
        let layout = bind_group_layout(device);
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(shader.name()),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(ENTRY_POINT),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Ours write before they read; one thread would write all of the zeros.
                zero_initialize_workgroup_memory: matches!(shader, Shader::Custom(_)),
                ..Default::default()
            },
            cache: None,
        });
        Self { layout, pipeline }
    }

    /// Binds what [`Self::encode`] is to work on: the `pages` of a whole arena, a
    /// [`Group`](super::word::Group) for each workgroup, and room for eight
    /// [`Word`](super::word::Word)s for each of them.
    pub fn bind(
        &self,
        device: &wgpu::Device,
        pages: &Buffer,
        groups: &Buffer,
        words: &Buffer,
    ) -> wgpu::BindGroup {
        let entry = |binding, buffer| wgpu::BindGroupEntry {
            binding,
            resource: Buffer::as_entire_binding(buffer),
        };
        device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.layout,
            entries: &[entry(0, pages), entry(1, groups), entry(2, words)],
        })
    }

    /// Looks at the pages of the first `groups` groups of `bound`, in a pass of its own.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder, bound: &wgpu::BindGroup, groups: u32) {
        self.dispatch(
            &mut encoder.begin_compute_pass(&ComputePassDescriptor::default()),
            bound,
            groups,
        );
    }

    /// As [`Self::encode`], in a pass that takes the time, for example.
    pub fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, bound: &wgpu::BindGroup, groups: u32) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, bound, &[]);
        pass.dispatch_workgroups(groups, 1, 1);
    }
}

/// Does `work` on `device`, and says what went wrong in it. That a device was lost does not show.
pub(super) fn watch<T>(device: &wgpu::Device, work: impl FnOnce() -> T) -> Result<T, wgpu::Error> {
    let filters = [
        wgpu::ErrorFilter::OutOfMemory,
        wgpu::ErrorFilter::Internal,
        wgpu::ErrorFilter::Validation,
    ];
    // Without a scope for each kind, an error would go to the device's handler.
    let scopes = filters.map(|filter| device.push_error_scope(filter));
    let done = work();
    // Popped in reverse order, all of them: what memory could not be had for is invalid as well,
    // but the lack of memory is what happened.
    let errors = scopes.into_iter().rev().map(|scope| pollster::block_on(scope.pop()));
    errors.fold(None, |outer, error| error.or(outer)).map_or(Ok(done), Err)
}

fn bind_group_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let entry = |binding, read_only| BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: BindingType::Buffer {
            ty: BufferBindingType::Storage { read_only },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &[entry(0, true), entry(1, true), entry(2, false)],
    })
}

#[cfg(test)]
mod tests;
