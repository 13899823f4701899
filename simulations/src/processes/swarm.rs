//! The life of the swarm: set up, run, one node killed and back, ended.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use learning::people::Person;
use program::{Progress, Unit, note};
use serde::Deserialize;

use super::{
    children::Running,
    place::Place,
    terms::Terms,
    timing::{Timing, cpu_of},
    tool::{Tool, for_each_at_once},
};

/// After this long without a new version the demo gives up.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks at status files: shorter than any window.
const LOOK: Duration = Duration::from_millis(25);
/// What a node waits for when its shares are dealt and its contribution is not sent.
const BETWEEN: &str = "its instant to contribute";

/// What was seen while the swarm lived.
pub struct Lived {
    /// Seconds from the first invitation to the last version.
    pub rounds_took: Duration,
    /// Who was killed, in which round.
    pub killed: Vec<Killed>,
    /// Bytes that a killed program had sent and received, by person: its status starts anew.
    pub lost_traffic: BTreeMap<String, (u64, u64)>,
    /// Where the time of the rounds went.
    pub timing: Timing,
}

/// A node that got SIGKILL after its shares and before its contribution.
pub struct Killed {
    /// Whose node.
    pub name: String,
    /// In which round.
    pub round: u64,
    /// Contributions that it had sent before.
    pub contributions_before: u64,
    /// The first version after its death, issued without it.
    pub version: u64,
}

/// What this command reads of a node's `status.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeStatus {
    waits_for: String,
    round: u64,
    version: u64,
    contributions: u64,
    bytes_sent: u64,
    bytes_received: u64,
}

/// What this command reads of the coordinator's `status.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct CoordinatorStatus {
    version: u64,
    waits_for: String,
    events: Vec<String>,
}

/// Sets everything up, runs the rounds, kills one node once if asked to, and ends everything in order.
///
/// # Errors
/// If a program fails, or no version comes for five minutes.
pub fn live(
    tool: &Tool,
    place: &Place,
    people: &[Person],
    terms: &Terms,
    kills: bool,
) -> anyhow::Result<Lived> {
    let coordinator = start_coordinator(tool, place, terms, people.len())?;
    set_up_nodes(tool, place, people)?;
    let began = Instant::now();
    let nodes = people
        .iter()
        .map(|person| Ok((person.name.clone(), start_node(tool, place, &person.name)?)))
        .collect::<anyhow::Result<BTreeMap<_, _>>>()?;
    let mut watch = Watch {
        tool,
        place,
        coordinator,
        nodes,
        killed: Vec::new(),
        lost_traffic: BTreeMap::new(),
        bar: Progress::new("swarm", terms.rounds.into(), Unit::Count("versions")),
        told: Vec::new(),
        kills,
        timing: Timing::new(),
    };
    watch.until_version(terms.rounds.into())?;
    let rounds_took = began.elapsed();
    watch.until_adopted(terms.rounds.into())?;
    let Watch { nodes, killed, lost_traffic, bar, timing, .. } = watch;
    bar.finish();
    for_each_stop(nodes);
    Ok(Lived { rounds_took, killed, lost_traffic, timing })
}

fn for_each_stop(nodes: BTreeMap<String, Running>) {
    std::thread::scope(|scope| {
        for (_, node) in nodes {
            scope.spawn(move || node.stop(Duration::from_secs(10)));
        }
    });
}

fn start_coordinator(
    tool: &Tool,
    place: &Place,
    terms: &Terms,
    nodes: usize,
) -> anyhow::Result<Running> {
    let address = free_address()?;
    let config = place.root.join("coordinator.toml");
    std::fs::write(&config, terms.coordinator_toml(&address, nodes))
        .with_context(|| format!("cannot write {}", config.display()))?;
    let folder = place.coordinator();
    tool.ask(
        tool.coordinator(&folder)
            .arg("init")
            .args([Path::new("--config"), &config, Path::new("--model"), &place.model])
            .args([Path::new("--gate"), &place.gate]),
    )?;
    let mut run = tool.coordinator(&folder);
    run.args(["run", "--until-version", &terms.rounds.to_string()]);
    note("the coordinator is set up; each node is given its own folder, keys and chats");
    Running::start("coordinator", &mut run, &place.log("coordinator"))
}

/// A port of loopback that is free now.
fn free_address() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port on loopback")?;
    Ok(listener.local_addr()?.to_string())
}

fn set_up_nodes(tool: &Tool, place: &Place, people: &[Person]) -> anyhow::Result<()> {
    let invites = tool.ask(tool.coordinator(&place.coordinator()).args([
        "invite",
        "--count",
        &people.len().to_string(),
    ]))?;
    let invites: Vec<String> = serde_json::from_value(invites)
        .context("the coordinator's invites are no list of strings")?;
    let invited: Vec<(&Person, &String)> = people.iter().zip(&invites).collect();
    for_each_at_once(&invited, |(person, invite)| set_up_node(tool, place, person, invite))?;
    Ok(())
}

fn set_up_node(tool: &Tool, place: &Place, person: &Person, invite: &str) -> anyhow::Result<()> {
    let node = || tool.node(&place.node(&person.name));
    // Typed in full, as everybody must who wants no budget.
    tool.ask(node().args(["init", "--policy", "none", "--model"]).arg(&place.model))?;
    let imported = tool.ask(node().args(["import", "--me", &person.me]).args(&person.files))?;
    tool.ask(node().args(["join", invite]))?;
    note(format!(
        "{:<8} {} conversations ({}), {} of them to train on",
        person.name, imported["total"], person.format, imported["training"]
    ));
    Ok(())
}

