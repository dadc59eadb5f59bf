//! One pass that tells what free-running greedy decoding will do.

use c3_nn::{Qwen2, padded};
use candle_core::Tensor;

use crate::{C3Decoder, Error, Result};

/// Columns of the logits that are computed at a time: those of all positions and the whole
/// vocabulary would be gigabytes.
const COLUMNS: usize = 4096;

/// What greedy decoding says at each position of a text when it is given the text up to there.
///
/// Where every prediction is the text's own token, and the last one the stop token, free-running
/// greedy decoding gives this text, by induction over its positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The likeliest token after the prompt and after each token of the text: one more than it has.
    pub predicted: Vec<u32>,
    /// How many of them are wrong.
    pub mismatches: usize,
    /// The first wrong one.
    pub first: Option<usize>,
}

impl C3Decoder {
    /// Verifies segments in one teacher-forced pass: for each its latents, `[n, encoder width]`,
    /// and the ids of its text. The prompt asks the model's own question.
    ///
    /// # Errors
    /// Where there are not as many texts as latents, an id is outside the vocabulary, or latents
    /// have another width than the projector takes.
    pub fn verify(&self, latents: &[Tensor], texts: &[&[u32]]) -> Result<Vec<Verification>> {
        if latents.len() != texts.len() {
            return Err(Error::TextCount { latents: latents.len(), texts: texts.len() });
        }
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let prompt = self.config().prompt.ids(&self.tokenizer, None)?;
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let batch = self.prompts(latents, &lengths, &prompt)?;
        let prompt_tokens = batch.embeds.dim(1)?;
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let (mut rows, mut positions, mut first_key) = (Vec::new(), Vec::new(), Vec::new());
        for (i, text) in texts.iter().enumerate() {
            let padding = longest - text.len();
            rows.push(padded(padding, &[&batch.embeds.get(i)?, &self.model.embed(text)?])?);
            positions.extend(std::iter::repeat_n(0, padding));
            positions.extend(&batch.positions[i * prompt_tokens..(i + 1) * prompt_tokens]);
            positions.extend((batch.next_position[i]..).take(text.len()));
            first_key.push(batch.first_key[i] + padding);
        }
        let x = Tensor::stack(&rows, 0)?; // [batch, prompt + longest, hidden]
        let hidden = self.model.forward_embeds(&x, &positions, &first_key, None, longest + 1)?;
        let predicted = predict(&self.model, &hidden.flatten_to(1)?)?;
        let told = predicted.chunks(longest + 1).zip(texts).map(|(predicted, text)| {
            let predicted = predicted[longest - text.len()..].to_vec();
            let right = text.iter().copied().chain([self.stop]);
            let wrong = || predicted.iter().zip(right.clone()).map(|(&p, right)| p != right);
            let (mismatches, first) =
                (wrong().filter(|&wrong| wrong).count(), wrong().position(|wrong| wrong));
            Verification { predicted, mismatches, first }
        });
        Ok(told.collect())
    }
}

/// The likeliest token after each position: `[positions, hidden]` → ids. Of equals, the lowest.
fn predict(model: &Qwen2, hidden: &Tensor) -> Result<Vec<u32>> {
    let hidden = hidden.contiguous()?;
    let mut best = vec![(f32::NEG_INFINITY, 0); hidden.dim(0)?];
    for start in (0..model.config().vocab_size).step_by(COLUMNS) {
        let end = model.config().vocab_size.min(start + COLUMNS);
        let logits = model.logits_of(&hidden, start..end)?; // [positions, end − start]
        for (best, (logit, id)) in best.iter_mut().zip(c3_nn::arg_max(&logits)?) {
            if logit > best.0 {
                *best = (logit, start as u32 + id);
            }
        }
    }
    Ok(best.into_iter().map(|(_, id)| id).collect())
}
