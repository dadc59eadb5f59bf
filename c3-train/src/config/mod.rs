//! How a model is trained, as its TOML file says it.

mod banks;
mod builtin;
mod check;
mod paths;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use c3_nn::{Activations, QueryPositions};
use serde::{Deserialize, Serialize};

use crate::error::io;
use crate::export::Dtype;
use crate::{Error, Result};

/// Everything that decides the outcome of a run. What a file doesn't say is as the built-in model began:
/// a tokenizer and text are enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Decides initial weights and the order of the text.
    #[serde(default)]
    pub seed: u64,
    /// What the model is at first.
    pub from: From,
    /// What it reads.
    pub data: Data,
    /// The curriculum, one stage after another.
    #[serde(default = "builtin::stages")]
    pub stages: Vec<Stage>,
    /// How weights change.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// How often what is done.
    #[serde(default)]
    pub run: Run,
}

/// What the model is at first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum From {
    /// A folder with a C3 checkpoint.
    Checkpoint(PathBuf),
    /// Random weights.
    Scratch(Shape),
    /// Two language models, with random queries and a random projector between them.
    Pair(Pair),
}

/// The shape of a model that begins with random weights: both stages are alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// A `tokenizer.json` with the special tokens of C3.
    pub tokenizer: PathBuf,
    /// Layers of each stage.
    #[serde(default = "builtin::layers")]
    pub layers: usize,
    /// Width.
    #[serde(default = "builtin::hidden")]
    pub hidden: usize,
    /// Attention heads; each has key and value heads of its own.
    #[serde(default = "builtin::heads")]
    pub heads: usize,
    /// Width of the feed-forward network.
    #[serde(default = "builtin::feed_forward")]
    pub feed_forward: usize,
    /// Tokens of text that a segment may hold.
    #[serde(default = "builtin::segment_tokens")]
    pub segment_tokens: usize,
    /// Query banks: ratio and number of queries.
    #[serde(default = "builtin::banks", with = "banks")]
    pub banks: BTreeMap<u32, usize>,
    /// The bank that is used where none is asked for, by its ratio.
    #[serde(default = "builtin::default_ratio")]
    pub default_ratio: u32,
    /// Where the context queries stand.
    #[serde(default = "builtin::query_positions")]
    pub query_positions: QueryPositions,
}

/// Two Qwen2 models that become the two stages. Their widths and depths may differ, their vocabulary
/// may not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// A folder with the model that reads: `config.json`, weights in `.safetensors`, `tokenizer.json`.
    pub encoder: PathBuf,
    /// A folder with the model that writes.
    pub decoder: PathBuf,
    /// A `tokenizer.json` in place of the encoder's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<PathBuf>,
    /// Tokens of text that a segment may hold.
    pub segment_tokens: usize,
    /// Query banks: ratio and number of queries.
    #[serde(with = "banks")]
    pub banks: BTreeMap<u32, usize>,
    /// The bank that is used where none is asked for, by its ratio.
    pub default_ratio: u32,
    /// Where the context queries stand.
    #[serde(default)]
    pub query_positions: QueryPositions,
}

/// What the model reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Text files, folders of them, or patterns (`books/**/*.txt`): `.txt`, or `.jsonl` with a `text` in
    /// each line.
    pub train: Vec<PathBuf>,
    /// Text that is never trained on, for evaluation.
    pub valid: Vec<PathBuf>,
    /// Share of the segments whose tokens are shuffled, so that the model copies rather than guesses.
    #[serde(default = "builtin::shuffled")]
    pub shuffled: f64,
    /// Share of the segments whose tokens are drawn from all the text, one by one.
    #[serde(default = "builtin::drawn")]
    pub drawn: f64,
    /// Share of the tokens that the decoder is given wrong, others of the text in their place: so that
    /// it trusts the latents more than what it has said itself.
    #[serde(default = "builtin::wrong")]
    pub wrong: f64,
    /// Whether the model also learns to go on where the text ends.
    #[serde(default)]
    pub continuation: Option<Continuation>,
}

