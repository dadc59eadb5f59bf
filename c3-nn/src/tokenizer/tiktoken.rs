//! Reads `qwen.tiktoken`.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokenizers::models::bpe::Merges;
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior};

use super::assemble::Parts;
use super::{Tokenizer, alphabet};

/// How Qwen's tokenizer splits text before merging (`PAT_STR` in its `tokenization_qwen.py`).
const SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How many `<|extra_…|>` tokens Qwen's tokenizer has.
const EXTRAS: usize = 205;

/// The longest token that is read; Qwen's has 128 bytes. Merges are searched in square time.
const LONGEST: usize = 1024;

/// A tokenizer, or what is wrong with the file.
pub(super) fn read(bytes: &[u8]) -> Result<Tokenizer, String> {
    let tokens = read_ranks(bytes)?;
    let merges = merges(&tokens);
    let first_special = u32::try_from(tokens.len()).map_err(|e| e.to_string())?;
    let special: Vec<(u32, String)> = (first_special..).zip(special_names()).collect();
    let id_limit = tokens.len() + special.len();
    let vocab = (0..).zip(&tokens).map(|(id, token)| (alphabet::written(token), id)).collect();
    let split =
        Split::new(SplitPattern::Regex(SPLIT.to_owned()), SplitDelimiterBehavior::Isolated, false)
            .map_err(|e| e.to_string())?;
    let pre_tokenizer = PreTokenizerWrapper::Sequence(Sequence::new(vec![
        PreTokenizerWrapper::Split(split),
        PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, false, false)),
    ]));
    // tiktoken looks a whole piece up before it merges.
    let parts = Parts {
        vocab,
        merges,
        ignore_merges: true,
        normalizer: Some(NFC.into()),
        pre_tokenizer,
        special,
    };
    parts.assemble(id_limit)
}

/// The bytes of each token, by rank.
fn read_ranks(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| format!("not a text file: {e}"))?;
    let mut tokens: Vec<Option<Vec<u8>>> = Vec::new();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    let count = lines.clone().count();
    tokens.resize(count, None);
    for (index, line) in lines {
        let number = index + 1;
        let (token, rank) = line
            .split_once(' ')
            .ok_or_else(|| format!("line {number}: expected base64, a blank and a rank"))?;
        let token =
            STANDARD.decode(token).map_err(|e| format!("line {number}: not base64: {e}"))?;
        if token.len() > LONGEST {
            return Err(format!("line {number}: a token of {} bytes, over {LONGEST}", token.len()));
        }
        let rank: usize = rank
            .trim_end()
            .parse()
            .map_err(|_| format!("line {number}: expected a rank, found {rank:?}"))?;
        let slot = tokens.get_mut(rank).ok_or_else(|| {
            format!("line {number}: rank {rank} in a file of {count} tokens: expected no gaps")
        })?;
        if slot.replace(token).is_some() {
            return Err(format!("line {number}: rank {rank} is there twice"));
        }
    }
    // As many lines as ranks, and none twice: every slot is filled.
    let tokens: Vec<Vec<u8>> = tokens.into_iter().flatten().collect();
    let mut ranks = HashMap::with_capacity(tokens.len());
    for (rank, token) in tokens.iter().enumerate() {
        if let Some(first) = ranks.insert(token, rank) {
            return Err(format!("ranks {first} and {rank} are the same token"));
        }
    }
    Ok(tokens)
}

/// The pair that makes each token, in the order of ranks.
///
/// tiktoken keeps no merges: it joins the neighbours whose union has the lowest rank. So the last
/// pair of a token is what is left when its bytes are joined by lower ranks alone. A token that
/// isn't reached this way is only ever found as a whole piece.
fn merges(tokens: &[Vec<u8>]) -> Merges {
    let ranks: HashMap<&[u8], usize> =
        tokens.iter().enumerate().map(|(rank, token)| (token.as_slice(), rank)).collect();
    let mut cuts = Vec::new();
    let mut merges = Merges::with_capacity(tokens.len());
    for (rank, token) in tokens.iter().enumerate() {
        // The cuts between parts; at first, every byte is a part.
        cuts.clear();
        cuts.extend(0..=token.len());
        while cuts.len() > 3 {
            let joined = |i: usize| ranks.get(&token[cuts[i]..cuts[i + 2]]).copied();
            let lowest = (0..cuts.len() - 2).filter_map(|i| Some((joined(i)?, i))).min();
            match lowest {
                Some((joined, i)) if joined < rank => _ = cuts.remove(i + 1),
                _ => break,
            }
        }
        if let [start, middle, end] = cuts[..] {
            merges.push((
                alphabet::written(&token[start..middle]),
                alphabet::written(&token[middle..end]),
            ));
        }
    }
    merges
}

/// The special tokens, in the order of their ids (`tokenization_qwen.py` of Qwen-VL, which C3
/// takes its `<img>` tokens from).
fn special_names() -> Vec<String> {
    let before = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
    let after =
        ["<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>", "<img>", "</img>", "<imgpad>"];
    let extras = (0..EXTRAS).map(|i| format!("<|extra_{i}|>"));
    before.map(str::to_owned).into_iter().chain(extras).chain(after.map(str::to_owned)).collect()
}
