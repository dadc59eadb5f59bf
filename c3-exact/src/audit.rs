//! Whether stored segments still say what the decoder will do.

use c3_core::{Fidelity, LatentTokens, Patch, Segment, segment_hash};
use c3_decoder::{C3Decoder, Verification};
use c3_nn::Tokenizer;
use candle_core::{Device, Tensor};

use crate::Result;
use crate::source::Item;
use crate::spelling::{Misspelling, misspellings, token_at};

/// What one pass of the decoder says of a stored segment and its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The source given is another one than the segment was made from.
    OtherText,
    /// It is kept as text.
    Verbatim,
    /// What decoding will return.
    Verified {
        /// Tokens that will not bring the source back, with the corrections that are stored.
        mismatches: u32,
        /// Position of the first of them.
        first: Option<u32>,
        /// Tokens that are right, and not corrected, but lead by no more than the decoder's
        /// [margin](C3Decoder::margin): in other company or order of sums they may turn out wrong.
        near_ties: u32,
        /// Whether that is what the segment says; one that nobody checked says nothing.
        as_stored: bool,
    },
}

/// Compares segments with their source bytes, in one batch.
///
/// # Errors
/// Where the latents have another width than the projector takes, or the decoder fails.
pub fn audit(decoder: &C3Decoder, segments: &[(Segment, Vec<u8>)]) -> Result<Vec<Finding>> {
    let mut findings = Vec::with_capacity(segments.len());
    let mut open = Vec::new();
    for (number, (segment, source)) in segments.iter().enumerate() {
        findings.push(match segment_hash(source) == segment.hash {
            false => Finding::OtherText,
            true if segment.fidelity == Fidelity::Verbatim => Finding::Verbatim,
            true => {
                open.push((number, item(decoder.tokenizer(), segment, source)?));
                Finding::OtherText // replaced below
            }
        });
    }
    let latents = open
        .iter()
        .map(|&(number, _)| tensor(&segments[number].0.latents))
        .collect::<candle_core::Result<Vec<_>>>()?;
    let texts: Vec<&[u32]> = open.iter().map(|(_, item)| item.ids.as_slice()).collect();
    for ((number, item), verified) in open.iter().zip(decoder.verify(&latents, &texts)?) {
        let misspelt = misspellings(decoder.tokenizer(), item)?;
        let segment = &segments[*number].0;
        findings[*number] = finding(decoder, segment, item, &verified, &misspelt);
    }
    Ok(findings)
}

fn item(tokenizer: &Tokenizer, segment: &Segment, source: &[u8]) -> Result<Item> {
    let text = String::from_utf8_lossy(source).into_owned();
    let ids = tokenizer.encode(&text)?;
    Ok(Item { text, ids, raw: Some(source.to_vec()), bytes: segment.bytes.clone() })
}

fn tensor(latents: &LatentTokens) -> candle_core::Result<Tensor> {
    Tensor::from_vec(latents.to_f32(), (latents.rows(), latents.dim()), &Device::Cpu)
}

fn finding(
    decoder: &C3Decoder,
    segment: &Segment,
    item: &Item,
    verified: &Verification,
    misspelt: &[Misspelling],
) -> Finding {
    let mut wrong = wrong_tokens(item, verified);
    let mut tied = nearly_tied(verified, decoder.margin());
    match &segment.fidelity {
        Fidelity::Exact { corrections, patches } => {
            for correction in corrections {
                let position = correction.position as usize;
                if let Some(&right) = item.ids.get(position) {
                    wrong[position] = correction.token != right;
                    tied[position] = false;
                }
            }
            // The text ends where its length says.
            wrong.truncate(item.ids.len());
            tied.truncate(item.ids.len());
            let stored = |place: &&Misspelling| patches.contains(&place.patch);
            let missing = misspelt.iter().filter(|place| !stored(place));
            missing.for_each(|place| wrong[place.tokens.clone()].fill(true));
            let needed = |patch: &&Patch| misspelt.iter().any(|place| place.patch == **patch);
            for patch in patches.iter().filter(|patch| !needed(patch)) {
                let token = token_at(decoder.tokenizer(), item, patch.start as usize);
                wrong.iter_mut().skip(token).take(1).for_each(|wrong| *wrong = true);
            }
        }
        _ => misspelt.iter().for_each(|place| wrong[place.tokens.clone()].fill(true)),
    }
    let mismatches = wrong.iter().filter(|&&wrong| wrong).count() as u32;
    let first = wrong.iter().position(|&wrong| wrong).map(|at| at as u32);
    let as_long = item.ids.len() == segment.text_tokens as usize;
    let as_stored = as_long
        && match segment.fidelity {
            Fidelity::Unchecked => true,
            // How many nearly tie depends on the order of sums: that is what it says.
            Fidelity::Checked { mismatches: stored, first: at, .. } => {
                (stored, at) == (mismatches, first)
            }
            Fidelity::Exact { .. } | Fidelity::Verbatim => mismatches == 0,
        };
    let near_ties = count_near_ties(&tied, &wrong);
    Finding::Verified { mismatches, first, near_ties, as_stored }
}

/// For each token of the text and the stop token, whether the decoder predicts another one.
pub(crate) fn wrong_tokens(item: &Item, verified: &Verification) -> Vec<bool> {
    let mut wrong: Vec<bool> = verified
        .predicted
        .iter()
        .zip(&item.ids)
        .map(|(predicted, right)| predicted != right)
        .collect();
    // Behind the text only the verification knows what the stop token is.
    let told = wrong.iter().filter(|&&wrong| wrong).count();
    wrong.push(verified.mismatches > told);
    wrong
}

/// For each token of the text and the stop token, whether it leads by no more than `margin`.
fn nearly_tied(verified: &Verification, margin: f32) -> Vec<bool> {
    verified.margins.iter().map(|lead| (0.0..=margin).contains(lead)).collect()
}

/// Right tokens among those that nearly tie.
fn count_near_ties(tied: &[bool], wrong: &[bool]) -> u32 {
    tied.iter().zip(wrong).filter(|&(&tied, &wrong)| tied && !wrong).count() as u32
}

/// Tokens that are right by no more than `margin`; `wrong` as [`wrong_tokens`], or more of them.
pub(crate) fn near_ties(verified: &Verification, wrong: &[bool], margin: f32) -> u32 {
    count_near_ties(&nearly_tied(verified, margin), wrong)
}
