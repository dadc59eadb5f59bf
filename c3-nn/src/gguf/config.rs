//! The shape of a Qwen2 model from a GGUF file's metadata.

use super::Tensor;
use super::metadata::Metadata;
use crate::{Error, Qwen2Config, Result, RopeFrequencies};

/// llama.cpp's base of the rotary angles where the file names none.
const ROPE_THETA: f64 = 10_000.0;

/// The shape that the file called `file` says its model has.
pub(super) fn config(file: &str, metadata: &Metadata, tensors: &[Tensor]) -> Result<Qwen2Config> {
    let fail = |reason: String| Error::Config { file: file.into(), reason };
    let optional = |key: &str| metadata.count(&format!("qwen2.{key}")).transpose().map_err(fail);
    let count =
        |key: &str| optional(key)?.ok_or_else(|| fail(format!("its metadata has no qwen2.{key}")));
    let number = |key: &str| metadata.number(&format!("qwen2.{key}")).transpose().map_err(fail);
    let find = |name: &str| tensors.iter().find(|tensor| tensor.name == name);
    let embedding = find("model.embed_tokens.weight").ok_or_else(|| Error::MissingTensor {
        name: "token_embd.weight".into(),
        file: file.into(),
    })?;
    if let Some(scaling) = metadata.text("qwen2.rope.scaling.type")
        && scaling != "none"
    {
        let reason = format!("rotary angles are scaled ({scaling:?}), which is not supported");
        return Err(fail(reason));
    }
    let heads = count("attention.head_count")?;
    let eps = number("attention.layer_norm_rms_epsilon")?;
    let config = Qwen2Config {
        hidden_size: count("embedding_length")?,
        intermediate_size: count("feed_forward_length")?,
        num_hidden_layers: count("block_count")?,
        num_attention_heads: heads,
        num_key_value_heads: optional("attention.head_count_kv")?.unwrap_or(heads),
        vocab_size: embedding.shape.first().copied().unwrap_or(0),
        rms_norm_eps: nearest(eps.ok_or_else(|| {
            fail("its metadata has no qwen2.attention.layer_norm_rms_epsilon".into())
        })?),
        rope_theta: number("rope.freq_base")?.unwrap_or(ROPE_THETA),
        tie_word_embeddings: find("lm_head.weight").is_none(),
        max_position_embeddings: count("context_length")?,
        hidden_act: "silu".into(),
        use_sliding_window: false,
        rope_frequencies: RopeFrequencies::F32,
        rope_scaling: None,
    };
    config.check(file)?;
    Ok(config)
}

/// The shortest decimal that is this f32: 1e-6, not 9.99999997e-7.
fn nearest(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}
