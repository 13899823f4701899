//! Writes libtorch's folder into the program and its tests (run path), so that no environment variable is needed to run them.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Handed on by `model`; not set on Windows, where the loader looks beside the program.
    if let Ok(folder) = std::env::var("DEP_MURMUR_MODEL_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
    if let Ok(argument) = std::env::var("DEP_MURMUR_MODEL_LIBTORCH_CUDA") {
        println!("cargo:rustc-link-arg={argument}");
    }
}
