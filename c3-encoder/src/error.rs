//! What can go wrong when text is encoded.

use crate::Bank;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when text is encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model has no bank for this ratio.
    #[error("no query bank compresses {asked}×; this model has: {have}")]
    NoSuchRatio {
        /// The ratio asked for.
        asked: u32,
        /// The ratios there are.
        have: String,
    },
    /// The model has no bank of this size.
    #[error("no query bank has {asked} latent tokens; this model has: {have}")]
    NoSuchLatents {
        /// Latent tokens asked for.
        asked: u32,
        /// The sizes there are.
        have: String,
    },
    /// A bank chosen for another checkpoint.
    #[error("this model has no such query bank: {0:?}")]
    ForeignBank(Bank),
    /// More text than the model reads at once.
    #[error("a segment of {tokens} tokens; this model reads at most {most}")]
    SegmentTooLong {
        /// Tokens of the segment.
        tokens: usize,
        /// The most there may be.
        most: usize,
    },
    /// A batch of no segments.
    #[error("a batch must hold at least 1 segment, found 0")]
    EmptyBatch,
    /// The sink broke off.
    #[error("encoding was cancelled")]
    Cancelled,
    /// Too small a limit for segments.
    #[error("segments of at most {found} tokens; the least limit is {}", crate::MIN_SEGMENT_TOKENS)]
    SegmentTokens {
        /// The limit asked for.
        found: usize,
    },
    /// The text can't be read.
    #[error("can't read the text")]
    Read(#[source] std::io::Error),
    /// The text is not UTF-8.
    #[error("the text is not UTF-8: invalid byte at offset {offset}")]
    InvalidUtf8 {
        /// Of the first invalid byte, from 0.
        offset: u64,
    },
    /// Latents that don't fit together.
    #[error(transparent)]
    Core(#[from] c3_core::Error),
    /// The model failed.
    #[error(transparent)]
    Nn(#[from] c3_nn::Error),
    /// The tensor engine failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
