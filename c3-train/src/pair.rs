//! Two Qwen2 models as the stages of a C3 that hasn't learnt to pass anything between them yet.

use std::fs;
use std::path::{Path, PathBuf};

use c3_nn::{Qwen2Config, Tokenizer};
use candle_core::{DType, Device};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::io;
use crate::export::{self, Dtype, Named};
use crate::init::{Layout, Random, bridge, check_banks, extended};
use crate::{Error, Pair, Result};

/// What a C3 needs besides text, in the order in which they are added where a vocabulary lacks them.
const SPECIAL: [&str; 5] = ["<img>", "</img>", "<imgpad>", "<|im_start|>", "<|im_end|>"];

/// Writes a checkpoint of the two models to the folder `to`, in f32; queries and projector are random.
pub(crate) fn write(pair: &Pair, seed: u64, to: &Path) -> Result<()> {
    let names = ["from.pair.banks", "from.pair.default_ratio"];
    check_banks(names, pair.segment_tokens, &pair.banks, pair.default_ratio)?;
    let (read, written) = (Model::open(&pair.encoder)?, Model::open(&pair.decoder)?);
    let (json, tokenizer) = vocabulary(pair, [&read, &written])?;
    let marks = tokenizer.require_special(&SPECIAL)?;

    let folder = to.join("llm1");
    fs::create_dir_all(&folder).map_err(io(&folder, "creating the folder"))?;
    fs::write(to.join("tokenizer.json"), json).map_err(io(to, "writing the tokenizer"))?;
    let plain = json!({ "torch_dtype": "float32" });
    export::write_json(&folder.join("config.json"), &extended(read.json.clone(), plain.clone()))?;
    let layout = Layout {
        segment_tokens: pair.segment_tokens,
        banks: &pair.banks,
        default_ratio: pair.default_ratio,
        query_positions: pair.query_positions,
    };
    let fields = layout.fields(read.config.hidden_size, [marks[0], marks[1], marks[2]]);
    let outer = extended(extended(written.json.clone(), plain), fields);
    export::write_json(&to.join("config.json"), &outer)?;

    // One stage at a time: either may be most of what there is memory for.
    let of_encoder = read.tensors(false)?;
    export::write_tensors(&folder.join("model.safetensors"), &of_encoder, Dtype::F32)?;
    drop(of_encoder);
    let mut of_decoder = written.tensors(!written.config.tie_word_embeddings)?;
    let widths = [read.config.hidden_size, written.config.hidden_size];
    let bridge = bridge(&pair.banks, pair.default_ratio, widths);
    let layers = written.config.num_hidden_layers;
    of_decoder.extend(Random::new(seed, layers, pair.query_positions).tensors(&bridge));
    export::write_tensors(&to.join("model.safetensors"), &of_decoder, Dtype::F32)
}

/// A Qwen2 model in its folder.
struct Model {
    folder: PathBuf,
    json: Value,
    config: Qwen2Config,
    tokenizer: Option<Tokenizer>,
}

