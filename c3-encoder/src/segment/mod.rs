//! Cuts text of any length into segments that the encoder can read.

mod boundary;
mod reader;
mod region;

use std::io::Read;
use std::ops::Range;

use c3_nn::Tokenizer;

use crate::{Error, Result};
use reader::TextReader;
pub(crate) use region::bytes_at_once;
use region::{Region, SLACK};

/// The fewest tokens a segment may be limited to. One character is at most 12 bytes after NFC
/// (U+1D160), so at most 12 tokens.
pub const MIN_SEGMENT_TOKENS: usize = 12;

/// How far past a segment's end its boundaries may depend on the text, in bytes.
const LOOKAHEAD: usize = 256;

/// A segment of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The segment's text.
    pub text: String,
    /// Where it lies in the whole text.
    pub bytes: Range<u64>,
    /// The ids of this text alone.
    pub ids: Vec<u32>,
}

/// How text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmenterOptions {
    /// The most tokens a segment may have; at least [`MIN_SEGMENT_TOKENS`].
    pub max_tokens: usize,
    /// Whether bytes that aren't UTF-8 become U+FFFD, as in [`String::from_utf8_lossy`]; otherwise
    /// they are an error. Byte ranges then count the text after replacement.
    pub lossy: bool,
}

/// Cuts text into [`Piece`]s as it is read.
///
/// A piece takes as much text as fits. It ends at the last boundary of the best kind in the second
/// half of what fits: paragraph (after a blank line), sentence, word, grapheme cluster (UAX #29).
/// Only a grapheme cluster that doesn't fit whole is cut, between characters. A rest that fits is
/// one piece.
///
/// The pieces depend on the text alone, not on how `R` delivers it, and joined they are the text.
/// Memory is bounded by `max_tokens`, whatever the length of the text.
pub struct Segmenter<'t, R> {
    reader: TextReader<R>,
    tokenizer: &'t Tokenizer,
    max_tokens: usize,
    region: Region,
    /// Where the region starts in the whole text.
    offset: u64,
    done: bool,
}

impl<'t, R: Read> Segmenter<'t, R> {
    /// Pieces of what `source` holds.
    ///
    /// # Errors
    /// [`Error::SegmentTokens`] if `max_tokens` is below [`MIN_SEGMENT_TOKENS`].
    ///
    /// The iterator's own errors, after which it ends, are [`Error::InvalidUtf8`],
    /// [`Error::Read`], and [`Error::Nn`] if the tokenizer fails.
    pub fn new(source: R, tokenizer: &'t Tokenizer, options: SegmenterOptions) -> Result<Self> {
        let SegmenterOptions { max_tokens, lossy } = options;
        if max_tokens < MIN_SEGMENT_TOKENS {
            return Err(Error::SegmentTokens { found: max_tokens });
        }
        Ok(Self {
            reader: TextReader::new(source, lossy),
            tokenizer,
            max_tokens,
            region: Region::default(),
            offset: 0,
            done: false,
        })
    }

    fn next_piece(&mut self) -> Result<Option<Piece>> {
        self.region.refill(&mut self.reader, self.tokenizer, self.max_tokens)?;
        if self.region.rest().is_empty() {
            return Ok(None);
        }
        let (len, ids) = match self.whole_rest()? {
            Some(ids) => (self.region.rest().len(), ids),
            None => self.cut()?,
        };
        let text = self.region.rest()[..len].to_owned();
        self.region.advance(len);
        let start = self.offset;
        self.offset += len as u64;
        Ok(Some(Piece { text, bytes: start..self.offset, ids }))
    }

    /// The ids of all that is left, if it fits.
    fn whole_rest(&self) -> Result<Option<Vec<u32>>> {
        if !self.region.may_fit_whole(self.max_tokens) {
            return Ok(None);
        }
        let ids = self.tokenizer.encode(self.region.rest())?;
        Ok((ids.len() <= self.max_tokens).then_some(ids))
    }

    /// The length of the next piece, and its ids.
    fn cut(&self) -> Result<(usize, Vec<u32>)> {
        let rest = self.region.rest();
        let mut budget = self.max_tokens;
        let mut fits = self.region.end_of_tokens(budget);
        let half = fits / 2;
        // Worth a try whatever the estimate says, rather than to cut a cluster.
        let mut cluster = boundary::first_cluster(rest)
            .filter(|&end| end <= self.region.end_of_tokens(self.max_tokens.saturating_add(SLACK)));
        loop {
            let seen = rest.floor_char_boundary(fits.saturating_add(LOOKAHEAD));
            let len = boundary::best(&rest[..seen], half, fits)
                .or_else(|| cluster.take())
                .unwrap_or_else(|| boundary::character(rest, fits));
            let ids = self.tokenizer.encode(&rest[..len])?;
            let below = rest.floor_char_boundary(len - 1);
            // A single character always fits, but a tokenizer that says otherwise mustn't hang us.
            if ids.len() <= self.max_tokens || below == 0 {
                return Ok((len, ids));
            }
            // Cut off from what follows, the text has other tokens: make up for those too many.
            let excess = ids.len() - self.max_tokens;
            budget = budget.saturating_sub(excess).max(1);
            fits = self.region.end_of_tokens(budget).min(below);
            cluster = cluster.filter(|&end| end < len);
        }
    }
}

impl<R: Read> Iterator for Segmenter<'_, R> {
    type Item = Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let piece = self.next_piece().transpose();
        self.done = !matches!(piece, Some(Ok(_)));
        piece
    }
}

impl<R: Read> std::iter::FusedIterator for Segmenter<'_, R> {}
