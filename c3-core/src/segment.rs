//! A segment: a piece of the source text and the latent tokens that stand for it.

use std::ops::Range;

use crate::LatentTokens;

/// A place where the decoder is overruled: the token that stands there in truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Correction {
    /// Position in the segment's tokens, from 0.
    pub position: u32,
    /// The true token's id.
    pub token: u32,
}

/// What is known about how a segment will come back under greedy decoding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub enum Fidelity {
    /// Nothing was checked.
    #[default]
    Unchecked,
    /// A teacher-forced pass was run when the text was compressed.
    Checked {
        /// Tokens whose arg-max was not the true token.
        mismatches: u32,
        /// Position of the first of them; `None` exactly where `mismatches` is 0.
        first: Option<u32>,
    },
    /// The corrections make greedy decoding return the source bytes.
    Exact {
        /// In rising order of position.
        corrections: Vec<Correction>,
    },
}

/// A piece of the source text and the latent tokens that stand for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The latent tokens, in encoder space.
    pub latents: LatentTokens,
    /// Where the piece stands in the source text, in bytes.
    pub bytes: Range<u64>,
    /// Its length in the encoder's tokens.
    pub text_tokens: u32,
    /// [`segment_hash`](crate::segment_hash) of its source bytes.
    pub hash: u64,
    /// What is known about how it will come back.
    pub fidelity: Fidelity,
}
