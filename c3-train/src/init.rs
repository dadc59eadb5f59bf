//! A checkpoint of random weights, to begin with.

use std::fs;
use std::path::Path;

use c3_nn::{QueryPositions, Tokenizer};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::error::io;
use crate::export::{self, Named};
use crate::{Error, Result, Shape};

/// The spread of random weights.
const SPREAD: f32 = 0.02;

/// Writes a checkpoint of this shape to the folder `to`: weights from a normal distribution, those
/// that end a residual branch narrower by `√(2 · layers)` (Radford et al. 2019), norms 1, biases 0.
pub(crate) fn write(shape: &Shape, seed: u64, to: &Path) -> Result<()> {
    check(shape)?;
    let json = fs::read(&shape.tokenizer).map_err(io(&shape.tokenizer, "reading"))?;
    let tokenizer = Tokenizer::from_json(&shape.tokenizer.display().to_string(), &json)?;
    let (inner, outer) = configs(shape, &tokenizer)?;
    let encoder = to.join("llm1");
    fs::create_dir_all(&encoder).map_err(io(&encoder, "creating the folder"))?;
    export::write_json(&encoder.join("config.json"), &inner)?;
    export::write_json(&to.join("config.json"), &outer)?;
    fs::write(to.join("tokenizer.json"), json).map_err(io(to, "writing the tokenizer"))?;

    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let vocabulary = tokenizer.vocab_size();
    let (model, hidden) = (stage(shape, vocabulary), shape.hidden);
    let mut bridge = vec![
        ("model.mm_projector.weight".to_owned(), vec![hidden, hidden]),
        ("model.mm_projector.bias".to_owned(), vec![hidden]),
        ("model.Q.weight".to_owned(), vec![shape.banks[&shape.default_ratio], hidden]),
    ];
    for (ratio, &count) in &shape.banks {
        bridge.push((format!("model.Q_banks.{ratio}.weight"), vec![count, hidden]));
    }
    // Aligned queries are told apart by their positions alone.
    let alike = shape.query_positions == QueryPositions::Aligned;
    let mut random = |tensors: &[(String, Vec<usize>)]| -> Vec<Named> {
        let one = |(name, dims): &(String, Vec<usize>)| {
            let count = dims.iter().product();
            let values = match alike && name.contains(".Q") {
                true => initial(name, hidden, shape.layers, &mut rng).repeat(count / hidden),
                false => initial(name, count, shape.layers, &mut rng),
            };
            (name.clone(), dims.clone(), values)
        };
        tensors.iter().map(one).collect()
    };
    let read = random(&model);
    export::write_tensors(&encoder.join("model.safetensors"), &read, export::Dtype::F32)?;
    let written = random(&[model, bridge].concat());
    export::write_tensors(&to.join("model.safetensors"), &written, export::Dtype::F32)
}

fn initial(name: &str, count: usize, layers: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    if name.ends_with("norm.weight") {
        return vec![1.0; count];
    }
    if name.ends_with("bias") {
        return vec![0.0; count];
    }
    let ends = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
    let spread = if ends { SPREAD / (2.0 * layers as f32).sqrt() } else { SPREAD };
    // Box and Muller's normal distribution.
    let mut normal = || {
        let (radius, angle) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    };
    (0..count).map(|_| spread * normal() as f32).collect()
}

/// Names and shapes of a language model's tensors; its head is its embedding.
fn stage(shape: &Shape, vocabulary: usize) -> Vec<(String, Vec<usize>)> {
    let (hidden, wide) = (shape.hidden, shape.feed_forward);
    let mut tensors = vec![("model.embed_tokens.weight".to_owned(), vec![vocabulary, hidden])];
    for layer in 0..shape.layers {
        let mut add = |name: &str, dims: &[usize]| {
            tensors.push((format!("model.layers.{layer}.{name}"), dims.to_vec()));
        };
        for part in ["q", "k", "v"] {
            add(&format!("self_attn.{part}_proj.weight"), &[hidden, hidden]);
            add(&format!("self_attn.{part}_proj.bias"), &[hidden]);
        }
        add("self_attn.o_proj.weight", &[hidden, hidden]);
        add("mlp.gate_proj.weight", &[wide, hidden]);
        add("mlp.up_proj.weight", &[wide, hidden]);
        add("mlp.down_proj.weight", &[hidden, wide]);
        add("input_layernorm.weight", &[hidden]);
        add("post_attention_layernorm.weight", &[hidden]);
    }
    tensors.push(("model.norm.weight".to_owned(), vec![hidden]));
    tensors
}

fn check(shape: &Shape) -> Result<()> {
    let refuse =
        |name, expected: String, found: String| Err(Error::Setting { name, expected, found });
    if shape.heads == 0 || !shape.hidden.is_multiple_of(2 * shape.heads) {
        let expected = format!("an even number for each of {} heads", shape.heads);
        return refuse("from.scratch.hidden", expected, shape.hidden.to_string());
    }
    if shape.layers == 0 {
        return refuse("from.scratch.layers", "at least 1".into(), "0".into());
    }
    for (&ratio, &count) in &shape.banks {
        if ratio == 0 || count == 0 || count > shape.segment_tokens {
            let expected = format!("ratios and 1 to {} queries", shape.segment_tokens);
            return refuse("from.scratch.banks", expected, format!("{ratio}: {count}"));
        }
    }
    match shape.banks.contains_key(&shape.default_ratio) {
        true => Ok(()),
        false => {
            let have: Vec<_> = shape.banks.keys().collect();
            let expected = format!("one of the banks {have:?}");
            refuse("from.scratch.default_ratio", expected, shape.default_ratio.to_string())
        }
    }
}

/// The configurations of the encoder and of the whole.
fn configs(shape: &Shape, tokenizer: &Tokenizer) -> Result<(Value, Value)> {
    let special = ["<|endoftext|>", "<|im_end|>", "<img>", "</img>", "<imgpad>"];
    let ids = tokenizer.require_special(&special)?;
    let most = shape.banks.values().copied().max().unwrap_or(0);
    let positions = (shape.segment_tokens + most + 64).next_power_of_two();
    let stage = json!({
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.feed_forward,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "vocab_size": tokenizer.vocab_size(),
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "max_position_embeddings": positions,
        "hidden_act": "silu",
        "tie_word_embeddings": true,
        "torch_dtype": "float32",
        "use_sliding_window": false,
        "bos_token_id": ids[0],
        "eos_token_id": ids[1],
    });
    let with = |more: Value| {
        let mut all = stage.clone();
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
        all
    };
    let banks: serde_json::Map<String, Value> =
        shape.banks.iter().map(|(ratio, &count)| (ratio.to_string(), json!(count))).collect();
    let inner = with(json!({ "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2" }));
    let outer = with(json!({
        "architectures": ["C3QwenForCausalLM"],
        "model_type": "C3",
        "latent_token_len": shape.banks[&shape.default_ratio],
        "contexts_compression_llm_hidden_size": shape.hidden,
        "im_start_token": ids[2],
        "im_end_token": ids[3],
        "im_patch_token": ids[4],
        "use_im_start_end": true,
        "c3": {
            "segment_tokens": shape.segment_tokens,
            "query_positions": shape.query_positions,
            "query_banks": banks,
            "prompt": { "system": null, "before": "<img>", "after": "</img>", "question": "" },
        },
    }));
    Ok((inner, outer))
}
