//! The encoder: text and context queries in, latent tokens out.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use c3_core::{
    EncodeRequest, Encoder, Fingerprint, FingerprintBuilder, Provenance, Segment, SourceDigest,
};
use c3_nn::{C3Config, Checkpoint, LoadOptions, Qwen2, Tokenizer, padded};
use candle_core::{DType, Device, Tensor};

use crate::{Bank, Error, Result, stream};

/// Decoder positions that every segment costs beside its latents: `<img>` and `</img>`.
const MARKERS: u32 = 2;

/// What the names of the encoder's own tensors begin with among the parameters that are trained: the
/// folder they are in.
const ENCODER: &str = "llm1/";

/// The encoder of a C3 checkpoint.
pub struct C3Encoder {
    pub(crate) model: Qwen2,
    tokenizer: Arc<Tokenizer>,
    config: C3Config,
    queries: BTreeMap<Option<u32>, Tensor>, // bank → [queries, hidden]
    pub(crate) marker: u32,                 // <img>
    name: String,
    fingerprint: Fingerprint,
}

impl C3Encoder {
    /// Loads the encoder's weights and every query bank.
    ///
    /// # Errors
    /// Where the checkpoint has no encoder, or a tensor is missing or of the wrong shape.
    pub fn load(checkpoint: &Checkpoint, options: &LoadOptions) -> Result<Self> {
        let config = checkpoint.config();
        let weights = checkpoint
            .encoder()
            .ok_or_else(|| c3_nn::Error::NoEncoder(checkpoint.name().to_owned()))?;
        let options = &weights.settle(options)?;
        let hidden = config.encoder.hidden_size;
        let outer = checkpoint.decoder();
        let mut queries = BTreeMap::new();
        let default = outer.tensor("model.Q.weight", &[config.latent_tokens, hidden], options)?;
        queries.insert(None, default);
        for (&ratio, &count) in &config.query_banks {
            let name = format!("model.Q_banks.{ratio}.weight");
            queries.insert(Some(ratio), outer.tensor(&name, &[count, hidden], options)?);
        }
        let mut print = FingerprintBuilder::new();
        checkpoint.visit_identity(&mut |name, bytes| {
            print.tensor(name, bytes);
        });
        Ok(Self {
            model: Qwen2::load_headless(&config.encoder, weights, &options.scoped(ENCODER))?,
            tokenizer: checkpoint.tokenizer().clone(),
            config: config.clone(),
            queries,
            marker: checkpoint.tokenizer().require_special(&["<img>"])?[0],
            name: checkpoint.name().to_owned(),
            fingerprint: print.finish(),
        })
    }

    /// The checkpoint's shape.
    pub fn config(&self) -> &C3Config {
        &self.config
    }

    /// The language model that reads.
    pub fn model(&self) -> &Qwen2 {
        &self.model
    }

    /// The embeddings of the marker behind a text and of a bank's queries, and the position ids of
    /// both behind `tokens` of text: `[1 + bank.latents(tokens), hidden]`. What
    /// [`latents`](Self::latents) feeds behind each text, for those who run the model themselves.
    ///
    /// # Errors
    /// Where the text is longer than the bank allows, or the bank isn't this model's.
    pub fn asking(&self, tokens: usize, bank: &Bank) -> Result<(Tensor, Vec<u32>)> {
        if tokens > bank.segment_tokens {
            return Err(Error::SegmentTooLong { tokens, most: bank.segment_tokens });
        }
        let queries = self.queries.get(&bank.ratio).ok_or(Error::ForeignBank(*bank))?;
        let count = bank.latents(tokens);
        let marker = self.model.embed(&[self.marker])?;
        let asking = Tensor::cat(&[&marker, &queries.narrow(0, 0, count)?], 0)?;
        Ok((asking, self.config.query_position_ids(tokens, count)))
    }

    /// The tokenizer that texts are counted with.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Latents of segments that are tokenised already, computed in one batch: for each a tensor
    /// `[bank.latents(ids.len()), hidden]`, f32 on the CPU.
    ///
    /// The encoder reads `ids, <img>, queries`; rows shorter than the longest are padded on the
    /// left, where causal attention can't see them. The `</img>` that the authors append can't
    /// influence the latents and isn't computed.
    ///
    /// # Errors
    /// Where an id is outside the vocabulary or a segment is longer than the bank allows.
    pub fn latents(&self, segments: &[&[u32]], bank: &Bank) -> Result<Vec<Tensor>> {
        let queries = self.queries(segments, bank)?;
        let counts: Vec<usize> = segments.iter().map(|ids| bank.latents(ids.len())).collect();
        let lengths = segments.iter().zip(&counts).map(|(ids, n)| ids.len() + 1 + n);
        let Some(longest) = lengths.clone().max() else { return Ok(Vec::new()) };
        let first_key: Vec<usize> = lengths.map(|length| longest - length).collect();

        let mut rows = Vec::with_capacity(segments.len());
        let mut positions = Vec::with_capacity(segments.len() * longest);
        for ((ids, &count), &padding) in segments.iter().zip(&counts).zip(&first_key) {
            let mut fed = ids.to_vec();
            fed.push(self.marker);
            let text = self.model.embed(&fed)?; // [tokens + 1, hidden]
            rows.push(padded(padding, &[&text, &queries.narrow(0, 0, count)?])?);
            positions.extend(std::iter::repeat_n(0, padding));
            positions.extend(0..ids.len() as u32);
            positions.extend(self.config.query_position_ids(ids.len(), count));
        }
        let x = Tensor::stack(&rows, 0)?; // [batch, longest, hidden]
        let most = counts.iter().copied().max().unwrap_or(0);
        let hidden = self.model.forward_embeds(&x, &positions, &first_key, None, most)?;
        let cut = |(row, &count)| on_cpu(&hidden.get(row)?.narrow(0, most - count, count)?);
        Ok(counts.iter().enumerate().map(cut).collect::<candle_core::Result<_>>()?)
    }

    /// The bank's queries, `[queries, hidden]`, where it may read `segments`.
    pub(crate) fn queries(&self, segments: &[&[u32]], bank: &Bank) -> Result<&Tensor> {
        if let Some(ids) = segments.iter().find(|ids| ids.len() > bank.segment_tokens) {
            return Err(Error::SegmentTooLong { tokens: ids.len(), most: bank.segment_tokens });
        }
        self.queries.get(&bank.ratio).ok_or(Error::ForeignBank(*bank))
    }
}

/// What leaves the encoder.
pub(crate) fn on_cpu(latents: &Tensor) -> candle_core::Result<Tensor> {
    latents.to_dtype(DType::F32)?.to_device(&Device::Cpu)
}

impl Encoder for C3Encoder {
    type Error = Error;

    fn provenance(&self, request: &EncodeRequest) -> Result<Provenance> {
        let bank = Bank::choose(&self.config, request.compression)?;
        Ok(Provenance {
            fingerprint: self.fingerprint,
            model: self.name.clone(),
            dim: self.config.encoder.hidden_size,
            dtype: request.dtype,
            markers: MARKERS,
            segmenter: format!(
                "at most {} tokens and {} latents; paragraph, sentence, word, grapheme",
                bank.segment_tokens, bank.queries
            ),
            prompt: self.config.prompt.question.clone(),
            created_by: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).into(),
            extra: BTreeMap::new(),
        })
    }

    fn encode_stream(
        &self,
        text: &mut (dyn Read + Send),
        request: &EncodeRequest,
        sink: &mut dyn FnMut(Segment) -> ControlFlow<()>,
    ) -> Result<SourceDigest> {
        stream::encode(self, text, request, sink)
    }
}
