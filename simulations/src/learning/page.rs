//! One or more runs as a page: loss and accuracy over rounds, ε over rounds, participation, people apart.

mod privacy;

use learning::{MEANINGFUL_EPSILON, Scenario};
use report::{Axis, Cell, Column, Fact, LineChart, Page, Series, Table, Tone};

use super::{
    lines::{PersonalLosses, RoundLine},
    told,
};

/// A run to be shown.
#[derive(Clone)]
pub struct Run {
    /// What to call it.
    pub name: String,
    /// What was run.
    pub scenario: Scenario,
    /// What to call it in full, where its name has become a letter.
    pub in_full: Option<String>,
    /// Its rounds so far.
    pub lines: Vec<RoundLine>,
    /// What a person should know before believing a number.
    pub warnings: Vec<String>,
    /// What personal adapters gave, where it had any.
    pub personal: Option<PersonalLosses>,
}

impl Run {
    fn first(&self) -> Option<&RoundLine> {
        self.lines.iter().find(|line| line.loss.is_some())
    }

    fn last(&self) -> Option<&RoundLine> {
        self.lines.iter().rfind(|line| line.loss.is_some())
    }

    fn points(&self, of: impl Fn(&RoundLine) -> Option<f64>) -> Vec<(f64, f64)> {
        let point = |line: &RoundLine| Some((f64::from(line.round), of(line)?));
        self.lines.iter().filter_map(point).collect()
    }
}

/// The page.
pub fn page(runs: &[Run]) -> Page {
    let lettered = lettered(runs);
    let runs = &lettered[..];
    let title = match runs {
        [one] => format!("What a simulated swarm learned: {}", one.scenario.title),
        _ => "What simulated swarms learned".to_owned(),
    };
    let mut page = Page::new(title).lead(
        "Virtual nodes on one machine, trained with the model and the server rules that ship, and the mechanism that \
         the table under Privacy names (“distributed” ships). \
         Figures over many people's conversations: a simulation, not something that a swarm would publish.",
    );
    if let [one] = runs {
        page = page.facts(facts(one));
    }
    for run in runs {
        for warning in &run.warnings {
            let whose = if runs.len() > 1 { format!("{}: ", run.name) } else { String::new() };
            page = page.warning(&format!("{whose}{warning}"));
        }
    }
    if runs.iter().any(|run| run.in_full.is_some()) {
        page = page.table(letters(runs));
    }
    page = page
        .section("Learning")
        .line_chart(chart(runs, "Loss on held-out people", "nats per token", |line| line.loss))
        .line_chart(chart(runs, "Next tokens predicted", "share", |line| line.accuracy))
        .table(learned(runs))
        .section("Fairness over people")
        .text(
            "How the held-out people's own losses lie, before and after; a version that helps most people and harms some \
             shows here first.",
        )
        .line_chart(fairness(runs))
        .table(people(runs));
    if runs.iter().any(|run| run.personal.is_some()) {
        page = page
            .section("Personal adapters")
            .text(
                "After the last round every node went on alone, and was measured on conversations of its own that \
                 were kept back. What it learned then was never sent, and costs no ε.",
            )
            .table(personal(runs))
            .line_chart(gains(runs));
    }
    if runs.iter().any(|run| run.scenario.attack.is_some()) {
        page = page
            .section("Attack")
            .text(
                "Attackers are members whose programs were changed. A clip that the mechanism asks for bounds them only where \
                 the table says that they clip: under masks nobody sees whether they do.",
            )
            .table(attacks(runs));
    }
    privacy::section(page, runs)
        .section("Participation")
        .line_chart(chart(runs, "Nodes in each round", "nodes", |line| {
            (line.round > 0 && !line.aborted).then_some(line.nodes as f64)
        }))
        .line_chart(chart(runs, "Median length of raw updates", "L2", |line| {
            line.update_length.filter(|_| line.round > 0)
        }))
}

/// Several runs of which a name is too long to stand beside a curve get letters.
fn lettered(runs: &[Run]) -> Vec<Run> {
    let mut runs = runs.to_vec();
    if runs.len() < 2 || runs.iter().all(|run| run.name.chars().count() <= LONGEST_NAME) {
        return runs;
    }
    for (place, run) in runs.iter_mut().enumerate() {
        let letter =
            u32::try_from(place).ok().and_then(|place| char::from_u32(u32::from('A') + place));
        let letter = letter.filter(char::is_ascii_uppercase);
        let short = letter.map_or_else(|| (place + 1).to_string(), |letter| letter.to_string());
        run.in_full = Some(std::mem::replace(&mut run.name, short));
    }
    runs
}

