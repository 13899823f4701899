//! `murmur-audit epsilon`: the calculator.

use std::collections::BTreeMap;

use privacy::MEANINGFUL_EPSILON;
use privacy::accounting::{Accountant, Claim, Participation};
use privacy::words::times;
use program::human::wrapped;
use program::{Exit, Output, Paint, paint};
use report::{Axis, Cell, Column, LineChart, Page, Series, Table};
use serde_json::{Value, json};

use crate::{files, present};

/// The ε of Gaussian noise over many rounds, or the noise for an ε
///
/// The mechanism is the one that every federated-learning system has: in each of --rounds rounds a sum, to which one
/// person adds a vector of norm at most 1 (the clip), gets Gaussian noise of standard deviation --noise (in clips: the
/// noise multiplier z). With --sampling-rate q, each person takes part in a round with probability q, by coins that the
/// adversary never sees; the amplification by that is claimed only where the accountant can and you say so.
///
/// Give --noise for ε, or --epsilon for the least noise that reaches it. What each number assumes and what it leaves out
/// is printed with it. For what a plan or a ledger of this swarm costs, see `budget`: there nothing is typed in.
#[derive(clap::Args)]
#[command(
    group = clap::ArgGroup::new("given").required(true).args(["noise", "epsilon"]),
    after_help = "Examples:
  murmur-audit epsilon --noise 2.3 --rounds 77 --sampling-rate 0.03 --delta 1e-7
  murmur-audit epsilon --epsilon 8 --rounds 10 --delta 1e-6 --accountant all --json"
)]
pub struct Options {
    /// Standard deviation of the noise in the sum, in clips
    #[arg(long, value_name = "Z", value_parser = parse_positive)]
    noise: Option<f64>,
    /// The ε to reach: prints the least noise for it
    #[arg(long, value_name = "EPSILON", value_parser = parse_positive)]
    epsilon: Option<f64>,
    /// Rounds of the whole mechanism
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    rounds: u64,
    /// The probability with which a person takes part in a round
    #[arg(long, value_name = "Q", default_value_t = 1.0, value_parser = parse_rate)]
    sampling_rate: f64,
    /// δ: less than 1 over the number of people
    #[arg(long, value_parser = files::parse_delta)]
    delta: f64,
    /// One accountant by name, `all` of them, or `best`: the one with the least ε
    #[arg(long, value_name = "NAME", default_value = "best", value_parser = parse_choice)]
    accountant: Choice,
    #[command(flatten)]
    html: present::Html,
}

/// Which accountants are asked.
#[derive(Clone, Copy)]
enum Choice {
    One(Accountant),
    Best,
    All,
}

/// Runs the command.
///
/// # Errors
/// If an accountant cannot answer for these numbers.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Exit> {
    let participation =
        Participation { rounds: options.rounds, sampling_rate: options.sampling_rate };
    let claims = match options.accountant {
        Choice::One(accountant) => vec![claim(accountant, options, participation)?],
        Choice::All | Choice::Best => all(options, participation)?,
    };
    let best = best(&claims, options.noise.is_some());
    let shown = match options.accountant {
        Choice::Best => std::slice::from_ref(&claims[best]),
        Choice::One(_) | Choice::All => &claims[..],
    };
    let answer = match options.accountant {
        Choice::All => json_of_all(shown, options),
        Choice::One(_) | Choice::Best => json_of_one(&shown[0]),
    };
    options.html.write(|| page(shown, participation))?;
    output.answer(&answer, |_| text(shown))?;
    Ok(Exit::Success)
}

fn claim(
    accountant: Accountant,
    options: &Options,
    participation: Participation,
) -> anyhow::Result<Claim> {
    Ok(match (options.noise, options.epsilon) {
        (Some(noise), _) => accountant.epsilon(noise, participation, options.delta)?,
        (None, epsilon) => {
            // clap has seen to it that one of the two is there.
            let epsilon = epsilon.unwrap_or(f64::NAN);
            accountant.noise_for(epsilon, participation, options.delta)?
        }
    })
}

fn all(options: &Options, participation: Participation) -> anyhow::Result<Vec<Claim>> {
    Accountant::ALL
        .into_iter()
        .map(|accountant| claim(accountant, options, participation))
        .collect()
}

/// The least ε for given noise, the least noise for a given ε; the earlier one of two alike.
fn best(claims: &[Claim], given_noise: bool) -> usize {
    let size = |claim: &Claim| if given_noise { claim.epsilon } else { claim.noise };
    let least = claims.iter().enumerate().min_by(|a, b| size(a.1).total_cmp(&size(b.1)));
    least.map_or(0, |(index, _)| index)
}

fn json_of_one(claim: &Claim) -> Value {
    json!({
        "epsilon": claim.epsilon,
        "delta": claim.delta,
        "noise": claim.noise,
        "rounds": claim.participation.rounds,
        "sampling_rate": claim.participation.sampling_rate,
        "accountant": claim.accountant.name(),
        "no_less_than": claim.no_less_than,
        "meaningful": claim.epsilon <= MEANINGFUL_EPSILON,
        "assumed": sentences(&claim.assumed),
        "ignored": sentences(&claim.ignored),
    })
}

/// `epsilon` and `noise` by accountant, and every claim in full.
fn json_of_all(claims: &[Claim], options: &Options) -> Value {
    let by_name = |of: fn(&Claim) -> f64| -> BTreeMap<&str, f64> {
        claims.iter().map(|claim| (claim.accountant.name(), of(claim))).collect()
    };
    json!({
        "epsilon": by_name(|claim| claim.epsilon),
        "noise": by_name(|claim| claim.noise),
        "delta": options.delta,
        "rounds": options.rounds,
        "sampling_rate": options.sampling_rate,
        "claims": claims.iter().map(json_of_one).collect::<Vec<_>>(),
    })
}

