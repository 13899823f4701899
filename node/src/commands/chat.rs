//! `murmur-node chat`: talk to the assistant, on this device alone.

use std::{
    io::{BufRead as _, Write as _},
    ops::ControlFlow,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use chatlogs::{Conversation, Format, Message, Role};
use model::{Adapter, Device, GenerationRecipe, LanguageModel, Resources, StopToken};
use program::{Exit, Output, Paint, note, paint};

use crate::{home::Home, language};

/// Talk to the assistant. Nothing leaves this device, and nothing of it is trained on unless
/// `--train` says so.
#[derive(clap::Args)]
pub struct Options {
    /// Say one thing and print the answer, instead of a conversation
    #[arg(long, value_name = "TEXT")]
    say: Option<String>,
    /// Keep this conversation for training
    #[arg(long)]
    train: bool,
    /// 0 always takes the most likely word
    #[arg(long, default_value_t = 0.8)]
    temperature: f64,
    /// Draw from the likeliest words that together have this probability
    #[arg(long, default_value_t = 0.9)]
    top_p: f64,
    /// Most tokens of an answer
    #[arg(long, default_value_t = 120)]
    tokens: usize,
    /// Decides what is drawn
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// If the model cannot be loaded.
pub fn run(folder: &Path, options: Options, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let model = LanguageModel::load(&home.config.model.folder, Device::Cpu)?;
    let adapter = newest_adapter(&home, &model)?;
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
        converse(&mut talk)?;
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
            maximum_tokens: self.options.tokens,
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
        let room = self.model.config().maximum_positions.saturating_sub(self.options.tokens);
        let turns: Vec<(&str, &str)> =
            self.said.iter().map(|message| (message.role.name(), message.text.as_str())).collect();
        for start in 0..turns.len() {
            let prompt = self.model.tokenizer().prompt(&turns[start..])?;
            if prompt.len() <= room {
                return Ok(prompt);
            }
        }
        anyhow::bail!("that is too long for this model: say it in fewer words")
    }
}

fn converse(talk: &mut Talk<'_>) -> anyhow::Result<()> {
    let mut lines = std::io::stdin().lock().lines();
    loop {
        eprint!("{} ", paint(Paint::Bold, "you>"));
        let Some(line) = lines.next().transpose()? else { return Ok(()) };
        if line.trim().is_empty() {
            return Ok(());
        }
        let mut out = std::io::stdout();
        talk.answer(line.trim(), &mut |piece| {
            let _ = write!(out, "{piece}").and_then(|()| out.flush());
        })?;
        println!();
    }
}

/// The adapter of the newest verified version, if the node has joined a swarm and has one.
pub fn newest_adapter(home: &Home, model: &LanguageModel) -> anyhow::Result<Option<Adapter>> {
    let Ok(task) = home.task() else { return Ok(None) };
    let (_, saved) = task.files()?;
    let genesis = &task.joined.genesis;
    saved.state.map(|state| language::adapter(model, genesis, state.parameters())).transpose()
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
