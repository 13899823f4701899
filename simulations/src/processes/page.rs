//! `report.html`: the same for a browser, in one file.

use anyhow::Context as _;
use program::human;
use report::{Axis, Bar, BarChart, Fact, LineChart, Page, Series, Tone};

use super::{figures::Figures, place::Place, told};

/// Writes it.
///
/// # Errors
/// If it cannot be written.
pub fn write(place: &Place, figures: &Figures) -> anyhow::Result<()> {
    let file = place.root.join("report.html");
    std::fs::write(&file, page(place, figures).to_html())
        .with_context(|| format!("cannot write {}", file.display()))
}

fn page(place: &Place, figures: &Figures) -> Page {
    let page = Page::new("What the swarm learned")
        .lead(&format!("{}\n\n{}", told::drop_line(figures), told::killed(figures)))
        .facts(facts(figures))
        .warning("Policy none: these nodes keep no privacy budget.")
        .warning(&figures.verdict())
        .section("Learning")
        .text("Loss on conversations that no node trained on. These figures come from several people's folders together: demo only, not private.")
        .line_chart(losses(figures))
        .bar_chart(gains(figures))
        .table(told::learned(figures))
        .section("Versions")
        .table(told::versions(figures))
        .section("What it cost")
        .text(&told::method(figures))
        .table(told::costs(figures))
        .section("Replies, before and after");
    let page = figures.replies.iter().fold(page, |page, reply| {
        page.text(&format!("“{}”", reply.said))
            .beside(&[("Version 0", &reply.before), ("Last version", &reply.after)])
    });
    page.section("Check it yourself").code(&format!(
        "murmur-node evaluate --model {} --adapter {} --data {}",
        place.model.display(),
        place.version(figures.losses.by_version.len() as u64 - 1).display(),
        place.held_out(&figures.nodes[0].name).display()
    ))
}

fn facts(figures: &Figures) -> [Fact; 5] {
    let losses = &figures.losses;
    let drop = figures.drop();
    let interval = drop.map_or(String::new(), |drop| {
        format!("95 % interval of the drop {:.3} to {:.3}", drop.low, drop.high)
    });
    let tone = if drop.is_some_and(|drop| drop.low > 0.0) { Tone::Good } else { Tone::Bad };
    [
        Fact::new("Loss before", format!("{:.3}", losses.before)).note("nats per token"),
        Fact::new("Loss after", format!("{:.3}", losses.after)).note(interval).tone(tone),
        Fact::new("Of the pooled gain", format!("{:.0} %", figures.share_of_pooled())),
        Fact::new("Versions", figures.issued().to_string())
            .note(format!("in {}", human::duration(figures.took.rounds))),
        Fact::new("Largest ε", format!("{:.0}", figures.epsilon()))
            .note("no meaningful guarantee")
            .tone(Tone::Bad),
    ]
}

fn losses(figures: &Figures) -> LineChart {
    let losses = &figures.losses;
    let last = losses.by_version.len().saturating_sub(1) as f64;
    let points =
        losses.by_version.iter().enumerate().map(|(version, &loss)| (version as f64, loss));
    let straight = |end: f64| [(0.0, losses.before), (last, end)];
    LineChart::new("Loss on held-out conversations")
        .x(Axis::new("version"))
        .y(Axis::new("loss").unit("nats per token"))
        .series(Series::new("this swarm", points))
        .series(Series::new("pooled, no privacy (ends)", straight(losses.pooled)).dashed())
        .series(Series::new("zeroed updates (ends)", straight(losses.zeroed)).muted().dashed())
}

fn gains(figures: &Figures) -> BarChart {
    let losses = &figures.losses;
    let gain = |loss: f64| losses.before - loss;
    let own = Bar::new("this swarm", gain(losses.after)).tone(Tone::Good);
    BarChart::new("Gain over version 0")
        .unit("nats per token over all held-out tokens")
        .bar(Bar::new("pooled, no privacy", gain(losses.pooled)).tone(Tone::Muted))
        .bar(own)
        .bar(Bar::new("zeroed updates, same noise", gain(losses.zeroed)).tone(Tone::Muted))
}
