//! Encoding, decoding and verifying random ids.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use c3_core::Compression;
use c3_encoder::{Bank, C3Encoder};
use c3_nn::{C3Config, Checkpoint, Qwen2, Qwen2Config, WeightDtype};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::greedy::likeliest;
use super::{Answer, Worker};

/// Positions whose logits are held at a time.
const LOGIT_ROWS: usize = 128;

fn ids(count: usize, vocab: usize) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(count as u64);
    (0..count).map(|_| rng.random_range(0..vocab as u32)).collect()
}

pub(super) fn encode(encoder: &C3Encoder, tokens: usize) -> Result<Answer> {
    let bank = Bank::choose(encoder.config(), Compression::Default)?;
    let ids = ids(tokens, encoder.config().encoder.vocab_size);
    let start = Instant::now();
    black_box(encoder.latents(&[&ids], &bank)?);
    let seconds = start.elapsed().as_secs_f64();
    Ok(Answer { seconds, tokens: Some(tokens as u64), ..Answer::default() })
}

/// Positions of the model's own prompt around as many latents as a full segment has.
fn prompt_length(checkpoint: &Checkpoint) -> Result<usize> {
    let config: &C3Config = checkpoint.config();
    let prompt = config.prompt.ids(checkpoint.tokenizer(), None)?;
    Ok(prompt.before.len() + config.latent_tokens + prompt.after.len())
}

pub(super) fn decode(worker: &mut Worker, batch: usize, tokens: usize) -> Result<Answer> {
    ensure!(batch > 0 && tokens > 0, "a batch of {batch} with {tokens} tokens each");
    let prompt = prompt_length(worker.checkpoint()?)?;
    let bytes = step_bytes(worker)? * tokens as f64;
    let model = worker.language_model()?;
    let mut cache = model.kv_cache(batch, prompt + tokens)?;
    let read = ids(batch * prompt, model.config().vocab_size);
    let x = model.embed(&read)?.reshape((batch, prompt, ()))?;
    let positions: Vec<u32> = (0..batch).flat_map(|_| 0..prompt as u32).collect();
    let hidden = model.forward_embeds(&x, &positions, &[], Some(&mut cache), 1)?;
    let mut last = likeliest(&model.logits(&hidden.squeeze(1)?)?)?;

    let start = Instant::now();
    for step in 0..tokens {
        let x = model.embed(&last)?.unsqueeze(1)?; // [batch, 1, hidden]
        let positions = vec![(prompt + step) as u32; batch];
        let hidden = model.forward_embeds(&x, &positions, &[], Some(&mut cache), 1)?;
        last = likeliest(&model.logits(&hidden.squeeze(1)?)?)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    black_box(last);
    let tokens = Some((batch * tokens) as u64);
    Ok(Answer { seconds, tokens, bytes: Some(bytes as u64), ..Answer::default() })
}

pub(super) fn verify(worker: &mut Worker, tokens: usize) -> Result<Answer> {
    let prompt = prompt_length(worker.checkpoint()?)?;
    let model: &Qwen2 = worker.language_model()?;
    let read = ids(prompt + tokens, model.config().vocab_size);
    let positions: Vec<u32> = (0..read.len() as u32).collect();
    let start = Instant::now();
    let x = model.embed(&read)?.unsqueeze(0)?;
    // From the last token of the prompt, which foretells the first of the text, to the last of
    // the text, which foretells the stop token.
    let hidden = model.forward_embeds(&x, &positions, &[], None, tokens + 1)?.squeeze(0)?;
    for row in (0..=tokens).step_by(LOGIT_ROWS) {
        let rows = hidden.narrow(0, row, LOGIT_ROWS.min(tokens + 1 - row))?;
        black_box(likeliest(&model.logits(&rows)?)?);
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Answer { seconds, tokens: Some(tokens as u64), ..Answer::default() })
}

/// Bytes of the matrices that a step of decoding reads, one row of the embedding aside.
fn step_bytes(worker: &mut Worker) -> Result<f64> {
    let dtype = worker.options.dtype;
    let checkpoint = worker.checkpoint()?;
    let config = &checkpoint.config().decoder;
    let each = match dtype {
        WeightDtype::F32 => 4.0,
        WeightDtype::F16 | WeightDtype::Bf16 => 2.0,
        // As the files have them on average: all their bytes by all their values.
        WeightDtype::Stored => {
            let embedding = if config.tie_word_embeddings { 0 } else { embedding(config) };
            checkpoint.decoder().byte_count() as f64 / (matrices(config) + embedding) as f64
        }
    };
    Ok(matrices(config) as f64 * each)
}

fn embedding(config: &Qwen2Config) -> usize {
    config.vocab_size * config.hidden_size
}

/// Values of all matrices of the layers and of the head.
fn matrices(config: &Qwen2Config) -> usize {
    let (hidden, kv) = (config.hidden_size, config.num_key_value_heads * config.head_dim());
    let layer = 2 * hidden * hidden + 2 * kv * hidden + 3 * config.intermediate_size * hidden;
    config.num_hidden_layers * layer + embedding(config)
}
