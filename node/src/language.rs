//! The base model as this node has it, checked against the task's genesis.

use std::path::Path;

use anyhow::bail;
use model::{Adapter, AdapterKind, AdapterSpec, Device, LanguageModel, Projection};
use wire::Genesis;

/// Loads the base model of a task from a folder.
///
/// # Errors
/// If the folder holds another model, or none.
pub fn load_base(folder: &Path, genesis: &Genesis) -> anyhow::Result<LanguageModel> {
    let model = LanguageModel::load(folder, Device::Cpu)?;
    check_base(&model, folder, genesis)?;
    Ok(model)
}

/// Whether this is the model, and the adapter has the dimension, that the genesis fixes.
///
/// # Errors
/// If not.
pub fn check_base(model: &LanguageModel, folder: &Path, genesis: &Genesis) -> anyhow::Result<()> {
    if model.hash() != genesis.base.0 {
        bail!(
            "the model in {} is not the base model of \"{}\" (its hash must be {}): set `folder` under [model] in node.toml",
            folder.display(),
            genesis.name,
            genesis.base
        );
    }
    let dimension = adapter_spec(&genesis.adapter).parameter_count(model.config());
    if dimension != genesis.dimension as usize {
        bail!(
            "the coordinator counts {} adapter parameters where the model has {dimension}: its genesis is wrong",
            genesis.dimension
        );
    }
    Ok(())
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

/// A version's adapter on its base model.
///
/// # Errors
/// If the state does not fit the model.
pub fn adapter(
    model: &LanguageModel,
    genesis: &Genesis,
    parameters: &[f32],
) -> anyhow::Result<Adapter> {
    Ok(Adapter::from_flat(model.config(), &adapter_spec(&genesis.adapter), parameters)?)
}
