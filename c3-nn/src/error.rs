//! What can be wrong with a checkpoint, a tokenizer or a computation.

use std::path::PathBuf;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be wrong with a checkpoint, a tokenizer or a computation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file can't be read.
    #[error("can't read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Neither `tokenizer.json` nor `qwen.tiktoken` can be used.
    #[error("{file}: not a tokenizer that this model can use: {reason}")]
    Tokenizer {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The tokenizer failed on a text.
    #[error("can't tokenise the text: {0}")]
    Encode(String),
    /// A special token that the prompt needs is not in the tokenizer.
    #[error("the tokenizer has no special token {token:?}; a C3 model needs {needed}")]
    MissingSpecialToken {
        /// The missing one.
        token: String,
        /// All that are needed.
        needed: String,
    },
    /// A file that every checkpoint has.
    #[error("{} is missing; a C3 checkpoint has config.json, model*.safetensors, tokenizer.json or qwen.tiktoken, and llm1/ for its encoder", path.display())]
    MissingFile {
        /// The missing file.
        path: PathBuf,
    },
    /// A configuration that can't be.
    #[error("{file}: {reason}")]
    Config {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another kind of model.
    #[error("{file}: model_type is {found:?}, expected {expected:?}")]
    ModelType {
        /// The file.
        file: String,
        /// The only type known there.
        expected: &'static str,
        /// The type it names.
        found: String,
    },
    /// A safetensors file that is truncated or damaged.
    #[error("{file}: truncated or damaged weights ({bytes} bytes)")]
    Weights {
        /// The file.
        file: String,
        /// Its length.
        bytes: usize,
        /// What is wrong with it.
        source: safetensors::SafeTensorError,
    },
    /// A GGUF file that is truncated or damaged.
    #[error("{file}: truncated or damaged GGUF file ({bytes} bytes): {reason}")]
    Gguf {
        /// The file.
        file: String,
        /// Its length.
        bytes: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The index names a shard that is not there.
    #[error("{shard} is missing, but {index} names it")]
    MissingShard {
        /// The index.
        index: String,
        /// The missing shard.
        shard: String,
    },
    /// A tensor that the model needs.
    #[error("tensor {name} is missing from {file}")]
    MissingTensor {
        /// Its name.
        name: String,
        /// Where it was looked for.
        file: String,
    },
    /// A tensor of another shape than the configuration says.
    #[error("tensor {name} in {file}: expected shape {expected:?}, found {found:?}")]
    TensorShape {
        /// Its name.
        name: String,
        /// The file it is in.
        file: String,
        /// The shape that the configuration asks for.
        expected: Vec<usize>,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// A tensor whose numbers are no floats.
    #[error("tensor {name} in {file}: expected dtype F32, F16 or BF16, found {found}")]
    TensorDtype {
        /// Its name.
        name: String,
        /// The file it is in.
        file: String,
        /// The dtype it has.
        found: String,
    },
    /// A name that no number format of weights has.
    #[error("weights can't be kept as {found:?}, expected one of {known}")]
    WeightDtype {
        /// The name given.
        found: String,
        /// The names there are.
        known: String,
    },
    /// Quantised weights for a device that multiplies floats alone.
    #[error(
        "weights of type {kind} are multiplied on the CPU only: choose a float format for this \
         device, such as bf16"
    )]
    QuantizedDevice {
        /// The type asked for, or that the file has.
        kind: c3_kernels::BlockType,
    },
    /// A stage is asked for that the checkpoint doesn't hold.
    #[error("checkpoint {0:?} has no encoder (llm1/): it can only decode")]
    NoEncoder(String),
    /// Logits of a model that was loaded for its hidden states alone.
    #[error("this model was loaded without its head and has no logits")]
    NoHead,
    /// More positions than the cache was made for.
    #[error(
        "the KV cache holds {capacity} positions; {len} are used and {more} more were to be added"
    )]
    CacheFull {
        /// Positions it can hold.
        capacity: usize,
        /// Positions in use.
        len: usize,
        /// Positions to be added.
        more: usize,
    },
    /// Tensors that don't fit together.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// What was given.
        what: &'static str,
        /// What it had to be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The tensor engine failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
