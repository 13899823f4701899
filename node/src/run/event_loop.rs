//! The loop that owns the machine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use network::{Event as NetworkEvent, Events, Handle, PeerKey, Reply, RequestError, Role};
use privacy::Ledger;
use program::{Exit, Output, Shutdown, Waiting, note};
use protocol::{
    Node, Policy, Time,
    node::{Effect, Input, NodeStart},
};
use store::Folder;
use tokio::sync::mpsc;
use wire::{Gossip, Refusal, Request, Response};

use super::{
    fetch::{Fetcher, state_limit},
    gossip::validator,
    links::Links,
    outbox::Outbox,
    perform::{Performer, peer},
    recover::open_ledger,
    trainer::Trainer,
};
use crate::{
    home::Home,
    status::{Refused, Status},
    task::{Saved, Task},
};

/// How often files that other commands write are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Inputs that may wait for the machine.
const INPUTS: usize = 64;

/// How a run differs from the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Go on although too many charged rounds ended without a sum.
    pub forgive: bool,
}

/// Runs the node until it is asked to stop.
///
/// # Errors
/// If it cannot start, or cannot keep what it must.
pub fn run(home: Home, options: RunOptions, output: Output) -> anyhow::Result<Exit> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let exit = runtime.block_on(async move {
        let shutdown = Shutdown::on_signals()?;
        let folder = Folder::open(home.path())?;
        let mut running = Running::start(home, options, output).await?;
        let ended = running.until(&shutdown).await;
        running.performer.network.shut_down().await;
        drop(folder);
        ended.map(|()| Exit::Success)
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    exit
}

struct Running {
    home: Home,
    machine: Node,
    performer: Performer,
    events: Events,
    inputs: mpsc::Receiver<Input>,
    coordinator: PeerKey,
    /// The other nodes that this one has a connection with.
    links: Links,
    /// When the conversations were last changed, as far as was looked at.
    chats_changed: Option<SystemTime>,
    /// Whether the owner has paused it, as far as was looked at.
    paused: bool,
    /// Whether the coordinator does not count this node as a member any more.
    unwelcome: Arc<AtomicBool>,
    /// What it waits for, on standard error.
    waiting: Option<Waiting>,
}

impl Running {
    async fn start(home: Home, options: RunOptions, output: Output) -> anyhow::Result<Self> {
        let task = home.task()?;
        let _ = std::fs::remove_file(home.join("paused"));
        let key = home.key()?;
        let (files, saved) = task.files()?;
        let policy = home.policy(Some(task.id()))?;
        let now = now();
        let (ledger_file, ledger, told) = open_ledger(
            &home.join("ledger"),
            key,
            policy.limits(),
            task.id(),
            saved.journal.as_ref(),
            now.0,
        )?;
        let (input_sender, inputs) = mpsc::channel(INPUTS);
        let genesis = task.joined.genesis.clone();
        let trainer =
            Trainer::start(Home::open(home.path())?, genesis.clone(), input_sender.clone())?;
        let (network, events) = start_network(&home, &task)?;
        let coordinator = peer(genesis.coordinator);
        let mut effects = Vec::new();
        let has_conversations = home.conversations()?.counts()?.training > 0;
        let start = node_start(&home, saved, policy, ledger, has_conversations)?;
        let machine = Node::start(start, &mut effects);
        let fetcher = Fetcher {
            network: network.clone(),
            coordinator,
            task: task.id(),
            inputs: input_sender.clone(),
            state_limit: state_limit(genesis.dimension),
        };
        let status = first_status(&machine);
        let performer = Performer {
            files,
            ledger: ledger_file,
            outbox: Outbox::start(network.clone(), coordinator),
            fetcher,
            trainer,
            network,
            inputs: input_sender,
            wake: None,
            status,
            output,
            rejections: 0,
        };
        let mut running = Self {
            home,
            machine,
            performer,
            events,
            inputs,
            coordinator,
            links: Links::default(),
            chats_changed: None,
            paused: false,
            unwelcome: Arc::default(),
            waiting: None,
        };
        if let Some(told) = told {
            note(told);
        }
        running.begin(effects, options)?;
        Ok(running)
    }

    /// What the machine orders at its start, and what the owner said on the command line.
    fn begin(&mut self, effects: Vec<Effect>, options: RunOptions) -> anyhow::Result<()> {
        self.performer.perform(effects)?;
        if options.forgive {
            self.handle(Input::Forgive)?;
        }
        self.write_status()
    }

    async fn until(&mut self, shutdown: &Shutdown) -> anyhow::Result<()> {
        let mut look = tokio::time::interval(LOOK);
        loop {
            let wake = until(self.performer.wake);
            tokio::select! {
                () = shutdown.requested() => return Ok(()),
                event = self.events.next() => match event {
                    Some(event) => self.hear(event).await?,
                    None => anyhow::bail!("the network has ended"),
                },
                input = self.inputs.recv() => {
                    // Unwrap safety: the performer holds a sender as long as this loop runs.
                    self.handle(input.expect("the performer holds a sender"))?;
                }
                () = wake => {
                    self.performer.wake = None;
                    self.handle(Input::Wake)?;
                }
                _ = look.tick() => self.look()?,
            }
        }
    }

    fn handle(&mut self, input: Input) -> anyhow::Result<()> {
        let before = self.machine.ledger().entries().len();
        let head = self.machine.chain().head();
        let mut effects = Vec::new();
        self.machine.handle(input, now(), &mut effects);
        self.performer.perform(effects)?;
        if self.machine.ledger().entries().len() > before {
            let head = self.machine.ledger().head(self.machine.chain().task());
            self.performer.gossip(Gossip::LedgerHead(head.signed().clone()));
        }
        // What this node holds for history, so that others see it if they were told another one.
        if let Some(last) = self.machine.chain().headers().last()
            && self.machine.chain().head() != head
        {
            self.performer.gossip(Gossip::Head(last.clone()));
        }
        self.write_status()
    }

    async fn hear(&mut self, event: NetworkEvent) -> anyhow::Result<()> {
        match event {
            NetworkEvent::Request { from, request, reply } => self.answer(from, request, reply),
            NetworkEvent::Gossip { message, .. } => self.hear_gossip(message),
            NetworkEvent::Connected(peer) if peer == self.coordinator => {
                self.performer.status.connected = true;
                self.greet();
                self.write_status()
            }
            NetworkEvent::Disconnected(peer) if peer == self.coordinator => {
                self.performer.status.connected = false;
                if !self.unwelcome.load(Ordering::Relaxed) {
                    self.performer.say("disconnected", "the coordinator is gone")?;
                }
                self.write_status()
            }
            NetworkEvent::Connected(peer) => {
                self.links.begin(peer);
                self.write_status()
            }
            NetworkEvent::Disconnected(peer) => {
                self.links.end(&peer);
                self.write_status()
            }
            NetworkEvent::Rejected { from, why } => {
                self.performer.rejections += 1;
                tracing::debug!(?from, ?why, "a peer was wrong");
                Ok(())
            }
        }
    }

    /// Says hello, so that the coordinator asks what it still wants to know, and catches up.
    fn greet(&self) {
        let (network, coordinator) = (self.performer.network.clone(), self.coordinator);
        let (task, unwelcome) = (self.machine.chain().task(), self.unwelcome.clone());
        // Whatever else is missing the machine asks for when it has the headers.
        self.performer.fetcher.headers(self.machine.chain().next_index());
        tokio::spawn(async move {
            match network.request(coordinator, Request::Hello(task)).await {
                Ok(Response::Task { .. }) => unwelcome.store(false, Ordering::Relaxed),
                Ok(_) => tracing::warn!(
                    "the coordinator greets in another tongue: update the older side"
                ),
                Err(RequestError::Refused(why @ Refusal::NotAMember)) => {
                    if !unwelcome.swap(true, Ordering::Relaxed) {
                        note(format!("the coordinator has this node not on its list: {why}"));
                    }
                }
                Err(error) => tracing::info!("the coordinator did not greet: {error}"),
            }
        });
    }

    fn answer(&mut self, from: PeerKey, request: Request, reply: Reply) -> anyhow::Result<()> {
        match request {
            Request::ToNode(message) if from == self.coordinator => {
                let _ = reply.send(Response::Accepted);
                self.handle(Input::Message(message))
            }
            _ => {
                let _ = reply.send(Response::Refused(Refusal::NotMine));
                Ok(())
            }
        }
    }

    /// Gossip cannot do what a message cannot; it shows forks and rolled-back ledgers.
    fn hear_gossip(&mut self, message: Gossip) -> anyhow::Result<()> {
        match message {
            Gossip::Plan(_) => Ok(()),
            Gossip::Head(header) => self.handle(Input::Header(header)),
            Gossip::LedgerHead(head) => self.handle(Input::LedgerHead(head)),
        }
    }

    /// Looks at what other commands may have changed.
    fn look(&mut self) -> anyhow::Result<()> {
        let paused = self.home.is_paused();
        if paused != self.paused {
            self.paused = paused;
            let (event, words) = match paused {
                true => ("paused", "paused by its owner: `murmur-node run` resumes it"),
                false => ("resumed", "resumed by its owner"),
            };
            self.performer.say(event, words)?;
        }
        self.handle(if paused { Input::Pause } else { Input::Resume })?;
        let changed = std::fs::metadata(self.home.join("chats.db"))?.modified().ok();
        if changed != self.chats_changed {
            self.chats_changed = changed;
            self.count_conversations()?;
        }
        Ok(())
    }

    /// Counts in the background and only after a change: how long that takes depends on how much
    /// there is, and no answer of this node may (promise 1).
    fn count_conversations(&self) -> anyhow::Result<()> {
        let (home, inputs) = (Home::open(self.home.path())?, self.performer.inputs.clone());
        tokio::task::spawn_blocking(move || match home.conversations().map(|c| c.counts()) {
            Ok(Ok(counts)) => {
                let _ = inputs.blocking_send(Input::Conversations(counts.training > 0));
            }
            Ok(Err(error)) => tracing::warn!("the conversations cannot be counted: {error}"),
            Err(error) => tracing::warn!("the conversations cannot be opened: {error:#}"),
        });
        Ok(())
    }

    fn write_status(&mut self) -> anyhow::Result<()> {
        let forks = self.performer.files.forks()?.iter().map(|f| f.display().to_string()).collect();
        let status = &mut self.performer.status;
        let before = status.clone();
        let traffic = self.performer.network.traffic();
        let chain = self.machine.chain();
        status.waits_for = match (self.unwelcome.load(Ordering::Relaxed), status.connected) {
            (true, _) => "a new invite: `murmur-node join <invite>` with the node stopped".into(),
            (false, true) => self.machine.waits_for().into(),
            (false, false) => "a connection to the coordinator".into(),
        };
        match &self.waiting {
            Some(waiting) => waiting.now(&status.waits_for),
            None => self.waiting = Some(Waiting::on(&status.waits_for)),
        }
        status.fork_blind = self.links.are_fork_blind();
        status.forks = forks;
        status.round = self.machine.round().0;
        status.version = chain.version().0;
        status.head = chain.head().to_string();
        status.rho = self.machine.ledger().spent(chain.task()).to_f64();
        status.bytes_sent = traffic.total.bytes_sent;
        status.bytes_received = traffic.total.bytes_received;
        if *status != before || status.written_ms == 0 {
            status.written_ms = now().0;
            status.write(&self.home.join("status.json"))?;
        }
        Ok(())
    }
}

/// What the machine starts from.
fn node_start(
    home: &Home,
    saved: Saved,
    policy: Policy,
    ledger: Ledger,
    has_conversations: bool,
) -> anyhow::Result<NodeStart> {
    let Saved { chain, state, journal, memory } = saved;
    let (key, sampler) = (home.key()?, home.config.privacy.sampler);
    Ok(NodeStart { key, policy, ledger, chain, state, journal, memory, sampler, has_conversations })
}

/// What is known before anything has happened.
fn first_status(machine: &Node) -> Status {
    Status {
        node: machine.id().to_string(),
        process: std::process::id(),
        refused: machine.memory().refused().last().map(Refused::of),
        task: machine.chain().genesis().name.clone(),
        ..Status::default()
    }
}

fn start_network(home: &Home, task: &Task) -> anyhow::Result<(Handle, Events)> {
    let genesis = &task.joined.genesis;
    let config = network::NetworkConfig {
        secret: store::keyfile::load_key(&home.join("node.key"))?,
        role: Role::Node {
            coordinator: genesis.coordinator,
            addresses: task.joined.addresses.clone(),
        },
        task: task.id(),
        members: Default::default(),
        listen: home.config.network.listen.clone(),
        limits: home.config.network.limits.clone(),
        validator: validator(task.id(), genesis.coordinator),
    };
    Ok(network::start(config)?)
}

/// The time as the machine takes it.
fn now() -> Time {
    Time(program::steady_ms())
}

/// Sleeps until a time; for ever without one.
async fn until(time: Option<Time>) {
    match time {
        Some(time) => tokio::time::sleep(Duration::from_millis(time.since(now()))).await,
        None => std::future::pending().await,
    }
}
