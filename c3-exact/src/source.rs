//! Segments of a text together with the bytes that they were read from.

use std::cell::RefCell;
use std::io::{self, Read};
use std::ops::Range;
use std::rc::Rc;

use c3_encoder::{Piece, Segmenter, SegmenterOptions};
use c3_nn::Tokenizer;

use crate::Result;

/// Bytes of U+FFFD, which stands for what is not UTF-8.
const REPLACEMENT: usize = '\u{fffd}'.len_utf8();

/// A segment of the text and its source.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Its text; what is not UTF-8 in the source is U+FFFD here.
    pub text: String,
    /// The ids of this text alone.
    pub ids: Vec<u32>,
    /// Its source bytes; `None` where they are those of the text.
    pub raw: Option<Vec<u8>>,
    /// Where they stand in the whole source.
    pub bytes: Range<u64>,
}

impl Item {
    /// Its source bytes.
    pub fn source(&self) -> &[u8] {
        self.raw.as_deref().unwrap_or(self.text.as_bytes())
    }

    /// Segments of at most half its tokens that together are this one; `None` where it can't be
    /// divided.
    pub fn halves(&self, tokenizer: &Tokenizer) -> Result<Option<Vec<Self>>> {
        let max_tokens = self.ids.len().div_ceil(2);
        if max_tokens < c3_encoder::MIN_SEGMENT_TOKENS {
            return Ok(None);
        }
        let options = SegmenterOptions { max_tokens, lossy: false };
        let (mut raw, mut start) = (self.source(), self.bytes.start);
        let mut parts = Vec::new();
        for piece in Segmenter::new(self.text.as_bytes(), tokenizer, options)? {
            let Piece { text, ids, .. } = piece?;
            let (own, rest) = raw.split_at(source_length(raw, text.len()));
            let bytes = start..start + own.len() as u64;
            (raw, start) = (rest, bytes.end);
            let own = (own != text.as_bytes()).then(|| own.to_vec());
            parts.push(Self { text, ids, raw: own, bytes });
        }
        Ok((parts.len() > 1).then_some(parts))
    }
}

/// Reads segments.
pub(crate) struct Items<'t, R> {
    segmenter: Segmenter<'t, Kept<R>>,
    /// What was read and is in no segment yet; `None` where the text itself is the source.
    raw: Option<Rc<RefCell<Vec<u8>>>>,
    end: u64,
}

impl<'t, R: Read> Items<'t, R> {
    /// Segments of at most `max_tokens` tokens. With `raw` they keep the bytes that they were read
    /// from, whatever these are; else the text as `lossy` says is the source.
    pub fn new(
        source: R,
        tokenizer: &'t Tokenizer,
        max_tokens: usize,
        raw: bool,
        lossy: bool,
    ) -> Result<Self> {
        let kept = raw.then(|| Rc::new(RefCell::new(Vec::new())));
        let options = SegmenterOptions { max_tokens, lossy: raw || lossy };
        let source = Kept { source, read: kept.clone() };
        Ok(Self { segmenter: Segmenter::new(source, tokenizer, options)?, raw: kept, end: 0 })
    }
}

impl<R: Read> Iterator for Items<'_, R> {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        let Piece { text, ids, .. } = match self.segmenter.next()? {
            Ok(piece) => piece,
            Err(error) => return Some(Err(error.into())),
        };
        let mut length = text.len();
        let raw = self.raw.as_ref().and_then(|raw| {
            let mut raw = raw.borrow_mut();
            length = source_length(&raw, text.len());
            let own: Vec<u8> = raw.drain(..length).collect();
            (own != text.as_bytes()).then_some(own)
        });
        let start = self.end;
        self.end += length as u64;
        Some(Ok(Item { text, ids, raw, bytes: start..self.end }))
    }
}

/// How many of the bytes `raw` become the first `length` bytes of their lossy text; `length` ends
/// with a character.
pub(crate) fn source_length(raw: &[u8], length: usize) -> usize {
    let (mut left, mut used) = (length, 0);
    for chunk in raw.utf8_chunks() {
        let valid = chunk.valid().len();
        if left <= valid {
            return used + left;
        }
        left = (left - valid).saturating_sub(REPLACEMENT);
        used += valid + chunk.invalid().len();
    }
    used
}

/// A reader that keeps what it read.
struct Kept<R> {
    source: R,
    read: Option<Rc<RefCell<Vec<u8>>>>,
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        if let Some(kept) = &self.read {
            kept.borrow_mut().extend_from_slice(&buffer[..count]);
        }
        Ok(count)
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

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

        /// Any bytes, delivered in any way, come in segments that together are they; so do halves.
        #[test]
        fn segments_keep_their_source(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), Just(b'a'), Just(b' '), Just(0xe4), Just(0xbd), Just(0xa0)],
                0..2000,
            ),
            max_tokens in 12usize..60,
        ) {
            let tokenizer = tokenizer();
            let items = Items::new(&bytes[..], &tokenizer, max_tokens, true, false).unwrap();
            let items: Vec<Item> = items.map(Result::unwrap).collect();
            let mut joined = Vec::new();
            for item in &items {
                prop_assert_eq!(item.bytes.start, joined.len() as u64);
                prop_assert_eq!(&*String::from_utf8_lossy(item.source()), item.text.as_str());
                joined.extend_from_slice(item.source());
                prop_assert_eq!(item.bytes.end, joined.len() as u64);
                if let Some(halves) = item.halves(&tokenizer).unwrap() {
                    let whole: Vec<u8> = halves.iter().flat_map(|h| h.source().to_vec()).collect();
                    prop_assert_eq!(whole.as_slice(), item.source());
                    prop_assert!(halves.iter().all(|h| h.ids.len() <= item.ids.len().div_ceil(2)));
                    prop_assert_eq!(halves[0].bytes.start, item.bytes.start);
                    prop_assert_eq!(halves.last().unwrap().bytes.end, item.bytes.end);
                }
            }
            prop_assert_eq!(joined, bytes);
        }
    }
}
