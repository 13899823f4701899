//! Evaluation and generation.

use std::ops::ControlFlow;

use model::{
    AdapterKind, EvaluationRecipe, GenerationRecipe, LanguageModel, Messages, ModelError,
    Projection, StopToken,
};

use crate::adapters::busy;
use crate::support::load;
use crate::training::resources;

fn greedy(maximum_tokens: usize) -> GenerationRecipe {
    GenerationRecipe { temperature: 0.0, top_p: 1.0, maximum_tokens, seed: 0 }
}

fn say(model: &LanguageModel, prompt: &[u32], recipe: &GenerationRecipe) -> Vec<u32> {
    model.generate(None, prompt, recipe, &resources(), &mut |_| ControlFlow::Continue(())).unwrap()
}

/// The most likely token after a text, without a cache.
fn most_likely(model: &LanguageModel, tokens: &[u32], adapter: Option<&model::Adapter>) -> u32 {
    let scores = model.logits(tokens, adapter).unwrap().pop().unwrap();
    (0..scores.len() as u32)
        .max_by(|left, right| scores[*left as usize].total_cmp(&scores[*right as usize]))
        .unwrap()
}

#[test]
fn cached_generation_equals_uncached() {
    for name in ["llama", "llama3-scaling", "qwen2"] {
        let model = load(name);
        let adapter = busy(model.config(), AdapterKind::Lora, &Projection::ALL);
        for adapter in [None, Some(&adapter)] {
            let prompt = [5, 9, 2, 40, 17];
            let said = model
                .generate(adapter, &prompt, &greedy(30), &resources(), &mut |_| {
                    ControlFlow::Continue(())
                })
                .unwrap();
            let mut tokens = prompt.to_vec();
            for &token in &said {
                assert_eq!(most_likely(&model, &tokens, adapter), token, "{name} after {tokens:?}");
                tokens.push(token);
            }
            if said.len() < 30 {
                assert!(
                    model.end_tokens().contains(&most_likely(&model, &tokens, adapter)),
                    "{name} ended early"
                );
            }
        }
    }
}