/// Which letter is which run.
fn letters(runs: &[Run]) -> Table {
    let mut table = Table::new([Column::text(""), Column::text("run")]);
    for run in runs {
        table.push([run.name.clone(), run.in_full.clone().unwrap_or_default()]);
    }
    table
}

/// In characters: as many as a chart has room for.
const LONGEST_NAME: usize = 20;

fn chart(
    runs: &[Run],
    title: &str,
    unit: &str,
    of: impl Fn(&RoundLine) -> Option<f64> + Copy,
) -> LineChart {
    let chart = LineChart::new(title).x(Axis::new("round")).y(Axis::new(unit));
    let series = runs.iter().map(|run| Series::new(run.name.clone(), run.points(of)));
    series.fold(chart, LineChart::series)
}

fn facts(run: &Run) -> Vec<Fact> {
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
    let (first, last) = (run.first(), run.last());
    let tried = run.lines.iter().filter(|line| line.round > 0).count();
    let aborted = run.lines.iter().filter(|line| line.aborted).count();
    let mut rounds = Fact::new("Rounds", (tried - aborted).to_string());
    let end = run.lines.last();
    let trained: usize = run.lines.iter().map(|line| line.nodes).sum();
    let seconds: f64 = run.lines.iter().map(|line| line.seconds).sum();
    let rate = trained as f64 / seconds.max(1e-9);
    let mut note = format!("of {} nodes, {rate:.1} nodes a second", run.scenario.cohort.nodes);
    if aborted > 0 {
        note.push_str(&format!("; {aborted} more without a result: too few nodes"));
    }
    if tried < run.scenario.rounds as usize {
        note.push_str(&format!("; not ended: {} were planned", run.scenario.rounds));
        rounds = rounds.tone(Tone::Bad);
    }
    vec![
        Fact::new("Loss before", number(first.and_then(|line| line.loss))).note("nats per token"),
        Fact::new("Loss after", number(last.and_then(|line| line.loss))).note("nats per token"),
        rounds.note(note),
        epsilon_fact(end.and_then(|line| line.epsilon), run.scenario.privacy.delta),
    ]
}

fn epsilon_fact(epsilon: Option<f64>, delta: f64) -> Fact {
    match epsilon {
        Some(epsilon) if epsilon <= MEANINGFUL_EPSILON => {
            Fact::new("ε", format!("{epsilon:.2}")).note(format!("at δ = {delta:e}"))
        }
        Some(epsilon) => {
            Fact::new("ε", format!("{epsilon:.0}")).note("no meaningful guarantee").tone(Tone::Bad)
        }
        None => Fact::new("ε", "∞").note("no guarantee").tone(Tone::Bad),
    }
}

fn learned(runs: &[Run]) -> Table {
    let columns = [
        Column::text("run"),
        Column::number("loss before"),
        Column::number("loss after"),
        Column::number("change"),
        Column::number("accuracy after"),
    ];
    let mut table = Table::new(columns);
    for run in runs {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let (before, after) = (first.loss.unwrap_or(f64::NAN), last.loss.unwrap_or(f64::NAN));
        let tone = if after < before { Tone::Good } else { Tone::Bad };
        table.push([
            Cell::from(run.name.clone()),
            Cell::from(format!("{before:.4}")),
            Cell::from(format!("{after:.4}")),
            Cell::new(format!("{:+.4}", after - before), tone),
            Cell::from(format!("{:.2} %", 100.0 * last.accuracy.unwrap_or(f64::NAN))),
        ]);
        let languages = last.languages.iter().flatten();
        for (language, loss) in
            languages.filter(|_| last.languages.as_ref().is_some_and(|all| all.len() > 1))
        {
            let name = format!("{}: {language}", run.name);
            let before = first.languages.as_ref().and_then(|all| all.get(language)).copied();
            let before = before.unwrap_or(f64::NAN);
            table.push([
                name,
                format!("{before:.4}"),
                format!("{loss:.4}"),
                format!("{:+.4}", loss - before),
                String::new(),
            ]);
        }
    }
    table
}

