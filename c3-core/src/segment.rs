//! A segment: a piece of the source text and the latent tokens that stand for it.

use std::ops::Range;

use crate::{Error, LatentTokens, Result};

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
        /// Tokens whose arg-max was not the true token, the stop token after the text included.
        mismatches: u32,
        /// Position of the first of them (the stop token's is the number of text tokens); `None`
        /// exactly where `mismatches` is 0.
        first: Option<u32>,
    },
    /// The corrections make greedy decoding return the source bytes.
    Exact {
        /// In rising order of position, each below the number of text tokens.
        corrections: Vec<Correction>,
    },
}

impl Fidelity {
    /// Checks what is said of segment number `segment`, which has `text_tokens` tokens.
    pub(crate) fn check(&self, segment: usize, text_tokens: u32) -> Result<()> {
        match self {
            Self::Unchecked => Ok(()),
            &Self::Checked { mismatches, first } => {
                check_mismatches(segment, text_tokens, mismatches, first)
            }
            Self::Exact { corrections } => {
                check_positions(segment, text_tokens, corrections.iter().map(|c| c.position))
            }
        }
    }
}

pub(crate) fn check_mismatches(
    segment: usize,
    text_tokens: u32,
    mismatches: u32,
    first: Option<u32>,
) -> Result<()> {
    let reason = match first {
        None if mismatches > 0 => "mismatches without a first one",
        Some(_) if mismatches == 0 => "a first mismatch, but none in number",
        Some(first) if first > text_tokens => "the first mismatch lies after the stop token",
        Some(first) if u64::from(mismatches) > u64::from(text_tokens - first) + 1 => {
            "more mismatches than tokens from the first one on"
        }
        _ => return Ok(()),
    };
    Err(Error::BadFidelity { segment, reason })
}

pub(crate) fn check_positions(
    segment: usize,
    text_tokens: u32,
    positions: impl Iterator<Item = u32>,
) -> Result<()> {
    let mut from = 0;
    for found in positions {
        if found < from || found >= text_tokens {
            return Err(Error::CorrectionPosition { segment, from, text_tokens, found });
        }
        from = found + 1;
    }
    Ok(())
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
