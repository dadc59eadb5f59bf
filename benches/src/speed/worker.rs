//! Holds what has been loaded and hands out the work.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use c3_decoder::C3Decoder;
use c3_encoder::C3Encoder;
use c3_kernels::Activations;
use c3_nn::{Checkpoint, LoadOptions, Matrix, Qwen2};

use super::{Answer, Request, StageName, bandwidth, kernels, stages, text};

/// A worker for one checkpoint; parts of it are loaded when a request first needs them.
pub struct Worker {
    model: PathBuf,
    options: LoadOptions,
    checkpoint: Option<Checkpoint>,
    encoder: Option<C3Encoder>,
    decoder: Option<C3Decoder>,
    /// The decoder's language model, without the code around it.
    language_model: Option<Qwen2>,
    gate: Option<Matrix>,
    memory: Vec<u64>,
}

impl Worker {
    /// A worker that has loaded nothing yet.
    pub fn new(model: PathBuf, options: LoadOptions) -> Self {
        Self {
            model,
            options,
            checkpoint: None,
            encoder: None,
            decoder: None,
            language_model: None,
            gate: None,
            memory: Vec::new(),
        }
    }

    /// Does a piece of work.
    ///
    /// # Errors
    /// Where the checkpoint or the file can't be read, or the request makes no sense for it.
    pub fn answer(&mut self, request: &Request) -> Result<Answer> {
        match *request {
            Request::Encode { tokens } => stages::encode(self.encoder()?, tokens),
            Request::Decode { batch, prompt, tokens } => {
                stages::decode(self.language_model()?, [batch, prompt, tokens])
            }
            Request::Verify { tokens } => stages::verify(self.decoder()?, tokens),
            Request::Gemm { rows } => kernels::gemm(self.gate()?, rows),
            Request::Attention { queries, keys, heads, kv_heads, head_dim, bf16 } => {
                let activations = if bf16 { Activations::Bf16 } else { Activations::F32 };
                kernels::attention([queries, keys], [heads, kv_heads], head_dim, activations)
            }
            Request::Roundtrip { ref file, ratio, batch } => {
                self.encoder()?;
                self.decoder()?;
                let (Some(encoder), Some(decoder)) = (&self.encoder, &self.decoder) else {
                    unreachable!("both were just loaded")
                };
                text::roundtrip(encoder, decoder, file, ratio, batch)
            }
            Request::Segments { ref file, ratio } => text::segments(self.encoder()?, file, ratio),
            Request::Bandwidth { bytes } => bandwidth::read(&mut self.memory, bytes),
            Request::Load { stage } => self.load(stage),
        }
    }

    fn encoder(&mut self) -> Result<&C3Encoder> {
        let checkpoint = open(&mut self.checkpoint, &self.model)?;
        once(&mut self.encoder, || Ok(C3Encoder::load(checkpoint, &self.options)?))
    }

    fn decoder(&mut self) -> Result<&C3Decoder> {
        let checkpoint = open(&mut self.checkpoint, &self.model)?;
        once(&mut self.decoder, || Ok(C3Decoder::load(checkpoint, &self.options)?))
    }

    fn language_model(&mut self) -> Result<&Qwen2> {
        let checkpoint = open(&mut self.checkpoint, &self.model)?;
        once(&mut self.language_model, || {
            let config = &checkpoint.config().decoder;
            Ok(Qwen2::load(config, checkpoint.decoder(), &self.options)?)
        })
    }

    fn gate(&mut self) -> Result<&Matrix> {
        let checkpoint = open(&mut self.checkpoint, &self.model)?;
        once(&mut self.gate, || {
            let weights = checkpoint.encoder().context("a checkpoint without an encoder")?;
            let config = &checkpoint.config().encoder;
            let shape = [config.intermediate_size, config.hidden_size];
            Ok(weights.matrix("model.layers.0.mlp.gate_proj.weight", &shape, &self.options)?)
        })
    }

    fn load(&self, stage: StageName) -> Result<Answer> {
        let start = Instant::now();
        let checkpoint = Checkpoint::open(&self.model)?;
        let bytes = match stage {
            StageName::Encoder => {
                C3Encoder::load(&checkpoint, &self.options)?;
                checkpoint.encoder().map_or(0, |weights| weights.byte_count())
            }
            StageName::Decoder => {
                C3Decoder::load(&checkpoint, &self.options)?;
                checkpoint.decoder().byte_count()
            }
        };
        let seconds = start.elapsed().as_secs_f64();
        Ok(Answer { seconds, bytes: Some(bytes), ..Answer::default() })
    }
}

fn open<'a>(place: &'a mut Option<Checkpoint>, model: &Path) -> Result<&'a Checkpoint> {
    once(place, || Ok(Checkpoint::open(model)?))
}

/// What is in `place`, made first if nothing is.
fn once<T>(place: &mut Option<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    let value = match place.take() {
        Some(value) => value,
        None => make()?,
    };
    Ok(place.insert(value))
}
