//! The base model and its adapter, as this task has them.

use std::path::Path;

use anyhow::bail;
use model::{AdapterKind, AdapterSpec, Device, LanguageModel, Projection};
use wire::Genesis;

/// Loads the base model of a task.
///
/// # Errors
/// If the folder holds another model, or none, or the device is not there.
pub fn load_base(
    folder: &Path,
    device: Device,
    genesis: &Genesis,
) -> anyhow::Result<LanguageModel> {
    let model = LanguageModel::load(folder, device)?;
    if model.hash() != genesis.base.0 {
        bail!(
            "the model in {} is not the base model of \"{}\" (its hash must be {}): put that model back, or name its folder with --model",
            folder.display(),
            genesis.name,
            genesis.base
        );
    }
    Ok(model)
}

/// The adapter of a task, as the model takes it.
pub fn adapter_spec(spec: &wire::AdapterSpec) -> AdapterSpec {
    AdapterSpec {
        kind: match spec.kind {
            wire::AdapterKind::FfaLora => AdapterKind::FfaLora,
            wire::AdapterKind::Lora => AdapterKind::Lora,
        },
        rank: usize::from(spec.rank),
        alpha: f64::from(spec.alpha),
        targets: spec.targets.iter().map(|&target| projection(target)).collect(),
        seed: spec.seed,
    }
}

fn projection(target: wire::Projection) -> Projection {
    match target {
        wire::Projection::Q => Projection::Query,
        wire::Projection::K => Projection::Key,
        wire::Projection::V => Projection::Value,
        wire::Projection::O => Projection::Output,
        wire::Projection::Gate => Projection::Gate,
        wire::Projection::Up => Projection::Up,
        wire::Projection::Down => Projection::Down,
    }
}
