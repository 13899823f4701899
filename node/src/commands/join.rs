//! `murmur-node join`: enrols with an invite and checks what the coordinator says against it.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use model::{Device, LanguageModel};
use network::{Event, Events, Handle, PeerKey, RequestError, Role};
use program::{Exit, Output, waiting};
use serde_json::json;
use store::Folder;
use wire::{Checked, Enrol, Genesis, Invite, Request, Response};

use crate::{
    home::Home,
    language,
    task::{Joined, Task},
};

/// Joins the swarm that an invite is for. The invite works once. Whoever was removed, or whose
/// coordinator has moved, joins again with a new one: what the node knows of the swarm stays.
#[derive(clap::Args)]
pub struct Options {
    /// The whole string that the coordinator printed
    invite: String,
}

/// How long a coordinator may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the command.
///
/// # Errors
/// If the invite is damaged or expired, the coordinator refuses or cannot be reached, or its task
/// is not the invite's.
pub fn run(folder: &Path, options: Options, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let lock = Folder::open(folder)?;
    let invite: Invite = options.invite.parse()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    if invite.expires_unix <= now {
        bail!("the invite has expired: ask the coordinator's operator for a new one");
    }
    let mut tasks = home.tasks()?;
    let known = tasks.iter().position(|task| task.id() == invite.task);
    if let (None, Some(other)) = (known, tasks.first()) {
        bail!(
            "this node is in \"{}\", and takes part in one swarm at a time: `murmur-node leave` first (the ledger stays)",
            other.joined.genesis.name
        );
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let genesis = runtime.block_on(enrol(&home, &invite))?;
    let model_folder = &home.config.model.folder;
    let model = LanguageModel::load(model_folder, Device::Cpu)?;
    language::check_base(&model, model_folder, &genesis)?;
    let joined = Joined { genesis, addresses: invite.addresses };
    let task = match known {
        Some(known) => {
            let mut task = tasks.swap_remove(known);
            task.move_to(joined.addresses)?;
            task
        }
        None => Task::create(&home.join("tasks"), joined)?,
    };
    drop(lock);
    let name = &task.joined.genesis.name;
    let answer = json!({
        "task": task.id().to_string(), "name": name, "again": known.is_some(),
        "coordinator": invite.coordinator.to_string(),
    });
    output.answer(&answer, |_| {
        let again = if known.is_some() { " again" } else { "" };
        format!("Joined \"{name}\"{again}. Next: `murmur-node run` (stop it whenever you like; it goes on where it was).")
    })?;
    Ok(Exit::Success)
}

/// Asks to become a member, and believes only the genesis that the invite's hash names.
async fn enrol(home: &Home, invite: &Invite) -> anyhow::Result<Genesis> {
    let (network, mut events) = guest(home, invite)?;
    let whom = format!("the coordinator at {}", invite.addresses.join(", "));
    let answer = waiting(whom, ask(home, invite, &network, &mut events));
    let answer = tokio::time::timeout(PATIENCE, answer).await.map_err(|_| unreachable(invite));
    network.shut_down().await;
    let Response::Task { genesis, .. } = answer?? else {
        bail!("the coordinator answered something else than its task: update the older side");
    };
    if genesis.task() != invite.task || genesis.coordinator != invite.coordinator {
        bail!("the coordinator's task is not the one that the invite names: do not trust it");
    }
    if !genesis.is_presentable() {
        bail!("the task's name is too long or steers terminals: do not trust its coordinator");
    }
    Ok(genesis)
}

fn guest(home: &Home, invite: &Invite) -> anyhow::Result<(Handle, Events)> {
    Ok(network::start(network::NetworkConfig {
        secret: store::keyfile::load_key(&home.join("node.key"))?,
        role: Role::Node { coordinator: invite.coordinator, addresses: invite.addresses.clone() },
        task: invite.task,
        members: Default::default(),
        listen: Vec::new(),
        limits: home.config.network.limits.clone(),
        validator: std::sync::Arc::new(|_| network::Verdict::Ignore),
    })?)
}

async fn ask(
    home: &Home,
    invite: &Invite,
    network: &Handle,
    events: &mut Events,
) -> anyhow::Result<Response> {
    let coordinator = PeerKey(invite.coordinator.0);
    let enrol = Checked::sign(Enrol { task: invite.task, secret: invite.secret }, &home.key()?);
    while let Some(event) = events.next().await {
        if !matches!(event, Event::Connected(peer) if peer == coordinator) {
            continue;
        }
        match network.request(coordinator, Request::Enrol(enrol.signed().clone())).await {
            Err(RequestError::Interrupted | RequestError::Unreachable) => {}
            answer => return answer.context("the coordinator did not enrol this node"),
        }
    }
    bail!("the network has ended")
}

fn unreachable(invite: &Invite) -> anyhow::Error {
    anyhow::anyhow!(
        "no coordinator with the invite's key answers at {}: check that it runs and that this address can be reached from here",
        invite.addresses.join(", ")
    )
}
