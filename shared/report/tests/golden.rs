//! What a chart, a table and a page look like, byte for byte. `GOLDEN=write cargo test -p report` writes them anew:
//! look at the difference, and at the page in a browser, before you commit it.

use std::fs;
use std::path::PathBuf;

use report::{Axis, Bar, BarChart, Cell, Column, Fact, LineChart, Page, Series, Table, Tone};

fn compare(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, found).expect("the golden folder can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} differs; GOLDEN=write writes it anew. Found:\n{found}",
        path.display()
    );
}

fn lines() -> LineChart {
    LineChart::new("Loss, before & after")
        .x(Axis::new("round"))
        .y(Axis::new("loss").unit("nats per token"))
        .series(
            Series::new("private", [(0.0, 3.41), (1.0, 3.25), (2.0, f64::NAN), (3.0, 3.11)])
                .band([(3.38, 3.44), (3.2, 3.3), (3.1, 3.2), (3.08, 3.15)]),
        )
        .series(Series::new("pooled", [(0.0, 3.41), (3.0, 2.95)]).dashed())
        .series(Series::new("zeroed", [(0.0, 3.41), (3.0, 3.42)]).muted())
}

fn bars() -> BarChart {
    BarChart::new("Gain")
        .unit("nats per token")
        .bar(Bar::new("this swarm", 0.31).interval(0.27, 0.35).tone(Tone::Good))
        .bar(Bar::new("zeroed updates", -0.01))
}

fn costs() -> Table {
    Table::new([Column::text("node"), Column::number("ε")])
        .caption("Costs")
        .row(["ada".into(), Cell::bad("1,204")])
        .row(["ben", "8"])
}

#[test]
fn line_chart() {
    compare("line_chart.svg", &lines().to_svg());
}

#[test]
fn logarithmic_line_chart() {
    let epsilon = [(10.0, 120.0), (100.0, 12.5), (1000.0, 1.2), (10_000.0, 0.0)];
    let chart = LineChart::new("Cost")
        .x(Axis::new("nodes").logarithmic())
        .y(Axis::new("ε").logarithmic())
        .series(Series::new("", epsilon));
    compare("logarithmic.svg", &chart.to_svg());
}

#[test]
fn bar_chart() {
    compare("bar_chart.svg", &bars().to_svg());
}

#[test]
fn table() {
    compare("table.txt", &costs().to_text());
}

#[test]
fn page() {
    let page = Page::new("A <report>")
        .lead("In short.")
        .facts([Fact::new("ε", "∞").note("no guarantee").tone(Tone::Bad)])
        .warning("Not private.")
        .section("Learning")
        .text("One.\n\nTwo: 95 %.")
        .line_chart(lines())
        .section("Cost")
        .bar_chart(bars())
        .table(costs())
        .remark("Keep in mind.")
        .section("Replies")
        .beside(&[("before", "i dont\nknow"), ("after", "<b>yes</b>")])
        .code("date +'%s %'");
    compare("page.html", &page.to_html());
}
