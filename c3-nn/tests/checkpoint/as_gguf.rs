//! Turns parts of a checkpoint into GGUF files, as llama.cpp's converter would.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use c3_nn::{BlockType, Qwen2Config};
use candle_core::Tensor;
use candle_core::quantized::gguf_file::{Value, write};
use candle_core::quantized::{GgmlDType, QTensor};

use crate::spoil::Spoilt;

/// llama.cpp's name of a tensor of the language model; `None`: it isn't one.
fn their_name(name: &str) -> Option<String> {
    match name {
        "model.embed_tokens.weight" => return Some("token_embd.weight".into()),
        "model.norm.weight" => return Some("output_norm.weight".into()),
        "lm_head.weight" => return Some("output.weight".into()),
        _ => {}
    }
    let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let part = part
        .replace("input_layernorm", "attn_norm")
        .replace("post_attention_layernorm", "ffn_norm")
        .replace("self_attn.o_proj", "attn_output")
        .replace("self_attn.", "attn_")
        .replace("mlp.", "ffn_")
        .replace("_proj", "");
    Some(format!("blk.{layer}.{part}"))
}

/// The metadata of a model of this shape.
pub fn metadata(config: &Qwen2Config) -> Vec<(String, Value)> {
    let whole = |n: usize| Value::U32(n as u32);
    let float = |x: f64| Value::F32(x as f32);
    let tokens = (0..10).map(|i| Value::String(format!("token {i}"))).collect();
    let of_model = [
        ("block_count", whole(config.num_hidden_layers)),
        ("context_length", whole(config.max_position_embeddings)),
        ("embedding_length", whole(config.hidden_size)),
        ("feed_forward_length", whole(config.intermediate_size)),
        ("attention.head_count", whole(config.num_attention_heads)),
        ("attention.head_count_kv", whole(config.num_key_value_heads)),
        ("rope.freq_base", float(config.rope_theta)),
        ("attention.layer_norm_rms_epsilon", float(config.rms_norm_eps)),
    ];
    let mut all = vec![
        ("general.architecture".to_owned(), Value::String("qwen2".into())),
        ("general.quantized".to_owned(), Value::Bool(true)),
        ("tokenizer.ggml.tokens".to_owned(), Value::Array(tokens)),
    ];
    all.extend(of_model.map(|(key, value)| (format!("qwen2.{key}"), value)));
    all
}

/// Writes a GGUF file of the language model's tensors among `tensors`: matrices in `kind`, or f32.
pub fn save(
    path: &Path,
    metadata: &[(String, Value)],
    tensors: &HashMap<String, Tensor>,
    kind: Option<BlockType>,
) {
    let mut theirs: Vec<(String, QTensor)> = tensors
        .iter()
        .filter_map(|(name, tensor)| {
            let dtype = match kind {
                Some(kind) if tensor.rank() == 2 => kind.into(),
                _ => GgmlDType::F32,
            };
            Some((their_name(name)?, QTensor::quantize(tensor, dtype).unwrap()))
        })
        .collect();
    theirs.sort_by(|(a, _), (b, _)| a.cmp(b));
    let metadata: Vec<_> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let theirs: Vec<_> = theirs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    write(&mut File::create(path).unwrap(), &metadata, &theirs).unwrap();
}

/// Puts GGUF files in the place of both stages' language models; what else there is goes to
/// `c3.safetensors`.
pub fn convert(copy: &Spoilt, kind: Option<BlockType>) {
    let config = copy.open().unwrap().config().clone();
    for (prefix, config) in [("", &config.decoder), ("llm1/", &config.encoder)] {
        let file = format!("{prefix}model.safetensors");
        let mut tensors = copy.tensors(&file);
        save(&copy.path(&format!("{prefix}model.gguf")), &metadata(config), &tensors, kind);
        std::fs::remove_file(copy.path(&file)).unwrap();
        tensors.retain(|name, _| their_name(name).is_none());
        if prefix.is_empty() {
            copy.save("c3.safetensors", &tensors);
        }
    }
}