fn sentences(all: &[impl ToString]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

fn text(claims: &[Claim]) -> String {
    let least = claims.iter().map(|claim| claim.epsilon).fold(f64::INFINITY, f64::min);
    let colour = if least > MEANINGFUL_EPSILON { Paint::Red } else { Paint::Dim };
    format!(
        "{}\n\nassumed:\n{}\nleft out:\n{}\n{}",
        table(claims).for_terminal(),
        wrapped(&list(&shared(claims, |claim| sentences(&claim.assumed)))),
        wrapped(&list(&shared(claims, |claim| sentences(&claim.ignored)))),
        paint(colour, &meaning(least))
    )
}

/// Every sentence once, with the accountants that it belongs to, where it does not belong to all.
fn shared(claims: &[Claim], of: impl Fn(&Claim) -> Vec<String>) -> Vec<String> {
    let mut all: Vec<(String, Vec<&str>)> = Vec::new();
    for claim in claims {
        for sentence in of(claim) {
            let name = claim.accountant.name();
            match all.iter_mut().find(|(known, _)| *known == sentence) {
                Some((_, names)) => names.push(name),
                None => all.push((sentence, vec![name])),
            }
        }
    }
    let named = |(sentence, names): (String, Vec<&str>)| match names.len() == claims.len() {
        true => sentence,
        false => format!("{}: {sentence}", names.join(", ")),
    };
    all.into_iter().map(named).collect()
}

fn list(sentences: &[String]) -> String {
    sentences.iter().map(|sentence| format!("  - {sentence}\n")).collect()
}

fn meaning(epsilon: f64) -> String {
    if epsilon > MEANINGFUL_EPSILON {
        return format!("This is NO MEANINGFUL GUARANTEE: ε is above {MEANINGFUL_EPSILON}.");
    }
    let factor = times(epsilon.exp());
    format!(
        "An observer's odds about one person can change by a factor of at most {factor} (but for δ)."
    )
}

fn table(claims: &[Claim]) -> Table {
    let columns = [
        Column::text("accountant"),
        Column::number("noise"),
        Column::number("rounds"),
        Column::number("sampling rate"),
        Column::number("δ"),
        Column::number("ε"),
        Column::number("no less than"),
    ];
    claims.iter().fold(Table::new(columns), |table, claim| {
        let epsilon = format!("{:.6}", claim.epsilon);
        let bad = claim.epsilon > MEANINGFUL_EPSILON;
        table.row([
            claim.accountant.name().into(),
            format!("{:.6}", claim.noise).into(),
            claim.participation.rounds.to_string().into(),
            claim.participation.sampling_rate.to_string().into(),
            format!("{:e}", claim.delta).into(),
            if bad { Cell::bad(epsilon) } else { epsilon.into() },
            claim.no_less_than.map_or_else(String::new, |least| format!("{least:.6}")).into(),
        ])
    })
}

fn page(claims: &[Claim], participation: Participation) -> Page {
    let series = claims.iter().map(|claim| {
        let point = |rounds: u64| {
            let so_far = Participation { rounds, ..participation };
            let claim = claim.accountant.epsilon(claim.noise, so_far, claim.delta).ok()?;
            Some((rounds as f64, claim.epsilon))
        };
        let points = steps(participation.rounds).into_iter().filter_map(point);
        Series::new(claim.accountant.name(), points.collect::<Vec<_>>())
    });
    let delta = claims.first().map_or(0.0, |claim| claim.delta);
    let chart = LineChart::new("ε over rounds")
        .x(Axis::new("round"))
        .y(Axis::new("ε").unit(format!("at δ = {delta:e}")).from_zero());
    let chart = series.fold(chart, LineChart::series);
    let least = claims.iter().map(|claim| claim.epsilon).fold(f64::INFINITY, f64::min);
    let mut page = Page::new("What the noise is worth").lead(&meaning(least)).table(table(claims));
    page = page.line_chart(chart);
    let section = |page: Page, title, sentences: Vec<String>| {
        sentences
            .iter()
            .fold(page.section(title), |page, sentence| page.text(&format!("– {sentence}")))
    };
    page = section(page, "Assumed", shared(claims, |claim| sentences(&claim.assumed)));
    section(page, "Left out", shared(claims, |claim| sentences(&claim.ignored)))
}

/// Up to twenty-four rounds, evenly spaced, the last among them.
fn steps(rounds: u64) -> Vec<u64> {
    let count = rounds.min(24);
    (1..=count).map(|step| rounds * step / count).collect()
}

fn parse_positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value.is_finite() => Ok(value),
        _ => Err(format!("{text} is not a positive number")),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match parse_positive(text) {
        Ok(rate) if rate <= 1.0 => Ok(rate),
        _ => Err(format!("{text} is not a probability above 0 and at most 1")),
    }
}

fn parse_choice(name: &str) -> Result<Choice, String> {
    match name {
        "all" => Ok(Choice::All),
        "best" => Ok(Choice::Best),
        name => name.parse().map(Choice::One).map_err(|_| {
            let names: Vec<&str> = Accountant::ALL.iter().map(|known| known.name()).collect();
            format!("{name} is none of {}, all, best", names.join(", "))
        }),
    }
}
