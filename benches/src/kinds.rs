//! Kinds of text that a compressor is measured on, from a corpus and from seeds.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A kind of text.
pub struct Kind {
    /// What it is called in tables.
    pub name: &'static str,
    /// Some of it.
    pub text: Vec<u8>,
}

/// `bytes` bytes or less of each kind: held-out prose, Chinese and code of one corpus file, the English
/// of another that nothing was trained on, and what is made here of seeds.
///
/// A corpus file has its index beside it, as `corpus/prepare.py` writes both.
pub fn kinds(held_out: &Path, out_of_domain: &Path, bytes: usize) -> Result<Vec<Kind>> {
    let prose = documents(held_out, "en", bytes)?;
    Ok(vec![
        Kind { name: "shuffled words", text: shuffled(&prose) },
        Kind { name: "prose", text: prose },
        Kind { name: "out of domain", text: documents(out_of_domain, "en", bytes)? },
        Kind { name: "Chinese", text: documents(held_out, "zh", bytes)? },
        Kind { name: "code", text: documents(held_out, "code", bytes)? },
        Kind { name: "random letters", text: letters(bytes) },
        Kind { name: "binary", text: binary(bytes) },
    ])
}

/// Documents of a language in an order that follows from a seed, up to `bytes` bytes in all.
pub fn documents(file: &Path, language: &str, bytes: usize) -> Result<Vec<u8>> {
    let text = fs::read(file).with_context(|| file.display().to_string())?;
    let index = file.with_extension("idx.tsv");
    let index = fs::read_to_string(&index).with_context(|| index.display().to_string())?;
    let mut documents = Vec::new();
    for line in index.lines().skip(1) {
        let mut fields = line.split('\t');
        let (start, length) = (fields.next(), fields.next());
        if fields.next() != Some(language) {
            continue;
        }
        let number = |field: Option<&str>| {
            Ok::<usize, anyhow::Error>(field.context(line.to_owned())?.parse()?)
        };
        let (start, length) = (number(start)?, number(length)?);
        documents.push(text.get(start..start + length).context("a document beyond the file")?);
    }
    ensure!(!documents.is_empty(), "{} has no documents of language {language}", file.display());
    documents.shuffle(&mut rng());
    let mut all = Vec::new();
    for document in documents {
        all.extend_from_slice(document);
        all.extend_from_slice(b"\n\n");
        if all.len() >= bytes {
            break;
        }
    }
    let mut end = all.len().min(bytes);
    while end < all.len() && all[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    all.truncate(end);
    Ok(all)
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(6)
}

/// The same words in another order.
fn shuffled(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.shuffle(&mut rng());
    words.join(" ").into_bytes()
}

/// Words of 1 to 12 random letters.
fn letters(bytes: usize) -> Vec<u8> {
    let mut rng = rng();
    let mut text = Vec::with_capacity(bytes + 12);
    while text.len() < bytes {
        let length = rng.random_range(1..=12);
        text.extend((0..length).map(|_| rng.random_range(b'a'..=b'z')));
        text.push(b' ');
    }
    text.truncate(bytes);
    text
}

/// Half of it text-like, half random bytes, in runs.
fn binary(bytes: usize) -> Vec<u8> {
    let mut rng = rng();
    let mut text = Vec::with_capacity(bytes + 64);
    while text.len() < bytes {
        let length = rng.random_range(4..32);
        if rng.random() {
            text.extend((0..length).map(|_| rng.random::<u8>()));
        } else {
            text.extend((0..length).map(|_| rng.random_range(b' '..=b'z')));
        }
    }
    text.truncate(bytes);
    text
}
