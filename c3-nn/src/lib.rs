#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod c3_config;
mod checkpoint;
mod config;
mod error;
mod files;
mod gguf;
mod kv_cache;
mod matrix;
mod memory;
mod options;
mod pack;
mod parameters;
mod positions;
mod prompt;
mod qwen2;
mod read;
mod rope;
mod stacked;
mod stored;
mod tokenizer;
mod weights;

pub use c3_config::{C3Config, Prompt, QueryPositions};
pub use c3_kernels::{Activations, BlockType, Lead, Unit, arg_max, leads};
pub use checkpoint::Checkpoint;
pub use config::{Qwen2Config, RopeFrequencies};
pub use error::{Error, Result};
pub use kv_cache::KvCache;
pub use matrix::{Matrix, Rounding};
pub use options::{LoadOptions, WeightDtype};
pub use parameters::Parameters;
pub use prompt::PromptIds;
pub use qwen2::{Qwen2, padded};
pub use tokenizer::{TextStream, Tokenizer};
pub use weights::Weights;
