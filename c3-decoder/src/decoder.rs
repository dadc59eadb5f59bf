//! The decoder: latent tokens in, text out.

use std::ops::ControlFlow;
use std::sync::Arc;

use c3_core::{
    DecodeEvent, DecodeRequest, Decoded, DecodedSegment, Decoder, Fidelity, Fingerprint,
    FingerprintBuilder, Provenance, Segment, SegmentSource, StopReason,
};
use c3_nn::{
    Activations, C3Config, Checkpoint, LoadOptions, Matrix, PromptIds, Qwen2, Tokenizer, padded,
};
use candle_core::Tensor;

use crate::generate::Generation;
use crate::memory::Positions;
use crate::ordered::Ordered;
use crate::promise::applies_to;
use crate::{Error, Result};

/// The decoder of a C3 checkpoint.
pub struct C3Decoder {
    pub(crate) model: Qwen2,
    pub(crate) tokenizer: Arc<Tokenizer>,
    config: C3Config,
    projector: (Matrix, Tensor), // [decoder width, encoder width] and [decoder width]
    pub(crate) stop: u32,
    placeholder: u32, // stands for a latent where n-grams are counted
    name: String,
    fingerprint: Option<Fingerprint>,
    identity: Option<Fingerprint>, // of its own weights, where somebody asked for it
    kept: String,                  // how it keeps them
}

/// Prompts of several segments, padded on the left to one length.
pub(crate) struct PromptBatch {
    pub embeds: Tensor,          // [batch, tokens, hidden]
    pub positions: Vec<u32>,     // [batch, tokens]
    pub first_key: Vec<usize>,   // [batch]
    pub ids: Vec<Vec<u32>>,      // per row, without padding
    pub next_position: Vec<u32>, // per row, where the answer starts
}

impl C3Decoder {
    /// Loads the decoder's weights and its projector.
    ///
    /// # Errors
    /// Where a tensor is missing or of the wrong shape.
    pub fn load(checkpoint: &Checkpoint, options: &LoadOptions) -> Result<Self> {
        let config = checkpoint.config();
        let weights = checkpoint.decoder();
        let device = if options.device.is_cpu() { "cpu" } else { "gpu" };
        let activations = match options.activations {
            Activations::F32 => "f32",
            Activations::Bf16 => "bf16",
        };
        let kept = format!("dtype {}, activations {activations}, on {device}", options.dtype);
        let options = &weights.settle(options)?;
        let (wide, latent) = (config.decoder.hidden_size, config.encoder.hidden_size);
        let projector = (
            weights.matrix("model.mm_projector.weight", &[wide, latent], options)?,
            weights.tensor("model.mm_projector.bias", &[wide], options)?,
        );
        let special = checkpoint.tokenizer().require_special(&["<|im_end|>", "<imgpad>"])?;
        let mut print = FingerprintBuilder::new();
        let known = checkpoint.visit_identity(&mut |name, bytes| {
            print.tensor(name, bytes);
        });
        Ok(Self {
            model: Qwen2::load(&config.decoder, weights, options)?,
            tokenizer: checkpoint.tokenizer().clone(),
            config: config.clone(),
            projector,
            stop: special[0],
            placeholder: special[1],
            name: checkpoint.name().to_owned(),
            fingerprint: known.then(|| print.finish()),
            identity: None,
            kept,
        })
    }

    /// Finds out which weights these are, of the checkpoint that they were loaded from: what was
    /// verified with others is then refused. All of them are read once more.
    pub fn identify(&mut self, checkpoint: &Checkpoint) -> Fingerprint {
        let mut print = FingerprintBuilder::new();
        checkpoint.visit_decoder(&mut |name, bytes| {
            print.part(name, bytes);
        });
        *self.identity.insert(print.finish())
    }

    /// The fingerprint of the decoder's own weights, where it was [asked for](Self::identify).
    pub fn identity(&self) -> Option<Fingerprint> {
        self.identity
    }

    /// How the weights are kept, for people: otherwise kept, other tokens may be likeliest.
    pub fn kept(&self) -> &str {
        &self.kept
    }

    /// The checkpoint's shape.
    pub fn config(&self) -> &C3Config {
        &self.config
    }

    /// The language model that answers.
    pub fn model(&self) -> &Qwen2 {
        &self.model
    }

    /// The tokenizer that answers are spelled with.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The token that ends an answer.
    pub fn stop(&self) -> u32 {
        self.stop
    }

