//! The model card: sources, filters, hashes, licences, recipe and figures of a base model.

use std::fmt::Write as _;

use model::PretrainingRecipe;

use crate::{corpus::Corpus, pretrain::Report};

/// The card as Markdown with the front matter that model hubs read.
pub(crate) fn render(report: &Report, recipe: &PretrainingRecipe, corpus: &Corpus) -> String {
    let mut card = String::new();
    // Unwrap safety: writing to a String cannot fail.
    write_all(&mut card, report, recipe, corpus).expect("writing to a String");
    card
}

fn write_all(
    card: &mut String,
    report: &Report,
    recipe: &PretrainingRecipe,
    corpus: &Corpus,
) -> std::fmt::Result {
    let last = report.curve.last().map_or(f64::NAN, |&(_, loss)| loss);
    writeln!(
        card,
        "---\nlicense: other\nlicense_name: apache-2.0-or-mit-with-attribution\nlanguage: en\n---\n"
    )?;
    writeln!(card, "# seedling\n")?;
    writeln!(
        card,
        "A base model of {:.2} million parameters in the Llama layout, small enough to live in the \
repository and to be fine-tuned by eight processes on a laptop. It knows how English chats look and \
little else: it is the ground that swarms of the demo and the tests grow from, not an assistant.\n",
        report.parameters as f64 / 1e6
    )?;
    write_sources(card, report, corpus)?;
    write_recipe(card, report, recipe)?;
    write_before(card, report)?;
    writeln!(card, "## Held-out loss\n")?;
    writeln!(
        card,
        "Nats a token on {} held-out tokens (of the shuffled test splits of the same sources):\n",
        report.held_out_tokens
    )?;
    writeln!(card, "| model | loss | perplexity |\n|---|---:|---:|")?;
    for (name, loss) in [
        ("unigram counts (one added)", report.unigram_loss),
        ("trigram counts (absolute discounting 0.75, interpolated)", report.trigram_loss),
        ("seedling", last),
    ] {
        writeln!(card, "| {name} | {loss:.4} | {:.1} |", loss.exp())?;
    }
    if last >= report.trigram_loss {
        writeln!(
            card,
            "\nIt was trained too shortly to do better than counting three tokens in a row."
        )?;
    }
    writeln!(card, "\n## Loss curve\n\n| step | held-out loss |\n|---:|---:|")?;
    for (step, loss) in &report.curve {
        writeln!(card, "| {step} | {loss:.4} |")?;
    }
    writeln!(
        card,
        "\n## Limits\n\nIt repeats itself, invents facts, and has seen abuse and old-fashioned views in its \
sources. Do not use it to inform anybody about anything."
    )
}

/// The paragraphs under the heading of the recipe in a card written by [`render`].
pub(crate) fn recipe_of(card: &str) -> Option<&str> {
    let (_, after) = card.split_once(RECIPE)?;
    after.split("\n## ").next().map(str::trim)
}

const RECIPE: &str = "## Recipe\n";

fn write_before(card: &mut String, report: &Report) -> std::fmt::Result {
    let Some(before) = &report.before else { return Ok(()) };
    let name: String = before.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(
        card,
        "This run went on from the model `{name}` (held-out loss {:.4}), with its tokenizer.",
        before.loss
    )?;
    if let Some(recipe) = &before.recipe {
        writeln!(card, "That one was made so:\n\n{recipe}")?;
    }
    writeln!(card)
}

fn write_sources(card: &mut String, report: &Report, corpus: &Corpus) -> std::fmt::Result {
    writeln!(card, "## Sources, licences, attribution\n")?;
    writeln!(
        card,
        "| source | licence | training documents | training tokens |\n|---|---|---:|---:|"
    )?;
    for (source, (tokens, documents)) in &report.sources {
        writeln!(card, "| {} | {} | {documents} | {tokens} |", source.name(), source.license())?;
    }
    writeln!(
        card,
        "\nAttribution: OpenAssistant Conversations (Köpf et al. 2023, LAION and contributors); \
XPersona (Lin et al. 2021; persona chats of Zhang et al. 2018); Ubuntu IRC logs (the Ubuntu \
community, CC BY 4.0; e-mails and addresses masked); Project Gutenberg.\n"
    )?;
    writeln!(
        card,
        "Filters: training splits only; English only; of IRC only users whose BLAKE3(user id), read as \
one number, is even (the others stay private for measurement). {} conversations of the files were left \
out. BLAKE3 of the files (decompressed JSON lines):\n",
        corpus.left_out
    )?;
    for (name, hash) in &corpus.hashes {
        writeln!(card, "- `{name}` `{hash}`")?;
    }
    writeln!(card)
}

fn write_recipe(
    card: &mut String,
    report: &Report,
    recipe: &PretrainingRecipe,
) -> std::fmt::Result {
    writeln!(card, "{RECIPE}")?;
    writeln!(
        card,
        "`murmur-simulate pretrain <jsonl…>`: byte-level BPE of 4,096 tokens trained on the same texts; {} \
optimiser steps of {} × {} tokens ({:.1} passes over {} tokens) of Muon on the blocks' matrices (step size {}) and AdamW on the rest (step size {}, β₂ {}, gradients \
clipped to {}); {} steps of warm-up, half a cosine down to {} of it, weight decay {}; fp32, seed {}, {} threads, {:.0} minutes on a CPU. Weights are stored in bf16.\n",
        recipe.steps,
        recipe.batch,
        recipe.sequence_length,
        (recipe.steps * recipe.batch * recipe.sequence_length) as f64
            / report.training_tokens as f64,
        report.training_tokens,
        recipe.matrix_learning_rate,
        recipe.learning_rate,
        recipe.beta2,
        recipe.max_gradient_norm,
        recipe.warm_up_steps,
        recipe.final_share,
        recipe.weight_decay,
        recipe.seed,
        recipe.threads,
        report.seconds / 60.0
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_recipe_of_a_card_is_found_again() {
        let card = format!("# seedling\n\n{}\nso and so\n\nand before\n\n## Loss\n", super::RECIPE);
        assert_eq!(super::recipe_of(&card), Some("so and so\n\nand before"));
        assert_eq!(super::recipe_of("# another card\n"), None);
    }
}
