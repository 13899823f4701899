//! Lets programs find libtorch at run time without `LD_LIBRARY_PATH`.
//!
//! torch-sys says where libtorch lies (`DEP_TCH_LIBTORCH_LIB`). This script writes that folder into the
//! run path of this crate's own tests and benches, and hands it on: a package that names `model` as a
//! direct dependency reads `DEP_MURMUR_MODEL_LIBTORCH_LIB` in its build script and does the same for its programs; so with
//! `DEP_MURMUR_MODEL_LIBTORCH_CUDA`, which keeps CUDA's half of libtorch where there is one.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    // Not set on Windows, where the loader looks beside the program.
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
        println!("cargo:libtorch_lib={folder}");
        if std::path::Path::new(&folder).join("libtorch_cuda.so").exists() {
            println!("cargo:rustc-link-arg={KEEP_CUDA}");
            println!("cargo:libtorch_cuda={KEEP_CUDA}");
        }
    }
}

/// Nothing refers to a symbol of this library, which registers itself as it is loaded; a linker drops it by default,
/// and libtorch then sees no CUDA device, whatever there is.
const KEEP_CUDA: &str = "-Wl,--push-state,--no-as-needed,-ltorch_cuda,--pop-state";
