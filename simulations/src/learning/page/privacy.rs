//! What the runs cost, in a table for each reader: by run, and by adversary.

use learning::{Adversary, MEANINGFUL_EPSILON};
use report::{Axis, Cell, Column, LineChart, Page, Series, Table};

use super::{Run, chart, told};

pub(super) fn section(page: Page, runs: &[Run]) -> Page {
    page.section("Privacy")
        .text(
            "ε of the node that took part most, its contributions replaced by zeros, without amplification by sampling: \
             against whoever sees every global version while the honest part of the cohort, or with central noise \
             somebody trusted, adds the noise; and against others, who leave less of the noise.",
        )
        .line_chart(match runs {
            [one] => adversary_chart(one),
            _ => chart(runs, "ε: all versions seen", "ε", |line| line.epsilon),
        })
        .table(privacy(runs))
        .table(adversaries(runs))
}

fn privacy(runs: &[Run]) -> Table {
    let columns = [
        Column::text("run"),
        Column::text("mechanism"),
        Column::text("unit"),
        Column::number("took part"),
        Column::number("aborted"),
        Column::number("ε"),
        Column::number("δ"),
    ];
    let mut table = Table::new(columns);
    for run in runs {
        let Some(end) = run.lines.last() else { continue };
        table.push([
            Cell::from(run.name.clone()),
            Cell::from(told::mechanism(&run.scenario)),
            Cell::from(told::unit(&run.scenario).0),
            Cell::from(end.participations[2].to_string()),
            Cell::from(run.lines.iter().filter(|line| line.aborted).count().to_string()),
            epsilon(end.epsilon),
            Cell::from(format!("{:e}", run.scenario.privacy.delta)),
        ]);
    }
    table
}

/// ε over rounds; lines that lie on each other are drawn once.
fn adversary_chart(run: &Run) -> LineChart {
    let chart =
        LineChart::new("ε over rounds, by adversary").x(Axis::new("round")).y(Axis::new("ε"));
    let drawn = [
        (Adversary::Downloader, "every version seen"),
        (Adversary::NoiseMissing, "a fifth missing"),
        (Adversary::HalfColluding, "half colluding"),
        (Adversary::InventedNodes, "own noise alone"),
    ];
    let series = drawn.into_iter().map(|(who, name)| {
        let points = run.points(|line| {
            if line.round == 0 { Some(0.0) } else { line.adversaries.get(who.name()).copied()? }
        });
        (points.len() > 1).then(|| Series::new(name, points))
    });
    series.flatten().fold(chart, LineChart::series)
}

/// A row for each adversary from whom noise protects.
fn adversaries(runs: &[Run]) -> Table {
    let columns = std::iter::once(Column::text("ε against"))
        .chain(runs.iter().map(|run| Column::number(run.name.clone())));
    let mut table = Table::new(columns);
    for who in Adversary::ALL {
        let of = |run: &Run| run.lines.last()?.adversaries.get(who.name()).copied();
        if runs.iter().any(|run| of(run).is_some()) {
            let cells = runs.iter().map(|run| of(run).map_or(Cell::from("–".to_owned()), epsilon));
            table.push(std::iter::once(Cell::from(who.to_string())).chain(cells));
        }
    }
    table
}

fn epsilon(value: Option<f64>) -> Cell {
    match value {
        Some(value) if value <= MEANINGFUL_EPSILON => Cell::from(format!("{value:.2}")),
        Some(value) => Cell::bad(format!("{value:.0}: not meaningful")),
        None => Cell::bad("no guarantee"),
    }
}
