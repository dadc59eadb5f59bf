//! What is asked of a compression.

use c3_core::{Compression, Dtype, EncodeRequest};
use c3_encoder::Bank;
use c3_nn::C3Config;

use crate::{Error, Result};

/// What is to be known of a text when it has been compressed. Without any check, the encoder alone
/// does it: [`c3_core::Encoder`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    /// How many tokens of each segment will differ, and where the first of them is.
    Checked {
        /// The share of its tokens, 0 to 1, that each segment gets right at least, each given those
        /// before it. Of the banks that do, the one with the fewest latents is taken; where none
        /// does, the segment is split, and at last kept as text, as it is where that takes no more
        /// positions.
        min_precision: Option<f64>,
        /// As many right tokens as fit into so many decoder positions in all: the text's hard
        /// segments get denser banks. It is held in memory, with its latents from every bank. Not
        /// beside `min_precision`.
        budget: Option<u64>,
    },
    /// Every byte comes back. Segments for which latents and corrections take no fewer positions
    /// than their tokens are kept as text.
    Exact {
        /// The share of its tokens, from 0 up, that a segment may have corrected. Of the banks that
        /// keep below it, the one that takes the fewest positions is taken, corrections and patches
        /// counted; where none does, the segment is split, and at last kept as text.
        max_corrections: Option<f64>,
    },
}

/// How a text is to be compressed.
#[derive(Clone, Debug, PartialEq)]
pub struct CompressRequest {
    /// What is to be known of it afterwards.
    pub level: Level,
    /// How many latent tokens it may have. Where banks are chosen for each segment, no fewer than
    /// this, and by default as few as the model offers.
    pub compression: Compression,
    /// How they are stored.
    pub dtype: Dtype,
    /// Segments computed together; `None` chooses.
    pub batch: Option<usize>,
    /// Replace what is not UTF-8 by U+FFFD instead of refusing it; the text as replaced is the
    /// source then. Not of [`Level::Exact`]: it brings all bytes back.
    pub lossy: bool,
    /// By how much the logit of a token must exceed all others for it to count as certain;
    /// `None` is what the decoder's arithmetic needs ([`c3_decoder::C3Decoder::margin`]). Of
    /// [`Level::Exact`].
    pub margin: Option<f32>,
}

impl CompressRequest {
    /// A request with nothing but a level, and the default of everything else.
    pub fn new(level: Level) -> Self {
        let EncodeRequest { compression, dtype, batch, lossy } = EncodeRequest::default();
        Self { level, compression, dtype, batch, lossy, margin: None }
    }

    /// What the encoder alone would be asked.
    pub fn encode(&self) -> EncodeRequest {
        let Self { compression, dtype, batch, lossy, .. } = *self;
        EncodeRequest { compression, dtype, batch, lossy }
    }

    /// Whether each segment gets a bank of its own.
    pub fn is_adaptive(&self) -> bool {
        match self.level {
            Level::Checked { min_precision, budget } => min_precision.is_some() || budget.is_some(),
            Level::Exact { max_corrections } => max_corrections.is_some(),
        }
    }

    /// The banks that a segment may meet, the one with the fewest latents first.
    ///
    /// # Errors
    /// As [`Bank::choose`].
    pub fn banks(&self, config: &C3Config) -> Result<Vec<Bank>> {
        let asked = Bank::choose(config, self.compression)?;
        if !self.is_adaptive() || config.query_banks.is_empty() {
            return Ok(vec![asked]);
        }
        let all = config.query_banks.keys().rev();
        let mut banks = all
            .map(|&ratio| Ok(Bank::choose(config, Compression::Ratio(ratio))?))
            .collect::<Result<Vec<Bank>>>()?;
        if self.compression != Compression::Default {
            banks.retain(|bank| bank.queries >= asked.queries);
        }
        Ok(banks)
    }

    /// Refuses what can't be.
    pub(crate) fn check(&self) -> Result<()> {
        let setting = |name, expected, found: String| Err(Error::Setting { name, expected, found });
        match self.level {
            Level::Checked { min_precision: Some(share), .. } if !(0.0..=1.0).contains(&share) => {
                setting("min-precision", "a number from 0 to 1", share.to_string())
            }
            Level::Exact { max_corrections: Some(share) } if !(0.0..).contains(&share) => {
                setting("max-corrections", "a number from 0 up", share.to_string())
            }
            _ if self.margin.is_some_and(|margin| !(0.0..).contains(&margin)) => {
                setting("margin", "a number from 0 up", format!("{:?}", self.margin))
            }
            _ if self.batch == Some(0) => setting("batch", "at least 1", "0".into()),
            // What would go without effect.
            Level::Checked { min_precision: Some(_), budget: Some(budget) } => {
                setting("budget", "none beside a min-precision", budget.to_string())
            }
            Level::Checked { .. } if self.margin.is_some() => {
                setting("margin", "none but for exact segments", format!("{:?}", self.margin))
            }
            Level::Exact { .. } if self.lossy => {
                setting("lossy", "false for exact segments", "true".into())
            }
            _ => Ok(()),
        }
    }
}
