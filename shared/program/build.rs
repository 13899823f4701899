//! Names the build after the sources that programs are made of, so that siblings can tell whether they belong together.
//!
//! Every program links this crate, and cargo runs this script again when one of those files changes: programs of one
//! build share one id, and a program left over from older sources has another.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};

const PARTS: [&str; 5] = ["Cargo.lock", "shared", "node", "coordinator", "simulations"];

fn main() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut sources = Vec::new();
    for part in PARTS {
        collect(&workspace.join(part), &mut sources);
    }
    sources.sort();
    // Its keys are fixed, and the id is compared within one build only.
    let mut hasher = DefaultHasher::new();
    for source in &sources {
        println!("cargo:rerun-if-changed={}", source.display());
        hasher
            .write(source.strip_prefix(&workspace).unwrap_or(source).to_string_lossy().as_bytes());
        hasher.write(&fs::read(source).unwrap_or_default());
    }
    println!("cargo:rustc-env=MURMUR_BUILD_ID={:016x}", hasher.finish());
}

/// Adds `Cargo.lock`, every Rust source under a `src` folder and every manifest. A new module shows in the file that
/// names it.
fn collect(path: &Path, sources: &mut Vec<PathBuf>) {
    if path.is_file() {
        if is_source(path) {
            sources.push(path.to_owned());
        }
        return;
    }
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        collect(&entry.path(), sources);
    }
}

fn is_source(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name == "Cargo.lock"
        || name == "Cargo.toml"
        || (name.ends_with(".rs") && path.components().any(|part| part.as_os_str() == "src"))
}
