//! The answer in words and tables.

use privacy::Estimate;
use program::human::wrapped;
use report::{Column, Table};

use crate::Answer;

/// The answer for a terminal.
pub fn told(answer: &Answer) -> String {
    let mut text = format!(
        "{}\n{}",
        facts(answer).for_terminal(),
        adversaries(&answer.estimate).for_terminal()
    );
    for word in &answer.estimate.words {
        text += &format!("\n{}", wrapped(word));
    }
    text + &wrapped(&format!("\nAssumed: {}.", answer.assumptions.join("; ")))
}

/// The swarm's numbers, then the parts of a round's time.
fn facts(answer: &Answer) -> Table {
    let mut facts = Table::new([Column::text("a swarm"), Column::number("estimate")]);
    for (name, value) in answer.estimate.facts() {
        facts = facts.row([name.to_owned(), value]);
    }
    for part in &answer.time {
        let how = if part.measured { "measured here" } else { "assumed" };
        facts = facts.row([format!("{} ({how})", part.what), format!("{:.3} s", part.seconds)]);
    }
    let seconds = format!("{:.1} s", answer.seconds_per_round);
    facts.row(["one round, about".to_owned(), seconds])
}

/// ε after one round and after all, one line for each adversary.
fn adversaries(estimate: &Estimate) -> Table {
    let columns = [
        Column::text("adversary"),
        Column::number("shares"),
        Column::number("ε, 1 round"),
        Column::number("ε, all"),
        Column::text("in words"),
    ];
    let lines = estimate.after_one_round.iter().zip(&estimate.adversaries);
    lines.fold(Table::new(columns), |table, (first, line)| {
        let shares = line.shares.map_or("–".to_owned(), |(least, _)| least.to_string());
        let (one, all) = (first.told(first.epsilon), line.told(line.epsilon));
        table.row([line.who.clone(), shares, one, all, line.words.clone()])
    })
}
