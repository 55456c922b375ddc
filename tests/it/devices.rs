//! What the machine has, as `pagescrub devices` lists it, with and without GPUs.

use crate::harness::{Run, pagescrub, pagescrub_in};
use serde_json::Value;
#[cfg(feature = "gpu")]
use std::time::{Duration, Instant};

/// No drivers, whatever is installed.
#[cfg(feature = "gpu")]
const NO_DRIVER: [(&str, &str); 2] =
    [("VK_DRIVER_FILES", "/nonexistent"), ("VK_ICD_FILENAMES", "/nonexistent")];
/// Far more than a start takes, and far less than one that waits for something.
#[cfg(feature = "gpu")]
const START_MAX: Duration = Duration::from_secs(2);

fn json(args: &[&str], variables: &[(&str, &str)]) -> Value {
    let run = pagescrub_in(variables, &[&["devices", "--json"], args].concat());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    run.json()
}

fn first_line_after<'a>(run: &'a Run, heading: &str) -> &'a str {
    let mut lines = run.stdout.lines().skip_while(|line| *line != heading);
    lines.nth(1).unwrap_or_default()
}

#[test]
fn the_kernels_are_those_of_scan_and_one_is_the_default() {
    let devices = json(&[], &[]);
    assert_eq!(devices["schema"], "pagescrub.devices/1");
    let kernels = devices["kernels"].as_array().expect("a list");
    let defaults: Vec<_> = kernels.iter().filter(|kernel| kernel["default"] == true).collect();
    assert!(defaults.len() == 1 && defaults[0]["usable"] == true, "{kernels:?}");
    let usable = kernels.iter().filter(|kernel| kernel["usable"] == true);
    let usable: Vec<_> = usable.filter_map(|kernel| kernel["name"].as_str()).collect();
    let refusal = pagescrub(&["scan", "--engine=none", "."]).stderr;
    assert!(refusal.trim_end().ends_with(&usable.join(", ")), "{usable:?} in {refusal}");
}

#[test]
fn every_key_of_the_contract_is_in_the_json() {
    let devices = json(&["--allow-software-gpu"], &[]);
    let keys = |value: &Value, wanted: &str| {
        for key in wanted.split_whitespace() {
            assert!(value.get(key).is_some(), "{key} is missing in {value}");
        }
    };
    keys(&devices, "schema tool machine kernels gpu");
    keys(&devices["kernels"][0], "name usable why_not default");
    keys(&devices["gpu"], "in_this_build why_none adapters");
    assert_eq!(devices["gpu"]["in_this_build"], cfg!(feature = "gpu"));
    for gpu in devices["gpu"]["adapters"].as_array().expect("a list") {
        keys(
            gpu,
            "index name type backend driver driver_info pci_bus_id upload \
             import_alignment_bytes buffer_bytes_max binding_bytes_max subgroup_min \
             subgroup_max timestamps usable why_not selected",
        );
    }
}

