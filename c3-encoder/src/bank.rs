//! Which context queries a text meets, and how many of them.

use c3_core::Compression;
use c3_nn::C3Config;

use crate::segment::MIN_SEGMENT_TOKENS;
use crate::{Error, Result};

/// How one request compresses: the query bank, and what a segment may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bank {
    /// `Some(r)` is `model.Q_banks.{r}.weight`, `None` is `model.Q.weight`.
    pub ratio: Option<u32>,
    /// Context queries in the bank.
    pub queries: usize,
    /// Tokens of text that a segment may hold.
    pub segment_tokens: usize,
    /// Text tokens for each latent, where short segments use fewer of the bank's queries.
    step: Option<u32>,
}

impl Bank {
    /// The bank that `compression` asks for.
    ///
    /// A checkpoint with several banks has a fixed segment length, and a ratio names a bank. One
    /// with a single bank spends all its queries on every segment, and a ratio sets the length of
    /// the segments.
    ///
    /// # Errors
    /// [`Error::NoSuchRatio`], [`Error::NoSuchLatents`]: the model has no bank for it; both say
    /// which there are.
    pub fn choose(config: &C3Config, compression: Compression) -> Result<Self> {
        let segment_tokens = config.segment_tokens;
        let default = |segment_tokens| {
            let short = !config.query_banks.is_empty();
            let step = segment_tokens as u32 / config.latent_tokens as u32;
            Self {
                ratio: None,
                queries: config.latent_tokens,
                segment_tokens,
                step: short.then_some(step.max(1)),
            }
        };
        let of = |ratio: u32, queries: usize| Self {
            ratio: Some(ratio),
            queries,
            segment_tokens,
            step: Some(ratio),
        };
        let banks = &config.query_banks;
        match compression {
            Compression::Default => Ok(default(segment_tokens)),
            Compression::Ratio(asked) if banks.is_empty() => {
                let tokens = (asked as usize).saturating_mul(config.latent_tokens);
                let fits = (MIN_SEGMENT_TOKENS..=segment_tokens).contains(&tokens);
                fits.then(|| default(tokens)).ok_or_else(|| Error::NoSuchRatio {
                    asked,
                    have: format!(
                        "{} to {}",
                        MIN_SEGMENT_TOKENS.div_ceil(config.latent_tokens),
                        segment_tokens / config.latent_tokens
                    ),
                })
            }
            Compression::Ratio(asked) => banks
                .get(&asked)
                .map(|&queries| of(asked, queries))
                .ok_or_else(|| Error::NoSuchRatio { asked, have: list(banks.keys()) }),
            Compression::Latents(asked) => {
                let bank = banks.iter().find(|(_, queries)| **queries == asked as usize);
                match bank {
                    Some((&ratio, &queries)) => Ok(of(ratio, queries)),
                    None if asked as usize == config.latent_tokens => Ok(default(segment_tokens)),
                    None => {
                        let mut have: Vec<usize> = banks.values().copied().collect();
                        have.push(config.latent_tokens);
                        have.sort_unstable();
                        have.dedup();
                        Err(Error::NoSuchLatents { asked, have: list(have.iter()) })
                    }
                }
            }
        }
    }

    /// Latents of a segment of `tokens` text tokens.
    pub fn latents(&self, tokens: usize) -> usize {
        match self.step {
            Some(step) => tokens.div_ceil(step as usize).clamp(1, self.queries),
            None => self.queries,
        }
    }
}

fn list<T: std::fmt::Display>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
