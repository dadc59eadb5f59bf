//! What can go wrong when text is compressed and checked.

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when text is compressed and checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range.
    #[error("{name} is {found}, expected {expected}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// Fewer positions than the text takes at the highest ratio.
    #[error(
        "a budget of {budget} positions, but this text takes {least} at the model's highest ratio"
    )]
    Budget {
        /// Positions allowed.
        budget: u64,
        /// Positions that are needed.
        least: u64,
    },
    /// Encoder and decoder of different models.
    #[error("the encoder and the decoder belong to different models")]
    DifferentModels,
    /// The sink broke off.
    #[error("compression was cancelled")]
    Cancelled,
    /// Latents that don't fit together.
    #[error(transparent)]
    Core(#[from] c3_core::Error),
    /// The encoder failed, or the text can't be read.
    #[error(transparent)]
    Encoder(#[from] c3_encoder::Error),
    /// The decoder failed.
    #[error(transparent)]
    Decoder(#[from] c3_decoder::Error),
    /// The tokenizer failed.
    #[error(transparent)]
    Nn(#[from] c3_nn::Error),
    /// The tensor engine failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
