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

/// A place where the source has other bytes than its tokens spell: the tokenizer composes characters
/// (NFC), and bytes that are not UTF-8 have no tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Patch {
    /// Where it starts in the bytes that the tokens spell, from 0.
    pub start: u32,
    /// How many of them it replaces.
    pub length: u32,
    /// What stands there in the source.
    pub bytes: Vec<u8>,
}

/// What is known about how a segment will come back under greedy decoding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub enum Fidelity {
    /// Nothing was checked.
    #[default]
    Unchecked,
    /// A teacher-forced pass was run when the text was compressed.
    Checked {
        /// Tokens that won't bring the source back: the arg-max was not the true token, the stop
        /// token after the text included, or the true one spells other bytes than the source has.
        mismatches: u32,
        /// Position of the first of them (the stop token's is the number of text tokens); `None`
        /// exactly where `mismatches` is 0.
        first: Option<u32>,
        /// Tokens that are right, but lead by so little that another device, number of threads or
        /// batch may choose others; `None` where nobody counted them, as in files before version 1.2.
        near_ties: Option<u32>,
    },
    /// Corrections and patches make greedy decoding return the source bytes.
    Exact {
        /// In rising order of position, each below the number of text tokens.
        corrections: Vec<Correction>,
        /// In rising order, none overlapping another.
        patches: Vec<Patch>,
    },
    /// The segment is kept as text: nothing is decoded.
    Verbatim,
}

impl Fidelity {
    /// Whether the source bytes are promised: what comes back is they, or an error.
    pub fn is_promise(&self) -> bool {
        matches!(self, Self::Exact { .. } | Self::Verbatim)
    }

    /// Checks what is said of segment number `segment`, which has `text_tokens` tokens.
    pub(crate) fn check(&self, segment: usize, text_tokens: u32) -> Result<()> {
        match self {
            Self::Unchecked | Self::Verbatim => Ok(()),
            &Self::Checked { mismatches, first, near_ties } => {
                check_mismatches(segment, text_tokens, mismatches, first)?;
                check_near_ties(segment, text_tokens, mismatches, near_ties.unwrap_or(0))
            }
            Self::Exact { corrections, patches } => {
                check_positions(segment, text_tokens, corrections.iter().map(|c| c.position))?;
                check_patches(segment, patches.iter().map(|p| (p.start, p.length)))
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

/// Right and wrong tokens are no more than there are, the stop token included.
pub(crate) fn check_near_ties(
    segment: usize,
    text_tokens: u32,
    mismatches: u32,
    near_ties: u32,
) -> Result<()> {
    if u64::from(mismatches) + u64::from(near_ties) > u64::from(text_tokens) + 1 {
        let reason = "more mismatches and near ties than tokens";
        return Err(Error::BadFidelity { segment, reason });
    }
    Ok(())
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

/// Checks starts and lengths of a segment's patches: rising, and none overlapping another.
pub(crate) fn check_patches(
    segment: usize,
    patches: impl Iterator<Item = (u32, u32)>,
) -> Result<()> {
    let mut from = 0;
    for (start, length) in patches {
        let end = start.checked_add(length).filter(|_| start >= from);
        from = end.ok_or(Error::PatchPlace { segment, from, found: start, length })?;
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
    /// The source bytes themselves, where they are kept as text ([`Fidelity::Verbatim`]): it then
    /// has no latents.
    pub text: Option<Vec<u8>>,
}

impl Segment {
    /// Checks what is said of a text that is kept.
    pub(crate) fn check_text(&self, number: usize) -> Result<()> {
        let contradiction = |reason| Err(Error::BadFidelity { segment: number, reason });
        match (&self.text, &self.fidelity) {
            (None, Fidelity::Verbatim) => contradiction("kept as text, but there is none"),
            (None, _) => Ok(()),
            (Some(_), Fidelity::Verbatim) if self.latents.rows() > 0 => {
                contradiction("kept as text, but it has latents")
            }
            (Some(text), Fidelity::Verbatim) => {
                let expected = self.bytes.end.saturating_sub(self.bytes.start);
                let found = text.len() as u64;
                if found != expected {
                    return contradiction("its text has another length than its byte range");
                }
                check_verbatim(number, self.hash, text)
            }
            (Some(_), _) => contradiction("a text, but it isn't kept as text"),
        }
    }
}

/// Checks text that is kept against the hash of the segment's source.
pub(crate) fn check_verbatim(segment: usize, expected: u64, text: &[u8]) -> Result<()> {
    let found = crate::segment_hash(text);
    if found == expected { Ok(()) } else { Err(Error::VerbatimHash { segment, expected, found }) }
}
