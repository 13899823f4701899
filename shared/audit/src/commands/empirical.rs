//! `murmur-audit empirical`: a lower bound of ε beside the claim.

use std::path::PathBuf;

use anyhow::Context as _;
use audit::{ArmName, ArmReport, CanaryRecord, Empirical, Exposure, Verdict, audit_canaries};
use program::human::wrapped;
use program::{Exit, Output, Paint, paint};
use report::{Axis, Bar, BarChart, Cell, Column, Fact, LineChart, Page, Series, Table, Tone};

use crate::{files, present};

/// What an attack could tell, beside what was claimed: lower bounds of ε from planted canaries
///
/// A claim of ε says that no attack sees more. This looks at one: `murmur-simulate learning canaries` runs the shipped
/// mechanism with a thousand virtual nodes that contribute a known direction as long as the clip, or zeros, by a coin each,
/// and writes how strongly each is seen in the last version. From how many coins can be guessed follows an ε that the
/// mechanism has at least (Steinke, Nasr, Jagielski 2023). If that is above the claim, the claim is wrong.
///
/// A bound below the claim proves nothing by itself: an attack may be weak. So each comes with its ceiling, the largest that
/// this run could have given, and with the same run without noise. Where either is not above the claim, this says "cannot
/// refute", and that is not a pass.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  murmur-simulate learning canaries --out runs/canaries
  murmur-audit empirical runs/canaries/canaries.json --html page.html
  murmur-audit empirical runs/canaries/canaries.json --claim 1

Controls:
  murmur-simulate learning canaries --set canaries.noise_share=0.1 --out runs/tenth
  murmur-simulate learning canaries --set canaries.noise_share=0 --out runs/none

Exit codes: 0 consistent with the claim, 2 cannot refute it, 3 the claim is refuted.")]
pub struct Options {
    /// The canaries.json of a simulated run
    #[arg(value_name = "CANARIES")]
    record: PathBuf,
    /// Judge this ε, at the record's δ, instead of the record's own claim
    #[arg(long, value_name = "EPSILON", value_parser = parse_claim)]
    claim: Option<f64>,
    #[command(flatten)]
    html: present::Html,
}

/// Runs the command.
///
/// # Errors
/// If the file cannot be read, or is no canary record.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Exit> {
    let bytes = files::read(&options.record, LIMIT)?;
    let record = CanaryRecord::parse(&bytes)
        .with_context(|| format!("cannot use {}", options.record.display()))?;
    let found = audit_canaries(&record, options.claim)?;
    options.html.write(|| page(&record, &found))?;
    output.answer(&found, |found| text(&record, found))?;
    Ok(present::exit(&found.findings))
}

/// A million canaries and their scores.
const LIMIT: usize = 64 << 20;

fn text(record: &CanaryRecord, found: &Empirical) -> String {
    let colour = match found.verdict {
        Verdict::Consistent => Paint::Green,
        Verdict::Refuted => Paint::Red,
        Verdict::CannotRefute | Verdict::NothingClaimed => Paint::Yellow,
    };
    format!(
        "{}\n\n{}\n\n{}{}\n\n{}\n{}",
        wrapped(&setting(record, found)),
        bounds(found).for_terminal(),
        exposures(record, found)
            .map_or(String::new(), |table| format!("{}\n\n", table.for_terminal())),
        present::table(&found.findings).for_terminal(),
        paint(colour, &wrapped(&verdict(found))),
        paint(Paint::Dim, &present::plain_verdict(&found.findings)),
    )
}

fn setting(record: &CanaryRecord, found: &Empirical) -> String {
    let run = &record.run;
    format!(
        "{}: {} canaries among {} contributions in each of {} rounds, mechanism {}, d = {}.\n\
         Adversary: {}.\n\
         Bounds at δ = {:e}, each right with {} % confidence.",
        found.title,
        record.fixed.canaries,
        run.contributions,
        run.rounds,
        run.mechanism,
        run.dimension,
        found.adversary,
        found.delta,
        100.0 * found.confidence,
    )
}

