//! `murmur-coordinator invite`: one-time strings that enrol nodes.

use std::{path::Path, time::Duration};

use program::{Exit, Output, UsageError};
use wire::Invite;

use crate::{
    home::Home,
    invites::{Invites, parse_span},
    status::{Status, now_ms},
};

/// Makes invites, one string a line. Each enrols one node, once, until it expires: send it on a way
/// that only the invited person reads. It may be used while the coordinator runs.
#[derive(clap::Args)]
pub struct Options {
    /// Where nodes reach this coordinator, as host:port or multiaddress; may be repeated. Without
    /// it: `announce` of coordinator.toml, or else where the running coordinator listens
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// How long they may be used, such as 30m, 12h or 7d
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = parse_span)]
    expires_in: Duration,
    /// How many to make
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
}

/// Runs the command.
///
/// # Errors
/// If no address is known, or the invites cannot be kept.
pub fn run(folder: &Path, options: &Options, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let addresses = addresses(&home, &options.addresses)?;
    let invites = Invites::open(&home.join("invites"))?;
    let now_unix = now_ms() / 1000;
    invites.sweep(now_unix)?;
    let expires_unix = now_unix + options.expires_in.as_secs();
    let mut strings = Vec::new();
    for _ in 0..options.count {
        let invite = Invite {
            coordinator: home.genesis.coordinator,
            addresses: addresses.clone(),
            task: home.task(),
            secret: invites.issue(expires_unix)?,
            expires_unix,
        };
        strings.push(invite.to_string());
    }
    output.answer(&strings, |strings| strings.join("\n"))?;
    Ok(Exit::Success)
}

fn addresses(home: &Home, given: &[String]) -> anyhow::Result<Vec<String>> {
    let announced = &home.config.network.announce;
    let addresses = match (given.is_empty(), announced.is_empty()) {
        (false, _) => given.to_vec(),
        (true, false) => announced.clone(),
        (true, true) => listening(home),
    };
    if addresses.is_empty() {
        return Err(UsageError("no address is known under which nodes reach this coordinator: `run` first, and invite while it runs; or give --address host:port, or set `announce` under [network] in coordinator.toml".into()).into());
    }
    for address in &addresses {
        network::check_address(address).map_err(|error| UsageError(error.to_string()))?;
    }
    Ok(addresses)
}

/// Where the coordinator listens right now; a free port is known in no other way.
fn listening(home: &Home) -> Vec<String> {
    let status = Status::read(&home.join("status.json"));
    status
        .filter(|status| status.is_alive(now_ms()))
        .map(|status| status.listening)
        .unwrap_or_default()
}
