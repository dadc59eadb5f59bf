//! What it costs: time of each stage, positions and bytes.

use std::ops::ControlFlow;
use std::time::Instant;

use c3_core::{
    DecodeRequest, Decoder, Dtype, EncodeRequest, Encoder, Fidelity, LatentContext, LatentTokens,
    Segment, SourceHasher,
};
use c3_encoder::Bank;
use candle_core::Tensor;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::results::CostRecord;
use crate::{Error, MARKERS, Model, Ratio, Result};

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Text to latents; its tokens are those of the text.
    Encode,
    /// The decoder reads latents and gives its first token; its tokens are the positions read.
    Prefill,
    /// The same decoder reads the text itself in place of its latents; its tokens are the text's.
    PrefillText,
    /// The decoder gives the tokens after its first, one at a time.
    Decode,
    /// One teacher-forced pass over latents and text; its tokens are those of the text.
    Verify,
    /// Encoding, then decoding; its tokens are those of the text.
    RoundTrip,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Encode,
        Self::Prefill,
        Self::PrefillText,
        Self::Decode,
        Self::Verify,
        Self::RoundTrip,
    ];

    /// The name in files and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encode => "encode",
            Self::Prefill => "prefill",
            Self::PrefillText => "prefill_text",
            Self::Decode => "decode",
            Self::Verify => "verify",
            Self::RoundTrip => "round_trip",
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How much is done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Tokens of each segment.
    pub tokens: usize,
    /// Segments side by side.
    pub batch: usize,
    /// How far they are compressed.
    pub ratio: Ratio,
}

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

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Tokens that were processed, as [`Stage`] counts them.
    pub tokens: u64,
    /// What it took.
    pub seconds: f64,
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
                self.read_text()?;
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

    /// The decoder reads the segments' own tokens up to the logits behind them.
    fn read_text(&self) -> Result<()> {
        let decoder = self.model.decoder.model();
        let rows = self.ids.iter().map(|ids| decoder.embed(ids)).collect::<Result<Vec<_>, _>>()?;
        let x = Tensor::stack(&rows, 0)?; // [batch, tokens, hidden]
        let (batch, tokens) = (self.load.batch, self.load.tokens);
        let positions: Vec<u32> = (0..batch).flat_map(|_| 0..tokens as u32).collect();
        let mut cache = decoder.kv_cache(batch, tokens)?;
        let hidden =
            decoder.forward_embeds(&x, &positions, &vec![0; batch], Some(&mut cache), 1)?;
        decoder.logits(&hidden.squeeze(1)?)?;
        Ok(())
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

/// Times stages of a load, each so many times after one time that doesn't count.
///
/// # Errors
/// As [`Workload::new`] and [`Workload::time`]; [`Error::Cancelled`] where `go_on` says so.
pub fn measure(
    model: &Model,
    load: Load,
    stages: &[Stage],
    repetitions: usize,
    warm_up: bool,
    go_on: &dyn Fn() -> bool,
) -> Result<CostRecord> {
    let workload = Workload::new(model, load)?;
    let mut timed = Vec::with_capacity(stages.len());
    for &stage in stages {
        let mut timings = Vec::with_capacity(repetitions);
        for number in 0..repetitions + usize::from(warm_up) {
            if !go_on() {
                return Err(Error::Cancelled);
            }
            let timing = workload.time(stage)?;
            if number > 0 || !warm_up {
                timings.push(timing);
            }
        }
        timed.push((stage, Repeated::of(&timings)));
    }
    Ok(CostRecord {
        load,
        threads: rayon::current_num_threads(),
        stages: timed,
        positions: workload.positions(),
        cache_bytes: workload.cache_bytes(workload.positions()),
        text_cache_bytes: workload.cache_bytes(load.tokens * load.batch),
        text_bytes: workload.text_bytes(),
        stored_bytes: workload.stored_bytes()?,
    })
}

/// Mean and standard deviation of repeated measurements, as rates and as times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeated {
    /// Measurements.
    pub repetitions: usize,
    /// Tokens of one.
    pub tokens: u64,
    /// Mean of the seconds that one took.
    pub seconds: f64,
    /// Their standard deviation.
    pub seconds_sd: f64,
    /// Mean of the tokens per second.
    pub rate: f64,
    /// Their standard deviation.
    pub rate_sd: f64,
}

impl Repeated {
    /// Of timings of the same work.
    pub fn of(timings: &[Timing]) -> Self {
        let seconds: Vec<f64> = timings.iter().map(|timing| timing.seconds).collect();
        let rates: Vec<f64> = timings
            .iter()
            .map(|t| if t.seconds > 0.0 { t.tokens as f64 / t.seconds } else { 0.0 })
            .collect();
        let ((seconds, seconds_sd), (rate, rate_sd)) = (moments(&seconds), moments(&rates));
        let tokens = timings.first().map_or(0, |timing| timing.tokens);
        Self { repetitions: timings.len(), tokens, seconds, seconds_sd, rate, rate_sd }
    }
}

/// Mean and sample standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n.max(1.0);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, if n > 1.0 { (squares / (n - 1.0)).sqrt() } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_those_of_a_sample() {
        let timing = |seconds| Timing { tokens: 8, seconds };
        let repeated = Repeated::of(&[timing(1.0), timing(2.0), timing(4.0)]);
        assert!((repeated.seconds - 7.0 / 3.0).abs() < 1e-12);
        assert!((repeated.seconds_sd - (7.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!((repeated.rate, repeated.tokens, repeated.repetitions), (14.0 / 3.0, 8, 3));
        assert_eq!(Repeated::of(&[timing(0.5)]).rate_sd, 0.0);
    }
}