fn verdict(found: &Empirical) -> String {
    let run = &found.arms[0];
    let claim = found.claim.map_or_else(|| "none".to_owned(), |claim| format!("{claim:.3}"));
    match found.verdict {
        Verdict::Consistent => format!(
            "Consistent: ε is at least {:.3}, {claim} is claimed, and up to {:.3} could have been shown.",
            run.bound, run.ceiling
        ),
        Verdict::Refuted => {
            format!("REFUTED: ε is at least {:.3}, and {claim} is claimed.", run.bound)
        }
        Verdict::CannotRefute if run.ceiling <= found.claim.unwrap_or(f64::INFINITY) => format!(
            "Cannot refute: this run could show no more than {:.3}, and {claim} is claimed. This is not a pass.",
            run.ceiling
        ),
        Verdict::CannotRefute => format!(
            "Cannot refute: not even without noise does this attack see more than the claim of {claim} allows. This is not \
             a pass."
        ),
        Verdict::NothingClaimed => {
            format!("ε is at least {:.3}; nothing is claimed: give --claim.", run.bound)
        }
    }
}

fn name(arm: &ArmReport) -> String {
    match arm.arm {
        ArmName::WithoutNoise => "without noise (control)".to_owned(),
        ArmName::Run if arm.noise_share == 1.0 => "the run".to_owned(),
        ArmName::Run => format!("the run, {} % noise", 100.0 * arm.noise_share),
    }
}

fn bounds(found: &Empirical) -> Table {
    let columns = [
        Column::text("lower bounds of ε"),
        Column::number("right"),
        Column::number("one run"),
        Column::number("ceiling"),
        Column::number("if Gaussian"),
        Column::number("classic"),
        Column::number("estimate, no bound"),
    ];
    found.arms.iter().fold(Table::new(columns), |table, arm| {
        let above = arm.arm == ArmName::Run && found.claim.is_some_and(|claim| arm.bound > claim);
        let bound = format!("{:.3}", arm.bound);
        table.row([
            name(arm).into(),
            format!("{}/{}", arm.guesses.right, arm.guesses.made).into(),
            if above { Cell::bad(bound) } else { bound.into() },
            format!("{:.3}", arm.ceiling).into(),
            format!("{:.3}", arm.gaussian_bound).into(),
            format!("{:.3}", arm.classic_bound).into(),
            Cell::new(
                arm.estimate
                    .map_or_else(|| "–".to_owned(), |estimate| format!("{:.3}", estimate.epsilon)),
                Tone::Muted,
            ),
        ])
    })
}

/// A line for each secret, a column for each arm; none without secrets.
fn exposures(record: &CanaryRecord, found: &Empirical) -> Option<Table> {
    if record.secrets.is_empty() {
        return None;
    }
    let columns = std::iter::once(Column::text("exposure of planted secrets, bits"))
        .chain(found.arms.iter().map(|arm| Column::number(name(arm))));
    let mut table = Table::new(columns);
    for (place, secret) in record.secrets.iter().enumerate() {
        let cells = found.arms.iter().filter_map(|arm| arm.exposures.get(place)).map(exposure);
        let said = format!("said {} by one node", times(secret.repeated));
        table.push(std::iter::once(said).chain(cells));
    }
    let loss =
        |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |loss| format!("{loss:.3}"));
    let change = |arm: &ArmReport| format!("{} → {}", loss(arm.loss_before), loss(arm.loss_after));
    table.push(
        std::iter::once("held-out loss, nats a token".to_owned())
            .chain(found.arms.iter().map(change)),
    );
    Some(table)
}

fn exposure(exposure: &Exposure) -> String {
    format!("{:.2} (rank {} of {})", exposure.bits, exposure.rank, exposure.of)
}

fn page(record: &CanaryRecord, found: &Empirical) -> Page {
    let page = Page::new(format!("What an attack could tell: {}", found.title))
        .lead(&verdict(found))
        .facts(facts(found))
        .text(&setting(record, found))
        .section("Lower bounds beside the claim")
        .bar_chart(bars(found))
        .table(bounds(found))
        .text(
            "One run (Steinke, Nasr, Jagielski 2023) assumes nothing but fair coins, and decides. If Gaussian (Mahloujifar \
             et al. 2024) holds for mechanisms of that form; classic (Clopper–Pearson intervals) if canaries do not touch \
             each other. The estimate (Andrew et al. 2023) is no bound.",
        )
        .section("How strongly canaries are seen")
        .text("Scores of 1 are what a canary that was in has on average; of 0, one that was out.");
    let page = record.arms.iter().zip(&found.arms).fold(page, |page, (arm, report)| {
        page.line_chart(scores(&name(report), &arm.scores, &record.included()))
    });
    let page = match exposures(record, found) {
        Some(table) => page
            .section("Planted secrets")
            .text(SECRETS)
            .bar_chart(exposure_bars(record, found))
            .table(table),
        None => page,
    };
    page.section("What was looked at").table(present::table(&found.findings))
}

