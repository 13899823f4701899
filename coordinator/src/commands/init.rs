//! `murmur-coordinator init`: checks everything, then makes a task.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use ed25519_dalek::SigningKey;
use model::{Adapter, LanguageModel, StopToken};
use program::{Exit, Output, human};
use protocol::coordinator::coordinator_id;
use rand::{TryRng, rngs::SysRng};
use serde_json::json;
use store::{Folder, keyfile};
use version::State;
use wire::{Genesis, ModelHash};

use crate::{
    check::{self, in_file},
    config::CoordinatorConfig,
    gate::{self, Gate},
    home::{Home, KEY, Setup},
    language,
    members::Members,
    records::Records,
    terms,
};

/// Makes a task of a base model: checks configuration, model and gate first, measures version 0,
/// then writes the coordinator's folder. Nothing is ever overwritten.
#[derive(clap::Args)]
pub struct Options {
    /// The configuration; configs/coordinator.toml explains every key
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The base model: a Hugging Face folder that every node has as well
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Public held-out conversations of the swarm's own kind, on which every candidate is judged
    #[arg(long, value_name = "FILE")]
    gate: PathBuf,
}

/// A task that was checked, and of which nothing is written yet.
struct Checked {
    config_text: String,
    gate_data: Vec<u8>,
    setup: Setup,
    genesis: Genesis,
    initial: State,
    rho: grid::Q40,
    conversations: usize,
}

/// Runs the command.
///
/// # Errors
/// If configuration, model or gate cannot be used (nothing is written then), or the folder is in
/// use already.
pub fn run(folder: &Path, options: &Options, output: Output) -> anyhow::Result<Exit> {
    check_free(folder)?;
    let mut checked = checked(options)?;
    let lock = Folder::open(folder)?;
    let key = SigningKey::from_bytes(&*keyfile::create_key(&lock.join(KEY))?);
    checked.genesis.coordinator = coordinator_id(&key);
    let task = checked.genesis.task();
    Records::create(folder, &checked.initial)?;
    Members::create(&lock.join("members"), key, task)?;
    let Checked { config_text, setup, gate_data, genesis, .. } = &checked;
    Home::create(folder, config_text, setup, gate_data, genesis)?;
    let loss = setup.base_loss_micro as f64 / 1e6;
    let answer = json!({
        "task": task.to_string(), "name": genesis.name, "coordinator": genesis.coordinator.to_string(),
        "folder": folder, "dimension": genesis.dimension, "loss": loss, "rho": checked.rho.to_f64(),
    });
    output.answer(&answer, |_| told(folder, &checked, loss))?;
    Ok(Exit::Success)
}

fn told(folder: &Path, checked: &Checked, loss: f64) -> String {
    let genesis = &checked.genesis;
    format!(
        "Task \"{}\" is ready in {}.\n  task         {}\n  parameters   {}\n  version 0    loss {loss:.4} on {}\n  a round      costs each contributor ρ = {:.6}\n\nNext: `murmur-coordinator run`, and while it runs `murmur-coordinator invite` for each node.\nKeep a copy of {KEY}: without it nobody can ever issue another version.",
        genesis.name,
        folder.display(),
        genesis.task(),
        human::count(u64::from(genesis.dimension)),
        human::plural(checked.conversations as u64, "public conversation"),
        checked.rho.to_f64(),
    )
}

/// A folder in which nothing is, or which is not there.
fn check_free(folder: &Path) -> anyhow::Result<()> {
    if folder.join("genesis").exists() {
        bail!(
            "{} holds a coordinator already, which is never overwritten: choose another folder with --folder",
            folder.display()
        );
    }
    let Ok(mut entries) = fs::read_dir(folder) else { return Ok(()) };
    if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != "lock")) {
        bail!(
            "{} is not empty: choose a new folder with --folder (if an earlier `init` was cut short there, remove it)",
            folder.display()
        );
    }
    Ok(())
}

fn checked(options: &Options) -> anyhow::Result<Checked> {
    let config: CoordinatorConfig = program::load_toml(&options.config)?;
    let config_text = fs::read_to_string(&options.config)?;
    in_file(&options.config, check::check(&config))?;
    let model = LanguageModel::load(&options.model, config.gate.device.device())
        .context("the base model (--model) cannot be used")?;
    in_file(&options.config, check_sequence(&config, &model))?;
    let (genesis, initial) = in_file(&options.config, genesis(&config, &model))?;
    // The real key is drawn once all is well; the cost does not depend on it.
    let rehearsal = Genesis { coordinator: coordinator_id(&rehearsal_key()), ..genesis.clone() };
    let rehearsed = terms::rehearse(&config, &rehearsal, &rehearsal_key(), initial.clone());
    let rho = in_file(&options.config, rehearsed)?;
    let conversations = gate::read_conversations(&options.gate)?;
    let gate_data = fs::read(&options.gate)
        .with_context(|| format!("cannot read {}", options.gate.display()))?;
    let gate = Gate::new(
        model,
        language::adapter_spec(&genesis.adapter),
        conversations,
        usize::from(config.training.sequence),
        usize::from(config.gate.threads),
    );
    let base_loss_micro = gate.loss_micro(initial.parameters(), &StopToken::new())?;
    let folder = fs::canonicalize(&options.model).context("--model")?;
    let setup = Setup { model: folder, base_loss_micro, gate_sequence: config.training.sequence };
    let conversations = gate.conversations();
    Ok(Checked { config_text, gate_data, setup, genesis, initial, rho, conversations })
}

fn check_sequence(config: &CoordinatorConfig, model: &LanguageModel) -> anyhow::Result<()> {
    let (sequence, positions) = (config.training.sequence, model.config().maximum_positions);
    if sequence < 2 || usize::from(sequence) > positions {
        bail!(
            "`sequence` under [training] is {sequence}: this model takes 2 to {positions} tokens"
        );
    }
    Ok(())
}

/// All of the genesis but its coordinator, and the state of version 0.
fn genesis(config: &CoordinatorConfig, model: &LanguageModel) -> anyhow::Result<(Genesis, State)> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).context("the operating system gives no randomness")?;
    let adapter = terms::adapter(&config.adapter, seed)?;
    let initial =
        Adapter::initial(model.config(), &language::adapter_spec(&adapter)).context("[adapter]")?;
    let initial = State::initial(initial.to_flat());
    let genesis = Genesis {
        name: config.task.name.clone(),
        coordinator: coordinator_id(&rehearsal_key()),
        base: ModelHash(model.hash()),
        adapter,
        dimension: u32::try_from(initial.parameters().len())?,
        initial: initial.hash(),
    };
    if wire::encode(&genesis).len() > Genesis::LIMIT {
        bail!("`name` under [task] is too long: use a few words");
    }
    Ok((genesis, initial))
}

fn rehearsal_key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}
