//! Checkpoints that lack something, or have something wrong.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Dir, TEXT};

const FILES: [&str; 6] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "model.safetensors",
    "llm1/config.json",
    "llm1/model.safetensors",
];

/// The built-in checkpoint's own folder.
pub fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/c3-tiny")
}

/// A copy of the built-in checkpoint.
pub fn copy(dir: &Dir, name: &str) {
    for file in FILES {
        dir.write(Path::new(name).join(file), std::fs::read(source().join(file)).unwrap());
    }
}

/// A checkpoint that differs from the built-in one in one number.
pub fn other(dir: &Dir, name: &str) {
    copy(dir, name);
    edit(dir, &format!("{name}/llm1/config.json"), |config| config["rope_theta"] = 10001.0.into());
}

fn edit(dir: &Dir, name: &str, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&dir.read(name)).unwrap();
    change(&mut value);
    dir.write(name, serde_json::to_vec(&value).unwrap());
}

/// Compresses with a changed copy of the checkpoint, `m`; returns what was said.
fn refused(change: impl FnOnce(&Dir)) -> String {
    let dir = Dir::new();
    copy(&dir, "m");
    change(&dir);
    let args = ["compress", "-o", "out.c3", "--model", "m"];
    let run = dir.pipe(&args, TEXT.as_bytes()).expect(2);
    assert!(run.stdout.is_empty());
    assert_eq!(dir.names(), ["m"], "something was written");
    run.stderr.trim_end().to_owned()
}

#[test]
fn a_sound_copy_equals_the_built_in_one() {
    let dir = Dir::new();
    copy(&dir, "c3-tiny");
    let folder = dir.pipe(&["compress", "-q", "--model", "./c3-tiny"], TEXT.as_bytes()).expect(0);
    let builtin = dir.pipe(&["compress", "-q"], TEXT.as_bytes()).expect(0);
    assert_eq!(folder.stdout, builtin.stdout);
}

#[test]
fn missing_weights() {
    let said = refused(|dir| std::fs::remove_file(dir.path("m/model.safetensors")).unwrap());
    assert!(
        said.starts_with("error: m/model.safetensors is missing; a C3 checkpoint has "),
        "{said}"
    );
    let said = refused(|dir| std::fs::remove_file(dir.path("m/llm1/model.safetensors")).unwrap());
    assert!(said.starts_with("error: m/llm1/model.safetensors is missing; "), "{said}");
}

#[test]
fn truncated_weights() {
    let said = refused(|dir| {
        let bytes = dir.read("m/llm1/model.safetensors");
        dir.write("m/llm1/model.safetensors", &bytes[..bytes.len() / 2]);
    });
    assert!(said.contains("m/llm1/model.safetensors: truncated or damaged weights"), "{said}");
    assert!(said.contains("caused by: "), "{said}");
}

#[test]
fn a_missing_shard() {
    let said = refused(|dir| {
        let index = serde_json::json!({"weight_map": {"model.norm.weight": "model-1.safetensors"}});
        dir.write("m/model.safetensors.index.json", index.to_string());
        std::fs::remove_file(dir.path("m/model.safetensors")).unwrap();
    });
    let expected = "model-1.safetensors is missing, but m/model.safetensors.index.json names it";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_tensor_of_the_wrong_shape() {
    let said = refused(|dir| {
        edit(dir, "m/llm1/config.json", |config| config["intermediate_size"] = 769.into());
    });
    assert!(said.starts_with("error: tensor model.layers.0.mlp."), "{said}");
    assert!(said.contains("769") && said.contains("768"), "{said}");
}

#[test]
fn a_tensor_of_the_wrong_dtype() {
    let said = refused(|dir| {
        let mut bytes = dir.read("m/llm1/model.safetensors");
        let (name, dtype) = (b"\"model.norm.weight\":", b"\"F32\"");
        let find = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).position(|w| w == text);
        let at = find(&bytes, name).unwrap();
        let at = at + find(&bytes[at..], dtype).unwrap();
        bytes[at..at + dtype.len()].copy_from_slice(b"\"I32\"");
        dir.write("m/llm1/model.safetensors", bytes);
    });
    let expected = "error: tensor model.norm.weight in m/llm1/model.safetensors: expected dtype \
                    F32, F16 or BF16, found I32";
    assert_eq!(said, expected);
}

#[test]
fn an_unknown_model_type() {
    let said = refused(|dir| edit(dir, "m/config.json", |c| c["model_type"] = "llama".into()));
    assert_eq!(said, "error: m/config.json: model_type is \"llama\", expected \"C3\"");
    let said = refused(|dir| edit(dir, "m/llm1/config.json", |c| c["model_type"] = "gpt2".into()));
    assert_eq!(said, "error: m/llm1/config.json: model_type is \"gpt2\", expected \"qwen2\"");
}

#[test]
fn a_tokenizer_without_the_special_tokens() {
    let said = refused(|dir| {
        edit(dir, "m/tokenizer.json", |tokenizer| {
            let added = tokenizer["added_tokens"].as_array_mut().unwrap();
            added.retain(|token| token["content"] != "<img>");
            if let Some(vocabulary) = tokenizer["model"]["vocab"].as_object_mut() {
                vocabulary.remove("<img>");
            }
        });
    });
    assert!(said.starts_with("error: the tokenizer has no special token \"<img>\"; "), "{said}");
}

#[test]
fn models_that_are_not_there() {
    let dir = Dir::new();
    let fails = |model: &str, said: &str| {
        dir.pipe(&["compress", "-o", "out.c3", "--model", model], b"x").fails(said);
    };
    fails("./m", "error: model ./m does not exist: expected a folder with config.json");
    dir.write("file", "");
    fails("file", "error: model file is a file: expected a folder with config.json");
    let cache = dir.path("hf/hub");
    for repo in ["org/name", "org/name@v1"] {
        let said = format!(
            "error: model {repo} is neither a folder nor in the hub's cache, {}\n\
             hint: fetch it with `c3 pull {repo}`",
            cache.display()
        );
        fails(repo, &said);
    }
    assert_eq!(dir.names(), ["file"]);
}
