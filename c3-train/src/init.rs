//! A checkpoint of random weights, to begin with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use c3_nn::{QueryPositions, Tokenizer};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::error::io;
use crate::export::{self, Named};
use crate::{Config, Error, From, Result, Shape, pair};

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

    let model = stage(shape, tokenizer.vocab_size());
    let widths = [shape.hidden, shape.hidden];
    let bridge = bridge(&shape.banks, shape.default_ratio, widths);
    let mut random = Random::new(seed, shape.layers, shape.query_positions);
    let read = random.tensors(&model);
    export::write_tensors(&encoder.join("model.safetensors"), &read, export::Dtype::F32)?;
    let written = random.tensors(&[model, bridge].concat());
    export::write_tensors(&to.join("model.safetensors"), &written, export::Dtype::F32)
}

/// The checkpoint that a run begins with: the one it names, or one made in the run's folder. Before the
/// run has `begun`, one that is there already was made with settings that were refused then.
pub(crate) fn base(config: &Config, folder: &Path, begun: bool) -> Result<PathBuf> {
    let (path, partial) = (folder.join("initial"), folder.join("initial.partial"));
    if let From::Checkpoint(path) = &config.from {
        return Ok(path.clone());
    }
    if begun && path.exists() {
        return Ok(path);
    }
    for old in [&path, &partial] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(io(old, "removing"))?;
        }
    }
    match &config.from {
        From::Checkpoint(_) => {}
        From::Scratch(shape) => write(shape, config.seed, &partial)?,
        From::Pair(of) => pair::write(of, config.seed, &partial)?,
    }
    fs::rename(&partial, &path).map_err(io(&path, "renaming to"))?;
    Ok(path)
}

/// Names and shapes of what stands between a stage of width `read` and one of width `written`.
pub(crate) fn bridge(
    banks: &BTreeMap<u32, usize>,
    default_ratio: u32,
    [read, written]: [usize; 2],
) -> Vec<(String, Vec<usize>)> {
    let mut bridge = vec![
        ("model.mm_projector.weight".to_owned(), vec![written, read]),
        ("model.mm_projector.bias".to_owned(), vec![written]),
        ("model.Q.weight".to_owned(), vec![banks[&default_ratio], read]),
    ];
    for (ratio, &count) in banks {
        bridge.push((format!("model.Q_banks.{ratio}.weight"), vec![count, read]));
    }
    bridge
}

/// Random tensors, one after another.
pub(crate) struct Random {
    rng: ChaCha8Rng,
    layers: usize,
    /// Aligned queries are told apart by their positions alone.
    alike: bool,
}

impl Random {
    pub fn new(seed: u64, layers: usize, positions: QueryPositions) -> Self {
        let alike = positions == QueryPositions::Aligned;
        Self { rng: ChaCha8Rng::seed_from_u64(seed), layers, alike }
    }

    pub fn tensors(&mut self, tensors: &[(String, Vec<usize>)]) -> Vec<Named> {
        let one = |(name, dims): &(String, Vec<usize>)| {
            let count = dims.iter().product();
            let values = match (self.alike && name.contains(".Q"), dims.last()) {
                (true, Some(&width)) => {
                    initial(name, width, self.layers, &mut self.rng).repeat(count / width)
                }
                _ => initial(name, count, self.layers, &mut self.rng),
            };
            (name.clone(), dims.clone(), values)
        };
        tensors.iter().map(one).collect()
    }
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
    let names = ["from.scratch.banks", "from.scratch.default_ratio"];
    check_banks(names, shape.segment_tokens, &shape.banks, shape.default_ratio)
}

/// Whether these banks can be; `names` are those of the two settings.
pub(crate) fn check_banks(
    names: [&'static str; 2],
    segment_tokens: usize,
    banks: &BTreeMap<u32, usize>,
    default_ratio: u32,
) -> Result<()> {
    let refuse =
        |name, expected: String, found: String| Err(Error::Setting { name, expected, found });
    for (&ratio, &count) in banks {
        if ratio == 0 || count == 0 || count > segment_tokens {
            let expected = format!("ratios and 1 to {segment_tokens} queries");
            return refuse(names[0], expected, format!("{ratio}: {count}"));
        }
    }
    match banks.contains_key(&default_ratio) {
        true => Ok(()),
        false => {
            let have: Vec<_> = banks.keys().collect();
            let expected = format!("one of the banks {have:?}");
            refuse(names[1], expected, default_ratio.to_string())
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
    let with = |more: Value| extended(stage.clone(), more);
    let inner = with(json!({ "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2" }));
    let layout = Layout {
        segment_tokens: shape.segment_tokens,
        banks: &shape.banks,
        default_ratio: shape.default_ratio,
        query_positions: shape.query_positions,
    };
    let outer = with(layout.fields(shape.hidden, [ids[2], ids[3], ids[4]]));
    Ok((inner, outer))
}

/// An object with the fields of another in place of its own.
pub(crate) fn extended(mut all: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}

/// What a C3's configuration has besides its decoder's.
pub(crate) struct Layout<'a> {
    pub segment_tokens: usize,
    pub banks: &'a BTreeMap<u32, usize>,
    pub default_ratio: u32,
    pub query_positions: QueryPositions,
}

impl Layout<'_> {
    /// The fields, for latents of this width; `marks` are the tokens before, after and of an image.
    pub fn fields(&self, width: usize, marks: [u32; 3]) -> Value {
        let banks: serde_json::Map<String, Value> =
            self.banks.iter().map(|(ratio, &count)| (ratio.to_string(), json!(count))).collect();
        json!({
            "architectures": ["C3QwenForCausalLM"],
            "model_type": "C3",
            "latent_token_len": self.banks[&self.default_ratio],
            "contexts_compression_llm_hidden_size": width,
            "im_start_token": marks[0],
            "im_end_token": marks[1],
            "im_patch_token": marks[2],
            "use_im_start_end": true,
            "c3": {
                "segment_tokens": self.segment_tokens,
                "query_positions": self.query_positions,
                "query_banks": banks,
                "prompt": { "system": null, "before": "<img>", "after": "</img>", "question": "" },
            },
        })
    }
}
