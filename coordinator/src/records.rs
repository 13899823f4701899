//! What survives a restart of the coordinator, record by record.
//!
//! A step of the chain is its state, its evidence and its header, in this order: the header is what
//! makes it history, and it is appended last. Whatever a crash leaves, opening finds the chain up
//! to its last whole header, and the round that was going on as it was last persisted. Its contributions are a file
//! of their own (`records/growing.rs`), which becomes the round's transcript.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use protocol::coordinator::{Conduct, Record, Unfinished};
use store::{ChainFile, Contents, Snapshot};
use version::{Chain, State};
use wire::{
    ContentHash, CoordinatorId, Header, LedgerHead, RecordHash, Round, RoundRecord, Signed,
    StateHash, Transcript, VersionNumber,
};

use crate::home::Home;
use growing::Growing;

mod growing;

/// Ledger heads of so many nodes as a list can have members.
const HEADS_LIMIT: usize = 16 << 20;
/// What stands against them, and who has quarrelled with whom.
const CONDUCT_LIMIT: usize = 64 << 20;

/// The open files of a task. Whoever has them holds the folder's lock.
pub struct Records {
    coordinator: CoordinatorId,
    chain: ChainFile,
    states: Arc<Contents>,
    places: BTreeMap<StateHash, ContentHash>,
    round: Snapshot,
    growing: Growing,
    heads: Snapshot,
    conduct: Snapshot,
    records: PathBuf,
    transcripts: PathBuf,
}

/// What a restart finds.
pub struct Saved {
    /// The chain so far.
    pub chain: Chain,
    /// The newest version's state.
    pub state: State,
    /// The round that was going on.
    pub round: Option<Unfinished>,
    /// The highest ledger heads seen.
    pub heads: Vec<Signed<LedgerHead>>,
    /// Who has spoilt rounds.
    pub conduct: Conduct,
}

