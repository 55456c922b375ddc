//! What is known of an adapter, and what follows: how bytes reach it, and whether it can be used.

use crate::read::arena::BUFFER_BYTES;
use crate::verify::gpu::host_memory;
use crate::verify::gpu::upload::Upload;
use wgpu::{Backend, DeviceType, DownlevelFlags, Features, Limits};

/// Bytes that the smallest batch worth a submission takes in one binding.
const BINDING_BYTES_MIN: u64 = 16 << 20;
/// Threads of a group of the kernels.
const GROUP_THREADS: u64 = 256;
/// Pages, words, and what the kernel must know of a batch.
const STORAGE_BUFFERS_MIN: u64 = 3;

/// Software that poses as a GPU and does not always say so.
const SOFTWARE: [&str; 5] = ["llvmpipe", "lavapipe", "swiftshader", "softpipe", "basic render"];

/// An adapter in plain values.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The driver's name of it.
    pub name: String,
    /// The driver.
    pub driver: String,
    /// The driver's version, in its own words.
    pub driver_info: String,
    /// The interface through which it was found.
    pub backend: Backend,
    /// What kind of GPU it is.
    pub device_type: DeviceType,
    /// As in `0000:01:00.0`; empty if unknown.
    pub pci_bus_id: String,
    /// The least threads that run in step.
    pub subgroup_min_size: u32,
    /// The most threads that run in step.
    pub subgroup_max_size: u32,
    /// What the device offers at most.
    pub limits: Limits,
    /// What the device can do besides.
    pub features: Features,
    /// It runs compute shaders.
    pub has_compute: bool,
    /// The alignment of memory it can import, or why it cannot.
    pub import_alignment: Result<u64, String>,
}

