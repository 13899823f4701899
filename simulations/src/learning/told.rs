//! The figures in words and as JSON lines.

use std::fmt::Write as _;

use learning::{Figures, Measured, RoundFigures, Scenario, peak_memory};
use program::human;
use serde_json::{Value, json};

/// A few words beside the bar.
pub fn detail(round: &RoundFigures) -> String {
    let mut words = format!("{:.1} nodes/s", round.nodes as f64 / round.seconds);
    if round.aborted {
        words.push_str(", aborted: too few nodes");
    }
    if let Some(measured) = &round.measured {
        // Unwrap safety: writing to a String cannot fail.
        write!(words, ", held-out loss {:.4}", measured.loss()).expect("writing to a String");
    }
    words
}

/// One round.
pub fn line(round: &RoundFigures) -> Value {
    let measured = round.measured.as_ref();
    json!({
        "round": round.round, "nodes": round.nodes, "failed": round.failed, "aborted": round.aborted,
        "local_loss": finite(round.local_loss), "update_length": finite(round.update_length),
        "epsilon": finite(round.epsilon), "seconds": round.seconds,
        "loss": measured.and_then(|measured| finite(measured.loss())),
        "accuracy": measured.and_then(|measured| finite(measured.accuracy())),
        "spread": measured.and_then(|measured| finite(measured.spread())),
        "languages": measured.map(|measured| languages(measured)),
    })
}

/// The last line of `--json`.
pub fn last_line(scenario: &Scenario, figures: &Figures, seconds: f64) -> Value {
    let rate = figures.trained as f64 / figures.seconds.max(f64::MIN_POSITIVE);
    json!({
        "rounds": figures.rounds,
        "cohort": scenario.cohort.nodes,
        "clients_per_s": rate,
        "tokens_per_s": rate * figures.tokens_a_node as f64,
        "matmul_peak_share": figures.matmul_peak_share,
        "peak_rss_mb": peak_memory().map(|bytes| bytes / 1_000_000),
        "loss_before": finite(figures.before.loss()),
        "loss_after": finite(figures.after.loss()),
        "accuracy_after": finite(figures.after.accuracy()),
        "epsilon": finite(figures.epsilon),
        "delta": scenario.privacy.delta,
        "wall_s": seconds,
    })
}

/// For people.
pub fn summary(scenario: &Scenario, figures: &Figures, seconds: f64) -> String {
    let rate = figures.trained as f64 / figures.seconds.max(f64::MIN_POSITIVE);
    let (before, after) = (&figures.before, &figures.after);
    let mut text = format!(
        "{}: {} rounds of {} nodes\n\
         held-out loss      {:.4} → {:.4} nats a token ({} people, {} tokens; spread over people {:.3})\n\
         next token right   {:.2} % → {:.2} %\n\
         ε                  {}\n\
         speed              {rate:.1} nodes/s, {} tokens/s, {:.0} % of this machine's f32 multiplication rate\n\
         spread             {} threads, groups of {}{}",
        scenario.title,
        figures.rounds,
        scenario.cohort.nodes,
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
    let took = std::time::Duration::from_secs_f64(seconds);
    write!(text, "\ntook {}", human::duration(took)).expect("writing to a String");
    text
}

/// With unit, adjacency, δ and assumptions (design promise 8).
fn epsilon(scenario: &Scenario, figures: &Figures) -> String {
    if !figures.epsilon.is_finite() {
        return "none: no privacy guarantee".to_owned();
    }
    let unit = if scenario.data.pseudo_users > 1 { "node (a piece of a person)" } else { "node" };
    format!(
        "{:.2} at δ = {:e}, for a {unit} that took part {} times, its contributions replaced by zeros; against who sees \
         every global version, the honest part ({}) adding its noise, without amplification by sampling",
        figures.epsilon, scenario.privacy.delta, figures.participations, scenario.privacy.honest
    )
}

fn languages(measured: &Measured) -> Value {
    let one = measured.languages.iter().map(|(name, score)| (name.clone(), json!(score.loss())));
    Value::Object(one.collect())
}

/// JSON has no infinity: none.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
