//! Finds out whether this compiler has `std::simd` (`portable_simd`); the kernel uses plain array
//! lanes where it has not, so that stable compilers build the same product.

fn main() {
    println!("cargo:rustc-check-cfg=cfg(portable_simd)");
    println!("cargo:rerun-if-changed=build.rs");
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
