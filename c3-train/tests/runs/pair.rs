//! A run that begins with two language models.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow::Continue;
use std::path::{Path, PathBuf};

use c3_core::Compression;
use c3_encoder::{Bank, C3Encoder};
use c3_nn::{Checkpoint, LoadOptions, QueryPositions};
use c3_train::{Config, Data, From, Pair, Trainer};
use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};

use crate::support::{config, losses, root};

/// The shape of a Qwen2 model.
#[derive(Clone, Copy)]
struct Qwen2 {
    layers: usize,
    hidden: usize,
    wide: usize,
    heads: [usize; 2],
    tied: bool,
    dtype: DType,
}

const READER: Qwen2 =
    Qwen2 { layers: 1, hidden: 32, wide: 48, heads: [2, 2], tied: true, dtype: DType::F32 };
const WRITER: Qwen2 =
    Qwen2 { layers: 2, hidden: 48, wide: 64, heads: [4, 2], tied: false, dtype: DType::BF16 };
const VOCABULARY: usize = 8192;

impl Qwen2 {
    /// Writes a folder as Hugging Face transformers does, with random weights.
    fn write(self, folder: &Path, tokenizer: &Value) {
        std::fs::create_dir_all(folder).unwrap();
        let head = self.hidden / self.heads[0];
        let config = json!({
            "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2",
            "hidden_size": self.hidden, "intermediate_size": self.wide,
            "num_hidden_layers": self.layers, "num_attention_heads": self.heads[0],
            "num_key_value_heads": self.heads[1], "vocab_size": VOCABULARY,
            "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 256,
            "hidden_act": "silu", "tie_word_embeddings": self.tied, "torch_dtype": "bfloat16",
        });
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
        std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
        let mut tensors = HashMap::new();
        let mut add = |name: String, dims: &[usize]| {
            let one = match name.ends_with("norm.weight") {
                true => Tensor::ones(dims, DType::F32, &Device::Cpu),
                false => Tensor::randn(0f32, 0.02, dims, &Device::Cpu),
            };
            tensors.insert(name, one.unwrap().to_dtype(self.dtype).unwrap());
        };
        add("model.embed_tokens.weight".into(), &[VOCABULARY, self.hidden]);
        add("model.norm.weight".into(), &[self.hidden]);
        if !self.tied {
            add("lm_head.weight".into(), &[VOCABULARY, self.hidden]);
        }
        for layer in 0..self.layers {
            let mut of = |name: &str, dims: &[usize]| {
                add(format!("model.layers.{layer}.{name}"), dims);
            };
            for (part, heads) in [("q", self.heads[0]), ("k", self.heads[1]), ("v", self.heads[1])]
            {
                of(&format!("self_attn.{part}_proj.weight"), &[heads * head, self.hidden]);
                of(&format!("self_attn.{part}_proj.bias"), &[heads * head]);
            }
            of("self_attn.o_proj.weight", &[self.hidden, self.hidden]);
            of("mlp.gate_proj.weight", &[self.wide, self.hidden]);
            of("mlp.up_proj.weight", &[self.wide, self.hidden]);
            of("mlp.down_proj.weight", &[self.hidden, self.wide]);
            of("input_layernorm.weight", &[self.hidden]);
            of("post_attention_layernorm.weight", &[self.hidden]);
        }
        candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
    }
}

/// The vocabulary of the built-in model, as a language model has it: without C3's own tokens.
fn vocabulary() -> Value {
    let json = std::fs::read(root().join("models/c3-tiny/tokenizer.json")).unwrap();
    let mut json: Value = serde_json::from_slice(&json).unwrap();
    let added = json["added_tokens"].as_array_mut().unwrap();
    added.retain(|token| {
        !["<img>", "</img>", "<imgpad>"].contains(&token["content"].as_str().unwrap())
    });
    assert_eq!(added.len(), 3);
    json
}

fn pair(folder: &Path) -> Config {
    READER.write(&folder.join("reader"), &vocabulary());
    WRITER.write(&folder.join("writer"), &vocabulary());
    let mut config = config(40);
    config.from = From::Pair(Pair {
        encoder: folder.join("reader"),
        decoder: folder.join("writer"),
        tokenizer: None,
        segment_tokens: 32,
        banks: BTreeMap::from([(4, 8), (8, 4)]),
        default_ratio: 4,
        query_positions: QueryPositions::Aligned,
    });
    config.data = Data { shuffled: 0.0, drawn: 0.0, wrong: 0.0, ..config.data };
    config
}

