//! Memory of this process that a GPU reads where it is: which adapters can do that.

/// The alignment that `adapter` asks of memory it is to import, if it can import memory at all.
#[cfg(any(target_os = "linux", target_os = "windows"))]
#[allow(unsafe_code)]
pub fn can_import(adapter: &wgpu::Adapter) -> Option<u64> {
    use ash::vk;
    // SAFETY: `vulkan` is only asked questions here and dropped at the end of this function, so
    // nothing that belongs to wgpu is destroyed or changed through it.
    let vulkan = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let (instance, device) = (vulkan.shared_instance(), vulkan.physical_device_capabilities());
    let version = instance.instance_api_version().min(device.properties().api_version);
    let has_extension = device.supports_extension(ash::ext::external_memory_host::NAME);
    if version < vk::API_VERSION_1_1 || !has_extension {
        return None;
    }
    let mut host = vk::PhysicalDeviceExternalMemoryHostPropertiesEXT::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut host);
    let (instance, device) = (instance.raw_instance(), vulkan.raw_physical_device());
    // SAFETY: the call exists from Vulkan 1.1 on, and the device knows the chained structure,
    // because it has the extension: both are tested above. `device` was enumerated from
    // `instance`, for both come from `vulkan`, which keeps them alive.
    unsafe { instance.get_physical_device_properties2(device, &mut properties) };
    let alignment = host.min_imported_host_pointer_alignment;
    alignment.is_power_of_two().then_some(alignment)
}

/// No driver of this system is known to import memory.
#[cfg(not(any(target_os = "linux", target_os = "windows")))]
pub fn can_import(_: &wgpu::Adapter) -> Option<u64> {
    None
}
