//! One joined swarm, as the node keeps it: what its invite said, the verified chain, the newest
//! version's state, and the present round.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use protocol::node::{Record, journal::Journal, memory::Memory};
use serde::{Deserialize, Serialize};
use store::{ChainFile, Contents, Snapshot};
use version::{Chain, State};
use wire::{CoordinatorId, Genesis, Header, Signed, TaskId};

/// What was learned on joining; fixed from then on but for the addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// What the task is, for ever.
    pub genesis: Genesis,
    /// Where the coordinator listens.
    pub addresses: Vec<String>,
}

const JOINED_LIMIT: usize = 1 << 16;
const JOURNAL_LIMIT: usize = 1 << 24;
/// How often the chain is read beside a node that may be changing it.
const READS: u32 = 3;

/// The folder of one task.
pub struct Task {
    path: PathBuf,
    /// What was learned on joining.
    pub joined: Joined,
}

/// What a restart finds.
pub struct Saved {
    /// The chain so far.
    pub chain: Chain,
    /// The last state that is known of the chain's versions, if one is here.
    pub state: Option<State>,
    /// The round that was going on.
    pub journal: Option<Journal>,
    /// What is remembered of earlier rounds.
    pub memory: Option<Memory>,
}

/// The open files of a task, while the node runs.
pub struct TaskFiles {
    chain: ChainFile,
    coordinator: CoordinatorId,
    journal: Snapshot,
    memory: Snapshot,
    states: Arc<Contents>,
    forks: PathBuf,
}

impl Task {
    /// Keeps a newly joined task.
    ///
    /// # Errors
    /// If it was joined before, or cannot be written.
    pub fn create(tasks: &Path, joined: Joined) -> anyhow::Result<Self> {
        let path = tasks.join(joined.genesis.task().to_string());
        if path.join("task").exists() {
            bail!("this node has joined \"{}\" already", joined.genesis.name);
        }
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        Snapshot::open(&path.join("task"))?.write(&wire::encode(&joined))?;
        Ok(Self { path, joined })
    }

    /// Reads a joined task.
    ///
    /// # Errors
    /// If its file is damaged.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let file = path.join("task");
        let bytes = Snapshot::open(&file)?
            .read()?
            .with_context(|| format!("{} is missing: join again", file.display()))?;
        let joined = wire::decode(&bytes, JOINED_LIMIT).with_context(|| {
            format!("{} is damaged: leave this swarm and join again", file.display())
        })?;
        Ok(Self { path: path.to_owned(), joined })
    }

    /// Which task.
    pub fn id(&self) -> TaskId {
        self.joined.genesis.task()
    }

    /// Where it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens its files. A torn last header was never acknowledged and is cut.
    ///
    /// # Errors
    /// If one is damaged.
    pub fn files(&self) -> anyhow::Result<(TaskFiles, Saved)> {
        let genesis = self.joined.genesis.clone();
        let coordinator = genesis.coordinator;
        let (mut chain_file, chain, torn) = ChainFile::open(&self.path.join("chain"), genesis)?;
        if torn.is_some() {
            chain_file.cut_torn_tail()?;
        }
        let files = TaskFiles {
            chain: chain_file,
            coordinator,
            journal: Snapshot::open(&self.path.join("round"))?,
            memory: Snapshot::open(&self.path.join("memory"))?,
            states: Arc::new(Contents::open(&self.path.join("states"))?),
            forks: self.path.join("forks"),
        };
        let (state, journal) = (newest_state(&files.states, &chain)?, files.journal()?);
        let saved = Saved { state, journal, memory: self.memory()?, chain };
        Ok((files, saved))
    }

    /// The chain and the newest state, only read: a running node may be writing them, so that nothing torn is cut.
    ///
    /// # Errors
    /// If one is damaged.
    pub fn newest(&self) -> anyhow::Result<(Chain, Option<State>)> {
        let states = Contents::open(&self.path.join("states"))?;
        let mut attempts = 0;
        loop {
            let genesis = self.joined.genesis.clone();
            let (_, chain, _) = ChainFile::open(&self.path.join("chain"), genesis)?;
            let state = newest_state(&states, &chain)?;
            attempts += 1;
            // A running node may have replaced the state between the two: then the chain is longer by now.
            if state.is_some() || states.list()?.is_empty() || attempts == READS {
                return Ok((chain, state));
            }
        }
    }

    /// Keeps where the coordinator is now, as a newer invite says it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn move_to(&mut self, addresses: Vec<String>) -> anyhow::Result<()> {
        self.joined.addresses = addresses;
        Ok(Snapshot::open(&self.path.join("task"))?.write(&wire::encode(&self.joined))?)
    }

    /// What the node remembers of earlier rounds; none before the first.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn memory(&self) -> anyhow::Result<Option<Memory>> {
        let file = self.path.join("memory");
        if !file.exists() {
            return Ok(None);
        }
        let Some(bytes) = Snapshot::open(&file)?.read()? else { return Ok(None) };
        wire::decode(&bytes, JOURNAL_LIMIT).map(Some).with_context(|| {
            format!(
                "{} is damaged: move it away, and the node forgets whom it knows",
                file.display()
            )
        })
    }

    /// Removes what is known of the task; the ledger stays.
    ///
    /// # Errors
    /// If the folder cannot be removed.
    pub fn remove(self) -> anyhow::Result<()> {
        std::fs::remove_dir_all(&self.path)
            .with_context(|| format!("cannot remove {}", self.path.display()))
    }
}

