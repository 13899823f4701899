//! A coordinator and its nodes on loopback, each with its own folder, all of them gone when the test ends.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

use node::status::Status;
use privacy::{EntryKind, Reading, read_ledger};
use serde_json::Value;
use tempfile::TempDir;
use wire::{NodeId, Round};

use super::{
    model_folder::model_folder,
    people,
    process::{LOOK, PATIENCE, Process, answer, command},
};

/// A swarm of real programs. Dropped, it kills them, then removes their folders, then lets the next swarm begin.
pub struct Swarm {
    /// The coordinator, while it runs.
    pub coordinator: Option<Process>,
    /// The nodes, while they run.
    pub nodes: Vec<Option<Process>>,
    folder: TempDir,
    /// One swarm at a time: two would fight for the processors, and rounds would run into their windows' ends.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

/// How a swarm differs from the others.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Nodes.
    pub nodes: usize,
    /// A round begins with so many present.
    pub members_min: usize,
    /// The fewest survivors.
    pub survivors_min: usize,
    /// Honest noise shares that the charge counts on.
    pub honest: usize,
    /// Nodes answer at random instants of so many seconds when they advertise, and twice as many when they contribute.
    pub spread_s: f64,
}

impl Shape {
    /// `nodes` nodes, of which one may be missing.
    pub fn of(nodes: usize) -> Self {
        Self { nodes, members_min: nodes - 1, survivors_min: 4, honest: 3, spread_s: 1.0 }
    }

    /// As [`Shape::of`], with rounds of about two seconds.
    pub fn brisk(nodes: usize) -> Self {
        Self { spread_s: 0.5, ..Self::of(nodes) }
    }
}

