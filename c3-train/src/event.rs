//! What a run tells of itself.

use serde::Serialize;

use crate::Evaluation;
use crate::sampler::Sample;

/// What happens during a run; each is also a line of its `log.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A program takes the run up.
    Begun {
        /// Steps that are done.
        step: u64,
        /// The version of this crate.
        version: &'static str,
        /// The program and where it comes from, as it calls itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        program: Option<String>,
    },
    /// A step is done.
    Step {
        /// Its number, from 1.
        step: u64,
        /// Mean cross entropy of its text, in nats.
        loss: f64,
        /// The norm of its gradients, before they were clipped.
        norm: f64,
        /// The share of the learning rates.
        rate: f64,
        /// Tokens of its text.
        tokens: usize,
        /// How long it took.
        seconds: f64,
        /// What it consisted of.
        parts: Vec<Part>,
    },
    /// The model was evaluated after a step.
    Evaluated {
        /// The step.
        step: u64,
        /// For each ratio of the last stage, segments as long as its longest.
        ratios: Vec<Evaluation>,
        /// The same with segments of 37 tokens; none where the longest aren't longer.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        short: Vec<Evaluation>,
    },
    /// A checkpoint is there.
    Saved {
        /// After how many steps.
        step: u64,
    },
}

/// A part of a step: segments of one length, for one ratio.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Text tokens for each latent token.
    pub ratio: u32,
    /// Length of its segments.
    pub length: usize,
    /// Tokens of its text.
    pub tokens: usize,
    /// Mean cross entropy of its text, in nats.
    pub loss: f64,
    /// Whether the text was to be gone on with, not reproduced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub continued: bool,
}

impl Part {
    pub(crate) fn of(sample: &Sample) -> Self {
        Self {
            ratio: sample.ratio,
            length: sample.tokens,
            tokens: sample.ids.len(),
            loss: 0.0,
            continued: sample.next.is_some(),
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// All steps are done, and the model is in `model/`.
    Done,
    /// It was stopped, and will go on from its checkpoint.
    Stopped,
}
