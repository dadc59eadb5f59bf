//! Where context queries and latents stand: the position ids of both stages.

use std::ops::Range;

use crate::{C3Config, QueryPositions};

impl C3Config {
    /// Text tokens that each of a segment's `latents` stands for, where it has `tokens`: the ratio of
    /// the bank that gives so many, or else their quotient, rounded up.
    ///
    /// Both stages must come to the same, and a decoder knows nothing but the two numbers. Of two
    /// banks that give as many latents, the denser is taken.
    pub fn spacing(&self, tokens: usize, latents: usize) -> usize {
        let of_bank = |ratio: &usize| tokens.div_ceil(*ratio) == latents;
        let mut banks = self.query_banks.keys().map(|&ratio| ratio as usize);
        banks.find(of_bank).unwrap_or(tokens.div_ceil(latents.max(1))).max(1)
    }

    /// Position ids of `<img>` and of the `latents` queries behind `tokens` of text, in the encoder:
    /// `[1 + latents]`.
    pub fn query_position_ids(&self, tokens: usize, latents: usize) -> Vec<u32> {
        let start = match self.query_positions {
            QueryPositions::Contiguous => tokens,
            QueryPositions::Anchored => self.segment_tokens,
            QueryPositions::Aligned => {
                let step = self.spacing(tokens, latents);
                let ends = spaced(step - 1, step, latents);
                return std::iter::once(0).chain(ends).collect();
            }
        };
        spaced(start, 1, 1 + latents).collect()
    }

    /// Position ids of `before` ids of prompt and the `latents` behind them, in the decoder, where
    /// these stand for `tokens` of text: `[before + latents]`.
    pub fn latent_position_ids(&self, before: usize, tokens: usize, latents: usize) -> Vec<u32> {
        let step = match self.query_positions {
            QueryPositions::Contiguous | QueryPositions::Anchored => 1,
            QueryPositions::Aligned => self.spacing(tokens, latents),
        };
        spaced(0, 1, before).chain(spaced(before, step, latents)).collect()
    }

    /// Positions that `latents` keep from what stands behind them, in the decoder.
    pub fn latent_room(&self, latents: usize) -> usize {
        match self.query_positions {
            QueryPositions::Contiguous => latents,
            QueryPositions::Anchored => self.largest_bank(),
            QueryPositions::Aligned => 0,
        }
    }
}

/// A file may claim any length, so no sum may overflow.
fn spaced(start: usize, step: usize, count: usize) -> impl Iterator<Item = u32> {
    let numbers: Range<usize> = 0..count;
    numbers.map(move |i| {
        let id = start.saturating_add(i.saturating_mul(step));
        u32::try_from(id).unwrap_or(u32::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(positions: &str) -> C3Config {
        let outer = format!(
            r#"{{"model_type": "C3", "hidden_size": 8, "intermediate_size": 8, "vocab_size": 32,
            "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
            "rms_norm_eps": 1e-6, "rope_theta": 1e4, "max_position_embeddings": 64,
            "tie_word_embeddings": true, "latent_token_len": 8,
            "contexts_compression_llm_hidden_size": 8, "c3": {{"segment_tokens": 32,
            "query_positions": "{positions}", "query_banks": {{"4": 8, "16": 2}}}}}}"#
        );
        C3Config::parse(("config.json", outer.as_bytes()), None).unwrap()
    }

    #[test]
    fn contiguous_ones_follow_the_text() {
        let config = config("contiguous");
        assert_eq!(config.query_position_ids(9, 3), [9, 10, 11, 12]);
        assert_eq!(config.latent_position_ids(1, 9, 3), [0, 1, 2, 3]);
        assert_eq!(config.latent_room(3), 3);
    }

    #[test]
    fn anchored_ones_stand_where_the_longest_text_ends() {
        let config = config("anchored");
        assert_eq!(config.query_position_ids(9, 3), [32, 33, 34, 35]);
        assert_eq!(config.latent_position_ids(1, 9, 3), [0, 1, 2, 3]);
        assert_eq!(config.latent_room(3), 8);
    }

    #[test]
    fn aligned_ones_stand_beside_their_part_of_the_text() {
        let config = config("aligned");
        assert_eq!(config.query_position_ids(9, 3), [0, 3, 7, 11]);
        assert_eq!(config.latent_position_ids(1, 9, 3), [0, 1, 5, 9]);
        assert_eq!(config.query_position_ids(17, 2), [0, 15, 31]);
        assert_eq!(config.latent_position_ids(1, 17, 2), [0, 1, 17]);
        // No bank gives seven latents of 20 tokens.
        assert_eq!(config.latent_position_ids(0, 20, 7), [0, 3, 6, 9, 12, 15, 18]);
        assert_eq!(config.latent_room(3), 0);
    }

    #[test]
    fn claims_of_any_size_are_borne() {
        let config = config("aligned");
        assert_eq!(config.latent_position_ids(1, usize::MAX, 2)[1..], [1, u32::MAX]);
        assert_eq!(config.latent_position_ids(1, 0, 2), [0, 1, 2]);
        assert_eq!(config.query_position_ids(5, 0), [0]);
    }
}