#[test]
fn two_language_models_become_a_c3_that_learns() {
    let folder = tempfile::tempdir().unwrap();
    let config = pair(folder.path());
    let run = folder.path().join("run");
    let mut trainer = Trainer::open(&config, &run, &|_| Continue(())).unwrap();

    // It begins with their weights, to the last bit of bf16.
    let begun = Checkpoint::open(&run.join("initial")).unwrap();
    let options = LoadOptions::default();
    for (stage, model) in [("writer", begun.decoder()), ("reader", begun.encoder().unwrap())] {
        let file = folder.path().join(stage).join("model.safetensors");
        let tensors = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
        assert!(tensors.contains_key("lm_head.weight") == (stage == "writer"));
        for (name, tensor) in tensors {
            let found = model.tensor(&name, tensor.dims(), &options).unwrap();
            let values = |t: &Tensor| -> Vec<f32> {
                t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
            };
            assert_eq!(values(&found), values(&tensor), "{name}");
        }
    }

    let (losses, _) = losses(&mut trainer, usize::MAX);
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!((first - 8192f64.ln()).abs() < 0.2, "{first}");
    assert!(last < 0.85 * first, "{first} to {last}");

    let model = Checkpoint::open(&run.join("model")).unwrap();
    assert_eq!(model.tokenizer().special("<imgpad>"), Some(8191));
    let encoder = C3Encoder::load(&model, &options).unwrap();
    c3_decoder::C3Decoder::load(&model, &options).unwrap();
    let ids = encoder.tokenizer().encode("Call me Ishmael. Some years ago").unwrap();
    let bank = Bank::choose(model.config(), Compression::Default).unwrap();
    assert_eq!(encoder.latents(&[&ids[..8]], &bank).unwrap()[0].dims(), [2, 32]);
    assert_eq!(model.config().decoder.hidden_size, 48);
}

#[test]
fn models_that_do_not_go_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = pair(folder.path());
    let runs = std::cell::Cell::new(0);
    let refusal = |config: &Config| {
        runs.set(runs.get() + 1);
        let run = folder.path().join(format!("run{}", runs.get()));
        Trainer::open(config, &run, &|_| Continue(())).err().unwrap().to_string()
    };
    let with = |change: &dyn Fn(&mut Pair)| {
        let mut config = config.clone();
        if let From::Pair(pair) = &mut config.from {
            change(pair);
        }
        config
    };
    let writer = |name: &str, text: String| {
        let path: PathBuf = folder.path().join("writer").join(name);
        let before = std::fs::read(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        let said = refusal(&config);
        std::fs::write(&path, before).unwrap();
        said
    };
    let mut other = vocabulary();
    let vocab = other["model"]["vocab"].as_object_mut().unwrap();
    let (a, b) = (vocab["Ġthe"].clone(), vocab["Ġof"].clone());
    vocab.insert("Ġthe".into(), b);
    vocab.insert("Ġof".into(), a);
    let said = writer("tokenizer.json", other.to_string());
    assert!(said.contains("from.pair: expected two models of one vocabulary"), "{said}");
    assert!(said.contains("writer"), "{said}");
    let text = std::fs::read_to_string(folder.path().join("writer/config.json")).unwrap();
    let said = writer("config.json", text.replace("8192", "8190"));
    assert!(said.contains("embeddings of 8192 tokens, C3's own included, found 8190"), "{said}");
    let said = writer("config.json", text.replace("\"qwen2\"", "\"llama\""));
    assert!(said.contains("expected the model_type \"qwen2\", found \"llama\""), "{said}");
    let said = refusal(&with(&|pair| pair.default_ratio = 5));
    assert!(said.contains("from.pair.default_ratio: expected one of the banks [4, 8]"), "{said}");
    let said = refusal(&with(&|pair| pair.encoder = folder.path().join("none")));
    assert!(said.contains("none/config.json: reading failed"), "{said}");
    std::fs::remove_file(folder.path().join("writer/model.safetensors")).unwrap();
    let said = refusal(&config);
    assert!(said.contains("no file is a .safetensors file in"), "{said}");
}
