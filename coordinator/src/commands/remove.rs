//! `murmur-coordinator remove`: takes a node off the list of members.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::bail;
use program::{Exit, Output, UsageError};
use serde_json::json;
use store::{Folder, StoreError};
use wire::NodeId;

use crate::{home::Home, run::REMOVALS};

/// How long a running coordinator may take to see it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Takes a node off the list; a running coordinator cuts its connection. What it contributed stays
/// in the versions. It can come back with a new invite only.
#[derive(clap::Args)]
pub struct Options {
    /// The node's id, or its first digits
    node: String,
}

/// Runs the command.
///
/// # Errors
/// If no member, or more than one, has such an id.
pub fn run(folder: &Path, options: &Options, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let node = find(&home.member_ids()?, &options.node)?;
    match Folder::open(folder) {
        Ok(_lock) => {
            home.members()?.remove(node)?;
        }
        Err(StoreError::Locked { .. }) => ask_running(&home, node)?,
        Err(error) => return Err(error.into()),
    }
    output.answer(&json!({ "removed": node.to_string() }), |_| {
        format!("Node {node} is no longer a member.")
    })?;
    Ok(Exit::Success)
}

fn find(members: &[NodeId], prefix: &str) -> anyhow::Result<NodeId> {
    let prefix = prefix.to_ascii_lowercase();
    let mut matches = members.iter().filter(|node| node.to_string().starts_with(&prefix));
    match (matches.next(), matches.next()) {
        (Some(&node), None) if !prefix.is_empty() => Ok(node),
        (None, _) => Err(UsageError(format!("no member's id begins with \"{prefix}\"")).into()),
        _ => Err(UsageError(format!(
            "several members' ids begin with \"{prefix}\": give more digits"
        ))
        .into()),
    }
}

/// The running coordinator owns the list: it finds the wish in a file.
fn ask_running(home: &Home, node: NodeId) -> anyhow::Result<()> {
    let file = home.join(REMOVALS).join(node.to_string());
    program::write_atomically(&file, b"")?;
    let asked = Instant::now();
    while file.exists() {
        if asked.elapsed() > PATIENCE {
            bail!(
                "the running coordinator has not removed the node yet; it will when it looks, or at its next start"
            );
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_named_by_enough_digits() {
        let members = [NodeId([0xaa; 32]), NodeId([0xab; 32])];
        assert_eq!(find(&members, "aB").unwrap(), members[1]);
        assert_eq!(find(&members, &members[0].to_string()).unwrap(), members[0]);
        for (prefix, why) in [("a", "more digits"), ("", "more digits"), ("c", "no member")] {
            assert!(find(&members, prefix).unwrap_err().to_string().contains(why), "{prefix:?}");
        }
    }
}
