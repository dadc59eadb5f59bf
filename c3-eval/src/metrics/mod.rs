//! How much of a text came back: metrics, each with a name of its own.

mod align;
mod backtrace;
mod bleu;
mod meteor;
mod overlap;
mod rouge;
mod scorer;
mod words;

pub use align::wrong_tokens;
pub use bleu::bleu4;
pub use meteor::meteor;
pub use overlap::{Overlap, prefix, set_overlap, token_overlap};
pub use rouge::rouge_l;
pub use scorer::Scorer;
pub use words::Words;

use serde::de::Error as _;
use serde::ser::SerializeMap;

/// A metric; every one is 1 for what came back whole and 0 for what shares nothing, but see `bleu4`
/// and `meteor` about texts of few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Whether the text came back byte for byte.
    Exact,
    /// [`c3_core::char_similarity`].
    CharSimilarity,
    /// [`token_overlap`]: share of the output's tokens that the reference has.
    TokenPrecision,
    /// [`token_overlap`]: share of the reference's tokens that the output has.
    TokenRecall,
    /// [`token_overlap`]: the harmonic mean of both.
    TokenF1,
    /// [`prefix`]: share of the reference before the first wrong token.
    Prefix,
    /// [`bleu4`].
    Bleu4,
    /// [`rouge_l`].
    RougeL,
    /// [`meteor`], exact-match stage.
    Meteor,
    /// What the Fox benchmark's script calls precision. It hands the label to the parameter for the
    /// answer, so that this is the share of the *reference's* different words that came back.
    FoxPrecision,
    /// What that script calls recall: the share of the output's different words that are right.
    FoxRecall,
    /// That script's F-measure, which the swap leaves alone.
    FoxF1,
    /// The share of the output's different words that the reference has: what is called precision
    /// elsewhere, over the same sets of words as the Fox script's.
    WordPrecision,
}

impl Metric {
    /// All of them, in the order that tables have them in.
    pub const ALL: [Self; 13] = [
        Self::CharSimilarity,
        Self::Exact,
        Self::TokenPrecision,
        Self::TokenRecall,
        Self::TokenF1,
        Self::Prefix,
        Self::Bleu4,
        Self::RougeL,
        Self::Meteor,
        Self::FoxPrecision,
        Self::FoxRecall,
        Self::FoxF1,
        Self::WordPrecision,
    ];

    /// The name in files and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::CharSimilarity => "char_similarity",
            Self::TokenPrecision => "token_precision",
            Self::TokenRecall => "token_recall",
            Self::TokenF1 => "token_f1",
            Self::Prefix => "prefix",
            Self::Bleu4 => "bleu4",
            Self::RougeL => "rouge_l",
            Self::Meteor => "meteor",
            Self::FoxPrecision => "fox_precision",
            Self::FoxRecall => "fox_recall",
            Self::FoxF1 => "fox_f1",
            Self::WordPrecision => "word_precision",
        }
    }

    /// The metric of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    fn place(self) -> usize {
        Self::ALL.iter().position(|&metric| metric == self).unwrap_or_default()
    }
}

impl serde::Serialize for Metric {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Every metric of one text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores([f64; Metric::ALL.len()]);

impl Scores {
    /// Asks `score` for each metric.
    pub fn of(score: impl FnMut(Metric) -> f64) -> Self {
        Self(Metric::ALL.map(score))
    }

    /// One metric.
    pub fn get(&self, metric: Metric) -> f64 {
        self.0[metric.place()]
    }
}

/// An object with the metrics' names.
impl serde::Serialize for Scores {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Metric::ALL.len()))?;
        for metric in Metric::ALL {
            map.serialize_entry(metric.name(), &self.get(metric))?;
        }
        map.end()
    }
}

impl<'de> serde::Deserialize<'de> for Scores {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = std::collections::HashMap::<String, f64>::deserialize(deserializer)?;
        let mut scores = [0.0; Metric::ALL.len()];
        for metric in Metric::ALL {
            let score = map.get(metric.name()).copied();
            scores[metric.place()] = score.ok_or_else(|| D::Error::missing_field(metric.name()))?;
        }
        Ok(Self(scores))
    }
}
