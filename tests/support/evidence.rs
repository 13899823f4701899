//! What the programs leave on disk, read as an auditor would: nothing is believed that does not verify.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufReader},
    path::Path,
};

use audit::{History, LedgerFile, Level, WholeTranscript};
use privacy::EntryKind;
use store::ChainFile;
use version::{Chain, State};
use wire::{
    ContentHash, Contribution, Genesis, Header, MemberIndex, NodeId, Outcome, Round, Signed,
    StateHash, Transcript, decode,
};

use super::swarm::Swarm;

/// What the task is.
pub fn genesis(swarm: &Swarm) -> Genesis {
    let bytes = fs::read(swarm.coordinator_folder().join("genesis")).unwrap();
    decode(&bytes, Genesis::LIMIT).unwrap()
}

/// The coordinator's chain, verified from its genesis.
pub fn coordinator_chain(swarm: &Swarm) -> Chain {
    chain(swarm, &swarm.coordinator_folder().join("chain"))
}

/// A node's chain, verified from its genesis.
pub fn node_chain(swarm: &Swarm, number: usize) -> Chain {
    let task = genesis(swarm).task().to_string();
    chain(swarm, &swarm.node_folder(number).join("tasks").join(task).join("chain"))
}

/// Reads a copy, so that a running program is not disturbed.
fn chain(swarm: &Swarm, file: &Path) -> Chain {
    let copy = swarm.folder().join("chain-copy");
    fs::copy(file, &copy).unwrap();
    let (_, chain, _) = ChainFile::open(&copy, genesis(swarm)).expect("a chain verifies");
    chain
}

/// The headers of a chain, each with its signature checked.
pub fn headers(chain: &Chain) -> Vec<Header> {
    let coordinator = chain.genesis().coordinator;
    chain.headers().iter().map(|header| header.check(coordinator).unwrap().into_value()).collect()
}

/// The rounds that issued a version.
pub fn issued(chain: &Chain) -> BTreeSet<Round> {
    let issues = |header: &&Header| matches!(header.outcome, Outcome::Issued { .. });
    headers(chain).iter().filter(issues).map(|header| header.round).collect()
}

/// The coordinator's transcripts by round.
pub fn transcripts(swarm: &Swarm) -> BTreeMap<Round, WholeTranscript> {
    let coordinator = genesis(swarm).coordinator;
    let folder = swarm.coordinator_folder().join("transcripts");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|file| {
            file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("round-"))
        })
        .map(|file| {
            let opener = move || -> io::Result<Box<dyn io::Read>> {
                Ok(Box::new(BufReader::new(File::open(&file)?)))
            };
            let transcript = WholeTranscript::open(Box::new(opener)).unwrap();
            (transcript.rest.plan.check(coordinator).unwrap().round, transcript)
        })
        .collect()
}

/// Who is in a round's sum.
pub fn survivors(transcript: &Transcript, genesis: &Genesis) -> BTreeSet<NodeId> {
    let (Some(roster), Some(survivors)) = (&transcript.roster, &transcript.survivors) else {
        return BTreeSet::new();
    };
    let roster = roster.check(genesis.coordinator).unwrap();
    let survivors = survivors.check(genesis.coordinator).unwrap().members;
    let members = (0..).map(MemberIndex).zip(&roster.members);
    members
        .filter(|(place, _)| survivors.contains(*place))
        .map(|(_, member)| member.claimed_signer())
        .collect()
}

/// What a node's ledger says it was charged for.
pub fn charged(swarm: &Swarm, number: usize) -> Vec<ContentHash> {
    let entries = swarm.ledger(number).entries;
    entries
        .iter()
        .filter_map(|entry| match &entry.kind {
            EntryKind::Charged { contribution, .. } => Some(*contribution),
            _ => None,
        })
        .collect()
}

/// Every contribution that the coordinator has of a node was charged in the node's ledger, once (promises 3 and 6).
pub fn assert_contributions_are_charged_once(swarm: &Swarm, nodes: usize) {
    for number in 0..nodes {
        let (id, charges) = (swarm.node_id(number), charged(swarm, number));
        let distinct: BTreeSet<&ContentHash> = charges.iter().collect();
        assert_eq!(
            distinct.len(),
            charges.len(),
            "node {number} was charged twice for one contribution"
        );
        for (round, transcript) in transcripts(swarm) {
            let mut sent: Vec<ContentHash> = Vec::new();
            let own = |signed: &Signed<Contribution>| {
                sent.extend((signed.claimed_signer() == id).then(|| signed.hash::<ContentHash>()));
            };
            transcript.contributions.each(own).unwrap();
            assert!(sent.len() <= 1, "node {number} contributed more than once to round {round}");
            assert!(
                sent.iter().all(|hash| distinct.contains(hash)),
                "node {number} was not charged for round {round}"
            );
        }
    }
}

/// Every node's verified history is the beginning of the coordinator's (promise 7).
pub fn assert_one_history(swarm: &Swarm, nodes: usize) {
    let ours = coordinator_chain(swarm);
    for number in 0..nodes {
        let chain = node_chain(swarm, number);
        let common = chain.headers().len();
        assert!(common > 0, "node {number} has no history");
        assert_eq!(chain.headers(), &ours.headers()[..common], "node {number} has another history");
    }
}

/// The auditor, who believes nobody: every sum unmasked again, every version computed again, every ledger beside every
/// transcript. What a killed node left undone is worth a note, and nothing is a fault.
pub fn assert_the_audit_holds(swarm: &Swarm, nodes: usize) {
    let (genesis, chain, states) = (genesis(swarm), coordinator_chain(swarm), states(swarm));
    let history = History { genesis: &genesis, chain: Some(&chain), states: &states };
    let transcripts: Vec<(String, WholeTranscript)> = transcripts(swarm)
        .into_iter()
        .map(|(round, transcript)| (format!("round {round}"), transcript))
        .collect();
    let ledgers: Vec<LedgerFile> = (0..nodes)
        .map(|number| LedgerFile {
            name: format!("node {number}"),
            bytes: fs::read(swarm.node_folder(number).join("ledger")).unwrap(),
            node: Some(swarm.node_id(number)),
        })
        .collect();
    let found = audit::reconcile(&ledgers, &transcripts, &history, None).findings;
    assert!(found.worst() < Level::Fault, "{found:#?}");
    for (round, transcript) in transcripts.iter().filter(|(_, one)| one.rest.record.is_some()) {
        let found = audit::audit_transcript(transcript, &history).findings;
        let unmasked = found.of("sum").any(|finding| finding.level == Level::Ok);
        assert!(unmasked, "the sum of {round} is not unmasked again: {found:#?}");
    }
}

/// Every version's state that the coordinator keeps.
fn states(swarm: &Swarm) -> BTreeMap<StateHash, State> {
    let folder = swarm.coordinator_folder().join("states");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let states = files.filter_map(|file| State::decode(&fs::read(file).ok()?).ok());
    states.map(|state| (state.hash(), state)).collect()
}
