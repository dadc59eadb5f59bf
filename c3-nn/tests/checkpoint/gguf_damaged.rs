//! GGUF files that are damaged, lie, or hold another model.

use std::collections::HashMap;

use c3_nn::BlockType;
use candle_core::Tensor;
use candle_core::quantized::gguf_file::Value;

use crate::as_gguf;
use crate::spoil::Spoilt;

/// A copy with GGUF files in `q8_0`, and the bytes of the decoder's.
fn converted() -> (Spoilt, Vec<u8>) {
    let copy = Spoilt::new();
    as_gguf::convert(&copy, Some(BlockType::Q8_0));
    let bytes = std::fs::read(copy.path("model.gguf")).unwrap();
    (copy, bytes)
}

#[track_caller]
fn says(copy: &Spoilt, parts: &[&str]) {
    let error = copy.error();
    for part in parts {
        assert!(error.contains(part), "expected {part:?} in: {error}");
    }
}

/// Writes the decoder's file with other metadata or tensors.
fn rewritten(
    change: impl FnOnce(&mut Vec<(String, Value)>, &mut HashMap<String, Tensor>),
) -> Spoilt {
    let copy = Spoilt::new();
    let config = copy.open().unwrap().config().decoder.clone();
    let mut tensors = copy.tensors("model.safetensors");
    let mut metadata = as_gguf::metadata(&config);
    change(&mut metadata, &mut tensors);
    as_gguf::save(&copy.path("model.gguf"), &metadata, &tensors, None);
    // So that nothing stands in for what the file lacks.
    tensors.retain(|name, _| name.starts_with("model.Q") || name.starts_with("model.mm"));
    copy.save("model.safetensors", &tensors);
    copy
}

fn set(metadata: &mut Vec<(String, Value)>, key: &str, value: Value) {
    metadata.retain(|(k, _)| k != key);
    metadata.push((key.into(), value));
}

#[test]
fn truncated_at_every_kind_of_length() {
    let (copy, whole) = converted();
    for length in [0, 3, 4, 8, 23, 24, 60, 300, 2000, whole.len() / 2, whole.len() - 100] {
        std::fs::write(copy.path("model.gguf"), &whole[..length]).unwrap();
        let bytes = format!("({length} bytes)");
        says(&copy, &["model.gguf", "truncated or damaged GGUF file", &bytes]);
    }
}

#[test]
fn any_byte_of_the_header_may_be_wrong() {
    let (copy, whole) = converted();
    let header = whole.len().min(5000);
    for at in (0..400).chain((400..header).step_by(7)) {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            std::fs::write(copy.path("model.gguf"), &bytes).unwrap();
            // It may still be a model; it must not panic, hang or take memory.
            let _ = copy.load();
        }
    }
}

#[test]
fn counts_that_the_file_can_not_hold() {
    let (copy, whole) = converted();
    for at in [8, 16] {
        for count in [u64::MAX, 1 << 40] {
            let mut bytes = whole.clone();
            bytes[at..at + 8].copy_from_slice(&count.to_le_bytes());
            std::fs::write(copy.path("model.gguf"), &bytes).unwrap();
            says(&copy, &["model.gguf", "truncated or damaged GGUF file"]);
        }
    }
    for (at, value, message) in
        [(0, *b"GGML", "expected \"GGUF\""), (4, [0, 0, 0, 3], "version 50331648, expected 2 or 3")]
    {
        let mut bytes = whole.clone();
        bytes[at..at + 4].copy_from_slice(&value);
        std::fs::write(copy.path("model.gguf"), &bytes).unwrap();
        says(&copy, &[message]);
    }
}

#[test]
fn alignments_that_are_none() {
    for alignment in [0, 3, 1 << 30] {
        let copy = rewritten(|metadata, _| {
            set(metadata, "general.alignment", Value::U32(alignment));
        });
        says(&copy, &["general.alignment is", "expected a power of 2"]);
    }
}

#[test]
fn other_models() {
    let copy = rewritten(|metadata, _| {
        set(metadata, "general.architecture", Value::String("llama".into()));
    });
    says(&copy, &["model.gguf", "model_type is \"llama\", expected \"qwen2\""]);
    let copy = rewritten(|metadata, _| set(metadata, "qwen2.rope.freq_base", Value::F32(1e4)));
    says(&copy, &["model.gguf", "rope_theta 10000, but config.json says", "1000000"]);
    let copy = rewritten(|metadata, _| {
        set(metadata, "qwen2.rope.scaling.type", Value::String("yarn".into()));
    });
    says(&copy, &["model.gguf", "\"yarn\"", "not supported"]);
    let copy = rewritten(|metadata, _| metadata.retain(|(key, _)| key != "qwen2.block_count"));
    says(&copy, &["model.gguf", "its metadata has no qwen2.block_count"]);
    let copy = rewritten(|metadata, _| set(metadata, "qwen2.block_count", Value::I32(-1)));
    says(&copy, &["qwen2.block_count is no whole number"]);
}

#[test]
fn tensors_that_do_not_fit() {
    let name = "model.layers.1.mlp.up_proj.weight";
    let copy = rewritten(|_, tensors| drop(tensors.remove(name)));
    says(&copy, &["tensor model.layers.1.mlp.up_proj.weight is missing from", "model.gguf"]);
    let copy = rewritten(|_, tensors| {
        let turned = tensors[name].t().unwrap().contiguous().unwrap();
        tensors.insert(name.into(), turned);
    });
    says(&copy, &[name, "model.gguf", "expected shape [160, 96], found [96, 160]"]);
    let copy = rewritten(|_, tensors| drop(tensors.remove("model.embed_tokens.weight")));
    says(&copy, &["tensor token_embd.weight is missing from"]);
}

#[test]
fn types_that_nobody_knows() {
    let (copy, whole) = converted();
    // The type of the first tensor follows its name and two sizes.
    let name = b"blk.0.attn_k.weight";
    let at = whole.windows(name.len()).position(|bytes| bytes == name).unwrap();
    let at = at + name.len() + 4 + 16;
    let mut bytes = whole;
    assert_eq!(bytes[at..at + 4], 8u32.to_le_bytes());
    bytes[at..at + 4].copy_from_slice(&20u32.to_le_bytes());
    std::fs::write(copy.path("model.gguf"), &bytes).unwrap();
    says(&copy, &["model.layers.0.self_attn.k_proj.weight", "found GGML type 20"]);
    // A type whose blocks don't divide the rows.
    bytes[at..at + 4].copy_from_slice(&12u32.to_le_bytes());
    std::fs::write(copy.path("model.gguf"), &bytes).unwrap();
    says(&copy, &["\"blk.0.attn_k.weight\": q4_k can't have shape [32, 96]"]);
}
