//! Other nodes than people: all training conversations on one heap, dealt out anew.
//!
//! By people as they are is what a swarm meets; these splits show what it is that makes learning from it hard. Hsu et
//! al. 2019 (arXiv:1909.06335) for the one by labels.

use std::collections::BTreeMap;

use chatlogs::Conversation;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::{chance, topics};
use crate::Invalid;
use crate::scenario::{LabelName, SplitName};

/// A conversation with the language of its person.
pub(super) type Spoken = (Conversation, Option<String>);

/// Deals all conversations to as many nodes as the split names; no node is left without.
///
/// # Errors
/// More nodes than conversations; labels that are all the same.
pub(super) fn dealt(
    split: &SplitName,
    heap: Vec<Spoken>,
    seed: u64,
) -> Result<Vec<Vec<Conversation>>, Invalid> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed ^ STREAM);
    let (nodes, alpha) = match *split {
        SplitName::Users => (1, 1.0),
        SplitName::Iid { nodes } => (nodes, 1.0),
        SplitName::Quantity { nodes, alpha } | SplitName::Dirichlet { nodes, alpha, .. } => {
            (nodes, alpha)
        }
    };
    check(nodes, alpha, heap.len())?;
    match *split {
        SplitName::Dirichlet { by, .. } => by_label(heap, nodes, alpha, by, seed, &mut rng),
        SplitName::Quantity { .. } => {
            let sizes = uneven(heap.len(), nodes, alpha, &mut rng);
            Ok(cut(shuffled(heap, &mut rng), &sizes))
        }
        SplitName::Users | SplitName::Iid { .. } => {
            let sizes = even(heap.len(), nodes);
            Ok(cut(shuffled(heap, &mut rng), &sizes))
        }
    }
}

fn check(nodes: usize, alpha: f64, conversations: usize) -> Result<(), Invalid> {
    let wrong = |key, found, expected| Err(Invalid::Number { key, found, expected });
    if nodes == 0 {
        return wrong("data.split's nodes", 0.0, "at least 1");
    }
    if !(alpha > 0.0 && alpha.is_finite()) {
        return wrong("data.split's alpha", alpha, "above 0: 0.1 is very uneven, 100 is even");
    }
    if nodes > conversations {
        return Err(Invalid::Split { nodes, conversations });
    }
    Ok(())
}

fn shuffled(heap: Vec<Spoken>, rng: &mut ChaCha20Rng) -> Vec<Conversation> {
    let mut all: Vec<Conversation> =
        heap.into_iter().map(|(conversation, _)| conversation).collect();
    all.shuffle(rng);
    all
}

/// As equal as can be.
fn even(count: usize, nodes: usize) -> Vec<usize> {
    (0..nodes).map(|node| count / nodes + usize::from(node < count % nodes)).collect()
}

/// One each, and the others by shares of a Dirichlet distribution.
fn uneven(count: usize, nodes: usize, alpha: f64, rng: &mut ChaCha20Rng) -> Vec<usize> {
    let shares = chance::shares(nodes, alpha, rng);
    let mut sizes = vec![1; nodes];
    (nodes..count).for_each(|_| sizes[chance::place(&shares, rng)] += 1);
    sizes
}

fn cut(all: Vec<Conversation>, sizes: &[usize]) -> Vec<Vec<Conversation>> {
    let mut rest = all.into_iter();
    sizes.iter().map(|&size| rest.by_ref().take(size).collect()).collect()
}

/// Each node draws its own shares of the labels, and takes conversations by them until its hand is full; a label that
/// has run out is left out.
fn by_label(
    heap: Vec<Spoken>,
    nodes: usize,
    alpha: f64,
    by: LabelName,
    seed: u64,
    rng: &mut ChaCha20Rng,
) -> Result<Vec<Vec<Conversation>>, Invalid> {
    let sizes = even(heap.len(), nodes);
    let mut piles = piles(heap, by, seed);
    if piles.len() < 2 {
        return Err(Invalid::OneLabel);
    }
    piles.iter_mut().for_each(|pile| pile.shuffle(rng));
    let mut hand = |size: usize| -> Vec<Conversation> {
        let shares = chance::shares(piles.len(), alpha, rng);
        let draw = |_| {
            let open = shares.iter().zip(&piles);
            let open: Vec<f64> =
                open.map(|(share, pile)| if pile.is_empty() { 0.0 } else { *share }).collect();
            let chosen = match open.iter().sum::<f64>() > 0.0 {
                true => chance::place(&open, rng),
                false => any_left(&piles, rng),
            };
            piles[chosen].pop().expect("a pile that is chosen is not empty")
        };
        (0..size).map(draw).collect()
    };
    Ok(sizes.into_iter().map(&mut hand).collect())
}

/// One of the piles that are left, where a node's own shares name none of them.
fn any_left(piles: &[Vec<Conversation>], rng: &mut ChaCha20Rng) -> usize {
    let left: Vec<usize> = (0..piles.len()).filter(|&pile| !piles[pile].is_empty()).collect();
    left[rng.random_range(0..left.len())]
}

fn piles(heap: Vec<Spoken>, by: LabelName, seed: u64) -> Vec<Vec<Conversation>> {
    let mut piles: BTreeMap<String, Vec<Conversation>> = BTreeMap::new();
    match by {
        LabelName::Language => {
            for (conversation, language) in heap {
                piles.entry(language.unwrap_or_default()).or_default().push(conversation);
            }
        }
        LabelName::Topic => {
            let all: Vec<Conversation> =
                heap.into_iter().map(|(conversation, _)| conversation).collect();
            let topics = topics::topics(&all, seed);
            for (conversation, topic) in all.into_iter().zip(topics) {
                piles.entry(topic.to_string()).or_default().push(conversation);
            }
        }
    }
    piles.into_values().collect()
}

const STREAM: u64 = 0x7370_6c69_7400;