#[test]
fn generation_obeys_its_limits() {
    let model = load("llama");
    let prompt = [5, 9, 2];
    let long = say(&model, &prompt, &GenerationRecipe { temperature: 5.0, ..greedy(1000) });
    assert!(long.len() <= 64 - 3, "past the last position");
    assert!(long.iter().all(|token| !model.end_tokens().contains(token)));
    assert!(say(&model, &prompt, &greedy(0)).is_empty());
    let warm = GenerationRecipe { temperature: 1.0, top_p: 0.9, maximum_tokens: 20, seed: 4 };
    assert_eq!(say(&model, &prompt, &warm), say(&model, &prompt, &warm));
    let others: Vec<Vec<u32>> = (5..10)
        .map(|seed| say(&model, &prompt, &GenerationRecipe { seed, ..warm.clone() }))
        .collect();
    assert!(
        others.iter().any(|other| *other != say(&model, &prompt, &warm)),
        "the seed has no effect"
    );
    let mut heard = 0;
    let cut = model.generate(
        None,
        &prompt,
        &GenerationRecipe { temperature: 5.0, ..warm.clone() },
        &resources(),
        &mut |_| {
            heard += 1;
            if heard == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
    assert!(cut.unwrap().len() <= 2);
    let stopped = model::Resources { threads: 1, stop: StopToken::new() };
    stopped.stop.stop();
    let warm_start = GenerationRecipe { temperature: 5.0, ..warm };
    let said =
        model.generate(None, &prompt, &warm_start, &stopped, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(said, Err(ModelError::Stopped)));
}

#[test]
fn generation_refuses_what_it_cannot_do() {
    let model = load("llama");
    let refused = |prompt: &[u32], recipe: GenerationRecipe| {
        model
            .generate(None, prompt, &recipe, &resources(), &mut |_| ControlFlow::Continue(()))
            .unwrap_err()
    };
    assert!(matches!(refused(&[48], greedy(1)), ModelError::Token { token: 48, .. }));
    assert!(matches!(refused(&[], greedy(1)), ModelError::Recipe { key: "prompt", .. }));
    assert!(matches!(refused(&[1; 65], greedy(1)), ModelError::TooLong { .. }));
    let cold = GenerationRecipe { temperature: -1.0, ..greedy(1) };
    assert!(matches!(refused(&[1], cold), ModelError::Recipe { key: "temperature", .. }));
    let none = GenerationRecipe { top_p: 0.0, ..greedy(1) };
    assert!(matches!(refused(&[1], none), ModelError::Recipe { key: "top_p", .. }));
}

fn conversations() -> Vec<Messages<'static>> {
    vec![
        vec![("user", "w2 w3 w4"), ("partner", "w5 w6 w7 w8 w9 w10 w11"), ("user", "w12")],
        vec![("partner", "w20 w21")],
        vec![("user", "w30 w31 w32 w33 w34 w35 w36 w37 w38 w39 w40")],
        vec![],
    ]
}

#[test]
fn evaluation_counts_like_logits_by_hand() {
    let model = load("llama");
    let recipe = EvaluationRecipe { sequence_length: 64, batch: 3, roles: vec!["user".to_owned()] };
    let evaluations = model.evaluate(None, &conversations(), &recipe, &resources()).unwrap();
    assert_eq!(evaluations.len(), 4);
    for (messages, evaluation) in conversations().iter().zip(&evaluations) {
        let rendered = model.tokenizer().render(messages).unwrap();
        let mask = rendered.mask(messages, &["user"]);
        let (mut whole, mut user, mut hits, mut spoken) = (0.0, 0.0, 0, 0);
        if !rendered.tokens.is_empty() {
            let scores = model.logits(&rendered.tokens, None).unwrap();
            for place in 1..rendered.tokens.len() {
                let (scores, target) = (&scores[place - 1], rendered.tokens[place] as usize);
                let sum: f64 = scores.iter().map(|&score| f64::from(score).exp()).sum();
                let loss = sum.ln() - f64::from(scores[target]);
                whole += loss;
                hits += u64::from(scores.iter().all(|score| *score <= scores[target]));
                if mask[place] {
                    user += loss;
                    spoken += 1;
                }
            }
        }
        assert_eq!(evaluation.whole.tokens, rendered.tokens.len().saturating_sub(1) as u64);
        assert_eq!((evaluation.whole.hits, evaluation.roles.tokens), (hits, spoken));
        assert!(
            (evaluation.whole.total_loss - whole).abs() < 1e-3,
            "{whole} {:?}",
            evaluation.whole
        );
        assert!((evaluation.roles.total_loss - user).abs() < 1e-3, "{user} {:?}", evaluation.roles);
    }
    assert_eq!(evaluations[3].whole.loss(), None);
    let perplexity = evaluations[0].whole.perplexity().unwrap();
    assert!((perplexity.ln() - evaluations[0].whole.loss().unwrap()).abs() < 1e-9);
}

#[test]
fn evaluation_does_not_depend_on_the_batch_and_cuts_what_is_long() {
    let model = load("qwen2");
    let evaluate = |sequence_length, batch| {
        let recipe = EvaluationRecipe { sequence_length, batch, roles: vec!["user".to_owned()] };
        model.evaluate(None, &conversations(), &recipe, &resources()).unwrap()
    };
    let (one, all) = (evaluate(64, 1), evaluate(64, 10));
    for (left, right) in one.iter().zip(&all) {
        assert_eq!(left.whole.tokens, right.whole.tokens);
        assert!((left.whole.total_loss - right.whole.total_loss).abs() < 1e-3);
    }
    for (left, right) in one.iter().zip(&evaluate(4, 3)) {
        assert_eq!(
            (left.whole.tokens, left.roles.tokens),
            (right.whole.tokens, right.roles.tokens)
        );
    }
    let long = EvaluationRecipe { sequence_length: 65, batch: 1, roles: vec![] };
    assert!(matches!(
        model.evaluate(None, &conversations(), &long, &resources()),
        Err(ModelError::TooLong { .. })
    ));
}
