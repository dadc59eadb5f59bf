//! All metrics of a pair of texts at once.

use c3_nn::Tokenizer;

use super::{Metric, Scores, Words, bleu4, meteor, prefix, rouge_l, set_overlap, token_overlap};
use crate::Result;

/// Scores texts. Tokens are those of one tokenizer: the decoder's.
pub struct Scorer<'t> {
    tokenizer: &'t Tokenizer,
    words: Words,
}

/// A reference and an output in tokens, with their scores.
pub struct Scored {
    /// The reference's tokens.
    pub reference: Vec<u32>,
    /// The output's tokens.
    pub output: Vec<u32>,
    /// Every metric.
    pub scores: Scores,
}

impl<'t> Scorer<'t> {
    /// A scorer in the tokens of `tokenizer`.
    pub fn new(tokenizer: &'t Tokenizer) -> Self {
        Self { tokenizer, words: Words::new() }
    }

    /// Scores what came back of a reference.
    ///
    /// # Errors
    /// Where the tokenizer fails.
    pub fn score(&self, reference: &str, output: &str) -> Result<Scored> {
        let ids = (self.tokenizer.encode(reference)?, self.tokenizer.encode(output)?);
        let tokens = token_overlap(&ids.0, &ids.1);
        let (words, came) = self.words.of(reference, output);
        let sets = set_overlap(&words, &came);
        let scores = Scores::of(|metric| match metric {
            Metric::Exact => f64::from(u8::from(reference == output)),
            Metric::CharSimilarity => c3_core::char_similarity(reference, output),
            Metric::TokenPrecision => tokens.precision,
            Metric::TokenRecall => tokens.recall,
            Metric::TokenF1 => tokens.f1(),
            Metric::Prefix => prefix(&ids.0, &ids.1),
            Metric::Bleu4 => bleu4(&words, &came),
            Metric::RougeL => rouge_l(&words, &came),
            Metric::Meteor => meteor(&words, &came),
            Metric::FoxPrecision => sets.recall,
            Metric::FoxRecall | Metric::WordPrecision => sets.precision,
            Metric::FoxF1 => sets.f1(),
        });
        Ok(Scored { reference: ids.0, output: ids.1, scores })
    }
}