/// Every secret in every arm, beside the most that its alternatives can show.
fn exposure_bars(record: &CanaryRecord, found: &Empirical) -> BarChart {
    let mut chart = BarChart::new("Exposure of planted secrets").unit("bits");
    for (place, secret) in record.secrets.iter().enumerate() {
        for arm in &found.arms {
            let Some(exposure) = arm.exposures.get(place) else { continue };
            let (tone, arm) = match arm.arm {
                ArmName::Run => (Tone::Good, name(arm)),
                ArmName::WithoutNoise => (Tone::Bad, "without noise".to_owned()),
            };
            let label = format!("{}: {arm}", times(secret.repeated));
            chart = chart.bar(Bar::new(label, exposure.bits).tone(tone));
        }
    }
    let ceiling = found.arms[0].exposures.first().map_or(0.0, |one| (one.of as f64).log2());
    chart.bar(Bar::new("the most it could be", ceiling).tone(Tone::Muted))
}

fn times(repeated: u64) -> String {
    if repeated == 1 { "once".to_owned() } else { format!("{repeated} times") }
}

const SECRETS: &str = "How a secret of digits that one node's chats say stands among alternatives that nobody said, for \
    whoever has the last version and knows the sentence around it (Carlini et al. 2019). A secret that the model knows \
    nothing of has more than x bits with probability 2^−x.";

fn facts(found: &Empirical) -> Vec<Fact> {
    let run = &found.arms[0];
    let tone = match found.verdict {
        Verdict::Consistent => Tone::Good,
        Verdict::Refuted => Tone::Bad,
        Verdict::CannotRefute | Verdict::NothingClaimed => Tone::Warning,
    };
    let claim = found.claim.map_or_else(|| "–".to_owned(), |claim| format!("{claim:.2}"));
    let mut facts = vec![
        Fact::new("Claim: ε at most", claim).note(format!("at δ = {:e}", found.delta)),
        Fact::new("Seen: ε at least", format!("{:.2}", run.bound))
            .note(format!("with {} % confidence", 100.0 * found.confidence))
            .tone(tone),
        Fact::new("Ceiling", format!("{:.2}", run.ceiling)).note("the most this run could show"),
    ];
    if let Some(control) = found.arms.get(1) {
        let note = "the same attack, control";
        facts.push(Fact::new("Without noise", format!("{:.2}", control.bound)).note(note));
    }
    facts
}

fn bars(found: &Empirical) -> BarChart {
    let claim = found.claim.map(|claim| Bar::new("claimed, at most", claim).tone(Tone::Muted));
    let arm = |arm: &ArmReport| {
        let above = found.claim.is_some_and(|claim| arm.bound > claim);
        let tone = match (arm.arm, above) {
            (ArmName::Run, true) => Tone::Bad,
            (ArmName::Run, false) => Tone::Good,
            (ArmName::WithoutNoise, _) => Tone::Plain,
        };
        Bar::new(format!("{}, at least", name(arm)), arm.bound).tone(tone)
    };
    let ceiling = Bar::new("ceiling of the run", found.arms[0].ceiling).tone(Tone::Muted);
    let bars = claim.into_iter().chain(found.arms.iter().map(arm)).chain([ceiling]);
    bars.fold(BarChart::new("ε, in one run").unit("ε"), BarChart::bar)
}

/// How many canaries have which score, those that were in and those that were out apart.
fn scores(name: &str, scores: &[f64], included: &[bool]) -> LineChart {
    let chart = LineChart::new(format!("Scores: {name}"))
        .x(Axis::new("score"))
        .y(Axis::new("canaries").from_zero());
    let low = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let high = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let width = ((high - low) / BINS as f64).max(f64::MIN_POSITIVE);
    let series = |label: &str, wanted: bool| {
        let mut counts = [0_u32; BINS];
        for (&score, _) in scores.iter().zip(included).filter(|&(_, &is)| is == wanted) {
            counts[(((score - low) / width) as usize).min(BINS - 1)] += 1;
        }
        let middle = |bin: usize| low + (bin as f64 + 0.5) * width;
        Series::new(
            label,
            counts.iter().enumerate().map(|(bin, &count)| (middle(bin), f64::from(count))),
        )
    };
    chart.series(series("in", true)).series(series("out", false))
}

const BINS: usize = 30;

fn parse_claim(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(claim) if claim > 0.0 && claim.is_finite() => Ok(claim),
        _ => Err(format!("{text} is not a positive number, such as 2")),
    }
}
