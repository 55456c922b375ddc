//! What could compute checksums on this machine: schema `pagescrub.devices/1`.

pub mod terminal;

use crate::bench::report::Machine;
use crate::consolidate::report::Tool;
use crate::verify::engine::{self, Engine};
use serde::Serialize;

/// The schema of [`Devices`].
pub const SCHEMA: &str = "pagescrub.devices/1";

/// Everything that could compute checksums, and what does by default.
#[derive(Clone, Debug, Serialize)]
pub struct Devices {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What wrote it.
    pub tool: Tool,
    /// Where.
    pub machine: Machine,
    /// Narrow registers first.
    pub kernels: Vec<Kernel>,
    /// The GPUs.
    pub gpu: Gpus,
}

/// A way for the CPU to compute checksums.
#[derive(Clone, Debug, Serialize)]
pub struct Kernel {
    /// What `--engine` knows it by.
    pub name: &'static str,
    /// This CPU runs it.
    pub usable: bool,
    /// Why it does not.
    pub why_not: Option<String>,
    /// A scan takes it unless told otherwise.
    pub default: bool,
}

/// The search for GPUs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Gpus {
    /// This program was built to look for any.
    pub in_this_build: bool,
    /// Why none is selected.
    pub why_none: Option<String>,
    /// Usable and fast ones first.
    pub adapters: Vec<Gpu>,
}

/// A GPU as one driver shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Gpu {
    /// What `--adapter` knows it by.
    pub index: usize,
    /// The driver's name of it.
    pub name: String,
    /// `discrete`, `virtual`, `integrated`, `software` or `other`.
    #[serde(rename = "type")]
    pub device_type: &'static str,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: &'static str,
    /// The driver.
    pub driver: String,
    /// The driver's version, in its own words.
    pub driver_info: String,
    /// As in `0000:01:00.0`.
    pub pci_bus_id: Option<String>,
    /// `host_import`, `mappable` or `copy`.
    pub upload: &'static str,
    /// The same in words for people.
    #[serde(skip)]
    pub upload_words: &'static str,
    /// The alignment of memory that it imports.
    pub import_alignment_bytes: Option<u64>,
    /// The largest buffer.
    pub buffer_bytes_max: u64,
    /// The largest part of it that a kernel sees.
    pub binding_bytes_max: u64,
    /// The least threads that run in step.
    pub subgroup_min: u32,
    /// The most threads that run in step.
    pub subgroup_max: u32,
    /// It can tell how long it worked.
    pub timestamps: bool,
    /// It can compute checksums.
    pub usable: bool,
    /// Why it cannot.
    pub why_not: Option<String>,
    /// A scan on GPUs takes it.
    pub selected: bool,
}

impl Devices {
    /// This machine, with its `gpu`s.
    pub fn of_this_machine(gpu: Gpus) -> Self {
        let default = Engine::named("auto").map(|engine| engine.kernel_names()).unwrap_or_default();
        let kernel = |kernel: &engine::Kernel| Kernel::new(kernel, default.contains(&kernel.name));
        Self {
            schema: SCHEMA,
            tool: Tool {
                name: env!("CARGO_PKG_NAME").into(),
                version: env!("CARGO_PKG_VERSION").into(),
            },
            machine: Machine::this(),
            kernels: engine::all().iter().map(kernel).collect(),
            gpu,
        }
    }
}

impl Kernel {
    fn new(kernel: &engine::Kernel, default: bool) -> Self {
        let usable = kernel.is_supported();
        Self {
            name: kernel.name,
            usable,
            why_not: (!usable).then(|| format!("this CPU has no {}", kernel.name)),
            default,
        }
    }
}

#[cfg(feature = "gpu")]
mod search {
    use super::{Gpu, Gpus};
    use crate::verify::gpu::adapter::{Adapter, Wish, facts::Facts, find};
    use wgpu::DeviceType;

    impl Gpus {
        /// Looks for GPUs; those that `wish` asks for are selected.
        pub fn find(wish: &Wish) -> Self {
            let found = find(wish);
            let (selected, why_none) = match found.chosen(wish) {
                Ok(places) => (places, None),
                Err(none) if found.adapters.is_empty() => (Vec::new(), Some(none.to_string())),
                Err(none) => (Vec::new(), Some(none.headline())),
            };
            let adapters = found.adapters.iter().enumerate();
            let gpu = |(index, gpu)| Gpu::new(index, gpu, selected.contains(&index));
            Self { in_this_build: true, why_none, adapters: adapters.map(gpu).collect() }
        }
    }

    impl Gpu {
        fn new(index: usize, adapter: &Adapter, selected: bool) -> Self {
            let facts = &adapter.facts;
            Self {
                index,
                name: facts.name.clone(),
                device_type: type_name(facts),
                backend: facts.backend.to_str(),
                driver: facts.driver.clone(),
                driver_info: facts.driver_info.clone(),
                pci_bus_id: Some(facts.pci_bus_id.clone()).filter(|id| !id.is_empty()),
                upload: facts.upload().name(),
                upload_words: facts.upload().words(),
                import_alignment_bytes: facts.import_alignment.clone().ok(),
                buffer_bytes_max: facts.limits.max_buffer_size,
                binding_bytes_max: facts.limits.max_storage_buffer_binding_size,
                subgroup_min: facts.subgroup_min_size,
                subgroup_max: facts.subgroup_max_size,
                timestamps: facts.has_timestamps(),
                usable: adapter.unusable.is_none(),
                why_not: adapter.unusable.clone(),
                selected,
            }
        }
    }

    fn type_name(facts: &Facts) -> &'static str {
        match facts.device_type {
            _ if facts.is_software() => "software",
            DeviceType::DiscreteGpu => "discrete",
            DeviceType::VirtualGpu => "virtual",
            DeviceType::IntegratedGpu => "integrated",
            DeviceType::Other | DeviceType::Cpu => "other",
        }
    }
}
