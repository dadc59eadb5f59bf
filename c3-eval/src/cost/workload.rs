//! Segments to time stages with.

use std::ops::ControlFlow;
use std::time::Instant;

use c3_core::{
    DecodeRequest, Decoder, Dtype, EncodeRequest, Encoder, Fidelity, LatentContext, LatentTokens,
    Segment, SourceHasher,
};
use c3_encoder::Bank;
use candle_core::{D, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Load, Stage, Timing};
use crate::{Error, MARKERS, Model, Result};

/// Segments to time the stages with. Speed doesn't depend on what a text says: it is random tokens,
/// and the decoder gives as many as the text has, unless it stops by itself.
pub struct Workload<'m> {
    model: &'m Model,
    load: Load,
    bank: Bank,
    ids: Vec<Vec<u32>>,
    latents: Vec<Tensor>,
    context: LatentContext,
}

impl<'m> Workload<'m> {
    /// Random segments with their latents.
    ///
    /// # Errors
    /// Where the model has no such ratio or can't read as many tokens at once.
    pub fn new(model: &'m Model, load: Load) -> Result<Self> {
        let bank = model.bank(load.ratio)?;
        if load.tokens == 0 || load.tokens > bank.segment_tokens || load.batch == 0 {
            return Err(Error::Setting {
                name: "tokens and batch",
                expected: format!("1 to {} tokens, 1 segment or more", bank.segment_tokens),
                found: format!("{} tokens, {} segments", load.tokens, load.batch),
            });
        }
        let tokenizer = model.tokenizer();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let vocabulary = u32::try_from(tokenizer.vocab_size()).unwrap_or(u32::MAX);
        let mut text_id = || loop {
            let id = rng.random_range(0..vocabulary);
            // A special token stands for no bytes.
            if tokenizer.token_bytes(id).is_some() {
                return id;
            }
        };
        let ids: Vec<Vec<u32>> =
            (0..load.batch).map(|_| (0..load.tokens).map(|_| text_id()).collect()).collect();
        let latents = model.encoder.latents(&slices(&ids), &bank)?;
        let context = context(model, &ids, &latents)?;
        Ok(Self { model, load, bank, ids, latents, context })
    }

    /// Times one stage once.
    ///
    /// # Errors
    /// Where the model fails.
    pub fn time(&self, stage: Stage) -> Result<Timing> {
        let text = (self.load.tokens * self.load.batch) as u64;
        let start = Instant::now();
        let timed = |tokens| Timing { tokens, seconds: start.elapsed().as_secs_f64() };
        Ok(match stage {
            Stage::Encode => {
                self.model.encoder.latents(&slices(&self.ids), &self.bank)?;
                timed(text)
            }
            Stage::Prefill => {
                self.decode(&self.context, 1)?;
                timed(self.positions() as u64)
            }
            Stage::PrefillText => {
                self.read_text(0)?;
                timed(text)
            }
            Stage::DecodeText => {
                let rest = self.load.tokens.saturating_sub(1);
                let seconds = self.read_text(rest)?;
                Timing { tokens: (rest * self.load.batch) as u64, seconds }
            }
            Stage::FirstToken => {
                let latents = self.model.encoder.latents(&slices(&self.ids), &self.bank)?;
                self.decode(&context(self.model, &self.ids, &latents)?, 1)?;
                timed(text)
            }
            Stage::Decode => {
                self.decode(&self.context, 1)?;
                let prefill = start.elapsed().as_secs_f64();
                let tokens = self.decode(&self.context, self.load.tokens)?;
                let seconds = start.elapsed().as_secs_f64() - 2.0 * prefill;
                let rest = tokens.saturating_sub(self.load.batch as u64);
                Timing { tokens: rest, seconds: seconds.max(0.0) }
            }
            Stage::Verify => {
                self.model.decoder.verify(&self.latents, &slices(&self.ids))?;
                timed(text)
            }
            Stage::RoundTrip => {
                let latents = self.model.encoder.latents(&slices(&self.ids), &self.bank)?;
                self.decode(&context(self.model, &self.ids, &latents)?, self.load.tokens)?;
                timed(text)
            }
        })
    }

