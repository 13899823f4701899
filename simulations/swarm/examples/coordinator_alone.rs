//! How much memory a coordinator needs for one round, without the nodes: they play their part first, in a process of their
//! own; then the coordinator is started alone and hears the same messages at the same times, one after the other from a
//! file. Same inputs, times and job outputs: same effects, so it is the same round.
//!
//! `cargo run --release -p swarm --example coordinator_alone -- 50 1000000` prints one line of JSON. What it orders to
//! persist is encoded and written, what it orders to send is encoded and dropped, one thing after the other.

#![allow(clippy::unwrap_used, reason = "a failed step of a bench ends it")]

#[allow(dead_code, reason = "the other bench uses all of it")]
#[path = "secure_round/programs.rs"]
mod programs;
#[allow(dead_code, reason = "the other bench uses all of it")]
#[path = "secure_round/task.rs"]
mod task;

use std::{
    collections::{BTreeMap, VecDeque},
    env,
    fs::{self, File},
    io::{BufReader, BufWriter, Read, Write},
    path::Path,
    process::Command,
    sync::mpsc::channel,
};

use programs::{Arrival, NodeProgram};
use protocol::{
    Coordinator, Time,
    coordinator::{Effect, Event, Input, Record},
};
use swarm::scenario;
use task::Size;
use wire::{NodeId, ToCoordinator, ToNode};

/// What the coordinator heard, and when: a message, or that its time had come.
type Heard = (u64, Option<(NodeId, ToCoordinator)>);

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |place: usize, otherwise: usize| {
        arguments.get(place).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (nodes, values) = (number(0, 50), number(1, 1_000_000));
    let size = Size { nodes, values, dropped: 0, quantises: false };
    if let Some(path) = arguments.get(2) {
        return replay(size, Path::new(path));
    }
    let path = env::temp_dir().join(format!("coordinator-alone-{}", std::process::id()));
    play(size, &path);
    let told = Command::new(env::current_exe().unwrap())
        .args([nodes.to_string(), values.to_string()])
        .arg(&path)
        .status();
    fs::remove_file(&path).unwrap();
    assert!(told.unwrap().success(), "the coordinator alone has failed");
}

/// A round with its nodes, of which every input of the coordinator is written down.
fn play(size: Size, path: &Path) {
    let nodes = (0..size.nodes).map(|number| NodeProgram::start(size, number));
    let mut nodes: BTreeMap<NodeId, NodeProgram> = nodes.map(|node| (node.id(), node)).collect();
    nodes.values_mut().for_each(NodeProgram::train);
    let mut program = Program::start(size, path.with_extension("kept"));
    let mut file = BufWriter::new(File::create(path).unwrap());
    let (sender, arrivals) = channel();
    let mut said = program.begin(nodes.keys().copied());
    while !program.machine.is_resting() {
        while let Some((to, message)) = said.pop_front() {
            nodes.get_mut(&to).unwrap().hear(message, &sender);
        }
        let heard = match arrivals.try_recv() {
            Ok(Arrival::Message(from, message)) => Some((from, message)),
            Ok(Arrival::Done) => continue,
            Err(_) => None,
        };
        let now = if heard.is_some() { program.now } else { program.alarm.take().unwrap() };
        let heard: Heard = (now.0, heard);
        let bytes = wire::encode(&heard);
        file.write_all(&(bytes.len() as u32).to_le_bytes()).unwrap();
        file.write_all(&bytes).unwrap();
        said.extend(program.hear(heard));
    }
    file.flush().unwrap();
}

/// The coordinator of the same round, alone.
fn replay(size: Size, path: &Path) {
    let mut program = Program::start(size, path.with_extension("kept"));
    let mut file = BufReader::new(File::open(path).unwrap());
    drop(program.begin((0..size.nodes).map(scenario::node_id)));
    let mut length = [0; 4];
    while file.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        file.read_exact(&mut bytes).unwrap();
        let heard = wire::decode(&bytes, bytes.len()).unwrap();
        drop(bytes);
        drop(program.hear(heard));
    }
    assert!(program.machine.is_resting() && program.issued, "it is not the same round");
    println!(
        "{{\"what\": \"coordinator alone\", \"nodes\": {}, \"values\": {}, \"contribution_mib\": {:.2}, \"peak_mib\": {}}}",
        size.nodes,
        size.values,
        (size.padded() as f64 * f64::from(task::BITS) / 8.0) / f64::from(1 << 20),
        peak_mib(),
    );
}

/// The coordinator's program.
struct Program {
    machine: Coordinator,
    now: Time,
    alarm: Option<Time>,
    issued: bool,
    /// Where everything is written.
    kept: File,
    path: std::path::PathBuf,
}

impl Program {
    fn start(size: Size, path: std::path::PathBuf) -> Self {
        let machine = Coordinator::start(size.coordinator(), Time(0), &mut Vec::new());
        let kept = File::create(&path).unwrap();
        Self { machine, now: Time(0), alarm: None, issued: false, kept, path }
    }

    fn begin(&mut self, nodes: impl Iterator<Item = NodeId>) -> VecDeque<(NodeId, ToNode)> {
        let mut said = VecDeque::new();
        for node in nodes {
            said.extend(self.handle(Input::Connected(node)));
        }
        said.extend(self.handle(Input::Begin { rotation_seed: [1; 32] }));
        said
    }

    fn hear(&mut self, (at, heard): Heard) -> VecDeque<(NodeId, ToNode)> {
        self.now = Time(at);
        self.handle(match heard {
            Some((from, message)) => Input::Message { from, message },
            None => Input::Wake,
        })
    }

    fn handle(&mut self, input: Input) -> VecDeque<(NodeId, ToNode)> {
        let (mut inputs, mut said) = (vec![input], VecDeque::new());
        while let Some(input) = inputs.pop() {
            let mut effects = Vec::new();
            self.machine.handle(input, self.now, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Send { to, message } => {
                        std::hint::black_box(wire::encode(&message));
                        said.push_back((to, message));
                    }
                    Effect::Wake(at) => self.alarm = Some(at),
                    Effect::Unmask(job) => inputs.push(Input::Unmasked(job.run())),
                    Effect::Judge(_) => {
                        inputs.push(Input::Judged { loss_micro: scenario::LOSS_MICRO });
                    }
                    Effect::Persist(record) => self.persist(&record),
                    Effect::Reject { why, .. } => panic!("a message is refused: {why}"),
                    Effect::Report(Event::Issued { .. }) => self.issued = true,
                    Effect::Report(_) => {}
                }
            }
        }
        said
    }

    fn persist(&mut self, record: &Record) {
        let mut keep = |bytes: Vec<u8>| self.kept.write_all(&bytes).unwrap();
        match record {
            Record::Round(transcript) | Record::Finished(transcript) => {
                keep(wire::encode(&**transcript));
            }
            Record::Contribution(contribution) => keep(wire::encode(contribution)),
            Record::Heads(heads) => keep(wire::encode(heads)),
            Record::Conduct(conduct) => keep(wire::encode(&**conduct)),
            Record::Step { record, state, .. } => {
                record.iter().for_each(|record| keep(wire::encode(&**record)));
                state.iter().for_each(|state| keep(state.clone()));
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A file that is left behind harms nobody.
        let _ = fs::remove_file(&self.path);
    }
}

/// The most memory that the process has had, in MiB; 0 where the system does not say.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
