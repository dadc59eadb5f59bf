//! The Qwen2 language model, from embeddings to logits.
//!
//! Written for C3 rather than taken from a model library: both stages feed embeddings instead of
//! ids, position ids are the caller's, angles are f32, and the last layer computes only the rows
//! that somebody reads.

use std::ops::Range;
use std::path::Path;

use c3_kernels::{Activations, Attention, Heads};
use candle_core::{DType, Device, Tensor};

use crate::kv_cache::KvCache;
use crate::rope::{Rope, inverse_frequencies};
use crate::stacked::Stacked;
use crate::{Error, LoadOptions, Matrix, Qwen2Config, Result, Rounding, Weights};

pub(crate) const EMBEDDINGS: &str = "model.embed_tokens.weight";

struct Linear {
    weight: Matrix, // [out, in]
}

impl Linear {
    /// `[.., in]` → `[.., out]`
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.weight.linear(x, None)
    }

    fn byte_count(&self) -> u64 {
        self.weight.byte_count()
    }
}

/// Root-mean-square norm: `x / √(mean(x²) + eps) · weight`.
struct RmsNorm {
    weight: Tensor,
    eps: f32,
}

impl RmsNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(match x.device().is_cpu() {
            true => c3_kernels::rms_norm(&x.contiguous()?, &self.weight, self.eps)?,
            // candle's kernel has no backward pass.
            false if self.weight.is_variable() => {
                candle_nn::ops::rms_norm_slow(x, &self.weight, self.eps)?
            }
            false => candle_nn::ops::rms_norm(x, &self.weight, self.eps)?,
        })
    }
}

/// One pass through the model: what all layers share.
struct Pass {
    rope: Rope,
    attention: Attention,
}

struct SelfAttention {
    qkv_proj: Stacked, // queries, keys, values
    o_proj: Linear,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
}

impl SelfAttention {
    /// `x` is `[batch, tokens, hidden]`; only the last `rows` tokens of each row ask, and only
    /// they come back: `[batch, rows, hidden]`.
    fn forward(
        &self,
        x: &Tensor,
        rows: usize,
        pass: &Pass,
        cache: Option<(&KvCache, usize)>,
    ) -> Result<Tensor> {
        let (batch, tokens, _) = x.dims3()?;
        let (heads, kv_heads) = (self.heads, self.kv_heads);
        // It is for its gradient; without one it gives the same bits, and the peaks of memory that are
        // predicted are those of what follows.
        if cache.is_none() && rows > 0 && x.device().is_cpu() && x.track_op() {
            let (q, kv) = match rows == tokens {
                true => (None, self.qkv_proj.forward(x, 0..3)?),
                false => {
                    let kv = self.qkv_proj.forward(x, 1..3)?;
                    (Some(self.qkv_proj.forward(&last_rows(x, rows)?, 0..1)?), kv)
                }
            };
            let heads = Heads { heads, kv_heads, head_dim: self.head_dim };
            return self.o_proj.forward(&pass.rope.attend(
                q.as_ref(),
                &kv,
                heads,
                &pass.attention,
            )?);
        }
        // Views of the heads of one tensor: [batch, tokens, heads, head_dim].
        let split = |x: Tensor| {
            let (batch, tokens, width) = x.dims3()?;
            x.reshape((batch, tokens, width / self.head_dim, self.head_dim))
        };
        let (q, k, v) = if rows == tokens {
            let all = split(self.qkv_proj.forward(x, 0..3)?)?;
            let q = pass.rope.apply(&all.narrow(2, 0, heads)?)?;
            let k = pass.rope.apply(&all.narrow(2, heads, kv_heads)?)?;
            (q, k, all.narrow(2, heads + kv_heads, kv_heads)?)
        } else {
            let kv = split(self.qkv_proj.forward(x, 1..3)?)?;
            let q = split(self.qkv_proj.forward(&last_rows(x, rows)?, 0..1)?)?;
            let k = pass.rope.apply(&kv.narrow(2, 0, kv_heads)?)?;
            (pass.rope.last(rows)?.apply(&q)?, k, kv.narrow(2, kv_heads, kv_heads)?)
        };
        let (k, v) = match cache {
            Some((cache, layer)) => cache.append(layer, &k, &v)?,
            None => (k.transpose(1, 2)?, v.transpose(1, 2)?),
        };
        if rows == 0 {
            return Ok(x.narrow(1, 0, 0)?);
        }
        let out = c3_kernels::attention(&q, &k, &v, &pass.attention)?; // [batch, rows, heads, head_dim]
        self.o_proj.forward(&out.reshape((batch, rows, self.heads * self.head_dim))?)
    }
}

