//! Several query banks, one pass over the text.

use c3_nn::padded;
use candle_core::Tensor;

use crate::encoder::on_cpu;
use crate::{Bank, C3Encoder, Result};

impl C3Encoder {
    /// Latents of the same segments from several banks: for each bank what
    /// [`latents`](Self::latents) gives, up to rounding. The text's keys and values don't depend on
    /// the queries behind it, so they are computed once; each bank costs its queries alone.
    ///
    /// # Errors
    /// As [`latents`](Self::latents), for any of the banks.
    pub fn latents_of_banks(
        &self,
        segments: &[&[u32]],
        banks: &[Bank],
    ) -> Result<Vec<Vec<Tensor>>> {
        let queries = banks
            .iter()
            .map(|bank| self.queries(segments, bank))
            .collect::<Result<Vec<&Tensor>>>()?;
        let longest = segments.iter().map(|ids| ids.len()).max().unwrap_or(0);
        // A short segment has fewer latents than the longest one of the batch, but is asked all of
        // its queries: those behind its own can't influence them.
        let asked = |bank: &Bank| bank.latents(longest);
        let most = banks.iter().map(asked).max().unwrap_or(0);
        if segments.is_empty() || most == 0 {
            return Ok(vec![Vec::new(); banks.len()]);
        }

        let first_key: Vec<usize> = segments.iter().map(|ids| longest - ids.len()).collect();
        let mut cache = self.model.kv_cache(segments.len(), longest + 1 + most)?;
        if longest > 0 {
            let (mut rows, mut positions) = (Vec::new(), Vec::new());
            for (ids, &padding) in segments.iter().zip(&first_key) {
                let text = self.model.embed(ids)?; // [tokens, hidden]
                rows.push(padded(padding, &[&text])?);
                positions.extend(std::iter::repeat_n(0, padding));
                positions.extend(0..ids.len() as u32);
            }
            let x = Tensor::stack(&rows, 0)?; // [batch, longest, hidden]
            self.model.forward_embeds(&x, &positions, &first_key, Some(&mut cache), 0)?;
        }

        let marker = self.model.embed(&[self.marker])?; // [1, hidden]
        let mut latents = Vec::with_capacity(banks.len());
        for (bank, queries) in banks.iter().zip(queries) {
            cache.truncate(longest);
            let asked = asked(bank);
            let asking = Tensor::cat(&[&marker, &queries.narrow(0, 0, asked)?], 0)?;
            let x = Tensor::stack(&vec![asking; segments.len()], 0)?; // [batch, 1 + asked, hidden]
            let mut positions = Vec::with_capacity(segments.len() * (1 + asked));
            for (row, ids) in segments.iter().enumerate() {
                let own = bank.latents(ids.len());
                positions.extend(self.config().query_position_ids(ids.len(), own));
                // What a shorter segment is asked beyond its own is left out below.
                positions.resize((row + 1) * (1 + asked), 0);
            }
            let hidden =
                self.model.forward_embeds(&x, &positions, &first_key, Some(&mut cache), asked)?;
            let own = |(row, ids): (usize, &&[u32])| {
                Ok(on_cpu(&hidden.get(row)?.narrow(0, 0, bank.latents(ids.len()))?)?)
            };
            latents.push(segments.iter().enumerate().map(own).collect::<Result<_>>()?);
        }
        Ok(latents)
    }
}