/// Going on where the text that the latents stand for ends: a model that is asked for nothing but that
/// text can do nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Continuation {
    /// Share of the steps.
    pub share: f64,
    /// What the decoder is asked behind the latents, so that it knows which of the two is wanted:
    /// `c3 decompress --question`.
    pub question: String,
}

/// A stage of the curriculum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Steps of the optimiser.
    pub steps: u64,
    /// Lengths of segments, in tokens; each part of a step has one of them, with the same chance each.
    pub lengths: Vec<usize>,
    /// Ratios, likewise.
    pub ratios: Vec<u32>,
    /// Tokens of text in each step.
    pub tokens: usize,
    /// Parts of a step, each of one length and one ratio: of more ratios in each step comes less
    /// forgetting of one for the other. No ratio is drawn again before all have been, where they
    /// suffice.
    #[serde(default = "builtin::one")]
    pub parts: usize,
}

/// How weights change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Optimizer {
    /// Learning rate of the layers' matrices, with Muon; 0 leaves them to AdamW too.
    pub muon_rate: f64,
    /// Muon's momentum.
    pub momentum: f64,
    /// Learning rate of all else, with AdamW.
    pub adam_rate: f64,
    /// AdamW's decay of the first and of the second moment.
    pub betas: [f64; 2],
    /// Decay of matrices towards zero, each step by this share of the learning rate.
    pub weight_decay: f64,
    /// The largest norm of all gradients together.
    pub clip: f64,
    /// Steps over which the rates rise from zero.
    pub warm_up: u64,
    /// Share of all steps, at the end, over which they fall to zero.
    pub decay: f64,
    /// Whether products round their operands to bf16 where the processor multiplies that faster.
    pub bf16: bool,
    /// Whether all queries of a bank change alike, and so stay alike if they were: then their
    /// positions alone tell them apart, and what one learns all have learnt.
    pub alike_queries: bool,
    /// Decay of the average of the weights that is evaluated and exported; 0 takes the last weights.
    pub average: f64,
}

/// How often what is done, and in what form. None of it changes what is learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Run {
    /// Seconds between checkpoints.
    pub checkpoint_seconds: u64,
    /// Steps between evaluations.
    pub evaluate_steps: u64,
    /// Segments of held-out text that each evaluation decodes, for each ratio.
    pub evaluate_segments: usize,
    /// Tokens of text whose activations are in memory at once: larger steps are cut.
    pub micro_tokens: usize,
    /// Parts of a step that are computed side by side; 0 is one for each thread. Sums are rounded
    /// otherwise where there are more or fewer.
    pub workers: usize,
    /// How the model's weights are written when all steps are done.
    pub weights: Dtype,
    /// A folder for tokenised text that several runs share; without one it is in the run's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            checkpoint_seconds: 180,
            evaluate_steps: 200,
            evaluate_segments: 32,
            micro_tokens: 4096,
            workers: 0,
            weights: Dtype::F16,
            cache: None,
        }
    }
}

impl Optimizer {
    /// What products round their operands to.
    pub(crate) fn activations(&self) -> Activations {
        match self.bf16 {
            true => Activations::Bf16,
            false => Activations::F32,
        }
    }
}

impl Config {
    /// Reads a configuration; its relative paths begin at the file's folder, and are absolute then.
    ///
    /// # Errors
    /// Where the file can't be read, isn't TOML, has a setting that doesn't exist, or one that can't
    /// be.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(io(path, "reading"))?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| Error::Syntax { path: path.into(), reason: error.to_string() })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.paths().into_iter().for_each(|path| *path = folder.join(&*path));
        let config = config.absolute()?;
        config.check()?;
        Ok(config)
    }

    /// Steps of all stages.
    pub fn steps(&self) -> u64 {
        self.stages.iter().map(|stage| stage.steps).sum()
    }

    /// The longest segment of any stage.
    pub fn longest(&self) -> usize {
        self.stages.iter().flat_map(|stage| &stage.lengths).copied().max().unwrap_or(0)
    }
}
