//! The language model: loads a Hugging Face folder, trains adapters, evaluates, generates.
//!
//! It never touches the network, never logs or keeps text, and never hands out a tensor: what goes in and out are
//! texts, tokens and plain `f32` slices. The only crate that names `tch` (libtorch); it names no crate of ours.
//!
//! Used by `murmur-node` (local training, chat, evaluation), `murmur-coordinator` (the gate) and
//! `simulations/learning`.

mod adapter;
mod adapter_files;
mod attention;
mod byte_level;
mod byte_pairs;
mod config;
mod decode;
mod device;
mod error;
mod evaluate;
mod fine_tuning;
mod generate;
mod gradient;
mod group;
mod kernels;
mod loss;
mod memory;
mod model;
mod multiply;
mod muon;
mod optimizer;
mod pretrain;
mod random;
mod safetensors_file;
#[cfg(test)]
mod samples;
mod sampling;
mod stop;
mod template;
mod threads;
mod tokenizer;
mod train;
mod transformer;
mod vector;

pub use adapter::{Adapter, AdapterKind, AdapterSpec};
pub use byte_pairs::train_byte_level_bpe;
pub use config::{Config, Family, Llama3Scaling, Projection, Rope};
pub use device::{Device, DeviceChoice, Precision};
pub use error::ModelError;
pub use evaluate::{Evaluation, EvaluationRecipe, Score};
pub use generate::GenerationRecipe;
pub use group::{
    GroupRecipe, GroupTrainer, Member, Outcome, Spread, TrainingRows, bytes_a_node,
    matmul_operations_a_node, matmul_peak,
};
pub use model::LanguageModel;
pub use optimizer::Optimizer;
pub use pretrain::{Pretraining, PretrainingProgress, PretrainingRecipe};
pub use stop::StopToken;
pub use tokenizer::{ChatTokenizer, Rendered};
pub use train::{LocalLoss, Messages, Resources, TrainingProgress, TrainingRecipe, Update};