fn start_node(tool: &Tool, place: &Place, name: &str) -> anyhow::Result<Running> {
    Running::start(name, tool.node(&place.node(name)).arg("run"), &place.log(name))
}

/// The swarm while it runs. Dropping it kills every program.
struct Watch<'a> {
    tool: &'a Tool,
    place: &'a Place,
    coordinator: Running,
    nodes: BTreeMap<String, Running>,
    killed: Vec<Killed>,
    lost_traffic: BTreeMap<String, (u64, u64)>,
    bar: Progress,
    told: Vec<String>,
    /// Whether one node is to be killed.
    kills: bool,
    timing: Timing,
}

impl Watch<'_> {
    /// Waits until the coordinator has ended after its last version.
    fn until_version(&mut self, last: u64) -> anyhow::Result<()> {
        let (mut newest, mut since) = (0, Instant::now());
        let mut of_coordinator = None;
        loop {
            self.tool.go_on()?;
            self.check_nodes()?;
            let status: CoordinatorStatus = read(&self.place.coordinator());
            self.tell(&status);
            // The coordinator ends with its last version, and is not asked any more then.
            of_coordinator = cpu_of(self.coordinator.process()).or(of_coordinator);
            let nodes = &self.nodes;
            let of_nodes = || nodes.values().map(|node| cpu_of(node.process())).sum();
            let of_all = || Option::<Duration>::zip(of_nodes(), of_coordinator);
            self.timing.look(status.version, &status.waits_for, || {
                of_all().map(|(nodes, coordinator)| nodes + coordinator)
            });
            if status.version > newest {
                (newest, since) = (status.version, Instant::now());
                self.bring_back(newest)?;
            }
            if let Some(ended) = self.coordinator.ended()? {
                if ended.success() && newest >= last {
                    return Ok(());
                }
                bail!(
                    "the coordinator ended at version {newest} ({ended}): {}",
                    self.log("coordinator")
                );
            }
            if since.elapsed() > PATIENCE {
                bail!(
                    "no new version for {} s; the coordinator waits for {}: {}",
                    PATIENCE.as_secs(),
                    status.waits_for,
                    self.log("coordinator")
                );
            }
            if self.kills && self.killed.is_empty() && newest >= 1 && newest + 2 <= last {
                self.kill_between()?;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Prints what the coordinator has said since the last look.
    fn tell(&mut self, status: &CoordinatorStatus) {
        self.bar.set(status.version);
        self.bar.detail(format!("waits for {}", status.waits_for));
        let known = status.events.iter().rposition(|event| self.told.last() == Some(event));
        let new = &status.events[known.map_or(0, |at| at + 1)..];
        for event in new {
            note(format!("  {event}"));
        }
        self.told.extend_from_slice(new);
    }

    /// Kills the first node that is seen with its shares dealt and its contribution unsent.
    fn kill_between(&mut self) -> anyhow::Result<()> {
        for name in self.nodes.keys().cloned().collect::<Vec<_>>() {
            let status: NodeStatus = read(&self.place.node(&name));
            if status.waits_for != BETWEEN {
                continue;
            }
            let Some(node) = self.nodes.remove(&name) else { continue };
            node.kill()?;
            let after: NodeStatus = read(&self.place.node(&name));
            if after.waits_for != BETWEEN {
                // It was quicker than we: back to its place, and nothing was shown.
                self.nodes.insert(name.clone(), start_node(self.tool, self.place, &name)?);
                continue;
            }
            note(format!(
                "SIGKILL for {name} in round {}: its shares are dealt, its contribution is not sent",
                after.round
            ));
            self.lost_traffic.insert(name.clone(), (after.bytes_sent, after.bytes_received));
            let contributions_before = after.contributions;
            self.killed.push(Killed { name, round: after.round, contributions_before, version: 0 });
            return Ok(());
        }
        Ok(())
    }

    /// Starts a killed node again once a version was issued without it.
    fn bring_back(&mut self, version: u64) -> anyhow::Result<()> {
        for killed in self.killed.iter_mut().filter(|killed| killed.version == 0) {
            killed.version = version;
            note(format!(
                "version {version} was issued without {}; its node starts again",
                killed.name
            ));
            let node = start_node(self.tool, self.place, &killed.name)?;
            self.nodes.insert(killed.name.clone(), node);
        }
        Ok(())
    }

    fn check_nodes(&mut self) -> anyhow::Result<()> {
        for node in self.nodes.values_mut() {
            if let Some(status) = node.ended()? {
                let name = node.name().to_owned();
                bail!("{name}'s node ended by itself ({status}): {}", self.log(&name));
            }
        }
        Ok(())
    }

    /// Gives the nodes time to recompute the last version.
    fn until_adopted(&self, last: u64) -> anyhow::Result<()> {
        let until = Instant::now() + Duration::from_secs(10);
        let late = || {
            let names = self.nodes.keys();
            let late =
                names.filter(|name| read::<NodeStatus>(&self.place.node(name)).version < last);
            late.cloned().collect::<Vec<_>>()
        };
        while !late().is_empty() {
            self.tool.go_on()?;
            if Instant::now() > until {
                note(format!("not yet at version {last}: {}", late().join(", ")));
                break;
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn log(&self, name: &str) -> String {
        let file = self.place.log(name);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let last = text.lines().rev().take(3).collect::<Vec<_>>();
        format!("{}\n{}", file.display(), last.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }
}

/// What a program wrote last; the default before its first word.
fn read<T: Default + for<'a> Deserialize<'a>>(folder: &Path) -> T {
    let bytes = std::fs::read(folder.join("status.json")).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}
