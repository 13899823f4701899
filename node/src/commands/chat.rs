//! `murmur-node chat`: talk to the assistant, on this device alone.

use std::{
    io::{BufRead as _, Write as _},
    ops::ControlFlow,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use chatlogs::{Conversation, Format, Message, Role};
use model::{Adapter, GenerationRecipe, LanguageModel, Resources, StopToken};
use program::{Exit, Output, Paint, UsageError, note, paint};

use crate::{home::Home, language};

/// Talk to the assistant. Nothing leaves this device, and nothing of it is trained on unless
/// `--train` says so. With --json each answer is one JSON object; in a conversation, on one line.
#[derive(clap::Args)]
pub struct Options {
    /// Say one thing and print the answer, instead of a conversation
    #[arg(long, value_name = "TEXT")]
    say: Option<String>,
    /// Keep this conversation for training
    #[arg(long)]
    train: bool,
    /// 0 always takes the most likely word
    #[arg(long, value_name = "T", default_value_t = 0.8, allow_negative_numbers = true, value_parser = temperature)]
    temperature: f64,
    /// Draw from the likeliest words that together have this probability
    #[arg(long, value_name = "P", default_value_t = 0.9, allow_negative_numbers = true, value_parser = part)]
    top_p: f64,
    /// Most tokens of an answer
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    tokens: u32,
    /// Decides what is drawn [default: the clock]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

fn temperature(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "give a number, 0 or more".to_owned())?;
    let good = number.is_finite() && number >= 0.0;
    good.then_some(number).ok_or_else(|| "give a number, 0 or more".into())
}

fn part(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "give a number above 0, at most 1".to_owned())?;
    let good = number > 0.0 && number <= 1.0;
    good.then_some(number).ok_or_else(|| "give a number above 0, at most 1".into())
}

/// Runs the command.
///
/// # Errors
/// If the model cannot be loaded.
pub fn run(folder: &Path, options: Options, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let model = LanguageModel::load(&home.config.model.folder, language::device(&home.config)?)?;
    let positions = model.config().maximum_positions;
    if options.tokens as usize >= positions {
        return Err(UsageError(format!(
            "--tokens {} leaves no room for what you say: this model holds {positions} tokens in all",
            options.tokens
        ))
        .into());
    }
    let (adapter, who) = newest_adapter(&home, &model)?;
    note(format!("This is {who}."));
    let mut talk = Talk {
        model: &model,
        adapter: adapter.as_ref(),
        seed: options.seed.unwrap_or_else(clock),
        threads: home.config.training.threads.max(1),
        options: &options,
        said: Vec::new(),
    };
    if let Some(text) = &options.say {
        let answer = talk.answer(text, &mut |_| {})?;
        output.answer(&serde_json::json!({ "answer": answer }), |_| answer.clone())?;
    } else {
        note("Talk to the assistant; an empty line or Ctrl-D ends.");
        converse(&mut talk, output)?;
    }
    if (options.train || home.config.conversations.train_on_chat) && !talk.said.is_empty() {
        keep(&home, talk.said)?;
        note("This conversation is kept, and may be trained on.");
    }
    Ok(Exit::Success)
}

/// A conversation under way.
struct Talk<'a> {
    model: &'a LanguageModel,
    adapter: Option<&'a Adapter>,
    seed: u64,
    threads: usize,
    options: &'a Options,
    said: Vec<Message>,
}

impl Talk<'_> {
    /// The assistant's answer, told piece by piece while it is made.
    fn answer(
        &mut self,
        text: &str,
        heard: &mut (dyn FnMut(&str) + Send),
    ) -> anyhow::Result<String> {
        self.said.push(Message { role: Role::Me, text: text.to_owned() });
        let recipe = GenerationRecipe {
            temperature: self.options.temperature,
            top_p: self.options.top_p,
            maximum_tokens: self.options.tokens as usize,
            seed: self.seed.wrapping_add(self.said.len() as u64),
        };
        let prompt = self.prompt()?;
        let resources = Resources { threads: self.threads, stop: StopToken::new() };
        let mut answer = String::new();
        self.model.generate(self.adapter, &prompt, &recipe, &resources, &mut |piece| {
            answer.push_str(piece);
            heard(piece);
            ControlFlow::Continue(())
        })?;
        self.said.push(Message { role: Role::Assistant, text: answer.clone() });
        Ok(answer)
    }

    /// As much of the conversation's end as leaves room for an answer.
    fn prompt(&self) -> anyhow::Result<Vec<u32>> {
        let positions = self.model.config().maximum_positions;
        let room = positions.saturating_sub(self.options.tokens as usize);
        let turns: Vec<(&str, &str)> =
            self.said.iter().map(|message| (message.role.name(), message.text.as_str())).collect();
        for start in 0..turns.len() {
            let prompt = self.model.tokenizer().prompt(&turns[start..])?;
            if prompt.len() <= room {
                return Ok(prompt);
            }
        }
        anyhow::bail!(
            "that is too long for this model, which holds {positions} tokens, {} of them kept for its answer: say it in fewer words, or lower --tokens",
            self.options.tokens
        )
    }
}

fn converse(talk: &mut Talk<'_>, output: Output) -> anyhow::Result<()> {
    let mut heard = std::io::stdin().lock();
    loop {
        eprint!("{} ", paint(Paint::Bold, "you>"));
        let mut line = Vec::new();
        if heard.read_until(b'\n', &mut line)? == 0 {
            eprintln!();
            return Ok(());
        }
        let line = String::from_utf8_lossy(&line);
        if line.trim().is_empty() {
            return Ok(());
        }
        if output.is_json() {
            let answer = talk.answer(line.trim(), &mut |_| {})?;
            output.line(&serde_json::json!({ "answer": answer }))?;
            continue;
        }
        let mut out = std::io::stdout();
        talk.answer(line.trim(), &mut |piece| {
            let _ = write!(out, "{piece}").and_then(|()| out.flush());
        })?;
        println!();
    }
}

/// The adapter of the newest verified version, if the node has joined a swarm and has one; and who it is, in words.
///
/// # Errors
/// If the node has joined several swarms, or what it keeps of one is damaged.
fn newest_adapter(home: &Home, model: &LanguageModel) -> anyhow::Result<(Option<Adapter>, String)> {
    if home.tasks()?.is_empty() {
        return Ok((None, "the base model: this node has joined no swarm".into()));
    }
    let task = home.task()?;
    let (chain, state) = task.newest()?;
    let genesis = &task.joined.genesis;
    let Some(state) = state else {
        return Ok((
            None,
            format!("the base model: no version of \"{}\" is here yet", genesis.name),
        ));
    };
    let adapter = language::adapter(model, genesis, state.parameters())?;
    Ok((Some(adapter), format!("version {} of \"{}\"", chain.version(), genesis.name)))
}

fn keep(home: &Home, said: Vec<Message>) -> anyhow::Result<()> {
    let started = i64::try_from(clock() / 1_000_000_000).ok();
    let conversation = Conversation::new(Format::Chat, None, None, said, started);
    match conversation {
        Some(conversation) => {
            device::commands::import::keep(&mut home.conversations()?, &conversation)
        }
        None => Ok(()),
    }
}

fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_drawn_with_is_a_wrong_command_line() {
        assert_eq!(temperature("0"), Ok(0.0));
        for wrong in ["-1", "NaN", "inf", "hot"] {
            assert!(temperature(wrong).is_err(), "{wrong}");
        }
        assert_eq!(part("1"), Ok(1.0));
        for wrong in ["0", "-0.5", "1.1", "NaN", "all"] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }
}