    /// Decoder positions that all segments cost.
    pub fn positions(&self) -> usize {
        (self.bank.latents(self.load.tokens) + MARKERS) * self.load.batch
    }

    /// Bytes of the KV cache of `positions` positions.
    pub fn cache_bytes(&self, positions: usize) -> u64 {
        self.model.decoder.config().decoder.kv_bytes().saturating_mul(positions as u64)
    }

    /// Bytes of the text.
    pub fn text_bytes(&self) -> u64 {
        c3_core::SegmentSource::source(&self.context).bytes
    }

    /// Bytes of the `.c3` file.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn stored_bytes(&self) -> Result<u64> {
        Ok(self.context.to_bytes()?.len() as u64)
    }

    fn decode(&self, context: &LatentContext, tokens: usize) -> Result<u64> {
        let batch = Some(self.load.batch);
        let request =
            DecodeRequest { max_new_tokens: Some(tokens), batch, ..DecodeRequest::default() };
        let go_on = &mut |_: c3_core::DecodeEvent<'_>| ControlFlow::Continue(());
        Ok(self.model.decoder.decode(context, &request, go_on)?.tokens)
    }

    /// The decoder reads the segments' own tokens, chooses a token behind them, and then `more`, each
    /// from the one before; says how long those took.
    fn read_text(&self, more: usize) -> Result<f64> {
        let decoder = self.model.decoder.model();
        let rows = self.ids.iter().map(|ids| decoder.embed(ids)).collect::<Result<Vec<_>, _>>()?;
        let mut x = Tensor::stack(&rows, 0)?; // [batch, tokens, hidden]
        let (batch, tokens) = (self.load.batch, self.load.tokens);
        let mut positions: Vec<u32> = (0..batch).flat_map(|_| 0..tokens as u32).collect();
        let mut cache = decoder.kv_cache(batch, tokens + more)?;
        let mut start = Instant::now();
        for step in 0..=more {
            let hidden =
                decoder.forward_embeds(&x, &positions, &vec![0; batch], Some(&mut cache), 1)?;
            let logits = decoder.logits(&hidden.squeeze(1)?)?; // [batch, vocab]
            let next = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
            if step == 0 {
                start = Instant::now();
            }
            x = decoder.embed(&next)?.unsqueeze(1)?; // [batch, 1, hidden]
            positions = vec![(tokens + step) as u32; batch];
        }
        Ok(start.elapsed().as_secs_f64())
    }
}

fn slices(ids: &[Vec<u32>]) -> Vec<&[u32]> {
    ids.iter().map(Vec::as_slice).collect()
}

/// Latents with what the decoder wants to know of them.
fn context(model: &Model, ids: &[Vec<u32>], latents: &[Tensor]) -> Result<LatentContext> {
    let (mut segments, mut start, mut source) = (Vec::new(), 0, SourceHasher::new());
    for (ids, latents) in ids.iter().zip(latents) {
        let (rows, dim) = latents.dims2()?;
        let values = latents.flatten_all()?.to_vec1::<f32>()?;
        let text = model.tokenizer().decode_lossy(ids);
        source.update(text.as_bytes());
        let end = start + text.len() as u64;
        segments.push(Segment {
            latents: LatentTokens::from_f32(rows, dim, Dtype::F16, &values)?,
            bytes: start..end,
            text_tokens: ids.len() as u32,
            hash: c3_core::segment_hash(text.as_bytes()),
            fidelity: Fidelity::Unchecked,
            text: None,
        });
        start = end;
    }
    let provenance = model.encoder.provenance(&EncodeRequest::default())?;
    Ok(LatentContext::new(provenance, source.finish(), segments)?)
}
