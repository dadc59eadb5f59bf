//! The byte-level BPE tokenizer of the Qwen family.

mod alphabet;
mod assemble;
mod json;
mod stream;
mod table;
mod tiktoken;

pub use stream::TextStream;

use std::ops::Range;

use tokenizers::models::bpe::BPE;
use tokenizers::{
    DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerImpl,
};

use crate::{Error, Result};
use table::TokenTable;

/// The parts that turn text into ids, without any added vocabulary.
type TextTokenizer = TokenizerImpl<
    BPE,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    DecoderWrapper,
>;

/// A byte-level BPE tokenizer.
///
/// Text never becomes a special token: `<|im_end|>` in a document is ten ordinary characters,
/// so a document can't end its own prompt. Special tokens are reached by name only, with
/// [`special`](Self::special).
///
/// The normaliser (NFC in the Qwen family) is part of the vocabulary's definition, so text that
/// isn't in NFC comes back in NFC.
pub struct Tokenizer {
    text: TextTokenizer,
    tokens: TokenTable,
}

impl Tokenizer {
    /// Reads a Hugging Face `tokenizer.json`. `file_name` appears in errors only.
    ///
    /// Every added token counts as special, whether the file marks it so or not.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if it isn't such a file, or isn't a byte-level BPE that keeps the text
    /// (up to NFC).
    pub fn from_json(file_name: &str, bytes: &[u8]) -> Result<Self> {
        json::read(bytes).map_err(|reason| unusable(file_name, reason))
    }

    /// Reads a `qwen.tiktoken` vocabulary: a line `base64 rank` per token, ranks from 0 without
    /// gaps. `file_name` appears in errors only.
    ///
    /// The special tokens follow the last rank in the order of Qwen's own tokenizer:
    /// `<|endoftext|>`, `<|im_start|>`, `<|im_end|>`, `<|extra_0|>` to `<|extra_204|>`, `<ref>`,
    /// `</ref>`, `<box>`, `</box>`, `<quad>`, `</quad>`, `<img>`, `</img>`, `<imgpad>`.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if it isn't such a file.
    pub fn from_tiktoken(file_name: &str, bytes: &[u8]) -> Result<Self> {
        tiktoken::read(bytes).map_err(|reason| unusable(file_name, reason))
    }

    /// The ids of a text.
    ///
    /// # Errors
    /// [`Error::Encode`] if the tokenizer fails.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding =
            self.text.encode_fast(text, false).map_err(|e| Error::Encode(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The ids of a text, each with the bytes of `text` that it stands for.
    ///
    /// Tokens that share a character (or characters that NFC joins) each have the range of all of
    /// it, so ranges may overlap. They start and end at characters and leave no byte out.
    ///
    /// # Errors
    /// [`Error::Encode`] if the tokenizer fails.
    pub fn encode_with_offsets(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>> {
        let encoding = self.text.encode(text, false).map_err(|e| Error::Encode(e.to_string()))?;
        let mut covered = 0;
        let mut tokens: Vec<(u32, Range<usize>)> = Vec::with_capacity(encoding.len());
        for (&id, &(start, end)) in encoding.get_ids().iter().zip(encoding.get_offsets()) {
            // Where NFC splits a character before it joins others, the library skips bytes.
            tokens.push((id, start.min(covered)..end));
            covered = covered.max(end);
        }
        if let Some((_, last)) = tokens.last_mut() {
            last.end = text.len();
        }
        Ok(tokens)
    }

    /// The id of a special token.
    pub fn special(&self, name: &str) -> Option<u32> {
        self.tokens.special(name)
    }

    /// The ids of special tokens, in the order asked for.
    ///
    /// # Errors
    /// [`Error::MissingSpecialToken`] for the first that isn't there.
    pub fn require_special(&self, names: &[&str]) -> Result<Vec<u32>> {
        names
            .iter()
            .map(|name| {
                self.special(name).ok_or_else(|| Error::MissingSpecialToken {
                    token: (*name).to_owned(),
                    needed: names.join(" "),
                })
            })
            .collect()
    }

    /// The bytes of an ordinary token, which need not be whole UTF-8 characters; `None` for
    /// special tokens and for ids that no token has.
    pub fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        self.tokens.bytes(id)
    }

    /// The text of ids. Special tokens and unknown ids are left out; bytes that aren't UTF-8
    /// become U+FFFD.
    pub fn decode_lossy(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> =
            ids.iter().filter_map(|&id| self.token_bytes(id)).flatten().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The highest id, plus one.
    pub fn vocab_size(&self) -> usize {
        self.tokens.len()
    }

    /// Feeds all that names the vocabulary, as `(field, bytes)`, in an order that doesn't depend
    /// on the kind of file it came from.
    ///
    /// Fields: `tokens`: for each id from 0, the length as u32 and the bytes of the ordinary token
    /// (length 0 if there is none); `special`: once for each special token, by name, the id as u32
    /// and the name. Integers are little-endian.
    pub fn visit_identity(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        self.tokens.visit_identity(visit);
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("vocab_size", &self.vocab_size()).finish_non_exhaustive()
    }
}

fn unusable(file_name: &str, reason: String) -> Error {
    Error::Tokenizer { file: file_name.to_owned(), reason }
}