impl Swarm {
    /// Founds a swarm, lets its people import their chats and join, and starts all programs but `run` of the nodes.
    pub fn found(shape: Shape) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let mut swarm = Self { coordinator: None, nodes: Vec::new(), folder, _turn: turn };
        swarm.init_coordinator(shape);
        for number in 0..shape.nodes {
            swarm.init_node(number);
            swarm.nodes.push(None);
        }
        swarm.start_coordinator();
        for (number, invite) in swarm.invites(shape.nodes).iter().enumerate() {
            answer(swarm.node_command(number).args(["join", invite]));
        }
        swarm
    }

    /// As [`Swarm::found`], and starts the nodes.
    pub fn start(shape: Shape) -> Self {
        let mut swarm = Self::found(shape);
        (0..shape.nodes).for_each(|number| swarm.start_node(number));
        swarm
    }

    fn init_coordinator(&self, shape: Shape) {
        let port = free_port();
        let config = self.folder.path().join("coordinator.toml");
        fs::write(&config, coordinator_config(shape, port)).unwrap();
        let gate = people::gate(self.folder.path());
        let mut command = self.coordinator_command();
        command.arg("init").arg("--config").arg(&config);
        command.arg("--model").arg(model_folder()).arg("--gate").arg(gate);
        answer(&mut command);
    }

    /// A new person's folder, with their chats, who has not joined yet.
    pub fn init_node(&self, number: usize) {
        let folder = self.node_folder(number);
        let mut init = self.node_command(number);
        answer(init.args(["init", "--policy", "none", "--model"]).arg(model_folder()));
        let (export, me) = people::export(number, &folder);
        let mut import = self.node_command(number);
        import.arg("import").arg(export);
        if let Some(me) = me {
            import.args(["--me", me]);
        }
        let taken = answer(&mut import);
        assert!(
            taken["training"].as_u64() >= Some(1),
            "node {number} has nothing to train on: {taken}"
        );
    }

    /// Keeps a node from pausing for a minute between two attempts to reach a coordinator that comes and goes.
    pub fn redial_soon(&self, number: usize) {
        let file = self.node_folder(number).join("node.toml");
        let config = fs::read_to_string(&file).unwrap();
        let sooner = config.replace("# redial_max_ms = 60000", "redial_max_ms = 500");
        assert_ne!(config, sooner, "the longest pause is written otherwise");
        fs::write(&file, sooner).unwrap();
    }

    /// Invites for new nodes.
    pub fn invites(&self, count: usize) -> Vec<String> {
        let mut command = self.coordinator_command();
        let made = answer(command.args(["invite", "--count", &count.to_string()]));
        let list =
            made.as_array().or_else(|| made["invites"].as_array()).expect("a list of invites");
        list.iter()
            .map(|invite| invite.as_str().expect("an invite is a string").to_owned())
            .collect()
    }

    /// A command of the coordinator.
    pub fn coordinator_command(&self) -> Command {
        command("murmur-coordinator", &self.coordinator_folder())
    }

    /// A command of a node.
    pub fn node_command(&self, number: usize) -> Command {
        command("murmur-node", &self.node_folder(number))
    }

    /// The coordinator's folder.
    pub fn coordinator_folder(&self) -> PathBuf {
        self.folder.path().join("coordinator")
    }

    /// Where the coordinator listens.
    pub fn coordinator_address(&self) -> String {
        let text = fs::read_to_string(self.coordinator_folder().join("coordinator.toml")).unwrap();
        let config: toml::Table = toml::from_str(&text).unwrap();
        config["network"]["listen"][0].as_str().expect("an address").to_owned()
    }

    /// A node's folder.
    pub fn node_folder(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("node-{number}"))
    }

    /// Where tests may put things of their own.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the coordinator, also after it was killed.
    pub fn start_coordinator(&mut self) {
        let log = self.folder.path().join("coordinator.log");
        self.coordinator = Some(Process::start(self.coordinator_command().arg("run"), &log));
    }

    /// Starts a node, also after it was killed.
    pub fn start_node(&mut self, number: usize) {
        let log = self.folder.path().join(format!("node-{number}.log"));
        self.nodes[number] = Some(Process::start(self.node_command(number).arg("run"), &log));
    }

    /// SIGKILL for a node.
    pub fn kill_node(&mut self, number: usize) {
        self.nodes[number].take().expect("it runs").kill();
    }

    /// Kills a node between its shares and its contribution; says in which round.
    ///
    /// # Panics
    /// If it is too late five times in a row: its instant can come between our look and the kill.
    pub fn kill_node_before_it_contributes(&mut self, number: usize) -> Round {
        for _ in 0..5 {
            let round = self.wait("the node's instant to contribute", |swarm| {
                let status = swarm.status(number)?;
                (status.waits_for == "its instant to contribute").then_some(Round(status.round))
            });
            self.kill_node(number);
            if !self.is_charged(number, round) {
                return round;
            }
            self.start_node(number);
        }
        panic!("node {number} was always faster");
    }

    /// Whether a node's ledger holds a charge for a round.
    pub fn is_charged(&self, number: usize, round: Round) -> bool {
        let charged = |kind: &EntryKind| matches!(kind, EntryKind::Charged { terms, .. } if terms.round == round);
        self.ledger(number).entries.iter().any(|entry| charged(&entry.kind))
    }

    /// SIGKILL for the coordinator.
    pub fn kill_coordinator(&mut self) {
        self.coordinator.take().expect("it runs").kill();
    }

    /// What a running node says of itself, once it does.
    pub fn status(&self, number: usize) -> Option<Status> {
        let status = Status::read(&self.node_folder(number).join("status.json"))?;
        let process = self.nodes[number].as_ref()?.id();
        (status.process == process).then_some(status)
    }

    /// What the running coordinator says of itself; nothing until it does.
    pub fn coordinator_status(&self) -> Value {
        let text = fs::read(self.coordinator_folder().join("status.json")).unwrap_or_default();
        let status: Value = serde_json::from_slice(&text).unwrap_or_default();
        let process = self.coordinator.as_ref().map(Process::id);
        if status["process"].as_u64() == process.map(u64::from) { status } else { Value::Null }
    }

    /// The newest version that the running coordinator says it has issued.
    pub fn version(&self) -> u64 {
        self.wait("the coordinator's status", |swarm| {
            swarm.coordinator_status()["version"].as_u64()
        })
    }

    /// A node's verified ledger.
    pub fn ledger(&self, number: usize) -> Reading {
        let bytes = fs::read(self.node_folder(number).join("ledger")).unwrap_or_default();
        read_ledger(&bytes, self.node_id(number)).expect("a ledger verifies")
    }

    /// A node's public name.
    pub fn node_id(&self, number: usize) -> NodeId {
        let secret = store::keyfile::load_key(&self.node_folder(number).join("node.key")).unwrap();
        NodeId(ed25519_dalek::SigningKey::from_bytes(&secret).verifying_key().to_bytes())
    }

    /// Looks until there is something to see.
    ///
    /// # Panics
    /// If it does not come within [`PATIENCE`], with what all programs said.
    pub fn wait<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(seen) = look(self) {
                return seen;
            }
            assert!(Instant::now() < until, "waited in vain for {what}\n{}", self.said());
            thread::sleep(LOOK);
        }
    }

    /// Waits until the coordinator has issued a version.
    pub fn wait_for_version(&self, version: u64) {
        self.wait(&format!("version {version}"), |swarm| {
            (swarm.version() >= version).then_some(())
        });
    }

    /// Waits until a round is over, whatever came of it.
    pub fn wait_for_the_end_of(&self, round: Round) {
        self.wait(&format!("the end of round {round}"), |swarm| {
            (swarm.coordinator_status()["round"].as_u64() > Some(round.0)).then_some(())
        });
    }

    /// Waits until a node waits for something.
    pub fn wait_until_node(&self, number: usize, waits_for: &str) {
        self.wait(&format!("node {number} waiting for {waits_for}"), |swarm| {
            swarm.status(number).filter(|status| status.waits_for == waits_for).map(drop)
        });
    }

    /// Stops all programs in order: each must end by itself, without a fault.
    pub fn stop(&mut self) {
        let running = self.nodes.iter_mut().chain([&mut self.coordinator]).filter_map(Option::take);
        for mut process in running {
            let status = process.terminate();
            assert!(status.success(), "it ended with {status}:\n{}", process.said());
        }
    }

    fn said(&self) -> String {
        let mut text = format!("coordinator: {}\n", self.coordinator_status());
        text += &self.coordinator.as_ref().map_or("(not running)".into(), Process::said);
        for (number, process) in self.nodes.iter().enumerate() {
            text += &format!("\nnode {number}: {:?}\n", self.status(number));
            text += &process.as_ref().map_or("(not running)".into(), Process::said);
        }
        text
    }
}

