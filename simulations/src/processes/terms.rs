//! The numbers of the demo: one place for the coordinator's configuration and the yardsticks.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use learning::{
    Adapter, LanguageModel, StopToken,
    people::Person,
    yardstick::{self, LocalTraining, Mechanism},
};
use program::{human, note};

/// What a node trains in one round.
const TRAINING: LocalTraining =
    LocalTraining { steps: 6, batch: 4, sequence: 128, learning_rate: 0.01 };

/// Clip, noise and grid. z = 0.03 costs each contribution about ρ = 1/(2z²) = 556, which is no
/// guarantee: with eight nodes, noise that would be one leaves nothing to learn from.
const MECHANISM: Mechanism = Mechanism {
    clip: 3.0,
    noise_multiplier: 0.03,
    honest: 5,
    modulus_bits: 20,
    server_learning_rate: 1.0,
};

/// Inner dimension of the adapter.
const RANK: u16 = 8;

/// What the demo runs with.
pub struct Terms {
    /// What a node trains.
    pub training: LocalTraining,
    /// Clip, noise and grid.
    pub mechanism: Mechanism,
    /// Versions to issue.
    pub rounds: u32,
    /// The training window of the first round: from one training measured on this machine.
    train_s: u64,
}

impl Terms {
    /// Measures one training, so that the windows fit this machine.
    ///
    /// # Errors
    /// If nothing can be trained on.
    pub fn for_this_machine(
        model: &LanguageModel,
        people: &[Person],
        rounds: u32,
    ) -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let took = rehearse(model, people)?;
        let at_once = people.len().div_ceil(cores) as f64;
        // A little longer: other programs run too. Later rounds find out how long it takes.
        let train_s = (took.as_secs_f64() * at_once * 1.25).ceil().max(1.0) as u64;
        note(format!(
            "one local training takes {} here; the first round leaves {train_s} s for it",
            human::duration(took)
        ));
        Ok(Self { training: TRAINING, mechanism: MECHANISM, rounds, train_s })
    }

    /// `coordinator.toml`. Every key that matters for learning or privacy is typed out.
    pub fn coordinator_toml(&self, address: &str, nodes: usize) -> String {
        let (training, mechanism) = (&self.training, &self.mechanism);
        format!(
            "[task]\nname = \"demo\"\n\n\
             [network]\nlisten = [\"{address}\"]\nannounce = [\"{address}\"]\n\n\
             [privacy]\nclip = {clip:?}\nnoise_multiplier = {z:?}\nhonest = {honest}\nsurvivors_min = 6\n\
             corrupt = \"1/10\"\ndropout = \"1/6\"\nmodulus_bits = {bits}\n\n\
             [adapter]\nkind = \"ffa-lora\"\nrank = {RANK}\nalpha = {alpha}\ntargets = [\"q\", \"v\", \"o\"]\n\n\
             [round]\nmembers_min = {nodes}\npause_s = 0.2\n\n\
             [windows]\ntrain_s = {train_s}\nadvertise_s = 1\nshares_s = 8\nconsistency_s = 8\n\
             contribute_s = 1\nsurvivors_s = 8\nreveal_s = 8\n\n\
             [training]\nsteps = {steps}\nbatch = {batch}\nsequence = {sequence}\n\
             optimizer = {{ adamw = {{ weight_decay = 0.0 }} }}\nlearning_rate = {rate:?}\nprecision = \"f32\"\n\n\
             [server]\nrule = \"fedavg\"\nlearning_rate = {server:?}\n\n\
             [gate]\ntolerance = 0.02\nthreads = 1\n",
            clip = mechanism.clip,
            z = mechanism.noise_multiplier,
            honest = mechanism.honest,
            bits = mechanism.modulus_bits,
            alpha = 2 * RANK,
            train_s = self.train_s,
            steps = training.steps,
            batch = training.batch,
            sequence = training.sequence,
            rate = training.learning_rate,
            server = mechanism.server_learning_rate,
        )
    }
}

/// How long one local training takes on one thread.
fn rehearse(model: &LanguageModel, people: &[Person]) -> anyhow::Result<Duration> {
    let spec = yardstick::adapter_spec(RANK, [0; 32]);
    let person = people.first().context("a demo needs people")?;
    let stop = StopToken::new();
    let start = Adapter::initial(model.config(), &spec).map_err(learning::LearningError::from)?;
    let began = Instant::now();
    yardstick::pooled(model, &start, std::slice::from_ref(person), &TRAINING, 1, 1, &stop)?;
    Ok(began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_says_what_the_yardsticks_compute_with() {
        let terms = Terms { training: TRAINING, mechanism: MECHANISM, rounds: 6, train_s: 9 };
        let text = terms.coordinator_toml("127.0.0.1:4001", 8);
        let config: toml::Table = text.parse().unwrap();
        let number = |section: &str, key: &str| {
            let value = &config[section][key];
            value.as_float().or_else(|| value.as_integer().map(|value| value as f64)).unwrap()
        };
        assert_eq!(number("privacy", "noise_multiplier"), MECHANISM.noise_multiplier);
        assert_eq!(number("privacy", "clip"), MECHANISM.clip);
        assert_eq!(number("training", "steps"), f64::from(TRAINING.steps));
        assert_eq!(number("training", "learning_rate"), TRAINING.learning_rate);
        assert_eq!((number("round", "members_min"), number("windows", "train_s")), (8.0, 9.0));
        assert_eq!(number("adapter", "alpha"), 2.0 * number("adapter", "rank"));
        // Issue 2: noise of at least 0.02.
        const { assert!(MECHANISM.noise_multiplier >= 0.02) };
    }
}