    /// The fingerprint of the encoder that this decoder was trained with; `None` where the
    /// checkpoint has no encoder, and latents of another one can't be told.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// Latents in the decoder's width, number format and place: `[n, encoder width]` →
    /// `[n, decoder width]`.
    ///
    /// # Errors
    /// Where the latents have another width than the projector takes.
    pub fn project(&self, latents: &Tensor) -> Result<Tensor> {
        let (weight, bias) = &self.projector;
        let (expected, found) = (weight.dims()[1], latents.dims2()?.1);
        if expected != found {
            return Err(Error::LatentWidth { expected, found });
        }
        let latents = latents.to_device(bias.device())?.to_dtype(bias.dtype())?;
        Ok(weight.linear(&latents, Some(bias))?)
    }

    /// The prompt's ids, with the model's placeholder in the place of each of `latents` latents,
    /// and the logits after each of them: `[prompt, vocab]`. For comparing with other
    /// implementations; `latents` is `[n, encoder width]`, and stands for `tokens` of text.
    ///
    /// # Errors
    /// As [`project`](Self::project).
    pub fn prompt_logits(
        &self,
        latents: &Tensor,
        tokens: usize,
        question: Option<&str>,
    ) -> Result<(Vec<u32>, Tensor)> {
        let prompt = self.config.prompt.ids(&self.tokenizer, question)?;
        let mut batch = self.prompts(std::slice::from_ref(latents), &[tokens], &prompt)?;
        let rows = batch.embeds.dim(1)?;
        let hidden = self.model.forward_embeds(
            &batch.embeds,
            &batch.positions,
            &batch.first_key,
            None,
            rows,
        )?;
        let logits = self.model.logits(&hidden)?.get(0)?;
        Ok((batch.ids.swap_remove(0), logits))
    }

    /// Splices projected latents into the prompt; `tokens` has the length of the text that they stand
    /// for.
    pub(crate) fn prompts(
        &self,
        latents: &[Tensor],
        tokens: &[usize],
        prompt: &PromptIds,
    ) -> Result<PromptBatch> {
        let before = self.model.embed(&prompt.before)?;
        let after = self.model.embed(&prompt.after)?;
        let counts = latents.iter().map(|l| l.dim(0)).collect::<candle_core::Result<Vec<_>>>()?;
        let most = counts.iter().copied().max().unwrap_or(0);
        let (b, a) = (prompt.before.len(), prompt.after.len());
        let longest = b + most + a;
        let mut positions = Vec::with_capacity(latents.len() * longest);
        let (mut first_key, mut next_position) = (Vec::new(), Vec::new());
        let (mut rows, mut ids) = (Vec::new(), Vec::new());
        for ((latents, &count), &tokens) in latents.iter().zip(&counts).zip(tokens) {
            let padding = most - count;
            rows.push(padded(padding, &[&before, &self.project(latents)?, &after])?);
            let resume = b + self.config.latent_room(count);
            positions.extend(std::iter::repeat_n(0, padding));
            positions.extend(self.config.latent_position_ids(b, tokens, count));
            positions.extend((resume as u32..).take(a));
            first_key.push(padding);
            next_position.push((resume + a) as u32);
            let latents = vec![self.placeholder; count];
            ids.push([prompt.before.as_slice(), &latents, &prompt.after].concat());
        }
        let embeds = Tensor::stack(&rows, 0)?;
        Ok(PromptBatch { embeds, positions, first_key, ids, next_position })
    }

    /// Refuses latents that another encoder made.
    ///
    /// # Errors
    /// [`Error::OtherEncoder`], [`Error::LatentWidth`].
    pub fn check(&self, provenance: &Provenance) -> Result<()> {
        self.check_for(provenance, &DecodeRequest::default())
    }

    /// The decoder that verified what `provenance` speaks of, where that is known to be another one
    /// than this, which [knows itself](Self::identify).
    pub fn other_verifier(&self, provenance: &Provenance) -> Option<Fingerprint> {
        provenance.verified_by().filter(|&found| self.identity.is_some_and(|own| own != found))
    }

    /// Refuses what another decoder promised of segment number `number`.
    ///
    /// # Errors
    /// [`Error::OtherDecoder`].
    pub fn check_promise(
        &self,
        provenance: &Provenance,
        number: usize,
        fidelity: &Fidelity,
    ) -> Result<()> {
        match (self.identity.zip(self.other_verifier(provenance)), fidelity) {
            (Some((expected, found)), Fidelity::Exact { .. }) => {
                Err(Error::OtherDecoder { segment: number, found, expected })
            }
            _ => Ok(()),
        }
    }

