//! How much memory decoding takes: computed before anything is loaded.

use c3_core::DecodeRequest;
use c3_nn::{C3Config, Checkpoint, LoadOptions};

use crate::{C3Decoder, Result, verify};

/// The KV cache of a batch stays under this many bytes where the caller doesn't say how many
/// segments to decode together, or under a quarter of what the model's weights take in bf16: every
/// step reads all weights, whatever the batch, so that a large model wants many rows.
const CACHE_BYTES: u64 = 512 << 20;
const CACHE_SHARE: u64 = 4;

/// Tokens allowed beyond the segment's own length when it is reproduced: room for a model that
/// wanders, without paying for one that never stops.
const SPARE_TOKENS: usize = 16;

/// The answer to a question other than the model's own has no length known beforehand: the
/// authors' limit.
const ANSWER_TOKENS: usize = 4096;

/// Buffers as large as a batch's logits that are held at once: before and after a step, and while
/// tokens are chosen from them.
const LOGITS: u64 = 3;

/// Tenths of the cache that are written in the end. Segments are shorter than the longest one and their
/// rows leave early, but not much: a good model stops where the text does.
const FILLED: u64 = 10;

/// Tenths of what reading the prompts took that the allocator still has when the cache is full, as
/// measured.
const KEPT: u64 = 6;

/// The positions that decoding a segment takes: prompt, latents, and the most tokens of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// Ids of the prompt, before and after the latents.
    pub prompt: usize,
    /// Latent tokens.
    pub latents: usize,
    /// Tokens that may be generated.
    pub limit: usize,
}

impl Positions {
    /// Of a segment of `text_tokens` tokens and `latents` latents, among `prompt` ids.
    pub fn new(
        config: &C3Config,
        request: &DecodeRequest,
        prompt: usize,
        text_tokens: usize,
        latents: usize,
    ) -> Self {
        let question = request.question.as_deref();
        let reproduces = question.is_none_or(|question| question == config.prompt.question);
        let asked = request.max_new_tokens.unwrap_or(match reproduces {
            true => text_tokens.saturating_add(SPARE_TOKENS),
            false => ANSWER_TOKENS,
        });
        Self { prompt, latents, limit: asked.min(room(config, prompt, latents)) }
    }

    /// As [`new`](Self::new), with the prompt of `checkpoint`.
    ///
    /// # Errors
    /// Where the tokenizer lacks what the prompt needs.
    pub fn of_checkpoint(
        checkpoint: &Checkpoint,
        request: &DecodeRequest,
        text_tokens: usize,
        latents: usize,
    ) -> Result<Self> {
        let config = checkpoint.config();
        let ids = config.prompt.ids(checkpoint.tokenizer(), request.question.as_deref())?;
        let prompt = ids.before.len() + ids.after.len();
        Ok(Self::new(config, request, prompt, text_tokens, latents))
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.prompt.saturating_add(self.latents).saturating_add(self.limit)
    }

    /// Segments decoded together where the caller doesn't say.
    pub fn default_batch(&self, config: &C3Config) -> usize {
        let row = self.cache_bytes(config, 1).max(1);
        let room = CACHE_BYTES.max(2 * config.decoder.parameters() / CACHE_SHARE);
        (room / row).clamp(1, C3Decoder::MOST_ROWS as u64) as usize
    }

    /// Bytes of the KV cache of `rows` segments.
    pub fn cache_bytes(&self, config: &C3Config, rows: usize) -> u64 {
        let positions = (self.total() as u64).saturating_mul(rows as u64);
        config.decoder.kv_bytes().saturating_mul(positions)
    }

    /// Bytes that [verifying](C3Decoder::verify) `rows` segments of `tokens` tokens works with at its
    /// peak, beside the weights: one pass over all of their positions, and the logits of some.
    pub fn verify_bytes(&self, config: &C3Config, tokens: usize, rows: usize) -> u64 {
        let positions = self.prompt.saturating_add(self.latents).saturating_add(tokens);
        let pass = config.decoder.pass_bytes(positions.saturating_mul(rows));
        let asked = tokens.saturating_add(1).saturating_mul(rows).min(verify::ROWS) as u64;
        let logits = config.decoder.vocab_size.min(verify::COLUMNS) as u64 * asked;
        pass.saturating_add(logits.saturating_mul(size_of::<f32>() as u64))
    }

    /// Bytes that decoding works with at its peak, beside the weights, where `rows` segments are
    /// decoded together: their cache, reading the prompts, their logits.
    pub fn batch_bytes(&self, config: &C3Config, rows: usize) -> u64 {
        let read = self.prompt.saturating_add(self.latents);
        let cache = |positions: usize| {
            let positions = (positions as u64).saturating_mul(rows as u64);
            config.decoder.kv_bytes().saturating_mul(positions)
        };
        let reading = config.decoder.pass_bytes(read.saturating_mul(rows));
        let at_first = cache(read).saturating_add(reading);
        let at_last = tenths(cache(self.total()), FILLED).saturating_add(tenths(reading, KEPT));
        let logits = config.decoder.logits_bytes(rows).saturating_mul(LOGITS);
        at_first.max(at_last).saturating_add(logits)
    }
}

impl C3Decoder {
    /// The most segments that are decoded together where the caller doesn't say.
    pub const MOST_ROWS: usize = 64;

    /// Bytes of the weights once [`load`](Self::load) has loaded them.
    pub fn weight_bytes(checkpoint: &Checkpoint, options: &LoadOptions) -> u64 {
        let (config, weights) = (checkpoint.config(), checkpoint.decoder());
        let (wide, latent) = (config.decoder.hidden_size, config.encoder.hidden_size);
        let projector = [("model.mm_projector.weight", [wide, latent])];
        let model = config.decoder.weight_bytes(weights, options, true);
        model.saturating_add(weights.matrix_bytes(projector, options))
    }
}

fn tenths(bytes: u64, tenths: u64) -> u64 {
    (bytes / 10).saturating_mul(tenths)
}

/// Tokens that an answer may have before the model runs out of positions; at least 1. A file may
/// claim any length for its segments, and memory for it must not follow.
fn room(config: &C3Config, prompt: usize, latents: usize) -> usize {
    let latents = config.latent_room(latents);
    let positions = config.decoder.max_position_embeddings;
    positions.saturating_sub(prompt.saturating_add(latents)).max(1)
}
