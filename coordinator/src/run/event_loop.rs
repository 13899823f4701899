//! The loop that owns the machine.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use network::{Event as NetworkEvent, Events, Handle, Reply, Role};
use program::{Exit, Output, Shutdown, Waiting, note};
use protocol::{
    Coordinator, Time,
    coordinator::{CoordinatorStart, Input},
};
use rand::{TryRng, rngs::SysRng};
use serde_json::json;
use store::Folder;
use tokio::sync::mpsc;
use wire::{
    Enrol, Gossip, NodeId, Refusal, Request, Response, Signed, TaskId, ToCoordinator, ToNode,
};

use super::{
    answer, gossip::validator, judge::Judge, outbox::Outboxes, perform::Performer, tell::Teller,
};
use crate::{
    check::{check, in_file},
    home::{CONFIG, Home},
    invites::{Admission, Invites},
    members::Members,
    records::{Records, Saved},
    status::{HEARTBEAT, Status, now_ms},
    terms,
};

/// How often files that other commands write are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long the last messages may take when the program ends.
const FAREWELL: Duration = Duration::from_secs(5);
/// Outputs of jobs that may wait for the machine.
const OUTPUTS: usize = 16;

/// When a run ends by itself, and what differs from the configuration.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// End after so many rounds, issued, refused or aborted.
    pub rounds: Option<u64>,
    /// End when the chain has reached this version.
    pub until_version: Option<u64>,
    /// Where the base model is now.
    pub model: Option<PathBuf>,
}