    /// Whether `request` asks for what was foretold and promised: the text itself, decoded greedily
    /// and unhindered.
    pub fn keeps_promises(&self, request: &DecodeRequest) -> bool {
        self.reproduces(request) && applies_to(request)
    }

    /// Whether it asks for the text itself.
    fn reproduces(&self, request: &DecodeRequest) -> bool {
        let question = request.question.as_deref();
        question.is_none_or(|question| question == self.config.prompt.question)
    }

    fn check_for(&self, provenance: &Provenance, request: &DecodeRequest) -> Result<()> {
        if let Some(expected) = self.fingerprint
            && expected != provenance.fingerprint
            && !request.any_fingerprint
        {
            return Err(Error::OtherEncoder {
                made_by: provenance.model.clone(),
                found: provenance.fingerprint,
                decoder: self.name.clone(),
                expected,
            });
        }
        let expected = self.config.encoder.hidden_size;
        if provenance.dim != expected {
            return Err(Error::LatentWidth { expected, found: provenance.dim });
        }
        Ok(())
    }
}

impl Decoder for C3Decoder {
    type Error = Error;

    fn decode(
        &self,
        context: &dyn SegmentSource,
        request: &DecodeRequest,
        sink: &mut dyn FnMut(DecodeEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Decoded> {
        self.check_for(context.provenance(), request)?;
        let count = context.segment_count();
        let range = request.segments.clone().unwrap_or(0..count);
        if range.start > range.end || range.end > count {
            return Err(Error::NoSuchSegments { start: range.start, end: range.end, count });
        }
        for (name, value) in [
            ("max-new-tokens", request.max_new_tokens),
            ("no-repeat-ngram", request.no_repeat_ngram),
            ("batch", request.batch),
        ] {
            if value == Some(0) {
                return Err(Error::Setting { name, expected: "at least 1", found: "0".into() });
            }
        }
        let (reproduces, promised) = (self.reproduces(request), self.keeps_promises(request));
        let prompt = self.config.prompt.ids(&self.tokenizer, request.question.as_deref())?;
        let prompt_length = prompt.before.len() + prompt.after.len();
        let mut ordered = Ordered::new(sink);
        let mut next = range.start;
        let mut most = if request.gradual { 1 } else { usize::MAX };
        while next < range.end {
            let (mut segments, mut kept) = (Vec::new(), 0);
            let mut rows = request.batch.unwrap_or(Self::MOST_ROWS).min(most);
            most = most.saturating_mul(2);
            while next < range.end && segments.len() + kept < rows {
                let segment = context.segment(next)?;
                if promised && !request.any_fingerprint {
                    self.check_promise(context.provenance(), next, &segment.fidelity)?;
                }
                ordered.expect(next);
                if segment.fidelity == Fidelity::Verbatim {
                    tell_verbatim(next, &segment, reproduces, &mut ordered)?;
                    (next, kept) = (next + 1, kept + 1);
                    continue;
                }
                let (tokens, latents) = (segment.text_tokens as usize, segment.latents.rows());
                let positions =
                    Positions::new(&self.config, request, prompt_length, tokens, latents);
                if request.batch.is_none() {
                    rows = rows.min(positions.default_batch(&self.config));
                }
                segments.push((next, segment, positions.limit));
                next += 1;
            }
            if segments.is_empty() {
                continue;
            }
            Generation::new(self, &prompt, request, reproduces, segments, &mut ordered)?.run()?;
        }
        let (decoded, told) = ordered.finish();
        // Every segment hashes to what its source did: so must all of them together.
        let whole = reproduces && range == (0..count) && decoded.exact == decoded.segments;
        if whole && told != context.source() {
            return Err(Error::OtherSource);
        }
        Ok(decoded)
    }
}

/// Tells of a segment that is kept as text.
fn tell_verbatim(
    number: usize,
    segment: &Segment,
    reproduces: bool,
    ordered: &mut Ordered<'_>,
) -> Result<()> {
    if !reproduces {
        return Err(Error::NothingToAsk { segment: number });
    }
    ordered.bytes(number, segment.text.as_deref().unwrap_or_default())?;
    let stop = StopReason::StopToken;
    ordered.done(DecodedSegment { index: number, tokens: Vec::new(), stop, exact: true })
}