#[test]
fn nothing_but_the_answer_is_printed() {
    // Mesa's device selection wants a desktop.
    let run = pagescrub_in(&[("XDG_RUNTIME_DIR", ""), ("NODEVICE_SELECT", "")], &["devices"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.starts_with("CPU\n"), "{}", run.stdout);
    assert!(run.result_line().starts_with("DEVICES default="), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}'), "colours belong on terminals");
}

#[cfg(not(feature = "gpu"))]
#[test]
fn a_build_for_the_cpu_alone_says_so() {
    let run = pagescrub(&["devices", "--adapter=0", "--allow-software-gpu"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(first_line_after(&run, "GPU").contains("CPU only"), "{}", run.stdout);
}

/// Starts with `variables` are quick and say what was looked for.
#[cfg(feature = "gpu")]
fn finds_no_gpu(variables: &[(&str, &str)], looked_for: &str) {
    let start = Instant::now();
    let run = pagescrub_in(variables, &["devices", "--allow-software-gpu"]);
    assert!(start.elapsed() < START_MAX, "{:?}", start.elapsed());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let answer = first_line_after(&run, "GPU");
    assert!(answer.starts_with("no usable GPU: none was found"), "{}", run.stdout);
    assert!(answer.contains(looked_for) && answer.contains("--engine cpu"), "{answer}");
    assert!(run.result_line().ends_with("gpus=0 usable=0 selected=0"), "{}", run.stdout);
}

#[cfg(all(feature = "gpu", target_os = "linux"))]
#[test]
fn without_drivers_the_answer_is_quick_and_says_what_was_looked_for() {
    finds_no_gpu(&NO_DRIVER, "vulkan: drivers/libraries could not be loaded");
}

/// A library that cannot be loaded stands for one that is not there.
#[cfg(all(feature = "gpu", target_os = "linux"))]
#[test]
fn without_a_loader_the_answer_is_quick_and_says_what_was_looked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("libvulkan.so.1"), "").expect("writable");
    let folder = folder.path().to_str().expect("plain");
    finds_no_gpu(&[("LD_LIBRARY_PATH", folder)], "vulkan: drivers/libraries could not be loaded");
}

#[cfg(feature = "gpu")]
#[test]
fn backends_that_are_not_in_this_build_are_said() {
    finds_no_gpu(&[("WGPU_BACKEND", "gl")], "WGPU_BACKEND names none of: ");
}

#[cfg(feature = "gpu")]
#[test]
fn a_name_must_be_one() {
    let run = pagescrub(&["devices", "--adapter="]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--adapter"), "{}", run.stderr);
}

#[cfg(feature = "gpu")]
fn adapters(args: &[&str], variables: &[(&str, &str)]) -> Vec<Value> {
    json(args, variables)["gpu"]["adapters"].as_array().expect("a list").clone()
}

#[cfg(feature = "gpu")]
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and PAGESCRUB_GPU_TESTS=1")]
fn an_adapter_is_selected_by_number_name_and_environment() {
    let all = adapters(&["--allow-software-gpu"], &[]);
    let name = all[0]["name"].as_str().expect("a name");
    let (upper, by_name) = (name.to_uppercase(), format!("--adapter={}", name.to_lowercase()));
    let allowed = "--allow-software-gpu";
    let ways: [(&[&str], _); 3] =
        [(&[allowed, "--adapter=0"], ""), (&[allowed, &by_name], ""), (&[allowed], upper.as_str())];
    for (args, variable) in ways {
        let found = adapters(args, &[("WGPU_ADAPTER_NAME", variable)]);
        assert_eq!(found[0]["selected"], true, "{args:?} {variable}");
    }
    let none = json(&["--adapter=no such GPU", "--allow-software-gpu"], &[]);
    assert_eq!(none["gpu"]["why_none"], "no usable GPU matches 'no such GPU'");
}

#[cfg(feature = "gpu")]
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and PAGESCRUB_GPU_TESTS=1")]
fn software_is_usable_only_if_it_is_allowed() {
    let (wary, daring) = (adapters(&[], &[]), adapters(&["--allow-software-gpu"], &[]));
    assert!(!wary.is_empty());
    for (wary, daring) in wary.iter().zip(&daring) {
        assert_eq!(wary["name"], daring["name"], "numbers must not depend on what is allowed");
        let is_software = wary["type"] == "software";
        assert!(!is_software || (wary["usable"] == false && wary["selected"] == false), "{wary}");
        assert_eq!(daring["usable"], true, "{daring}");
    }
}

#[test]
#[cfg(feature = "gpu")]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_gpu_that_computes_right_passes_its_test() {
    let run = pagescrub(&["devices", "--self-test", "--allow-software-gpu"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    let lines: Vec<_> = run.stdout.lines().collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line.contains(": right, ")), "{lines:?}");
    let run = pagescrub(&["devices", "--self-test", "--adapter=Voodoo2"]);
    assert_eq!(run.code, 2, "{}", run.stdout);
}
