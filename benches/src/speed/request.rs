//! What the worker can be asked for, and what it answers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One piece of work. Random ids and values, unless a file is named.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Latents of one segment.
    Encode {
        /// Tokens of text; `<img>` and the context queries come on top.
        tokens: usize,
    },
    /// Steps of greedy decoding, from behind the prompts; reading those is not timed.
    Decode {
        /// Segments side by side.
        batch: usize,
        /// Positions before the first token: latents and what stands around them.
        prompt: usize,
        /// Tokens that each gets.
        tokens: usize,
    },
    /// The decoder's greedy choice at each token of a text that is given to it as a whole, behind
    /// the latents of the default bank and the model's own prompt.
    Verify {
        /// Tokens of text.
        tokens: usize,
    },
    /// `x wᵀ` with the first `gate_proj` of the encoder, `[ffn, hidden]`.
    Gemm {
        /// Rows of x.
        rows: usize,
    },
    /// Every query sees every key.
    Attention {
        /// Rows of q.
        queries: usize,
        /// Rows of k and v.
        keys: usize,
        /// Query heads.
        heads: usize,
        /// Key and value heads.
        kv_heads: usize,
        /// Width of a head.
        head_dim: usize,
        /// Whether what is multiplied may be rounded to bf16.
        #[serde(default)]
        bf16: bool,
    },
    /// A text into latents and back.
    Roundtrip {
        /// A UTF-8 text.
        file: PathBuf,
        /// Text tokens for each latent.
        ratio: u32,
        /// Segments decoded together; the decoder's own choice where absent.
        batch: Option<usize>,
    },
    /// The segments that [`Roundtrip`](Self::Roundtrip) works on, so that another program can do
    /// the same work.
    Segments {
        /// A UTF-8 text.
        file: PathBuf,
        /// Text tokens for each latent.
        ratio: u32,
    },
    /// Reads memory from one end to the other with all threads.
    Bandwidth {
        /// Size of the memory; should be far beyond any cache.
        bytes: usize,
    },
    /// Opens the checkpoint and loads one stage, which is then dropped.
    Load {
        /// Which one.
        stage: StageName,
    },
}

/// One of the two stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// Text to latents.
    Encoder,
    /// Latents to text.
    Decoder,
}

/// How long a piece of work took, and how much it was; what doesn't apply is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Answer {
    /// Wall-clock time.
    pub seconds: f64,
    /// Tokens read or written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Bytes read from memory or from a file; of decoding, those of the weights that every step
    /// reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Floating-point operations, two for each multiply-add.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<u64>,
    /// Of the seconds, those that the encoder took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encode_seconds: Option<f64>,
    /// Tokens that the decoder wrote, stop tokens not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated: Option<u64>,
    /// Segments that came back as they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact: Option<usize>,
    /// Ids of every segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<Vec<Vec<u32>>>,
}