impl Records {
    /// Makes the files of a new task, whose version 0 has this state.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn create(folder: &Path, initial: &State) -> anyhow::Result<()> {
        Contents::open(&folder.join("states"))?.put(&initial.encode())?;
        Ok(())
    }

    /// Opens the files. A torn last header was never acknowledged and is cut.
    ///
    /// # Errors
    /// If a file is damaged, the newest version's state is missing, or a contribution of a round whose survivors are
    /// fixed.
    pub fn open(home: &Home) -> anyhow::Result<(Self, Saved)> {
        let genesis = home.genesis.clone();
        let coordinator = genesis.coordinator;
        let (mut chain_file, chain, torn) = ChainFile::open(&home.join("chain"), genesis)?;
        if let Some(torn) = torn {
            tracing::warn!(
                at = torn.at,
                "the chain's last header was cut short by a crash: cut off"
            );
            chain_file.cut_torn_tail()?;
        }
        let states = Contents::open(&home.join("states"))?;
        let records = Self {
            coordinator,
            chain: chain_file,
            states: Arc::new(states),
            places: places(&home.join("states"))?,
            round: Snapshot::open(&home.join("round"))?,
            growing: Growing::new(home.join("contributions")),
            heads: Snapshot::open(&home.join("heads"))?,
            conduct: Snapshot::open(&home.join("conduct"))?,
            records: folder(home.join("records"))?,
            transcripts: folder(home.join("transcripts"))?,
        };
        let state = records.state(chain.state())?.with_context(|| {
            format!(
                "the state of version {} is missing from {}: restore it from a backup",
                chain.version(),
                home.join("states").display()
            )
        })?;
        let round = records.read_round(&chain)?;
        let (heads, conduct) = (records.read_heads()?, records.read_conduct()?);
        Ok((records, Saved { chain, state, round, heads, conduct }))
    }

    /// Makes a record durable.
    ///
    /// # Errors
    /// If anything was not durably written: the program must stop then.
    pub fn persist(&mut self, record: &Record) -> anyhow::Result<()> {
        match record {
            Record::Round(transcript) => self.keep_round(transcript),
            Record::Contribution(contribution) => self.growing.add(contribution),
            Record::Heads(heads) => Ok(self.heads.write(&wire::encode(heads))?),
            Record::Conduct(conduct) => Ok(self.conduct.write(&wire::encode(&**conduct))?),
            Record::Step { header, record, state } => {
                self.step(header, record.as_deref(), state.as_deref())
            }
            Record::Finished(transcript) => self.finish(transcript),
        }
    }

    /// Where a state's bytes are, and how many; none if it is not kept.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn place(&self, state: StateHash) -> anyhow::Result<Option<(ContentHash, u64)>> {
        let Some(&content) = self.places.get(&state) else { return Ok(None) };
        Ok(self.states.length(content)?.map(|length| (content, length)))
    }

    /// A kept state.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn state(&self, hash: StateHash) -> anyhow::Result<Option<State>> {
        let Some(&content) = self.places.get(&hash) else { return Ok(None) };
        let Some(bytes) = self.states.get(content)? else { return Ok(None) };
        Ok(Some(State::decode(&bytes)?))
    }

    /// The states, for serving slices of them.
    pub fn states(&self) -> Arc<Contents> {
        self.states.clone()
    }

    /// Forgets the states of all but the `keep` newest versions and version 0; none if `keep` is 0.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn prune(&mut self, chain: &Chain, keep: u64) -> anyhow::Result<()> {
        if keep == 0 {
            return Ok(());
        }
        let oldest = (chain.version().0 + 1).saturating_sub(keep);
        let wanted: BTreeSet<StateHash> = std::iter::once(0)
            .chain(oldest..=chain.version().0)
            .filter_map(|version| chain.state_of(VersionNumber(version)))
            .collect();
        self.places.retain(|state, _| wanted.contains(state));
        self.states.prune(&self.places.values().copied().collect())?;
        Ok(())
    }

    fn step(
        &mut self,
        header: &Signed<Header>,
        record: Option<&RoundRecord>,
        state: Option<&[u8]>,
    ) -> anyhow::Result<()> {
        if let Some(bytes) = state {
            let content = self.states.put(bytes)?;
            self.places.insert(State::decode(bytes)?.hash(), content);
        }
        if let Some(record) = record {
            program::write_secret(&self.record_file(record.hash()), &wire::encode(record))?;
        }
        Ok(self.chain.append(&header.check(self.coordinator)?)?)
    }

    /// Contributions are durable before what says whose they are.
    fn keep_round(&mut self, transcript: &Transcript) -> anyhow::Result<()> {
        if transcript.roster.is_none() && transcript.header.is_none() {
            self.growing.clear()?;
        }
        self.growing.sync()?;
        Ok(self.round.write(&wire::encode(transcript))?)
    }

    fn finish(&mut self, transcript: &Transcript) -> anyhow::Result<()> {
        let place = self.transcript_file(self.round_of(transcript)?);
        self.growing.finish(transcript, &place)?;
        self.round.remove()?;
        Ok(())
    }

    fn round_of(&self, transcript: &Transcript) -> anyhow::Result<Round> {
        let plan = transcript.plan.check(self.coordinator);
        Ok(plan.context("a transcript without a plan of this coordinator")?.round)
    }

    fn read_round(&self, chain: &Chain) -> anyhow::Result<Option<Unfinished>> {
        let Some(bytes) = self.round.read()? else { return Ok(None) };
        let transcript: Transcript = wire::decode(&bytes, Transcript::LIMIT)
            .context("the present round's file `round` is of another version of this program: move it away, and the round is given up")?;
        if self.was_finished(&transcript, chain) {
            self.round.remove()?;
            return Ok(None);
        }
        let remedy = || {
            format!(
                "{} does not hold what the present round needs: restore it from a backup, or move it and the file \
                 `round` beside it away, and the round is given up",
                self.growing.path().display()
            )
        };
        let mut contributions = self.growing.contributions().with_context(remedy)?;
        let read = Unfinished::read(transcript, chain.genesis(), &mut contributions);
        let error = match read {
            Ok(unfinished) => return Ok(Some(unfinished)),
            Err(error) => anyhow::Error::new(error),
        };
        Err(match contributions.stopped_at() {
            Some(at) => error.context(format!("it is damaged at byte {at}")),
            None => error,
        })
        .with_context(remedy)
    }

    /// Whether a crash fell between the transcript's move to its place and the end of `round`.
    fn was_finished(&self, transcript: &Transcript, chain: &Chain) -> bool {
        self.round_of(transcript).is_ok_and(|round| {
            let moved = !self.growing.path().exists() && self.transcript_file(round).exists();
            moved && chain.last_round() >= round
        })
    }

    fn read_heads(&self) -> anyhow::Result<Vec<Signed<LedgerHead>>> {
        let Some(bytes) = self.heads.read()? else { return Ok(Vec::new()) };
        wire::decode(&bytes, HEADS_LIMIT).context(
            "the file `heads` is of another version of this program: restore it from a backup",
        )
    }

    /// Nothing depends on it but who is left out for a while, so what is not understood is forgotten.
    fn read_conduct(&self) -> anyhow::Result<Conduct> {
        let Some(bytes) = self.conduct.read()? else { return Ok(Conduct::default()) };
        Ok(wire::decode(&bytes, CONDUCT_LIMIT).unwrap_or_else(|error| {
            tracing::warn!(
                "the file `conduct` is of another version of this program ({error}): who has spoilt rounds is forgotten"
            );
            Conduct::default()
        }))
    }

    /// Where the evidence of a step is kept, for [`read_record`].
    pub fn record_file(&self, record: RecordHash) -> PathBuf {
        self.records.join(record.to_string())
    }

    fn transcript_file(&self, round: Round) -> PathBuf {
        self.transcripts.join(format!("round-{:06}", round.0))
    }
}

