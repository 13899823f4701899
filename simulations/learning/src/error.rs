//! Why a simulation, a measurement or a yardstick could not be made.

use std::path::PathBuf;

use thiserror::Error;

/// Why a simulation, a measurement or a yardstick could not be made.
#[derive(Debug, Error)]
pub enum LearningError {
    /// A scenario that cannot work; nothing has run.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A file or folder of the people cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// Which.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A person's description is no `person.toml`.
    #[error("{file} does not describe a person (it needs name, me, description, format)")]
    Person {
        /// Which file.
        file: PathBuf,
        /// Line and key.
        source: Box<toml::de::Error>,
    },
    /// A folder holds nobody.
    #[error("{folder} holds no folder with a person.toml: name the folder of people with --people")]
    Nobody {
        /// Which folder.
        folder: PathBuf,
    },
    /// In reading a chat export.
    #[error(transparent)]
    Import(#[from] chatlogs::ImportError),
    /// In scrubbing.
    #[error(transparent)]
    Scrub(#[from] chatlogs::ScrubError),
    /// In the model.
    #[error(transparent)]
    Model(#[from] model::ModelError),
    /// In the integer grid.
    #[error(transparent)]
    Grid(#[from] grid::GridError),
    /// In the mechanism.
    #[error(transparent)]
    Privacy(#[from] privacy::PrivacyError),
    /// In the ledger that a release is charged to.
    #[error(transparent)]
    Ledger(#[from] privacy::LedgerError),
    /// The ledger does not admit a release.
    #[error(transparent)]
    Refused(#[from] privacy::Refusal),
    /// Whoever listens to the rounds cannot keep what it hears.
    #[error("a round's figures cannot be kept")]
    Unkept(#[source] std::io::Error),
    /// In the step from one version to the next.
    #[error(transparent)]
    Version(#[from] version::VersionError),
}

/// A scenario that cannot work, with what would.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A number outside its range.
    #[error("{key} is {found}: give {expected}")]
    Number {
        /// The key.
        key: &'static str,
        /// Its value.
        found: f64,
        /// What would do.
        expected: &'static str,
    },
    /// A window longer than the model's positions.
    #[error("{key} is {found}: this model holds {most} tokens; set it to {most} or less")]
    Positions {
        /// The key.
        key: &'static str,
        /// Its value.
        found: usize,
        /// The model's positions.
        most: usize,
    },
    /// More threads than make sense.
    #[error(
        "machine.threads is {found}: this machine can do with 1 to {most}; leave it out for one a core"
    )]
    Threads {
        /// Wanted.
        found: usize,
        /// Most.
        most: usize,
    },
    /// A role that nobody has.
    #[error(
        "data.roles names \"{found}\": say any of \"user\", \"assistant\", \"partner\", \"system\""
    )]
    Role {
        /// What was said.
        found: String,
    },
    /// Held-out people say nothing that could be measured.
    #[error(
        "held-out people say nothing in the roles of data.roles: name the roles that the data has"
    )]
    NothingToMeasure,
    /// Too few people for two sides.
    #[error(
        "the data has one person, and at least 2 are needed: one to train on, one to measure with"
    )]
    OnePerson,
    /// Personal adapters of nodes that are nobody.
    #[error(
        "[personal] measures people on what they themselves kept back: leave it out, or leave out data.split"
    )]
    PersonalOfNobody,
    /// No source of conversations, or two.
    #[error("[data] needs either `path` or `made`")]
    PathOrMade,
    /// No source of weights, or two.
    #[error("[model] needs either `folder` or `shape` (with tokens = \"bytes\")")]
    FolderOrShape,
    /// No noise, or two ways to say it.
    #[error("[privacy] needs either `noise_multiplier` or `epsilon` for this mechanism")]
    NoiseOrEpsilon,
    /// Correlated noise where its guarantee does not hold, or nobody could make it.
    #[error(
        "privacy.correlation = \"square-root\" needs mechanism = \"central\" (somebody trusted who remembers all noise), \
         nobody in two rounds (cohort.sampling = {{ separated = {{ rounds = {rounds} }} }}), and no [canaries]"
    )]
    Correlation {
        /// Rounds of the run.
        rounds: u32,
    },
    /// A mechanism that bounds updates, without a bound.
    #[error(
        "[privacy] needs `clip` for this mechanism: about the median norm of updates is a good start"
    )]
    NoClip,
    /// Attackers that do not clip, where an update is rounded only within its clip.
    #[error(
        "attack.clips = false needs privacy.mechanism \"none\" or \"central\": the shipped rounding takes nothing above the clip"
    )]
    UnclippedAttack,
    /// A backdoor whose answer nobody learns.
    #[error("attackers teach an answer of the assistant's: add \"assistant\" to data.roles")]
    UnlearnedAnswer,
    /// Canaries under a server rule that hides their sum.
    #[error(
        "canaries are looked for in the sum of all rounds: set server.rule to \"fedavg\", and leave out schedule.server_rate"
    )]
    CanaryRule,
    /// No canaries to look for.
    #[error(
        "the scenario plants no canaries: add a section [canaries], as in configs/scenarios/canaries.toml"
    )]
    NoCanaries,
    /// No version to look for canaries in.
    #[error("no round had a result: raise cohort.nodes or lower privacy.honest")]
    NothingReleased,
    /// Everybody is held out, or has nothing to train on.
    #[error(
        "nobody is left to train on: lower data.held_out, or give data with training conversations"
    )]
    NobodyToTrain,
    /// Nobody is held out.
    #[error("nobody is held out to measure with: set data.held_out to 0.2, say")]
    NobodyHeldOut,
    /// More nodes than there is to deal out.
    #[error(
        "data.split makes {nodes} nodes, but there are only {conversations} training conversations: set its nodes to \
         {conversations} or less"
    )]
    Split {
        /// Nodes to make.
        nodes: usize,
        /// Conversations to deal out.
        conversations: usize,
    },
    /// Labels that tell nothing apart.
    #[error(
        "data.split deals by labels, but all training conversations have the same: set its by to \"topic\", or use \
         {{ iid = {{ nodes = … }} }}"
    )]
    OneLabel,
    /// Pieces of nodes that are no people.
    #[error(
        "data.pseudo_users cuts people into nodes, data.split makes nodes of nobody in particular: leave one of them out"
    )]
    PiecesOfNobody,
    /// A checkpoint of another scenario or other data.
    #[error(
        "the checkpoint was made with another scenario, model or other data: start again in another folder"
    )]
    Checkpoint,
    /// Bytes that are no checkpoint.
    #[error("the checkpoint is damaged: take the folder away to begin again")]
    DamagedCheckpoint,
    /// More nodes a round than there are.
    #[error(
        "cohort.nodes is {wanted}, but the data makes only {nodes} nodes of {people} people: set it to {nodes} \
         or less{}", pieces.map_or(String::new(), |pieces| format!(", or cut people into data.pseudo_users = {pieces}"))
    )]
    Cohort {
        /// Nodes a round.
        wanted: usize,
        /// Nodes there are.
        nodes: usize,
        /// People whom they are pieces of.
        people: usize,
        /// Pieces of each person that are enough, if any are.
        pieces: Option<usize>,
    },
    /// Too few nodes for everybody to pause that long.
    #[error(
        "cohorts of {wanted} with {rounds} rounds between two participations need {} nodes, but there are {nodes}: \
         set cohort.nodes to {} or less", wanted * *rounds as usize, nodes / *rounds as usize
    )]
    Separation {
        /// Nodes a round.
        wanted: usize,
        /// Rounds from one participation to the next.
        rounds: u32,
        /// Nodes there are.
        nodes: usize,
    },
    /// A sum that would wrap around.
    #[error("sums of {nodes} nodes would wrap around at 2^{bits}: set privacy.modulus_bits to {}", enough.map_or("a smaller cohort's (32 are not enough either)".to_owned(), |bits| bits.to_string()))]
    Wraps {
        /// Most contributions in a sum.
        nodes: u32,
        /// b.
        bits: u8,
        /// The least b that would do.
        enough: Option<u8>,
    },
    /// A group that does not fit the memory.
    #[error(
        "groups of {group} on {threads} threads need {needed_mb} MB, but {limit_mb} MB are there: set machine.group to {fits} or less"
    )]
    Group {
        /// Nodes of a group.
        group: usize,
        /// Worker threads.
        threads: usize,
        /// What they need.
        needed_mb: u64,
        /// What there is.
        limit_mb: u64,
        /// Nodes of a group that would fit.
        fits: usize,
    },
    /// Not even one row fits the memory.
    #[error("one node with a batch of one row needs {needed_mb} MB on each of {threads} threads: set machine.memory_mb to {} or more, or machine.threads to 1", needed_mb * *threads as u64)]
    Row {
        /// What it needs.
        needed_mb: u64,
        /// Worker threads.
        threads: usize,
    },
    /// Not even one node at a time fits the memory.
    #[error(
        "one node needs {needed_mb} MB, but {limit_mb} MB are there: set local.batch to {fits} or less, or machine.threads to 1"
    )]
    Node {
        /// What it needs.
        needed_mb: u64,
        /// What there is for each thread.
        limit_mb: u64,
        /// Rows of a batch that would fit.
        fits: usize,
    },
}
