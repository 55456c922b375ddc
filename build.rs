//! Finds out what this machine has, for the compiler: `std::simd`, and what some tests need.
//!
//! The kernel uses plain array lanes where the compiler has no `portable_simd`, so that stable
//! compilers build the same product. Tests that need something from outside are marked as ignored
//! where it is missing, instead of passing without having tested anything.

use std::env;
use std::path::Path;

/// A folder of data files made by SQL Server, with EXPECTED.json.
const REAL_DATA: &str = "PAGESCRUB_REAL_DATA";
/// Set to 1 where tests may make loop devices and mount file systems (as root).
const ROOT_TESTS: &str = "PAGESCRUB_ROOT_TESTS";
/// Set to 1 where tests may mount file systems of their own through /dev/fuse (as root).
const FUSE_TESTS: &str = "PAGESCRUB_FUSE_TESTS";
/// Set to 1 where there is an adapter that tests may use, a software one included.
const GPU_TESTS: &str = "PAGESCRUB_GPU_TESTS";
/// Set to 1 where ddrescuelog (GNU ddrescue) is installed.
const DDRESCUE_TESTS: &str = "PAGESCRUB_DDRESCUE_TESTS";
/// Set to 1 where Chromium and its driver (chromedriver) are installed.
const BROWSER_TESTS: &str = "PAGESCRUB_BROWSER_TESTS";
/// The name that other projects use for the same.
const REQUIRE_GPU: &str = "REQUIRE_GPU";

fn main() {
    println!("cargo:rustc-check-cfg=cfg(portable_simd, real_data, real_backups)");
    println!("cargo:rustc-check-cfg=cfg(root_tests, fuse_tests, gpu_tests, ddrescue_tests)");
    println!("cargo:rustc-check-cfg=cfg(browser_tests)");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={REAL_DATA}");
    if env::var_os(REAL_DATA).is_some_and(|folder| Path::new(&folder).is_dir()) {
        println!("cargo:rustc-cfg=real_data");
    }
    // Further backups lie in a folder beside it.
    let backups = |folder: std::ffi::OsString| {
        Path::new(&folder).parent().is_some_and(|p| p.join("backups").is_dir())
    };
    if env::var_os(REAL_DATA).is_some_and(backups) {
        println!("cargo:rustc-cfg=real_backups");
    }
    let tests = [
        (ROOT_TESTS, "root_tests"),
        (FUSE_TESTS, "fuse_tests"),
        (GPU_TESTS, "gpu_tests"),
        (DDRESCUE_TESTS, "ddrescue_tests"),
        (BROWSER_TESTS, "browser_tests"),
        (REQUIRE_GPU, "gpu_tests"),
    ];
    for (variable, cfg) in tests {
        println!("cargo:rerun-if-env-changed={variable}");
        if env::var_os(variable).is_some_and(|set| set == "1") {
            println!("cargo:rustc-cfg={cfg}");
        }
    }
    probe_portable_simd();
}

fn probe_portable_simd() {
    let Ok(compiler) = autocfg::AutoCfg::new() else { return };
    let snippet = "#![feature(portable_simd)]\n\
        pub fn fold(v: std::simd::Simd<u32, 16>) -> u32 {\n\
            use std::simd::num::SimdUint;\n\
            v.reduce_xor()\n\
        }";
    if compiler.probe_raw(snippet).is_ok() {
        autocfg::emit("portable_simd");
    }
}
