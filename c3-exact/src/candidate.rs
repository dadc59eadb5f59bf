//! What became of a segment with one bank: what it costs, and what will come back.

use c3_core::{Correction, Dtype, Fidelity, LatentTokens, Patch, Segment, segment_hash};
use c3_decoder::Verification;
use c3_encoder::Bank;
use c3_nn::Tokenizer;

use crate::Result;
use crate::audit::{near_ties, wrong_tokens};
use crate::source::Item;
use crate::spelling::{Misspelling, misspellings};

/// Decoder positions that every segment of latents costs beside them.
pub(crate) const MARKERS: u64 = 2;

/// A segment with the latents of one bank.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub bank: Bank,
    pub latents: LatentTokens,
    pub fidelity: Fidelity,
    /// Tokens that won't bring the source back by themselves.
    pub wrong: u64,
}

impl Candidate {
    /// At the level `checked`: `misspelt` are the places where even the right tokens don't spell the
    /// source; a token that leads by no more than `margin` nearly ties.
    pub fn checked(
        bank: Bank,
        latents: LatentTokens,
        item: &Item,
        verified: &Verification,
        margin: f32,
        misspelt: &[Misspelling],
    ) -> Self {
        let mut wrong = wrong_tokens(item, verified);
        for place in misspelt {
            wrong[place.tokens.clone()].fill(true);
        }
        let mismatches = wrong.iter().filter(|&&wrong| wrong).count() as u32;
        let first = wrong.iter().position(|&wrong| wrong).map(|at| at as u32);
        let near_ties = Some(near_ties(verified, &wrong, margin));
        let fidelity = Fidelity::Checked { mismatches, first, near_ties };
        Self { bank, latents, fidelity, wrong: mismatches.into() }
    }

    /// At the level `exact`: corrected wherever a token isn't certain to come by `margin`.
    pub fn exact(
        bank: Bank,
        latents: LatentTokens,
        item: &Item,
        verified: &Verification,
        margin: f32,
        misspelt: &[Misspelling],
    ) -> Self {
        let correction =
            |position: usize| Correction { position: position as u32, token: item.ids[position] };
        let corrections: Vec<Correction> =
            verified.corrections(&item.ids, margin).into_iter().map(correction).collect();
        let patches: Vec<Patch> = misspelt.iter().map(|place| place.patch.clone()).collect();
        let wrong = (corrections.len() + patches.len()) as u64;
        Self { bank, latents, fidelity: Fidelity::Exact { corrections, patches }, wrong }
    }

    /// Positions that stand for it: latents, markers, corrections, and the bytes of patches.
    pub fn positions(&self) -> u64 {
        let stored = match &self.fidelity {
            Fidelity::Exact { corrections, patches } => {
                corrections.len() + patches.iter().map(|patch| patch.bytes.len()).sum::<usize>()
            }
            _ => 0,
        };
        self.latents.rows() as u64 + MARKERS + stored as u64
    }

    /// The share of the tokens that come by themselves.
    pub fn precision(&self, item: &Item) -> f64 {
        1.0 - self.wrong as f64 / item.ids.len().max(1) as f64
    }

    /// The segment.
    pub fn segment(self, item: &Item) -> Segment {
        Segment {
            latents: self.latents,
            bytes: item.bytes.clone(),
            text_tokens: item.ids.len() as u32,
            hash: segment_hash(item.source()),
            fidelity: self.fidelity,
            text: None,
        }
    }
}

/// The segment as text. Latents would be of width `dim`.
pub(crate) fn verbatim(item: &Item, dim: usize, dtype: Dtype) -> Result<Segment> {
    Ok(Segment {
        latents: LatentTokens::from_f32(0, dim, dtype, &[])?,
        bytes: item.bytes.clone(),
        text_tokens: item.ids.len() as u32,
        hash: segment_hash(item.source()),
        fidelity: Fidelity::Verbatim,
        text: Some(item.source().to_vec()),
    })
}

/// As [`misspellings`] of each.
pub(crate) fn misspellings_of(
    tokenizer: &Tokenizer,
    items: &[&Item],
) -> Result<Vec<Vec<Misspelling>>> {
    items.iter().map(|item| misspellings(tokenizer, item)).collect()
}
