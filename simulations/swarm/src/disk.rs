//! What survives a crash: the made disks of the programs.
//!
//! A disk keeps what it has synced. A record that is one file replaces the one before at once, or not at
//! all; an append to the ledger can be torn, and so can a record that goes to several files, in the order
//! in which the programs write them (`node/device/src/task.rs`, `coordinator/src/records.rs`). Contributions
//! are appended and synced together: of those that no sync followed, a crash may leave any number.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use privacy::{EntryKind, SavedState, read_ledger};
use protocol::{
    coordinator, node,
    node::{journal::Journal, memory::Memory},
};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use wire::{
    ContentHash, Contribution, Header, LedgerHead, NodeId, RecordHash, RoundRecord, Signed,
    StateHash, TaskId, Transcript,
};

/// What a node has on its disk.
#[derive(Clone, Default)]
pub struct NodeDisk {
    /// The ledger file.
    pub ledger: Vec<u8>,
    /// The present or last round.
    pub journal: Option<Journal>,
    /// What is remembered of earlier rounds.
    pub memory: Option<Memory>,
    /// The chain.
    pub headers: Vec<Signed<Header>>,
    /// Headers of other histories.
    pub forks: Vec<Signed<Header>>,
    /// States of the chain's versions, the newest last: one, but for a step that was torn.
    pub states: Vec<Vec<u8>>,
}

impl NodeDisk {
    /// Makes a record durable.
    pub fn keep(&mut self, record: node::Record) {
        match record {
            node::Record::Round(journal) => self.journal = Some(journal),
            node::Record::Memory(memory) => self.memory = Some(memory),
            node::Record::Fork(header) => self.forks.push(header),
            node::Record::Ledger(bytes) => self.ledger.extend_from_slice(bytes.as_ref()),
            node::Record::Chain { headers, record: _, state } => {
                self.headers.extend(headers);
                if let Some(state) = state {
                    self.states = vec![state];
                }
            }
        }
    }

    /// Writes a part of a record: of a ledger entry the first bytes, of a step its state and the first
    /// headers, but not the last.
    pub(crate) fn tear(&mut self, record: &node::Record, rng: &mut ChaCha20Rng) {
        match record {
            node::Record::Ledger(bytes) => {
                let entry: &[u8] = bytes.as_ref();
                self.ledger.extend_from_slice(&entry[..rng.random_range(1..entry.len())]);
            }
            node::Record::Chain { headers, record: _, state } => {
                self.states.extend(state.clone());
                let kept = rng.random_range(0..headers.len().max(1));
                self.headers.extend_from_slice(&headers[..kept]);
            }
            node::Record::Round(_) | node::Record::Memory(_) | node::Record::Fork(_) => {}
        }
    }

    /// What the journal proves about a torn last entry: a contribution is persisted before its entry and
    /// sent after it, so one that no whole entry names was not sent, and the torn entry is its own.
    pub fn saved_state(&self, node: NodeId, task: TaskId) -> SavedState {
        let unknown = SavedState::Unknown { task: Some(task) };
        let contribution = self.journal.as_ref().and_then(Journal::contribution);
        let (Some(contribution), Ok(reading)) = (contribution, read_ledger(&self.ledger, node))
        else {
            return unknown;
        };
        let hash: ContentHash = contribution.hash();
        let named = reading.entries.iter().any(|entry| {
            matches!(&entry.kind, EntryKind::Charged { contribution, .. } if *contribution == hash)
        });
        if named { unknown } else { SavedState::NothingSent }
    }
}

/// What the coordinator has on its disk.
#[derive(Clone, Default)]
pub struct CoordinatorDisk {
    /// The chain.
    pub headers: Vec<Signed<Header>>,
    /// Every version's state, by its hash.
    pub states: BTreeMap<StateHash, Vec<u8>>,
    /// The evidence of every sum, by its hash.
    pub records: BTreeMap<RecordHash, RoundRecord>,
    /// The round that is going on.
    pub round: Option<Transcript>,
    /// Its contributions.
    pub contributions: Appended,
    /// The rounds that are over.
    pub finished: Vec<Finished>,
    /// The highest ledger heads seen.
    pub heads: Vec<Signed<LedgerHead>>,
    /// Who has spoilt rounds.
    pub conduct: coordinator::Conduct,
}

/// A round that is over.
#[derive(Clone)]
pub struct Finished {
    /// What was accepted of the members.
    pub contributions: Vec<Signed<Contribution>>,
    /// Everything else.
    pub transcript: Transcript,
}

