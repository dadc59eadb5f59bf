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
    /// A special token that the prompt needs is not in the tokenizer.
    #[error("the tokenizer has no special token {token:?}; a C3 model needs {needed}")]
    MissingSpecialToken {
        /// The missing one.
        token: String,
        /// All that are needed.
        needed: String,
    },
    /// The tensor engine failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
