//! The figures in words and as JSON lines.

use std::fmt::Write as _;

use learning::scenario::{Correlation, MechanismName, SplitName};
use learning::{Figures, RoundFigures, Scenario, peak_memory};
use program::human;

/// A few words beside the bar.
pub fn detail(round: &RoundFigures) -> String {
    let mut words = match round.round {
        0 => "nothing learned yet".to_owned(),
        _ => format!("{:.1} nodes/s", round.nodes as f64 / round.seconds),
    };
    if round.aborted {
        words.push_str(", aborted: too few nodes");
    }
    if let Some(measured) = &round.measured {
        // Unwrap safety: writing to a String cannot fail.
        write!(words, ", held-out loss {:.4}", measured.loss()).expect("writing to a String");
    }
    words
}

/// For people.
pub fn summary(scenario: &Scenario, figures: &Figures, seconds: f64) -> String {
    let rate = figures.trained as f64 / figures.seconds.max(f64::MIN_POSITIVE);
    let (before, after) = (&figures.before, &figures.after);
    let mut text = format!(
        "{}: {} rounds of {} nodes{}\n\
         held-out loss      {:.4} → {:.4} nats a token ({} people, {} tokens; spread over people {:.3})\n\
         next token right   {:.2} % → {:.2} %\n\
         ε                  {}\n\
         speed              {rate:.1} nodes/s, {} tokens/s, {:.0} % of this machine's f32 multiplication rate\n\
         spread             {} threads, groups of {}{}",
        scenario.title,
        figures.rounds,
        scenario.cohort.nodes,
        match scenario.rounds - figures.rounds {
            0 => String::new(),
            aborted => format!(" ({aborted} more ended without a result: too few nodes)"),
        },
        before.loss(),
        after.loss(),
        after.people.len(),
        human::count(after.all.tokens),
        after.spread(),
        100.0 * before.accuracy(),
        100.0 * after.accuracy(),
        epsilon(scenario, figures),
        human::count((rate * figures.tokens_a_node as f64) as u64),
        100.0 * figures.matmul_peak_share,
        figures.threads,
        figures.group,
        peak_memory().map_or(String::new(), |bytes| format!(", at most {}", human::bytes(bytes))),
    );
    for (language, score) in &after.languages {
        if let Some(loss) = score.loss() {
            // Unwrap safety: writing to a String cannot fail.
            write!(text, "\n  {language:<16} {loss:.4} nats a token").expect("writing to a String");
        }
    }
    if let Some(personal) = &figures.personal
        && let (Some(global), Some(alone)) = personal.losses()
    {
        write!(
            text,
            "\npersonal adapters  {global:.4} → {alone:.4} nats a token on {} nodes' own conversations; better for {}",
            personal.nodes.len(),
            personal.better()
        )
        .expect("writing to a String");
    }
    if let (Some(first), Some(last)) = (before.backdoor, after.backdoor) {
        write!(
            text,
            "\nbackdoor           the attackers' answer after the trigger costs {:.2} → {:.2} nats a token, and is said whole \
             after {:.0} % of prompts ({:.0} % without the trigger)",
            first.loss,
            last.loss,
            100.0 * last.obeyed,
            100.0 * last.untriggered
        )
        .expect("writing to a String");
    }
    let took = std::time::Duration::from_secs_f64(seconds);
    write!(text, "\ntook {}", human::duration(took)).expect("writing to a String");
    text
}

/// With unit, adjacency, δ and assumptions (design promise 8).
fn epsilon(scenario: &Scenario, figures: &Figures) -> String {
    if !figures.epsilon.is_finite() {
        return "none: no privacy guarantee".to_owned();
    }
    let participations = figures.participations.iter().max().copied().unwrap_or(0);
    format!(
        "{:.2} at δ = {:e}, for a {} that took part {} times, its contributions replaced by zeros; against who sees \
         every global version, {}, without amplification by sampling",
        figures.epsilon,
        scenario.privacy.delta,
        unit(scenario).1,
        participations,
        adding_noise(scenario)
    )
}

/// Whom ε is about: in a word or two, and in a sentence.
pub(super) fn unit(scenario: &Scenario) -> (&'static str, &'static str) {
    match scenario.data.split {
        SplitName::Users if scenario.data.pseudo_users > 1 => {
            ("piece of a person", "node (a pseudo-user: a piece of a person)")
        }
        SplitName::Users => ("person", "node (a person)"),
        _ => ("nobody", "node (conversations of many people)"),
    }
}

fn adding_noise(scenario: &Scenario) -> String {
    let terms = &scenario.privacy;
    match terms.mechanism {
        MechanismName::Central => {
            format!("somebody trusted adding the noise ({}; not what ships)", mechanism(scenario))
        }
        _ => format!("the honest part ({}) adding its noise", terms.honest),
    }
}

/// In a word or two.
pub(super) fn mechanism(scenario: &Scenario) -> &'static str {
    match (scenario.privacy.mechanism, scenario.privacy.correlation) {
        (MechanismName::None, _) => "none",
        (MechanismName::Distributed, _) => "distributed",
        (MechanismName::Central, Correlation::Independent) => "central",
        (MechanismName::Central, Correlation::SquareRoot) => "central, correlated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_of_somebody_trusted_is_never_told_as_what_ships() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/scenarios/benchmark.toml");
        let mut scenario: Scenario =
            toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        scenario.privacy.mechanism = MechanismName::Distributed;
        assert!(adding_noise(&scenario).contains("the honest part (1) adding its noise"));
        scenario.privacy.mechanism = MechanismName::Central;
        assert!(adding_noise(&scenario).contains("trusted adding the noise (central; not what"));
        scenario.privacy.correlation = Correlation::SquareRoot;
        assert!(adding_noise(&scenario).contains("(central, correlated; not what ships)"));
    }
}