/// Runs rounds until it is asked to stop, or the options' end is reached.
///
/// # Errors
/// If it cannot start, cannot keep what it must, or cannot judge a candidate.
pub fn run(home: Home, options: RunOptions, output: Output) -> anyhow::Result<Exit> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let exit = runtime.block_on(async move {
        let shutdown = Shutdown::on_signals()?;
        let folder = Folder::open(home.path())?;
        let mut running = Running::start(home, options, output).await?;
        let ended = running.until(&shutdown).await;
        let said = running.farewell().await;
        drop(folder);
        ended.and(said).map(|()| Exit::Success)
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    exit
}

struct Running {
    home: Home,
    options: RunOptions,
    machine: Coordinator,
    performer: Performer,
    members: Members,
    invites: Invites,
    events: Events,
    outputs: mpsc::Receiver<anyhow::Result<Input>>,
    /// No round begins before.
    next_round: Time,
    waiting: Option<Waiting>,
    written: Written,
}

/// What `status.json` says, and since when.
struct Written {
    /// Without the figures that change with every message.
    essence: Status,
    at: Instant,
}

impl Running {
    async fn start(home: Home, options: RunOptions, output: Output) -> anyhow::Result<Self> {
        let key = home.key()?;
        let (records, saved) = Records::open(&home)?;
        let Saved { chain, state, round, heads, conduct } = saved;
        let file = home.join(CONFIG);
        in_file(&file, check(&home.config))?;
        in_file(&file, terms::rehearse(&home.config, &home.genesis, &key, state.clone()))?;
        let settings = terms::settings(&home.config, home.genesis.dimension)?;
        let gate = home.gate(options.model.as_deref())?;
        let (members, invites) = (home.members()?, Invites::open(&home.join("invites"))?);
        fs::create_dir_all(home.join(REMOVALS)).context("cannot create the folder of removals")?;
        let (network, events) = start_network(&home, &members)?;
        let (sender, outputs) = mpsc::channel(OUTPUTS);
        let mut effects = Vec::new();
        let machine = Coordinator::start(
            CoordinatorStart {
                key,
                settings,
                chain,
                state,
                base_loss_micro: home.setup.base_loss_micro,
                round,
                heads,
                conduct,
            },
            now(),
            &mut effects,
        );
        let status = Status {
            process: std::process::id(),
            running: true,
            listening: network.listen_addresses().await,
            ..Status::default()
        };
        let performer = Performer {
            records,
            outboxes: Outboxes::new(network.clone()),
            network,
            judge: Judge::start(gate, sender.clone())?,
            outputs: sender,
            teller: Teller::new(output, status.clone()),
            wake: None,
            keep_versions: home.config.storage.keep_versions,
        };
        let next_round = now() + home.config.round.pause_s.to_ms();
        let mut running = Self {
            home,
            options,
            machine,
            performer,
            members,
            invites,
            events,
            outputs,
            next_round,
            waiting: None,
            written: Written { essence: Status::default(), at: Instant::now() },
        };
        running.greet(&status.listening)?;
        running.performer.perform(effects, running.machine.chain())?;
        running.show()?;
        Ok(running)
    }

    fn greet(&mut self, listening: &[String]) -> anyhow::Result<()> {
        let words = format!(
            "\"{}\": version {}, listening on {}",
            self.home.genesis.name,
            self.machine.chain().version(),
            listening.join(", ")
        );
        let value = json!({
            "event": "listening", "addresses": listening, "task": self.home.task().to_string(),
            "version": self.machine.chain().version().0
        });
        self.performer.teller.line(&words, value)
    }

    async fn until(&mut self, shutdown: &Shutdown) -> anyhow::Result<()> {
        let mut look = tokio::time::interval(LOOK);
        while !self.is_done() {
            self.begin_if_due()?;
            let alarm = until(self.alarm(), now());
            tokio::select! {
                () = shutdown.requested() => return Ok(()),
                event = self.events.next() => {
                    self.hear(event.context("the network has ended")?).await?;
                }
                output = self.outputs.recv() => {
                    // Unwrap safety: the performer holds a sender as long as this loop runs.
                    self.handle(output.expect("the performer holds a sender")?)?;
                }
                () = alarm => self.wake()?,
                _ = look.tick() => self.remove_members().await?,
            }
            self.show()?;
        }
        Ok(())
    }

    /// Lets the last messages out, and says that it is over.
    async fn farewell(&mut self) -> anyhow::Result<()> {
        self.waiting = None;
        let drained =
            program::waiting("nodes to take the last messages", self.performer.outboxes.drain());
        if tokio::time::timeout(FAREWELL, drained).await.is_err() {
            tracing::debug!(
                "some nodes did not take their last messages: they ask when they are back"
            );
        }
        self.performer.network.shut_down().await;
        self.performer.teller.status.running = false;
        self.write_status()
    }

    fn handle(&mut self, input: Input) -> anyhow::Result<()> {
        let rested = self.machine.is_resting();
        let mut effects = Vec::new();
        self.machine.handle(input, now(), &mut effects);
        self.performer.perform(effects, self.machine.chain())?;
        if self.machine.is_resting() && !rested {
            self.performer.wake = None;
            self.next_round = now() + self.home.config.round.pause_s.to_ms();
        }
        Ok(())
    }

    async fn hear(&mut self, event: NetworkEvent) -> anyhow::Result<()> {
        match event {
            NetworkEvent::Request { from, request, reply } => {
                self.answer(from.into(), request, reply).await
            }
            NetworkEvent::Gossip { from, message } => self.hear_gossip(from.into(), message),
            NetworkEvent::Connected(_) => Ok(()),
            NetworkEvent::Disconnected(peer) => {
                self.performer.outboxes.close(peer.into());
                self.handle(Input::Disconnected(peer.into()))
            }
            NetworkEvent::Rejected { from, why } => {
                tracing::info!(?from, %why, "a peer was wrong");
                Ok(())
            }
        }
    }

    async fn answer(&mut self, from: NodeId, request: Request, reply: Reply) -> anyhow::Result<()> {
        let response = match request {
            Request::Enrol(enrol) => self.enrol(from, &enrol).await?,
            _ if !self.members.contains(from) => Response::Refused(Refusal::NotAMember),
            Request::Hello(task) => return self.welcome(from, task, reply),
            Request::ToCoordinator(message) => {
                answer::answer(reply, Response::Accepted);
                return self.handle(Input::Message { from, message });
            }
            Request::Headers { task, from } => answer::headers(self.machine.chain(), task, from),
            Request::State(state) => answer::state(&self.performer.records, state)?,
            Request::Slice { content, offset } => {
                answer::slice(&self.performer.records, content, offset, reply);
                return Ok(());
            }
            Request::Record(hash) => {
                answer::record(&self.performer.records, hash, reply);
                return Ok(());
            }
            Request::ToNode(_) => Response::Refused(Refusal::NotMine),
        };
        answer::answer(reply, response);
        Ok(())
    }

    /// A member is here: it learns the task, then whatever it has not answered yet.
    fn welcome(&mut self, node: NodeId, task: TaskId, reply: Reply) -> anyhow::Result<()> {
        if task != self.home.task() {
            answer::answer(reply, Response::Refused(Refusal::NotFound));
            return Ok(());
        }
        answer::answer(reply, self.task());
        self.performer.outboxes.open(node);
        self.handle(Input::Connected(node))
    }

    async fn enrol(&mut self, node: NodeId, signed: &Signed<Enrol>) -> anyhow::Result<Response> {
        let Ok(enrol) = signed.check(node) else {
            return Ok(Response::Refused(Refusal::InvalidInvite));
        };
        if enrol.task != self.home.task() {
            return Ok(Response::Refused(Refusal::NotFound));
        }
        // An invite's end is a date of the calendar.
        let now_unix = now_ms() / 1000;
        match self.invites.admit(&enrol.secret, node, &self.members, now_unix) {
            Admission::Already => Ok(self.task()),
            Admission::Refused => Ok(Response::Refused(Refusal::InvalidInvite)),
            Admission::Welcome(invite) => {
                let members = &mut self.members;
                let new = tokio::task::block_in_place(|| members.enrol(node, invite))?;
                if new {
                    self.members_changed().await;
                    let count = self.members.ids().len();
                    let words = format!("node {} enrolled: {count} now", node.short());
                    let value =
                        json!({ "event": "enrolled", "node": node.to_string(), "members": count });
                    self.performer.teller.line(&words, value)?;
                }
                Ok(self.task())
            }
        }
    }

    fn task(&self) -> Response {
        let (genesis, members) = (self.home.genesis.clone(), self.members.signed().clone());
        Response::Task { genesis, members }
    }

    async fn members_changed(&mut self) {
        self.performer.network.set_members(self.members.ids()).await;
        self.performer.outboxes.push_all(&ToNode::Members(self.members.signed().clone()));
    }

    /// Performs what `murmur-coordinator remove` asked for.
    async fn remove_members(&mut self) -> anyhow::Result<()> {
        for entry in fs::read_dir(self.home.join(REMOVALS))? {
            let file = entry?.path();
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(node) = NodeId::from_hex(name) else { continue };
            if self.members.remove(node)? {
                self.members_changed().await;
                self.performer.outboxes.close(node);
                self.handle(Input::Disconnected(node))?;
                let words = format!("node {} was removed", node.short());
                let value = json!({ "event": "removed", "node": node.to_string() });
                self.performer.teller.line(&words, value)?;
            }
            fs::remove_file(&file)?;
        }
        Ok(())
    }

    fn hear_gossip(&mut self, from: NodeId, message: Gossip) -> anyhow::Result<()> {
        match message {
            Gossip::LedgerHead(head) => {
                self.handle(Input::Message { from, message: ToCoordinator::LaterHead(head) })
            }
            Gossip::Head(header) if !self.machine.chain().contains(header.hash()) => {
                let words = "a node holds a header of this coordinator that is not in its own chain: was this folder restored from a backup, or does a copy of it run elsewhere? Stop, and use the newest copy";
                note(words);
                self.performer
                    .teller
                    .line(words, json!({ "event": "foreign_header", "node": from.to_string() }))
            }
            Gossip::Head(_) | Gossip::Plan(_) => Ok(()),
        }
    }

    fn begin_if_due(&mut self) -> anyhow::Result<()> {
        if !self.machine.is_resting() || self.missing() > 0 || now() < self.next_round {
            return Ok(());
        }
        let mut rotation_seed = [0; 32];
        SysRng
            .try_fill_bytes(&mut rotation_seed)
            .context("the operating system gives no randomness")?;
        self.handle(Input::Begin { rotation_seed })
    }

    fn wake(&mut self) -> anyhow::Result<()> {
        let now = now();
        if self.performer.wake.is_some_and(|at| at <= now) {
            self.performer.wake = None;
            self.handle(Input::Wake)?;
        }
        Ok(())
    }

    /// When something is due although nobody says anything.
    fn alarm(&self) -> Option<Time> {
        let begins = self.machine.is_resting() && self.missing() == 0;
        [self.performer.wake, begins.then_some(self.next_round)].into_iter().flatten().min()
    }

    /// How many nodes are missing for a round to begin.
    fn missing(&self) -> usize {
        let wanted = usize::from(self.home.config.round.members_min);
        wanted.saturating_sub(self.machine.present().len())
    }

    fn is_done(&self) -> bool {
        let reached = |limit: Option<u64>, now: u64| limit.is_some_and(|limit| now >= limit);
        self.machine.is_resting()
            && (reached(self.options.rounds, self.performer.teller.ended)
                || reached(self.options.until_version, self.machine.chain().version().0))
    }

    /// Shows what is going on: on the terminal at once, in the file when it matters.
    fn show(&mut self) -> anyhow::Result<()> {
        let waits_for = self.waits_for();
        match &self.waiting {
            Some(waiting) => waiting.now(&waits_for),
            None => self.waiting = Some(Waiting::on(&waits_for)),
        }
        self.refresh(waits_for);
        if self.written.essence != essence(&self.performer.teller.status)
            || self.written.at.elapsed() >= HEARTBEAT
        {
            self.write_status()?;
        }
        Ok(())
    }

    fn waits_for(&self) -> String {
        let present = self.machine.present().len();
        match self.missing() {
            0 => self.machine.waits_for().to_owned(),
            _ if !self.machine.is_resting() => self.machine.waits_for().to_owned(),
            missing => format!(
                "{} to come ({present} of {} present)",
                program::human::plural(missing as u64, "node"),
                self.home.config.round.members_min
            ),
        }
    }

    fn refresh(&mut self, waits_for: String) {
        let chain = self.machine.chain();
        let status = &mut self.performer.teller.status;
        status.waits_for = waits_for;
        status.round = chain.last_round().0 + u64::from(!self.machine.is_resting());
        status.version = chain.version().0;
        status.head = chain.head().to_string();
        status.members = self.members.ids().len();
        status.present = self.machine.present().iter().map(ToString::to_string).collect();
        let traffic = self.performer.network.traffic().total;
        (status.bytes_sent, status.bytes_received) = (traffic.bytes_sent, traffic.bytes_received);
        for (kind, count) in self.performer.network.rejections() {
            status.rejections.insert(format!("network: {kind}"), count);
        }
    }

    fn write_status(&mut self) -> anyhow::Result<()> {
        let status = &mut self.performer.teller.status;
        status.written_ms = now_ms();
        let file = self.home.join("status.json");
        tokio::task::block_in_place(|| status.write(&file))?;
        self.written = Written { essence: essence(status), at: Instant::now() };
        Ok(())
    }
}

/// The folder in which `remove` leaves its wishes.
pub(crate) const REMOVALS: &str = "removals";

/// A status without what changes with every message, whoever sends it.
fn essence(status: &Status) -> Status {
    let rejections = Default::default();
    Status { written_ms: 0, bytes_sent: 0, bytes_received: 0, rejections, ..status.clone() }
}

/// The time as the machine takes it.
fn now() -> Time {
    Time(program::steady_ms())
}

/// Sleeps until a time; for ever without one.
async fn until(time: Option<Time>, now: Time) {
    match time {
        Some(time) => tokio::time::sleep(Duration::from_millis(time.since(now))).await,
        None => std::future::pending().await,
    }
}

fn start_network(home: &Home, members: &Members) -> anyhow::Result<(Handle, Events)> {
    let network = &home.config.network;
    Ok(network::start(network::NetworkConfig {
        secret: store::keyfile::load_key(&home.join(crate::home::KEY))?,
        role: Role::Coordinator,
        task: home.task(),
        members: members.ids(),
        listen: network.listen.clone(),
        limits: network.limits.clone(),
        validator: validator(home.task(), home.genesis.coordinator),
    })?)
}
