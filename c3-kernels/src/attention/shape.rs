//! The sizes of an attention, and what each query may see.

use std::ops::Range;

use crate::{Activations, Error, Result};

/// What a query may see, and how scores are scaled.
///
/// Queries are the last rows of the keys: of `Q` queries over `T` keys, query `i` stands at key
/// `T − Q + i`.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Scores are `scale · (q · k)`; usually `1/√head_dim`.
    pub scale: f32,
    /// Whether a query sees no key after the one it stands at. Otherwise it sees all.
    pub causal: bool,
    /// For each row of the batch, the first key that may be seen: rows whose text is shorter than
    /// the longest are padded on the left. Empty if no row is padded.
    pub first_key: Vec<usize>,
    /// With [`Activations::Bf16`], queries, keys, values and the weights of values may be rounded to
    /// bf16 before they are multiplied. They are where that is faster: for more than 8 rows on a
    /// processor that multiplies pairs of bf16 fast.
    pub activations: Activations,
}

/// The sizes of one attention.
///
/// q is `[batch, queries, heads, head_dim]`, k and v are `[batch, kv_heads, keys, head_dim]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Rows of the batch.
    pub batch: usize,
    /// Queries of each row.
    pub queries: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads; head `h` reads key-value head `h / (heads / kv_heads)`.
    pub kv_heads: usize,
    /// Keys of each row, padding included.
    pub keys: usize,
    /// Width of one head.
    pub head_dim: usize,
}

impl AttentionShape {
    /// Query heads that share a key-value head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads.max(1)
    }

    /// Number of the row `[batch, query, head]` among all rows of the result.
    pub(crate) fn row(&self, batch: usize, query: usize, head: usize) -> usize {
        (batch * self.queries + query) * self.heads + head
    }

    /// Whether this shape and these options belong together.
    ///
    /// # Errors
    /// If the heads don't divide evenly, or `first_key` doesn't fit the batch or the keys.
    pub fn check(&self, options: &Attention) -> Result<()> {
        if self.kv_heads == 0 || !self.heads.is_multiple_of(self.kv_heads) {
            return Err(Error::Heads { heads: self.heads, kv_heads: self.kv_heads });
        }
        let first_key = &options.first_key;
        if !first_key.is_empty() && first_key.len() != self.batch {
            return Err(Error::FirstKeyCount { batch: self.batch, found: first_key.len() });
        }
        match first_key.iter().position(|&first| first > self.keys) {
            None => Ok(()),
            Some(row) => Err(Error::FirstKey { row, keys: self.keys, found: first_key[row] }),
        }
    }

    /// The keys that query `query` of batch row `row` may see; possibly none.
    pub fn visible(&self, options: &Attention, row: usize, query: usize) -> Range<usize> {
        let first = options.first_key.get(row).copied().unwrap_or(0);
        let end = match options.causal {
            // keys − queries + query + 1, which is below 1 for a query that stands before key 0.
            true => (self.keys + query + 1).saturating_sub(self.queries),
            false => self.keys,
        };
        first..end.max(first)
    }
}