impl TaskFiles {
    /// Makes a record durable. Ledger entries go to the ledger's own file.
    ///
    /// # Errors
    /// If anything was not durably written: the program must stop then.
    pub fn persist(&mut self, record: &Record) -> anyhow::Result<()> {
        match record {
            Record::Ledger(_) => Ok(()),
            Record::Fork(header) => keep_fork(&self.forks, header),
            Record::Memory(memory) => Ok(self.memory.write(&wire::encode(memory))?),
            Record::Round(journal) => Ok(self.journal.write(&wire::encode(journal))?),
            Record::Chain { headers, state, .. } => {
                let content = state.as_ref().map(|bytes| self.states.put(bytes)).transpose()?;
                for header in headers {
                    self.chain.append(&header.check(self.coordinator)?)?;
                }
                // Only now is the state before superfluous.
                if let Some(content) = content {
                    self.states.prune(&[content].into())?;
                }
                Ok(())
            }
        }
    }

    /// The files that hold headers of other histories, signed by the coordinator.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn forks(&self) -> anyhow::Result<Vec<PathBuf>> {
        if !self.forks.exists() {
            return Ok(Vec::new());
        }
        let entries = std::fs::read_dir(&self.forks)?;
        let mut files =
            entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
        files.sort();
        Ok(files)
    }

    /// Where a state that is being fetched is put together.
    pub fn states(&self) -> Arc<Contents> {
        self.states.clone()
    }

    fn journal(&self) -> anyhow::Result<Option<Journal>> {
        let Some(bytes) = self.journal.read()? else { return Ok(None) };
        wire::decode(&bytes, JOURNAL_LIMIT)
            .map(Some)
            .context("the present round's file is damaged: move `round` away to stay out of it")
    }
}

/// Of the chain's versions the newest whose state is among those kept.
fn newest_state(states: &Contents, chain: &Chain) -> anyhow::Result<Option<State>> {
    let mut newest = None;
    for content in states.list()? {
        let Some(bytes) = states.get(content)? else { continue };
        let Ok(state) = State::decode(&bytes) else { continue };
        let Some(place) = chain.place_of(state.hash()) else { continue };
        if newest.as_ref().is_none_or(|(known, _)| *known < place) {
            newest = Some((place, state));
        }
    }
    Ok(newest.map(|(_, state)| state))
}

/// Keeps a header of another history under its hash; the one that it contradicts is in the chain.
fn keep_fork(folder: &Path, header: &Signed<Header>) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let file = folder.join(wire::HeaderHash(header.hash()).to_string());
    Ok(program::write_secret(&file, &wire::encode(header))?)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use wire::{
        AbortReason, AdapterKind, AdapterSpec, Checked, HeaderHash, ModelHash, Outcome, Projection,
        Round, VersionNumber,
    };

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[3; 32])
    }

    fn genesis() -> Genesis {
        Genesis {
            name: "test".into(),
            coordinator: CoordinatorId(key().verifying_key().to_bytes()),
            base: ModelHash([1; 32]),
            adapter: AdapterSpec {
                kind: AdapterKind::FfaLora,
                rank: 4,
                alpha: 8,
                targets: vec![Projection::Q],
                seed: [2; 32],
            },
            dimension: 2,
            initial: State::initial(vec![0.0; 2]).hash(),
        }
    }

    #[test]
    fn reading_beside_a_running_node_cuts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let joined = Joined { genesis: genesis(), addresses: Vec::new() };
        let mut task = Task::create(folder.path(), joined).unwrap();
        let (files, _) = task.files().unwrap();
        let initial = State::initial(vec![0.0; 2]);
        files.states.put(&initial.encode()).unwrap();
        drop(files);
        // Half of a header, as a reader may find it while the node appends.
        let chain = task.path().join("chain");
        let mut bytes = std::fs::read(&chain).unwrap();
        bytes.extend_from_slice(&[7; 5]);
        std::fs::write(&chain, &bytes).unwrap();
        let (_, state) = task.newest().unwrap();
        assert_eq!(state.map(|state| state.hash()), Some(initial.hash()));
        assert_eq!(
            std::fs::read(&chain).unwrap(),
            bytes,
            "the half header is the node's to finish"
        );
        task.move_to(vec!["/ip4/127.0.0.1/tcp/7".into()]).unwrap();
        assert_eq!(Task::open(task.path()).unwrap().joined, task.joined);
    }

    #[test]
    fn evidence_of_a_fork_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let joined = Joined { genesis: genesis(), addresses: Vec::new() };
        let task = Task::create(folder.path(), joined).unwrap();
        let (mut files, _) = task.files().unwrap();
        assert!(files.forks().unwrap().is_empty());
        let header = Header {
            task: task.id(),
            index: 1,
            round: Round(1),
            version: VersionNumber(0),
            parent: HeaderHash([9; 32]),
            outcome: Outcome::Aborted { reason: AbortReason::Interrupted },
        };
        let header = Checked::sign(header, &key());
        files.persist(&Record::Fork(header.signed().clone())).unwrap();
        drop(files);
        let (files, saved) = task.files().unwrap();
        let [file] = &files.forks().unwrap()[..] else { panic!("one file") };
        let bytes = std::fs::read(file).unwrap();
        let kept: Signed<Header> = wire::decode(&bytes, 4096).unwrap();
        assert_eq!(&kept, header.signed());
        assert!(saved.chain.headers().is_empty(), "it is no part of the chain");
    }
}
