//! The sizes that checkpoints come in.

use anyhow::{Result, ensure};
use clap::ValueEnum;

/// A size of checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// 7 M parameters, for tests: grouped heads, and an encoder narrower than the decoder.
    Tiny,
    /// Both stages as Qwen2.5-0.5B.
    #[value(name = "0.5b")]
    Half,
    /// The authors' pair: Qwen2.5-1.5B reads, Qwen2.5-3B writes.
    Real,
}

/// The sizes of one stage, a Qwen2 language model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Width of the hidden states.
    pub hidden: usize,
    /// Number of layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of the feed-forward network.
    pub ffn: usize,
    /// Rows of the embedding.
    pub vocab: usize,
    /// Whether the head is the embedding.
    pub tied: bool,
}

impl Shape {
    /// Rows of both embeddings. The authors' special tokens end at 151859.
    pub fn vocab(self) -> usize {
        match self {
            Self::Tiny => 8192,
            Self::Half | Self::Real => 151_860,
        }
    }

    /// Context queries.
    pub fn latents(self) -> usize {
        match self {
            Self::Tiny => 8,
            Self::Half | Self::Real => 32,
        }
    }

    /// The encoder. Its head is the embedding, so that its files hold none.
    pub fn encoder(self) -> Stage {
        let (hidden, layers, heads, ffn) = match self {
            Self::Tiny => (128, 3, 4, 256),
            Self::Half => (896, 24, 14, 4864),
            Self::Real => (1536, 28, 12, 8960),
        };
        Stage { hidden, layers, heads, kv_heads: 2, ffn, vocab: self.vocab(), tied: true }
    }

    /// The decoder, with a head of its own.
    pub fn decoder(self) -> Stage {
        let (hidden, layers, heads, ffn) = match self {
            Self::Tiny => (256, 2, 4, 704),
            Self::Half => (896, 24, 14, 4864),
            Self::Real => (2048, 36, 16, 11008),
        };
        Stage { hidden, layers, heads, kv_heads: 2, ffn, vocab: self.vocab(), tied: false }
    }
}

impl Stage {
    /// Width of one head.
    pub fn head_dim(self) -> usize {
        self.hidden / self.heads
    }

    /// The same with only its first `layers` layers.
    ///
    /// # Errors
    /// Where there are not so many, or none is asked for.
    pub fn cut(self, layers: usize) -> Result<Self> {
        let most = self.layers;
        ensure!((1..=most).contains(&layers), "{layers} layers asked for, expected 1 to {most}");
        Ok(Self { layers, ..self })
    }
}