impl Facts {
    /// The facts of `adapter`.
    pub(super) fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let flags = adapter.get_downlevel_capabilities().flags;
        Self {
            name: info.name,
            driver: info.driver,
            driver_info: info.driver_info,
            backend: info.backend,
            device_type: info.device_type,
            pci_bus_id: info.device_pci_bus_id,
            subgroup_min_size: info.subgroup_min_size,
            subgroup_max_size: info.subgroup_max_size,
            limits: adapter.limits(),
            features: adapter.features(),
            has_compute: flags.contains(DownlevelFlags::COMPUTE_SHADERS),
            import_alignment: host_memory::can_import(adapter),
        }
    }

    /// True for a program that runs on the CPU.
    pub fn is_software(&self) -> bool {
        let name = self.name.to_lowercase();
        self.device_type == DeviceType::Cpu || SOFTWARE.iter().any(|part| name.contains(part))
    }

    /// True if the GPU itself can tell how long it worked.
    pub fn has_timestamps(&self) -> bool {
        self.features.contains(Features::TIMESTAMP_QUERY)
    }

    /// The way with the fewest copies.
    pub fn upload(&self) -> Upload {
        self.uploads()[0]
    }

    /// Every way, the one with the fewest copies by the CPU first. A discrete GPU that lets its
    /// memory be mapped is written over the bus in small pieces, which is slower than to copy.
    pub fn uploads(&self) -> Vec<Upload> {
        let may_map = self.features.contains(Features::MAPPABLE_PRIMARY_BUFFERS);
        let can_import = self.not_imported().is_none();
        let import = can_import.then_some([Upload::HostImport, Upload::ImportCopy]);
        let mappable = (!self.has_own_memory() && may_map).then_some(Upload::Mappable);
        let copied = [mappable, Some(Upload::Copy)].into_iter().flatten();
        import.into_iter().flatten().chain(copied).collect()
    }

    /// Why it does not import our memory, if so.
    pub fn not_imported(&self) -> Option<String> {
        match &self.import_alignment {
            // Ours is aligned to this, and no driver is known to ask for more.
            Ok(alignment) if (BUFFER_BYTES as u64).is_multiple_of(*alignment) => None,
            Ok(alignment) => Some(format!("its driver wants memory aligned to {alignment}")),
            Err(why) => Some(why.clone()),
        }
    }

    /// True if its memory is not the CPU's. Then a measurement must tell whether it had better read
    /// ours over the bus while it computes, or copy it first; else a copy gains nothing.
    pub fn has_own_memory(&self) -> bool {
        self.device_type != DeviceType::IntegratedGpu && !self.is_software()
    }

    /// Bytes of the largest buffer that a shader sees as a whole.
    pub fn binding_bytes_max(&self) -> u64 {
        self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size)
    }

    /// Why it cannot be used, if so.
    pub(super) fn unusable(&self, allow_software: bool) -> Option<String> {
        let unwanted = self.is_software() && !allow_software;
        let why = "it is software, which the CPU kernels outrun; to try it, --allow-software-gpu";
        self.unfit().or_else(|| unwanted.then(|| why.to_owned()))
    }

    /// Why it could not be used whatever the user allowed, if so.
    pub(super) fn unfit(&self) -> Option<String> {
        if self.backend == Backend::Noop {
            return Some("the noop backend computes nothing".to_owned());
        }
        if !self.has_compute {
            return Some("it runs no compute shaders".to_owned());
        }
        let limits = &self.limits;
        let threads = limits.max_compute_invocations_per_workgroup;
        let needs = [
            ("bytes in a buffer", limits.max_buffer_size, BINDING_BYTES_MIN),
            ("bytes in a binding", limits.max_storage_buffer_binding_size, BINDING_BYTES_MIN),
            ("threads in a group", threads.into(), GROUP_THREADS),
            ("threads in a row", limits.max_compute_workgroup_size_x.into(), GROUP_THREADS),
            ("buffers", limits.max_storage_buffers_per_shader_stage.into(), STORAGE_BUFFERS_MIN),
        ];
        let (what, has, needs) = needs.into_iter().find(|(_, has, needs)| has < needs)?;
        Some(format!("it allows {has} {what}, and {needs} are needed"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A GPU that can be used.
    pub(in crate::verify::gpu::adapter) fn gpu(name: &str, device_type: DeviceType) -> Facts {
        Facts {
            name: name.to_owned(),
            driver: "driver".to_owned(),
            driver_info: "1.2".to_owned(),
            backend: Backend::Vulkan,
            device_type,
            pci_bus_id: String::new(),
            subgroup_min_size: 32,
            subgroup_max_size: 32,
            limits: Limits::default(),
            features: Features::empty(),
            has_compute: true,
            import_alignment: Err("no driver".to_owned()),
        }
    }

    #[test]
    fn software_is_known_by_type_or_name_and_used_only_if_allowed() {
        let by_type = gpu("Something", DeviceType::Cpu);
        let by_name = SOFTWARE.map(|name| gpu(&name.to_uppercase(), DeviceType::Other));
        for software in by_name.iter().chain([&by_type]) {
            let why = software.unusable(false).unwrap();
            assert!(why.contains("--allow-software-gpu"), "{why}");
            assert_eq!(software.unusable(true), None, "{}", software.name);
        }
        assert_eq!(gpu("NVIDIA L4", DeviceType::DiscreteGpu).unusable(false), None);
    }

    #[test]
    fn what_cannot_run_the_kernels_is_refused_with_its_reason() {
        let refused = |change: fn(&mut Facts)| {
            let mut facts = gpu("llvmpipe", DeviceType::Cpu);
            change(&mut facts);
            facts.unusable(true).unwrap()
        };
        assert!(refused(|gpu| gpu.has_compute = false).contains("compute shaders"));
        assert!(refused(|gpu| gpu.backend = Backend::Noop).contains("noop"));
        let binding = refused(|gpu| gpu.limits.max_storage_buffer_binding_size = 8 << 20);
        assert_eq!(binding, "it allows 8388608 bytes in a binding, and 16777216 are needed");
        let threads = refused(|gpu| gpu.limits.max_compute_invocations_per_workgroup = 128);
        assert_eq!(threads, "it allows 128 threads in a group, and 256 are needed");
        assert!(refused(|gpu| gpu.limits.max_buffer_size = 0).contains("0 bytes in a buffer"));
    }

    #[test]
    fn bytes_take_the_way_with_the_fewest_copies() {
        let upload = |device_type, features, import_alignment| {
            Facts { features, import_alignment, ..gpu("x", device_type) }.upload()
        };
        let no = || Err("no driver".to_owned());
        let (none, mappable) = (Features::empty(), Features::MAPPABLE_PRIMARY_BUFFERS);
        for every in [DeviceType::DiscreteGpu, DeviceType::IntegratedGpu, DeviceType::Cpu] {
            assert_eq!(upload(every, mappable, Ok(4096)), Upload::HostImport);
            assert_eq!(upload(every, none, no()), Upload::Copy);
        }
        assert_eq!(upload(DeviceType::IntegratedGpu, mappable, no()), Upload::Mappable);
        assert_eq!(upload(DeviceType::Cpu, mappable, no()), Upload::Mappable);
        assert_eq!(upload(DeviceType::DiscreteGpu, mappable, no()), Upload::Copy);
    }

    #[test]
    fn memory_that_can_be_imported_is_read_or_copied_and_cannot_be_if_it_is_not_aligned_enough() {
        let facts = |alignment| Facts {
            features: Features::MAPPABLE_PRIMARY_BUFFERS,
            import_alignment: Ok(alignment),
            ..gpu("x", DeviceType::IntegratedGpu)
        };
        let copied = [Upload::Mappable, Upload::Copy];
        let imported = [Upload::HostImport, Upload::ImportCopy];
        assert_eq!(facts(65_536).uploads(), [imported, copied].concat());
        assert_eq!(facts(2 * BUFFER_BYTES as u64).uploads(), copied);
    }

    #[test]
    fn only_a_real_gpu_beside_the_cpu_has_memory_of_its_own() {
        let has = |name, device_type| gpu(name, device_type).has_own_memory();
        assert!(has("x", DeviceType::DiscreteGpu) && has("x", DeviceType::VirtualGpu));
        assert!(!has("x", DeviceType::IntegratedGpu) && !has("llvmpipe", DeviceType::Other));
    }
}