impl Model {
    fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let bytes = fs::read(&path).map_err(io(&path, "reading"))?;
        let syntax = |reason: String| Error::Syntax { path: path.clone(), reason };
        let json: Value =
            serde_json::from_slice(&bytes).map_err(|error| syntax(error.to_string()))?;
        if json["model_type"] != "qwen2" {
            let found = &json["model_type"];
            return Err(syntax(format!("expected the model_type \"qwen2\", found {found}")));
        }
        let config = Qwen2Config::deserialize(&json).map_err(|error| syntax(error.to_string()))?;
        let path = folder.join("tokenizer.json");
        let tokenizer = match path.exists() {
            true => Some(tokenizer(&path)?.1),
            false => None,
        };
        Ok(Self { folder: folder.into(), json, config, tokenizer })
    }

    /// Its weights, in the order of their names; those of the head only where they are asked for.
    fn tensors(&self, head: bool) -> Result<Vec<Named>> {
        let entries = fs::read_dir(&self.folder).map_err(io(&self.folder, "listing"))?;
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(io(&self.folder, "listing"))?.path();
            if path.extension().is_none_or(|end| end != "safetensors") {
                continue;
            }
            let damaged = |error: candle_core::Error| {
                let reason = error.to_string();
                Error::State { path: path.clone(), reason }
            };
            for (name, tensor) in
                candle_core::safetensors::load(&path, &Device::Cpu).map_err(damaged)?
            {
                if name.starts_with("model.") || head && name == "lm_head.weight" {
                    let dims = tensor.dims().to_vec();
                    let values = tensor.to_dtype(DType::F32).and_then(|t| t.flatten_all());
                    all.push((name, dims, values.and_then(|t| t.to_vec1()).map_err(damaged)?));
                }
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        match all.is_empty() {
            true => Err(Error::NoFile(format!("a .safetensors file in {}", self.folder.display()))),
            false => Ok(all),
        }
    }
}

fn tokenizer(path: &Path) -> Result<(Vec<u8>, Tokenizer)> {
    let json = fs::read(path).map_err(io(path, "reading"))?;
    let tokenizer = Tokenizer::from_json(&path.display().to_string(), &json)?;
    Ok((json, tokenizer))
}

/// The vocabulary that both models have, with the special tokens of C3.
fn vocabulary(pair: &Pair, models: [&Model; 2]) -> Result<(Vec<u8>, Tokenizer)> {
    let rows = models.map(|model| model.config.vocab_size);
    let own = pair.encoder.join("tokenizer.json");
    let path = pair.tokenizer.as_ref().unwrap_or(&own);
    let (json, own) = tokenizer(path)?;
    for model in models {
        let same = match &model.tokenizer {
            Some(other) => same_text(&own, other),
            None => rows[0] == rows[1],
        };
        if !same {
            return Err(Error::Setting {
                name: "from.pair",
                expected: "two models of one vocabulary".into(),
                found: format!("another one in {} than {}", model.folder.display(), path.display()),
            });
        }
    }
    let (json, tokenizer) = with_special(path, json, own)?;
    match rows.iter().find(|&&rows| rows < tokenizer.vocab_size()) {
        Some(&rows) => Err(Error::Setting {
            name: "from.pair",
            expected: format!("embeddings of {} tokens, C3's own included", tokenizer.vocab_size()),
            found: format!("{rows}"),
        }),
        None => Ok((json, tokenizer)),
    }
}

/// Whether text becomes the same ids. Special tokens never stand for text.
fn same_text(a: &Tokenizer, b: &Tokenizer) -> bool {
    let most = a.vocab_size().max(b.vocab_size());
    (0..most as u32).all(|id| a.token_bytes(id) == b.token_bytes(id))
}

/// The tokenizer with those of C3's special tokens that it lacks, behind all others: embeddings mostly
/// have rows to spare.
fn with_special(path: &Path, json: Vec<u8>, own: Tokenizer) -> Result<(Vec<u8>, Tokenizer)> {
    let lacking: Vec<&str> =
        SPECIAL.into_iter().filter(|name| own.special(name).is_none()).collect();
    if lacking.is_empty() {
        return Ok((json, own));
    }
    let syntax = |reason: String| Error::Syntax { path: path.into(), reason };
    let mut file: Value =
        serde_json::from_slice(&json).map_err(|error| syntax(error.to_string()))?;
    let added = file["added_tokens"].as_array_mut();
    let added = added.ok_or_else(|| syntax("expected a list of added_tokens".into()))?;
    for (id, name) in (own.vocab_size()..).zip(lacking) {
        added.push(json!({
            "id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        }));
    }
    let json = serde_json::to_vec(&file).map_err(|error| syntax(error.to_string()))?;
    let tokenizer = Tokenizer::from_json(&path.display().to_string(), &json)?;
    Ok((json, tokenizer))
}
