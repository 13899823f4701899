//! `murmur-coordinator versions`: the history as a table, and every version as an adapter folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use model::{Adapter, Config};
use program::{Exit, Output};
use protocol::evidence::explain;
use report::{Cell, Column, Table};
use serde::Serialize;
use store::ChainFile;
use version::{Chain, State};
use wire::{Header, Outcome, StateHash, VersionNumber};

use crate::{home::Home, language, records::kept_states};

/// Shows every step of the chain: what was issued, refused, aborted or rolled back. It may be used
/// while the coordinator runs.
#[derive(clap::Args)]
pub struct Options {
    /// Write every version as a PEFT adapter folder: DIR/v0000, DIR/v0001 ...
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// Where the base model is now, if it was moved since `init`; for --export
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
}

/// One step of the chain, for people and scripts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Place in the chain; 0 is the genesis.
    pub index: u64,
    /// The newest version after it.
    pub version: u64,
    /// The last round after it.
    pub round: u64,
    /// `genesis`, `issued`, `refused`, `aborted` or `rolled back`.
    pub outcome: &'static str,
    /// The header's hash.
    pub hash: String,
    /// The header before.
    pub parent: Option<String>,
    /// The newest version's state after it.
    pub state: String,
    /// The evidence, where there is a sum.
    pub record: Option<String>,
    /// Loss of the candidate (of the base model for the genesis), in nats per token.
    pub loss: Option<f64>,
    /// The largest loss that would have passed.
    pub limit: Option<f64>,
    /// Why a round was aborted, or what was restored.
    pub note: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// If the chain is damaged, or a version cannot be written.
pub fn run(folder: &Path, options: &Options, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let chain = read_chain(&home)?;
    let steps = steps(&home, &chain)?;
    if let Some(target) = &options.export {
        let model = options.model.as_deref().unwrap_or(&home.setup.model);
        let written = export(&home, &chain, model, target)?;
        tracing::info!(written, "versions were exported");
    }
    output.answer(&steps, |steps| table(steps).for_terminal())?;
    Ok(Exit::Success)
}

/// The chain as it is now. Never changes a file: a torn end is only left out.
fn read_chain(home: &Home) -> anyhow::Result<Chain> {
    let file = home.join("chain");
    if !file.exists() {
        return Ok(Chain::new(home.genesis.clone()));
    }
    Ok(ChainFile::open(&file, home.genesis.clone())?.1)
}

fn steps(home: &Home, chain: &Chain) -> anyhow::Result<Vec<Step>> {
    let genesis = &home.genesis;
    let mut steps = vec![Step {
        index: 0,
        version: 0,
        round: 0,
        outcome: "genesis",
        hash: genesis.head().to_string(),
        parent: None,
        state: genesis.initial.to_string(),
        record: None,
        loss: Some(home.setup.base_loss_micro as f64 / 1e6),
        limit: None,
        note: None,
    }];
    for signed in chain.headers() {
        let header = signed.check(genesis.coordinator)?;
        let state = chain.state_of(header.version).context("a version of the chain has a state")?;
        let hash = header.hash::<wire::HeaderHash>().to_string();
        steps.push(step(&header, hash, state));
    }
    Ok(steps)
}

fn step(header: &Header, hash: String, state: StateHash) -> Step {
    let (mut record, mut gate, mut note) = (None, None, None);
    let outcome = match header.outcome {
        Outcome::Issued { record: evidence, gate: judged, .. } => {
            (record, gate) = (Some(evidence.to_string()), Some(judged));
            "issued"
        }
        Outcome::Refused { record: evidence, gate: judged, .. } => {
            (record, gate) = (Some(evidence.to_string()), Some(judged));
            "refused"
        }
        Outcome::Aborted { reason } => {
            note = Some(explain(reason).to_owned());
            "aborted"
        }
        Outcome::RolledBack { to, .. } => {
            note = Some(format!("version {to} again"));
            "rolled back"
        }
    };
    Step {
        index: header.index,
        version: header.version.0,
        round: header.round.0,
        outcome,
        hash,
        parent: Some(header.parent.to_string()),
        state: state.to_string(),
        record,
        loss: gate.map(|gate| gate.loss_micro as f64 / 1e6),
        limit: gate.map(|gate| gate.limit_micro as f64 / 1e6),
        note,
    }
}

fn table(steps: &[Step]) -> Table {
    let columns = [
        Column::number("version"),
        Column::number("round"),
        Column::text("outcome"),
        Column::number("loss"),
        Column::number("limit"),
        Column::text("hash"),
        Column::text("parent"),
        Column::text("note"),
    ];
    let mut table = Table::new(columns);
    let loss = |loss: Option<f64>| loss.map_or(String::new(), |loss| format!("{loss:.4}"));
    let short = |hash: &str| hash.get(..8).unwrap_or_default().to_owned();
    for step in steps {
        let outcome = match step.outcome {
            "issued" => Cell::good(step.outcome),
            "refused" | "aborted" => Cell::bad(step.outcome),
            other => other.into(),
        };
        let row: [Cell; 8] = [
            step.version.to_string().into(),
            step.round.to_string().into(),
            outcome,
            loss(step.loss).into(),
            loss(step.limit).into(),
            short(&step.hash).into(),
            step.parent.as_deref().map(short).unwrap_or_default().into(),
            step.note.clone().unwrap_or_default().into(),
        ];
        table.push(row);
    }
    table
}

/// Writes every version whose state is kept. How many.
fn export(home: &Home, chain: &Chain, model: &Path, target: &Path) -> anyhow::Result<usize> {
    let file = model.join("config.json");
    let bytes = fs::read(&file).with_context(|| {
        format!("cannot read {}: name the base model's folder with --model", file.display())
    })?;
    let config = Config::from_json(&bytes, &file)?;
    let states: BTreeMap<StateHash, State> = kept_states(&home.join("states"))?;
    let spec = language::adapter_spec(&home.genesis.adapter);
    let mut written = 0;
    for version in 0..=chain.version().0 {
        let state = chain.state_of(VersionNumber(version)).and_then(|hash| states.get(&hash));
        let Some(state) = state else {
            program::note(format!(
                "version {version} is not exported: its state is no longer kept"
            ));
            continue;
        };
        let adapter = Adapter::from_flat(&config, &spec, state.parameters())
            .with_context(|| format!("{} is not the base model of this task", model.display()))?;
        adapter.save(&target.join(format!("v{version:04}")), None)?;
        written += 1;
    }
    Ok(written)
}
