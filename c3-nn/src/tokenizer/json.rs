//! Reads `tokenizer.json`.

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, SeqAccess, Unexpected, Visitor};
use tokenizers::models::bpe::Vocab;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

use super::Tokenizer;
use super::assemble::Parts;

#[derive(serde::Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    normalizer: Option<NormalizerWrapper>,
    pre_tokenizer: Option<PreTokenizerWrapper>,
    model: Model,
}

#[derive(serde::Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
}

#[derive(serde::Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Kind,
    dropout: Option<f32>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    ignore_merges: bool,
    vocab: Vocab,
    merges: Vec<Merge>,
}

#[derive(serde::Deserialize)]
enum Kind {
    #[serde(rename = "BPE")]
    Bpe,
}

/// A pair of tokens: in new files a list, in older ones a string with a blank.
struct Merge(String, String);

impl<'de> Deserialize<'de> for Merge {
    // Not an untagged enum: that would copy each merge once more, and there are 150,000.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MergeVisitor)
    }
}

struct MergeVisitor;

impl<'de> Visitor<'de> for MergeVisitor {
    type Value = Merge;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a merge: two tokens, in a list or with a blank between them")
    }

    fn visit_str<E: de::Error>(self, line: &str) -> Result<Merge, E> {
        match line.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => Ok(Merge(left.into(), right.into())),
            _ => Err(E::invalid_value(Unexpected::Str(line), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tokens: A) -> Result<Merge, A::Error> {
        let mut next =
            |read| tokens.next_element()?.ok_or_else(|| de::Error::invalid_length(read, &self));
        let merge = Merge(next(0)?, next(1)?);
        match tokens.next_element::<IgnoredAny>()? {
            None => Ok(merge),
            Some(_) => Err(de::Error::invalid_length(3, &self)),
        }
    }
}

/// A tokenizer, or what is wrong with the file.
pub(super) fn read(bytes: &[u8]) -> Result<Tokenizer, String> {
    let File { added_tokens, normalizer, pre_tokenizer, mut model } =
        serde_json::from_slice(bytes).map_err(|e| e.to_string())?;

    let Kind::Bpe = model.kind;
    if model.dropout.is_some_and(|p| p != 0.0) {
        return Err("BPE dropout is for training: expected none".to_owned());
    }
    for (field, affix) in [
        ("continuing_subword_prefix", &model.continuing_subword_prefix),
        ("end_of_word_suffix", &model.end_of_word_suffix),
    ] {
        if affix.as_ref().is_some_and(|affix| !affix.is_empty()) {
            return Err(format!("{field}: a byte-level BPE has none, found {affix:?}"));
        }
    }
    if !matches!(normalizer, None | Some(NormalizerWrapper::NFC(_))) {
        return Err("normalizer: expected NFC or none, since others lose text".to_owned());
    }
    let pre_tokenizer = pre_tokenizer.ok_or("pre_tokenizer: expected a ByteLevel, found none")?;
    check_byte_level(&pre_tokenizer)?;

    // A trainer may put special tokens in the vocabulary, where text could reach them.
    for token in &added_tokens {
        model.vocab.remove(&token.content);
    }
    let special = added_tokens.into_iter().map(|token| (token.id, token.content)).collect();
    let merges = model.merges.into_iter().map(|Merge(left, right)| (left, right)).collect();
    let parts = Parts {
        vocab: model.vocab,
        merges,
        ignore_merges: model.ignore_merges,
        normalizer,
        pre_tokenizer,
        special,
    };
    // Each id takes at least four bytes of JSON; gaps may be as large as the file.
    parts.assemble(bytes.len())
}

/// Text must become bytes, all of it, and nothing but it.
fn check_byte_level(pre_tokenizer: &PreTokenizerWrapper) -> Result<(), String> {
    let steps = match pre_tokenizer {
        PreTokenizerWrapper::Sequence(sequence) => sequence.as_ref(),
        single => std::slice::from_ref(single),
    };
    let Some((PreTokenizerWrapper::ByteLevel(bytes), splits)) = steps.split_last() else {
        return Err("pre_tokenizer: expected a ByteLevel as its last step".to_owned());
    };
    if bytes.add_prefix_space {
        return Err("pre_tokenizer: add_prefix_space would add a blank to the text".to_owned());
    }
    for step in splits {
        match step {
            PreTokenizerWrapper::Digits(_) => {}
            PreTokenizerWrapper::Split(split)
                if split.behavior != tokenizers::SplitDelimiterBehavior::Removed => {}
            _ => {
                return Err(
                    "pre_tokenizer: before ByteLevel expected Split or Digits that keep the text"
                        .to_owned(),
                );
            }
        }
    }
    Ok(())
}