fn people(runs: &[Run]) -> Table {
    let parts = ["best", "best quarter", "median", "worst quarter", "worst"];
    let columns = std::iter::once(Column::text("loss, nats per token"))
        .chain(parts.into_iter().map(Column::number));
    let mut table = Table::new(columns);
    for run in runs {
        for (when, line) in [("before", run.first()), ("after", run.last())] {
            let Some(mut losses) = line.and_then(|line| line.people.clone()) else { continue };
            losses.sort_by(f64::total_cmp);
            let at = |quarter: usize| losses.get((losses.len().max(1) - 1) * quarter / 4);
            let cells =
                (0..5).map(|quarter| at(quarter).map_or("–".into(), |v| format!("{v:.3}")));
            table.push(std::iter::once(format!("{}, {when}", run.name)).chain(cells));
        }
    }
    table
}

/// Everybody's own loss, the best first.
fn fairness(runs: &[Run]) -> LineChart {
    let chart = LineChart::new("Held-out people's own losses, sorted")
        .x(Axis::new("people with a lower loss").unit("%"))
        .y(Axis::new("nats per token"));
    let of = |run: &Run, when: &str, line: Option<&RoundLine>| {
        let losses = line.and_then(|line| line.people.clone()).unwrap_or_default();
        let name = if when.is_empty() { run.name.clone() } else { format!("{}, {when}", run.name) };
        Series::new(name, sorted(losses))
    };
    match runs {
        [one] => chart.series(of(one, "before", one.first())).series(of(one, "after", one.last())),
        _ => runs.iter().fold(chart, |chart, run| chart.series(of(run, "", run.last()))),
    }
}

/// Values by the share of smaller ones, in percent.
fn sorted(mut values: Vec<f64>) -> Vec<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let steps = values.len().saturating_sub(1).max(1) as f64;
    values
        .into_iter()
        .enumerate()
        .map(|(place, value)| (100.0 * place as f64 / steps, value))
        .collect()
}

fn personal(runs: &[Run]) -> Table {
    let columns = [
        Column::text("run"),
        Column::number("nodes"),
        Column::number("median loss, global version"),
        Column::number("median loss, own adapter"),
        Column::number("better for"),
    ];
    let mut table = Table::new(columns);
    for (run, losses) in runs.iter().filter_map(|run| Some((run, &run.personal.as_ref()?.nodes))) {
        let median = |of: fn(&(f64, f64)) -> f64| {
            let values = sorted(losses.iter().map(of).collect());
            values
                .get(values.len() / 2)
                .map_or("–".to_owned(), |(_, value)| format!("{value:.4}"))
        };
        let better = losses.iter().filter(|(global, own)| own < global).count();
        table.push([
            run.name.clone(),
            losses.len().to_string(),
            median(|pair| pair.0),
            median(|pair| pair.1),
            format!("{better} of {}", losses.len()),
        ]);
    }
    table
}

/// What each node's own adapter took off its loss.
fn gains(runs: &[Run]) -> LineChart {
    let chart = LineChart::new("What its own adapter takes off a node's loss, sorted")
        .x(Axis::new("nodes that gain less").unit("%"))
        .y(Axis::new("nats per token"));
    let with = runs.iter().filter_map(|run| Some((run, run.personal.as_ref()?)));
    with.fold(chart, |chart, (run, personal)| {
        let gains = personal.nodes.iter().map(|(global, own)| global - own).collect();
        chart.series(Series::new(run.name.clone(), sorted(gains)))
    })
}