impl Finished {
    /// Whether there is a sum without one contribution of each survivor.
    pub(crate) fn lacks(&self) -> bool {
        let survivors = |record: &RoundRecord| {
            record.survivors.check(record.survivors.claimed_signer()).map(|u| u.members.len())
        };
        let senders: BTreeSet<NodeId> =
            self.contributions.iter().map(Signed::claimed_signer).collect();
        let record = self.transcript.record.as_ref();
        record.is_some_and(|record| survivors(record) != Ok(senders.len()))
    }
}

impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a transcript with {} contributions", self.contributions.len())
    }
}

/// The file to which contributions are appended.
#[derive(Clone, Default)]
pub struct Appended {
    /// Whole ones, in order.
    pub whole: Vec<Signed<Contribution>>,
    /// How many of them were synced.
    synced: usize,
    /// Whether bytes lie behind them: the beginning of another one, or of the round's end.
    torn: bool,
}

impl Appended {
    fn add(&mut self, contribution: Signed<Contribution>) {
        assert!(!self.torn, "a torn tail is cut before anything is appended");
        self.whole.push(contribution);
    }

    /// How many of them a crash cannot take away.
    pub(crate) fn durable(&self) -> usize {
        self.synced
    }

    fn sync(&mut self) {
        self.synced = self.whole.len();
    }

    /// The whole machine stops: of what was not synced any number of whole appends is left, and perhaps a part of
    /// the next one.
    fn crash(&mut self, rng: &mut ChaCha20Rng) {
        if self.whole.len() > self.synced {
            let left = rng.random_range(self.synced..=self.whole.len());
            self.torn |= left < self.whole.len() && rng.random_bool(0.5);
            self.whole.truncate(left);
        }
    }
}

impl CoordinatorDisk {
    /// Makes a record durable; a contribution with the next record of its round.
    pub fn keep(&mut self, record: coordinator::Record) {
        use coordinator::Record;
        match record {
            Record::Round(transcript) => self.keep_round(*transcript),
            Record::Contribution(contribution) => self.contributions.add(contribution),
            Record::Heads(heads) => self.heads = heads,
            Record::Conduct(conduct) => self.conduct = *conduct,
            Record::Step { header, record, state } => {
                self.records.extend(record.map(|record| (record.hash(), *record)));
                self.headers.push(header);
                if let Some(state) = state {
                    self.keep_state(state);
                }
            }
            Record::Finished(transcript) => {
                self.move_transcript(*transcript);
                self.round = None;
            }
        }
    }

    /// Writes a part of a record: of a step its state and its evidence without the header, which makes
    /// it history; of a contribution its beginning; of what fixes the sum that all contributions are durable; of a
    /// finished round an end that is cut short behind its contributions, or the transcript in its place while the
    /// round stays where it was.
    pub(crate) fn tear(&mut self, record: &coordinator::Record, rng: &mut ChaCha20Rng) {
        use coordinator::Record;
        match record {
            Record::Step { header: _, record, state } => {
                self.records
                    .extend(record.iter().map(|record| (record.hash(), (**record).clone())));
                if let Some(state) = state {
                    self.keep_state(state.clone());
                }
            }
            Record::Contribution(_) => self.contributions.torn = true,
            Record::Round(_) => self.contributions.sync(),
            Record::Finished(_) if rng.random_bool(0.5) => self.contributions.torn = true,
            Record::Finished(transcript) => self.move_transcript((**transcript).clone()),
            Record::Heads(_) | Record::Conduct(_) => {}
        }
    }

    /// What a crash of the whole machine leaves.
    pub(crate) fn crash(&mut self, rng: &mut ChaCha20Rng) {
        self.contributions.crash(rng);
    }

    /// Contributions of an earlier round are forgotten where a new one begins, and synced where one goes on.
    fn keep_round(&mut self, transcript: Transcript) {
        if transcript.roster.is_none() && transcript.header.is_none() {
            self.contributions = Appended::default();
        }
        self.contributions.sync();
        self.round = Some(transcript);
    }

    /// The file of the contributions becomes the transcript. Where it has become it before, nothing is left to do.
    fn move_transcript(&mut self, transcript: Transcript) {
        let known = self.finished.iter().any(|known| known.transcript.plan == transcript.plan);
        if !known {
            let Appended { whole: contributions, .. } = std::mem::take(&mut self.contributions);
            self.finished.push(Finished { contributions, transcript });
        }
    }

    /// Keeps a version's state under its hash.
    pub fn keep_state(&mut self, bytes: Vec<u8>) {
        let state = version::State::decode(&bytes).expect("a state that the machine made decodes");
        self.states.insert(state.hash(), bytes);
    }
}
