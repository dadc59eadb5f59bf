//! What can go wrong when latents are decoded.

use c3_core::Fingerprint;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when latents are decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The latents were made by another encoder.
    #[error(
        "these latents were made by {made_by:?} (fingerprint {found}), but this decoder belongs \
         to {decoder:?} (fingerprint {expected})"
    )]
    OtherEncoder {
        /// The model that made them.
        made_by: String,
        /// Its fingerprint.
        found: Fingerprint,
        /// This decoder's model.
        decoder: String,
        /// The fingerprint of its encoder.
        expected: Fingerprint,
    },
    /// Another decoder found out what makes a segment exact.
    #[error(
        "segment {segment} was made exact for a decoder of fingerprint {found}, but this one's is \
         {expected}"
    )]
    OtherDecoder {
        /// Number of the segment, from 0.
        segment: usize,
        /// The fingerprint of the decoder that verified it.
        found: Fingerprint,
        /// This decoder's.
        expected: Fingerprint,
    },
    /// The latents have another width than the projector takes.
    #[error("these latents are {found} wide, the decoder's projector takes {expected}")]
    LatentWidth {
        /// The projector's width.
        expected: usize,
        /// The latents'.
        found: usize,
    },
    /// A segment that was stored as exact does not come back.
    #[error(
        "segment {segment} (bytes {start}..{end}) was stored as exact, but this decoder returns \
         something else for it"
    )]
    BrokenPromise {
        /// Number of the segment, from 0.
        segment: usize,
        /// Where its source starts, in bytes.
        start: u64,
        /// One past its last byte.
        end: u64,
    },
    /// All segments came back, but together they are not the source.
    #[error("the text differs from its source, though each segment's hash is right")]
    OtherSource,
    /// A question about a segment that is kept as text.
    #[error("segment {segment} is kept as text: it has no latents to ask")]
    NothingToAsk {
        /// Number of the segment, from 0.
        segment: usize,
    },
    /// Segments that are not there.
    #[error("segments {start}..{end} were asked for, but there are {count}")]
    NoSuchSegments {
        /// The first.
        start: usize,
        /// One past the last.
        end: usize,
        /// How many there are.
        count: usize,
    },
    /// Texts to verify that don't pair with latents.
    #[error("{texts} texts were given for the latents of {latents} segments")]
    TextCount {
        /// Segments with latents.
        latents: usize,
        /// Texts.
        texts: usize,
    },
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
    /// The sink broke off.
    #[error("decoding was cancelled")]
    Cancelled,
    /// A segment can't be read.
    #[error(transparent)]
    Core(#[from] c3_core::Error),
    /// The model failed.
    #[error(transparent)]
    Nn(#[from] c3_nn::Error),
    /// The tensor engine failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
