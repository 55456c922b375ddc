//! Choosing among made-up adapters.

use super::*;
use crate::verify::gpu::adapter::facts::tests::gpu;

const REQUEST_ANSWER: &str = "No suitable graphics adapter found; noop not requested, \
    vulkan drivers/libraries could not be loaded, metal not requested, dx12 found no adapters, \
    gl not requested, webgpu not requested";

fn called(adapters: &[Facts]) -> Vec<&str> {
    adapters.iter().map(|gpu| gpu.name.as_str()).collect()
}

fn ranked(mut adapters: Vec<Facts>) -> Vec<Facts> {
    rank(&mut adapters, |facts| facts);
    adapters
}

fn at(bus_id: &str, gpu: Facts) -> Facts {
    Facts { pci_bus_id: bus_id.to_owned(), ..gpu }
}

/// Two of one kind, another one, one that computes nothing, and software.
fn machine() -> Vec<Facts> {
    let unfit = Facts { has_compute: false, ..gpu("Old Card", DeviceType::DiscreteGpu) };
    ranked(vec![
        gpu("llvmpipe (LLVM 15.0.6)", DeviceType::Cpu),
        unfit,
        gpu("Intel UHD 770", DeviceType::IntegratedGpu),
        at("0000:81:00.0", gpu("NVIDIA L4", DeviceType::DiscreteGpu)),
        at("0000:01:00.0", gpu("NVIDIA L4", DeviceType::DiscreteGpu)),
    ])
}

fn chosen(asked: &[&str], allow_software: bool) -> Result<Vec<usize>, NoAdapter> {
    let (machine, asked) = (machine(), asked.iter().map(|&name| name.to_owned()));
    choose(&machine.iter().collect::<Vec<_>>(), &asked.collect::<Vec<_>>(), allow_software)
}

#[test]
fn usable_ones_come_first_then_fast_kinds_and_software_last() {
    let machine = machine();
    let expected =
        ["NVIDIA L4", "NVIDIA L4", "Intel UHD 770", "llvmpipe (LLVM 15.0.6)", "Old Card"];
    assert_eq!(called(&machine), expected);
    assert_eq!(machine[0].pci_bus_id, "0000:01:00.0", "equals stand in the order of their slots");
    let kinds = [DeviceType::Other, DeviceType::IntegratedGpu, DeviceType::VirtualGpu];
    let others = ranked(kinds.map(|kind| gpu("x", kind)).to_vec());
    let kinds: Vec<_> = others.iter().map(|gpu| gpu.device_type).collect();
    let expected = [DeviceType::VirtualGpu, DeviceType::IntegratedGpu, DeviceType::Other];
    assert_eq!(kinds, expected);
}

#[test]
fn a_device_seen_through_two_backends_is_one() {
    let seen =
        |backend, bus_id| at(bus_id, Facts { backend, ..gpu("Arc A770", DeviceType::DiscreteGpu) });
    let same = vec![seen(Backend::Dx12, "0000:03:00.0"), seen(Backend::Vulkan, "0000:03:00.0")];
    let backends: Vec<_> = ranked(same).iter().map(|gpu| gpu.backend).collect();
    assert_eq!(backends, [Backend::Vulkan]);
    let unknown = vec![seen(Backend::Dx12, ""), seen(Backend::Metal, "")];
    let backends: Vec<_> = ranked(unknown).iter().map(|gpu| gpu.backend).collect();
    assert_eq!(backends, [Backend::Metal, Backend::Dx12], "nothing says that they are the same");
}

#[test]
fn a_driver_that_can_compute_is_preferred_for_the_same_device() {
    let old = Facts { has_compute: false, ..gpu("through Vulkan", DeviceType::DiscreteGpu) };
    let good = Facts { backend: Backend::Dx12, ..gpu("through DX12", DeviceType::DiscreteGpu) };
    let same = [old, good].map(|gpu| at("0000:03:00.0", gpu)).to_vec();
    assert_eq!(called(&ranked(same)), ["through DX12"]);
}

#[test]
fn without_names_all_real_gpus_work_together() {
    assert_eq!(chosen(&[], false), Ok(vec![0, 1, 2]));
    assert_eq!(chosen(&[], true), Ok(vec![0, 1, 2]));
    let software = gpu("llvmpipe", DeviceType::Cpu);
    assert_eq!(choose(&[&software, &software], &[], true), Ok(vec![0]));
    assert!(choose(&[&software], &[], false).is_err());
}

#[test]
fn a_name_is_a_part_of_a_name_or_a_number_or_a_bus_id() {
    assert_eq!(chosen(&["nvidia"], false), Ok(vec![0, 1]));
    assert_eq!(chosen(&["uhd", "0"], false), Ok(vec![0, 2]), "the best first");
    assert_eq!(chosen(&["0000:81:00.0"], false), Ok(vec![1]));
    assert_eq!(chosen(&["770"], false), Ok(vec![2]), "no place in the list, so part of a name");
    assert_eq!(chosen(&["l4", "L4", "1"], false), Ok(vec![0, 1]), "nothing is used twice");
    assert_eq!(chosen(&["llvmpipe"], true), Ok(vec![3]));
}

#[test]
fn what_cannot_be_had_is_answered_with_what_there_is() {
    let no = chosen(&["uhd", "radeon"], false).unwrap_err().to_string();
    assert!(
        no.starts_with("no usable GPU matches 'radeon'; there is 0 NVIDIA L4 (usable)"),
        "{no}"
    );
    assert!(no.contains("4 Old Card (it runs no compute shaders)"), "{no}");
    assert!(no.contains("--allow-software-gpu") && no.contains("--engine cpu"), "{no}");
    for unusable in ["llvmpipe", "3", "old"] {
        assert_eq!(chosen(&[unusable], false).unwrap_err().asked.as_deref(), Some(unusable));
    }
}

#[test]
fn where_there_is_nothing_the_answer_says_where_it_was_looked_for() {
    let searched = searched(REQUEST_ANSWER, Backends::VULKAN | Backends::DX12);
    let expected = ["vulkan: drivers/libraries could not be loaded", "dx12: found no adapters"];
    assert_eq!(searched, expected);
    let no = NoAdapter { searched, ..choose(&[], &[], false).unwrap_err() }.to_string();
    let expected = "no usable GPU: none was found (vulkan: drivers/libraries could not be loaded, \
                    dx12: found no adapters); install the GPU's driver and the loader of its \
         interface (for Vulkan on Linux, libvulkan.so.1), or use --engine cpu";
    assert_eq!(no, expected);
}
