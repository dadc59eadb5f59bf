//! A C3 checkpoint: configuration, tokenizer and weights of both stages.

use std::path::Path;
use std::sync::Arc;

use crate::files::Files;
use crate::stored::Format;
use crate::{C3Config, QueryPositions, Result, Tokenizer, Weights};

/// Special tokens that a C3 model needs.
const SPECIAL: [&str; 5] = ["<img>", "</img>", "<imgpad>", "<|im_start|>", "<|im_end|>"];

/// A C3 checkpoint in the authors' layout, opened and checked; weights are read when a stage is
/// loaded from it.
///
/// In place of a stage's `model.safetensors` there may be a `model.gguf` with the language model, as
/// llama.cpp's tools write it; the decoder's context queries and projector are then in
/// `c3.safetensors`, or in the safetensors files that there would be without it.
///
/// Files are mapped into memory: whoever cuts one short while it is open ends the program.
pub struct Checkpoint {
    name: String,
    config: C3Config,
    tokenizer: Arc<Tokenizer>,
    decoder: Weights,
    encoder: Option<Weights>,
}

impl Checkpoint {
    /// Opens a folder. Without `llm1/` in it the checkpoint can only decode.
    ///
    /// # Errors
    /// Where a file is missing, damaged or not what a C3 model has; the message names it.
    pub fn open(folder: &Path) -> Result<Self> {
        let name = folder.file_name().map_or_else(
            || folder.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        );
        Self::from_files(name, &Files::Folder(folder.into()))
    }

    /// Opens files that the program carries, by their names in the layout.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_memory(name: &str, files: &[(&'static str, &'static [u8])]) -> Result<Self> {
        Self::from_files(name.into(), &Files::Memory(files.to_vec()))
    }

    fn from_files(name: String, files: &Files) -> Result<Self> {
        let outer = files.require("config.json")?;
        let inner = files.get("llm1/config.json")?;
        let inner_file = files.display("llm1/config.json");
        let config = C3Config::parse(
            (&files.display("config.json"), &outer),
            inner.as_ref().map(|bytes| (inner_file.as_str(), &**bytes)),
        )?;
        let tokenizer = match files.get("tokenizer.json")? {
            Some(bytes) => Tokenizer::from_json(&files.display("tokenizer.json"), &bytes)?,
            None => {
                let bytes = files.require("qwen.tiktoken")?;
                Tokenizer::from_tiktoken(&files.display("qwen.tiktoken"), &bytes)?
            }
        };
        tokenizer.require_special(&SPECIAL)?;
        let decoder = Weights::open(files, "")?;
        decoder.check_gguf(&config.decoder)?;
        let encoder = match inner {
            Some(_) => {
                let encoder = Weights::open(files, "llm1/")?;
                encoder.check_gguf(&config.encoder)?;
                Some(encoder)
            }
            None => None,
        };
        Ok(Self { name, config, tokenizer: Arc::new(tokenizer), decoder, encoder })
    }

    /// The folder's name, or the one given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shapes of both stages.
    pub fn config(&self) -> &C3Config {
        &self.config
    }

    /// The tokenizer, the same for both stages.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// The decoder's weights, with the context queries and the projector.
    pub fn decoder(&self) -> &Weights {
        &self.decoder
    }

    /// The encoder's weights, where the checkpoint has them.
    pub fn encoder(&self) -> Option<&Weights> {
        self.encoder.as_ref()
    }

    /// Names everything that decides what latents mean, in a fixed order, as (name, bytes): the
    /// shape and weights of the encoder, the context queries, and the tokenizer. `false` where the
    /// checkpoint has no encoder, and then nothing is named.
    pub fn visit_identity(&self, visit: &mut dyn FnMut(&str, &[u8])) -> bool {
        let Some(encoder) = &self.encoder else { return false };
        let (config, inner) = (&self.config, &self.config.encoder);
        // What the shapes of the tensors don't tell. Spelled out, so that a new field of the
        // configuration doesn't change the identity of the checkpoints there are.
        let numbers = format!(
            "heads {} kv_heads {} eps {:e} theta {:e} frequencies {:?} queries {}",
            inner.num_attention_heads,
            inner.num_key_value_heads,
            inner.rms_norm_eps,
            inner.rope_theta,
            inner.rope_frequencies,
            match config.query_positions {
                QueryPositions::Contiguous => "contiguous".to_owned(),
                QueryPositions::Anchored => format!("anchored at {}", config.segment_tokens),
            },
        );
        visit("config", numbers.as_bytes());
        let mut named = |name: &str, shape: &[usize], format: &Format, bytes: &[u8]| {
            if name != "lm_head.weight" {
                visit(&format!("{name} {shape:?} {format}"), bytes);
            }
        };
        encoder.visit(&|_| true, &mut named);
        self.decoder.visit(&|name| name.starts_with("model.Q"), &mut named);
        self.tokenizer.visit_identity(visit);
        true
    }
    /// Names the decoder's weights in a fixed order, as (name, bytes): with
    /// [`visit_identity`](Self::visit_identity), everything that decides what text comes back.
    pub fn visit_decoder(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        let mut named = |name: &str, shape: &[usize], format: &Format, bytes: &[u8]| {
            visit(&format!("{name} {shape:?} {format}"), bytes);
        };
        self.decoder.visit(&|_| true, &mut named);
    }
}
