//! A vocabulary of one's own.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    AddedToken, PostProcessorWrapper, SplitDelimiterBehavior, TokenizerBuilder, TokenizerImpl,
};

use crate::data::{files, pieces};
use crate::error::io;
use crate::{Error, Result};

/// How Qwen2 cuts text before pairs are merged.
const PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// What a C3 model needs besides text, behind all other tokens.
const SPECIAL: [&str; 6] =
    ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<imgpad>"];

/// Bytes, each of which is a token.
const BYTES: usize = 256;

/// Learns a byte-level BPE vocabulary (Sennrich et al. 2016, arXiv 1508.07909) of `vocabulary` tokens,
/// special ones included, from text files or folders of them, and returns the content of its
/// `tokenizer.json`. Text is cut as Qwen2 cuts it. All of it is in memory at once.
///
/// # Errors
/// Where `vocabulary` is too small, a file can't be read, or there is no text.
pub fn train_tokenizer(texts: &[PathBuf], vocabulary: usize) -> Result<String> {
    let least = BYTES + SPECIAL.len();
    if vocabulary < least {
        let (expected, found) = (format!("at least {least}"), vocabulary.to_string());
        return Err(Error::Setting { name: "vocabulary", expected, found });
    }
    let mut all = Vec::new();
    for file in files(texts)? {
        let mut reader = BufReader::new(File::open(&file).map_err(io(&file, "opening"))?);
        loop {
            let some = pieces(&mut reader, &file)?;
            if some.is_empty() {
                break;
            }
            all.extend(some);
        }
    }
    if all.is_empty() {
        return Err(Error::TooLittleText { what: "what was given", expected: 1, found: 0 });
    }
    learn(all, vocabulary).map_err(|error| Error::Tokenizer(error.to_string()))
}

type Learner = TokenizerImpl<BPE, NFC, Sequence, PostProcessorWrapper, ByteLevel>;

fn learn(texts: Vec<String>, vocabulary: usize) -> tokenizers::Result<String> {
    let pattern = SplitPattern::Regex(PATTERN.into());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)?;
    let bytes = ByteLevel::new(false, true, false);
    let mut tokenizer: Learner = TokenizerBuilder::default()
        .with_model(BPE::default())
        .with_normalizer(Some(NFC))
        .with_pre_tokenizer(Some(Sequence::new(vec![split.into(), bytes.into()])))
        .with_decoder(Some(ByteLevel::default()))
        .build()?;
    let mut trainer = BpeTrainer::builder()
        .vocab_size(vocabulary - SPECIAL.len())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .show_progress(false)
        .build();
    tokenizer.train(&mut trainer, texts.into_iter())?;
    let special: Vec<AddedToken> =
        SPECIAL.iter().map(|&token| AddedToken::from(token, true)).collect();
    tokenizer.add_special_tokens(special)?;
    tokenizer.to_string(false)
}
