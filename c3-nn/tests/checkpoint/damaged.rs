//! Every error names the file or tensor, what was expected and what was found.

use candle_core::DType;

use crate::spoil::Spoilt;

#[track_caller]
fn says(copy: &Spoilt, parts: &[&str]) {
    let error = copy.error();
    for part in parts {
        assert!(error.contains(part), "expected {part:?} in: {error}");
    }
}

#[test]
fn missing_files() {
    for file in ["config.json", "model.safetensors", "llm1/model.safetensors"] {
        let copy = Spoilt::new();
        std::fs::remove_file(copy.path(file)).unwrap();
        says(&copy, &[file, "is missing"]);
    }
    let copy = Spoilt::new();
    std::fs::remove_file(copy.path("tokenizer.json")).unwrap();
    says(&copy, &["qwen.tiktoken is missing", "tokenizer.json or qwen.tiktoken"]);
}

#[test]
fn truncated_weights_of_every_kind_of_length() {
    let copy = Spoilt::new();
    let whole = std::fs::read(copy.path("llm1/model.safetensors")).unwrap();
    for length in [0, 4, 8, 100, 4096, whole.len() / 2, whole.len() - 1] {
        std::fs::write(copy.path("llm1/model.safetensors"), &whole[..length]).unwrap();
        let bytes = format!("({length} bytes)");
        says(&copy, &["llm1/model.safetensors", "truncated or damaged weights", &bytes]);
    }
}

#[test]
fn tensors_that_do_not_fit() {
    let file = "model.safetensors";
    let name = "model.layers.1.mlp.up_proj.weight";
    let copy = Spoilt::new();
    let mut tensors = copy.tensors(file);
    let whole = tensors.remove(name).unwrap();
    copy.save(file, &tensors);
    says(&copy, &["tensor model.layers.1.mlp.up_proj.weight is missing from", file]);

    tensors.insert(name.into(), whole.t().unwrap().contiguous().unwrap());
    copy.save(file, &tensors);
    says(&copy, &[name, "expected shape [160, 96], found [96, 160]"]);

    tensors.insert(name.into(), whole.to_dtype(DType::I64).unwrap());
    copy.save(file, &tensors);
    says(&copy, &[name, "expected dtype F32, F16 or BF16, found I64"]);
}

#[test]
fn other_kinds_of_model() {
    let copy = Spoilt::new();
    copy.config("config.json", |config| config["model_type"] = "llama".into());
    says(&copy, &["config.json", "model_type is \"llama\", expected \"C3\""]);
    let copy = Spoilt::new();
    copy.config("llm1/config.json", |config| config["model_type"] = "bert".into());
    says(&copy, &["llm1/config.json", "model_type is \"bert\", expected \"qwen2\""]);
}

#[test]
fn values_that_can_not_be() {
    type Change = fn(&mut serde_json::Value);
    let cases: [(Change, &str); 11] = [
        (|c| c["hidden_size"] = 0.into(), "hidden_size is 0"),
        (
            |c| c["max_position_embeddings"] = (1u64 << 40).into(),
            "max_position_embeddings is 1099511627776, expected 1 to 16777216",
        ),
        (|c| c["hidden_size"] = 100.into(), "hidden_size 100 is not an even multiple"),
        (|c| c["num_key_value_heads"] = 4.into(), "num_attention_heads 6 is not a multiple"),
        (|c| c["hidden_act"] = "gelu".into(), "hidden_act is \"gelu\", expected \"silu\""),
        (|c| c["use_sliding_window"] = true.into(), "sliding windows are not supported"),
        (|c| c["rope_scaling"] = serde_json::json!({"type": "yarn"}), "rope_scaling is set"),
        (|c| c["rms_norm_eps"] = (-1.0).into(), "rms_norm_eps is -1"),
        (|c| c["latent_token_len"] = "8".into(), "latent_token_len is \"8\", expected a whole"),
        (
            |c| c["contexts_compression_llm_hidden_size"] = 32.into(),
            "hidden_size is 64, but the decoder expects latents of width 32",
        ),
        (
            |c| c["c3"] = serde_json::json!({"segment_tokens": 256, "query_banks": {"8": 31}}),
            "query bank 8 has 31 queries, expected 32",
        ),
    ];
    for (change, message) in cases {
        let copy = Spoilt::new();
        copy.config("config.json", change);
        says(&copy, &["config.json", message]);
    }
}

#[test]
fn a_tokenizer_without_the_special_tokens() {
    let copy = Spoilt::new();
    copy.config("tokenizer.json", |tokenizer| {
        let tokens = tokenizer["added_tokens"].as_array_mut().unwrap();
        tokens.retain(|token| token["content"] != "<imgpad>");
    });
    says(&copy, &["no special token \"<imgpad>\"", "<img> </img> <imgpad>"]);
}
