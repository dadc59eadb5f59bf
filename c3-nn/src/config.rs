//! `config.json` of a Qwen2 model, as Hugging Face transformers writes it.

use serde::Deserialize;

use crate::{Error, Result};

/// How exact the rotary frequencies are. The angles made from them are always f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RopeFrequencies {
    /// As computed in f32: what the authors' inference code does.
    #[default]
    F32,
    /// Rounded to bfloat16: what a PyTorch model computes with after `.to(torch.bfloat16)`, as the
    /// authors' training code calls it. Angles at far positions differ by radians.
    Bf16,
}

/// The shape of a Qwen2 model. Field names are those of `config.json`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Qwen2Config {
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width of the feed-forward network.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; each serves `num_attention_heads / num_key_value_heads` query heads.
    pub num_key_value_heads: usize,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Added to the mean square in RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary angles.
    pub rope_theta: f64,
    /// Whether the head is the embedding.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// Positions the model was trained for.
    pub max_position_embeddings: usize,
    /// The feed-forward network's activation; only `silu` is known.
    #[serde(default = "silu")]
    pub hidden_act: String,
    /// Attention over a window only; not supported.
    #[serde(default)]
    pub use_sliding_window: bool,
    /// How exact the rotary frequencies are; not in a Qwen2 model's own file.
    #[serde(skip)]
    pub rope_frequencies: RopeFrequencies,
    /// Scaled rotary angles; not supported.
    #[serde(default)]
    pub rope_scaling: Option<serde_json::Value>,
}

fn silu() -> String {
    "silu".into()
}

impl Qwen2Config {
    /// Width of one head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// Refuses shapes that no Qwen2 can have and variants that this crate doesn't compute.
    pub(crate) fn check(&self, file: &str) -> Result<()> {
        let fail = |reason: String| Err(Error::Config { file: file.into(), reason });
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        for (name, size) in sizes {
            // A count beyond this is damage, and would overflow products of two of them.
            if size == 0 || size > 1 << 24 {
                return fail(format!("{name} is {size}, expected 1 to {}", 1 << 24));
            }
        }
        if !self.hidden_size.is_multiple_of(2 * self.num_attention_heads) {
            return fail(format!(
                "hidden_size {} is not an even multiple of num_attention_heads {}",
                self.hidden_size, self.num_attention_heads
            ));
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return fail(format!(
                "num_attention_heads {} is not a multiple of num_key_value_heads {}",
                self.num_attention_heads, self.num_key_value_heads
            ));
        }
        if self.hidden_act != "silu" {
            return fail(format!("hidden_act is {:?}, expected \"silu\"", self.hidden_act));
        }
        if self.use_sliding_window {
            return fail("use_sliding_window is true: sliding windows are not supported".into());
        }
        if self.rope_scaling.as_ref().is_some_and(|scaling| !scaling.is_null()) {
            return fail("rope_scaling is set: scaled rotary angles are not supported".into());
        }
        for (name, value) in [("rms_norm_eps", self.rms_norm_eps), ("rope_theta", self.rope_theta)]
        {
            if !(value.is_finite() && value > 0.0) {
                return fail(format!("{name} is {value}, expected a number above 0"));
            }
        }
        Ok(())
    }
}
