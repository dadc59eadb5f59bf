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

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`lead`] makes of a position's logits, some columns at a time.
    fn lead_of(logits: &[f32], wanted: usize, columns: usize) -> Lead {
        let mut lead = Lead::NONE;
        for (part, logits) in logits.chunks(columns).enumerate() {
            let start = part * columns;
            let shape = (1, logits.len());
            let x = Tensor::from_slice(logits, shape, &candle_core::Device::Cpu).unwrap();
            let place = wanted.checked_sub(start).unwrap_or(usize::MAX);
            let mut part = leads(&x, &[place]).unwrap().remove(0);
            part.best.1 += start as u32;
            lead.merge(part);
        }
        lead
    }

    /// Of logits after the prompt and each token of `text`; 9 is the stop token.
    fn verification(logits: &[[f32; 10]], text: &[u32]) -> Verification {
        let right = || text.iter().copied().chain([9]);
        let lead = |(logits, right): (&[f32; 10], u32)| lead_of(logits, right as usize, 4);
        let leads: Vec<Lead> = logits.iter().zip(right()).map(lead).collect();
        Verification::new(&leads, right())
    }

    /// 0 everywhere but at some tokens.
    fn at(places: &[(usize, f32)]) -> [f32; 10] {
        let mut logits = [0.0; 10];
        places.iter().for_each(|&(token, logit)| logits[token] = logit);
        logits
    }

    #[test]
    fn right_wrong_and_the_stop_token() {
        let right = verification(&[at(&[(3, 5.0)]), at(&[(9, 2.0)])], &[3]);
        assert_eq!((right.mismatches, right.first), (0, None));
        assert_eq!((right.predicted, right.margins), (vec![3, 9], vec![5.0, 2.0]));
        // Two logits have changed places.
        let logits = [at(&[(3, 5.0), (7, 4.5)]), at(&[(2, 5.0), (4, 5.5)]), at(&[(9, 1.0)])];
        let swapped = verification(&logits, &[7, 4]);
        assert_eq!((swapped.mismatches, swapped.first), (1, Some(0)));
        assert_eq!(
            (&*swapped.predicted, &*swapped.margins),
            (&[3, 4, 9][..], &[-0.5, 0.5, 1.0][..])
        );
        assert_eq!(swapped.corrections(&[7, 4], 0.0), [0]);
        // All is right, but it goes on: that is one mismatch, and no correction.
        let on = verification(&[at(&[(3, 5.0)]), at(&[(1, 2.0), (9, 1.0)])], &[3]);
        assert_eq!((on.mismatches, on.first, on.margins[1]), (1, Some(1), -1.0));
        assert!(on.corrections(&[3], 1.0).is_empty());
        // It stops where the text goes on.
        let short = verification(&[at(&[(9, 1.0)]), at(&[(9, 2.0)])], &[3]);
        assert_eq!((short.mismatches, short.first, short.predicted[0]), (1, Some(0), 9));
    }

    /// Of equals the lowest is the likeliest, in whatever columns they stand.
    #[test]
    fn ties_are_no_certainty() {
        for (low, high) in [(1, 2), (1, 8), (3, 4), (7, 8)] {
            let tied = at(&[(low, 5.0), (high, 5.0)]);
            let text = |token: usize| [token as u32];
            let first = verification(&[tied, at(&[(9, 1.0)])], &text(low));
            assert_eq!((first.mismatches, first.margins[0]), (0, 0.0), "{low} {high}");
            assert_eq!(first.corrections(&text(low), 0.0), [0], "{low} {high}");
            let second = verification(&[tied, at(&[(9, 1.0)])], &text(high));
            assert_eq!((second.first, second.margins[0]), (Some(0), 0.0), "{low} {high}");
            for columns in 1..=10 {
                let lead = lead_of(&tied, high, columns);
                let found = (lead.best, lead.second, lead.wanted);
                assert_eq!(found, ((5.0, low as u32), 5.0, 5.0), "{columns} columns");
            }
        }
    }

    /// What leads by exactly the margin is not above it.
    #[test]
    fn the_margin_is_no_longer_certain() {
        let verified = verification(&[at(&[(3, 0.5)]), at(&[(9, 1.0)])], &[3]);
        assert_eq!(verified.corrections(&[3], 0.5), [0]);
        assert!(verified.corrections(&[3], 0.5f32.next_down()).is_empty());
    }

    #[test]
    fn no_number_is_no_certainty() {
        let mut nan = at(&[(3, 0.5)]);
        nan[3] = f32::NAN;
        let verified = verification(&[nan, at(&[(9, 1.0)])], &[3]);
        assert_eq!(verified.corrections(&[3], 0.0), [0]);
        // A margin that can't be told, or can't be asked for.
        let told = Verification {
            predicted: vec![3],
            margins: vec![f32::NAN],
            mismatches: 0,
            first: None,
        };
        assert_eq!(told.corrections(&[3], 0.0), [0]);
        let certain = verification(&[at(&[(3, 5.0)]), at(&[(9, 1.0)])], &[3]);
        assert_eq!(certain.corrections(&[3], f32::NAN), [0]);
    }
}
