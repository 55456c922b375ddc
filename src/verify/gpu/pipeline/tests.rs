//! The shaders, looked at without a GPU: they are valid, and say what the Rust side says.

use super::*;
use crate::page::header::TORN_BITS_OFFSET;
use crate::page::{PAGE_BYTES, PAGE_SECTORS};
use crate::verify::gpu::word::{GROUP_PAGES, Group, Word};
use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Expression, Literal, Module};
use std::collections::BTreeMap;

/// The least that each of our shaders must get along with.
const SHADERS: [(Shader, Capabilities); 3] = [
    (Shader::Portable, Capabilities::empty()),
    (Shader::Subgroups, Capabilities::SUBGROUP),
    (Shader::Yardstick, Capabilities::empty()),
];

fn module_of(shader: &Shader) -> Module {
    let source = shader.source();
    naga::front::wgsl::parse_str(&source)
        .unwrap_or_else(|e| panic!("{}", e.emit_to_string(&source)))
}

fn validated(module: &Module, capabilities: Capabilities) -> ModuleInfo {
    Validator::new(ValidationFlags::all(), capabilities).validate(module).unwrap()
}

/// The numbers in the shader, by name.
fn constants(shader: &Shader) -> BTreeMap<String, u32> {
    let module = module_of(shader);
    let value = |init| match module.global_expressions[init] {
        Expression::Literal(Literal::U32(value)) => Some(value),
        _ => None,
    };
    let named = module.constants.iter().map(|(_, constant)| constant);
    named.filter_map(|constant| Some((constant.name.clone()?, value(constant.init)?))).collect()
}

#[test]
fn every_shader_is_valid_with_the_least_that_adapters_have() {
    for (shader, capabilities) in SHADERS {
        validated(&module_of(&shader), capabilities);
    }
}

#[test]
fn only_the_portable_shader_does_without_subgroups() {
    let module = module_of(&Shader::Subgroups);
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    assert!(validator.validate(&module).is_err());
}

#[test]
fn every_shader_can_be_said_in_the_languages_of_the_drivers() {
    for (shader, capabilities) in SHADERS {
        let module = module_of(&shader);
        let info = validated(&module, capabilities);
        assert!(!as_spirv(&module, &info).is_empty());
        assert!(as_hlsl(&module, &info).contains("numthreads(256, 1, 1)"));
        assert!(as_msl(&module, &info).contains("kernel void"));
    }
}

fn as_spirv(module: &Module, info: &ModuleInfo) -> Vec<u32> {
    // Subgroup operations came with SPIR-V 1.3, which is Vulkan 1.1.
    let options = spv::Options { lang_version: (1, 3), ..Default::default() };
    spv::write_vec(module, info, &options, None).unwrap()
}

fn as_hlsl(module: &Module, info: &ModuleInfo) -> String {
    let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_0, ..Default::default() };
    let mut text = String::new();
    let pipeline = hlsl::PipelineOptions::default();
    hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None).unwrap();
    text
}

fn as_msl(module: &Module, info: &ModuleInfo) -> String {
    let options = msl::Options { lang_version: (2, 4), ..Default::default() };
    msl::write_string(module, info, &options, &msl::PipelineOptions::default()).unwrap().0
}

#[test]
fn the_shader_has_the_numbers_of_the_rust_side() {
    let expected = [
        ("DONE", Word::DONE),
        ("NONCE", Word::NONCE),
        ("LANES", LANES),
        ("PAGE_SECTORS", PAGE_SECTORS as u32),
        ("PAGE_VECTORS", PAGE_BYTES as u32 / 16),
        ("GROUP_PAGES", GROUP_PAGES),
        ("GROUP_THREADS", GROUP_PAGES * LANES),
        ("STORED_LANE", TORN_BITS_OFFSET as u32 / 16),
    ];
    let found = constants(&Shader::Portable);
    for (name, value) in expected {
        assert_eq!(found.get(name), Some(&value), "{name}");
    }
    for (name, value) in constants(&Shader::Yardstick) {
        assert_eq!(found.get(&name), Some(&value), "{name}");
    }
    assert_eq!(TORN_BITS_OFFSET % 16, 12, "the last word of its vector");
}

#[test]
fn the_bindings_are_those_of_the_contract() {
    for (shader, _) in SHADERS {
        let module = module_of(&shader);
        let stride = |variable: &naga::GlobalVariable| {
            let binding = variable.binding?;
            let naga::TypeInner::Array { stride, .. } = module.types[variable.ty].inner else {
                return None;
            };
            Some((binding.group, binding.binding, stride as usize))
        };
        let strides: Vec<_> =
            module.global_variables.iter().filter_map(|(_, v)| stride(v)).collect();
        let [group, word] = [size_of::<Group>(), size_of::<Word>()];
        assert_eq!(strides, [(0, 0, 16), (0, 1, group), (0, 2, word)]);
        assert!(module.entry_points.iter().map(|e| e.name.as_str()).eq([ENTRY_POINT]));
    }
}

#[test]
fn subgroups_are_used_only_where_a_pages_lanes_have_room() {
    let chosen = |features, subgroup_min_size| {
        let kind = (wgpu::DeviceType::DiscreteGpu, wgpu::Backend::Vulkan);
        let info =
            wgpu::AdapterInfo { subgroup_min_size, ..wgpu::AdapterInfo::new(kind.0, kind.1) };
        Shader::for_adapter(features, &info)
    };
    let subgroup = wgpu::Features::SUBGROUP;
    assert_eq!(chosen(subgroup, 8), Shader::Portable);
    assert_eq!(chosen(subgroup, 16), Shader::Portable);
    assert_eq!(chosen(wgpu::Features::empty(), 32), Shader::Portable);
    assert_eq!(chosen(subgroup, 32), Shader::Subgroups);
    assert_eq!(chosen(subgroup, 64), Shader::Subgroups);
}
