//! What a group costs: memory before anything runs, and the arithmetic that a machine's limit is compared with.

use super::GroupRecipe;
use crate::adapter::AdapterSpec;
use crate::config::{Config, Projection};
use crate::optimizer::Optimizer;

/// Bytes that one more node in a group takes while it is trained: kept activations, gradients on their way, its
/// parameters with what the optimiser remembers. An estimate from above.
pub fn bytes_a_node(config: &Config, spec: &AdapterSpec, recipe: &GroupRecipe) -> u64 {
    let training = &recipe.training;
    let tokens = (training.batch * training.sequence_length) as u64;
    let (hidden, inner) = (config.hidden as u64, config.intermediate as u64);
    let attention = (config.heads * config.head_dimension) as u64;
    // Kept by every block: two residual states with their normalised twins; q, k, v and mixed values; gate, up and
    // their product. On the way back at once: as much as two blocks.
    let block = 4 * hidden + 5 * attention + 3 * inner + 4;
    let activations = tokens * block * (config.layers as u64 + 2);
    let scores = tokens * config.vocabulary as u64;
    let scores = 3 * scores.min(crate::loss::CHUNK_SCORES as u64);
    let memories = match training.optimizer {
        Optimizer::Sgd { momentum, .. } => u64::from(momentum > 0.0),
        Optimizer::AdamW { .. } => 5,
    };
    let parameters = spec.parameter_count(config) as u64 * (5 + memories);
    let merged = Projection::ALL.map(|projection| {
        let (outputs, inputs) = config.projection_shape(projection);
        2 * (outputs * inputs) as u64
    });
    4 * (activations + scores + parameters + merged.into_iter().max().unwrap_or(0))
}

/// Floating-point operations that one node's steps take in matrix multiplications with the frozen weights, the output
/// layer and attention: a multiplication and an addition count as two. The low-rank pairs are left out.
pub fn matmul_operations_a_node(config: &Config, recipe: &GroupRecipe) -> f64 {
    let training = &recipe.training;
    let rows = (training.steps * training.batch) as f64;
    let length = training.sequence_length as f64;
    let sizes = Projection::ALL.map(|projection| {
        let (outputs, inputs) = config.projection_shape(projection);
        (outputs * inputs) as f64
    });
    let block: f64 = sizes.iter().sum();
    let queries_keys_values: f64 = sizes[..3].iter().sum();
    let layers = config.layers as f64;
    let head = (config.vocabulary * config.hidden) as f64;
    // Forth and back through each weight; the lowest block's q, k and v need no way back.
    let weights = 4.0 * (layers * block + head) - 2.0 * queries_keys_values;
    // Two multiplications forth and five back (one recomputes the scores), of which causality halves the work.
    let scores = 7.0 * layers * length * (config.heads * config.head_dimension) as f64;
    rows * length * (weights + scores)
}
