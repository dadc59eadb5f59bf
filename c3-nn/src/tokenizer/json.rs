//! Reads `tokenizer.json`.

use serde::Deserialize;
use tokenizers::models::bpe::{Merges, Vocab};
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

use super::Tokenizer;
use super::assemble::Parts;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    normalizer: Option<NormalizerWrapper>,
    pre_tokenizer: Option<PreTokenizerWrapper>,
    model: Model,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Kind,
    dropout: Option<f32>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    ignore_merges: bool,
    vocab: Vocab,
    merges: MergeList,
}

#[derive(Deserialize)]
enum Kind {
    #[serde(rename = "BPE")]
    Bpe,
}

/// New files hold pairs, older ones strings with a blank.
#[derive(Deserialize)]
#[serde(untagged)]
enum MergeList {
    Pairs(Merges),
    Lines(Vec<String>),
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
    let merges = match model.merges {
        MergeList::Pairs(pairs) => pairs,
        MergeList::Lines(lines) => split_lines(&lines)?,
    };
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

fn split_lines(lines: &[String]) -> Result<Merges, String> {
    lines
        .iter()
        .map(|line| match line.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => Ok((left.to_owned(), right.to_owned())),
            _ => Err(format!("merges: expected two tokens and a blank, found {line:?}")),
        })
        .collect()
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
