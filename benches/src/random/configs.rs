//! The small files of a checkpoint: configurations and the tokenizer.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::shape::{Shape, Stage};

/// The built-in model's: 8,192 tokens for English, Chinese and code.
const TOKENIZER: &[u8] = include_bytes!("../../../models/c3-tiny/tokenizer.json");

/// Where Qwen's tokenizer has the special tokens.
const AUTHORS_IDS: [(&str, u32); 6] = [
    ("<|endoftext|>", 151_643),
    ("<|im_start|>", 151_644),
    ("<|im_end|>", 151_645),
    ("<img>", 151_857),
    ("</img>", 151_858),
    ("<imgpad>", 151_859),
];

/// The tokenizer, and the ids of its special tokens by name.
pub(super) struct Tokens {
    pub json: Vec<u8>,
    ids: Map<String, Value>,
}

impl Tokens {
    /// For a vocabulary of the authors' size the special tokens move to where the authors have
    /// them; the ids in between stand for nothing.
    pub fn new(shape: Shape) -> Result<Self> {
        let mut json: Value = serde_json::from_slice(TOKENIZER)?;
        let added = json["added_tokens"].as_array_mut().context("a tokenizer without a list")?;
        let mut ids = Map::new();
        for token in added {
            let name = token["content"].as_str().context("a token without text")?.to_owned();
            if shape != Shape::Tiny {
                let authors = AUTHORS_IDS.iter().find(|(authors, _)| *authors == name);
                let (_, id) = authors.with_context(|| format!("no place for {name}"))?;
                token["id"] = json!(id);
            }
            ids.insert(name, token["id"].clone());
        }
        Ok(Self { json: serde_json::to_vec(&json)?, ids })
    }
}

/// `config.json` of one stage as a plain Qwen2.
pub(super) fn qwen2(stage: &Stage, tokens: &Tokens) -> Value {
    json!({
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": stage.hidden,
        "intermediate_size": stage.ffn,
        "num_hidden_layers": stage.layers,
        "num_attention_heads": stage.heads,
        "num_key_value_heads": stage.kv_heads,
        "vocab_size": stage.vocab,
        "tie_word_embeddings": stage.tied,
        "hidden_act": "silu",
        "rms_norm_eps": RMS_NORM_EPS,
        "rope_theta": ROPE_THETA,
        "max_position_embeddings": MAX_POSITIONS,
        "use_sliding_window": false,
        "torch_dtype": "bfloat16",
        "bos_token_id": tokens.ids["<|endoftext|>"],
        "eos_token_id": tokens.ids["<|im_end|>"],
    })
}

/// `config.json` of the pair.
pub(super) fn c3(stage: &Stage, encoder: &Stage, latents: usize, tokens: &Tokens) -> Value {
    let mut config = qwen2(stage, tokens);
    config["architectures"] = json!(["C3QwenForCausalLM"]);
    config["model_type"] = json!("C3");
    config["latent_token_len"] = json!(latents);
    config["contexts_compression_llm_hidden_size"] = json!(encoder.hidden);
    config["im_start_token"] = tokens.ids["<img>"].clone();
    config["im_end_token"] = tokens.ids["</img>"].clone();
    config["im_patch_token"] = tokens.ids["<imgpad>"].clone();
    config["use_im_start_end"] = json!(true);
    config
}

/// `generation_config.json`.
pub(super) fn generation(tokens: &Tokens) -> Value {
    json!({
        "eos_token_id": [tokens.ids["<|im_end|>"], tokens.ids["<|endoftext|>"]],
        "pad_token_id": tokens.ids["<|endoftext|>"],
    })
}

/// Added to the mean square in RMSNorm.
pub(super) const RMS_NORM_EPS: f64 = 1e-6;
/// Base of the rotary angles.
pub(super) const ROPE_THETA: f64 = 1e6;
/// Positions that the configurations allow.
pub(super) const MAX_POSITIONS: usize = 32_768;

#[cfg(test)]
mod tests {
    use c3_nn::Tokenizer;

    use super::*;

    #[test]
    fn special_tokens_lie_where_the_authors_have_them() {
        let tokens = Tokens::new(Shape::Real).unwrap();
        let tokenizer = Tokenizer::from_json("tokenizer.json", &tokens.json).unwrap();
        assert_eq!(tokenizer.vocab_size(), Shape::Real.vocab());
        for (name, id) in AUTHORS_IDS {
            assert_eq!(tokenizer.special(name), Some(id));
            assert_eq!(tokens.ids[name], id);
        }
        let small = Tokens::new(Shape::Tiny).unwrap();
        let small = Tokenizer::from_json("tokenizer.json", &small.json).unwrap();
        assert_eq!(small.vocab_size(), Shape::Tiny.vocab());
        let text = "Call me Ishmael. \u{4e00}";
        assert_eq!(tokenizer.encode(text).unwrap(), small.encode(text).unwrap());
    }
}
