//! `config.json` of a C3 checkpoint: the authors' fields and the project's extensions to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::RopeFrequencies;
use crate::{Error, Qwen2Config, Result};

/// The longest text in the authors' paper; what a segment may hold where nothing else is said.
const AUTHORS_SEGMENT_TOKENS: usize = 1280;
const AUTHORS_SYSTEM: &str = "You should follow the instructions carefully and explain your \
                              answers in detail.";

/// Where the context queries stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QueryPositions {
    /// Right after the text, as in the authors' checkpoints.
    #[default]
    Contiguous,
    /// At positions that start at `segment_tokens`, however short the text is; in the decoder the
    /// text starts right after the largest bank, however few latents there are.
    Anchored,
    /// Beside the part of the text that they stand for, as if it were a language model's: query j
    /// of ratio r has the position of token `r (j + 1) − 1`, and in the decoder, where the text
    /// starts right behind the prompt, latent j that of token `r j`. Every distance between a text
    /// and its latents is then the same anywhere in it.
    Aligned,
}

/// What the decoder reads around the latents.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Prompt {
    /// The system message; without one there is no chat template at all.
    pub system: Option<String>,
    /// Stands before the latents; special tokens are recognised in it.
    pub before: String,
    /// Stands after the latents; special tokens are recognised in it.
    pub after: String,
    /// Asked after that; always read as plain text.
    pub question: String,
}

impl Default for Prompt {
    /// The authors' prompt.
    fn default() -> Self {
        Self {
            system: Some(AUTHORS_SYSTEM.into()),
            before: "<img>".into(),
            after: "</img>\n".into(),
            question: "Repeat the text: ".into(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extensions {
    segment_tokens: Option<usize>,
    query_positions: QueryPositions,
    query_banks: BTreeMap<u32, usize>,
    prompt: Prompt,
    rope_frequencies: RopeFrequencies,
}

/// The shape of a C3 checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct C3Config {
    /// The encoder, a Qwen2 language model whose head is not used.
    pub encoder: Qwen2Config,
    /// The decoder.
    pub decoder: Qwen2Config,
    /// Context queries of the default bank, `model.Q.weight`.
    pub latent_tokens: usize,
    /// Tokens of text that a segment may hold.
    pub segment_tokens: usize,
    /// Where the context queries stand.
    pub query_positions: QueryPositions,
    /// Ratio → context queries of `model.Q_banks.{ratio}.weight`.
    pub query_banks: BTreeMap<u32, usize>,
    /// What the decoder reads around the latents.
    pub prompt: Prompt,
}

impl C3Config {
    /// Reads the two `config.json`; `encoder` is absent where a checkpoint has only its decoder's
    /// part, and then only decoding works.
    ///
    /// # Errors
    /// [`Error::ModelType`] where the model is no C3 or its encoder no Qwen2; [`Error::Config`]
    /// where a field is missing or has a value that can't be.
    pub fn parse(decoder: (&str, &[u8]), encoder: Option<(&str, &[u8])>) -> Result<Self> {
        let (file, outer) = decoder;
        let mut outer = model_type(file, outer, "C3")?;
        let latent_tokens = count(file, &outer, "latent_token_len")?;
        let latent_dim = count(file, &outer, "contexts_compression_llm_hidden_size")?;
        let extensions: Extensions = match outer.get_mut("c3").map(Value::take) {
            None | Some(Value::Null) => Extensions::default(),
            Some(value) => parse(file, value)?,
        };
        let mut decoder: Qwen2Config = parse(file, outer)?;
        decoder.rope_frequencies = extensions.rope_frequencies;
        decoder.check(file)?;
        let encoder = match encoder {
            None => Qwen2Config { hidden_size: latent_dim, ..decoder.clone() },
            Some((file, bytes)) => {
                let mut encoder: Qwen2Config = parse(file, model_type(file, bytes, "qwen2")?)?;
                encoder.rope_frequencies = extensions.rope_frequencies;
                encoder.check(file)?;
                if encoder.hidden_size != latent_dim {
                    let reason = format!(
                        "hidden_size is {}, but the decoder expects latents of width {latent_dim} \
                         (contexts_compression_llm_hidden_size)",
                        encoder.hidden_size
                    );
                    return Err(Error::Config { file: file.into(), reason });
                }
                encoder
            }
        };
        let segment_tokens = extensions.segment_tokens.unwrap_or(AUTHORS_SEGMENT_TOKENS);
        let config = Self {
            encoder,
            decoder,
            latent_tokens,
            segment_tokens,
            query_positions: extensions.query_positions,
            query_banks: extensions.query_banks,
            prompt: extensions.prompt,
        };
        config.check(file)?;
        Ok(config)
    }

    /// Context queries of the largest bank.
    pub fn largest_bank(&self) -> usize {
        self.query_banks.values().copied().max().unwrap_or(0).max(self.latent_tokens)
    }

    fn check(&self, file: &str) -> Result<()> {
        let fail = |reason: String| Err(Error::Config { file: file.into(), reason });
        // Shorter segments could not hold every character: NFC makes up to 12 bytes of one.
        if !(12..=1 << 20).contains(&self.segment_tokens) {
            return fail(format!("segment_tokens is {}, expected 12 to 2^20", self.segment_tokens));
        }
        for (&ratio, &queries) in &self.query_banks {
            let expected = self.segment_tokens.div_ceil(ratio.max(1) as usize);
            if ratio == 0 || queries != expected {
                return fail(format!(
                    "query bank {ratio} has {queries} queries, expected {expected}: \
                     {} text tokens / {ratio}, rounded up",
                    self.segment_tokens
                ));
            }
        }
        Ok(())
    }
}

fn model_type(file: &str, bytes: &[u8], expected: &'static str) -> Result<Value> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Error::Config { file: file.into(), reason: error.to_string() })?;
    let found = value.get("model_type").and_then(Value::as_str).unwrap_or("none");
    if found != expected {
        return Err(Error::ModelType { file: file.into(), expected, found: found.into() });
    }
    Ok(value)
}

fn parse<T: serde::de::DeserializeOwned>(file: &str, value: Value) -> Result<T> {
    serde_json::from_value(value)
        .map_err(|error| Error::Config { file: file.into(), reason: error.to_string() })
}

fn count(file: &str, value: &Value, name: &str) -> Result<usize> {
    let found = value.get(name);
    found
        .and_then(Value::as_u64)
        .filter(|n| (1..=1 << 20).contains(n))
        .map(|n| n as usize)
        .ok_or_else(|| Error::Config {
            file: file.into(),
            reason: format!(
                "{name} is {}, expected a whole number from 1 to 2^20",
                found.map_or("missing".into(), Value::to_string)
            ),
        })
}
