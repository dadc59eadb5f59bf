//! What [`C3Decoder::verify`] tells, computed as decoding computes: one token after the other.

use candle_core::Tensor;

use crate::verify::lead;
use crate::{C3Decoder, Result, Verification};

impl C3Decoder {
    /// As [`verify`](Self::verify), the slow way: with a cache, position by position, all segments
    /// side by side. It tells how far sums in another order lead to other logits.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_stepwise(
        &self,
        latents: &[Tensor],
        texts: &[&[u32]],
    ) -> Result<Vec<Verification>> {
        let Some(batch) = self.asked(latents, texts)? else { return Ok(Vec::new()) };
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let mut cache = self.model.kv_cache(texts.len(), batch.embeds.dim(1)? + longest)?;
        let (embeds, first_key) = (&batch.embeds, &batch.first_key);
        let mut pass = |x: &Tensor, positions: &[u32]| {
            self.model.forward_embeds(x, positions, first_key, Some(&mut cache), 1)
        };
        let mut hidden = pass(embeds, &batch.positions)?;
        let mut positions = batch.next_position.clone();
        let mut told = vec![Vec::new(); texts.len()];
        for at in 0..=longest {
            // Rows that have ended go on with the stop token; nobody looks at them.
            let fed: Vec<u32> =
                texts.iter().map(|text| text.get(at).copied().unwrap_or(self.stop)).collect();
            let leads = lead(&self.model, &hidden.squeeze(1)?, &fed)?;
            for ((told, lead), text) in told.iter_mut().zip(leads).zip(texts) {
                if at <= text.len() {
                    told.push(lead);
                }
            }
            if at < longest {
                let x = self.model.embed(&fed)?.unsqueeze(1)?; // [batch, 1, hidden]
                hidden = pass(&x, &positions)?;
                positions.iter_mut().for_each(|position| *position += 1);
            }
        }
        let pairs = told.iter().zip(texts);
        Ok(pairs.map(|(told, text)| Verification::new(told, self.right(text))).collect())
    }
}
