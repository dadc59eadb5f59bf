//! Encoding, decoding and verifying random ids.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use c3_core::Compression;
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder};
use c3_nn::{Qwen2, arg_max};
use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Answer;

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

pub(super) fn decode(model: &Qwen2, [batch, prompt, tokens]: [usize; 3]) -> Result<Answer> {
    ensure!(
        batch > 0 && prompt > 0 && tokens > 0,
        "{batch} segments, {prompt} positions of prompt and {tokens} tokens, expected at least 1"
    );
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
    let bytes = Some(model.step_bytes() * tokens as u64);
    let tokens = Some((batch * tokens) as u64);
    Ok(Answer { seconds, tokens, bytes, ..Answer::default() })
}

pub(super) fn verify(decoder: &C3Decoder, tokens: usize) -> Result<Answer> {
    let config = decoder.config();
    let latents = Tensor::rand(
        -1f32,
        1f32,
        (config.latent_tokens, config.encoder.hidden_size),
        &Device::Cpu,
    )?;
    let text = ids(tokens, config.decoder.vocab_size);
    let start = Instant::now();
    black_box(decoder.verify(&[latents], &[&text])?);
    let seconds = start.elapsed().as_secs_f64();
    Ok(Answer { seconds, tokens: Some(tokens as u64), ..Answer::default() })
}

fn likeliest(logits: &Tensor) -> Result<Vec<u32>> {
    Ok(arg_max(logits)?.into_iter().map(|(_, id)| id).collect())
}
