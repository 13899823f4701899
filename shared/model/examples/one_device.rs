//! What one device does most, timed: generation and fine-tuning of a 135-million-parameter Llama. Each call does one
//! thing in a process of its own and prints one line of JSON, so that another program's figures can stand beside it
//! (`simulations/peers/one_device.sh`).
//!
//! ```text
//! one_device model FOLDER                             random weights of SmolLM-135M's shape, f32
//! one_device generate FOLDER float32|bfloat16 THREADS greedy, 32 tokens read, 128 said
//! one_device train FOLDER float32|bfloat16 THREADS    LoRA of rank 8 on q and v, AdamW, 4 × 256 tokens a step
//! one_device limits THREADS                           what the machine can do: f32 products, reading of memory
//! ```
//! One more word names the device: `cpu` (where nothing is said), `cuda`, `cuda:1`.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use model::{
    Adapter, AdapterKind, AdapterSpec, Config, Device, DeviceChoice, GenerationRecipe,
    LanguageModel, Optimizer, Precision, Pretraining, PretrainingRecipe, Projection, Resources,
    StopToken, TrainingRecipe, train_byte_level_bpe,
};
use serde_json::{Value, json};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    let named = words.last().and_then(|word| word.parse::<DeviceChoice>().ok());
    let device = named.map_or(Device::Cpu, DeviceChoice::device);
    if named.is_some() {
        words.pop();
    }
    let load = |folder: &str, precision: &str| {
        LanguageModel::load_in(Path::new(folder), device, precision_of(precision)?)
            .map_err(anyhow::Error::from)
    };
    let found = match words[..] {
        ["model", folder] => make(Path::new(folder))?,
        ["generate", folder, precision, threads] => {
            generate(&load(folder, precision)?, threads.parse().context("THREADS is a number")?)?
        }
        ["train", folder, precision, threads] => train(
            &load(folder, precision)?,
            precision_of(precision)?,
            threads.parse().context("THREADS is a number")?,
        )?,
        ["limits", threads] => limits(device, threads.parse().context("THREADS is a number")?)?,
        _ => bail!(
            "say: limits THREADS, model FOLDER, generate FOLDER PRECISION THREADS or train FOLDER PRECISION THREADS"
        ),
    };
    println!("{found}");
    Ok(())
}

fn make(folder: &Path) -> Result<Value> {
    let shape = json!({
        "model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536,
        "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 2048,
        "tie_word_embeddings": true,
    });
    let config = Config::from_json(shape.to_string().as_bytes(), Path::new("config.json"))?;
    let recipe = PretrainingRecipe {
        steps: 1,
        batch: 1,
        sequence_length: 256,
        learning_rate: 1e-3,
        matrix_learning_rate: 0.02,
        warm_up_steps: 1,
        final_share: 0.1,
        weight_decay: 0.1,
        beta2: 0.95,
        max_gradient_norm: 1.0,
        seed: 1,
        measure_every: 1,
        threads: 1,
    };
    let tokenizer = train_byte_level_bpe(["a b c"].iter(), 260, &["<|end|>"])?;
    let model = Pretraining::new(&config, recipe, Device::Cpu)?;
    model.save(folder, Precision::F32, &tokenizer, &json!({}))?;
    Ok(json!({ "folder": folder, "parameters": config.parameter_count() }))
}

fn generate(model: &LanguageModel, threads: usize) -> Result<Value> {
    let prompt: Vec<u32> = (0..PROMPT).map(|index| index * 37 % 250).collect();
    let resources = Resources { threads, stop: StopToken::new() };
    let say = |maximum_tokens| {
        let recipe = GenerationRecipe { temperature: 0.0, top_p: 1.0, maximum_tokens, seed: 0 };
        let began = Instant::now();
        let said = model
            .generate(None, &prompt, &recipe, &resources, &mut |_| ControlFlow::Continue(()))?;
        anyhow::ensure!(said.len() == maximum_tokens, "an end token was said");
        Ok((began.elapsed().as_secs_f64(), said))
    };
    say(8)?;
    let first = say(1)?.0;
    let whole = (0..REPETITIONS).map(|_| say(SAID)).collect::<Result<Vec<_>>>()?;
    let seconds = median(whole.iter().map(|(seconds, _)| *seconds).collect());
    Ok(json!({
        "tokens_per_second": SAID as f64 / seconds,
        "first_token_seconds": first,
        "peak_mib": peak_mib()?,
        "threads": threads,
        "said": whole[0].1[..16],
    }))
}

fn train(model: &LanguageModel, precision: Precision, threads: usize) -> Result<Value> {
    let targets = vec![Projection::Query, Projection::Value];
    let spec =
        AdapterSpec { kind: AdapterKind::Lora, rank: 8, alpha: 16.0, targets, seed: [1; 32] };
    let adapter = Adapter::initial(model.config(), &spec)?;
    let text: String =
        (0..8000u32).map(|index| char::from(b'a' + (index * index % 23) as u8)).collect();
    let conversations = vec![vec![("user", text.as_str())]];
    let recipe = TrainingRecipe {
        steps: REPETITIONS + 1,
        batch: ROWS,
        sequence_length: LENGTH,
        optimizer: Optimizer::adamw(1e-3),
        precision,
        roles: vec!["user".to_owned()],
        seed: 1,
        max_gradient_norm: None,
    };
    let resources = Resources { threads, stop: StopToken::new() };
    let mut ends = Vec::new();
    let (_, loss) = model
        .train(&adapter, &conversations, &recipe, &resources, &mut |_| ends.push(Instant::now()))?;
    // The first step warms up.
    let steps = ends.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64());
    Ok(json!({
        "tokens_per_second": (ROWS * LENGTH) as f64 / median(steps.collect()),
        "peak_mib": peak_mib()?,
        "threads": threads,
        "losses": [loss.first, loss.last],
    }))
}

fn limits(device: Device, threads: usize) -> Result<Value> {
    let rates = (0..REPETITIONS).map(|_| model::matmul_peak(device, threads));
    let rates = rates.collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "threads": threads,
        "gflops_per_second": rates.into_iter().fold(0.0, f64::max) / 1e9,
        "gigabytes_per_second": reading(threads) / 1e9,
    }))
}

/// Bytes a second that `threads` threads together read from memory: the best of several walks through 1 GiB.
fn reading(threads: usize) -> f64 {
    let numbers: Vec<u64> = (0..1 << 27).collect();
    let share = numbers.len().div_ceil(threads.max(1));
    let walk = || {
        let began = Instant::now();
        std::thread::scope(|scope| {
            for part in numbers.chunks(share) {
                scope.spawn(move || {
                    let sum = part.iter().fold(0u64, |sum, number| sum.wrapping_add(*number));
                    std::hint::black_box(sum);
                });
            }
        });
        (8 * numbers.len()) as f64 / began.elapsed().as_secs_f64()
    };
    (0..2 * REPETITIONS).map(|_| walk()).fold(0.0, f64::max)
}

fn precision_of(precision: &str) -> Result<Precision> {
    match precision {
        "float32" => Ok(Precision::F32),
        "bfloat16" => Ok(Precision::Bf16),
        other => bail!("{other}: say float32 or bfloat16"),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The most memory that this process has held (Linux: VmHWM).
fn peak_mib() -> Result<Option<f64>> {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return Ok(None) };
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("VmHWM in kB")?;
    Ok(Some(kib.trim().parse::<f64>()? / 1024.0))
}

const PROMPT: u32 = 32;
const SAID: usize = 128;
const ROWS: usize = 4;
const LENGTH: usize = 256;
const REPETITIONS: usize = 3;
