//! What is read from disk, with the place in every error.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use audit::{WholeTranscript, read_chain_file};
use program::UsageError;
use protocol::{Choices, Policy, Preset};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use version::{Chain, State};
use wire::{Genesis, NodeId, StateHash};

/// A whole file of at most `limit` bytes.
///
/// # Errors
/// If it cannot be read, or is larger than anything of its kind can be.
pub fn read(path: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    let size = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    if size > limit as u64 {
        bail!("{} has {size} bytes, and no such file has more than {limit}", path.display());
    }
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A node's public name, as 64 hexadecimal digits.
///
/// # Errors
/// If it is none.
pub fn parse_node(text: &str) -> Result<NodeId, String> {
    NodeId::from_hex(text).ok_or_else(|| {
        "a node's name has 64 hexadecimal digits: `murmur-node status --json` prints it".to_owned()
    })
}

/// A policy: by the name of its preset, or as its owner wrote it into a `node.toml`.
///
/// # Errors
/// If there is none of this name, and the file makes none.
pub fn parse_policy(name: &str) -> Result<Policy, String> {
    match name.parse::<Preset>() {
        Ok(preset) => Policy::preset(preset).map_err(|error| error.to_string()),
        Err(unknown) if !Path::new(name).is_file() => {
            Err(format!("{unknown}; or name the owner's node.toml"))
        }
        Err(_) => {
            let owners: OwnersFile =
                program::load_toml(Path::new(name)).map_err(|error| error.to_string())?;
            owners.privacy.policy(None).map_err(|error| format!("{name}: {error}"))
        }
    }
}

/// Of a `node.toml`, what an audit asks for.
#[derive(Deserialize)]
struct OwnersFile {
    privacy: Choices,
}

/// δ.
///
/// # Errors
/// If it is not between 0 and 1.
pub fn parse_delta(text: &str) -> Result<f64, String> {
    let delta: f64 = text.parse().map_err(|_| format!("{text} is not a number, such as 1e-6"))?;
    if delta > 0.0 && delta < 1.0 {
        return Ok(delta);
    }
    Err(format!("δ = {text} is not between 0 and 1: take less than 1 over the number of people"))
}

/// Whose ledger a file is: as told, or as the `status.json` beside it says.
///
/// # Errors
/// If neither says it.
pub fn owner(ledger: &Path, told: Option<NodeId>) -> anyhow::Result<NodeId> {
    if let Some(node) = told {
        return Ok(node);
    }
    let status = ledger.with_file_name("status.json");
    owner_in(&status).ok_or_else(|| {
        UsageError(format!(
            "whose ledger is {}? Say it with --node and 64 hexadecimal digits (`murmur-node status --json` prints \
             them); there is no {} that tells",
            ledger.display(),
            status.display()
        ))
        .into()
    })
}

fn owner_in(status: &Path) -> Option<NodeId> {
    let status: serde_json::Value = serde_json::from_slice(&fs::read(status).ok()?).ok()?;
    NodeId::from_hex(status.get("node")?.as_str()?)
}

/// A file that holds one message in its canonical encoding.
///
/// # Errors
/// If it cannot be read, or is not `what` it should be.
pub fn read_message<T: Serialize + DeserializeOwned>(
    path: &Path,
    limit: usize,
    what: &str,
) -> anyhow::Result<T> {
    let bytes = read(path, limit)?;
    wire::decode(&bytes, limit).with_context(|| format!("{} is not {what}", path.display()))
}

/// A coordinator's transcript of a round; its contributions stay in the file until they are looked at.
///
/// # Errors
/// If it cannot be read, or is none.
pub fn open_transcript(path: &Path) -> anyhow::Result<WholeTranscript> {
    let file = path.to_owned();
    let opener = move || -> std::io::Result<Box<dyn std::io::Read>> {
        Ok(Box::new(BufReader::new(fs::File::open(&file)?)))
    };
    WholeTranscript::open(Box::new(opener))
        .with_context(|| format!("{} is no transcript that can be read", path.display()))
}

/// The options that say where the rest of a task is.
#[derive(clap::Args)]
pub struct TaskFiles {
    /// What the task is [default: `genesis` in the coordinator's folder]
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The signed chain [default: `chain` in the coordinator's folder]
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// The states of its versions [default: `states` in the coordinator's folder]
    #[arg(long, value_name = "DIR")]
    states: Option<PathBuf>,
}

/// A task, as far as it is at hand.
pub struct Task {
    /// What it is.
    pub genesis: Genesis,
    /// Its signed chain.
    pub chain: Option<Chain>,
    /// Its versions' states.
    pub states: BTreeMap<StateHash, State>,
}

impl TaskFiles {
    /// Reads what is there; `near` is a file two levels below the coordinator's folder.
    ///
    /// # Errors
    /// If there is no genesis, or a file is not what it should be.
    pub fn open(&self, near: &Path) -> anyhow::Result<Task> {
        let folder = near.parent().map(|folder| folder.join("..")).unwrap_or_default();
        let genesis = self.genesis.clone().unwrap_or_else(|| folder.join("genesis"));
        if self.genesis.is_none() && !genesis.exists() {
            let what = format!(
                "which task is {} of? Name its genesis with --genesis FILE (`genesis` in the coordinator's folder; \
                 there is no {})",
                near.display(),
                genesis.display()
            );
            return Err(UsageError(what).into());
        }
        let genesis: Genesis = read_message(&genesis, Genesis::LIMIT, "a task's genesis")?;
        let chain = self.chain.clone().or_else(|| present(folder.join("chain")));
        let chain = chain.map(|path| read_chain(&path, &genesis)).transpose()?;
        let states = self.states.clone().or_else(|| present(folder.join("states")));
        let states = states.map(|path| read_states(&path)).transpose()?.unwrap_or_default();
        Ok(Task { genesis, chain, states })
    }
}

fn present(path: PathBuf) -> Option<PathBuf> {
    path.exists().then_some(path)
}

fn read_chain(path: &Path, genesis: &Genesis) -> anyhow::Result<Chain> {
    let bytes = read(path, CHAIN_LIMIT)?;
    read_chain_file(&bytes, genesis.clone())
        .with_context(|| format!("{} is no chain of this task", path.display()))
}

/// Every file of a folder that holds a state; what it is called does not matter, its hash does.
fn read_states(folder: &Path) -> anyhow::Result<BTreeMap<StateHash, State>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut states = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_file()
            && let Ok(state) = State::decode(&read(&path, STATE_LIMIT)?)
        {
            states.insert(state.hash(), state);
        }
    }
    Ok(states)
}

/// A million steps.
const CHAIN_LIMIT: usize = 1 << 30;
/// 2²⁰ parameters with two moments.
const STATE_LIMIT: usize = 16 << 20;
