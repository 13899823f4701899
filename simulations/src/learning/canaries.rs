//! Runs with canaries, and the record of them that `murmur-audit empirical` judges.
//!
//! Four runs at most: canary nodes and secrets apart, so that a thousand random directions do not drown what the model
//! learns of a secret; each as the scenario says and, as a control, without noise.

use std::path::Path;

use learning::{
    Arm, ArmName, Federation, Figures, LearningError, Machine, Planting, Scenario, SecretLosses,
    StopToken, arm,
};
use program::{Progress, Shutdown, Unit, UsageError, note};

/// What a scenario with canaries runs first; any other one as it is.
///
/// # Errors
/// If there are no canary nodes to look for, or no folder for the record.
pub fn first(scenario: &Scenario, out: Option<&Path>) -> Result<Scenario, UsageError> {
    match &scenario.canaries {
        None => Ok(scenario.clone()),
        Some(terms) if terms.nodes == 0 => {
            Err(UsageError("canaries.nodes is 0: give at least 1".to_owned()))
        }
        Some(_) if out.is_none() => {
            let why = "a scenario with canaries leaves a record for `murmur-audit empirical`: say where with --out DIR";
            Err(UsageError(why.to_owned()))
        }
        Some(terms) => Ok(scenario.planted(Planting::Nodes, terms.noise_share)),
    }
}

/// Runs the others, and writes the record of all into the folder. `federation` and `figures` are of the first.
///
/// # Errors
/// If a run fails or is stopped, or the folder refuses.
pub fn finish(
    scenario: &Scenario,
    federation: &Federation,
    figures: &Figures,
    folder: &Path,
    (shutdown, stop): (&Shutdown, &StopToken),
) -> anyhow::Result<()> {
    let Some(terms) = &scenario.canaries else { return Ok(()) };
    let share = terms.noise_share;
    let others = Others { scenario, shutdown, stop };
    let mut arms = vec![others.arm(ArmName::Run, share, (federation, figures))?];
    if share > 0.0 {
        let control = others.run(Planting::Nodes, 0.0)?;
        arms.push(others.arm(ArmName::WithoutNoise, 0.0, (&control.0, &control.1))?);
    }
    let record = federation.canary_record(scenario, arms)?;
    let file = folder.join("canaries.json");
    program::write_atomically(&file, &serde_json::to_vec(&record)?)?;
    note(format!("canaries: {0}; judge them with murmur-audit empirical {0}", file.display()));
    Ok(())
}

struct Others<'a> {
    scenario: &'a Scenario,
    shutdown: &'a Shutdown,
    stop: &'a StopToken,
}

impl Others<'_> {
    /// The arm of a run with canary nodes, and of a run with secrets made for it. Losses are those of the secrets' run
    /// where there is one: canaries hide in it what is learned.
    fn arm(
        &self,
        name: ArmName,
        share: f64,
        (federation, figures): (&Federation, &Figures),
    ) -> anyhow::Result<Arm> {
        let scores = federation.canary_scores(figures)?;
        let planted =
            self.scenario.canaries.as_ref().is_some_and(|terms| !terms.secrets.is_empty());
        if !planted {
            return Ok(arm(name, share, scores, figures, None));
        }
        let (federation, figures) = self.run(Planting::Secrets, share)?;
        let losses: SecretLosses = federation.secret_losses(&figures)?;
        Ok(arm(name, share, scores, &figures, Some(losses)))
    }

    fn run(&self, what: Planting, share: f64) -> anyhow::Result<(Federation, Figures)> {
        let scenario = self.scenario.planted(what, share);
        let rounds = u64::from(scenario.rounds);
        let federation = Federation::new(scenario, &Machine::here(), self.stop.clone())?;
        let of = match what {
            Planting::Nodes => "canary nodes",
            Planting::Secrets => "secrets",
        };
        let bar = Progress::new(
            format!("{of}, {} % noise", 100.0 * share),
            rounds,
            Unit::Count("rounds"),
        );
        let run = federation.run(None, &mut |round, _| {
            bar.set(round.round.into());
            Ok::<_, LearningError>(())
        });
        bar.finish();
        match run {
            Err(_) if self.shutdown.is_requested() => Err(program::Interrupted.into()),
            run => Ok((federation, run?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_run_plants_nodes_alone_and_needs_a_folder() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/scenarios/canaries.toml");
        let scenario: Scenario = program::load_toml(&file).unwrap();
        let refused = first(&scenario, None).unwrap_err().to_string();
        assert!(refused.contains("--out"), "{refused}");
        let run = first(&scenario, Some(Path::new("x"))).unwrap().canaries.unwrap();
        assert!(run.secrets.is_empty() && run.nodes > 0);
        let mut none = scenario.clone();
        none.canaries.as_mut().unwrap().nodes = 0;
        assert!(first(&none, Some(Path::new("x"))).is_err());
        let plain = Scenario { canaries: None, ..scenario };
        assert_eq!(first(&plain, None).unwrap(), plain);
    }
}