/// SwiGLU: `down(silu(gate(x)) · up(x))`.
struct Mlp {
    gate_up_proj: Stacked,
    down_proj: Linear,
}

/// Bytes of gates and ups that are made at a time: beyond this, rows are taken in parts, which stay
/// in the cache and in memory that the allocator keeps.
pub(crate) const MLP_BYTES: usize = 24 << 20;

impl Mlp {
    /// `[batch, tokens, hidden]` → the same
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, tokens, hidden) = x.dims3()?;
        let rows = batch * tokens;
        let wide = 2 * self.down_proj.weight.dims()[1];
        let parts = (rows * wide * size_of::<f32>()).div_ceil(MLP_BYTES).clamp(1, rows.max(1));
        if parts == 1 {
            return self.rows(x);
        }
        let x = x.reshape((rows, hidden))?;
        let part = |i: usize| {
            let (start, end) = (i * rows / parts, (i + 1) * rows / parts);
            self.rows(&x.narrow(0, start, end - start)?)
        };
        let parts = (0..parts).map(part).collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&parts, 0)?.reshape((batch, tokens, hidden))?)
    }

    fn rows(&self, x: &Tensor) -> Result<Tensor> {
        self.down_proj.forward(&c3_kernels::swiglu(&self.gate_up_proj.forward(x, 0..2)?)?)
    }
}

struct Layer {
    input_layernorm: RmsNorm,
    self_attn: SelfAttention,
    post_attention_layernorm: RmsNorm,
    mlp: Mlp,
}

impl Layer {
    /// `[batch, tokens, hidden]` → `[batch, rows, hidden]`, the last `rows` tokens of each row.
    fn forward(
        &self,
        x: &Tensor,
        rows: usize,
        pass: &Pass,
        cache: Option<(&KvCache, usize)>,
    ) -> Result<Tensor> {
        let attended =
            self.self_attn.forward(&self.input_layernorm.forward(x)?, rows, pass, cache)?;
        if rows == 0 {
            return Ok(attended);
        }
        let x = (last_rows(x, rows)? + attended)?;
        let mixed = self.mlp.forward(&self.post_attention_layernorm.forward(&x)?)?;
        Ok((x + mixed)?)
    }
}

/// A Qwen2 language model.
pub struct Qwen2 {
    embed_tokens: Matrix, // [vocab, hidden]
    layers: Vec<Layer>,
    norm: RmsNorm,
    lm_head: Option<Matrix>, // [vocab, hidden]; absent where it is not needed
    frequencies: Vec<f32>,
    /// What attention may round.
    attention: Activations,
    config: Qwen2Config,
}

impl Qwen2 {
    /// Loads a whole language model.
    ///
    /// # Errors
    /// Where a tensor is missing or has another shape than `config` says.
    pub fn load(config: &Qwen2Config, weights: &Weights, options: &LoadOptions) -> Result<Self> {
        let options = &weights.settle(options)?;
        let [vocab, hidden] = [config.vocab_size, config.hidden_size];
        if config.tie_word_embeddings && !weights.head_in_gguf() {
            // One matrix is both, so it must be ready for products.
            let tied = weights.matrix(EMBEDDINGS, &[vocab, hidden], options)?;
            let mut model = Self::load_layers(config, weights, options, tied)?;
            model.lm_head = Some(model.embed_tokens.clone());
            return Ok(model);
        }
        let table = weights.table(EMBEDDINGS, &[vocab, hidden], options)?;
        let mut model = Self::load_layers(config, weights, options, table)?;
        model.lm_head = Some(weights.matrix("lm_head.weight", &[vocab, hidden], options)?);
        Ok(model)
    }

