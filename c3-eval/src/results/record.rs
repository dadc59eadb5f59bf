//! What came of one text.

use serde::{Deserialize, Serialize};

use crate::corpus::Kind;
use crate::{Ratio, Scores};

/// Stretches of a text that errors are counted in.
pub const BUCKETS: usize = 20;

/// One text at one ratio, restored by one compressor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Name of its corpus.
    pub corpus: String,
    /// How it was made unguessable, if it was.
    pub kind: Option<Kind>,
    /// What it is called in its corpus.
    pub id: String,
    /// The document that it is from: texts of one are not independent.
    pub document: String,
    /// Which compressor.
    pub compressor: String,
    /// The ratio asked for.
    pub ratio: Ratio,
    /// Tokens of the text.
    pub tokens: usize,
    /// Segments that it was cut into.
    pub segments: usize,
    /// Whether it is longer than the model's window. A text within it may still be in several
    /// segments: a model with one bank reaches a low ratio by shorter ones.
    pub beyond_window: bool,
    /// Latent tokens that C3 has for it.
    pub latents: usize,
    /// Decoder positions that were spent on it.
    pub positions: usize,
    /// Segments that were cut off at the allowed number of tokens.
    pub cut_off: usize,
    /// Every metric.
    pub scores: Scores,
    /// Wrong tokens in each of [`BUCKETS`] stretches of the text, in tokens of the whole text.
    pub wrong: Vec<usize>,
    /// Tokens of the whole text, which those stretches divide; other than `tokens` where segments
    /// were tokenised apart.
    pub whole_tokens: usize,
    /// The text, where it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What came back, where it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

impl Record {
    /// Share of wrong tokens in each stretch; NaN where a short text has none there.
    pub fn error_rates(&self) -> Vec<f64> {
        let of = bucket_tokens(self.whole_tokens);
        self.wrong.iter().zip(of).map(|(&wrong, of)| wrong as f64 / of as f64).collect()
    }
}

/// Tokens of a text of so many in each stretch: token j of T is in stretch ⌊20·j/T⌋.
pub fn bucket_tokens(tokens: usize) -> [usize; BUCKETS] {
    let start = |bucket: usize| (bucket * tokens).div_ceil(BUCKETS);
    std::array::from_fn(|bucket| start(bucket + 1) - start(bucket))
}

/// Wrong tokens in each stretch.
pub(crate) fn bucket_errors(wrong: &[bool]) -> Vec<usize> {
    let mut counts = vec![0; BUCKETS];
    for (place, _) in wrong.iter().enumerate().filter(|(_, wrong)| **wrong) {
        counts[place * BUCKETS / wrong.len()] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_is_in_one_stretch() {
        for tokens in [0, 1, 7, 19, 20, 21, 64, 255, 256, 1301] {
            let counted = bucket_errors(&vec![true; tokens]);
            assert_eq!(counted, bucket_tokens(tokens), "{tokens}");
            assert_eq!(counted.iter().sum::<usize>(), tokens);
        }
        let mut wrong = vec![false; 100];
        wrong[99] = true;
        assert_eq!(bucket_errors(&wrong)[BUCKETS - 1], 1);
    }
}
