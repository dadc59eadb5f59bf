//! Several shards with an index hold the same model as one file.

use std::collections::HashMap;

use c3_nn::{LoadOptions, Qwen2};
use candle_core::Tensor;

use crate::spoil::Spoilt;

/// Splits `model.safetensors` into three shards and an index.
pub fn shard(copy: &Spoilt) {
    let all = copy.tensors("model.safetensors");
    let mut names: Vec<&String> = all.keys().collect();
    names.sort();
    let mut map = serde_json::Map::new();
    for part in 0..3 {
        let file = format!("model-{:05}-of-00003.safetensors", part + 1);
        let mine = names.iter().skip(part).step_by(3);
        let tensors: HashMap<String, Tensor> =
            mine.map(|&name| (name.clone(), all[name].clone())).collect();
        for name in tensors.keys() {
            map.insert(name.clone(), file.clone().into());
        }
        copy.save(&file, &tensors);
    }
    std::fs::remove_file(copy.path("model.safetensors")).unwrap();
    let index = serde_json::json!({"metadata": {}, "weight_map": map});
    std::fs::write(copy.path("model.safetensors.index.json"), index.to_string()).unwrap();
}

fn logits(copy: &Spoilt) -> Vec<f32> {
    let checkpoint = copy.open().unwrap();
    let options = LoadOptions::default();
    let model = Qwen2::load(&checkpoint.config().decoder, checkpoint.decoder(), &options).unwrap();
    let x = model.embed(&[1, 2, 3]).unwrap().unsqueeze(0).unwrap();
    let hidden = model.forward_embeds(&x, &[0, 1, 2], &[], None, 1).unwrap();
    model.logits(&hidden).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn shards_are_the_same_model() {
    let whole = Spoilt::new();
    let sharded = Spoilt::new();
    shard(&sharded);
    assert_eq!(logits(&whole), logits(&sharded));
    let identity = |copy: &Spoilt| {
        let mut parts = Vec::new();
        assert!(copy.open().unwrap().visit_identity(&mut |name, bytes| {
            parts.push((name.to_owned(), bytes.to_vec()));
        }));
        parts
    };
    assert_eq!(identity(&whole), identity(&sharded));
}

#[test]
fn a_missing_shard_is_named_with_its_index() {
    let copy = Spoilt::new();
    shard(&copy);
    std::fs::remove_file(copy.path("model-00002-of-00003.safetensors")).unwrap();
    let error = copy.error();
    assert!(error.contains("model-00002-of-00003.safetensors is missing, but"), "{error}");
    assert!(error.contains("model.safetensors.index.json names it"), "{error}");
}

#[test]
fn a_tensor_that_only_the_index_knows() {
    let copy = Spoilt::new();
    shard(&copy);
    copy.config("model.safetensors.index.json", |index| {
        index["weight_map"]["model.ghost"] = "model-00001-of-00003.safetensors".into();
    });
    let error = copy.error();
    assert!(error.starts_with("tensor model.ghost is missing from"), "{error}");
}

#[test]
fn an_index_can_not_reach_outside_the_folder() {
    let copy = Spoilt::new();
    shard(&copy);
    copy.config("model.safetensors.index.json", |index| {
        index["weight_map"]["model.norm.weight"] = "../secret.safetensors".into();
    });
    let error = copy.error();
    assert!(error.contains("shard \"../secret.safetensors\" is not a plain file name"), "{error}");
}
