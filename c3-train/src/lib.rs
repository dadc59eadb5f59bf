#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod config;
mod data;
mod error;
mod evaluate;
mod event;
mod export;
mod forward;
mod init;
mod optimizer;
mod pair;
mod record;
mod sampler;
mod schedule;
mod state;
mod tokenizer;
mod trainer;
mod workers;

pub use config::{
    Config, Continuation, Data, From, Optimizer as OptimizerConfig, Pair, Run, Shape, Stage,
};
pub use data::{Source, Tokens};
pub use error::{Error, Result};
pub use evaluate::Evaluation;
pub use event::{Event, Finished, Part};
pub use export::Dtype;
pub use forward::{Batch, loss};
pub use optimizer::Optimizer;
pub use tokenizer::train_tokenizer;
pub use trainer::Trainer;
