//! Which scenario: a file or a name, with other values for some keys.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use learning::Scenario;
use program::UsageError;
use toml::{Table, Value};

/// Where scenarios with a name are.
const FOLDER: &str = "configs/scenarios";

/// Reads it, and changes what `set` says.
///
/// # Errors
/// If there is no such file, or it is not a scenario, or a change makes it none.
pub fn scenario(named: &str, set: &[String]) -> anyhow::Result<Scenario> {
    let file = find(named)?;
    let scenario: Scenario = program::load_toml(&file)?;
    if set.is_empty() {
        return Ok(scenario);
    }
    // Read once more, as it is written: what is left out must stay left out.
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let mut table: Table = toml::from_str(&text)?;
    let name = format!("{} with --set {}", file.display(), set.join(" --set "));
    for change in set {
        if !apply(&mut table, change)? {
            known_key(&table, change, &name)?;
        }
    }
    parse(&table, &name)
}

/// Refuses to leave out a key that there is not: a mistyped one would change nothing, without a word.
fn known_key(table: &Table, change: &str, name: &str) -> anyhow::Result<()> {
    let mut probe = table.clone();
    apply(&mut probe, &format!("{change}?"))?;
    match parse(&probe, name) {
        Err(error) if format!("{error:#}").contains("unknown key") => Err(error),
        _ => Ok(()),
    }
}

fn parse(table: &Table, name: &str) -> anyhow::Result<Scenario> {
    let text = toml::to_string(table)?;
    program::parse_toml(&text, Path::new(name)).map_err(|error| {
        // Line and column are those of a text that nobody has written.
        let error = error.to_string();
        let what = error.strip_prefix(name).and_then(|rest| rest.split_once(": "));
        UsageError(format!("{name}: {}", what.map_or(error.as_str(), |(_, what)| what))).into()
    })
}

fn find(named: &str) -> Result<PathBuf, UsageError> {
    let by_name = Path::new(FOLDER).join(format!("{named}.toml"));
    let candidates = [PathBuf::from(named), by_name];
    candidates.into_iter().find(|file| file.is_file()).ok_or_else(|| {
        UsageError(format!("there is no scenario {named}: give a file, or one of {}", known()))
    })
}

/// The names there are.
fn known() -> String {
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    if names.is_empty() { format!("those in {FOLDER} of the repository") } else { names.join(", ") }
}

/// `key.inner=value`; `key.inner=` takes the key away. What is no TOML value is a text. False if there was nothing to
/// take away.
fn apply(table: &mut Table, change: &str) -> Result<bool, UsageError> {
    let wrong =
        || UsageError(format!("--set {change}: write it as key=value, such as cohort.nodes=50"));
    let (path, value) = change.split_once('=').ok_or_else(wrong)?;
    let mut keys: Vec<&str> = path.split('.').map(str::trim).collect();
    let last = keys.pop().filter(|last| !last.is_empty()).ok_or_else(wrong)?;
    let mut place = table;
    for key in keys {
        let inner = place.entry(key).or_insert_with(|| Value::Table(Table::new()));
        let whole = || {
            UsageError(format!(
                "--set {change}: `{key}` is one value here: write the whole of it, as in \
                 cohort.sampling={{ separated = {{ rounds = 3 }} }}"
            ))
        };
        place = inner.as_table_mut().ok_or_else(whole)?;
    }
    Ok(match value.trim() {
        "" => place.remove(last).is_some(),
        value => {
            place.insert(last.to_owned(), parsed(value));
            true
        }
    })
}

fn parsed(value: &str) -> Value {
    let line = format!("value = {value}");
    let table = toml::from_str::<Table>(&line).ok();
    table
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(changes: &[&str]) -> Result<Scenario, anyhow::Error> {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/scenarios/benchmark.toml");
        let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        scenario(file.to_str().unwrap(), &changes)
    }

    #[test]
    fn changes_reach_their_keys() {
        let plain = changed(&[]).unwrap();
        let other = changed(&[
            "cohort.nodes=7",
            "title=another one",
            "cohort.sampling={ separated = { rounds = 3 } }",
            "evaluation.people_max = 2",
            "privacy.noise_multiplier=",
            "privacy.epsilon=8",
        ])
        .unwrap();
        assert_eq!((other.cohort.nodes, other.title.as_str()), (7, "another one"));
        assert_eq!(other.privacy.noise_multiplier, None);
        assert_eq!(other.privacy.epsilon, Some(8.0));
        assert_eq!(other.evaluation.people_max, 2);
        assert_eq!(other.local, plain.local);
    }

    #[test]
    fn what_is_mistyped_is_refused_by_name() {
        let refused = |change| format!("{:#}", changed(&[change]).unwrap_err());
        assert!(
            refused("cohort.node=7").contains("unknown key `node`"),
            "{}",
            refused("cohort.node=7")
        );
        assert!(refused("cohort.nodes=many").contains("nodes"));
        let unknown = refused("swarm.rounds=1");
        assert!(unknown.contains("--set swarm.rounds=1: unknown key `swarm`"), "{unknown}");
        assert!(refused("cohort.nodes").contains("key=value"));
        assert!(refused("rounds.x=1").contains("`rounds` is one value here"));
        assert!(
            refused("privacy.clp=").contains("unknown key `clp`"),
            "{}",
            refused("privacy.clp=")
        );
        assert!(changed(&["privacy.epsilon="]).is_ok(), "left out already");
        let nowhere = scenario("nowhere", &[]).unwrap_err().to_string();
        assert!(nowhere.contains("no scenario nowhere"), "{nowhere}");
    }
}
