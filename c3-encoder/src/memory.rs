//! How much memory encoding takes: computed before anything is loaded.

use c3_nn::{C3Config, Checkpoint, LoadOptions};

use crate::segment::bytes_at_once;
use crate::{Bank, C3Encoder, stream, window};

/// Bytes that a token takes where text waits to be computed: its id, and its characters twice.
const WAITING: u64 = 16;

/// Bytes that the tokenizer works with for each byte of the text that it reads in one go.
const TOKENISING: u64 = 64;

/// Bytes of the words that the tokenizer remembers.
const WORDS: u64 = 5 << 20;

impl C3Encoder {
    /// Bytes of the weights once [`load`](Self::load) has loaded them. 0 where the checkpoint has no
    /// encoder.
    pub fn weight_bytes(checkpoint: &Checkpoint, options: &LoadOptions) -> u64 {
        let Some(weights) = checkpoint.encoder() else { return 0 };
        let config = checkpoint.config();
        let queries = config.query_banks.values().fold(config.latent_tokens, |n, &q| n + q) as u64;
        let queries = queries.saturating_mul(4 * config.encoder.hidden_size as u64);
        config.encoder.weight_bytes(weights, options, false).saturating_add(queries)
    }
}

impl Bank {
    /// Segments computed together where the caller doesn't say.
    pub fn default_batch(&self) -> usize {
        stream::default_batch(self)
    }

    /// Positions of `batch` full segments: their text, `<img>` and the context queries.
    pub fn batch_tokens(&self, batch: usize) -> usize {
        let row = self.segment_tokens + 1 + self.latents(self.segment_tokens);
        batch.saturating_mul(row)
    }

    /// Bytes that encoding works with at its peak, beside the weights, where `batch` full segments of
    /// this bank are computed together.
    pub fn batch_bytes(&self, config: &C3Config, batch: usize) -> u64 {
        let computing = config.encoder.pass_bytes(self.batch_tokens(batch));
        let waiting = batch.saturating_mul(window::BATCHES) as u64;
        let latents = 2 * (self.queries * config.encoder.hidden_size) as u64;
        let held = waiting.saturating_mul(WAITING * self.segment_tokens as u64 + latents);
        let reading = TOKENISING.saturating_mul(bytes_at_once(self.segment_tokens) as u64);
        computing.saturating_add(held).saturating_add(reading).saturating_add(WORDS)
    }
}
