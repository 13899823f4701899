//! Writes a report with everything in it: `cargo run --release -p report --example sample_page > page.html`.

use report::{Axis, Bar, BarChart, Cell, Column, Fact, LineChart, Page, Series, Table, Tone};

fn main() {
    print!("{}", page().to_html());
    eprintln!("{}", cost().for_terminal());
}

fn page() -> Page {
    Page::new("What eight people's swarm learned")
        .lead(
            "Eight nodes trained for five rounds on their own chats and shared only masked, noised contributions. \
             The loss on held-out conversations fell by 0.31 nats per token, 62 % of what pooling all chats would give.",
        )
        .facts([
            Fact::new("Loss before", "3.412").note("nats per token"),
            Fact::new("Loss after", "3.104").note("95 % interval of the drop 0.27 to 0.35").tone(Tone::Good),
            Fact::new("Rounds", "5").note("one node killed in round 3"),
            Fact::new("Largest ε", "∞").note("no meaningful guarantee").tone(Tone::Bad),
        ])
        .warning(
            "Eight nodes cannot have a meaningful privacy guarantee with noise this small. The same rounds with \
             1,000 nodes would cost ε = 3.1 at δ = 10⁻⁶.",
        )
        .section("Learning")
        .text(
            "Each version was measured on conversations that no node trained on. The band is a 95 % interval over \
             conversations.\n\nTwo yardsticks frame it: training on all chats in one place, and the same run with \
             updates of zero and the same noise.",
        )
        .line_chart(losses())
        .bar_chart(yardsticks())
        .section("Privacy")
        .text("ε at δ = 10⁻⁶, by how many nodes took part and how many rounds were charged.")
        .line_chart(epsilons())
        .table(cost())
        .remark("The same chats on two devices count twice: their budgets add up.")
        .section("Replies, before and after")
        .text("“Do you think it'll rain on Saturday?”")
        .beside(&[
            ("Version 0", "i dont know what you mean by the rain is the rain of the"),
            ("Version 5", "maybe in the afternoon, but I'd bring a jacket anyway :)"),
        ])
        .section("Check it yourself")
        .code("murmur-node evaluate --model target/demo/model --adapter target/demo/versions/5 --data held-out.jsonl")
}

fn losses() -> LineChart {
    let private = [3.412, 3.341, 3.262, 3.193, 3.144, 3.104];
    let rounds =
        |losses: [f64; 6]| (0..6).map(move |round| (f64::from(round), losses[round as usize]));
    LineChart::new("Loss on held-out conversations")
        .x(Axis::new("round"))
        .y(Axis::new("loss").unit("nats per token"))
        .series(
            Series::new("this swarm", rounds(private))
                .band(private.map(|loss| (loss - 0.035, loss + 0.035))),
        )
        .series(
            Series::new("pooled, no privacy", rounds([3.412, 3.22, 3.09, 3.0, 2.95, 2.915]))
                .dashed(),
        )
        .series(
            Series::new("zeroed updates", rounds([3.412, 3.415, 3.411, 3.418, 3.42, 3.417]))
                .muted()
                .dashed(),
        )
}

fn yardsticks() -> BarChart {
    BarChart::new("Gain over version 0")
        .unit("nats per token, with 95 % intervals")
        .bar(Bar::new("pooled, no privacy", 0.497).interval(0.45, 0.54).tone(Tone::Muted))
        .bar(Bar::new("this swarm", 0.308).interval(0.27, 0.35).tone(Tone::Good))
        .bar(Bar::new("zeroed updates, same noise", -0.005).interval(-0.03, 0.02).tone(Tone::Muted))
}

fn epsilons() -> LineChart {
    let curve = |nodes: f64| {
        (1..=40).map(move |rounds| (f64::from(rounds), 180.0 / nodes * f64::from(rounds).sqrt()))
    };
    [(20.0, "20 nodes"), (100.0, "100 nodes"), (1000.0, "1,000 nodes"), (10_000.0, "10,000 nodes")]
        .into_iter()
        .fold(
            LineChart::new("Cost of more rounds")
                .x(Axis::new("rounds charged"))
                .y(Axis::new("ε").unit("δ = 10⁻⁶").logarithmic()),
            |chart, (nodes, name)| chart.series(Series::new(name, curve(nodes))),
        )
}

fn cost() -> Table {
    let mut table = Table::new([
        Column::text("node"),
        Column::number("rounds"),
        Column::number("sent"),
        Column::number("received"),
        Column::number("ρ"),
        Column::number("ε"),
    ])
    .caption("What it cost each node");
    for (name, rounds, epsilon) in
        [("Amira", 5, "1,204"), ("Ben", 5, "1,204"), ("Chiyo", 4, "963"), ("Dov", 5, "1,204")]
    {
        let [rounds, rho] = [rounds.to_string(), format!("{}", rounds * 160)];
        table.push([
            name.into(),
            rounds.into(),
            "412 kB".into(),
            "518 kB".into(),
            rho.into(),
            Cell::bad(epsilon),
        ]);
    }
    table
}
