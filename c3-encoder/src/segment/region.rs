//! The part of the text that is in memory, with an estimate of where its tokens end.

use std::io::Read;

use c3_nn::Tokenizer;

use super::reader::TextReader;
use crate::Result;

/// Bytes of text per token of a segment that are tokenised at once: enough for a dozen segments,
/// so that few of them are tokenised a third time.
const BYTES_PER_TOKEN: usize = 64;

/// Tokens that a text may have more or fewer of when it is tokenised together with its
/// surroundings. A piece is only cut where this many more tokens than fit are known.
pub(super) const SLACK: usize = 32;

/// Bytes of text that are tokenised at once, for segments of `max_tokens`.
pub(crate) fn bytes_at_once(max_tokens: usize) -> usize {
    max_tokens.saturating_mul(BYTES_PER_TOKEN)
}

/// Text from the end of the last piece on.
///
/// It is tokenised in one go to see how much text fits in a piece. Those tokens are an estimate:
/// what a piece is fed with is tokenised from that piece alone. Where the estimate starts and ends
/// depends on the text only, so the pieces do too.
#[derive(Default)]
pub(super) struct Region {
    text: String,
    /// Where the next piece starts.
    at: usize,
    /// Where the estimate ends; the text after it has been read, but isn't looked at.
    end: usize,
    /// Whether the whole text ends at `end`.
    last: bool,
    /// Where each token ends; ascending.
    token_ends: Vec<usize>,
    /// The first token that ends after `at`.
    token: usize,
}

impl Region {
    /// Reads and tokenises until a piece's tokens and some more are known, or the text ends.
    pub(super) fn refill<R: Read>(
        &mut self,
        reader: &mut TextReader<R>,
        tokenizer: &Tokenizer,
        max_tokens: usize,
    ) -> Result<()> {
        let wanted = max_tokens.saturating_add(SLACK);
        let mut bytes = bytes_at_once(max_tokens);
        while !self.last && self.known_tokens() < wanted {
            self.text.drain(..self.at);
            self.at = 0;
            self.token = 0;
            let ended = reader.read_past(bytes, &mut self.text)?;
            self.last = ended && self.text.len() <= bytes;
            self.end = self.text.floor_char_boundary(bytes);
            self.token_ends.clear();
            let mut end = 0;
            for (_, range) in tokenizer.encode_with_offsets(&self.text[..self.end])? {
                end = range.end.max(end);
                self.token_ends.push(end);
            }
            // Tokens of many bytes, such as long runs of blanks.
            bytes = bytes.saturating_mul(2);
        }
        Ok(())
    }

    fn known_tokens(&self) -> usize {
        self.token_ends.len() - self.token
    }

    /// The text that isn't in a piece yet.
    pub(super) fn rest(&self) -> &str {
        &self.text[self.at..self.end]
    }

    /// Whether all that is left of the text is here, and may have no more tokens than this.
    pub(super) fn may_fit_whole(&self, max_tokens: usize) -> bool {
        self.last && self.known_tokens() <= max_tokens.saturating_add(SLACK)
    }

    /// The bytes of the rest that `count` tokens hold, by the estimate. `count` isn't 0.
    pub(super) fn end_of_tokens(&self, count: usize) -> usize {
        let token = self.token.saturating_add(count - 1);
        self.token_ends.get(token).copied().unwrap_or(self.end) - self.at
    }

    /// A piece of this many bytes was taken.
    pub(super) fn advance(&mut self, len: usize) {
        self.at += len;
        self.token += self.token_ends[self.token..].partition_point(|&end| end <= self.at);
    }
}