/// The evidence in a file of `records/`; none where it is no longer kept.
///
/// # Errors
/// If the file cannot be read, or holds something else than its name says.
pub fn read_record(file: &Path, hash: RecordHash) -> anyhow::Result<Option<RoundRecord>> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", file.display()));
        }
    };
    let damaged = || format!("{} is damaged: restore it from a backup", file.display());
    let record: RoundRecord = wire::decode(&bytes, RoundRecord::LIMIT).with_context(damaged)?;
    if record.hash() != hash {
        bail!(damaged());
    }
    Ok(Some(record))
}

/// Every kept state by its hash, and where its bytes are. Reads only: it may be used beside a
/// running coordinator.
///
/// # Errors
/// If the folder cannot be read, or a state is damaged.
pub fn places(states: &Path) -> anyhow::Result<BTreeMap<StateHash, ContentHash>> {
    let mut places = BTreeMap::new();
    for (content, state) in read_states(states)? {
        places.insert(state.hash(), content);
    }
    Ok(places)
}

/// Every kept state by its hash. Reads only.
///
/// # Errors
/// As [`places`].
pub fn kept_states(states: &Path) -> anyhow::Result<BTreeMap<StateHash, State>> {
    Ok(read_states(states)?.into_iter().map(|(_, state)| (state.hash(), state)).collect())
}

fn read_states(folder: &Path) -> anyhow::Result<Vec<(ContentHash, State)>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut states = Vec::new();
    for entry in entries {
        let file = entry?.path();
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // Inner hashes and temporary files have other names.
        let Some(content) = ContentHash::from_hex(name) else { continue };
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        if blake3::hash(&bytes) != blake3::Hash::from_bytes(content.0) {
            bail!("{} is damaged: restore it from a backup", file.display());
        }
        let state = State::decode(&bytes).with_context(|| {
            format!("{} is not a version's state: move it away", file.display())
        })?;
        states.push((content, state));
    }
    Ok(states)
}

fn folder(path: PathBuf) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests;
