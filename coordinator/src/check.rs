//! What a configuration must be beyond the types of its values, and errors that name its file.

use std::path::Path;

use anyhow::bail;
use program::UsageError;

use crate::config::CoordinatorConfig;

/// Refuses what would start and then wait for ever, or fail on every node.
///
/// # Errors
/// The key, its table, and what it takes.
pub fn check(config: &CoordinatorConfig) -> anyhow::Result<()> {
    let (network, training) = (&config.network, &config.training);
    if network.listen.is_empty() {
        bail!("`listen` under [network] is empty: no node could reach the coordinator");
    }
    for (key, addresses) in [("listen", &network.listen), ("announce", &network.announce)] {
        for address in addresses {
            network::check_address(address)
                .map_err(|error| anyhow::anyhow!("`{key}` under [network]: {error}"))?;
        }
    }
    network.limits.check()?;
    for (key, value) in [("steps", training.steps), ("batch", training.batch.into())] {
        if value == 0 {
            bail!("`{key}` under [training] is 0: nodes would train nothing");
        }
    }
    if config.gate.threads == 0 {
        bail!("`threads` under [gate] is 0: a judgement takes at least one");
    }
    Ok(())
}

/// An error of the configuration as one that names its file and ends the program as a wrong command line does.
pub fn in_file<T>(file: &Path, result: anyhow::Result<T>) -> anyhow::Result<T> {
    result.map_err(|error| UsageError(format!("{}: {error:#}", file.display())).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../configs/coordinator.toml");

    fn checked(from: &str, to: &str) -> anyhow::Result<()> {
        let text = SHIPPED.replace(from, to);
        assert!(from == to || text != SHIPPED, "{from} is not in the shipped file");
        let config = program::parse_toml(&text, Path::new("coordinator.toml"))?;
        in_file(Path::new("coordinator.toml"), check(&config))
    }

    #[test]
    fn the_shipped_file_is_fine() {
        checked("", "").unwrap();
    }

    #[test]
    fn what_could_never_work_is_refused_with_its_key_and_file() {
        for (from, to, key) in [
            ("\nlisten = [\"0.0.0.0:4001\"]", "\nlisten = []", "`listen`"),
            ("\nlisten = [\"0.0.0.0:4001\"]", "\nlisten = [\"here\"]", "`listen`"),
            ("\nannounce = []", "\nannounce = [\"swarm.example.org:99999\"]", "`announce`"),
            ("\nsteps = 16", "\nsteps = 0", "`steps`"),
            ("\nbatch = 4", "\nbatch = 0", "`batch`"),
            ("\nconnections = 1024", "\nconnections = 0", "connections"),
            ("\nthreads = 2", "\nthreads = 0", "`threads`"),
        ] {
            let error = checked(from, to).unwrap_err();
            assert!(error.is::<UsageError>(), "{error}");
            let error = error.to_string();
            assert!(error.starts_with("coordinator.toml: ") && error.contains(key), "{error}");
        }
    }
}
