//! One tokenizer from the parts that either kind of file gives.

use tokenizers::models::bpe::{BpeBuilder, Merges, Vocab};
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

use super::table::TokenTable;
use super::{TextTokenizer, Tokenizer, alphabet};

/// What a tokenizer is made of.
pub(super) struct Parts {
    /// Ordinary tokens, written in the byte alphabet.
    pub(super) vocab: Vocab,
    /// Pairs of tokens, the first to merge first.
    pub(super) merges: Merges,
    /// Whether a piece that is a token as a whole needs no merges.
    pub(super) ignore_merges: bool,
    pub(super) normalizer: Option<NormalizerWrapper>,
    pub(super) pre_tokenizer: PreTokenizerWrapper,
    pub(super) special: Vec<(u32, String)>,
}

impl Parts {
    /// Checks the parts against each other. `id_limit` bounds the ids.
    pub(super) fn assemble(self, id_limit: usize) -> Result<Tokenizer, String> {
        for byte in 0..=255 {
            if !self.vocab.contains_key(alphabet::char_of(byte).encode_utf8(&mut [0; 4])) {
                return Err(format!("no token for the single byte {byte:#04x}"));
            }
        }
        let mut tokens = Vec::with_capacity(self.vocab.len());
        for (token, &id) in &self.vocab {
            let bytes: Option<Vec<u8>> = token.chars().map(alphabet::byte_of).collect();
            let bytes = bytes.ok_or_else(|| {
                format!("token {id}, {token:?}, is not written in the byte-level alphabet")
            })?;
            tokens.push((id, bytes));
        }
        let tokens = TokenTable::new(tokens, self.special, id_limit)?;

        // The library slices by the longest token, and would panic on a longer merge.
        let longest = self.vocab.keys().map(String::len).max().unwrap_or(0);
        for (left, right) in &self.merges {
            if left.len() + right.len() > longest {
                return Err(format!("merge {left:?} {right:?} makes a token that isn't there"));
            }
        }
        let bpe = BpeBuilder::new()
            .vocab_and_merges(self.vocab, self.merges)
            .ignore_merges(self.ignore_merges)
            .build()
            .map_err(|e| e.to_string())?;
        let mut text = TextTokenizer::new(bpe);
        text.with_normalizer(self.normalizer).map_err(|e| e.to_string())?;
        text.with_pre_tokenizer(Some(self.pre_tokenizer));
        Ok(Tokenizer { text, tokens })
    }
}
