//! Where the tokens of a text spell other bytes than its source has: the tokenizer composes
//! characters (NFC), and what is not UTF-8 became U+FFFD.

use std::ops::Range;

use c3_core::Patch;
use c3_nn::Tokenizer;

use crate::Result;
use crate::source::{Item, source_length};

/// What puts one place right.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misspelling {
    /// The tokens that spell it.
    pub tokens: Range<usize>,
    pub patch: Patch,
}

/// All places where the tokens of `item` spell other bytes than its source.
pub(crate) fn misspellings(tokenizer: &Tokenizer, item: &Item) -> Result<Vec<Misspelling>> {
    let spelled = spell(tokenizer, item.ids.iter().copied());
    if spelled == item.source() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let (mut at, mut raw, mut text) = (0, item.source(), 0);
    for group in groups(tokenizer, item)? {
        let own = spell(tokenizer, item.ids[group.tokens.clone()].iter().copied());
        let (source, rest) = raw.split_at(source_length(raw, group.end - text));
        if own != source {
            found.push(Misspelling { tokens: group.tokens, patch: difference(at, &own, source) });
        }
        (at, raw, text) = (at + own.len(), rest, group.end);
    }
    Ok(found)
}

/// The token that spells byte `at` of all that is spelled; the last one where there is none.
pub(crate) fn token_at(tokenizer: &Tokenizer, item: &Item, at: usize) -> usize {
    let mut end = 0;
    let beyond = |id: &u32| {
        end += tokenizer.token_bytes(*id).map_or(0, <[u8]>::len);
        end > at
    };
    item.ids.iter().position(beyond).unwrap_or(item.ids.len().saturating_sub(1))
}

/// Bytes that ids spell; special tokens spell nothing.
fn spell(tokenizer: &Tokenizer, ids: impl Iterator<Item = u32>) -> Vec<u8> {
    ids.filter_map(|id| tokenizer.token_bytes(id)).flatten().copied().collect()
}

/// Tokens that share no character with those around them.
struct Group {
    tokens: Range<usize>,
    /// Where their text ends.
    end: usize,
}

fn groups(tokenizer: &Tokenizer, item: &Item) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for (number, (_, range)) in tokenizer.encode_with_offsets(&item.text)?.into_iter().enumerate() {
        match groups.last_mut() {
            Some(last) if range.start < last.end => {
                last.tokens.end = number + 1;
                last.end = last.end.max(range.end);
            }
            _ => groups.push(Group { tokens: number..number + 1, end: range.end }),
        }
    }
    Ok(groups)
}

/// What makes `source` of `spelled`, which starts at byte `at` of all that is spelled: without what
/// both begin and end with.
fn difference(at: usize, spelled: &[u8], source: &[u8]) -> Patch {
    let common =
        |pairs: &mut dyn Iterator<Item = (&u8, &u8)>| pairs.take_while(|(a, b)| a == b).count();
    let before = common(&mut spelled.iter().zip(source));
    let (spelled, source) = (&spelled[before..], &source[before..]);
    let behind = common(&mut spelled.iter().rev().zip(source.iter().rev()));
    Patch {
        start: (at + before) as u32,
        length: (spelled.len() - behind) as u32,
        bytes: source[..source.len() - behind].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokenizer() -> Tokenizer {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/c3-tiny/tokenizer.json");
        Tokenizer::from_json("tokenizer.json", &std::fs::read(path).unwrap()).unwrap()
    }

    fn item(tokenizer: &Tokenizer, raw: &[u8]) -> Item {
        let text = String::from_utf8_lossy(raw).into_owned();
        let ids = tokenizer.encode(&text).unwrap();
        Item { text, ids, raw: Some(raw.to_vec()), bytes: 0..raw.len() as u64 }
    }

    /// What the decoder does with patches.
    fn patched(spelled: &[u8], found: &[Misspelling]) -> Vec<u8> {
        let mut bytes = spelled.to_vec();
        for Misspelling { patch, .. } in found.iter().rev() {
            let start = patch.start as usize;
            bytes.splice(start..start + patch.length as usize, patch.bytes.iter().copied());
        }
        bytes
    }

    #[test]
    fn composed_characters_and_stray_bytes_are_put_right() {
        let tokenizer = tokenizer();
        let found = |raw: &[u8]| misspellings(&tokenizer, &item(&tokenizer, raw)).unwrap();
        assert!(found("Tabs\t and CRLF\r\n, trailing  \u{e9}".as_bytes()).is_empty());
        let nfd = "one cafe\u{301} more".as_bytes();
        let patches = found(nfd);
        let item = item(&tokenizer, nfd);
        assert_eq!(patched(&spell(&tokenizer, item.ids.iter().copied()), &patches), nfd);
        // "e" and its accent for "é", and nothing else.
        let put: Vec<u8> = patches.iter().flat_map(|place| place.patch.bytes.clone()).collect();
        assert_eq!(put, "e\u{301}".as_bytes());
        let stray = found(b"abc \xff def");
        assert_eq!((stray[0].patch.start, stray[0].patch.length), (4, 3));
        assert_eq!(stray[0].patch.bytes, [0xff]);
    }

    #[test]
    fn tokens_are_found_by_what_they_spell() {
        let tokenizer = tokenizer();
        let item = item(&tokenizer, b"It is a truth universally acknowledged");
        let mut at = 0;
        for (number, &id) in item.ids.iter().enumerate() {
            for _ in tokenizer.token_bytes(id).unwrap() {
                assert_eq!(token_at(&tokenizer, &item, at), number);
                at += 1;
            }
        }
        assert_eq!(token_at(&tokenizer, &item, at), item.ids.len() - 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

        #[test]
        fn any_source_comes_back(
            parts in proptest::collection::vec(prop_oneof![
                "[a-z ]{0,12}".prop_map(String::into_bytes),
                "[a-z]?[\u{300}-\u{36f}]{1,3}".prop_map(String::into_bytes),
                "[\u{1100}-\u{11ff}\u{1d15e}-\u{1d164}\u{fb1d}-\u{fb4e}]{1,4}".prop_map(String::into_bytes),
                "(\r\n|\t|\u{fffd})".prop_map(String::into_bytes),
                proptest::collection::vec(any::<u8>(), 1..5),
            ], 0..20),
        ) {
            let tokenizer = tokenizer();
            let item = item(&tokenizer, &parts.concat());
            let found = misspellings(&tokenizer, &item).unwrap();
            let spelled = spell(&tokenizer, item.ids.iter().copied());
            prop_assert_eq!(patched(&spelled, &found), item.source());
            let mut end = 0;
            for Misspelling { tokens, patch } in &found {
                prop_assert!(patch.start >= end && !tokens.is_empty());
                end = patch.start + patch.length;
            }
        }
    }
}