fn attacks(runs: &[Run]) -> Table {
    let columns = [
        Column::text("run"),
        Column::text("attackers"),
        Column::number("loss before"),
        Column::number("loss after"),
        Column::number("trigger obeyed"),
        Column::number("without the trigger"),
        Column::number("loss of their answer: before"),
        Column::number("after"),
    ];
    let mut table = Table::new(columns);
    for run in runs {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let attackers = run.scenario.attack.map_or("nobody".to_owned(), |attack| {
            let clips = if attack.clips { "clipping" } else { "not clipping" };
            let (part, name) = (100.0 * attack.part, attack.kind.name());
            format!("{part:.0} %, {name}, × {}, {clips}", attack.factor())
        });
        let loss =
            |line: &RoundLine| line.loss.map_or("–".to_owned(), |loss| format!("{loss:.4}"));
        let answer = |line: &RoundLine| {
            line.backdoor.map_or("–".to_owned(), |backdoor| format!("{:.2}", backdoor.loss))
        };
        let share =
            |of: Option<f64>| of.map_or("–".to_owned(), |of| format!("{:.0} %", 100.0 * of));
        table.push([
            run.name.clone(),
            attackers,
            loss(first),
            loss(last),
            share(last.backdoor.map(|backdoor| backdoor.obeyed)),
            share(last.backdoor.map(|backdoor| backdoor.untriggered)),
            answer(first),
            answer(last),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn run(name: &str, epsilon: Option<f64>) -> Run {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/scenarios/benchmark.toml");
        let text = r#"{"round":0,"nodes":0,"failed":0,"aborted":false,"local_loss":0.0,"update_length":0.0,
            "epsilon":0.0,"epsilon_alone":null,
            "adversaries":{"coordinator":1.5,"half-colluding":3.25,"masks-broken":null},"participations":[0,1,2],"seconds":1.0,"loss":4.5,"accuracy":0.1,
            "people":[4.0,5.0],"languages":{"de":4.0,"en":5.0}}"#;
        let first: RoundLine = serde_json::from_str(text).unwrap();
        let last = RoundLine { round: 3, nodes: 7, loss: Some(4.25), epsilon, ..first.clone() };
        let between = RoundLine { round: 2, loss: None, people: None, ..last.clone() };
        let scenario = program::load_toml(&file).unwrap();
        let lines = vec![first, between, last];
        Run {
            name: name.to_owned(),
            in_full: None,
            scenario,
            lines,
            warnings: vec!["beware <of> this".to_owned()],
            personal: None,
        }
    }

    #[test]
    fn a_page_says_what_was_learned_and_what_it_cost() {
        let html = page(&[run("one", Some(5.5))]).to_html();
        let each = [
            "half of the counted-on nodes",
            "3.25",
            "whoever breaks the masks",
            "beware &lt;of&gt; this",
        ];
        for shown in ["4.500", "4.250", "-0.2500", "5.50", "one: de"].iter().chain(&each) {
            assert!(html.contains(shown), "{shown}");
        }
        let html = page(&[run("one", None), run("two", Some(300.0))]).to_html();
        for shown in ["no guarantee", "300: not meaningful", "one: beware", "two: beware"] {
            assert!(html.contains(shown), "{shown}");
        }
        assert!(page(&[]).to_html().starts_with("<!doctype html>"));
        assert!(!html.contains("Personal adapters") && !html.contains("Attack"));
    }

    #[test]
    fn names_too_long_for_a_chart_become_letters() {
        let (first, second) = ("privacy.epsilon=4,data.pseudo_users=1", "privacy.epsilon=50");
        let html = page(&[run(first, None), run(second, None)]).to_html();
        assert_eq!((html.matches(first).count(), html.matches(second).count()), (1, 1));
        assert!(html.contains("A: beware") && html.contains("B: beware"));
        assert!(page(&[run(first, None)]).to_html().matches(first).count() > 1);
    }

    #[test]
    fn a_run_that_did_not_end_says_so() {
        let mut cut = run("cut", None);
        assert!(page(&[cut.clone()]).to_html().contains("not ended"));
        cut.lines[1].aborted = true;
        cut.scenario.rounds = 2;
        let html = page(&[cut]).to_html();
        assert!(html.contains("1 more without a result") && !html.contains("not ended"));
    }

    #[test]
    fn personal_adapters_and_attacks_have_their_place() {
        let mut personal = run("alone", None);
        let nodes = vec![(4.0, 3.5), (5.0, 5.25), (4.5, 3.75)];
        personal.personal = Some(PersonalLosses { nodes });
        let html = page(&[personal]).to_html();
        for shown in ["Personal adapters", "4.5000", "3.7500", "2 of 3"] {
            assert!(html.contains(shown), "{shown}");
        }
        let mut attacked = run("attacked", None);
        attacked.scenario.attack =
            Some(toml::from_str("part = 0.2\nkind = { backdoor = { factor = 3.0 } }").unwrap());
        let last = attacked.lines.last_mut().unwrap();
        last.backdoor = Some(
            serde_json::from_str(r#"{"obeyed":0.375,"untriggered":0.0,"loss":1.25}"#).unwrap(),
        );
        let html = page(&[attacked, run("honest", None)]).to_html();
        for shown in ["20 %, backdoor", "38 %", "nobody", "trigger obeyed", "1.25"] {
            assert!(html.contains(shown), "{shown}");
        }
    }
}
