//! `c3 compress`: text to a `.c3` file.

use std::time::{Duration, Instant};

use c3_core::EncodeRequest;
use c3_encoder::C3Encoder;
use serde::Serialize;

use super::Context;
use super::encoding::{Encoded, Promise, Stages, load_verifier};
use super::foretold;
use crate::compute::Compute;
use crate::human;
use crate::input::Input;
use crate::memory::{self, Encoding, Job};
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::report::Outcome;

/// What to compress, where to, and how.
pub struct Compress {
    pub input: Input,
    pub output: Output,
    pub compute: Compute,
    pub request: EncodeRequest,
    pub promise: Promise,
    pub json: bool,
}

impl Compress {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let (encoded, seconds) = self.compute.install(|| self.compress(context))?;
        context.ui.say(format_args!(
            "{} → {}: {}, {} in {}",
            self.input,
            self.output,
            encoded.ratio,
            human::counted(encoded.segments, "segment"),
            human::seconds(seconds),
        ));
        foretold::tell(&context.ui, &encoded);
        memory::tell_peak(&context.ui);
        if self.json {
            output::print_json(&Summary::new(&encoded, seconds))?;
        }
        Ok(Outcome::Done)
    }

    fn compress(&self, context: &Context) -> anyhow::Result<(Encoded, Duration)> {
        // Whatever is wrong with either end is said before the model is loaded.
        let mut text = self.input.open_text(&context.ui)?;
        let mut out = self.output.open_binary()?;
        let checkpoint = self.compute.checkpoint(&context.hub)?;
        let mut request = self.request.clone();
        let promised = self.promise.request(&request);
        let encoding = Encoding::new(&checkpoint, &request, text.bytes)?;
        let encoding = encoding.choosing(&checkpoint, promised.as_ref(), text.bytes)?;
        let fit = self.compute.fit(&Job {
            checkpoint: &checkpoint,
            threads: self.compute.thread_count(),
            encoding: Some(encoding),
            decoding: None,
            verifies: self.promise.level.is_some(),
            held_text: 0,
        })?;
        memory::tell(&context.ui, &fit);
        request.batch = fit.batch(fit.rows.encode).or(request.batch);
        let encoder = C3Encoder::load(&checkpoint, &fit.options)?;
        let decoder = match self.promise.level {
            Some(_) => Some(load_verifier(&checkpoint, &fit.options)?),
            None => None,
        };
        let model = self.compute.model.name(&checkpoint);
        context.ui.detail(|| format!("model {model}, {request:?}, {:?}", self.promise.level));

        let start = Instant::now();
        let progress = Progress::bytes(&context.ui, "compressing", text.bytes);
        let (decoder, promise) = (decoder.as_ref(), self.promise);
        let stages = Stages { encoder: &encoder, decoder, request: &request, promise };
        let encoded =
            out.write_seekable(|file| stages.encode(model, &mut text.reader, file, &progress))?;
        out.commit()?;
        Ok((encoded, start.elapsed()))
    }
}

/// For scripts.
#[derive(Serialize)]
struct Summary<'a> {
    model: &'a str,
    fingerprint: String,
    segments: u64,
    source_sha256: String,
    token_ratio: f64,
    byte_ratio: f64,
    text_tokens: u64,
    latent_positions: u64,
    corrections: u64,
    patch_bytes: u64,
    verbatim_tokens: u64,
    fidelity: serde_json::Value,
    text_bytes: u64,
    stored_bytes: u64,
    encode_seconds: f64,
    peak_memory_bytes: Option<u64>,
}

impl<'a> Summary<'a> {
    fn new(encoded: &'a Encoded, seconds: Duration) -> Self {
        let ratio = &encoded.ratio;
        Self {
            model: &encoded.model,
            fingerprint: encoded.fingerprint.to_string(),
            segments: encoded.segments,
            source_sha256: encoded.source.sha256.to_string(),
            token_ratio: ratio.token_ratio(),
            byte_ratio: ratio.byte_ratio(),
            text_tokens: ratio.text_tokens,
            latent_positions: ratio.latent_positions,
            corrections: ratio.corrections,
            patch_bytes: ratio.patch_bytes,
            verbatim_tokens: ratio.verbatim_tokens,
            fidelity: foretold::json(encoded),
            text_bytes: ratio.text_bytes,
            stored_bytes: ratio.stored_bytes,
            encode_seconds: seconds.as_secs_f64(),
            peak_memory_bytes: memory::peak(),
        }
    }
}
