//! One pass that tells what free-running greedy decoding will do.

use c3_nn::{Lead, Qwen2, leads, padded};
use candle_core::Tensor;

use crate::decoder::PromptBatch;
use crate::{C3Decoder, Error, Result};

/// Logits that are computed at a time, positions by tokens of the vocabulary: those of all positions
/// and the whole vocabulary would be gigabytes. Columns begin at multiples of 16.
pub(crate) const ROWS: usize = 1024;
pub(crate) const COLUMNS: usize = 2048;

/// What greedy decoding says at each position of a text when it is given the text up to there.
///
/// Where every prediction is the text's own token, and the last one the stop token, free-running
/// greedy decoding gives this text, by induction over its positions. It does as well where the text's
/// own token is forced wherever the prediction is another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    /// The likeliest token after the prompt and after each token of the text: one more than it has.
    pub predicted: Vec<u32>,
    /// The logit of the text's own token (behind the last one, of the stop token) less the largest
    /// of the others: below 0 where the prediction is wrong, near 0 where it may turn out so when
    /// sums are taken in another order.
    pub margins: Vec<f32>,
    /// How many of them are wrong.
    pub mismatches: usize,
    /// The first wrong one.
    pub first: Option<usize>,
}

impl Verification {
    /// From the logits at each position of a text; `right` is its tokens and the stop token.
    pub(crate) fn new(leads: &[Lead], right: impl Iterator<Item = u32> + Clone) -> Self {
        let predicted: Vec<u32> = leads.iter().map(|lead| lead.best.1).collect();
        let margin = |(lead, right): (&Lead, u32)| match lead.best.1 == right {
            true => lead.best.0 - lead.second,
            false => lead.wanted - lead.best.0,
        };
        let margins = leads.iter().zip(right.clone()).map(margin).collect();
        let wrong = || predicted.iter().zip(right.clone()).map(|(&p, right)| p != right);
        let (mismatches, first) =
            (wrong().filter(|&wrong| wrong).count(), wrong().position(|wrong| wrong));
        Self { predicted, margins, mismatches, first }
    }

    /// Positions of the text at which its own token must be forced for it to come back: where the
    /// prediction is wrong, or leads by no more than `margin`. That the text ends is no prediction
    /// where its length is known.
    pub fn corrections(&self, text: &[u32], margin: f32) -> Vec<usize> {
        // A margin that is no number is none to rely on.
        let certain = |position: usize| {
            self.predicted[position] == text[position] && self.margins[position] > margin
        };
        (0..text.len().min(self.predicted.len())).filter(|&position| !certain(position)).collect()
    }
}

impl C3Decoder {
    /// Verifies segments in one teacher-forced pass: for each its latents, `[n, encoder width]`,
    /// and the ids of its text. The prompt asks the model's own question.
    ///
    /// # Errors
    /// Where there are not as many texts as latents, an id is outside the vocabulary, or latents
    /// have another width than the projector takes.
    pub fn verify(&self, latents: &[Tensor], texts: &[&[u32]]) -> Result<Vec<Verification>> {
        let Some(batch) = self.asked(latents, texts)? else { return Ok(Vec::new()) };
        let prompt_tokens = batch.embeds.dim(1)?;
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let (mut rows, mut positions, mut first_key) = (Vec::new(), Vec::new(), Vec::new());
        let mut wanted = Vec::with_capacity(texts.len() * (longest + 1));
        for (i, text) in texts.iter().enumerate() {
            let padding = longest - text.len();
            rows.push(padded(padding, &[&batch.embeds.get(i)?, &self.model.embed(text)?])?);
            positions.extend(std::iter::repeat_n(0, padding));
            positions.extend(&batch.positions[i * prompt_tokens..(i + 1) * prompt_tokens]);
            positions.extend((batch.next_position[i]..).take(text.len()));
            first_key.push(batch.first_key[i] + padding);
            wanted.extend(std::iter::repeat_n(self.stop, padding));
            wanted.extend(self.right(text));
        }
        let x = Tensor::stack(&rows, 0)?; // [batch, prompt + longest, hidden]
        let hidden = self.model.forward_embeds(&x, &positions, &first_key, None, longest + 1)?;
        let leads = lead(&self.model, &hidden.flatten_to(1)?, &wanted)?;
        let told = leads.chunks(longest + 1).zip(texts).map(|(leads, text)| {
            Verification::new(&leads[longest - text.len()..], self.right(text))
        });
        Ok(told.collect())
    }

    /// The prompts that the model answers with `texts`; none where there is no text.
    pub(crate) fn asked(
        &self,
        latents: &[Tensor],
        texts: &[&[u32]],
    ) -> Result<Option<PromptBatch>> {
        if latents.len() != texts.len() {
            return Err(Error::TextCount { latents: latents.len(), texts: texts.len() });
        }
        if texts.is_empty() {
            return Ok(None);
        }
        let prompt = self.config().prompt.ids(&self.tokenizer, None)?;
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        Ok(Some(self.prompts(latents, &lengths, &prompt)?))
    }

    /// What greedy decoding must say for `text` to come back.
    pub(crate) fn right<'t>(&self, text: &'t [u32]) -> impl Iterator<Item = u32> + Clone + 't {
        text.iter().copied().chain([self.stop])
    }
}

/// How the wanted token stands after each position: `hidden` is `[positions, hidden]`. Of equals, the
/// lowest is the likeliest.
pub(crate) fn lead(model: &Qwen2, hidden: &Tensor, wanted: &[u32]) -> Result<Vec<Lead>> {
    let vocabulary = model.config().vocab_size;
    let mut all = Vec::with_capacity(wanted.len());
    for (part, wanted) in wanted.chunks(ROWS).enumerate() {
        let hidden = hidden.narrow(0, part * ROWS, wanted.len())?.contiguous()?;
        let mut lead = vec![Lead::NONE; wanted.len()];
        for start in (0..vocabulary).step_by(COLUMNS) {
            let end = vocabulary.min(start + COLUMNS);
            let logits = model.logits_of(&hidden, start..end)?; // [rows, end − start]
            // Tokens of other columns are none of these.
            let place = |&id: &u32| (id as usize).checked_sub(start).unwrap_or(usize::MAX);
            let places: Vec<usize> = wanted.iter().map(place).collect();
            for (lead, mut part) in lead.iter_mut().zip(leads(&logits, &places)?) {
                part.best.1 += start as u32;
                lead.merge(part);
            }
        }
        all.extend(lead);
    }
    Ok(all)
}
