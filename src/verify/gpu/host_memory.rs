//! Memory of ours that a GPU reads where it is, without a copy (`VK_EXT_external_memory_host`).
//!
//! wgpu has no such thing, so this goes through the Vulkan objects beneath it: the device is opened
//! with the extension, and the arena becomes a buffer like any other. Only Vulkan knows how.

/// The alignment that `adapter` asks of memory it is to import.
///
/// # Errors
/// Why it cannot import memory.
#[cfg(any(target_os = "linux", target_os = "windows"))]
#[allow(unsafe_code)]
pub fn can_import(adapter: &wgpu::Adapter) -> Result<u64, String> {
    use ash::vk;
    // SAFETY: `vulkan` is only asked questions here and dropped at the end of this function, so
    // nothing that belongs to wgpu is destroyed or changed through it.
    let vulkan = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() };
    let vulkan = vulkan.ok_or("memory is imported through Vulkan only")?;
    let (instance, device) = (vulkan.shared_instance(), vulkan.physical_device_capabilities());
    let version = instance.instance_api_version().min(device.properties().api_version);
    let has_extension = device.supports_extension(ash::ext::external_memory_host::NAME);
    if version < vk::API_VERSION_1_1 || !has_extension {
        return Err("its driver imports no memory (VK_EXT_external_memory_host)".to_owned());
    }
    let (instance, device) = (instance.raw_instance(), vulkan.raw_physical_device());
    // SAFETY: the instance has Vulkan 1.1, as was tested above, and the device is one of its own.
    if !unsafe { vulkan::is_importable(instance, device) } {
        return Err("its driver takes imported memory, but not for buffers".to_owned());
    }
    let mut host = vk::PhysicalDeviceExternalMemoryHostPropertiesEXT::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut host);
    // SAFETY: the call exists from Vulkan 1.1 on, and the device knows the chained structure,
    // because it has the extension: both are tested above. `device` was enumerated from
    // `instance`, for both come from `vulkan`, which keeps them alive.
    unsafe { instance.get_physical_device_properties2(device, &mut properties) };
    let alignment = host.min_imported_host_pointer_alignment;
    let is_sane = alignment.is_power_of_two();
    is_sane.then_some(alignment).ok_or(format!("its driver wants memory aligned to {alignment}"))
}

/// No driver of this system is known to import memory.
#[cfg(not(any(target_os = "linux", target_os = "windows")))]
pub fn can_import(_: &wgpu::Adapter) -> Result<u64, String> {
    Err("memory cannot be imported on this system".to_owned())
}

#[cfg(any(target_os = "linux", target_os = "windows"))]
pub(super) use vulkan::{import, open};

#[cfg(not(any(target_os = "linux", target_os = "windows")))]
pub(super) use none::{import, open};

#[cfg(not(any(target_os = "linux", target_os = "windows")))]
mod none {
    use crate::read::arena::Arena;

    const NOT_HERE: &str = "memory cannot be imported on this system";

    pub(in super::super) fn open(
        _: &wgpu::Adapter,
        _: &wgpu::DeviceDescriptor<'_>,
    ) -> Result<(wgpu::Device, wgpu::Queue), String> {
        Err(NOT_HERE.to_owned())
    }

    pub(in super::super) fn import(_: &wgpu::Device, _: &Arena) -> Result<wgpu::Buffer, String> {
        Err(NOT_HERE.to_owned())
    }
}

#[cfg(any(target_os = "linux", target_os = "windows"))]
mod vulkan {
    use crate::read::arena::Arena;
    use ash::ext::external_memory_host;
    use ash::vk;
    use wgpu::BufferUsages;
    use wgpu::hal::api::Vulkan;
    use wgpu::hal::vulkan::{Buffer, CreateDeviceCallbackArgs, Device};

    const HOST_ALLOCATION: vk::ExternalMemoryHandleTypeFlags =
        vk::ExternalMemoryHandleTypeFlags::HOST_ALLOCATION_EXT;

