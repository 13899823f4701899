//! Writes libtorch's folder into this crate's own tests (run path) and hands it on to `murmur-simulate`,
//! which does not name `model` itself: it reads `DEP_MURMUR_LEARNING_LIBTORCH_LIB`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Handed on by `model`; not set on Windows, where the loader looks beside the program.
    if let Ok(folder) = std::env::var("DEP_MURMUR_MODEL_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
        println!("cargo:libtorch_lib={folder}");
    }
    if let Ok(argument) = std::env::var("DEP_MURMUR_MODEL_LIBTORCH_CUDA") {
        println!("cargo:rustc-link-arg={argument}");
        println!("cargo:libtorch_cuda={argument}");
    }
}