    /// Loads a Qwen2 language model from a GGUF file alone: its shape is in the file's metadata.
    ///
    /// The file is mapped into memory: whoever cuts it short while the model is in use ends the
    /// program.
    ///
    /// # Errors
    /// Where the file can't be read, is damaged, or holds another kind of model.
    pub fn from_gguf(path: &Path, options: &LoadOptions) -> Result<Self> {
        let (weights, config) = Weights::open_gguf(path)?;
        Self::load(&config, &weights, options)
    }

    /// Loads a model that is only asked for hidden states; its head is not read.
    ///
    /// Where its matrices take activations of bf16, so does attention: in a model with a head it
    /// doesn't, or a pass over many positions would differ more than it must from as many steps.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_headless(
        config: &Qwen2Config,
        weights: &Weights,
        options: &LoadOptions,
    ) -> Result<Self> {
        let options = &weights.settle(options)?;
        let table = weights.table(EMBEDDINGS, &[config.vocab_size, config.hidden_size], options)?;
        let mut model = Self::load_layers(config, weights, options, table)?;
        let rounds = |layer: &Layer| layer.self_attn.qkv_proj.activations() == Activations::Bf16;
        if model.layers.iter().all(rounds) {
            model.attention = Activations::Bf16;
        }
        Ok(model)
    }

    fn load_layers(
        config: &Qwen2Config,
        weights: &Weights,
        options: &LoadOptions,
        embed_tokens: Matrix,
    ) -> Result<Self> {
        let hidden = config.hidden_size;
        let norm = |name: &str| -> Result<RmsNorm> {
            let weight = weights.tensor(name, &[hidden], options)?;
            Ok(RmsNorm { weight, eps: config.rms_norm_eps as f32 })
        };
        let linear = |name: String, out: usize, into: usize| -> Result<Linear> {
            let weight = weights.matrix(&format!("{name}.weight"), &[out, into], options)?;
            Ok(Linear { weight })
        };
        let (heads, kv_heads, head_dim) =
            (config.num_attention_heads, config.num_key_value_heads, config.head_dim());
        let layer = |i: usize| -> Result<Layer> {
            let p = format!("model.layers.{i}");
            let (attn, mlp) = (format!("{p}.self_attn"), format!("{p}.mlp"));
            let (kv, wide) = (kv_heads * head_dim, config.intermediate_size);
            let qkv = [("q", hidden), ("k", kv), ("v", kv)]
                .map(|(name, out)| (format!("{attn}.{name}_proj"), out));
            let gate_up = ["gate", "up"].map(|name| (format!("{mlp}.{name}_proj"), wide));
            Ok(Layer {
                input_layernorm: norm(&format!("{p}.input_layernorm.weight"))?,
                self_attn: SelfAttention {
                    qkv_proj: weights.stacked(&qkv, hidden, true, options)?,
                    o_proj: linear(format!("{attn}.o_proj"), hidden, hidden)?,
                    heads,
                    kv_heads,
                    head_dim,
                },
                post_attention_layernorm: norm(&format!("{p}.post_attention_layernorm.weight"))?,
                mlp: Mlp {
                    gate_up_proj: weights.stacked(&gate_up, hidden, false, options)?,
                    down_proj: linear(format!("{mlp}.down_proj"), hidden, wide)?,
                },
            })
        };
        Ok(Self {
            embed_tokens,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_>>()?,
            norm: norm("model.norm.weight")?,
            lm_head: None,
            attention: Activations::F32,
            frequencies: inverse_frequencies(config),
            config: config.clone(),
        })
    }

    /// The model's shape.
    pub fn config(&self) -> &Qwen2Config {
        &self.config
    }

    /// Bytes of memory that the weights take.
    pub fn byte_count(&self) -> u64 {
        let layer = |layer: &Layer| {
            let (attn, mlp) = (&layer.self_attn, &layer.mlp);
            attn.qkv_proj.byte_count()
                + attn.o_proj.byte_count()
                + mlp.gate_up_proj.byte_count()
                + mlp.down_proj.byte_count()
                + byte_count(&layer.input_layernorm.weight)
                + byte_count(&layer.post_attention_layernorm.weight)
        };
        let head = match &self.lm_head {
            Some(head) if !self.config.tie_word_embeddings => head.byte_count(),
            _ => 0,
        };
        let layers = self.layers.iter().map(layer).sum::<u64>();
        self.embed_tokens.byte_count() + layers + byte_count(&self.norm.weight) + head
    }

    /// Bytes of weights that a step of decoding reads: all but those of the embedding, of which it
    /// looks up one row for each token, unless that is the head too.
    pub fn step_bytes(&self) -> u64 {
        let looked_up = match &self.lm_head {
            Some(_) if self.config.tie_word_embeddings => 0,
            _ => self.embed_tokens.byte_count(),
        };
        self.byte_count() - looked_up
    }

    /// A cache for `batch` rows of at most `capacity` positions.
    ///
    /// # Errors
    /// Where the device can't allocate it.
    pub fn kv_cache(&self, batch: usize, capacity: usize) -> Result<KvCache> {
        let weight = &self.norm.weight;
        KvCache::new(&self.config, batch, capacity, weight.dtype(), weight.device())
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        self.norm.weight.device()
    }

    /// The number format that it computes in: that of embeddings, hidden states and logits.
    pub fn dtype(&self) -> DType {
        self.norm.weight.dtype()
    }

    /// The coarsest rounding of its products.
    pub fn rounding(&self) -> Rounding {
        let of_layer = |layer: &Layer| {
            let (attn, mlp) = (&layer.self_attn, &layer.mlp);
            [attn.qkv_proj.rounding(), attn.o_proj.weight.rounding()]
                .into_iter()
                .chain([mlp.gate_up_proj.rounding(), mlp.down_proj.weight.rounding()])
                .max()
        };
        let head = self.lm_head.as_ref().map(Matrix::rounding);
        self.layers.iter().filter_map(of_layer).chain(head).max().unwrap_or(Rounding::F32)
    }

    /// Embeddings of `ids`: `[ids.len(), hidden]`.
    ///
    /// # Errors
    /// Where an id is outside the vocabulary.
    pub fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        self.embed_tokens.rows(ids)
    }

    /// Hidden states after the final norm of the last `rows` tokens of each row.
    ///
    /// * `x`: embeddings, `[batch, tokens, hidden]`; rows shorter than others are padded on the
    ///   **left**.
    /// * `positions`: position ids, `[batch, tokens]`; those of padding don't matter.
    /// * `first_key`: per row the first position (counted from the start of the cache) that is no
    ///   padding; empty where there is none.
    /// * `cache`: earlier positions to attend to; the new ones are added to it.
    ///
    /// Returns `[batch, rows, hidden]`. With `rows` 0 the pass only fills the cache: of the last layer
    /// it computes keys and values alone.
    ///
    /// # Errors
    /// Where the shapes don't fit together or the cache is full.
    pub fn forward_embeds(
        &self,
        x: &Tensor,
        positions: &[u32],
        first_key: &[usize],
        mut cache: Option<&mut KvCache>,
        rows: usize,
    ) -> Result<Tensor> {
        let (batch, tokens, _) = x.dims3()?;
        if positions.len() != batch * tokens || rows > tokens {
            return Err(Error::Shape {
                what: "a forward pass",
                expected: format!("{} positions and at most {tokens} rows", batch * tokens),
                found: format!("{} positions and {rows} rows", positions.len()),
            });
        }
        let rope = Rope::new(&self.frequencies, positions, batch, x.device())?;
        let scale = 1.0 / (self.config.head_dim() as f32).sqrt();
        let (first_key, activations) = (first_key.to_vec(), self.attention);
        let attention = Attention { scale, causal: true, first_key, activations };
        let pass = Pass { rope, attention };
        let mut x = x.contiguous()?;
        for (i, layer) in self.layers.iter().enumerate() {
            // Nobody reads the other rows of the last layer.
            let rows = if i + 1 == self.layers.len() { rows } else { tokens };
            x = layer.forward(&x, rows, &pass, cache.as_deref().map(|cache| (cache, i)))?;
        }
        if let Some(cache) = &mut cache {
            cache.advance(tokens);
        }
        if rows == 0 {
            return Ok(x);
        }
        self.norm.forward(&x)
    }

    /// Logits of hidden states: `[.., hidden]` → `[.., vocab]`.
    ///
    /// # Errors
    /// Where the model was loaded without its head.
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        match &self.lm_head {
            Some(head) => head.linear(hidden, None),
            None => Err(Error::NoHead),
        }
    }

    /// The mean cross entropy, in nats, of the tokens that follow hidden states, `[rows, hidden]`:
    /// a scalar. For training; weights are f32.
    ///
    /// # Errors
    /// Where the model was loaded without its head, or its weights are kept in another way.
    pub fn loss(&self, hidden: &Tensor, targets: &[u32]) -> Result<Tensor> {
        let head = self.lm_head.as_ref().ok_or(Error::NoHead)?;
        let (weight, activations) = head.plain().ok_or_else(|| Error::Shape {
            what: "a head that is trained",
            expected: "f32 weights, row by row".into(),
            found: "packed or quantised ones".into(),
        })?;
        Ok(c3_kernels::cross_entropy(hidden, weight, targets, activations)?)
    }

    /// Logits of some tokens alone: `[.., hidden]` → `[.., tokens.len()]`.
    ///
    /// # Errors
    /// As [`logits`](Self::logits), and where the tokens don't begin at a multiple of 16 or reach
    /// beyond the vocabulary.
    pub fn logits_of(&self, hidden: &Tensor, tokens: Range<usize>) -> Result<Tensor> {
        match &self.lm_head {
            Some(head) => head.columns(hidden, tokens, None),
            None => Err(Error::NoHead),
        }
    }
}

