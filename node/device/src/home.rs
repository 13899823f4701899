//! The node's private folder: what is where, and the keys that open it.
//!
//! ```text
//! node.toml       the owner's choices          ledger        what has been spent, for ever
//! node.key        the identity (0600)          tasks/<id>/   one joined swarm each
//! chats.key       the database's key (0600)    status.json   what a running node is doing
//! chats.db        conversations, encrypted     paused        there while the owner pauses
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use ed25519_dalek::SigningKey;
use protocol::Policy;
use store::{Conversations, DatabaseKey, keyfile};
use wire::{NodeId, TaskId};

use crate::{config::NodeConfig, task::Task};

/// A node's folder that `init` has made.
pub struct Home {
    path: PathBuf,
    /// The owner's choices.
    pub config: NodeConfig,
}

impl Home {
    /// Opens the folder of an initialised node.
    ///
    /// # Errors
    /// If there is none, or its configuration cannot be read.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let file = path.join("node.toml");
        if !file.exists() {
            bail!(
                "{} holds no node: create one with `murmur-node init`, or name its folder with --folder",
                path.display()
            );
        }
        let config = program::load_toml(&file)?;
        Ok(Self { path: path.to_owned(), config })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The node's identity.
    ///
    /// # Errors
    /// If the key file is missing, open to others or damaged.
    pub fn key(&self) -> anyhow::Result<SigningKey> {
        let secret = keyfile::load_key(&self.join("node.key"))?;
        Ok(SigningKey::from_bytes(&secret))
    }

    /// The node's public name.
    ///
    /// # Errors
    /// As [`Home::key`].
    pub fn id(&self) -> anyhow::Result<NodeId> {
        Ok(NodeId(self.key()?.verifying_key().to_bytes()))
    }

    /// The owner's conversations.
    ///
    /// # Errors
    /// If the key does not open them.
    pub fn conversations(&self) -> anyhow::Result<Conversations> {
        let key = keyfile::load_key(&self.join("chats.key"))?;
        Ok(Conversations::open(&self.join("chats.db"), &DatabaseKey::Raw(&key))?)
    }

    /// The owner's limits for one task; without one, for a task that has no line of its own.
    ///
    /// # Errors
    /// If `[privacy]` in node.toml makes no policy.
    pub fn policy(&self, task: Option<TaskId>) -> anyhow::Result<Policy> {
        let file = self.join("node.toml");
        self.config.privacy.policy(task).with_context(|| format!("{}", file.display()))
    }

    /// The words that the owner wants replaced, one a line of the configured file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn private_words(&self) -> anyhow::Result<Vec<String>> {
        let Some(file) = &self.config.conversations.private_words else {
            return Ok(Vec::new());
        };
        let file = self.path.join(file);
        let text = fs::read_to_string(&file)
            .with_context(|| format!("cannot read the private words in {}", file.display()))?;
        Ok(text.lines().map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    /// The joined swarms, by folder.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn tasks(&self) -> anyhow::Result<Vec<Task>> {
        let folder = self.join("tasks");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut paths: Vec<PathBuf> =
            fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
        paths.sort();
        paths
            .iter()
            .filter(|path| path.join("task").exists())
            .map(|path| Task::open(path))
            .collect()
    }

    /// The one joined swarm.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn task(&self) -> anyhow::Result<Task> {
        let mut tasks = self.tasks()?;
        match (tasks.pop(), tasks.is_empty()) {
            (Some(task), true) => Ok(task),
            (None, _) => bail!("this node has joined no swarm: `murmur-node join <invite>`"),
            (Some(_), false) => {
                bail!("this node has joined several swarms: `murmur-node leave NAME` all but one")
            }
        }
    }

    /// Whether the owner has paused the node.
    pub fn is_paused(&self) -> bool {
        self.join("paused").exists()
    }
}
