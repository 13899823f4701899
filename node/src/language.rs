//! The base model as this node has it, checked against the task's genesis.

use std::path::Path;

use anyhow::{Context as _, bail};
use device::config::NodeConfig;
use model::{Adapter, AdapterKind, AdapterSpec, Device, DeviceChoice, LanguageModel, Projection};
use wire::Genesis;

/// The device that `node.toml` names.
///
/// # Errors
/// If it names none.
pub fn device(config: &NodeConfig) -> anyhow::Result<Device> {
    let choice: DeviceChoice =
        config.training.device.parse().context("`device` under [training] in node.toml")?;
    Ok(choice.device())
}

/// The base model of a task, as the configuration names its folder and the device to compute on.
///
/// # Errors
/// If the folder holds another model, or none, or the device is not there.
pub fn load_base(config: &NodeConfig, genesis: &Genesis) -> anyhow::Result<LanguageModel> {
    let folder = &config.model.folder;
    let model = LanguageModel::load(folder, device(config)?)?;
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