/// `parts`, `[.., hidden]` each, one below the other behind `padding` rows of zeros. A device refuses
/// memory of no bytes, so what has no rows is left out.
///
/// # Errors
/// Where the parts don't fit together, there is none, or the device fails.
pub fn padded(padding: usize, parts: &[&Tensor]) -> Result<Tensor> {
    let blank = match parts.first() {
        Some(first) if padding > 0 => {
            Some(Tensor::zeros((padding, first.dim(1)?), first.dtype(), first.device())?)
        }
        _ => None,
    };
    let mut all: Vec<&Tensor> = blank.iter().chain(parts.iter().copied()).collect();
    all.retain(|part| part.elem_count() > 0);
    Ok(match (all.as_slice(), parts) {
        ([], [first, ..]) => (*first).clone(),
        (all, _) => Tensor::cat(all, 0)?,
    })
}

/// The last `rows` tokens of each row of `[batch, tokens, hidden]`.
fn last_rows(x: &Tensor, rows: usize) -> Result<Tensor> {
    let tokens = x.dim(1)?;
    if rows == tokens {
        return Ok(x.clone());
    }
    Ok(x.narrow(1, tokens - rows, rows)?.contiguous()?)
}

/// Bytes of a tensor.
pub(crate) fn byte_count(tensor: &Tensor) -> u64 {
    (tensor.elem_count() * tensor.dtype().size_in_bytes()) as u64
}
