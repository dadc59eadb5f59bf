//! Passages cut from longer texts.

use std::num::NonZeroUsize;

use c3_nn::Tokenizer;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Corpus, Sample, numbered};
use crate::{Error, Result};

/// The lengths that passages may have, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassageTokens {
    /// The fewest.
    pub least: usize,
    /// The most.
    pub most: usize,
}

impl std::fmt::Display for PassageTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..{}", self.least, self.most)
    }
}

impl Corpus {
    /// `each` passages of every text: at places and of lengths that a fixed seed draws. They may
    /// overlap, and are of one document: no interval takes them for independent. Texts that are too
    /// short for any are left out. A passage's own tokens may be fewer than its length says, never more
    /// than the most.
    ///
    /// # Errors
    /// Where the tokenizer fails, or no text is long enough.
    pub fn passages(
        &self,
        tokenizer: &Tokenizer,
        tokens: PassageTokens,
        each: NonZeroUsize,
    ) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut samples = Vec::new();
        for sample in &self.samples {
            let count = tokenizer.encode(&sample.text)?.len();
            for number in 0..each.get() {
                // Drawn for each, so that one text's passage doesn't depend on the others' lengths.
                let (length, place) =
                    (rng.random_range(tokens.least..=tokens.most), rng.random::<f64>());
                if count < tokens.least {
                    continue;
                }
                let room = 1.0 - (length as f64 / count as f64).min(1.0);
                let passage = passage(tokenizer, &sample.text, length, place * room)?;
                if tokenizer.encode(passage)?.len() < tokens.least {
                    continue;
                }
                let id = match number {
                    0 => sample.id.clone(),
                    _ => numbered(&sample.id, number + 1),
                };
                let (document, text) = (sample.document.clone(), passage.to_owned());
                samples.push(Sample { id, document, text });
            }
        }
        if samples.is_empty() {
            let least = tokens.least;
            return Err(Error::EmptyCorpus(format!("{} ({least} tokens or more)", self.name)));
        }
        Ok(Self { samples, ..self.clone() })
    }
}

/// A passage of at most `length` tokens from the first word behind a share `place` of the bytes.
fn passage<'t>(tokenizer: &Tokenizer, text: &'t str, length: usize, place: f64) -> Result<&'t str> {
    // Token by token from the place on, text is cut off where it is too long: no character is divided.
    let start = text.floor_char_boundary((place * text.len() as f64) as usize);
    let behind_blank = text[start..].find(char::is_whitespace).filter(|_| start > 0);
    let word = text[start + behind_blank.unwrap_or(0)..].trim_start();
    Ok(at_most(tokenizer, word, length)?.trim_end())
}

/// The longest beginning of a text that has at most so many tokens, as far as halving finds it.
pub(super) fn at_most<'t>(tokenizer: &Tokenizer, text: &'t str, tokens: usize) -> Result<&'t str> {
    let fits = |end: usize| Ok::<bool, Error>(tokenizer.encode(&text[..end])?.len() <= tokens);
    // A token has a byte at least; most texts have four bytes to a token.
    let mut above = text.floor_char_boundary(tokens.saturating_mul(8).min(text.len()));
    let mut fitting = 0;
    if fits(above)? {
        return Ok(&text[..above]);
    }
    while above - fitting > 1 {
        let middle = text.floor_char_boundary(fitting + (above - fitting) / 2);
        if middle == fitting {
            break;
        }
        match fits(middle)? {
            true => fitting = middle,
            false => above = middle,
        }
    }
    Ok(&text[..fitting])
}
