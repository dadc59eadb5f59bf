//! Pages by their length, as the papers on the Fox benchmark report them.

use super::{Record, Results};

/// Width of a bin, in the model's own tokens.
const BIN: usize = 100;

impl Results {
    /// The results as tables and figures have them: pages of the Fox benchmark in bins of 100 tokens, a
    /// corpus each, in the order of their lengths; those of other experiments as they are.
    ///
    /// The papers count the tokens of their own tokenizers: bins of another model hold other pages.
    #[must_use]
    pub fn binned(mut self) -> Self {
        if self.header.experiment == "fox" {
            self.records.sort_by_key(|record| record.tokens / BIN);
            self.records.iter_mut().for_each(bin);
        }
        self
    }
}

fn bin(record: &mut Record) {
    let low = record.tokens / BIN * BIN;
    record.corpus = format!("{}, {low}–{} tokens", record.corpus, low + BIN);
}

/// The name of a binned corpus without its bin.
pub(crate) fn unbinned(corpus: &str) -> &str {
    corpus
        .rsplit_once(", ")
        .filter(|(_, bin)| bin.ends_with(" tokens"))
        .map_or(corpus, |(of, _)| of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Texts, header};

    fn results(experiment: &str) -> Results {
        let mut records = Texts::new("fox-en", 8).scored(&[0.1, 0.2, 0.3, 0.4, 0.5]);
        for (record, tokens) in records.iter_mut().zip([200, 99, 199, 100, 0]) {
            record.tokens = tokens;
        }
        Results { header: header(experiment), records }
    }

    #[test]
    fn a_page_of_a_hundred_tokens_is_in_the_second_bin() {
        let records = results("fox").binned().records;
        let found: Vec<(&str, usize)> =
            records.iter().map(|record| (record.corpus.as_str(), record.tokens)).collect();
        assert_eq!(
            found,
            [
                ("fox-en, 0–100 tokens", 99),
                ("fox-en, 0–100 tokens", 0),
                ("fox-en, 100–200 tokens", 199),
                ("fox-en, 100–200 tokens", 100),
                ("fox-en, 200–300 tokens", 200),
            ]
        );
        assert_eq!(unbinned("fox-en, 200–300 tokens"), "fox-en");
        assert_eq!(unbinned("letters, and more"), "letters, and more");
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        assert_eq!(results("sweep").binned(), results("sweep"));
    }
}