    /// Opens a device that can import memory.
    #[allow(unsafe_code)]
    pub(in super::super) fn open(
        adapter: &wgpu::Adapter,
        descriptor: &wgpu::DeviceDescriptor<'_>,
    ) -> Result<(wgpu::Device, wgpu::Queue), String> {
        // Asking for what is not there is a panic inside of wgpu.
        super::can_import(adapter)?;
        // SAFETY: the adapter is only looked at, and its guard is dropped at the end.
        let hal = unsafe { adapter.as_hal::<Vulkan>() }.ok_or("not a Vulkan adapter")?;
        let add_extension = |device: CreateDeviceCallbackArgs<'_, '_, '_>| {
            device.extensions.push(external_memory_host::NAME);
        };
        let (features, limits) = (descriptor.required_features, &descriptor.required_limits);
        let missing = features - adapter.features();
        if !missing.is_empty() {
            return Err(format!("the device has not {missing:?}"));
        }
        if let Some(missed) = missed_limit(limits, &adapter.limits()) {
            return Err(missed);
        }
        let (hints, callback) = (&descriptor.memory_hints, Box::new(add_extension));
        // SAFETY: the callback adds one extension, which `can_import` found to be there, and takes
        // nothing away; that the device has these features and limits is tested above, too.
        let opened = unsafe { hal.open_with_callback(features, limits, hints, Some(callback)) };
        let opened = opened.map_err(|error| error.to_string())?;
        drop(hal);
        // SAFETY: `opened` was made from this adapter, with this descriptor.
        let device = unsafe { adapter.create_device_from_hal::<Vulkan>(opened, descriptor) };
        device.map_err(|error| error.to_string())
    }

    /// The first of `limits` that is more than what is `allowed`, in words.
    fn missed_limit(limits: &wgpu::Limits, allowed: &wgpu::Limits) -> Option<String> {
        let mut missed = None;
        limits.check_limits_with_fail_fn(allowed, true, |name, asked, has| {
            missed = Some(format!("the device allows {has} for {name}, and {asked} are needed"));
        });
        missed
    }

    /// All buffers of `arena` as one buffer that shaders read and copies start from.
    ///
    /// The arena must outlive it, as `worker` sees to. What a device has been given may be written
    /// to before it is done only where nothing that it says of it is used any more: then it has
    /// timed out or was given up, and it can do no more than read other bytes.
    #[allow(unsafe_code)]
    pub(in super::super) fn import(
        device: &wgpu::Device,
        arena: &Arena,
    ) -> Result<wgpu::Buffer, String> {
        // SAFETY: the device is only used to make objects of its own, not destroyed.
        let hal = unsafe { device.as_hal::<Vulkan>() }.ok_or("not a Vulkan device")?;
        let imported = Imported::new(&hal, arena).map_err(|error| error.to_string())?;
        let bytes = arena.bytes() as u64;
        // SAFETY: buffer and memory were made for this device by the line before, are bound to
        // each other, and belong to nobody else; wgpu destroys them from now on.
        let buffer =
            unsafe { Buffer::from_raw_managed(imported.buffer, imported.memory, 0, bytes) };
        drop(hal);
        let descriptor = wgpu::BufferDescriptor {
            label: Some("pages in host memory"),
            size: bytes,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        };
        // SAFETY: it is a buffer of this device, of that size and those usages.
        Ok(unsafe { device.create_buffer_from_hal::<Vulkan>(buffer, &descriptor) })
    }

    struct Imported {
        buffer: vk::Buffer,
        memory: vk::DeviceMemory,
    }

    impl Imported {
        /// Buffer and memory, bound; nothing is left over on failure.
        #[allow(unsafe_code)]
        fn new(device: &Device, arena: &Arena) -> Result<Self, vk::Result> {
            let raw = device.raw_device();
            let buffer = new_buffer(raw, arena)?;
            let memory = memory_type(device, arena, buffer)
                .and_then(|memory_type| allocate(raw, arena, memory_type));
            let bound = memory.and_then(|memory| {
                // SAFETY: both are new, of this device, and as long as the arena.
                let bound = unsafe { raw.bind_buffer_memory(buffer, memory, 0) };
                bound.map(|()| Self { buffer, memory }).inspect_err(|_| {
                    // SAFETY: nothing uses it: it could not be bound.
                    unsafe { raw.free_memory(memory, None) }
                })
            });
            bound.inspect_err(|_| {
                // SAFETY: nothing uses it: it has no memory.
                unsafe { raw.destroy_buffer(buffer, None) }
            })
        }
    }

    fn usage() -> vk::BufferUsageFlags {
        vk::BufferUsageFlags::STORAGE_BUFFER | vk::BufferUsageFlags::TRANSFER_SRC
    }

    /// Whether buffers for such use may lie in host memory, as a part of it.
    ///
    /// # Safety
    /// `instance` must have Vulkan 1.1, and `device` must be one of its physical devices.
    #[allow(unsafe_code)]
    pub(super) unsafe fn is_importable(
        instance: &ash::Instance,
        device: vk::PhysicalDevice,
    ) -> bool {
        let info = vk::PhysicalDeviceExternalBufferInfo::default()
            .usage(usage())
            .handle_type(HOST_ALLOCATION);
        let mut properties = vk::ExternalBufferProperties::default();
        // SAFETY: Vulkan 1.1 has the call, and the device is of this instance: see above.
        unsafe {
            instance.get_physical_device_external_buffer_properties(device, &info, &mut properties);
        }
        let offered = properties.external_memory_properties.external_memory_features;
        offered.contains(vk::ExternalMemoryFeatureFlags::IMPORTABLE)
            && !offered.contains(vk::ExternalMemoryFeatureFlags::DEDICATED_ONLY)
    }

    #[allow(unsafe_code)]
    fn new_buffer(raw: &ash::Device, arena: &Arena) -> Result<vk::Buffer, vk::Result> {
        let mut external =
            vk::ExternalMemoryBufferCreateInfo::default().handle_types(HOST_ALLOCATION);
        let info = vk::BufferCreateInfo::default()
            .size(arena.bytes() as u64)
            .usage(usage())
            .sharing_mode(vk::SharingMode::EXCLUSIVE)
            .push_next(&mut external);
        // SAFETY: the information is complete, and the extension was enabled by `open`.
        unsafe { raw.create_buffer(&info, None) }
    }

    /// A kind of memory that may hold both the arena and `buffer`, and needs no flushing.
    #[allow(unsafe_code)]
    fn memory_type(device: &Device, arena: &Arena, buffer: vk::Buffer) -> Result<u32, vk::Result> {
        let raw = device.raw_device();
        let instance = device.shared_instance().raw_instance();
        let host_memory = external_memory_host::Device::new(instance, raw);
        let mut of_pointer = vk::MemoryHostPointerPropertiesEXT::default();
        // SAFETY: the arena is mapped, and begins and ends on multiples of a buffer's bytes, which
        // `Facts::not_imported` found to be what the driver asks for.
        let asked = unsafe {
            (host_memory.fp().get_memory_host_pointer_properties_ext)(
                raw.handle(),
                HOST_ALLOCATION,
                arena.address().as_ptr().cast(),
                &raw mut of_pointer,
            )
        };
        asked.result()?;
        // SAFETY: the buffer is of this device.
        let needs = unsafe { raw.get_buffer_memory_requirements(buffer) };
        let physical = device.raw_physical_device();
        // SAFETY: the physical device is of this instance.
        let types = unsafe { instance.get_physical_device_memory_properties(physical) };
        let wanted = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        let bits = of_pointer.memory_type_bits & needs.memory_type_bits;
        (0..types.memory_type_count)
            .filter(|i| bits & 1 << i != 0 && needs.size <= arena.bytes() as u64)
            .find(|i| types.memory_types[*i as usize].property_flags.contains(wanted))
            .ok_or(vk::Result::ERROR_INVALID_EXTERNAL_HANDLE)
    }

    #[allow(unsafe_code)]
    fn allocate(
        raw: &ash::Device,
        arena: &Arena,
        memory_type: u32,
    ) -> Result<vk::DeviceMemory, vk::Result> {
        let mut import = vk::ImportMemoryHostPointerInfoEXT::default()
            .handle_type(HOST_ALLOCATION)
            .host_pointer(arena.address().as_ptr().cast());
        let info = vk::MemoryAllocateInfo::default()
            .allocation_size(arena.bytes() as u64)
            .memory_type_index(memory_type)
            .push_next(&mut import);
        // SAFETY: the pointer is the arena's, which is mapped for all of that size, and
        // `memory_type` is one that the driver named for it.
        unsafe { raw.allocate_memory(&info, None) }
    }
}