/// A port that nobody listens on. The coordinator keeps it over its restarts.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Short windows, tiny batches; enough noise that everything is exercised, too little to promise anything.
fn coordinator_config(shape: Shape, port: u16) -> String {
    let Shape { members_min, survivors_min, honest, spread_s, .. } = shape;
    let contribute_s = 2.0 * spread_s;
    format!(
        r#"
[network]
listen = ["127.0.0.1:{port}"]
announce = ["127.0.0.1:{port}"]

[task]
name = "end to end"

[adapter]
kind = "ffa-lora"
rank = 2
alpha = 4
targets = ["q", "v"]

[privacy]
clip = 0.5
noise_multiplier = 0.02
honest = {honest}
survivors_min = {survivors_min}
corrupt = "1/10"
dropout = "1/6"
modulus_bits = 20

[round]
members_min = {members_min}
pause_s = 0.2

[windows]
train_s = 2.0
advertise_s = {spread_s:.1}
shares_s = 3.0
consistency_s = 3.0
contribute_s = {contribute_s:.1}
survivors_s = 3.0
reveal_s = 3.0

[training]
steps = 2
batch = 2
sequence = 32
optimizer = {{ sgd = {{ momentum = 0.0 }} }}
learning_rate = 0.1
precision = "f32"

[server]
rule = "fedavg"
learning_rate = 1.0

[gate]
tolerance = 0.5
"#
    )
}
