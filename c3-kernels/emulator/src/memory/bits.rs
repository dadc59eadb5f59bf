//! A bit for each byte of a buffer, set by many threads at once.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::types::low_mask;

/// One bit for each byte.
#[derive(Debug)]
pub(crate) struct Bits(Box<[AtomicU64]>);

impl Bits {
    /// Bits for so many bytes, none set.
    pub(crate) fn new(bytes: usize) -> Self {
        Self((0..bytes.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    /// The first byte of these whose bit isn't set.
    pub(crate) fn first_unset(&self, offset: usize, bytes: usize) -> Option<usize> {
        words(offset, bytes).find_map(|(word, mask)| {
            let unset = !self.0[word].load(Relaxed) & mask;
            (unset != 0).then(|| word * 64 + unset.trailing_zeros() as usize)
        })
    }

    pub(crate) fn set(&self, offset: usize, bytes: usize) {
        for (word, mask) in words(offset, bytes) {
            // Most bytes are touched more than once, and looking is cheaper than a locked write.
            if self.0[word].load(Relaxed) & mask != mask {
                self.0[word].fetch_or(mask, Relaxed);
            }
        }
    }

    pub(crate) fn clear(&self, offset: usize, bytes: usize) {
        for (word, mask) in words(offset, bytes) {
            self.0[word].fetch_and(!mask, Relaxed);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.load(Relaxed).count_ones())).sum()
    }
}

/// The words that hold the bits of these bytes, and which of their bits.
fn words(offset: usize, bytes: usize) -> impl Iterator<Item = (usize, u64)> {
    let end = offset + bytes;
    let (first, last) = (offset / 64, end.div_ceil(64));
    (first..last).map(move |word| {
        let from = offset.saturating_sub(word * 64) as u32;
        let to = (end - word * 64).min(64) as u32;
        (word, low_mask(to) & !low_mask(from))
    })
}
