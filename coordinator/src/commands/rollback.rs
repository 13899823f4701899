//! `murmur-coordinator rollback`: makes an earlier version the newest one again, as a new signed
//! step of the chain.

use std::path::Path;

use anyhow::{Context as _, bail};
use program::{Exit, Output, UsageError};
use protocol::{
    Coordinator, Time,
    coordinator::{CoordinatorStart, Effect, Event, Input},
};
use serde_json::json;
use store::Folder;
use wire::VersionNumber;

use crate::{
    home::Home,
    records::{Records, Saved},
    status::now_ms,
    terms,
};

/// Restores the weights and the optimiser state of an earlier version as a new version. History is
/// not changed, and nothing that was spent comes back. Nodes follow at their next contact. Stop the
/// coordinator first.
#[derive(clap::Args)]
pub struct Options {
    /// The version to go back to
    #[arg(long, value_name = "N")]
    to: u64,
}

/// Runs the command.
///
/// # Errors
/// If the coordinator runs, the version or its state is not there, or the last round can still be
/// finished.
pub fn run(folder: &Path, options: &Options, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let _lock = Folder::open(folder)?;
    let (mut records, saved) = Records::open(&home)?;
    let Saved { chain, state, round, heads, conduct } = saved;
    let to = VersionNumber(options.to);
    let Some(wanted) = chain.state_of(to) else {
        let newest = chain.version();
        return Err(UsageError(format!("there is no version {to}: the newest is {newest}")).into());
    };
    let restored = records.state(wanted)?.with_context(|| {
        format!("the state of version {to} is no longer kept (`keep_versions` in coordinator.toml)")
    })?;
    let start = CoordinatorStart {
        key: home.key()?,
        settings: terms::settings(&home.config, home.genesis.dimension)?,
        chain,
        state,
        base_loss_micro: home.setup.base_loss_micro,
        round,
        heads,
        conduct,
    };
    let (now, mut effects) = (Time(now_ms()), Vec::new());
    let mut machine = Coordinator::start(start, now, &mut effects);
    if machine.is_resting() {
        machine.handle(Input::RollBack { to, state: Box::new(restored) }, now, &mut effects);
    } else {
        bail!(
            "the sum of the last round is fixed, and contributors have paid for it: `run` until it is finished, then roll back"
        );
    }
    for effect in effects {
        match effect {
            Effect::Persist(record) => records.persist(&record)?,
            Effect::Report(Event::CannotRollBack { to }) => {
                bail!("version {to} cannot be rolled back to")
            }
            // Nobody is connected; nodes hear of it when the coordinator runs.
            _ => {}
        }
    }
    let chain = machine.chain();
    let answer = json!({ "version": chain.version().0, "restored": to.0, "header": chain.head().to_string() });
    output.answer(&answer, |_| {
        format!(
            "Version {} is version {to} again (header {}).",
            chain.version(),
            chain.head().short()
        )
    })?;
    Ok(Exit::Success)
}
