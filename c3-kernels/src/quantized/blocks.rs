//! A matrix of quantised weights.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::BlockType;
use super::unpack::dequantize_row;
use crate::{Error, Result};

/// A matrix `[n, k]` of weights in blocks, row by row, over bytes that somebody keeps: a vector, or
/// a part of a mapped file. Clones share them.
#[derive(Clone)]
pub struct Blocks {
    kind: BlockType,
    n: usize,
    k: usize,
    /// Where the first row begins in the bytes.
    start: usize,
    bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
}

impl Blocks {
    /// A matrix `[n, k]` over its bytes, which need no alignment.
    ///
    /// # Errors
    /// [`Error::BlockRow`] where `k` is no whole number of blocks, [`Error::Length`] where there are
    /// not as many bytes as that takes.
    pub fn new(
        kind: BlockType,
        [n, k]: [usize; 2],
        bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
    ) -> Result<Self> {
        let block = kind.block_len();
        let Some(expected) = kind.bytes(n, k) else {
            return Err(match k.is_multiple_of(block) {
                true => Error::TooLarge { op: "quantized_linear", shape: vec![n, k] },
                false => Error::BlockRow { kind, block, k },
            });
        };
        let found = (*bytes).as_ref().len();
        if found != expected {
            return Err(Error::Length { op: "quantized_linear", name: "w", expected, found });
        }
        Ok(Self { kind, n, k, start: 0, bytes })
    }

    /// How the weights are kept.
    pub fn kind(&self) -> BlockType {
        self.kind
    }

    /// `[n, k]`
    pub fn dims(&self) -> [usize; 2] {
        [self.n, self.k]
    }

    /// The blocks, row by row.
    pub fn bytes(&self) -> &[u8] {
        &(*self.bytes).as_ref()[self.start..self.start + self.n * self.row_bytes()]
    }

    fn row_bytes(&self) -> usize {
        self.k / self.kind.block_len() * self.kind.block_bytes()
    }

    /// Some of the rows alone, over the same bytes.
    ///
    /// # Errors
    /// [`Error::Row`] where there are no such rows.
    pub fn narrow(&self, rows: Range<usize>) -> Result<Self> {
        if rows.start > rows.end || rows.end > self.n {
            return Err(Error::Row { row: rows.end, rows: self.n });
        }
        let start = self.start + rows.start * self.row_bytes();
        Ok(Self { n: rows.len(), start, ..self.clone() })
    }

    /// Rows `ids` in f32, one after the other: `[ids.len(), k]`.
    ///
    /// # Errors
    /// [`Error::Row`] where there is no such row.
    pub fn rows(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let row_bytes = self.row_bytes();
        let mut out = Vec::with_capacity(ids.len() * self.k);
        for &id in ids {
            let row = id as usize;
            if row >= self.n {
                return Err(Error::Row { row, rows: self.n });
            }
            let bytes = &self.bytes()[row * row_bytes..(row + 1) * row_bytes];
            dequantize_row(self.kind, bytes, &mut out);
        }
        Ok(out)
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blocks({} [{}, {}])", self.kind, self.n, self.k)
    }
}
