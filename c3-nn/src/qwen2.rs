//! The Qwen2 language model, from embeddings to logits.
//!
//! Written for C3 rather than taken from a model library: both stages feed embeddings instead of
//! ids, position ids are the caller's, angles are f32, and the last layer computes only the rows
//! that somebody reads.

use std::path::Path;

use c3_kernels::Attention;
use candle_core::Tensor;

use crate::kv_cache::KvCache;
use crate::rope::{Rope, inverse_frequencies};
use crate::{Error, LoadOptions, Matrix, Qwen2Config, Result, Weights};

struct Linear {
    weight: Matrix,       // [out, in]
    bias: Option<Tensor>, // [out]
}

impl Linear {
    /// `[.., in]` → `[.., out]`
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.weight.linear(x, self.bias.as_ref())
    }
}

/// Root-mean-square norm: `x / √(mean(x²) + eps) · weight`.
struct RmsNorm {
    weight: Tensor,
    eps: f32,
}

impl RmsNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(candle_nn::ops::rms_norm(x, &self.weight, self.eps)?)
    }
}

/// One pass through the model: what all layers share.
struct Pass {
    rope: Rope,
    attention: Attention,
}

struct SelfAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
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
        let split = |x: Tensor, tokens: usize, heads: usize| {
            x.reshape((batch, tokens, heads, self.head_dim))
        };
        let k = pass.rope.apply(&split(self.k_proj.forward(x)?, tokens, self.kv_heads)?)?;
        let v = split(self.v_proj.forward(x)?, tokens, self.kv_heads)?;
        let q = split(self.q_proj.forward(&last_rows(x, rows)?)?, rows, self.heads)?;
        let q =
            if rows == tokens { pass.rope.apply(&q)? } else { pass.rope.last(rows)?.apply(&q)? };
        let (k, v) = match cache {
            Some((cache, layer)) => cache.append(layer, &k, &v)?,
            None => (k.transpose(1, 2)?, v.transpose(1, 2)?),
        };
        let out = c3_kernels::attention(&q, &k, &v, &pass.attention)?; // [batch, rows, heads, head_dim]
        self.o_proj.forward(&out.reshape((batch, rows, self.heads * self.head_dim))?)
    }
}

/// SwiGLU: `down(silu(gate(x)) · up(x))`.
struct Mlp {
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

impl Mlp {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let gate = self.gate_proj.forward(x)?.silu()?;
        self.down_proj.forward(&(gate * self.up_proj.forward(x)?)?)
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
    config: Qwen2Config,
}

impl Qwen2 {
    /// Loads a whole language model.
    ///
    /// # Errors
    /// Where a tensor is missing or has another shape than `config` says.
    pub fn load(config: &Qwen2Config, weights: &Weights, options: &LoadOptions) -> Result<Self> {
        let mut model = Self::load_headless(config, weights, options)?;
        model.lm_head = Some(if config.tie_word_embeddings && !weights.head_in_gguf() {
            model.embed_tokens.clone()
        } else {
            weights.matrix("lm_head.weight", &[config.vocab_size, config.hidden_size], options)?
        });
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
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_headless(
        config: &Qwen2Config,
        weights: &Weights,
        options: &LoadOptions,
    ) -> Result<Self> {
        let hidden = config.hidden_size;
        let norm = |name: &str| -> Result<RmsNorm> {
            let weight = weights.f32(name, &[hidden], options)?;
            Ok(RmsNorm { weight, eps: config.rms_norm_eps as f32 })
        };
        let linear = |name: String, out: usize, into: usize, bias: bool| -> Result<Linear> {
            let weight = weights.matrix(&format!("{name}.weight"), &[out, into], options)?;
            let bias = match bias {
                true => Some(weights.f32(&format!("{name}.bias"), &[out], options)?),
                false => None,
            };
            Ok(Linear { weight, bias })
        };
        let (heads, kv_heads, head_dim) =
            (config.num_attention_heads, config.num_key_value_heads, config.head_dim());
        let layer = |i: usize| -> Result<Layer> {
            let p = format!("model.layers.{i}");
            let (attn, mlp) = (format!("{p}.self_attn"), format!("{p}.mlp"));
            let kv = kv_heads * head_dim;
            Ok(Layer {
                input_layernorm: norm(&format!("{p}.input_layernorm.weight"))?,
                self_attn: SelfAttention {
                    q_proj: linear(format!("{attn}.q_proj"), hidden, hidden, true)?,
                    k_proj: linear(format!("{attn}.k_proj"), kv, hidden, true)?,
                    v_proj: linear(format!("{attn}.v_proj"), kv, hidden, true)?,
                    o_proj: linear(format!("{attn}.o_proj"), hidden, hidden, false)?,
                    heads,
                    kv_heads,
                    head_dim,
                },
                post_attention_layernorm: norm(&format!("{p}.post_attention_layernorm.weight"))?,
                mlp: {
                    let wide = config.intermediate_size;
                    Mlp {
                        gate_proj: linear(format!("{mlp}.gate_proj"), wide, hidden, false)?,
                        up_proj: linear(format!("{mlp}.up_proj"), wide, hidden, false)?,
                        down_proj: linear(format!("{mlp}.down_proj"), hidden, wide, false)?,
                    }
                },
            })
        };
        Ok(Self {
            embed_tokens: weights.matrix(
                "model.embed_tokens.weight",
                &[config.vocab_size, hidden],
                options,
            )?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_>>()?,
            norm: norm("model.norm.weight")?,
            lm_head: None,
            frequencies: inverse_frequencies(config),
            config: config.clone(),
        })
    }

    /// The model's shape.
    pub fn config(&self) -> &Qwen2Config {
        &self.config
    }

    /// A cache for `batch` rows of at most `capacity` positions.
    ///
    /// # Errors
    /// Where the device can't allocate it.
    pub fn kv_cache(&self, batch: usize, capacity: usize) -> Result<KvCache> {
        KvCache::new(&self.config, batch, capacity, self.embed_tokens.device())
    }

    /// Embeddings of `ids`: `[ids.len(), hidden]`, f32.
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
    /// Returns `[batch, rows, hidden]`.
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
        let attention = Attention { scale, causal: true, first_key: first_key.to_vec() };
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
}

/// The last `rows` tokens of each row of `[batch, tokens, hidden]`.
fn last_rows(x: &Tensor, rows: usize) -> Result<Tensor> {
    let tokens = x.dim(1)?;
    if rows == tokens {
        return Ok(x.clone());
    }
    Ok(x.narrow(1, tokens - rows, rows)?.contiguous()?)
}
