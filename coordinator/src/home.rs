//! The coordinator's private folder: what is where.
//!
//! ```text
//! coordinator.key    the identity that makes history (0600)
//! coordinator.toml   the operator's choices
//! setup.json         base model's folder, base loss, how the gate measures
//! gate.jsonl         the public conversations of the gate, as they were given to `init`
//! genesis            what the task is, for ever
//! chain              the signed headers
//! records/<hash>     the evidence of each sum          transcripts/round-000001   for the audit
//! states/<content>   each version's state              round, heads, conduct      what is going on
//! members, invites/  who may take part                 removals/                  who shall leave
//! status.json        what a running coordinator does   lock                       held while it runs
//! ```
//!
//! `genesis`, `members`, records and transcripts are plain `wire` encodings of the types of those
//! names; `chain`, `round`, `heads` and `conduct` (who has spoilt rounds) are files of `store`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use ed25519_dalek::SigningKey;
use program::UsageError;
use protocol::coordinator::coordinator_id;
use serde::{Deserialize, Serialize};
use store::keyfile;
use wire::{Genesis, NodeId, TaskId};

use crate::{
    check::in_file, config::CoordinatorConfig, gate, gate::Gate, language, members::Members,
};

/// A coordinator's folder that `init` has made.
pub struct Home {
    path: PathBuf,
    /// The operator's choices.
    pub config: CoordinatorConfig,
    /// What the task is.
    pub genesis: Genesis,
    /// What `init` found out.
    pub setup: Setup,
}

/// What `init` found out and later runs rely on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The base model's folder.
    pub model: PathBuf,
    /// The loss of version 0 on the gate's conversations, in millionths of a nat per token.
    pub base_loss_micro: u64,
    /// Tokens of a window of the gate.
    pub gate_sequence: u16,
}

/// The configuration's name in the folder.
pub const CONFIG: &str = "coordinator.toml";
/// The identity's name in the folder.
pub const KEY: &str = "coordinator.key";
const GENESIS: &str = "genesis";
const SETUP: &str = "setup.json";
const GATE: &str = "gate.jsonl";

impl Home {
    /// Opens the folder of an initialised coordinator.
    ///
    /// # Errors
    /// If there is none, or its files do not belong together.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let file = path.join(GENESIS);
        if !file.exists() {
            bail!(
                "{} holds no coordinator: create one with `murmur-coordinator init`, or name its folder with --folder",
                path.display()
            );
        }
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let genesis = wire::decode(&bytes, Genesis::LIMIT)
            .with_context(|| format!("{} is damaged: restore it from a backup", file.display()))?;
        let config = program::load_toml(&path.join(CONFIG))?;
        let home = Self { path: path.into(), config, genesis, setup: read_setup(path)? };
        home.check()?;
        Ok(home)
    }

    /// Writes the files that make a folder a coordinator's; the genesis last, so that a folder
    /// without one is no coordinator's yet.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn create(
        path: &Path,
        config_text: &str,
        setup: &Setup,
        gate_data: &[u8],
        genesis: &Genesis,
    ) -> anyhow::Result<()> {
        program::write_secret(&path.join(CONFIG), config_text.as_bytes())?;
        program::write_secret(&path.join(SETUP), &serde_json::to_vec_pretty(setup)?)?;
        program::write_secret(&path.join(GATE), gate_data)?;
        Ok(program::write_secret(&path.join(GENESIS), &wire::encode(genesis))?)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The task.
    pub fn task(&self) -> TaskId {
        self.genesis.task()
    }

    /// The coordinator's identity.
    ///
    /// # Errors
    /// If the key file is missing, open to others, damaged, or not the key of this task.
    pub fn key(&self) -> anyhow::Result<SigningKey> {
        let file = self.join(KEY);
        let key = SigningKey::from_bytes(&*keyfile::load_key(&file)?);
        if coordinator_id(&key) != self.genesis.coordinator {
            bail!(
                "{} is not the key of \"{}\": restore it from a backup",
                file.display(),
                self.genesis.name
            );
        }
        Ok(key)
    }

    /// The list of members, to change. The caller holds the folder's lock.
    ///
    /// # Errors
    /// If it is missing or damaged.
    pub fn members(&self) -> anyhow::Result<Members> {
        Members::open(&self.join("members"), self.key()?, self.task())
    }

    /// Who is on the list of members.
    ///
    /// # Errors
    /// As [`Home::members`].
    pub fn member_ids(&self) -> anyhow::Result<Vec<NodeId>> {
        crate::members::read_ids(&self.join("members"), self.genesis.coordinator, self.task())
    }

    /// The gate, with the base model from `folder` or from where `init` found it.
    ///
    /// # Errors
    /// If the model is another one, or the gate's conversations are gone.
    pub fn gate(&self, folder: Option<&Path>) -> anyhow::Result<Gate> {
        let folder = folder.unwrap_or(&self.setup.model);
        let model = language::load_base(folder, self.config.gate.device.device(), &self.genesis)?;
        let conversations = gate::read_conversations(&self.join(GATE))?;
        Ok(Gate::new(
            model,
            language::adapter_spec(&self.genesis.adapter),
            conversations,
            usize::from(self.setup.gate_sequence),
            usize::from(self.config.gate.threads),
        ))
    }

    /// Name and adapter are the task itself: a changed configuration would silently not hold.
    fn check(&self) -> anyhow::Result<()> {
        let adapter = crate::terms::adapter(&self.config.adapter, self.genesis.adapter.seed);
        let adapter = in_file(&self.join(CONFIG), adapter)?;
        if adapter != self.genesis.adapter || self.config.task.name != self.genesis.name {
            return Err(UsageError(format!(
                "{} has another [task] or [adapter] than the task was made with: change it back, or make a new task with `init` in another folder",
                self.join(CONFIG).display()
            ))
            .into());
        }
        Ok(())
    }
}

fn read_setup(path: &Path) -> anyhow::Result<Setup> {
    let file = path.join(SETUP);
    let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text)
        .with_context(|| format!("{} is damaged: restore it from a backup", file.display()))
}
